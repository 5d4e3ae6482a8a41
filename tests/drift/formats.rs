//! The report in every format, and where it goes.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Run, assert_golden};
use crate::world::{Applied, checked, of_nodes};

const LOOK: &str = "drift -f examples/private-link --observed now.json";

/// The AKS scenario after somebody's bad day, as a snapshot with times that do not change.
fn bad_day() -> Applied {
    let applied = Applied::private_link();
    applied.meanwhile(|somebody| async move {
        somebody.annotate("kubectl-edit", &[("azure-pls-proxy-protocol", Some("true"))]).await;
    });
    applied.edit(&of_nodes("privateLinkServices/my-pls"), |link| {
        link["properties"]["visibility"] = json!({"subscriptions": ["*"]});
        link["systemData"] = json!({"lastModifiedBy": "eve@contoso.com"});
    });
    applied.edit(&of_nodes("loadBalancers/kubernetes-internal"), |it| {
        let frontends = it["properties"]["frontendIPConfigurations"].as_array_mut().unwrap();
        let mut frontend = frontends[0].clone();
        let properties = frontend["properties"].as_object_mut().unwrap();
        properties.retain(|key, _| key.starts_with("privateIP") || key == "subnet");
        frontend["properties"]["privateIPAddress"] = json!("10.240.0.201");
        frontend["name"] = json!("by-terraform");
        frontends.push(frontend);
    });
    let mut snapshot = applied.snapshot("now.json");
    still(&mut snapshot);
    applied.save("now.json", &snapshot);
    applied
}

/// Every time of this run becomes one time.
fn still(value: &mut Value) {
    match value {
        Value::String(text)
            if text.len() == 20 && text.starts_with("20") && text.ends_with('Z') =>
        {
            "2026-01-01T00:00:00Z".clone_into(text);
        }
        Value::Array(items) => items.iter_mut().for_each(still),
        Value::Object(fields) => fields.values_mut().for_each(still),
        _ => {}
    }
}

#[test]
fn every_format_tells_the_same_day() {
    let applied = bad_day();
    for (format, file) in [
        ("text", "drift.txt"),
        ("json", "drift.json"),
        ("markdown", "drift.md"),
        ("junit", "drift.xml"),
    ] {
        let run = applied.place.run(&format!("{LOOK} -o {format}")).expect(2);
        assert_golden(&format!("drift/{file}"), &run.stdout);
        assert_eq!(run.stderr, "");
    }
    for width in ["80", "120"] {
        let words: Vec<&str> = LOOK.split(' ').collect();
        let run = applied.place.run_args_with(&words, &[("COLUMNS", width)]).expect(2);
        assert_golden(&format!("drift/drift-{width}.txt"), &run.stdout);
        let most: usize = width.parse().unwrap();
        assert!(run.stdout.lines().all(|line| line.chars().count() <= most), "{}", run.stdout);
    }
    // Beside stdout, into files.
    let more = "--exit-zero --render junit=drift.xml --prometheus drift.prom";
    applied.place.run(&format!("{LOOK} {more}")).expect(0);
    let read = |name: &str| std::fs::read_to_string(applied.place.path().join(name)).unwrap();
    assert_golden("drift/drift.xml", &read("drift.xml"));
    let metrics: String = read("drift.prom")
        .lines()
        .filter(|line| !line.starts_with("privlink_last_success"))
        .map(|line| format!("{line}\n"))
        .collect();
    assert_golden("drift/drift.prom", &metrics);
}

#[test]
fn metrics_keep_the_last_success_and_leave_no_half_file() {
    let applied = bad_day();
    let file = applied.place.path().join("drift.prom");
    let success = || {
        let text = std::fs::read_to_string(&file).unwrap();
        let line = text.lines().find(|line| line.starts_with("privlink_last_success")).unwrap();
        line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap()
    };
    applied.place.run(&format!("{LOOK} --exit-zero --prometheus drift.prom")).expect(0);
    assert!(success() > 1_700_000_000);
    let text = std::fs::read_to_string(&file).unwrap().replace(&success().to_string(), "42");
    std::fs::write(&file, text).unwrap();
    // What cannot be read is no success; nor is what cannot be looked at.
    let text = std::fs::read_to_string(applied.place.path().join("now.json")).unwrap();
    let mut snapshot: Value = serde_json::from_str(&text).unwrap();
    snapshot["kubernetes"]["events"] = json!({"unreadable": "forbidden"});
    applied.save("now.json", &snapshot);
    applied.place.run(&format!("{LOOK} --exit-zero --prometheus drift.prom")).expect(1);
    assert_eq!(success(), 42);
    std::fs::write(applied.place.path().join("now.json"), "{").unwrap();
    let run = applied.place.run(&format!("{LOOK} --prometheus drift.prom -o json")).expect(1);
    assert!(
        checked(&run.stdout)["stacks"][0]["error"].as_str().unwrap().contains("not a snapshot")
    );
    assert_eq!(success(), 42);
    let names = std::fs::read_dir(applied.place.path()).unwrap();
    let names: Vec<String> =
        names.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
    assert!(!names.iter().any(|name| name.contains(".tmp")), "{names:?}");
}

