use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::json;

use super::*;
use crate::connection::Settings;
use crate::testing::{Answer, client};

fn event(kind: &str) -> String {
    format!("{}\n", json!({"type": kind, "object": {"kind": "Service"}}))
}

/// Each answer is one watch: after a refusal and after its end it is begun again.
#[tokio::test(start_paused = true)]
async fn a_watch_survives_refusals_and_ends() {
    let watches = AtomicU32::new(0);
    let (client, asked) = client(move |seen| {
        if !seen.line.ends_with("/services") {
            return Answer::refusal(403, "Forbidden");
        }
        match watches.fetch_add(1, Ordering::SeqCst) {
            0 => Answer::refusal(500, "InternalError"),
            1 => Answer::text(200, "application/json", "half an ev"),
            2 => Answer::text(200, "application/json", &event("ADDED")),
            3 => Answer::text(200, "application/json", &(event("BOOKMARK") + &event("ERROR"))),
            _ => Answer::text(200, "application/json", &event("MODIFIED")),
        }
    });
    let mut wakeups = client.watch();
    let start = tokio::time::Instant::now();
    wakeups.next().await;
    wakeups.next().await;
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
    drop(wakeups);
    tokio::time::sleep(Duration::from_secs(60)).await;
    let before = asked.lock().unwrap().len();
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(asked.lock().unwrap().len(), before, "it ends with its last receiver");
    let services: Vec<_> = asked.lock().unwrap().clone();
    assert!(services.iter().all(|seen| seen.query.contains("watch=true")), "{services:?}");
}

#[tokio::test(start_paused = true)]
async fn all_who_wait_share_one_watch_of_each() {
    // Watches that end at once, and so are begun again every half second.
    let (client, asked) = client(|_| Answer::text(200, "application/json", ""));
    let count = || asked.lock().unwrap().len();
    let many: Vec<_> = (0..10).map(|_| client.watch()).collect();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(count(), 2);
    drop(many);
    let late = client.watch();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let before = count();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(count() > before, "who subscribes as the last one leaves is served");
    drop(late);
    tokio::time::sleep(Duration::from_secs(5)).await;
    let before = count();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(count(), before);
    let _again = client.watch();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(count() > before);
}

/// After an event of such a size the watch is begun again, and goes on.
#[tokio::test(start_paused = true)]
async fn an_event_that_is_too_large_ends_its_watch() {
    let watches = AtomicU32::new(0);
    let (client, _) = client(move |_| {
        let large = watches.fetch_add(1, Ordering::SeqCst) < 2;
        let more = " ".repeat(if large { 2000 } else { 0 });
        Answer::text(200, "application/json", &format!("{more}{}", event("ADDED")))
    });
    let settings = Settings { most_bytes: 1000, ..Settings::default() };
    let client = KubernetesClient::with_client(client.raw().clone(), "context test", settings);
    let (sender, receiver) = watch::channel(0);
    let mut told = |told: Told<'_>| wake_by_change(&sender, &told);
    let call = Watched::Services.call();
    let first = watch_once(&client, &call, &mut told).await;
    assert!(first.unwrap_err().contains("larger than"));
    assert!(watch_once(&client, &call, &mut told).await.is_err());
    assert_eq!(*receiver.borrow(), 0);
    assert_eq!(watch_once(&client, &call, &mut told).await, Ok(()));
    assert_eq!(*receiver.borrow(), 1);
}

#[test]
fn what_changes_by_itself_wakes_nobody() {
    let node = |version: &str, heartbeat: &str, ready: &str, address: &str| {
        json!({"type": "MODIFIED", "object": {
            "kind": "Node",
            "metadata": {"name": "aks-1", "uid": "u", "resourceVersion": version},
            "status": {
                "addresses": [{"type": "InternalIP", "address": address}],
                "conditions": [{"type": "Ready", "status": ready, "lastHeartbeatTime": heartbeat}],
            },
        }})
        .to_string()
    };
    let mut digests = Digests::default();
    assert!(digests.differs(&Told::Begun));
    let mut wakes = |event: String| digests.differs(&Told::Changed(event.as_bytes()));
    assert!(wakes(node("1", "10:00", "True", "10.240.0.4")));
    assert!(!wakes(node("2", "10:05", "True", "10.240.0.4")), "it is well");
    assert!(wakes(node("3", "10:10", "False", "10.240.0.4")));
    assert!(wakes(node("4", "10:15", "False", "10.240.0.5")));
    assert!(wakes(node("5", "10:15", "False", "10.240.0.5").replace("MODIFIED", "DELETED")));
    assert!(wakes(node("6", "10:15", "False", "10.240.0.5")), "it came again");
    assert!(wakes("{\"type\": \"ADDED\"}".to_owned()), "what is not understood is looked at");
}

/// A watch of Nodes that ends is begun anew, and each beginning wakes: what happened in between is in no event.
#[tokio::test(start_paused = true)]
async fn each_beginning_of_a_watch_wakes_and_its_end_comes_with_its_receiver() {
    let (client, asked) = client(|_| Answer::text(200, "application/json", ""));
    let mut wakeups = client.changes(Watched::Nodes);
    let mut others = client.changes(Watched::Namespaces);
    for _ in 0..3 {
        wakeups.next().await;
        others.next().await;
    }
    drop((wakeups, others));
    tokio::time::sleep(Duration::from_secs(5)).await;
    let before = asked.lock().unwrap().clone();
    assert!(before.iter().any(|it| it.line.ends_with("/nodes")), "{before:?}");
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(asked.lock().unwrap().len(), before.len());
}
