//! The stack's lock: one run at a time.

use std::time::Duration;

use privlink_kubernetes::{Acquisition, Holder, KeptLock, KubernetesClient, KubernetesError, Lock};
use tokio::time::{Instant, timeout};

/// How long to wait between two attempts.
const PAUSE: Duration = Duration::from_secs(1);

/// After how long it is told who is waited for: a lock that is free is taken sooner.
const QUIET: Duration = Duration::from_secs(1);

/// Where all locks lie, whatever the context's namespace: two runs of a stack must meet. `default` is in
/// every cluster, and cannot be deleted.
pub const NAMESPACE: &str = "default";

/// How a lock is taken.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// How long to wait for another run to let go of it.
    pub timeout: Duration,
    /// After how long without a sign of life another run may take it over.
    pub lease: Duration,
}

/// Whether a lock was taken.
#[derive(Debug)]
pub(crate) enum Taken {
    /// It is ours.
    Ours(KeptLock),
    /// Another run had it all the time.
    Held(Holder),
}

/// The lock of a stack.
pub fn of(stack: &str, kubernetes: &KubernetesClient) -> Lock {
    Lock::new(kubernetes, NAMESPACE, &lease_name(stack))
}

/// Takes the lock of a stack, and waits for it as long as the terms say; who is waited for is told once.
pub(crate) async fn take(
    lock: &Lock,
    terms: Terms,
    mut waits_for: impl FnMut(&Holder),
) -> Result<Taken, KubernetesError> {
    let identity = identity();
    let until = Instant::now() + terms.timeout;
    let mut is_told = false;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let mut acquiring = Box::pin(lock.acquire(&identity, terms.lease, left));
        let acquired = match timeout(QUIET, &mut acquiring).await {
            Ok(acquired) => acquired?,
            // One that is held is watched for a while, since its holder may be gone.
            Err(_) => {
                if let Some(holder) = lock.holder().await.ok().flatten().filter(|_| !is_told) {
                    waits_for(&holder);
                    is_told = true;
                }
                acquiring.await?
            }
        };
        match acquired {
            Acquisition::Acquired(kept) => return Ok(Taken::Ours(kept)),
            Acquisition::HeldBy(holder) if Instant::now() + PAUSE < until => {
                if !is_told {
                    waits_for(&holder);
                    is_told = true;
                }
                tokio::time::sleep(PAUSE).await;
            }
            Acquisition::HeldBy(holder) => return Ok(Taken::Held(holder)),
        }
    }
}

/// The name of a stack's Lease: what Kubernetes takes for a name.
fn lease_name(stack: &str) -> String {
    let lower = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = stack.chars().map(lower).take(200).collect();
    format!("privlink-{}", name.trim_matches('-'))
}

/// Who this run is. Processes in containers often have the same number, so the time is in it too.
fn identity() -> String {
    let host = std::env::var("HOSTNAME").unwrap_or_else(|_| "host".to_owned());
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let nanoseconds = since.map_or(0, |since| since.as_nanos());
    format!("privlink-{}-{host}-{nanoseconds:x}", std::process::id())
}
