//! What goes wrong between privlink and Azure or the API server ends in words that say what was being
//! done, to what, as whom and what to do; and in no secret, however much is told.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what fails here fails the test"
)]

mod support;

use std::net::TcpListener;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::serving::Serving;
use support::{Run, Workplace, edit_json};

/// What is never shown.
const SECRETS: [&str; 4] = ["client-s3cret", "kubernetes-s3cret", "eyJ", "Bearer e"];
const BALANCERS: &str = "/loadBalancers";
const LIST_BALANCERS: &str = "MC_myResourceGroup_myAKSCluster_eastus/providers/\
                              Microsoft.Network/loadBalancers: ";
const AS_CLIENT: &str = "(as the client secret of client c11e47";
const LOG_IN: &str = "log in again (`az login`; with --auth token, set another PRIVLINK_ARM_TOKEN), or choose another \
    identity by --auth";
const LATER: &str = "run the command again later";
const PROXIES: &str = "proxies that answer in its place";

fn plan(place: &Workplace, serving: &Serving, more: &str) -> Run {
    let variables = [
        ("AZURE_TENANT_ID", "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa"),
        ("AZURE_CLIENT_ID", "c11e47"),
        ("AZURE_CLIENT_SECRET", "client-s3cret"),
    ];
    let words = format!("plan -f examples/private-link --auth client-secret -vvv {more}");
    let run = serving.run(place, &words, &variables);
    let text = format!("{}{}", run.stdout, run.stderr);
    for secret in SECRETS {
        assert!(!text.contains(secret), "{secret} is shown:\n{text}");
    }
    run
}

fn serve(place: &Workplace, faults: &[Value]) -> Serving {
    std::fs::write(place.path().join("faults.json"), json!(faults).to_string()).unwrap();
    Serving::start(place, &["--tls", "--page-size", "1", "--faults", "faults.json"])
}

fn always(path: &str, effect: Value) -> Value {
    json!({"path": path, "times": 0, "effect": effect})
}

fn status(status: u16, code: &str, message: &str) -> Value {
    json!({"status": {"status": status, "code": code, "message": message}})
}

/// A fault, and what is said of it in the order of the words.
fn cases() -> Vec<(&'static str, Value, Vec<&'static str>)> {
    let expired = status(401, "ExpiredAuthenticationToken", "The access token expired.");
    let stranger = status(400, "AADSTS700016", "Application 'c11e47' was not found.");
    vec![
        (
            "a token that is always refused",
            always(BALANCERS, expired),
            vec![
                "cannot list ",
                LIST_BALANCERS,
                "ExpiredAuthenticationToken (401)",
                AS_CLIENT,
                LOG_IN,
            ],
        ),
        (
            "a client that its tenant does not know",
            always("/oauth2/", stranger),
            vec![
                "not signed in to Azure for subscription ",
                "AADSTS700016: Application 'c11e47' was not found",
                AS_CLIENT,
                LOG_IN,
            ],
        ),
        (
            "our clock behind",
            always("/subscriptions", json!({"clock": {"seconds": 9000}})),
            vec![
                "cannot list ",
                "ExpiredAuthenticationToken (401)",
                "clock is 2 h",
                "behind Azure's",
                AS_CLIENT,
                LOG_IN,
            ],
        ),
        (
            "our clock ahead",
            always("/subscriptions", json!({"clock": {"seconds": -9000}})),
            vec![
                "cannot list ",
                "InvalidAuthenticationToken (401)",
                "clock is 2 h",
                "ahead of Azure's",
                AS_CLIENT,
                LOG_IN,
            ],
        ),
        (
            "no right to the second page",
            always("skiptoken", status(403, "", "no")),
            vec![
                "cannot list ",
                "virtualNetworks",
                "AuthorizationFailed (403): no",
                AS_CLIENT,
                "preflight --role",
            ],
        ),
        (
            "no right",
            always(BALANCERS, status(403, "", "no")),
            vec![
                "cannot list ",
                LIST_BALANCERS,
                "AuthorizationFailed (403): no",
                AS_CLIENT,
                "preflight --role",
            ],
        ),
        (
            "half an answer",
            always(BALANCERS, json!("halfAnswer")),
            vec!["cannot list ", LIST_BALANCERS, "peer closed connection", AS_CLIENT, LATER],
        ),
        (
            "a sign-in page",
            always(BALANCERS, json!("wrongContentType")),
            vec![
                "cannot list ",
                LIST_BALANCERS,
                "the reply is not JSON (text/html)",
                AS_CLIENT,
                PROXIES,
            ],
        ),
        (
            "a reset",
            always(BALANCERS, json!("reset")),
            vec!["cannot list ", LIST_BALANCERS, AS_CLIENT, LATER],
        ),
        (
            "a list in a circle",
            always(BALANCERS, json!({"nextLink": {"url": ""}})),
            vec![
                "cannot list ",
                LIST_BALANCERS,
                "pages lead back to one another",
                AS_CLIENT,
                PROXIES,
            ],
        ),
        (
            "a list that goes on elsewhere",
            always(BALANCERS, json!({"nextLink": {"url": "https://elsewhere.example.com/x"}})),
            vec![
                "cannot list ",
                LIST_BALANCERS,
                "refusing to send a request to https://elsewhere.example.com",
                AS_CLIENT,
                "no token was sent to the other host",
            ],
        ),
        (
            "an API server that resets",
            always("/api/v1/services", json!("reset")),
            vec!["cannot list Services: ", "(through context ", LATER],
        ),
        (
            "half a list of Services",
            always("/api/v1/services", json!("halfAnswer")),
            vec!["cannot list Services: ", "(through context ", LATER],
        ),
        (
            "a proxy before the API server",
            always("/api/v1/services", json!("wrongContentType")),
            vec![
                "cannot list Services: ",
                "the reply is not JSON (text/html)",
                "(through context ",
                PROXIES,
            ],
        ),
        (
            "no right to Nodes",
            always("/api/v1/nodes", status(403, "", "no")),
            vec!["cannot list Nodes: Forbidden (403): no", "(through context ", "preflight --role"],
        ),
    ]
}

