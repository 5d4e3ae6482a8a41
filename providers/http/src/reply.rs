//! A reply, read to its end: how large it may be, how long it may take, and what it asks for.

use std::fmt;
use std::future::Future;
use std::time::{Duration, SystemTime};

use futures::{Stream, StreamExt};
use http::HeaderMap;
use serde_json::Value;

/// A server that asks for more means something else, or nothing good.
pub const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// One HTTP reply, read to its end.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, after decompression.
    pub body: Vec<u8>,
}

impl Reply {
    /// Whether the status says that it was done.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// A header by its lower-case name, unless it is empty or not text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok().filter(|text| !text.is_empty())
    }

    /// The body as JSON; nothing is `Null`.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn json(&self) -> Result<Value, String> {
        if self.body.iter().all(u8::is_ascii_whitespace) {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&self.body).map_err(|why| {
            let kind = self.header("content-type").unwrap_or("no content type");
            format!("the reply is not JSON ({kind}): {why}")
        })
    }

    /// How long the server asks to wait, an hour at most. The two headers in milliseconds come first, since they are
    /// finer; zero is no answer, as for the Azure CLI.
    pub fn retry_after(&self) -> Option<Duration> {
        let milliseconds = ["retry-after-ms", "x-ms-retry-after-ms"]
            .into_iter()
            .find_map(|name| self.header(name)?.trim().parse::<u64>().ok())
            .map(Duration::from_millis);
        let wait = milliseconds.or_else(|| {
            let text = self.header("retry-after")?.trim();
            match text.parse::<u64>() {
                Ok(seconds) => Some(Duration::from_secs(seconds)),
                Err(_) => until(text),
            }
        });
        wait.filter(|wait| !wait.is_zero()).map(|wait| wait.min(LONGEST_WAIT))
    }
}

/// From now until a date such as `Fri, 01 Jan 2027 00:00:00 GMT`; nothing when it is past.
fn until(date: &str) -> Option<Duration> {
    httpdate::parse_http_date(date).ok()?.duration_since(SystemTime::now()).ok()
}

/// A reply of which no more is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge {
    /// How many bytes it may have.
    pub most_bytes: usize,
}

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the reply is larger than {} MiB", self.most_bytes >> 20)
    }
}

impl std::error::Error for TooLarge {}

/// Reads a body to its end, up to a size. What was compressed counts as it is after decompression.
///
/// # Errors
/// What `refuse` makes of a body that is too large, or what kept a chunk from arriving.
pub async fn read_bounded<C: AsRef<[u8]>, E>(
    chunks: impl Stream<Item = Result<C, E>>,
    most_bytes: usize,
    refuse: impl FnOnce(TooLarge) -> E,
) -> Result<Vec<u8>, E> {
    let mut chunks = std::pin::pin!(chunks);
    let mut read = Vec::new();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk?;
        if read.len() + chunk.as_ref().len() > most_bytes {
            return Err(refuse(TooLarge { most_bytes }));
        }
        read.extend_from_slice(chunk.as_ref());
    }
    Ok(read)
}

/// An exchange, given up after a time. `late` makes the error of that.
///
/// # Errors
/// Those of the exchange, and `late`'s.
pub async fn within<T, E>(
    time: Duration,
    exchange: impl Future<Output = Result<T, E>>,
    late: impl FnOnce(&str) -> E,
) -> Result<T, E> {
    match tokio::time::timeout(time, exchange).await {
        Ok(outcome) => outcome,
        Err(_) => Err(late(&format!("no whole reply within {} s", time.as_secs()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    fn reply(headers: &[(&'static str, &'static str)], body: &'static str) -> Reply {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        Reply { status: 200, headers: headers.collect(), body: body.as_bytes().to_vec() }
    }

    #[test]
    fn retry_after_is_seconds_milliseconds_or_a_date() {
        let wait = |headers: &[_]| reply(headers, "").retry_after();
        assert_eq!(wait(&[("retry-after", "17")]), Some(Duration::from_secs(17)));
        assert_eq!(
            wait(&[("retry-after", "17"), ("x-ms-retry-after-ms", "20")]),
            Some(Duration::from_millis(20))
        );
        assert_eq!(wait(&[("retry-after", "0")]), None);
        assert_eq!(wait(&[("retry-after", "soon")]), None);
        assert_eq!(wait(&[("retry-after", "Fri, 01 Jan 2021 00:00:00 GMT")]), None);
        assert!(wait(&[("retry-after", "Tue, 01 Jan 2199 00:00:00 GMT")]).is_some());
    }

    #[test]
    fn what_a_server_asks_for_is_bounded() {
        let most = Some(LONGEST_WAIT);
        assert_eq!(reply(&[("retry-after", "18446744073709551615")], "").retry_after(), most);
        assert_eq!(reply(&[("retry-after-ms", "18446744073709551615")], "").retry_after(), most);
        let date = reply(&[("retry-after", "Tue, 01 Jan 2199 00:00:00 GMT")], "");
        assert_eq!(date.retry_after(), most);
    }

    #[test]
    fn a_page_of_a_proxy_is_not_json() {
        let html = reply(&[("content-type", "text/html")], "<html>sign in</html>");
        assert!(html.json().unwrap_err().contains("text/html"));
        assert_eq!(reply(&[], " \n").json(), Ok(Value::Null));
    }

    #[tokio::test]
    async fn a_body_is_read_up_to_its_bound() {
        let chunks = || futures::stream::iter([Ok::<_, TooLarge>("abc"), Ok("de")]);
        assert_eq!(read_bounded(chunks(), 5, |why| why).await, Ok(b"abcde".to_vec()));
        assert_eq!(read_bounded(chunks(), 4, |why| why).await, Err(TooLarge { most_bytes: 4 }));
    }
}
