//! Calls are repeated by the kind of their failure: what may succeed later unchanged is tried again,
//! with growing jittered delays, never sooner than the server asked, and not past the deadline.

use std::ops::Deref;
use std::time::Duration;

use privlink_http::failure::Failure;
use privlink_http::retry::{self, Retry};
use tokio::time::Instant;

/// Makes a call until it succeeds, fails for good, or its tries are used up.
///
/// # Errors
/// The last failure.
pub(crate) async fn retried<T, E, D>(call: impl AsyncFnMut() -> Result<T, E>) -> Result<T, E>
where
    E: Deref<Target = Failure<D>>,
{
    retried_until(None, |_, _| {}, call).await
}

/// As [`retried`], but not past the deadline. `again` hears of each failure and of the delay before the
/// next try.
///
/// # Errors
/// The last failure.
pub(crate) async fn retried_until<T, E, D>(
    deadline: Option<Instant>,
    again: impl Fn(&E, Duration),
    call: impl AsyncFnMut() -> Result<T, E>,
) -> Result<T, E>
where
    E: Deref<Target = Failure<D>>,
{
    retry::retried(&Retry::READS, deadline, Failure::is_retryable, again, call).await
}
