//! Comments on a server that plays GitHub.
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
use support::{Asked, Fake, MARKER, Reply, TOKEN, settings};

/// GitHub's comments of one pull request, two a page.
#[derive(Default)]
struct GitHub {
    comments: Mutex<Vec<Value>>,
    /// Replies that are given instead, each to the next request whose line contains a text.
    instead: Mutex<Vec<(&'static str, Reply)>>,
}

impl GitHub {
    fn with(comments: Vec<Value>) -> Arc<Self> {
        Arc::new(Self { comments: Mutex::new(comments), ..Self::default() })
    }

    fn instead(self: &Arc<Self>, of: &'static str, reply: Reply) -> Arc<Self> {
        self.instead.lock().unwrap().push((of, reply));
        Arc::clone(self)
    }

    fn bodies(&self) -> Vec<String> {
        let comments = self.comments.lock().unwrap();
        comments.iter().map(|it| it["body"].as_str().unwrap().to_owned()).collect()
    }

    async fn start(self: &Arc<Self>) -> (Fake, Discussion) {
        self.start_for(Pull::Number(7)).await
    }

    async fn start_for(self: &Arc<Self>, pull: Pull) -> (Fake, Discussion) {
        let github = Arc::clone(self);
        let fake = Fake::start(|url| {
            let url = url.to_owned();
            move |asked: &Asked| github.answer(&url, asked)
        })
        .await;
        let place = Place {
            forge: named("github").unwrap(),
            api: fake.url.clone(),
            repository: "shop/deploy".into(),
            pull,
        };
        let discussion = Discussion::new(&place, &Token::new(TOKEN), settings()).unwrap();
        (fake, discussion)
    }

