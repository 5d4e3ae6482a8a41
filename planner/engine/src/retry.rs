//! Calls are repeated by the kind of their failure: what may succeed later unchanged is tried again,
//! with growing jittered delays, never sooner than the server asked, and not past the deadline.

use std::time::Duration;

use privlink_azure::ArmError;
use privlink_azure::retry::{Retry, jitter};
use privlink_kubernetes::KubernetesError;
use tokio::time::Instant;

/// A failure that says whether repeating the call helps.
pub(crate) trait Fault {
    /// Whether the same call may succeed later.
    fn is_retryable(&self) -> bool;
    /// How long the server asked to wait.
    fn retry_after(&self) -> Option<Duration>;
}

impl Fault for ArmError {
    fn is_retryable(&self) -> bool {
        ArmError::is_retryable(self)
    }

    fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

impl Fault for KubernetesError {
    fn is_retryable(&self) -> bool {
        KubernetesError::is_retryable(self)
    }

    fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

/// Makes a call until it succeeds, fails for good, or its tries are used up.
///
/// # Errors
/// The last failure.
pub(crate) async fn retried<T, E: Fault>(call: impl AsyncFnMut() -> Result<T, E>) -> Result<T, E> {
    retried_until(None, |_, _| {}, call).await
}

/// As [`retried`], but not past the deadline. `again` hears of each failure and of the delay before the
/// next try.
///
/// # Errors
/// The last failure.
pub(crate) async fn retried_until<T, E: Fault>(
    deadline: Option<Instant>,
    again: impl Fn(&E, Duration),
    mut call: impl AsyncFnMut() -> Result<T, E>,
) -> Result<T, E> {
    let mut attempt = 1;
    loop {
        let error = match call().await {
            Err(error) if error.is_retryable() => error,
            outcome => return outcome,
        };
        let delay = Retry::READS.delay(attempt, error.retry_after(), jitter(), deadline);
        let Some(delay) = delay else { return Err(error) };
        again(&error, delay);
        tokio::time::sleep(delay).await;
        attempt += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq)]
    enum Failure {
        ForNow(Option<Duration>),
        ForGood,
    }

    impl Fault for Failure {
        fn is_retryable(&self) -> bool {
            *self != Self::ForGood
        }

        fn retry_after(&self) -> Option<Duration> {
            match self {
                Self::ForNow(asked) => *asked,
                Self::ForGood => None,
            }
        }
    }

    async fn run(outcomes: &mut Vec<Result<u8, Failure>>) -> Result<u8, Failure> {
        retried(async || outcomes.remove(0)).await
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_pass_is_tried_again_after_the_time_asked() {
        let asked = Duration::from_secs(42);
        let start = Instant::now();
        let mut outcomes = vec![Err(Failure::ForNow(Some(asked))), Ok(7), Ok(8)];
        assert_eq!(run(&mut outcomes).await, Ok(7));
        assert_eq!((outcomes.len(), start.elapsed()), (1, asked));
    }

    #[tokio::test(start_paused = true)]
    async fn what_fails_for_good_is_not() {
        let mut outcomes = vec![Err(Failure::ForGood), Ok(7)];
        assert_eq!(run(&mut outcomes).await, Err(Failure::ForGood));
        let mut tired: Vec<_> = (0..9).map(|_| Err(Failure::ForNow(None))).collect();
        assert_eq!(run(&mut tired).await, Err(Failure::ForNow(None)));
        assert_eq!(tired.len(), 5);
    }
}
