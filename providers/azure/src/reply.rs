//! What came back.

use std::time::Duration;

use azure_core::http::RawResponse;
use azure_core::http::headers::{HeaderName, Headers};
use serde_json::Value;

/// One HTTP reply, read to its end.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    headers: Headers,
    body: Vec<u8>,
}

impl Reply {
    pub(crate) fn new(response: RawResponse) -> Self {
        let (status, headers, body) = response.deconstruct();
        Self { status: u16::from(status), headers, body: body.to_vec() }
    }

    /// A 204, for an end that has no reply of its own.
    pub(crate) fn empty() -> Self {
        Self { status: 204, headers: Headers::new(), body: Vec::new() }
    }

    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// A header by its lower-case name.
    pub(crate) fn header(&self, name: &'static str) -> Option<&str> {
        self.headers
            .get_optional_str(&HeaderName::from_static(name))
            .filter(|text| !text.is_empty())
    }

    /// The body as JSON; nothing is `Null`. Otherwise what is wrong with it.
    pub(crate) fn json(&self) -> Result<Value, String> {
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
    pub(crate) fn retry_after(&self) -> Option<Duration> {
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

/// A server that asks for more means something else, or nothing good.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// From now until a date such as `Fri, 01 Jan 2027 00:00:00 GMT`; nothing when it is past.
fn until(date: &str) -> Option<Duration> {
    let date = azure_core::time::parse_rfc7231(date).ok()?;
    Duration::try_from(date - azure_core::time::OffsetDateTime::now_utc()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use azure_core::http::StatusCode;

    fn reply(headers: &[(&'static str, &'static str)], body: &'static str) -> Reply {
        let mut map = Headers::new();
        for (name, value) in headers {
            map.insert(*name, *value);
        }
        Reply::new(RawResponse::from_bytes(StatusCode::Ok, map, body))
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
}