/// What breaks terminals, Markdown, XML and workflow commands.
const HOSTILE: &str = "a\u{1b}[2J`|<script>@team\n::error::]]>\"'&](http://x) \u{202e}\u{0}x";

#[test]
fn hostile_names_break_out_of_no_format() {
    let applied = bad_day();
    let text = std::fs::read_to_string(applied.place.path().join("now.json")).unwrap();
    let hostile = serde_json::to_string(HOSTILE).unwrap();
    let hostile = hostile.trim_matches('"');
    let mut text = text.replace("by-terraform", hostile);
    text = text.replace("eve@contoso.com", hostile);
    text = text.replace("\"kubectl-edit\"", &format!("\"{hostile}\""));
    text = text.replace("Ensured load balancer", hostile);
    let mut snapshot: Value = serde_json::from_str(&text).unwrap();
    snapshot["azure"]["/subscriptions/x/providers/microsoft.network/others"] =
        json!({"unreadable": HOSTILE});
    for event in snapshot["kubernetes"]["events"]["present"].as_array_mut().unwrap() {
        event["type"] = json!("Warning");
        event["reason"] = json!("SyncLoadBalancerFailed");
    }
    applied.save("now.json", &snapshot);
    let run = |format: &str| -> Run { applied.place.run(&format!("{LOOK} -o {format}")).expect(1) };
    let seen = |text: &str| {
        assert!(!text.chars().any(|c| c.is_control() && c != '\n' || c == '\u{202e}'), "{text}");
        assert!(!text.lines().any(|line| line.starts_with("::error")), "{text}");
        assert!(text.contains("202e"), "the name is shown: {text}");
    };
    seen(&run("text").stdout);
    let markdown = run("markdown").stdout;
    seen(&markdown);
    // Outside of fences there is no markup in it.
    let prose: String = markdown.split("```").step_by(2).collect();
    assert!(!prose.contains("<script") && !prose.contains("@team"), "{prose}");
    assert_eq!(markdown.matches("```").count() % 2, 0);
    let xml = run("junit").stdout;
    seen(&xml);
    assert!(well_formed(&xml), "{xml}");
    let report = checked(&run("json").stdout);
    assert!(report.to_string().contains("script"));
}

/// Whether all elements of an XML text are closed in order, and nothing else looks like one.
fn well_formed(xml: &str) -> bool {
    let mut open: Vec<&str> = Vec::new();
    let body = xml.split_once("?>").map_or(xml, |(_, body)| body);
    for part in body.split('<').skip(1) {
        let Some((tag, text)) = part.split_once('>') else { return false };
        let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap_or_default();
        let known =
            ["testsuites", "testsuite", "testcase", "failure", "error", "skipped", "system-out"];
        if !known.contains(&name) || tag.matches('"').count() % 2 != 0 || text.contains('>') {
            return false;
        }
        if tag.starts_with('/') {
            if open.pop() != Some(name) {
                return false;
            }
        } else if !tag.ends_with('/') {
            open.push(name);
        }
    }
    open.is_empty()
}

/// Takes one request and answers it; its head and body.
fn served(listener: &TcpListener, answer: &str) -> (String, String) {
    listener.set_nonblocking(true).unwrap();
    let end = Instant::now() + Duration::from_secs(20);
    let mut stream: TcpStream = loop {
        match listener.accept() {
            Ok((stream, _)) => break stream,
            Err(_) if Instant::now() < end => std::thread::sleep(Duration::from_millis(10)),
            Err(error) => panic!("nobody came: {error}"),
        }
    };
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut text = String::new();
    let mut buffer = [0; 4096];
    loop {
        let read = stream.read(&mut buffer).unwrap();
        text.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length")
                .then(|| value.trim().parse::<usize>().ok())?
        });
        if read == 0 || length.is_some_and(|length| body.len() >= length) {
            let (head, body) = (head.to_owned(), body.to_owned());
            stream.write_all(answer.as_bytes()).unwrap();
            return (head, body);
        }
    }
}

#[test]
fn a_webhook_gets_the_report_with_its_token() {
    let applied = bad_day();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hooks/secret-path", listener.local_addr().unwrap());
    let answer = "HTTP/1.1 204 No Content\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let server = std::thread::spawn(move || served(&listener, answer));
    let words = format!("{LOOK} --exit-zero --webhook {url} --webhook-token HOOK_TOKEN");
    let run = applied.place.run_with(&words, &[("HOOK_TOKEN", "hook-secret")]).expect(0);
    let (head, body) = server.join().unwrap();
    assert!(head.starts_with("POST /hooks/secret-path "), "{head}");
    assert!(head.to_lowercase().contains("authorization: bearer hook-secret"), "{head}");
    assert_eq!(checked(&body)["summary"]["drift"], 2, "{body}");
    assert!(!run.stdout.contains("hook-secret") && !run.stderr.contains("hook-secret"));
}

