//! HTTP itself, and how large a reply may be.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use azure_core::http::{AsyncRawResponse, HttpClient, Request, Transport};
use privlink_http::reply::read_bounded;
use privlink_http::span::Called;

const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// A transport; see [`privlink_http::client`]. A reply of more than `most_bytes` is [`privlink_http::reply::TooLarge`].
pub(crate) fn transport(direct: bool, most_bytes: usize) -> Result<Transport, reqwest::Error> {
    let client = privlink_http::client(direct).read_timeout(READ_TIMEOUT).build()?;
    Ok(Transport::new(Arc::new(Bounded { client, most_bytes })))
}

/// Reads replies to their end, which `azure_core` would do without a bound. What was compressed counts
/// as it is after decompression.
#[derive(Debug)]
struct Bounded {
    client: reqwest::Client,
    most_bytes: usize,
}

#[async_trait]
impl HttpClient for Bounded {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let exchange = async {
            let (status, headers, body) = self.client.execute_request(request).await?.deconstruct();
            let too_large = |why| azure_core::Error::new(azure_core::error::ErrorKind::Other, why);
            let read = read_bounded(body, self.most_bytes, too_large).await?;
            Ok::<_, azure_core::Error>((status, headers, read))
        };
        let (method, url) = (request.method(), request.url());
        let host = url.host_str().unwrap_or_default();
        let called = Called { method: method.as_str(), host, path: url.path() };
        let (status, headers, read) =
            called.traced(|(status, _, _)| u16::from(*status), exchange).await?;
        Ok(AsyncRawResponse::from_bytes(status, headers, read))
    }
}
