//! What an attacker can put into files, the cloud and its replies, and what stops it. `docs/security.md` has a
//! row for each of these tests, and for those elsewhere.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers outside of test functions; what fails here fails the test"
)]

mod support;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use serde_json::{Value, json};
use support::http::call;
use support::serving::Serving;
use support::{Workplace, edit_json, root};

const WORLD: &str = "--sandbox=world.json";

fn mode(file: &Path) -> u32 {
    fs::metadata(file).unwrap().permissions().mode() & 0o777
}

#[test]
fn what_is_saved_is_for_the_user_alone() {
    let place = Workplace::with_example("private-link");
    // Whoever made the file before left it open to all.
    for name in ["plan.json", "seen.json", "plan.md"] {
        fs::write(place.path().join(name), "before").unwrap();
        let open = fs::Permissions::from_mode(0o666);
        fs::set_permissions(place.path().join(name), open).unwrap();
    }
    let plan =
        format!("plan -f examples/private-link {WORLD} --out plan.json --render markdown=plan.md");
    place.run(&plan).expect(0);
    place.run(&format!("apply plan.json {WORLD}")).expect(0);
    place.run(&format!("observe -f examples/private-link {WORLD} --out seen.json")).expect(0);
    let mut files: Vec<_> = fs::read_dir(place.path().join(".privlink/journal"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|it| it == "jsonl"))
        .collect();
    assert_eq!(files.len(), 1);
    files.extend(
        ["plan.json", "seen.json", "plan.md", "world.json"].map(|name| place.path().join(name)),
    );
    for file in files {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

#[test]
fn a_link_where_an_output_goes_is_replaced_and_not_followed() {
    let place = Workplace::with_example("private-link");
    let precious = place.path().join("precious");
    fs::write(&precious, "precious").unwrap();
    for name in ["plan.json", "seen.json", "plan.md", "world.json"] {
        symlink(&precious, place.path().join(name)).unwrap();
    }
    let plan = "plan -f examples/private-link --sandbox=other.json --out plan.json --render markdown=plan.md";
    place.run(plan).expect(0);
    place.run("observe -f examples/private-link --sandbox=other.json --out seen.json").expect(0);
    // A world is read before it is written, and this is none.
    place.run(&format!("plan -f examples/private-link {WORLD}")).expect(1);
    assert_eq!(fs::read_to_string(&precious).unwrap(), "precious");
    for name in ["plan.json", "seen.json", "plan.md"] {
        assert!(fs::symlink_metadata(place.path().join(name)).unwrap().is_file(), "{name}");
    }
    // What is no file is written to as it is.
    place.run("plan -f examples/private-link --sandbox=other.json --out /dev/null").expect(0);
    assert!(!fs::metadata("/dev/null").unwrap().is_file());
}

#[test]
fn a_link_that_leads_out_of_a_folder_is_refused_and_not_read() {
    let place = Workplace::with_example("private-link");
    let secret = place.path().join("kubeconfig.yaml");
    fs::write(&secret, "token: not-to-be-seen: at all\n").unwrap();
    let folder = place.path().join("examples/private-link");
    symlink(&secret, folder.join("more.yaml")).unwrap();
    for command in ["validate", "plan --sandbox=other.json"] {
        let run = place.run(&format!("{command} -f examples/private-link")).expect(1);
        assert!(
            run.stderr.contains("more.yaml leads out of examples/private-link"),
            "{}",
            run.stderr
        );
        assert!(!format!("{}{}", run.stdout, run.stderr).contains("not-to-be-seen"));
    }
    // Kubernetes mounts ConfigMaps as links within their folder.
    fs::remove_file(folder.join("more.yaml")).unwrap();
    fs::create_dir(folder.join("..data")).unwrap();
    fs::rename(folder.join("stack.yaml"), folder.join("..data/stack.yaml")).unwrap();
    symlink("..data/stack.yaml", folder.join("stack.yaml")).unwrap();
    place.run("validate -f examples/private-link").expect(0);
}

/// What a consumer writes into a request, and somebody into a tag.
const HOSTILE: &str = "\u{1b}[2J\u{1b}]0;owned\u{7}\n::error::x\n::set-env name=A::b\n<script>alert(1)</script> ![x](https://evil.example/x) @team \u{202e}";

/// A snapshot in which every text that others choose is hostile.
fn hostile_snapshot(place: &Workplace) {
    place.run(&format!("apply -f examples/private-link {WORLD} --auto-approve")).expect(0);
    place.run(&format!("observe -f examples/private-link {WORLD} --out seen.json")).expect(0);
    edit_json(&place.path().join("seen.json"), hostile);
}

fn hostile(seen: &mut Value) {
    let lists = seen["azure"].as_object_mut().unwrap();
    let foreign = format!(
        "/subscriptions/99999999-9999-9999-9999-999999999999/resourceGroups/g{HOSTILE}/providers/Microsoft.Network/privateEndpoints/e"
    );
    for (path, list) in lists {
        if path.ends_with("/privatelinkservices") {
            let link = &mut list["present"][0]["properties"];
            let connections = link["privateEndpointConnections"].as_array_mut().unwrap();
            let mut more = connections[0].clone();
            more["name"] = HOSTILE.into();
            more["properties"]["privateEndpoint"]["id"] = foreign.as_str().into();
            more["properties"]["privateLinkServiceConnectionState"] =
                json!({"status": "Pending", "description": HOSTILE, "actionsRequired": "None"});
            connections.push(more);
        }
        if path.ends_with("/privateendpoints") {
            list["present"][0]["tags"][HOSTILE] = HOSTILE.into();
        }
    }
    let service = &mut seen["kubernetes"]["services"]["present"];
    for service in service.as_array_mut().unwrap() {
        service["metadata"]["annotations"][HOSTILE] = HOSTILE.into();
        service["metadata"]["finalizers"] = json!([HOSTILE]);
    }
}

#[test]
fn text_from_the_cloud_does_nothing_to_a_terminal_a_comment_or_a_log() {
    let place = Workplace::with_example("private-link");
    hostile_snapshot(&place);
    let address = place.path().join("examples/private-link/internal-app.yaml");
    let text = fs::read_to_string(&address).unwrap();
    fs::write(&address, text.replace("port: 80", "port: 81")).unwrap();
    for words in [
        "plan -f examples/private-link --observed seen.json",
        "plan -f examples/private-link --observed seen.json --destroy",
        "plan -f examples/private-link --observed seen.json -o markdown",
        "plan -f examples/private-link --observed seen.json -o html",
        "drift -f examples/private-link --observed seen.json -o html",
        "plan -f examples/private-link --observed seen.json -o json",
        "graph -f examples/private-link --observed seen.json",
        "graph -f examples/private-link --observed seen.json -o mermaid",
        "import --observed seen.json",
    ] {
        let run = place.run(words);
        assert!(run.code <= 3, "{words}: {}", run.stderr);
        let all = format!("{}{}", run.stdout, run.stderr);
        // JSON is for programs: marks of writing direction stay what they are in it.
        let marks = if words.ends_with("json") { "\u{1b}\u{7}" } else { "\u{1b}\u{7}\u{202e}" };
        for c in marks.chars() {
            assert!(!all.contains(c), "{words}: {c:?} in\n{all}");
        }
        let commands = all.lines().find(|line| line.trim_start().starts_with("::"));
        assert_eq!(commands, None, "{words}");
        if words.contains("html") {
            for acts in ["<script", "<img", "<a ", "<iframe", "<link", "src=", "url("] {
                assert!(!all.contains(acts), "{words}: {acts}");
            }
        }
        if words.contains("markdown") {
            assert!(!all.contains("<script>") && !all.contains("](https://evil"), "{all}");
        }
    }
}

#[test]
fn another_stacks_objects_are_neither_written_nor_deleted() {
    let place = Workplace::with_example("private-link");
    place.run(&format!("apply -f examples/private-link {WORLD} --auto-approve")).expect(0);
    let before = fs::read_to_string(place.path().join("world.json")).unwrap();
    let stack = place.path().join("examples/private-link/stack.yaml");
    let text = fs::read_to_string(&stack).unwrap();
    fs::write(&stack, text.replace("name: private-link", "name: thief")).unwrap();
    let app = place.path().join("examples/private-link/internal-app.yaml");
    let text = fs::read_to_string(&app).unwrap();
    fs::write(&app, text.replace("port: 80", "port: 81")).unwrap();
    let plan = place.run(&format!("plan -f examples/private-link {WORLD}")).expect(3);
    assert!(plan.stdout.contains("not-adopted"), "{}", plan.stdout);
    place.run(&format!("apply -f examples/private-link {WORLD} --auto-approve")).expect(3);
    place.run(&format!("destroy -f examples/private-link {WORLD} --auto-approve")).expect(0);
    place
        .run(&format!(
            "forget Service/default/internal-app -f examples/private-link {WORLD} --auto-approve"
        ))
        .expect(1);
    let resources = |text: &str| -> Vec<Value> {
        let world: Value = serde_json::from_str(text).unwrap();
        world["azure"].as_array().unwrap().clone()
    };
    let after = fs::read_to_string(place.path().join("world.json")).unwrap();
    assert_eq!(resources(&after), resources(&before));
}

#[test]
fn an_import_writes_into_its_folder_only() {
    let place = Workplace::with_example("private-link");
    place.run(&format!("apply -f examples/private-link {WORLD} --auto-approve")).expect(0);
    // Names of what is live name no files.
    place.run(&format!("import {WORLD} --stack private-link --out a/b")).expect(0);
    let mut files: Vec<_> = fs::read_dir(place.path().join("a/b"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    assert_eq!(files, ["endpoints.yaml", "services.yaml", "stack.yaml"]);
}

#[test]
fn a_stacks_name_leads_to_no_other_folder() {
    let place = Workplace::empty();
    for name in ["../../escaped", "a/../../../escaped", "..", "/tmp/escaped"] {
        let stack =
            format!("apiVersion: privlink.dev/v1alpha1\nkind: Stack\nmetadata: {{name: {name}}}\n");
        fs::write(place.path().join("stack.yaml"), stack).unwrap();
        let run = place.run("plan -f stack.yaml --sandbox").expect(1);
        assert!(run.stderr.contains("bad-name"), "{name}: {}", run.stderr);
        // A flag names a world as well.
        let run = place.run_args(&["import", "--sandbox", "--stack", name]);
        assert_eq!(run.code, 0, "{name}: {}", run.stderr);
    }
    for entry in fs::read_dir(place.path().join(".privlink/sandbox")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(
            name == ".gitignore" || name.ends_with(".json") || name.ends_with(".lock"),
            "{name}"
        );
    }
    assert!(!place.path().parent().unwrap().join("escaped.json").exists());
}

/// Every test that the page names is there.
#[test]
fn every_row_of_the_page_names_tests_that_exist() {
    let page = fs::read_to_string(root().join("docs/security.md")).unwrap();
    let mut sources = String::new();
    for folder in ["tests", "planner", "providers", "fuzz/src"] {
        gather(&root().join(folder), &mut sources);
    }
    let mut rows = 0;
    let table = page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| what"));
    for row in table {
        rows += 1;
        let tests = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        let names: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "no test in {row}");
        for name in names {
            assert!(sources.contains(&format!("fn {name}(")), "there is no test {name}");
        }
    }
    assert!(rows >= 25, "{rows} rows");
}

fn gather(folder: &Path, sources: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            gather(&path, sources);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            sources.push_str(&fs::read_to_string(path).unwrap());
        }
    }
}

/// Places and files under `.privlink` that a repository may have committed as links.
#[test]
fn no_link_under_privlinks_own_folder_is_followed() {
    let plan = "plan -f examples/private-link --sandbox";
    let world = ".privlink/sandbox/private-link.json";
    for link in [format!("{world}.lock"), format!("{world}.new")] {
        let place = Workplace::with_example("private-link");
        let precious = place.path().join("precious");
        fs::write(&precious, "precious").unwrap();
        fs::create_dir_all(place.path().join(".privlink/sandbox")).unwrap();
        symlink(&precious, place.path().join(&link)).unwrap();
        place.run(plan);
        assert_eq!(fs::read_to_string(&precious).unwrap(), "precious", "{link}");
    }
    let apply = "apply -f examples/private-link --auto-approve --sandbox=world.json";
    for (link, words) in
        [(".privlink", plan), (".privlink/sandbox", plan), (".privlink/journal", apply)]
    {
        let place = Workplace::with_example("private-link");
        let elsewhere = place.path().join("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        fs::create_dir_all(place.path().join(link).parent().unwrap()).unwrap();
        symlink(&elsewhere, place.path().join(link)).unwrap();
        let refused = place.run(words).expect(1);
        assert!(refused.stderr.contains("is a link, which is not followed"), "{}", refused.stderr);
        assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0, "{link}");
    }
}

#[test]
fn privlinks_own_folders_are_for_the_user_alone() {
    let place = Workplace::with_example("private-link");
    place.run("apply -f examples/private-link --auto-approve --sandbox").expect(0);
    for folder in [".privlink", ".privlink/sandbox", ".privlink/journal"] {
        assert_eq!(mode(&place.path().join(folder)), 0o700, "{folder}");
    }
}

#[test]
fn what_sandbox_serve_writes_follows_no_link() {
    let place = Workplace::empty();
    let precious = place.path().join("precious");
    fs::write(&precious, "precious").unwrap();
    symlink(&precious, place.path().join("world.ca.pem")).unwrap();
    symlink(&precious, place.path().join("log")).unwrap();
    drop(Serving::start(&place, &["--tls"]));
    let refused = place.run("sandbox serve world.json --request-log log").expect(1);
    assert!(refused.stderr.contains("is a link"), "{}", refused.stderr);
    assert_eq!(fs::read_to_string(&precious).unwrap(), "precious");
}

#[test]
fn stacks_are_not_looked_for_through_links_that_lead_out() {
    let place = Workplace::empty();
    for folder in ["outside", "stacks"] {
        fs::create_dir(place.path().join(folder)).unwrap();
    }
    fs::write(place.path().join("outside/a.yaml"), "password: hunter2\nkind: Service\n").unwrap();
    symlink("../outside", place.path().join("stacks/evil")).unwrap();
    for words in ["plan --stacks stacks --sandbox", "drift --stacks stacks --sandbox"] {
        let refused = place.run(words).expect(1);
        assert!(refused.stderr.contains("leads out of stacks"), "{}", refused.stderr);
        assert!(!format!("{}{}", refused.stdout, refused.stderr).contains("hunter2"));
    }
}

#[test]
fn no_part_of_a_webhooks_url_is_shown() {
    let place = Workplace::with_example("private-link");
    let url = "http://user:p4ssw0rd@127.0.0.1:1/services/SECRETPATH?token=s3cr3t-t0ken";
    let words = format!("drift -f examples/private-link {WORLD} --webhook {url} -vvv");
    let run = place.run(&words).expect(1);
    for secret in ["SECRETPATH", "p4ssw0rd", "s3cr3t-t0ken"] {
        assert!(!run.stderr.contains(secret) && !run.stdout.contains(secret), "{}", run.stderr);
    }
    assert!(run.stderr.contains("the webhook could not be reached"), "{}", run.stderr);
}

/// The status of a request with these headers.
fn status(server: &str, path: &str, headers: &str) -> String {
    use std::io::{Read, Write};
    let host = server.trim_start_matches("http://");
    let mut stream = std::net::TcpStream::connect(host).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\n{headers}Connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    reply.split(' ').nth(1).unwrap_or_default().to_owned()
}

#[test]
fn a_sandbox_answers_no_page_of_a_browser() {
    let place = Workplace::empty();
    let serving = Serving::start(&place, &[]);
    for (server, path) in [
        (&serving.arm, "/sandbox/world"),
        (&serving.kubernetes, "/sandbox/world"),
        (&serving.kubernetes, "/api/v1/services"),
    ] {
        let own = format!("Host: {}\r\n", server.trim_start_matches("http://"));
        for headers in
            [own.clone(), "Host: localhost:1\r\n".to_owned(), "Host: [::1]\r\n".to_owned()]
        {
            // A page cannot choose this header without being asked first whether it may.
            assert_eq!(status(server, path, &headers), "401", "{path} {headers}");
            let headers = format!("{headers}Authorization: Bearer x\r\n");
            assert_eq!(status(server, path, &headers), "200", "{path} {headers}");
        }
        for foreign in [
            "Host: evil.example\r\n".to_owned(),
            "Host: 127.0.0.1.evil.example:80\r\n".to_owned(),
            format!("{own}Origin: http://evil.example\r\n"),
            format!("{own}Origin: null\r\n"),
            format!("{own}Sec-Fetch-Site: cross-site\r\n"),
        ] {
            assert_eq!(status(server, path, &foreign), "403", "{path} {foreign}");
        }
    }
}

#[test]
fn no_proxy_is_asked_for_what_is_on_this_machine() {
    let place = Workplace::with_example("private-link");
    let serving = Serving::start(&place, &["--tls"]);
    let proxy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    proxy.set_nonblocking(true).unwrap();
    let address = format!("http://{}", proxy.local_addr().unwrap());
    let names =
        ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"];
    let mut variables: Vec<(&str, &str)> = names.map(|name| (name, address.as_str())).to_vec();
    variables.extend([
        ("NO_PROXY", ""),
        ("PRIVLINK_ARM_TOKEN", "arm-s3cret"),
        ("PRIVLINK_AUTH", "token"),
    ]);
    serving.run(&place, "plan -f examples/private-link", &variables).expect(0);
    assert!(proxy.accept().is_err(), "the proxy was asked");
}

#[test]
fn the_words_of_a_locks_holder_act_on_no_terminal() {
    let place = Workplace::with_example("private-link");
    let serving = Serving::start(&place, &["--tls"]);
    let leases = "/apis/coordination.k8s.io/v1/namespaces/default/leases";
    let hostile =
        "who\u{1b}[2J\u{1b}]0;owned\u{7}\u{202e}\u{9b}31m\n::error::x ##vso[task.complete]";
    let lease = json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": "privlink-private-link", "namespace": "default"},
        "spec": {"holderIdentity": hostile, "leaseDurationSeconds": 1, "acquireTime": hostile,
                 "renewTime": "2026-01-01T00:00:00.000000Z"},
    });
    let variables =
        [("PRIVLINK_ARM_TOKEN", "arm-s3cret"), ("PRIVLINK_AUTH", "token"), ("TF_BUILD", "True")];
    for words in ["unlock -f examples/private-link --yes", "apply -f examples/private-link --yes"] {
        call(
            &serving.kubernetes,
            "DELETE",
            &format!("{leases}/privlink-private-link"),
            "application/json",
            &Value::Null,
        );
        let (status, _) = call(&serving.kubernetes, "POST", leases, "application/json", &lease);
        assert_eq!(status, 201);
        let run = serving.run(&place, words, &variables).expect(0);
        assert!(run.stderr.contains("who\\u{1b}[2J"), "{}", run.stderr);
        let acts = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
        assert!(!run.stderr.contains(acts) && !run.stderr.contains("##vso"), "{:?}", run.stderr);
        assert!(
            !run.stderr.lines().any(|line| line.trim_start().starts_with("::")),
            "{}",
            run.stderr
        );
    }
}

