//! The report to a webhook.

use privlink_core::drift::Report;
use privlink_http::{is_loopback, secret};
use privlink_render::drift::chat;

use super::delivery::Server;
use crate::args::{DriftOutput, WebhookFormat};
use crate::command_error::CommandError;

/// Where the report is sent. Neither URL nor token are ever shown: many webhooks carry their secret in
/// the URL's path.
pub(super) struct Webhook {
    server: Server,
    format: WebhookFormat,
    token: Option<String>,
}

impl Webhook {
    /// The webhook that is asked for, if one is.
    pub(super) fn of(args: &DriftOutput) -> Result<Option<Self>, CommandError> {
        let (flag, text) = match (&args.webhook, &args.webhook_env) {
            (Some(text), _) => ("--webhook", text.clone()),
            (None, Some(name)) => ("--webhook-env", variable(name, "URL of a webhook")?),
            (None, None) => return no_webhook(args),
        };
        let format = args.webhook_format;
        if format != WebhookFormat::Json && flag == "--webhook" {
            return Err(CommandError::new("the URL of a chat's webhook is a secret, and must not be on the command line")
                .hint("Who has it may write into the channel: name the environment variable that holds it by --webhook-env."));
        }
        // Not quoted, wherever it is from: it may be a secret that was cut in half.
        let url: reqwest::Url = text
            .parse()
            .map_err(|error| CommandError::new(format!("{flag} is not a URL: {error}")))?;
        let is_plain = url.scheme() == "http" && url.host_str().is_some_and(is_loopback);
        if url.scheme() != "https" && !is_plain {
            return Err(CommandError::new(format!(
                "{flag} must be https, unless it is on loopback"
            ))
            .hint("The report names subscriptions and consumers, and a token may go with it."));
        }
        let token = args
            .webhook_token
            .as_deref()
            .map(|it| variable(it, "token for the webhook"))
            .transpose()?;
        let server = Server { what: "webhook", url };
        server.hold(&text);
        Ok(Some(Self { server, format, token }))
    }

    /// Sends the report; why that failed, fit to be shown.
    pub(super) async fn deliver(&self, report: &Report) -> Result<(), String> {
        let body = match self.format {
            WebhookFormat::Json => {
                privlink_render::json::value(report).and_then(|it| serde_json::to_vec(&it))
            }
            WebhookFormat::Slack => serde_json::to_vec(&chat::slack(report)),
            WebhookFormat::Teams => serde_json::to_vec(&chat::teams(report)),
        };
        let body = body.map_err(|error| error.to_string())?;
        let client = self.server.client()?;
        let request = || {
            let request = client.post(self.server.url.clone()).body(body.clone());
            let request = request.header("content-type", "application/json");
            match &self.token {
                Some(token) => request.bearer_auth(token),
                None => request,
            }
        };
        let sent = self.server.send(request).await;
        sent.map_err(|why| format!("{why}; the report was not delivered"))
    }
}

fn no_webhook(args: &DriftOutput) -> Result<Option<Webhook>, CommandError> {
    let lonely = [
        (args.webhook_token.is_some(), "--webhook-token"),
        (args.webhook_format != WebhookFormat::Json, "--webhook-format"),
    ];
    match lonely.into_iter().find(|(is_given, _)| *is_given) {
        None => Ok(None),
        Some((_, flag)) => Err(CommandError::new(format!("{flag} is given, and no webhook"))
            .hint("Name one by --webhook, or by --webhook-env.")),
    }
}

/// What an environment variable holds, which is a secret from now on.
fn variable(name: &str, what: &str) -> Result<String, CommandError> {
    match std::env::var(name) {
        Ok(text) if !text.trim().is_empty() => {
            let text = text.trim().to_owned();
            secret::hold(&text);
            Ok(text)
        }
        _ => Err(CommandError::new(format!("the environment variable {name} holds no {what}"))),
    }
}
