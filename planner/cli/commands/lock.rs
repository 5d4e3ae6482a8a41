//! The stack's lock: one run at a time.

use std::time::{Duration, Instant};

use privlink_kubernetes::{Acquisition, Holder, KeptLock, KubernetesError, Lock};

use crate::args;
use crate::command_error::CommandError;
use crate::connect::Connected;
use crate::exit::Exit;
use crate::ui::Ui;

/// How long to wait between two attempts.
const PAUSE: Duration = Duration::from_secs(1);

/// Where all locks lie, whatever the context's namespace: two runs of a stack must meet. `default` is in
/// every cluster, and cannot be deleted.
pub(super) const NAMESPACE: &str = "default";

/// The lock of a stack.
pub(super) fn of(stack: &str, connected: &Connected) -> Lock {
    Lock::new(&connected.session.kubernetes, NAMESPACE, &lease_name(stack))
}

/// What to say when the lock cannot be read or written.
pub(super) fn failed(error: KubernetesError) -> CommandError {
    CommandError::new(format!("the stack's lock: {error}")).hint(error.help())
}

/// Takes the lock of a stack, and waits for it as long as the arguments say.
pub(super) async fn take(
    stack: &str,
    args: &args::Turn,
    connected: &Connected,
    ui: &mut Ui,
) -> Result<KeptLock, CommandError> {
    let lock = of(stack, connected);
    let identity = identity();
    let duration = Duration::from_secs(args.lease_duration);
    let until = Instant::now() + Duration::from_secs(args.lock_timeout);
    let mut told = false;
    loop {
        let kept = match lock
            .acquire(&identity, duration, until.saturating_duration_since(Instant::now()))
            .await
            .map_err(failed)?
        {
            Acquisition::Acquired(kept) => kept,
            Acquisition::HeldBy(holder) if Instant::now() + PAUSE < until => {
                if !told {
                    ui.say(&format!("Waiting for {holder}, which works on stack {stack}."));
                    told = true;
                }
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            Acquisition::HeldBy(holder) => return Err(held(stack, &holder)),
        };
        if let Some(dead) = &kept.taken_from {
            let dead = &dead.identity;
            ui.say(&format!("Took the stack over from {dead}, which gave no sign of life."));
        }
        return Ok(kept);
    }
}

fn held(stack: &str, holder: &Holder) -> CommandError {
    let Holder { identity, since, .. } = holder;
    CommandError::new(format!("{identity} works on stack {stack} since {since}"))
        .hint("Wait until it is done, with --lock-timeout SECONDS, or apply again later.")
        .exit(Exit::Locked)
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
