//! Recorded answers of the real ARM, replayed against the sandbox (`tests/recordings/azure`).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use privlink_sandbox::{ControllerMode, SandboxOptions};
use serde_json::{Value, json};
use support::{Arm, Reply, SUBSCRIPTION, start};

/// What Azure allocates, and what some API versions alone show: never compared.
const ALLOCATED: &str = "linkIdentifier";
const BY_VERSION: [&str; 3] =
    ["privateEndpointLocation", "isIPv6EnabledPrivateEndpoint", "privateEndpointVNetPolicies"];
/// Headers that an answer has only where Azure's has them.
const TELLING: [&str; 4] = ["azure-asyncoperation", "azure-asyncnotification", "location", "etag"];

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/recordings/azure")
}

fn read(name: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(folder().join(name)).unwrap()).unwrap()
}

/// Which guid of the sandbox stands for which of Azure's: one for one. Zeros are a recorder's scrubbing.
#[derive(Default)]
struct Pairs {
    there: BTreeMap<String, String>,
    back: BTreeMap<String, String>,
}

/// A text without its guids, and the guids.
fn guids(text: &str) -> (String, Vec<&str>) {
    let (mut rest, mut found) = (String::new(), Vec::new());
    let mut at = 0;
    while let Some(left) = text.get(at..) {
        let end = left.char_indices().nth(36).map_or(left.len(), |(end, _)| end);
        let part = &left[..end];
        let lengths = part.split('-').map(str::len);
        let hex = |part: &str| part.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'));
        if lengths.eq([8, 4, 4, 4, 12]) && part.split('-').all(hex) {
            rest.push_str("<>");
            found.push(part);
            at += end;
        } else if let Some(first) = left.chars().next() {
            rest.push(first);
            at += first.len_utf8();
        } else {
            break;
        }
    }
    (rest, found)
}

impl Pairs {
    fn same(&mut self, real: &str, ours: &str) -> bool {
        let ((real, of_real), (ours, of_ours)) = (guids(real), guids(ours));
        real == ours
            && of_real.iter().zip(of_ours).all(|(real, ours)| {
                real.starts_with("00000000-0000-0000-0000-0000") || self.pair(real, ours)
            })
    }

    fn pair(&mut self, real: &str, ours: &str) -> bool {
        let there = self.there.entry(real.to_owned()).or_insert_with(|| ours.to_owned());
        let back = self.back.entry(ours.to_owned()).or_insert_with(|| real.to_owned());
        there == ours && back == real
    }

    fn compare(&mut self, real: &Value, ours: &Value, at: &str, found: &mut Vec<String>) {
        match (real, ours) {
            (Value::Object(real), Value::Object(ours)) => {
                for (name, real) in real.iter().filter(|(name, _)| *name != ALLOCATED) {
                    match ours.get(name) {
                        Some(ours) => self.compare(real, ours, &format!("{at}/{name}"), found),
                        None if BY_VERSION.contains(&name.as_str()) => {}
                        None => found.push(format!("{at}/{name} is missing")),
                    }
                }
                let extra = ours.keys().filter(|it| !real.contains_key(*it));
                let extra = extra.filter(|it| !BY_VERSION.contains(&it.as_str()));
                found.extend(extra.map(|name| format!("{at}/{name} is extra")));
            }
            (Value::Array(real), Value::Array(ours)) => {
                if real.len() != ours.len() {
                    found.push(format!("{at} has {} items, not {}", ours.len(), real.len()));
                }
                for (index, (real, ours)) in real.iter().zip(ours).enumerate() {
                    self.compare(real, ours, &format!("{at}/{index}"), found);
                }
            }
            (Value::String(real), Value::String(ours)) if self.same(real, ours) => {}
            (real, ours) if real == ours => {}
            (real, ours) => found.push(format!("{at} is {ours}, not {real}")),
        }
    }
}

