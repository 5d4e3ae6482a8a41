use azure_core::http::Request;
use serde_json::json;
use tokio::time::Instant;

use super::*;
use crate::testing::{Answer, ENDPOINT, GROUP, Script, TOKEN};

fn endpoint(name: &str) -> ResourceId {
    ResourceId::in_group("s", "g", "Microsoft.Network/privateEndpoints", name)
}

fn list_path() -> String {
    format!("{GROUP}/providers/Microsoft.Network/privateEndpoints")
}

fn page(names: &[&str], next: Option<&str>) -> Answer {
    let value: Vec<_> = names.iter().map(|name| json!({"name": name})).collect();
    Answer::new(200, &json!({"value": value, "nextLink": next}))
}

fn wait() -> Wait<'static> {
    Wait::quietly(Duration::from_secs(600))
}

#[tokio::test(start_paused = true)]
async fn a_list_follows_its_pages() {
    let next = format!("{ENDPOINT}{}?api-version=2024-07-01&$skiptoken=2", list_path());
    let script = Script::of([page(&["a", "b"], Some(&next)), page(&["c"], Some(""))]);
    let client = script.client();
    let names: Vec<_> = client.list(&list_path()).await.unwrap().unwrap();
    assert_eq!(names, [json!({"name": "a"}), json!({"name": "b"}), json!({"name": "c"})]);
    let path = list_path();
    assert_eq!(
        script.lines(),
        [
            format!("GET {path}?api-version=2024-07-01"),
            format!("GET {path}?api-version=2024-07-01&$skiptoken=2")
        ]
    );
    assert_eq!(client.calls(), Calls { reads: 2, polls: 0, writes: 0 });
}

#[tokio::test(start_paused = true)]
async fn pages_that_lead_back_end() {
    let next = format!("{ENDPOINT}{}?api-version=2024-07-01", list_path());
    let script = Script::of([page(&["a"], Some(&next))]);
    let error = script.client().list(&list_path()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Protocol);
}

#[tokio::test(start_paused = true)]
async fn a_list_has_a_bounded_number_of_pages() {
    let pages = (0..4).map(|n| {
        page(
            &["a"],
            Some(&format!("{ENDPOINT}{}?api-version=2024-07-01&$skiptoken={n}", list_path())),
        )
    });
    let script = Script::of(pages);
    let client = script.client_with(Settings { most_pages: 3, ..Settings::default() });
    assert_eq!(client.list(&list_path()).await.unwrap_err().kind, ErrorKind::Protocol);
    assert_eq!(script.seen().len(), 3);
}

/// A refusal on a later page is no shorter list.
#[tokio::test(start_paused = true)]
async fn a_403_in_the_middle_of_a_list_is_an_error() {
    let next = format!("{ENDPOINT}{}?api-version=2024-07-01&$skiptoken=2", list_path());
    for status in [403, 404] {
        let code = if status == 403 { "AuthorizationFailed" } else { "ResourceGroupNotFound" };
        let script = Script::of([page(&["a"], Some(&next)), Answer::error(status, code)]);
        let error = script.client().list(&list_path()).await.unwrap_err();
        assert_eq!((error.status, error.detail.doing), (Some(status), Doing::List));
        assert!(error.has_code(code));
    }
}

