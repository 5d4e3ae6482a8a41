use std::sync::{Arc, Mutex};

use super::*;
use crate::testing::{Answer, Seen, client};

const DURATION: Duration = Duration::from_secs(30);

/// One Lease as an API server keeps it: writes need the resourceVersion of what is there.
#[derive(Clone, Default)]
struct Store(Arc<Mutex<Option<Value>>>);

impl Store {
    fn answer(&self, seen: &Seen) -> Answer {
        let mut lease = self.0.lock().unwrap();
        let version = |lease: &Value| {
            lease.pointer("/metadata/resourceVersion").and_then(Value::as_str).map(str::to_owned)
        };
        let method = seen.line.split(' ').next().unwrap();
        match (method, lease.as_ref()) {
            ("GET", None) => return Answer::refusal(404, "NotFound"),
            ("GET", Some(live)) => return Answer::ok(live),
            ("PUT", None) => return Answer::refusal(404, "NotFound"),
            ("POST", Some(_)) => return Answer::refusal(409, "AlreadyExists"),
            ("PUT", Some(live)) if version(live) != version(&seen.body) => {
                return Answer::refusal(409, "Conflict");
            }
            _ => {}
        }
        let next =
            lease.as_ref().and_then(version).and_then(|v| v.parse::<u64>().ok()).unwrap_or(0);
        let mut written = seen.body.clone();
        written["metadata"]["resourceVersion"] = Value::from((next + 1).to_string());
        *lease = Some(written.clone());
        Answer::ok(&written)
    }

    fn lock(&self) -> Lock {
        let store = self.clone();
        let (client, _) = client(move |seen| store.answer(seen));
        Lock::new(&client, "default", "privlink-shop")
    }

    fn holder(&self) -> Option<String> {
        self.0.lock().unwrap().as_ref().and_then(holder).map(|holder| holder.identity)
    }
}

async fn acquire(lock: &Lock, identity: &str) -> Result<KeptLock, Holder> {
    match lock.acquire(identity, DURATION, Duration::ZERO).await.unwrap() {
        Acquisition::Acquired(kept) => Ok(kept),
        Acquisition::HeldBy(holder) => Err(holder),
    }
}

