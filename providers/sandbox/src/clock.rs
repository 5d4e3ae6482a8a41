//! The time, in the forms of Kubernetes and ARM.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;

/// Now, in RFC 3339 with seconds, as `metav1.Time`.
pub(crate) fn now() -> String {
    Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Now by a clock that is `ahead` seconds ahead, as HTTP's `Date`.
pub(crate) fn http_date(ahead: i64) -> String {
    let second = Timestamp::now().as_second().saturating_add(ahead);
    let time = Timestamp::from_second(second).unwrap_or(Timestamp::MAX);
    time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// Now, in milliseconds since 1970.
pub(crate) fn millis() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
