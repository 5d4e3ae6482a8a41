use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::*;
use crate::testing::{Answer, client};

fn manifest() -> Value {
    json!({"apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "app", "namespace": "default"}, "spec": {"type": "LoadBalancer"}})
}

#[tokio::test(start_paused = true)]
async fn a_list_follows_its_pages() {
    let (client, asked) = client(|seen| {
        let last = seen.query.contains("continue=");
        let next = if last { "" } else { "a/b=" };
        let name = if last { "b" } else { "a" };
        Answer::ok(&json!({"kind": "ServiceList", "metadata": {"continue": next},
            "items": [{"metadata": {"name": name}}]}))
    });
    let names = client.services().await.unwrap();
    assert_eq!(names, [json!({"metadata": {"name": "a"}}), json!({"metadata": {"name": "b"}})]);
    let queries: Vec<_> = asked.lock().unwrap().iter().map(|seen| seen.query.clone()).collect();
    assert_eq!(queries, ["&limit=500", "&limit=500&continue=a%2Fb%3D"]);
}

#[tokio::test(start_paused = true)]
async fn a_list_has_a_bounded_number_of_pages() {
    let endless = json!({"metadata": {"continue": "x"}, "items": []});
    let (client, asked) = client(move |_| Answer::ok(&endless));
    let error = client.services().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Protocol);
    assert!(error.to_string().contains("too many pages"), "{error}");
    assert_eq!(asked.lock().unwrap().len(), MOST_PAGES as usize);
}

/// A `continue` is good for minutes; etcd's history then moves on.
#[tokio::test(start_paused = true)]
async fn a_list_that_expired_begins_anew() {
    let expired = AtomicU32::new(0);
    let (client, _) = client(move |seen| {
        if seen.query.contains("continue=") && expired.fetch_add(1, Ordering::SeqCst) == 0 {
            return Answer::refusal(410, "Expired");
        }
        let next = if seen.query.contains("continue=") { "" } else { "x" };
        Answer::ok(&json!({"metadata": {"continue": next}, "items": [{}]}))
    });
    assert_eq!(client.nodes().await.unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_403_on_a_later_page_is_an_error() {
    let (client, _) = client(|seen| match seen.query.contains("continue=") {
        true => Answer::refusal(403, "Forbidden"),
        false => Answer::ok(&json!({"metadata": {"continue": "x"}, "items": [{}]})),
    });
    let error = client.service_events().await.unwrap_err();
    assert_eq!((error.kind, error.detail.doing), (ErrorKind::Denied, Doing::List));
    let text = error.to_string();
    assert!(text.contains("Events") && text.contains("context test"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn apply_is_server_side_and_never_forced() {
    let (client, asked) = client(|seen| Answer::ok(&seen.body));
    assert_eq!(client.apply_service(&manifest(), true).await.unwrap(), manifest());
    client.apply_service(&manifest(), false).await.unwrap();
    let seen = asked.lock().unwrap();
    assert_eq!(seen[0].line, "PATCH /api/v1/namespaces/default/services/app");
    assert_eq!(seen[0].content_type, "application/apply-patch+yaml");
    assert_eq!(seen[0].query, "&dryRun=All&fieldManager=privlink&fieldValidation=Strict");
    assert!(!seen[1].query.contains("dryRun"));
}

#[tokio::test(start_paused = true)]
async fn apply_without_a_namespace_is_not_sent() {
    let (client, asked) = client(|_| Answer::ok(&json!({})));
    let bare = json!({"kind": "Service", "metadata": {"name": "app"}});
    assert_eq!(client.apply_service(&bare, false).await.unwrap_err().kind, ErrorKind::Invalid);
    assert!(asked.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn apply_says_which_fields_belong_to_whom() {
    let (client, _) = client(|_| {
        Answer::new(
            409,
            &json!({"kind": "Status", "reason": "Conflict", "message": "m",
            "details": {"causes": [{"reason": "FieldManagerConflict", "field": ".spec.type",
                "message": "conflict with \"argocd-controller\" using v1"}]}}),
        )
    });
    let error = client.apply_service(&manifest(), false).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Conflict);
    assert_eq!(error.detail.conflicts[0].manager, "argocd-controller");
    assert_eq!(error.detail.conflicts[0].field, ".spec.type");
}

#[tokio::test(start_paused = true)]
async fn a_service_is_read_or_absent() {
    let (client, _) = client(|seen| match seen.line.ends_with("/app") {
        true => Answer::ok(&manifest()),
        false => Answer::refusal(404, "NotFound"),
    });
    assert_eq!(client.service("default", "app").await.unwrap(), Some(manifest()));
    assert_eq!(client.service("default", "other").await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_404_that_is_no_status_is_no_absence() {
    let (client, _) = client(|_| Answer::text(404, "text/html", "<html>not here</html>"));
    let error = client.service("default", "app").await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Protocol);
}

#[tokio::test(start_paused = true)]
async fn deletion_holds_the_uid() {
    let (client, asked) = client(|seen| match seen.line.rsplit('/').next().unwrap() {
        "app" => Answer::ok(&json!({"kind": "Status", "status": "Success"})),
        "other" => Answer::refusal(409, "Conflict"),
        _ => Answer::refusal(404, "NotFound"),
    });
    let delete = async |name| client.delete_service("default", name, Some("u-1")).await;
    assert_eq!(delete("app").await.unwrap(), Deletion::Deleted);
    assert_eq!(delete("other").await.unwrap_err().kind, ErrorKind::Stale);
    assert_eq!(delete("gone").await.unwrap(), Deletion::WasAbsent);
    assert_eq!(asked.lock().unwrap()[0].body["preconditions"], json!({"uid": "u-1"}));
}

#[tokio::test(start_paused = true)]
async fn an_annotation_is_written_by_another_manager_and_only_if_nothing_moved() {
    let (client, asked) = client(|_| Answer::ok(&manifest()));
    let annotations = BTreeMap::from([
        (String::from("privlink.dev/sync"), Some(String::from("2"))),
        (String::from("old"), None),
    ]);
    client.annotate_service("default", "app", Some("17"), &annotations).await.unwrap();
    let seen = asked.lock().unwrap()[0].clone();
    assert_eq!(seen.content_type, "application/merge-patch+json");
    assert_eq!(seen.query, "&fieldManager=privlink-sync");
    assert_eq!(
        seen.body,
        json!({"metadata": {"resourceVersion": "17",
            "annotations": {"privlink.dev/sync": "2", "old": null}}})
    );
}

#[tokio::test(start_paused = true)]
async fn throttling_says_how_long() {
    let (client, _) = client(|_| Answer::refusal(429, "TooManyRequests").with("retry-after", "9"));
    let error = client.version().await.unwrap_err();
    assert!(error.is_retryable());
    assert_eq!(error.retry_after, Some(Duration::from_secs(9)));
}

#[tokio::test(start_paused = true)]
async fn a_sign_in_page_is_no_reply_of_an_api_server() {
    let (client, _) = client(|_| Answer::text(200, "text/html", "<html>"));
    let error = client.version().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Protocol);
    assert!(error.to_string().contains("text/html"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_does_not_come_is_transient() {
    let service = tower::service_fn(|_: Request<Body>| {
        std::future::pending::<Result<http::Response<Body>, kube::Error>>()
    });
    let raw = Client::new(service, "default");
    let client = KubernetesClient::with_client(raw, "context test", Settings::default());
    let error = client.version().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Transient);
    assert!(error.to_string().contains("30 s"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn rights_are_asked_of_the_api_server() {
    let (client, asked) = client(|seen| {
        let verb = seen.body["spec"]["resourceAttributes"]["verb"].clone();
        Answer::new(201, &json!({"status": {"allowed": verb == "patch"}}))
    });
    assert!(client.may("patch", "", "services", Some("default")).await.unwrap());
    assert!(!client.may("update", "coordination.k8s.io", "leases", None).await.unwrap());
    let seen = asked.lock().unwrap();
    assert_eq!(seen[0].body["spec"]["resourceAttributes"]["namespace"], "default");
    assert_eq!(seen[1].body["spec"]["resourceAttributes"].get("namespace"), None);
}
