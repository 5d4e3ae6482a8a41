//! The report to a webhook.

use std::time::Duration;

use privlink_core::drift::Report;
use privlink_core::reason;
use privlink_http::{is_loopback, secret};

use crate::args::Drift;
use crate::command_error::CommandError;

/// How long a delivery may take, and how often it is tried.
const TIMEOUT: Duration = Duration::from_secs(15);
const TRIES: u32 = 3;

/// Where the report is sent. Neither URL nor token are ever shown: many webhooks carry their secret in
/// the URL's path.
pub(super) struct Webhook {
    url: reqwest::Url,
    token: Option<String>,
}

impl Webhook {
    /// The webhook that is asked for, if one is.
    pub(super) fn of(args: &Drift) -> Result<Option<Self>, CommandError> {
        let Some(text) = &args.webhook else { return Ok(None) };
        let url: reqwest::Url = text
            .parse()
            .map_err(|error| CommandError::new(format!("--webhook is not a URL: {error}")))?;
        let is_plain = url.scheme() == "http" && url.host_str().is_some_and(is_loopback);
        if url.scheme() != "https" && !is_plain {
            return Err(CommandError::new("--webhook must be https, unless it is on loopback")
                .hint(
                    "The report names subscriptions and consumers, and a token may go with it.",
                ));
        }
        let token = match &args.webhook_token {
            None => None,
            Some(name) => match std::env::var(name) {
                Ok(token) if !token.trim().is_empty() => {
                    secret::hold(&token);
                    Some(token.trim().to_owned())
                }
                _ => {
                    return Err(CommandError::new(format!(
                        "the environment variable {name} holds no token for the webhook"
                    )));
                }
            },
        };
        for part in [text.as_str(), url.as_str(), url.path(), url.password().unwrap_or_default()] {
            secret::hold(part);
        }
        Ok(Some(Self { url, token }))
    }

    /// Sends the report; why that failed, fit to be shown.
    pub(super) async fn deliver(&self, report: &Report) -> Result<(), String> {
        let body = serde_json::to_vec(report).map_err(|error| error.to_string())?;
        let client = self.client().map_err(why)?;
        let mut last = String::new();
        for attempt in 0..TRIES {
            if attempt > 0 {
                tokio::time::sleep(Duration::from_secs(1 << attempt)).await;
            }
            let mut request = client
                .post(self.url.clone())
                .header("content-type", "application/json")
                .header("user-agent", concat!("privlink/", env!("CARGO_PKG_VERSION")))
                .body(body.clone());
            if let Some(token) = &self.token {
                request = request.bearer_auth(token);
            }
            match request.send().await {
                Ok(answer) if answer.status().is_success() => return Ok(()),
                Ok(answer) => {
                    let status = answer.status();
                    last = format!("the webhook answered {status}");
                    if !status.is_server_error() && status.as_u16() != 429 {
                        break;
                    }
                }
                Err(error) => last = why(error),
            }
        }
        Err(format!("{last}; the report was not delivered"))
    }

    fn client(&self) -> Result<reqwest::Client, reqwest::Error> {
        // Proxy variables would be asked for loopback too.
        privlink_http::client(self.url.scheme() == "http").timeout(TIMEOUT).build()
    }
}

/// An error without the URL: what it is wrapped in names it too, so no part of it is kept.
fn why(error: reqwest::Error) -> String {
    let text = reason::clean(&secret::hide(&reason::chain(&error.without_url())));
    format!("the webhook could not be reached: {text}")
}