/// A second virtual network beside the nodes', so that there is a second page.
fn add_network(place: &Workplace) {
    place.run("sandbox init world.json").expect(0);
    edit_json(&place.path().join("world.json"), |world| {
        let resources = world["azure"].as_array_mut().unwrap();
        let network = resources.iter().find(|it| it["name"] == "aks-vnet").unwrap();
        let other = network.to_string().replace("aks-vnet", "other-vnet");
        resources.push(serde_json::from_str(&other).unwrap());
    });
}

#[test]
fn every_fault_ends_in_words_that_help() {
    for (name, fault, told) in cases() {
        let place = Workplace::with_example("private-link");
        add_network(&place);
        let serving = serve(&place, &[fault]);
        let run = plan(&place, &serving, "").expect(1);
        let mut rest =
            run.stderr.rsplit_once("\nerror: ").unwrap_or_else(|| panic!("{name}: {run:?}")).1;
        for words in told {
            let (_, after) = rest.split_once(words).unwrap_or_else(|| {
                panic!("{name}: `{words}` is not said, or not there:\n{}", run.stderr)
            });
            rest = after;
        }
        assert!(run.stdout.is_empty(), "{name}: {}", run.stdout);
    }
}

#[test]
fn an_expired_token_is_renewed() {
    let place = Workplace::with_example("private-link");
    let mut fault = always("/subscriptions", status(401, "ExpiredAuthenticationToken", "over"));
    fault["times"] = json!(1);
    let log = "--request-log";
    std::fs::write(place.path().join("faults.json"), json!([fault]).to_string()).unwrap();
    let more = ["--tls", "--faults", "faults.json", log, "log.jsonl"];
    let serving = Serving::start(&place, &more);
    plan(&place, &serving, "").expect(0);
    let log = std::fs::read_to_string(place.path().join("log.jsonl")).unwrap();
    assert_eq!(log.lines().filter(|line| line.contains("/oauth2/v2.0/token")).count(), 2, "{log}");
}

#[test]
fn nobody_there_is_said_at_once() {
    let place = Workplace::with_example("private-link");
    let mut serving = serve(&place, &[]);
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let arm = std::mem::replace(&mut serving.arm, format!("https://{free}"));
    let run = plan(&place, &serving, "").expect(1);
    for words in [
        "cannot reach Azure at https://127.0.0.1:",
        "Connection refused",
        AS_CLIENT,
        "check the network",
    ] {
        assert!(run.stderr.contains(words), "{words}: {}", run.stderr);
    }
    serving.arm = arm;
    let kubeconfig = std::fs::read_to_string(place.path().join("kubeconfig")).unwrap();
    let (before, after) = kubeconfig.split_once("http://127.0.0.1:").unwrap();
    let after = after.trim_start_matches(|c: char| c.is_ascii_digit());
    let nobody = format!("{before}http://{free}{after}");
    std::fs::write(place.path().join("kubeconfig"), nobody).unwrap();
    let run = plan(&place, &serving, "").expect(1);
    for words in [
        "cannot reach the API server: Connection refused",
        " at http://127.0.0.1:",
        "check the kubeconfig",
    ] {
        assert!(run.stderr.contains(words), "{words}: {}", run.stderr);
    }
}

#[test]
fn no_tls_connection_is_final() {
    let place = Workplace::with_example("private-link");
    let mut serving = serve(&place, &[]);
    let started = Instant::now();
    // ARM's address with nothing that speaks TLS behind it: the API server's.
    let kubeconfig = std::fs::read_to_string(place.path().join("kubeconfig")).unwrap();
    let port = kubeconfig.split("http://127.0.0.1:").nth(1).unwrap().split('\'').next().unwrap();
    serving.arm = format!("https://127.0.0.1:{port}");
    let run = plan(&place, &serving, "").expect(1);
    for words in ["cannot list ", "received corrupt message", AS_CLIENT, "SSL_CERT_FILE"] {
        assert!(run.stderr.contains(words), "{words}: {}", run.stderr);
    }
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

/// Without a kubeconfig a Pod's own account is used; elsewhere the current context is what is missing.
#[test]
fn a_pod_has_an_account_and_needs_no_kubeconfig() {
    let place = Workplace::with_example("private-link");
    let home = place.path().display().to_string();
    let azure = [("HOME", home.as_str()), ("PRIVLINK_AUTH", "token"), ("PRIVLINK_ARM_TOKEN", "t")];
    let pod = [("KUBERNETES_SERVICE_HOST", "127.0.0.1"), ("KUBERNETES_SERVICE_PORT", "1")];
    let words = "observe -f examples/private-link";
    let stderr = place.run_with(words, &azure).expect(1).stderr;
    assert!(stderr.contains("(through the current context)"), "{stderr}");
    let stderr = place.run_with(words, &[&azure[..], &pod[..]].concat()).expect(1).stderr;
    assert!(stderr.contains("the pod's service account"), "{stderr}");
}
