//! HTTP itself, and how large a reply may be.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use azure_core::http::{AsyncRawResponse, HttpClient, Request, Transport};
use futures::StreamExt;

const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// A transport; see [`privlink_http::client`]. A reply of more than `most_bytes` is [`TooLarge`].
pub(crate) fn transport(direct: bool, most_bytes: usize) -> Result<Transport, reqwest::Error> {
    let client = privlink_http::client(direct).read_timeout(READ_TIMEOUT).build()?;
    Ok(Transport::new(Arc::new(Bounded { client, most_bytes })))
}

/// A reply of which no more is read.
#[derive(Debug)]
pub(crate) struct TooLarge {
    most_bytes: usize,
}

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the reply is larger than {} MiB", self.most_bytes >> 20)
    }
}

impl std::error::Error for TooLarge {}

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
        let (status, headers, mut body) = self.client.execute_request(request).await?.deconstruct();
        let mut read = Vec::new();
        while let Some(chunk) = body.next().await {
            let chunk = chunk?;
            if read.len() + chunk.len() > self.most_bytes {
                let error = TooLarge { most_bytes: self.most_bytes };
                return Err(azure_core::Error::new(azure_core::error::ErrorKind::Other, error));
            }
            read.extend_from_slice(&chunk);
        }
        Ok(AsyncRawResponse::from_bytes(status, headers, read))
    }
}