/// A chat's URL lets whoever has it write into the channel: it comes from the environment, and is shown nowhere.
#[test]
fn a_chat_gets_a_message_and_its_url_comes_from_the_environment_alone() {
    let applied = bad_day();
    let answer = "HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let sent = |format: &str| -> Value {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hooks/secret-path", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || served(&listener, answer));
        let words =
            format!("{LOOK} --exit-zero --webhook-env HOOK_URL --webhook-format {format} -vv");
        let run = applied.place.run_with(&words, &[("HOOK_URL", &url)]).expect(0);
        assert!(!run.stdout.contains("secret-path") && !run.stderr.contains("secret-path"));
        let (head, body) = server.join().unwrap();
        assert!(head.starts_with("POST /hooks/secret-path "), "{head}");
        serde_json::from_str(&body).unwrap()
    };
    let slack = sent("slack");
    let title = slack["text"].as_str().unwrap();
    assert!(title.starts_with("privlink drift: 2 of "), "{title}");
    assert!(slack["blocks"].to_string().contains("internal-app"), "{slack}");
    let teams = sent("teams");
    let card = &teams["attachments"][0];
    assert_eq!(card["contentType"], "application/vnd.microsoft.card.adaptive");
    assert_eq!(card["content"]["type"], "AdaptiveCard");
    assert_eq!(card["content"]["body"][0]["inlines"][0]["text"], title);
    assert!(card["content"]["body"].to_string().contains("internal-app"), "{teams}");
    let on_line = applied.place.run(&format!("{LOOK} --webhook https://x --webhook-format teams"));
    assert!(on_line.expect(1).stderr.contains("--webhook-env"));
    let unset = applied.place.run(&format!("{LOOK} --webhook-env NOT_SET --webhook-format slack"));
    assert!(unset.expect(1).stderr.contains("NOT_SET holds no URL"));
    let alone = applied.place.run(&format!("{LOOK} --webhook-format slack")).expect(1);
    assert!(alone.stderr.contains("--webhook-format is given, and no webhook"), "{}", alone.stderr);
}

#[test]
fn metrics_are_pushed_a_group_for_each_stack() {
    let applied = bad_day();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let server = std::thread::spawn(move || [(); 2].map(|()| served(&listener, answer)));
    let words = format!("{LOOK} --exit-zero --pushgateway {url}");
    applied.place.run(&words).expect(0);
    let [(head, found), (of_success, success)] = server.join().unwrap();
    assert!(head.starts_with("PUT /metrics/job/privlink_drift/stack@base64/"), "{head}");
    assert!(found.contains("privlink_drift_objects{stack=\""), "{found}");
    assert!(!found.contains("privlink_last_success_timestamp_seconds{"), "{found}");
    assert!(of_success.starts_with("PUT /metrics/job/privlink_drift_success/"), "{of_success}");
    assert!(success.contains("privlink_last_success_timestamp_seconds{stack=\""), "{success}");
    // One that is not there is told, and the exit code is 1.
    let gone = applied.place.run(&words).expect(1);
    assert!(gone.stderr.contains("the Pushgateway could not be reached"), "{}", gone.stderr);
}

#[test]
fn a_webhook_that_refuses_is_told_and_ends_with_1() {
    let applied = bad_day();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hooks/secret-path", listener.local_addr().unwrap());
    let answer = "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let server = std::thread::spawn(move || served(&listener, answer));
    let words = format!("{LOOK} --exit-zero --webhook {url} -vv");
    let run = applied.place.run(&words).expect(1);
    server.join().unwrap();
    assert!(run.stdout.contains(" differ: "), "the report is printed all the same");
    assert!(run.stderr.contains("warning: the webhook answered 403"), "{}", run.stderr);
    assert!(!run.stderr.contains("secret-path"), "{}", run.stderr);
}

#[test]
fn a_webhook_in_the_clear_is_refused() {
    let applied = bad_day();
    for url in
        ["http://example.com/x", "ftp://127.0.0.1/x", "nonsense", "http://127.0.0.1.example.com/"]
    {
        let run = applied.place.run(&format!("{LOOK} --webhook {url}")).expect(1);
        assert!(run.stderr.contains("--webhook"), "{}", run.stderr);
    }
    let words = format!("{LOOK} --webhook https://localhost/x --webhook-token NOT_SET");
    let run = applied.place.run(&words).expect(1);
    assert!(run.stderr.contains("NOT_SET holds no token"), "{}", run.stderr);
}
