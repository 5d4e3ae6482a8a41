//! What is sent to a server that keeps it: tried again where that helps, and told without its URL.

use std::time::Duration;

use privlink_core::reason;
use privlink_http::secret;
use privlink_http::span::{Called, resending};
use reqwest::{Client, RequestBuilder, Response, Url};

/// How long a delivery may take, and how often it is tried.
const TIMEOUT: Duration = Duration::from_secs(15);
const TRIES: u32 = 3;

/// A server that is sent something. Its URL is never shown: many carry their secret in it.
pub(super) struct Server {
    /// What it is called.
    pub(super) what: &'static str,
    /// Where it is.
    pub(super) url: Url,
}

impl Server {
    /// A client for it.
    pub(super) fn client(&self) -> Result<Client, String> {
        // Proxy variables would be asked for loopback too.
        let direct = self.url.host_str().is_some_and(privlink_http::is_loopback);
        privlink_http::client(direct).timeout(TIMEOUT).build().map_err(|error| self.why(error))
    }

    /// Keeps all of its URL from being shown.
    pub(super) fn hold(&self, text: &str) {
        let url = &self.url;
        for part in [text, url.as_str(), url.path(), url.password().unwrap_or_default()] {
            secret::hold(part);
        }
    }

    /// Sends a request, again if the server could not take it; why it did not, fit to be shown.
    pub(super) async fn send(&self, request: impl Fn() -> RequestBuilder) -> Result<(), String> {
        let mut last = String::new();
        for attempt in 0..TRIES {
            if attempt > 0 {
                tokio::time::sleep(Duration::from_secs(1 << attempt)).await;
            }
            let agent = concat!("privlink/", env!("CARGO_PKG_VERSION"));
            let (client, request) = request().header("user-agent", agent).build_split();
            let request = request.map_err(|error| self.why(error))?;
            let method = request.method().clone();
            // The path of a webhook is its secret.
            let host = self.url.host_str().unwrap_or_default();
            let called = Called { method: method.as_str(), host, path: "" };
            let status = |it: &Response| it.status().as_u16();
            let sent = async { called.traced(status, client.execute(request)).await };
            match resending(attempt, sent).await {
                Ok(answer) if answer.status().is_success() => return Ok(()),
                Ok(answer) => {
                    let status = answer.status();
                    last = format!("the {} answered {status}", self.what);
                    if !status.is_server_error() && status.as_u16() != 429 {
                        break;
                    }
                }
                Err(error) => last = self.why(error),
            }
        }
        Err(last)
    }

    /// An error without the URL: what it is wrapped in names it too, so no part of it is kept.
    fn why(&self, error: reqwest::Error) -> String {
        let text = reason::clean(&secret::hide(&reason::chain(&error.without_url())));
        format!("the {} could not be reached: {text}", self.what)
    }
}
