//! Threads on a server that plays Azure DevOps.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::sync::{Arc, Mutex};

use privlink_forge::{Discussion, ErrorKind, Outcome, Place, Pull, Token, named};
use serde_json::{Value, json};
use support::{Asked, Fake, MARKER, Reply, settings};

const THREADS: &str = "/org/my%20project/_apis/git/repositories/r/pullRequests/2/threads";
/// Shaped as the token of a pipeline.
const JWT: &str = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.c2ln";

type Threads = Arc<Mutex<Vec<Value>>>;

fn answer(threads: &Threads, asked: &Asked) -> Reply {
    let basic = "Basic OnBhdC1zM2NyZXQ="; // `:pat-s3cret`
    let bearer = format!("Bearer {JWT}");
    let given = asked.headers.get("authorization").map(String::as_str);
    if given != Some(basic) && given != Some(bearer.as_str()) {
        // As it answers who is not signed in.
        return Reply { status: 203, headers: Vec::new(), body: "<html>Sign in</html>".into() };
    }
    let mut threads = threads.lock().unwrap();
    if asked.line == "GET /org/_apis/connectionData?api-version=7.1-preview.1" {
        return Reply::json(200, &json!({"authenticatedUser": {"id": "build-service"}}));
    }
    if asked.line == format!("GET {THREADS}?api-version=7.1") {
        return Reply::json(200, &json!({"value": *threads, "count": threads.len()}));
    }
    if asked.line == format!("POST {THREADS}?api-version=7.1") {
        assert_eq!(asked.body["status"], "closed", "a thread that is open may hold a merge back");
        let content = asked.body["comments"][0]["content"].as_str().unwrap();
        threads.push(thread(50, "build-service", content));
        return Reply::json(200, threads.last().unwrap());
    }
    for thread in threads.iter_mut() {
        let path = format!("PATCH {THREADS}/{}/comments/1?api-version=7.1", thread["id"]);
        if asked.line == path {
            thread["comments"][0]["content"] = asked.body["content"].clone();
            return Reply::json(200, &thread["comments"][0]);
        }
    }
    Reply::json(404, &json!({"message": "TF401180: not found"}))
}

fn thread(id: u64, author: &str, content: &str) -> Value {
    let comment =
        json!({"id": 1, "parentCommentId": 0, "author": {"id": author}, "content": content});
    json!({"id": id, "comments": [comment]})
}

async fn start(threads: &Threads, token: &str) -> (Fake, Discussion) {
    let threads = Arc::clone(threads);
    let fake = Fake::start(|_| move |asked: &Asked| answer(&threads, asked)).await;
    let place = Place {
        forge: named("azure-devops").unwrap(),
        api: format!("{}/org/", fake.url),
        repository: "my project/r".into(),
        pull: Pull::Number(2),
    };
    let discussion = Discussion::new(&place, &Token::new(token), settings()).unwrap();
    (fake, discussion)
}

fn text(body: &str) -> String {
    format!("{MARKER}\n{body}\n")
}

#[tokio::test]
async fn a_thread_is_made_once_and_its_comment_updated_in_place() {
    for token in [JWT, "pat-s3cret"] {
        let threads: Threads = Arc::default();
        let (_, mut discussion) = start(&threads, token).await;
        assert_eq!(discussion.keep(MARKER, &text("one")).await.unwrap(), Outcome::Created);
        assert_eq!(discussion.keep(MARKER, &text("two")).await.unwrap(), Outcome::Updated);
        assert_eq!(threads.lock().unwrap()[..], [thread(50, "build-service", &text("two"))]);
    }
}

#[tokio::test]
async fn what_is_deleted_or_somebody_elses_is_left_alone() {
    let mut gone = thread(1, "build-service", &text("gone"));
    gone["isDeleted"] = json!(true);
    let mut emptied = thread(2, "build-service", &text("gone"));
    emptied["comments"][0]["isDeleted"] = json!(true);
    let foreign = thread(3, "mallory", &text("No changes."));
    let system = json!({"id": 4, "comments": [{"id": 1, "commentType": "system"}]});
    let there = vec![gone, emptied, foreign, system];
    let threads: Threads = Arc::new(Mutex::new(there.clone()));
    let (_, mut discussion) = start(&threads, JWT).await;
    assert_eq!(discussion.keep(MARKER, &text("one")).await.unwrap(), Outcome::Created);
    assert_eq!(threads.lock().unwrap()[..4], there[..]);
}

#[tokio::test]
async fn a_page_to_sign_in_to_is_a_wrong_token() {
    let (_, mut discussion) = start(&Arc::default(), "wrong").await;
    let error = discussion.keep(MARKER, "x").await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Denied);
    assert!(error.detail.help.unwrap().contains("SYSTEM_ACCESSTOKEN"));
}