#[test]
fn the_log_passes_the_same_gate() {
    let place = Workplace::with_example("private-link");
    let serving = Serving::start(&place, &["--tls"]);
    let message =
        "arm-s3cret-token \u{202e}\u{9b}2J ##vso[task.setvariable variable=PATH]x ##[error]";
    let fault = json!([{"path": "/loadBalancers", "times": 1,
        "effect": {"status": {"status": 503, "code": "A\u{202e}", "message": message}}}]);
    let variables = [
        ("PRIVLINK_ARM_TOKEN", "arm-s3cret-token"),
        ("PRIVLINK_AUTH", "token"),
        ("TF_BUILD", "True"),
    ];
    for format in ["text", "json"] {
        let (status, _) =
            call(&serving.kubernetes, "POST", "/sandbox/faults", "application/json", &fault);
        assert_eq!(status, 204);
        let words = format!("plan -f examples/private-link -vv --log-format {format}");
        let run = serving.run(&place, &words, &variables).expect(0);
        assert!(run.stderr.contains("trying again"), "{}", run.stderr);
        let acts = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
        assert!(!run.stderr.contains(acts), "{:?}", run.stderr);
        // Annotations are commands of ours.
        let of_ours = |line: &&str| line.starts_with("##vso[task.logissue ");
        for line in run.stderr.lines().filter(|line| !of_ours(line)) {
            for not in ["##vso", "##[", "arm-s3cret-token"] {
                assert!(!line.contains(not), "{not}: {line}");
            }
        }
    }
}
