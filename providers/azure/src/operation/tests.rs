use std::sync::Mutex;

use serde_json::json;

use super::*;
use crate::client::Deletion;
use crate::client::Precondition;
use crate::testing::{Answer, ENDPOINT, Script};

const STATUS: &str =
    "/subscriptions/s/providers/Microsoft.Network/locations/eastus/operations/1?t=a&s=b";
const RESULT: &str =
    "/subscriptions/s/providers/Microsoft.Network/locations/eastus/operationResults/1?t=a";

fn endpoint() -> ResourceId {
    ResourceId::in_group("s", "g", "Microsoft.Network/privateEndpoints", "e")
}

fn live(state: &str) -> Value {
    json!({"name": "e", "properties": {"provisioningState": state}})
}

fn status(status: &str) -> Answer {
    Answer::new(200, &json!({"status": status}))
}

fn url(path: &str) -> String {
    format!("{ENDPOINT}{path}")
}

/// News of an operation, as they came, with the time since the start.
#[derive(Default)]
struct News(Mutex<Vec<String>>);

impl News {
    fn taken(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

async fn put(script: &Script) -> (Result<Value, ArmError>, Vec<String>, Duration) {
    let news = News::default();
    let start = Instant::now();
    let progress = |progress: Progress<'_>| {
        news.0.lock().unwrap().push(progress.status.to_owned());
    };
    let wait = Wait { deadline: start + Duration::from_secs(600), progress: &progress };
    let client = script.client();
    let outcome = client.put(&endpoint(), &json!({}), &Precondition::None, &wait).await;
    (outcome, news.taken(), start.elapsed())
}

async fn delete(script: &Script) -> Result<Deletion, ArmError> {
    let wait = Wait::quietly(Duration::from_secs(600));
    script.client().delete(&endpoint(), &Precondition::None, &wait).await
}

/// The way of NRP: 201, `Azure-AsyncOperation`, and the resource in the end.
#[tokio::test(start_paused = true)]
async fn a_put_follows_its_operation_and_ends_with_the_resource() {
    let script = Script::of([
        Answer::new(201, &live("Updating"))
            .with("azure-asyncoperation", url(STATUS))
            .with("retry-after", "10"),
        status("InProgress").with("retry-after", "3"),
        status("Succeeded"),
        Answer::new(200, &live("Succeeded")),
    ]);
    let (outcome, news, time) = put(&script).await;
    assert_eq!(outcome.unwrap(), live("Succeeded"));
    assert_eq!(news, ["Updating", "InProgress"]);
    assert_eq!(time, Duration::from_secs(13));
    let lines = script.lines();
    assert_eq!(lines[1], format!("GET {STATUS}"));
    assert_eq!(lines[2], lines[1]);
    assert!(lines[3].starts_with("GET /subscriptions/s/resourceGroups/g/"));
}

/// A load balancer's reply may say `Succeeded` beside the header; the operation decides.
#[tokio::test(start_paused = true)]
async fn a_reply_that_says_succeeded_is_followed_all_the_same() {
    let script = Script::of([
        Answer::new(200, &live("Succeeded")).with("azure-asyncoperation", url(STATUS)),
        status("Succeeded"),
        Answer::new(200, &live("Succeeded")),
    ]);
    let (outcome, _, time) = put(&script).await;
    assert!(outcome.is_ok());
    assert_eq!(time, Duration::from_secs(5), "the own interval, as ARM asks for none");
}

/// Private DNS: 202 with `{}` and both headers.
#[tokio::test(start_paused = true)]
async fn a_202_with_both_headers_polls_the_operation() {
    let script = Script::of([
        Answer::new(202, &json!({}))
            .with("azure-asyncoperation", url(STATUS))
            .with("location", url(RESULT)),
        status("Succeeded"),
        Answer::new(200, &live("Succeeded")),
    ]);
    let (outcome, _, _) = put(&script).await;
    assert_eq!(outcome.unwrap(), live("Succeeded"));
}

#[tokio::test(start_paused = true)]
async fn a_put_without_headers_follows_the_resources_state() {
    let script = Script::of([
        Answer::new(201, &live("Creating")),
        Answer::new(200, &live("Updating")),
        Answer::new(200, &live("Succeeded")),
    ]);
    let (outcome, news, _) = put(&script).await;
    assert_eq!(outcome.unwrap(), live("Succeeded"));
    assert_eq!(news, ["Creating", "Updating"]);

    let script = Script::of([Answer::new(201, &live("Succeeded"))]);
    let (outcome, news, time) = put(&script).await;
    assert!(outcome.is_ok() && news.is_empty() && time.is_zero(), "{news:?}");
}

#[tokio::test(start_paused = true)]
async fn an_operation_that_fails_is_an_error_of_the_write() {
    let failed = json!({"status": "Failed", "error": {"code": "SubnetIsFull",
        "message": "Subnet pls-subnet does not have enough capacity for 1 IP addresses."}});
    let script = Script::of([
        Answer::new(201, &live("Updating")).with("azure-asyncoperation", url(STATUS)),
        Answer::new(200, &failed).with("x-ms-request-id", "r-9"),
    ]);
    let (outcome, _, _) = put(&script).await;
    let error = outcome.unwrap_err();
    assert_eq!((error.kind, error.detail.doing), (ErrorKind::Invalid, Doing::Write));
    assert!(error.has_code("SubnetIsFull") && error.detail.operation.is_none());
    assert_eq!(error.detail.request_id.as_deref(), Some("r-9"));
}

#[tokio::test(start_paused = true)]
async fn an_operation_that_is_canceled_says_by_what() {
    let canceled =
        |code: &str| json!({"status": "Canceled", "error": {"code": code, "message": "m"}});
    for (code, kind) in [
        ("Canceled", ErrorKind::Canceled),
        ("CanceledAndSupersededDueToAnotherOperation", ErrorKind::Busy),
    ] {
        let script = Script::of([
            Answer::new(201, &live("Updating")).with("azure-asyncoperation", url(STATUS)),
            Answer::new(200, &canceled(code)),
        ]);
        assert_eq!(put(&script).await.0.unwrap_err().kind, kind, "{code}");
    }
}

/// A recorded AKS operation had `Succeeded` beside an error object: the status decides.
#[tokio::test(start_paused = true)]
async fn the_status_is_trusted_alone() {
    let script = Script::of([
        Answer::new(201, &live("Updating")).with("azure-asyncoperation", url(STATUS)),
        Answer::new(200, &json!({"status": "succeeded", "error": {"code": "X", "message": "m"}})),
        Answer::new(200, &live("Succeeded")),
    ]);
    assert!(put(&script).await.0.is_ok());
}

#[tokio::test(start_paused = true)]
async fn polls_survive_throttling_and_failures() {
    let script = Script::of([
        Answer::new(201, &live("Updating")).with("azure-asyncoperation", url(STATUS)),
        Answer::error(429, "SubscriptionRequestsThrottled").with("retry-after", "20"),
        Answer::empty(502),
        status("Succeeded"),
        Answer::new(200, &live("Succeeded")),
    ]);
    let (outcome, _, time) = put(&script).await;
    assert!(outcome.is_ok());
    assert!((25.0..29.0).contains(&time.as_secs_f64()), "{time:?}");
}

#[tokio::test(start_paused = true)]
async fn a_polling_url_on_another_host_is_refused_and_sees_nothing() {
    for header in ["azure-asyncoperation", "location"] {
        let script = Script::of([Answer::new(202, &json!({}))
            .with(header, "https://evil.example.com/operations/1?s=secret")]);
        let error = put(&script).await.0.unwrap_err();
        assert_eq!(error.kind, ErrorKind::UntrustedUrl, "{header}");
        assert_eq!(script.seen().len(), 1, "{header}");
        assert!(!error.to_string().contains("s=secret"), "{error}");
        assert!(
            error.detail.operation.is_some(),
            "the write went through; what became of it is unknown"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_deletion_follows_its_operation_and_then_its_location() {
    let accepted = || {
        Answer::empty(202).with("azure-asyncoperation", url(STATUS)).with("location", url(RESULT))
    };
    let script =
        Script::of([accepted(), status("InProgress"), status("Succeeded"), Answer::empty(204)]);
    assert_eq!(delete(&script).await.unwrap(), Deletion::Deleted);
    assert_eq!(script.lines()[3], format!("GET {RESULT}"));

    let gone = Answer::error(404, "NotFound");
    let script = Script::of([accepted(), status("Succeeded"), gone]);
    assert_eq!(delete(&script).await.unwrap(), Deletion::Deleted);
}

/// Resource groups: `Location` only, 202 until it is done.
#[tokio::test(start_paused = true)]
async fn a_deletion_with_location_alone_polls_it() {
    let moved = RESULT.replace("/1?", "/2?");
    let script = Script::of([
        Answer::empty(202).with("location", url(RESULT)),
        Answer::empty(202).with("location", url(&moved)),
        Answer::empty(200),
    ]);
    assert_eq!(delete(&script).await.unwrap(), Deletion::Deleted);
    assert_eq!(script.lines()[2], format!("GET {moved}"));
}

#[tokio::test(start_paused = true)]
async fn a_status_that_went_with_the_resource_is_the_end() {
    let accepted = || Answer::empty(202).with("azure-asyncoperation", url(STATUS));
    let script = Script::of([
        accepted(),
        Answer::error(404, "OperationNotFound"),
        Answer::error(404, "ResourceNotFound"),
    ]);
    assert_eq!(delete(&script).await.unwrap(), Deletion::Deleted);
    let script = Script::of([
        accepted(),
        Answer::error(404, "OperationNotFound"),
        Answer::new(200, &live("Deleting")),
    ]);
    assert_eq!(delete(&script).await.unwrap_err().kind, ErrorKind::Missing);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_was_absent() {
    let script = Script::of([Answer::empty(204)]);
    assert_eq!(delete(&script).await.unwrap(), Deletion::WasAbsent);
    let script = Script::of([Answer::error(404, "ResourceNotFound")]);
    assert_eq!(delete(&script).await.unwrap(), Deletion::WasAbsent);
}

#[tokio::test(start_paused = true)]
async fn at_the_deadline_the_operation_is_handed_over_and_can_be_resumed() {
    let script = Script::of([
        Answer::new(201, &live("Updating"))
            .with("azure-asyncoperation", url(STATUS))
            .with("retry-after", "30"),
        status("InProgress").with("retry-after", "60"),
    ]);
    let client = script.client();
    let wait = Wait::quietly(Duration::from_secs(45));
    let outcome = client.put(&endpoint(), &json!({}), &Precondition::None, &wait).await;
    let error = outcome.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Deadline);
    let noted = serde_json::to_string(error.detail.operation.as_ref().unwrap()).unwrap();

    let operation: Operation = serde_json::from_str(&noted).unwrap();
    let script = Script::of([status("Succeeded"), Answer::new(200, &live("Succeeded"))]);
    let wait = Wait::quietly(Duration::from_secs(45));
    let resumed = script.client().resume(&operation, &wait).await.unwrap();
    assert_eq!(resumed, Some(live("Succeeded")));
    assert_eq!(script.lines()[0], format!("GET {STATUS}"));
}

#[tokio::test(start_paused = true)]
async fn a_resource_that_is_failed_after_the_write_is_an_error() {
    let script = Script::of([
        Answer::new(201, &live("Updating")).with("azure-asyncoperation", url(STATUS)),
        status("Succeeded"),
        Answer::new(200, &live("Failed")),
    ]);
    assert_eq!(put(&script).await.0.unwrap_err().kind, ErrorKind::Invalid);
}