/// Follows the operation of a write to its end.
async fn follow(arm: &Arm, reply: &Reply) {
    let url = match reply.header("azure-asyncoperation") {
        "" => reply.header("location").to_owned(),
        url => url.to_owned(),
    };
    for _ in 0..200 {
        if url.is_empty() {
            return;
        }
        let poll = arm.raw("GET", &url, None, &[("authorization", "Bearer t")]).await;
        if poll.status != 202 && poll.body["status"] != "InProgress" {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{url} does not end");
}

async fn give(arm: &Arm, given: &Value) {
    let group = format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/rg");
    follow(arm, &arm.send("DELETE", &group, None).await).await;
    arm.send("PUT", &group, Some(&json!({"location": "eastus"}))).await;
    for request in given.as_array().unwrap() {
        let resource = request["resource"].as_str().unwrap();
        let reply = arm.send("PUT", resource, Some(&request["body"])).await;
        assert!(reply.status < 300, "{resource}: {reply:?}");
        follow(arm, &reply).await;
    }
}

async fn send(arm: &Arm, exchange: &Value, resource: &str) -> Reply {
    let mut headers = vec![("authorization", "Bearer t")];
    for (name, value) in exchange["requestHeaders"].as_object().into_iter().flatten() {
        headers.push((name.as_str(), value.as_str().unwrap()));
    }
    let body = exchange.get("requestBody").filter(|body| !body.is_null());
    arm.raw(exchange["method"].as_str().unwrap(), &arm.url(resource), body, &headers).await
}

/// What of an answer is not as Azure's.
fn differences(exchange: &Value, reply: &Reply, pairs: &mut Pairs, has_waits: bool) -> Vec<String> {
    let mut found = Vec::new();
    if has_waits {
        let real = exchange["headers"]["Retry-After"].as_str().unwrap_or_default();
        let ours = reply.header("retry-after");
        if real != ours {
            found.push(format!("header retry-after is '{ours}', not '{real}'"));
        }
    }
    if exchange["status"] != reply.status {
        found.push(format!("the status is {}, not {}", reply.status, exchange["status"]));
    }
    let asked: BTreeSet<String> =
        exchange["headers"].as_object().unwrap().keys().map(|name| name.to_lowercase()).collect();
    let missing = |name: &&String| *name != "retry-after" && reply.header(name).is_empty();
    found.extend(asked.iter().filter(missing).map(|name| format!("header {name} is missing")));
    let extra = TELLING.iter().filter(|it| !asked.contains(**it) && !reply.header(it).is_empty());
    found.extend(extra.map(|name| format!("header {name} is extra")));
    let real = &exchange["responseBody"];
    if !real.is_null() && !reply.body.is_null() {
        pairs.compare(real, &reply.body, "", &mut found);
    } else if !real.is_null() {
        found.push("the body is missing".to_owned());
    }
    found
}

/// The name of the first connection an answer shows.
fn connection(body: &Value) -> Option<&str> {
    body.pointer("/properties/privateEndpointConnections/0/name")?.as_str()
}

/// How each exchange of a recording differs, by its number.
async fn replay(arm: &Arm, recording: &Value) -> (usize, BTreeMap<usize, BTreeSet<String>>) {
    let mut pairs = Pairs::default();
    let mut renamed: Vec<(String, String)> = Vec::new();
    let (mut sent, mut all) = (0, BTreeMap::new());
    let scrubbed = recording["scrubbedByRecorder"].as_array().unwrap();
    let has_waits = !scrubbed.iter().any(|it| it == "Retry-After");
    for (number, exchange) in recording["exchanges"].as_array().unwrap().iter().enumerate() {
        let mut resource = exchange["resource"].as_str().unwrap().to_owned();
        let lower = resource.to_lowercase();
        if ["/operations/", "operationresults", "operationstatuses"]
            .iter()
            .any(|it| lower.contains(it))
        {
            continue;
        }
        for (real, ours) in &renamed {
            resource = resource.replace(real.as_str(), ours);
        }
        let reply = send(arm, exchange, &resource).await;
        sent += 1;
        let names = (connection(&exchange["responseBody"]), connection(&reply.body));
        if let (Some(real), Some(ours)) = names {
            renamed.push((real.to_owned(), ours.to_owned()));
        }
        let found = differences(exchange, &reply, &mut pairs, has_waits);
        if !found.is_empty() {
            all.insert(number, found.into_iter().collect());
        }
        follow(arm, &reply).await;
    }
    (sent, all)
}

#[tokio::test]
async fn the_sandbox_answers_as_azure_did() {
    let mut options = SandboxOptions::in_memory();
    options.controller = ControllerMode::None;
    let running = start(options).await;
    let arm = Arm::new(&running);
    let mut listed: BTreeMap<(String, usize), BTreeSet<String>> = BTreeMap::new();
    let data = read("differences.json");
    for difference in data["differences"].as_array().unwrap() {
        assert!(difference["reason"].as_str().is_some_and(|it| !it.is_empty()), "{difference}");
        let at = difference["recording"].as_str().unwrap().to_owned();
        let number = usize::try_from(difference["exchange"].as_u64().unwrap()).unwrap();
        let what = difference["difference"].as_str().unwrap().to_owned();
        listed.entry((at, number)).or_default().insert(what);
    }
    assert!(listed.len() <= 6, "the list of differences may only shrink");
    let mut names: Vec<String> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".json"))
        .collect();
    names.sort();
    let (mut answers, mut wrong) = (0, Vec::new());
    for name in names {
        let recording = read(&name);
        if recording.get("given").is_none() {
            continue;
        }
        let instead = data["givenInstead"].get(&name);
        assert!(instead.is_none_or(|it| it["reason"].is_string()), "{name}");
        let given = instead.unwrap_or(&recording).get("given").unwrap();
        give(&arm, given).await;
        let (sent, found) = replay(&arm, &recording).await;
        answers += sent;
        for (number, found) in found {
            let known = listed.remove(&(name.clone(), number)).unwrap_or_default();
            // One that is listed by its field may have any value.
            let is = |found: &String, known: &String| {
                found.strip_prefix(known).is_some_and(|it| it.is_empty() || it.starts_with(" is "))
            };
            let new = found.iter().filter(|it| !known.iter().any(|known| is(it, known)));
            wrong.extend(new.map(|what| format!("{name} {number}: {what}")));
            let gone = known.iter().filter(|it| !found.iter().any(|found| is(found, it)));
            wrong.extend(gone.map(|it| format!("{name} {number}: no longer so: {it}")));
        }
    }
    wrong.extend(
        listed.into_keys().map(|(name, number)| format!("{name} {number}: no longer differs")),
    );
    assert!(wrong.is_empty(), "of {answers} answers:\n{}", wrong.join("\n"));
    assert_eq!(answers, 77, "answers are missing, or new ones are not counted yet");
}

/// The page has a table of codes that users meet, each with a rule here or a reason why there is none.
#[test]
fn every_quoted_code_is_in_the_table_of_the_page() {
    let page = include_str!("../../../docs/azure.md");
    let table = page.split("### Error codes that users report").nth(1).unwrap();
    let rows: Vec<&str> = table.lines().filter(|line| line.starts_with("| `")).collect();
    let quoted = read("quoted-errors.json");
    let errors = quoted["errors"].as_array().unwrap();
    assert!(errors.len() > 5);
    // Of some nothing but the words is known.
    for code in errors.iter().filter_map(|error| error["code"].as_str()) {
        let row = rows.iter().find(|row| row.contains(&format!("`{code}`")));
        let row = row.unwrap_or_else(|| panic!("{code} is not in the table"));
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        assert!(cells.len() == 5 && cells[1..4].iter().all(|cell| !cell.is_empty()), "{row}");
    }
}
