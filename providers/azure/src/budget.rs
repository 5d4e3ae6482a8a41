//! ARM's token buckets, kept on this side so that a large observation does not run into 429s.
//!
//! ARM throttles each principal per subscription and region by token buckets: reads hold 250 and refill
//! 25 a second, writes and deletes hold 200 and refill 10 a second (Microsoft Learn, "Understand how
//! Azure Resource Manager throttles requests", the limits of 2024).

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How long a call waits for its bucket that has no deadline of its own.
const LONGEST: Duration = Duration::from_secs(300);

/// Shorter waits are not told.
const WORTH_TELLING: Duration = Duration::from_secs(2);

/// Which bucket a request draws from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    Read,
    Write,
    Delete,
}

impl Class {
    /// Tokens in the full bucket, and tokens that it regains a second.
    fn limits(self) -> (f64, f64) {
        match self {
            Self::Read => (250.0, 25.0),
            Self::Write | Self::Delete => (200.0, 10.0),
        }
    }
}

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    counted: Instant,
    closed_until: Instant,
}

/// The buckets of all subscriptions.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    buckets: Mutex<BTreeMap<(String, Class), Bucket>>,
}

impl Budget {
    /// Waits until the subscription's bucket has a token, and takes it. `told` hears of a wait for a
    /// bucket that ARM had closed.
    ///
    /// # Errors
    /// How long the bucket stays closed, where that is beyond the deadline, or, without one, beyond five
    /// minutes. Nothing was waited for.
    pub(crate) async fn spend(
        &self,
        subscription: &str,
        class: Class,
        deadline: Option<Instant>,
        told: &dyn Fn(Duration),
    ) -> Result<(), Duration> {
        let deadline = deadline.unwrap_or_else(|| Instant::now() + LONGEST);
        loop {
            let wait = self.take(subscription, class);
            if wait.is_zero() {
                return Ok(());
            }
            if Instant::now() + wait > deadline {
                return Err(wait);
            }
            if wait >= WORTH_TELLING {
                told(wait);
            }
            tokio::time::sleep(wait).await;
        }
    }

    /// Closes the bucket for as long as ARM asked, for every call that draws from it.
    pub(crate) fn close(&self, subscription: &str, class: Class, pause: Duration) {
        self.with(subscription, class, |bucket| {
            bucket.closed_until = bucket.closed_until.max(Instant::now() + pause);
        });
    }

    /// Takes a token, or says how long to wait for one.
    fn take(&self, subscription: &str, class: Class) -> Duration {
        let (capacity, refill) = class.limits();
        self.with(subscription, class, |bucket| {
            let now = Instant::now();
            if bucket.closed_until > now {
                return bucket.closed_until - now;
            }
            let regained = now.duration_since(bucket.counted).as_secs_f64() * refill;
            bucket.tokens = (bucket.tokens + regained).min(capacity);
            bucket.counted = now;
            if bucket.tokens >= 1.0 {
                bucket.tokens -= 1.0;
                return Duration::ZERO;
            }
            // A millisecond more than needed, so that the next look finds the whole token.
            Duration::from_secs_f64((1.0 - bucket.tokens) / refill) + Duration::from_millis(1)
        })
    }

    fn with<T>(&self, subscription: &str, class: Class, act: impl FnOnce(&mut Bucket) -> T) -> T {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let full = || Bucket { tokens: class.limits().0, counted: now, closed_until: now };
        act(buckets.entry((subscription.to_lowercase(), class)).or_insert_with(full))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_full_bucket_is_spent_at_once_and_then_at_the_refill_rate() {
        let budget = Budget::default();
        let start = Instant::now();
        for _ in 0..250 {
            budget.spend("S", Class::Read, None, &|_| {}).await.unwrap();
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
        for _ in 0..50 {
            budget.spend("s", Class::Read, None, &|_| {}).await.unwrap();
        }
        let waited = start.elapsed().as_secs_f64();
        assert!((1.9..2.2).contains(&waited), "{waited}");
        budget.spend("s", Class::Write, None, &|_| {}).await.unwrap();
        budget.spend("other", Class::Read, None, &|_| {}).await.unwrap();
        assert!((start.elapsed().as_secs_f64() - waited).abs() < 0.001);
    }

    #[tokio::test(start_paused = true)]
    async fn a_closed_bucket_stays_closed() {
        let budget = Budget::default();
        let start = Instant::now();
        budget.close("s", Class::Write, Duration::from_secs(17));
        budget.spend("s", Class::Write, None, &|_| {}).await.unwrap();
        assert_eq!(start.elapsed(), Duration::from_secs(17));
    }

    #[tokio::test(start_paused = true)]
    async fn a_closed_bucket_is_not_waited_for_beyond_a_deadline() {
        let budget = Budget::default();
        let start = Instant::now();
        budget.close("s", Class::Write, Duration::from_secs(3600));
        let soon = Some(start + Duration::from_secs(5));
        for deadline in [soon, None] {
            let closed = budget.spend("s", Class::Write, deadline, &|_| {}).await;
            assert_eq!(closed, Err(Duration::from_secs(3600)));
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
        budget.close("s", Class::Read, Duration::from_secs(60));
        let told = std::cell::Cell::new(None);
        budget.spend("s", Class::Read, None, &|wait| told.set(Some(wait))).await.unwrap();
        assert_eq!(told.get(), Some(Duration::from_secs(60)));
        assert_eq!(start.elapsed(), Duration::from_secs(60));
    }
}
