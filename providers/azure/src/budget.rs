//! ARM's token buckets, kept on this side so that a large observation does not run into 429s.
//!
//! ARM throttles each principal per subscription and region by token buckets: reads hold 250 and refill
//! 25 a second, writes and deletes hold 200 and refill 10 a second (Microsoft Learn, "Understand how
//! Azure Resource Manager throttles requests", the limits of 2024). Azure Resource Graph counts apart, 15 queries in 5
//! seconds, and says with every reply how many are left.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
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
    Query,
}

impl Class {
    /// Tokens in the full bucket, and tokens that it regains a second.
    fn limits(self, share: Share) -> (f64, f64) {
        let (capacity, refill) = match self {
            Self::Read => (250.0, 25.0),
            Self::Write | Self::Delete => (200.0, 10.0),
            Self::Query => (15.0, 3.0),
        };
        // A bucket that never holds a whole token lets nothing through.
        (f64::max(capacity * share.fraction(), 1.0), refill * share.fraction())
    }
}

/// A part of the requests that ARM allows an identity, for a client that is not the only one which calls as that
/// identity. Written `1/4`: one of four clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    part: NonZeroU32,
    whole: NonZeroU32,
}

impl Share {
    fn fraction(self) -> f64 {
        f64::from(self.part.get()) / f64::from(self.whole.get())
    }
}

impl Default for Share {
    fn default() -> Self {
        Self { part: NonZeroU32::MIN, whole: NonZeroU32::MIN }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.part, self.whole)
    }
}

/// A text that says no [`Share`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongShare;

impl fmt::Display for WrongShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a share is written as 1/4: a part of a whole, neither 0 nor more than all")
    }
}

impl std::error::Error for WrongShare {}

impl FromStr for Share {
    type Err = WrongShare;

    fn from_str(text: &str) -> Result<Self, WrongShare> {
        let (part, whole) = text.split_once('/').ok_or(WrongShare)?;
        let number = |text: &str| {
            let digits = text.bytes().all(|it| it.is_ascii_digit());
            text.parse().ok().filter(|_| digits).ok_or(WrongShare)
        };
        let share = Self { part: number(part)?, whole: number(whole)? };
        if share.part > share.whole { Err(WrongShare) } else { Ok(share) }
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
    share: Share,
    buckets: Mutex<BTreeMap<(String, Class), Bucket>>,
}

impl Budget {
    /// Full buckets of which a share is this client's.
    pub(crate) fn new(share: Share) -> Self {
        Self { share, buckets: Mutex::default() }
    }

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

    /// Takes the server's word for what is left, where that is less than what is counted here: others may draw from it
    /// too.
    pub(crate) fn correct(
        &self,
        subscription: &str,
        class: Class,
        left: u32,
        resets_after: Duration,
    ) {
        self.with(subscription, class, |bucket| {
            bucket.tokens = bucket.tokens.min(f64::from(left));
            if left == 0 {
                bucket.closed_until = bucket.closed_until.max(Instant::now() + resets_after);
            }
        });
    }

    /// Takes a token, or says how long to wait for one.
    fn take(&self, subscription: &str, class: Class) -> Duration {
        let (capacity, refill) = class.limits(self.share);
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
        let full =
            || Bucket { tokens: class.limits(self.share).0, counted: now, closed_until: now };
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

    /// Four clients with a quarter each make as many requests as one alone may.
    #[tokio::test(start_paused = true)]
    async fn a_share_scales_the_bucket_and_what_it_regains() {
        let budget = Budget::new("1/4".parse().unwrap());
        let start = Instant::now();
        for _ in 0..62 {
            budget.spend("s", Class::Read, None, &|_| {}).await.unwrap();
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
        for _ in 0..50 {
            budget.spend("s", Class::Read, None, &|_| {}).await.unwrap();
        }
        let waited = start.elapsed().as_secs_f64();
        assert!((7.8..8.2).contains(&waited), "{waited}");
        // However small the share is, requests go out.
        let least = Budget::new("1/1000".parse().unwrap());
        least.spend("s", Class::Read, None, &|_| {}).await.unwrap();
        let start = Instant::now();
        least.spend("s", Class::Read, None, &|_| {}).await.unwrap();
        assert_eq!(start.elapsed().as_secs(), 40);
    }

    #[test]
    fn a_share_is_a_part_of_a_whole() {
        for wrong in ["0/3", "4/3", "1/0", "x", "1", "1/x", "+1/2", "-1/2", "", "/", "1/2/3"] {
            assert_eq!(wrong.parse::<Share>(), Err(WrongShare), "{wrong}");
        }
        for right in ["1/1", "1/4", "3/4", "7/7"] {
            assert_eq!(right.parse::<Share>().unwrap().to_string(), right);
        }
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