#[tokio::test(start_paused = true)]
async fn a_free_lock_is_taken_and_released() {
    let store = Store::default();
    let kept = acquire(&store.lock(), "a").await.unwrap();
    assert_eq!(store.holder().as_deref(), Some("a"));
    assert_eq!(kept.taken_from, None);
    kept.release().await.unwrap();
    assert_eq!(store.holder(), None);
    acquire(&store.lock(), "b").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_living_holder_is_named_and_keeps_it() {
    let store = Store::default();
    let kept = acquire(&store.lock(), "a").await.unwrap();
    let start = Instant::now();
    let holder = acquire(&store.lock(), "b").await.unwrap_err();
    assert_eq!(holder.identity, "a");
    assert!(start.elapsed() < DURATION, "one renewal is proof of life");
    tokio::time::sleep(DURATION * 10).await;
    assert_eq!((kept.lost(), store.holder().as_deref()), (None, Some("a")));
}

#[tokio::test(start_paused = true)]
async fn a_dead_holder_is_taken_over_when_its_lease_was_seen_unchanged_for_its_time() {
    let store = Store::default();
    drop(acquire(&store.lock(), "a").await.unwrap());
    tokio::time::sleep(DURATION * 100).await;
    let start = Instant::now();
    let kept = acquire(&store.lock(), "b").await.unwrap();
    assert!(start.elapsed() >= DURATION, "no timestamp is trusted: {:?}", start.elapsed());
    assert!(start.elapsed() < DURATION * 2);
    assert_eq!(kept.taken_from.as_ref().unwrap().identity, "a");
    assert_eq!(store.holder().as_deref(), Some("b"));
    let transitions =
        store.0.lock().unwrap().as_ref().unwrap().pointer("/spec/leaseTransitions").cloned();
    assert_eq!(transitions, Some(Value::from(2)));
}

#[tokio::test(start_paused = true)]
async fn of_two_takers_one_gets_it() {
    let store = Store::default();
    drop(acquire(&store.lock(), "a").await.unwrap());
    let (first, second) = (store.lock(), store.lock());
    let (first, second) = futures::join!(acquire(&first, "b"), acquire(&second, "c"));
    assert_eq!(usize::from(first.is_ok()) + usize::from(second.is_ok()), 1);
}

#[tokio::test(start_paused = true)]
async fn a_holder_learns_that_it_was_lost() {
    let store = Store::default();
    let kept = acquire(&store.lock(), "a").await.unwrap();
    let mut stolen = store.0.lock().unwrap().clone().unwrap();
    stolen["spec"]["holderIdentity"] = Value::from("b");
    stolen["metadata"]["resourceVersion"] = Value::from("99");
    *store.0.lock().unwrap() = Some(stolen);
    assert!(kept.until_lost().await.contains("another holder"));
    kept.release().await.unwrap();
    assert_eq!(store.holder().as_deref(), Some("b"));
}

#[tokio::test(start_paused = true)]
async fn a_lock_that_cannot_be_renewed_is_given_up_before_its_time() {
    let down = Arc::new(Mutex::new(false));
    let (store, switch) = (Store::default(), down.clone());
    let (client, _) = client(move |seen| match *switch.lock().unwrap() {
        true => Answer::refusal(503, "ServiceUnavailable"),
        false => store.answer(seen),
    });
    let kept = acquire(&Lock::new(&client, "default", "l"), "a").await.unwrap();
    *down.lock().unwrap() = true;
    let start = Instant::now();
    assert!(kept.until_lost().await.contains("could not be renewed"));
    assert!(start.elapsed() < DURATION, "before anybody may take it over: {:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn breaking_it_open_needs_the_holder_that_was_seen() {
    let store = Store::default();
    let kept = acquire(&store.lock(), "a").await.unwrap();
    let lock = store.lock();
    let seen = lock.holder().await.unwrap().unwrap();
    let other = Holder { identity: String::from("z"), ..seen.clone() };
    assert_eq!(lock.break_open(&other).await.unwrap_err().kind, ErrorKind::Stale);
    lock.break_open(&seen).await.unwrap();
    assert_eq!(store.holder(), None);
    assert!(kept.until_lost().await.contains("another holder"));
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_names_a_long_time_is_not_waited_for() {
    let store = Store::default();
    drop(acquire(&store.lock(), "a").await.unwrap());
    store.0.lock().unwrap().as_mut().unwrap()["spec"]["leaseDurationSeconds"] =
        Value::from(u64::from(u32::MAX));
    let start = Instant::now();
    let holder = acquire(&store.lock(), "b").await.unwrap_err();
    assert_eq!(holder.identity, "a");
    assert!(start.elapsed() < DURATION * 2, "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_holder_learns_at_its_next_renewal_that_its_lease_was_deleted() {
    let store = Store::default();
    let kept = acquire(&store.lock(), "a").await.unwrap();
    *store.0.lock().unwrap() = None;
    let start = Instant::now();
    assert!(kept.until_lost().await.contains("deleted"));
    assert!(start.elapsed() <= DURATION / 4, "{:?}", start.elapsed());
    assert_eq!(store.holder(), None);
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_passes_does_not_keep_from_the_lock() {
    let failures = Arc::new(Mutex::new(vec![429, 503]));
    let (store, left) = (Store::default(), failures.clone());
    let (client, _) = client(move |seen| match left.lock().unwrap().pop() {
        Some(status) => Answer::refusal(status, "TooManyRequests"),
        None => store.answer(seen),
    });
    acquire(&Lock::new(&client, "default", "l"), "a").await.unwrap();
    assert!(failures.lock().unwrap().is_empty());
}