#[tokio::test(start_paused = true)]
async fn a_next_link_to_another_host_is_refused_and_sees_nothing() {
    for next in [
        "https://evil.example.com/subscriptions/s?x=1",
        "http://management.azure.com/subscriptions/s",
        "https://management.azure.com:8443/subscriptions/s",
        "https://management.azure.com@evil.example.com/subscriptions/s",
    ] {
        let script = Script::of([page(&["a"], Some(next))]);
        let error = script.client().list(&list_path()).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::UntrustedUrl, "{next}");
        assert_eq!(script.seen().len(), 1, "{next}");
        assert!(error.to_string().contains("refusing to send"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn only_arms_own_404_is_an_absence() {
    let absent = [Answer::error(404, "ResourceNotFound"), Answer::error(404, "NotFound")];
    for answer in absent {
        assert_eq!(Script::of([answer]).client().get(&endpoint("e")).await.unwrap(), None);
    }
    let script = Script::of([Answer::error(404, "ResourceGroupNotFound")]);
    assert_eq!(script.client().list(&list_path()).await.unwrap(), None);
    for (answer, kind) in [
        (Answer::error(404, "SubscriptionNotFound"), ErrorKind::Missing),
        (Answer::error(403, "AuthorizationFailed"), ErrorKind::Denied),
        (Answer::text(404, "text/html", "<html>not here</html>"), ErrorKind::Protocol),
        (Answer::text(200, "text/html", "<html>sign in</html>"), ErrorKind::Protocol),
        (Answer::new(200, &json!([1])), ErrorKind::Protocol),
        (Answer::empty(302).with("location", "https://evil.example.com"), ErrorKind::Protocol),
    ] {
        let error = Script::of([answer]).client().get(&endpoint("e")).await.unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn reads_wait_as_asked_and_try_again() {
    let throttled = Answer::error(429, "SubscriptionRequestsThrottled").with("retry-after", "17");
    let script = Script::of([throttled, Answer::empty(503), page(&["a"], None)]);
    let client = script.client();
    let start = Instant::now();
    assert_eq!(client.list(&list_path()).await.unwrap().unwrap().len(), 1);
    let waited = start.elapsed().as_secs_f64();
    assert!((17.0..20.0).contains(&waited), "{waited}");
    assert_eq!(client.calls().reads, 3);
}

#[tokio::test(start_paused = true)]
async fn reads_give_up() {
    let script = Script::of((0..4).map(|_| Answer::empty(503)));
    let error = script.client().get(&endpoint("e")).await.unwrap_err();
    assert_eq!((error.kind, error.status), (ErrorKind::Transient, Some(503)));
    assert!(script.is_played());
}

#[tokio::test(start_paused = true)]
async fn writes_are_sent_once_with_their_precondition() {
    let body = json!({"location": "eastus", "unknownField": [1, {"kept": true}]});
    let moved = Answer::new(200, &json!({"location": "westus"}));
    let script = Script::of([Answer::error(503, "ServiceUnavailable"), moved]);
    let precondition = Precondition::IfMatch(String::from("W/\"1\""));
    let client = script.client();
    let error = client.put(&endpoint("e"), &body, &precondition, &wait()).await.unwrap_err();
    assert_eq!((error.kind, error.detail.doing), (ErrorKind::Transient, Doing::Write));
    assert_eq!(client.calls().writes, 1);
    let seen = script.seen();
    assert_eq!(seen[0].header("if-match"), Some("W/\"1\""));
    assert_eq!(seen[0].header("user-agent"), Some(crate::USER_AGENT));
    assert!(seen[0].header("x-ms-client-request-id").is_some());
    assert_eq!(seen[0].body, body.to_string());
}

#[tokio::test(start_paused = true)]
async fn a_write_that_arrived_counts_though_its_reply_was_lost() {
    let body = json!({"location": "eastus", "properties": {"subnet": {"id": "/s"}}});
    let live = |state: &str| {
        json!({"location": "eastus", "etag": "W/\"2\"",
            "properties": {"provisioningState": state, "subnet": {"id": "/S"}}})
    };
    let script = Script::of([
        Answer::error(404, "ResourceNotFound"),
        Answer::text(502, "text/html", "<html>bad gateway</html>"),
        Answer::new(200, &live("Updating")),
        Answer::new(200, &live("Updating")),
        Answer::new(200, &live("Succeeded")),
    ]);
    let client = script.client();
    let written = client.put(&endpoint("e"), &body, &Precondition::Absent, &wait()).await.unwrap();
    assert_eq!(written, live("Succeeded"));
    assert_eq!(client.calls().writes, 1);
    assert!(script.is_played());
}

/// arm-contract, F12.
#[tokio::test(start_paused = true)]
async fn a_moved_etag_is_stale() {
    let refusal = json!({"error": {"code": "PreconditionFailed", "message": "Precondition failed.",
        "details": [{"code": "PreconditionFailedEtagMismatch",
                     "message": "Etag provided in if-match header W/\"x\" does not match etag W/\"y\"."}]}});
    let script = Script::of([Answer::new(412, &refusal)
        .with("x-ms-request-id", "r-1")
        .with("x-ms-correlation-request-id", "c-1")]);
    let precondition = Precondition::IfMatch(String::from("W/\"x\""));
    let client = script.client();
    let error = client.put(&endpoint("e"), &json!({}), &precondition, &wait()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Stale);
    let text = error.to_string();
    for part in ["cannot write", "privateEndpoints/e", "EtagMismatch", "r-1", "c-1", "as a tester"]
    {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[tokio::test(start_paused = true)]
async fn creating_what_exists_is_stale_without_a_write() {
    let live = json!({"name": "e", "properties": {}});
    let script = Script::of([Answer::new(200, &live)]);
    let client = script.client();
    let outcome = client.put(&endpoint("e"), &live, &Precondition::Absent, &wait()).await;
    assert_eq!(outcome.unwrap_err().kind, ErrorKind::Stale);
    assert_eq!(client.calls().writes, 0);

    let script = Script::of([Answer::error(404, "ResourceNotFound"), Answer::new(201, &live)]);
    let client = script.client();
    client.put(&endpoint("e"), &live, &Precondition::Absent, &wait()).await.unwrap();
    assert_eq!(script.seen()[1].header("if-none-match"), Some("*"));
}

#[tokio::test(start_paused = true)]
async fn paths_that_are_none_are_not_sent() {
    let script = Script::default();
    let client = script.client();
    for path in ["subscriptions/s", "/subscriptions//x", "/subscriptions/s/../t", ""] {
        assert_eq!(client.list(path).await.unwrap_err().kind, ErrorKind::Invalid, "{path}");
    }
    let unknown = ResourceId::in_group("s", "g", "Microsoft.Sql/servers", "x");
    assert_eq!(client.get(&unknown).await.unwrap_err().kind, ErrorKind::Invalid);
    assert!(script.seen().is_empty());
}

#[tokio::test(start_paused = true)]
async fn names_are_escaped() {
    let script = Script::of([Answer::error(404, "ResourceNotFound")]);
    script.client().get(&endpoint("a b?c#d")).await.unwrap();
    assert!(script.lines()[0].contains("/a%20b%3Fc%23d?api-version="), "{:?}", script.lines());
}

#[tokio::test(start_paused = true)]
async fn a_subscription_of_another_tenant_gets_that_tenants_token() {
    let tenant = "22222222-2222-2222-2222-222222222222";
    let challenge = format!(
        "Bearer authorization_uri=\"https://login.windows.net/{tenant}\", error=\"invalid_token\""
    );
    let refused =
        Answer::error(401, "InvalidAuthenticationTokenTenant").with("www-authenticate", challenge);
    let live = json!({"name": "e"});
    let script = Script::of([refused, Answer::new(200, &live), Answer::new(200, &live)]);
    let client = script.client();
    client.get(&endpoint("e")).await.unwrap();
    client.get(&endpoint("e")).await.unwrap();
    let tokens: Vec<_> = script
        .seen()
        .iter()
        .map(|seen| seen.header("authorization").unwrap().replace("Bearer ", ""))
        .collect();
    let theirs = format!("{TOKEN}-{tenant}");
    assert_eq!(tokens, [format!("{TOKEN}-home"), theirs.clone(), theirs]);
}

#[tokio::test(start_paused = true)]
async fn an_expired_token_is_an_error_that_names_the_identity_and_not_the_token() {
    let script = Script::of([Answer::error(401, "ExpiredAuthenticationToken")
        .with("www-authenticate", "Bearer error=\"invalid_token\"")]);
    let client = script.client();
    let error = client.get(&endpoint("e")).await.unwrap_err();
    assert_eq!((error.kind, error.status), (ErrorKind::Denied, Some(401)));
    let texts = format!("{error} {error:?} {client:?} {}", error.help());
    assert!(texts.contains("a tester") && texts.contains("clock"), "{texts}");
    assert!(!texts.contains(TOKEN), "{texts}");
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_does_not_come_is_transient() {
    #[derive(Debug)]
    struct Silence;

    #[async_trait::async_trait]
    impl azure_core::http::HttpClient for Silence {
        async fn execute_request(
            &self,
            _: &Request,
        ) -> azure_core::Result<azure_core::http::AsyncRawResponse> {
            std::future::pending().await
        }
    }

    let cloud = Cloud::public();
    let identity = Identity::Token(String::from("x").into());
    let environment = Environment::of(std::collections::BTreeMap::new());
    let source = {
        let (cloud, transport) = (cloud.clone(), transport(true, 1).unwrap());
        move |tenant: Option<&str>| identity.credential(tenant, &cloud, &environment, &transport)
    };
    let transport = Transport::new(Arc::new(Silence));
    let settings = Settings { reads: Retry::NONE, ..Settings::default() };
    let client = ArmClient::with_transport(
        &cloud,
        String::from("a tester"),
        Box::new(source),
        transport,
        settings,
    );
    let error = client.unwrap().get(&endpoint("e")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Transient);
    assert!(error.to_string().contains("120 s"), "{error}");
}

fn rows(ids: &[&str], total: usize, token: Option<&str>) -> Answer {
    let data: Vec<_> = ids.iter().map(|id| json!({"id": id})).collect();
    let mut body = json!({
        "totalRecords": total, "count": data.len(), "data": data, "facets": [],
        "resultTruncated": token.is_some().to_string(),
    });
    if let Some(token) = token {
        body["$skipToken"] = json!(token);
    }
    Answer::new(200, &body)
}

fn subscriptions(count: usize) -> std::collections::BTreeSet<String> {
    (0..count).map(|at| format!("s{at:04}")).collect()
}

const QUERY: &str = "resources | order by id asc";

#[tokio::test(start_paused = true)]
async fn a_query_is_read_page_by_page_over_all_subscriptions() {
    let script =
        Script::of([rows(&["a", "b"], 3, Some("t")), rows(&["c"], 3, None), rows(&["d"], 1, None)]);
    let client = script.client();
    assert_eq!(client.query(QUERY, &subscriptions(1_001)).await.unwrap().len(), 4);
    assert_eq!(client.calls().reads, 3);
    assert!(script.lines()[0].starts_with("POST /providers/Microsoft.ResourceGraph/resources?"));
    let bodies: Vec<serde_json::Value> =
        script.seen().iter().map(|seen| serde_json::from_str(&seen.body).unwrap()).collect();
    assert_eq!(bodies[0]["options"], json!({"resultFormat": "objectArray", "$top": 1000}));
    assert_eq!(bodies[1]["options"]["$skipToken"], "t");
    assert_eq!(bodies[0]["subscriptions"].as_array().unwrap().len(), 1_000);
    assert_eq!(bodies[2]["subscriptions"], json!(["s1000"]));
}

#[tokio::test(start_paused = true)]
async fn half_an_answer_to_a_query_is_an_error() {
    let cut = json!({"totalRecords": 2, "count": 2, "data": [1, 2], "resultTruncated": "true"});
    for answers in [
        vec![rows(&["a"], 2, None)],
        vec![Answer::new(200, &cut)],
        vec![Answer::new(200, &json!({"value": []}))],
        vec![rows(&["a"], 9, Some("t")), rows(&["b"], 9, Some("t"))],
    ] {
        let error = Script::of(answers).client().query(QUERY, &subscriptions(1)).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Protocol, "{error}");
    }
}

/// Queries wait as their replies say, whatever is counted here.
#[tokio::test(start_paused = true)]
async fn a_query_waits_until_its_quota_resets() {
    let spent = |answer: Answer| {
        answer
            .with("x-ms-user-quota-remaining", "0")
            .with("x-ms-user-quota-resets-after", "00:00:07")
    };
    let script = Script::of([
        spent(rows(&["a"], 2, Some("t"))),
        spent(Answer::error(429, "RateLimiting")),
        rows(&["b"], 2, None),
    ]);
    let client = script.client();
    let start = Instant::now();
    assert_eq!(client.query(QUERY, &subscriptions(1)).await.unwrap().len(), 2);
    let waited = start.elapsed().as_secs_f64();
    assert!((14.0..17.0).contains(&waited), "{waited}");
}