    fn answer(&self, url: &str, asked: &Asked) -> Reply {
        if asked.headers.get("authorization").map(String::as_str) != Some("Bearer s3cret-token") {
            return Reply::json(401, &json!({"message": "Bad credentials"}));
        }
        let mut instead = self.instead.lock().unwrap();
        if let Some(at) = instead.iter().position(|(of, _)| asked.line.contains(of)) {
            return instead.remove(at).1;
        }
        let mut comments = self.comments.lock().unwrap();
        let path = "/repos/shop/deploy/issues";
        if asked.line == "POST /graphql" {
            return Reply::json(
                200,
                &json!({"data": {"viewer": {"login": "github-actions[bot]"}}}),
            );
        }
        if asked.line.starts_with(&format!("GET {path}/7/comments?")) {
            let page: usize = asked.line.split("page=").last().unwrap().parse().unwrap_or_default();
            // Without `&page=` this is the page's size.
            let page = if asked.line.contains("&page=") { page } else { 1 };
            let two: Vec<Value> = comments.iter().skip((page - 1) * 2).take(2).cloned().collect();
            let reply = Reply::json(200, &json!(two));
            return if comments.len() > page * 2 {
                let next = format!("{url}{path}/7/comments?per_page=100&page={}", page + 1);
                reply.with("link", format!("<{url}/x>; rel=\"prev\", <{next}>; rel=\"next\""))
            } else {
                reply
            };
        }
        if asked.line == format!("POST {path}/7/comments") {
            let body = asked.body["body"].as_str().unwrap();
            comments.push(comment(99, "github-actions[bot]", "Bot", body));
            return Reply::json(201, comments.last().unwrap());
        }
        let id = asked.line.strip_prefix(&format!("PATCH {path}/comments/"));
        let id: Option<u64> = id.and_then(|id| id.parse().ok());
        let found = id.and_then(|id| comments.iter_mut().find(|it| it["id"] == id));
        match found {
            Some(comment) => {
                comment["body"] = asked.body["body"].clone();
                Reply::json(200, comment)
            }
            None => Reply::json(404, &json!({"message": "Not Found"})),
        }
    }
}

fn comment(id: u64, login: &str, kind: &str, body: &str) -> Value {
    json!({"id": id, "user": {"login": login, "type": kind}, "body": body})
}

fn ours(id: u64, body: &str) -> Value {
    comment(id, "github-actions[bot]", "Bot", &format!("{MARKER}\n{body}"))
}

fn text(body: &str) -> String {
    format!("{MARKER}\n{body}\n")
}

#[tokio::test]
async fn a_comment_is_made_once_and_then_updated_in_place() {
    let github = GitHub::with(vec![comment(1, "ann", "User", "hello")]);
    let (fake, mut discussion) = github.start().await;
    assert_eq!(discussion.keep(MARKER, &text("one")).await.unwrap(), Outcome::Created);
    assert_eq!(discussion.keep(MARKER, &text("two")).await.unwrap(), Outcome::Updated);
    assert_eq!(discussion.keep(MARKER, &text("two")).await.unwrap(), Outcome::Unchanged);
    assert_eq!(github.bodies(), ["hello".to_owned(), text("two")]);
    for asked in fake.asked() {
        assert_eq!(asked.headers["authorization"], "Bearer s3cret-token");
        assert_eq!(asked.headers["accept"], "application/vnd.github+json");
        assert!(asked.headers["user-agent"].starts_with("privlink/"));
    }
}

#[tokio::test]
async fn it_is_found_on_a_later_page() {
    let mut comments: Vec<Value> = (1..6).map(|id| comment(id, "ann", "User", "hello")).collect();
    comments.push(ours(6, "one"));
    let github = GitHub::with(comments);
    let (fake, mut discussion) = github.start().await;
    assert_eq!(discussion.keep(MARKER, &text("two")).await.unwrap(), Outcome::Updated);
    let pages = fake.lines().iter().filter(|line| line.starts_with("GET")).count();
    assert_eq!(pages, 3);
    assert_eq!(fake.lines().last().unwrap(), "PATCH /repos/shop/deploy/issues/comments/6");
}

#[tokio::test]
async fn a_comment_of_somebody_else_or_that_only_quotes_the_marker_is_left_alone() {
    let foreign = vec![
        comment(1, "mallory", "User", &text("No changes.")),
        comment(2, "github-actions", "User", &text("a user of the bot's name")),
        comment(3, "github-actions[bot]", "Bot", &format!("> {MARKER}\nquoted")),
        comment(4, "github-actions[bot]", "Bot", "<!-- privlink:other -->\nof another id"),
    ];
    let github = GitHub::with(foreign.clone());
    let (_, mut discussion) = github.start().await;
    assert_eq!(discussion.keep(MARKER, &text("one")).await.unwrap(), Outcome::Created);
    assert_eq!(github.comments.lock().unwrap()[..4], foreign[..]);
}

#[tokio::test]
async fn a_comment_deleted_meanwhile_is_made_again() {
    let github = GitHub::with(vec![ours(5, "one")]);
    let gone = Reply::json(404, &json!({"message": "Not Found"}));
    let github = github.instead("PATCH", gone);
    let (_, mut discussion) = github.start().await;
    // As the list stays, it is found again and updated; once it is not there, it is made.
    assert_eq!(discussion.keep(MARKER, &text("two")).await.unwrap(), Outcome::Updated);
    let github = GitHub::with(vec![]).instead("GET", Reply::json(200, &json!([ours(5, "one")])));
    let (_, mut discussion) = github.start().await;
    assert_eq!(discussion.keep(MARKER, &text("two")).await.unwrap(), Outcome::Created);
    assert_eq!(github.bodies(), [text("two")]);
}

#[tokio::test]
async fn a_page_on_another_host_is_not_asked_for() {
    let evil = Fake::start(|_| |_: &Asked| Reply::json(200, &json!([]))).await;
    let next = format!("<{}/repos/x>; rel=\"next\"", evil.url);
    let github =
        GitHub::with(vec![]).instead("GET", Reply::json(200, &json!([])).with("link", next));
    let (_, mut discussion) = github.start().await;
    let error = discussion.keep(MARKER, "x").await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::UntrustedUrl);
    assert!(evil.asked().is_empty());
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let evil = Fake::start(|_| |_: &Asked| Reply::json(200, &json!([]))).await;
    let github = GitHub::with(vec![])
        .instead("GET", Reply::json(302, &json!({})).with("location", evil.url.clone()));
    let (_, mut discussion) = github.start().await;
    assert_eq!(discussion.keep(MARKER, "x").await.unwrap_err().kind, ErrorKind::Denied);
    assert!(evil.asked().is_empty());
}

#[tokio::test]
async fn a_rate_limit_is_waited_for_if_that_is_soon() {
    let limited = |seconds: &str| {
        Reply::json(403, &json!({"message": "You have exceeded a secondary rate limit"}))
            .with("retry-after", seconds)
    };
    let github = GitHub::with(vec![]).instead("POST /repos", limited("1"));
    let (fake, mut discussion) = github.start().await;
    let start = std::time::Instant::now();
    assert_eq!(discussion.keep(MARKER, &text("one")).await.unwrap(), Outcome::Created);
    assert!(start.elapsed().as_millis() >= 1_000);
    assert_eq!(fake.lines().iter().filter(|line| line.starts_with("POST /repos")).count(), 2);

    let github = GitHub::with(vec![]).instead("POST /repos", limited("3600"));
    let (_, mut discussion) = github.start().await;
    let error = discussion.keep(MARKER, &text("one")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Throttled);
    assert!(error.message.contains("secondary rate limit") && error.message.contains("3600 s"));
}

