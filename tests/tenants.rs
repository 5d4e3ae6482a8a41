//! One stack in two tenants: ARM names the tenant of a subscription, and the same identity gets a
//! token there.

#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails here fails the test")]

mod support;

use serde_json::{Value, json};
use support::serving::Serving;
use support::{Run, Workplace};

const OWN: &str = "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa";
const PARTNER: &str = "bbbbbbbb-bbbb-bbbb-bbbb-bbbbbbbbbbbb";

/// The example with its endpoint in a subscription of the partner's tenant.
fn place() -> Workplace {
    let place = Workplace::with_example("endpoint-in-other-subscription");
    let file = place.path().join("examples/endpoint-in-other-subscription/endpoint.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let text = text
        .replace("11111111-1111-1111-1111-111111111111", "99999999-9999-9999-9999-999999999999")
        .replace("consumerResourceGroup", "partnerResourceGroup")
        .replace("consumer-vnet", "partner-vnet");
    std::fs::write(file, text).unwrap();
    place
}

fn serve(place: &Workplace, faults: &Value) -> Serving {
    std::fs::write(place.path().join("faults.json"), faults.to_string()).unwrap();
    let more = ["--tls", "--faults", "faults.json", "--request-log", "log.jsonl"];
    Serving::start(place, &more)
}

fn run(place: &Workplace, serving: &Serving, words: &str, auth: &str) -> Run {
    let endpoint = format!("{}/msi/token", serving.arm);
    let variables = [
        ("AZURE_TENANT_ID", OWN),
        ("AZURE_CLIENT_ID", "c11e47"),
        ("AZURE_CLIENT_SECRET", "s3cret"),
        ("IDENTITY_ENDPOINT", endpoint.as_str()),
        ("IDENTITY_HEADER", "s3cret"),
    ];
    let words = format!("{words} -f examples/endpoint-in-other-subscription --auth {auth}");
    serving.run(place, &words, &variables)
}

#[test]
fn an_endpoint_in_another_tenant_is_applied_and_destroyed() {
    let place = place();
    let serving = serve(&place, &json!([]));
    run(&place, &serving, "apply --auto-approve", "client-secret").expect(6);
    let plan = run(&place, &serving, "plan", "client-secret").expect(0);
    assert_eq!(plan.last_line(), "No changes. 1 connection awaits approval.");
    run(&place, &serving, "destroy --auto-approve", "client-secret").expect(0);
    let log = std::fs::read_to_string(place.path().join("log.jsonl")).unwrap();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let count = |part: &str, status: u64| {
        let of = |line: &&Value| {
            line["path"].as_str().unwrap().contains(part) && line["status"] == status
        };
        lines.iter().filter(of).count()
    };
    // One token of each tenant for each of the three runs, and few questions which tenant it is.
    assert_eq!(count(&format!("{OWN}/oauth2"), 200), 3);
    assert_eq!(count(&format!("{PARTNER}/oauth2"), 200), 3);
    let wrong = count("/subscriptions/99999999-9999-9999-9999-999999999999", 401);
    assert!((3..=12).contains(&wrong), "{wrong}");
    assert!(count("partnerResourceGroup", 201) > 0, "the endpoint was made");
}

#[test]
fn an_identity_that_the_other_tenant_does_not_know_is_told() {
    let place = place();
    let unknown = json!([{"path": format!("{PARTNER}/oauth2"), "times": 0, "effect": {"status": {
        "status": 400, "code": "AADSTS700016", "message": "Application 'c11e47' was not found.",
    }}}]);
    let serving = serve(&place, &unknown);
    let plan = run(&place, &serving, "plan", "client-secret").expect(3);
    for words in [
        "unreadable",
        "AADSTS700016: Application 'c11e47' was not found",
        "99999999-9999-9999-9999-999999999999",
        "the client secret of client c11e47",
    ] {
        let said = support::flat(&plan.stdout);
        assert!(said.contains(words), "{words}: {said}");
    }
    // A managed identity is of one tenant only.
    let plan = run(&place, &serving, "plan", "managed-identity").expect(3);
    for words in ["InvalidAuthenticationTokenTenant (401)", "the system-assigned managed identity"]
    {
        let said = support::flat(&plan.stdout);
        assert!(said.contains(words), "{words}: {said}");
    }
}
