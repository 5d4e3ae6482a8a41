//! Notes on a server that plays GitLab.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "../../azure/tests/support/server.rs"]
mod server;
mod support;

use std::sync::{Arc, Mutex};

use privlink_forge::{Discussion, ErrorKind, Outcome, Place, Pull, Token, named};
use serde_json::{Value, json};
use support::{Asked, Fake, MARKER, Reply, TOKEN, settings};

const NOTES: &str = "/api/v4/projects/group%2Fshop/merge_requests/3/notes";

type Notes = Arc<Mutex<Vec<Value>>>;

/// GitLab's notes of one merge request, two a page.
fn answer(url: &str, notes: &Notes, asked: &Asked) -> Reply {
    if asked.headers.get("private-token").map(String::as_str) != Some(TOKEN) {
        return Reply::json(401, &json!({"message": "401 Unauthorized"}));
    }
    let mut notes = notes.lock().unwrap();
    if asked.line == "GET /api/v4/user" {
        return Reply::json(200, &json!({"id": 42, "username": "project_5_bot"}));
    }
    if asked.line.starts_with(&format!("GET {NOTES}?")) {
        let page = asked.line.split("&page=").nth(1).map_or(1, |page| page.parse().unwrap());
        let two: Vec<Value> = notes.iter().skip((page - 1) * 2).take(2).cloned().collect();
        let reply = Reply::json(200, &json!(two));
        let next = format!("<{url}{NOTES}?per_page=100&page={}>; rel=\"next\"", page + 1);
        return if notes.len() > page * 2 { reply.with("link", next) } else { reply };
    }
    if asked.line == format!("POST {NOTES}") {
        notes.push(json!({"id": 99, "author": {"id": 42}, "body": asked.body["body"]}));
        return Reply::json(201, notes.last().unwrap());
    }
    let id = asked.line.strip_prefix(&format!("PUT {NOTES}/"));
    let id: Option<u64> = id.and_then(|id| id.parse().ok());
    match id.and_then(|id| notes.iter_mut().find(|it| it["id"] == id)) {
        Some(note) => {
            note["body"] = asked.body["body"].clone();
            Reply::json(200, note)
        }
        None => Reply::json(404, &json!({"message": "404 Not found"})),
    }
}

async fn start(notes: &Notes, token: &str) -> (Fake, Discussion) {
    let notes = Arc::clone(notes);
    let fake = Fake::start(|url| {
        let url = url.to_owned();
        move |asked: &Asked| answer(&url, &notes, asked)
    })
    .await;
    let api = format!("{}/api/v4", fake.url);
    let place = Place {
        forge: named("gitlab").unwrap(),
        api,
        repository: "group/shop".into(),
        pull: Pull::Number(3),
    };
    let discussion = Discussion::new(&place, &Token::new(token), settings()).unwrap();
    (fake, discussion)
}

fn note(id: u64, author: u64, body: &str) -> Value {
    json!({"id": id, "author": {"id": author}, "body": body})
}

fn text(body: &str) -> String {
    format!("{MARKER}\n{body}\n")
}

#[tokio::test]
async fn a_note_is_made_once_and_then_updated_in_place() {
    let notes: Notes = Arc::default();
    let (fake, mut discussion) = start(&notes, TOKEN).await;
    assert_eq!(discussion.keep(MARKER, &text("one")).await.unwrap(), Outcome::Created);
    assert_eq!(discussion.keep(MARKER, &text("two")).await.unwrap(), Outcome::Updated);
    assert_eq!(notes.lock().unwrap()[..], [note(99, 42, &text("two"))]);
    assert!(fake.asked().iter().all(|asked| asked.headers["private-token"] == TOKEN));
}

#[tokio::test]
async fn it_is_found_on_a_later_page_and_only_if_it_is_ours() {
    let marked = text("one");
    let notes: Notes = Arc::new(Mutex::new(vec![
        note(1, 7, &marked),
        note(2, 7, "hello"),
        note(3, 42, "hello"),
        note(4, 42, &marked),
    ]));
    let (fake, mut discussion) = start(&notes, TOKEN).await;
    assert_eq!(discussion.keep(MARKER, &text("two")).await.unwrap(), Outcome::Updated);
    assert_eq!(fake.lines().last().unwrap(), &format!("PUT {NOTES}/4"));
    assert_eq!(fake.lines().len(), 4);
}

#[tokio::test]
async fn a_wrong_token_is_said_to_be_one() {
    let (_, mut discussion) = start(&Arc::default(), "wrong").await;
    let error = discussion.keep(MARKER, "x").await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Denied);
    assert!(error.detail.help.unwrap().contains("CI_JOB_TOKEN may not write notes"));
}

#[tokio::test]
async fn a_rate_limit_is_waited_for() {
    let notes: Notes = Arc::default();
    let limits = Mutex::new(1);
    let fake = Fake::start(|url| {
        let (url, notes) = (url.to_owned(), Arc::clone(&notes));
        move |asked: &Asked| {
            let mut limits = limits.lock().unwrap();
            if *limits > 0 && asked.line.starts_with("POST") {
                *limits -= 1;
                return Reply::json(429, &json!({"message": "Too many requests"}))
                    .with("retry-after", "1");
            }
            answer(&url, &notes, asked)
        }
    })
    .await;
    let api = format!("{}/api/v4", fake.url);
    let place = Place {
        forge: named("gitlab").unwrap(),
        api,
        repository: "group/shop".into(),
        pull: Pull::Number(3),
    };
    let mut discussion = Discussion::new(&place, &Token::new(TOKEN), settings()).unwrap();
    assert_eq!(discussion.keep(MARKER, &text("one")).await.unwrap(), Outcome::Created);
    assert_eq!(notes.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_reply_that_is_too_large_is_not_read_to_its_end() {
    let (api, sent) = server::endless().await;
    let place = Place {
        forge: named("gitlab").unwrap(),
        api,
        repository: "group/shop".into(),
        pull: Pull::Number(3),
    };
    let mut discussion = Discussion::new(&place, &Token::new(TOKEN), settings()).unwrap();
    let error = discussion.keep(MARKER, "x").await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Protocol, "{error}");
    assert_eq!(error.message, "127.0.0.1's answer is larger than 1 MiB");
    let sent = sent.await.unwrap();
    assert!(sent < server::ENDLESS, "all {sent} bytes were taken");
}