#[tokio::test]
async fn what_passes_is_tried_again_and_a_lost_answer_makes_no_second_comment() {
    let down = || Reply::json(502, &json!({"message": "Server Error"}));
    let github = GitHub::with(vec![]).instead("GET", down()).instead("GET", down());
    let (_, mut discussion) = github.start().await;
    assert_eq!(discussion.keep(MARKER, &text("one")).await.unwrap(), Outcome::Created);

    // The comment is made, and the answer is lost.
    let github = GitHub::with(vec![]).instead("GET", Reply::json(200, &json!([])));
    github.comments.lock().unwrap().push(ours(1, "one"));
    let github = github.instead("POST /repos", down());
    let (_, mut discussion) = github.start().await;
    let outcome = discussion.keep(MARKER, &text("one")).await.unwrap();
    assert_eq!(outcome, Outcome::Unchanged);
    assert_eq!(github.bodies().len(), 1);
}

#[tokio::test]
async fn a_forge_that_stays_down_is_an_error_soon() {
    let github = GitHub::with(vec![]);
    let down = || Reply::json(503, &json!({"message": "Unavailable"}));
    let github = (0..20).fold(github, |github, _| github.instead("GET", down()));
    let (fake, mut discussion) = github.start().await;
    let error = discussion.keep(MARKER, "x").await.unwrap_err();
    assert_eq!((error.kind, fake.lines().len()), (ErrorKind::Transient, 4));
    assert!(error.message.contains("503: Unavailable"), "{error}");
}

#[tokio::test]
async fn nobody_there_is_an_error() {
    let fake = Fake::start(|_| |_: &Asked| Reply::json(200, &json!([]))).await;
    // A port that was free a moment ago.
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    drop(fake);
    let place = Place {
        forge: named("github").unwrap(),
        api: format!("http://127.0.0.1:{port}"),
        repository: "shop/deploy".into(),
        pull: Pull::Number(7),
    };
    let mut discussion = Discussion::new(&place, &Token::new(TOKEN), settings()).unwrap();
    let error = discussion.keep(MARKER, "x").await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Transient);
    assert!(error.message.contains("127.0.0.1 did not answer"), "{error}");
}

#[tokio::test]
async fn a_wrong_token_is_said_to_be_one_and_not_shown() {
    let github = GitHub::with(vec![]);
    let (fake, _) = github.start().await;
    let place = Place {
        forge: named("github").unwrap(),
        api: fake.url.clone(),
        repository: "shop/deploy".into(),
        pull: Pull::Number(7),
    };
    let mut discussion = Discussion::new(&place, &Token::new("wrong-s3cret"), settings()).unwrap();
    let error = discussion.keep(MARKER, "x").await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Denied);
    assert!(error.message.contains("401: Bad credentials"), "{error}");
    assert!(error.detail.help.unwrap().contains("pull-requests: write"));
    assert!(!format!("{error:?}{discussion:?}").contains("s3cret"));
}

#[tokio::test]
async fn the_pull_request_of_a_forks_run_is_the_one_with_its_head() {
    let pulls = json!([
        {"number": 6, "head": {"sha": "older"}},
        {"number": 7, "head": {"sha": "c0ffee"}},
    ]);
    let head = |commit: &str| Pull::OfHead {
        owner: "fork".into(),
        branch: "feature/a b".into(),
        commit: commit.into(),
    };
    let github = GitHub::with(vec![]).instead("/pulls?", Reply::json(200, &pulls));
    let (fake, mut discussion) = github.start_for(head("c0ffee")).await;
    assert_eq!(discussion.keep(MARKER, &text("one")).await.unwrap(), Outcome::Created);
    assert_eq!(
        fake.lines()[0],
        "GET /repos/shop/deploy/pulls?state=open&head=fork%3Afeature%2Fa+b&per_page=100"
    );
    let github = GitHub::with(vec![]).instead("/pulls?", Reply::json(200, &pulls));
    let (_, mut discussion) = github.start_for(head("pushed-again")).await;
    assert_eq!(discussion.keep(MARKER, "x").await.unwrap_err().kind, ErrorKind::Missing);
}

#[tokio::test]
async fn without_graphql_a_bots_comment_is_ours_and_a_users_is_not() {
    let no = || Reply::json(404, &json!({"message": "Not Found"}));
    let marked = vec![comment(1, "mallory", "User", &text("x")), ours(2, "one")];
    let github = GitHub::with(marked).instead("/graphql", no());
    let (fake, mut discussion) = github.start().await;
    assert_eq!(discussion.keep(MARKER, &text("two")).await.unwrap(), Outcome::Updated);
    assert_eq!(fake.lines().last().unwrap(), "PATCH /repos/shop/deploy/issues/comments/2");
}
