//! Azure DevOps: threads of pull requests
//! (<https://learn.microsoft.com/rest/api/azure/devops/git/pull-request-threads>).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use reqwest::header::AUTHORIZATION;
use serde_json::{Value, json};
use url::Url;

use crate::comment::{Comment, is_marked};
use crate::error::ForgeError;
use crate::exchange::{Exchange, Sent, Settings, Token, bearer};
use privlink_http::failure::ErrorKind;

const VERSION: &str = "api-version=7.1";
const HELP: &str = "Map the token into the step (`env: SYSTEM_ACCESSTOKEN: $(System.AccessToken)`) and let the build \
     service contribute to pull requests of the repository.";

/// A pull request on Azure DevOps.
#[derive(Debug)]
pub(crate) struct AzureDevOps {
    pub(crate) exchange: Exchange,
    project: String,
    repository: String,
    pull: u64,
}

impl AzureDevOps {
    pub(crate) fn new(
        (api, project, repository): (&str, &str, &str),
        pull: u64,
        token: &Token,
        settings: Settings,
    ) -> Result<Self, ForgeError> {
        // A pipeline's own token is a JSON Web Token; a person's is a password without a name.
        let secret = token.secret();
        let is_jwt = secret.starts_with("eyJ") && secret.matches('.').count() == 2;
        let header = if is_jwt {
            bearer(token)
        } else {
            (AUTHORIZATION, format!("Basic {}", STANDARD.encode(format!(":{secret}"))))
        };
        let exchange = Exchange::new(api, header, settings)?;
        Ok(Self { exchange, project: project.to_owned(), repository: repository.to_owned(), pull })
    }

    fn threads(&self, more: &[&str]) -> Url {
        let pull = self.pull.to_string();
        let mut all = vec![&self.project, "_apis", "git", "repositories", &self.repository];
        all.extend(["pullRequests", &pull, "threads"]);
        all.extend(more);
        let mut url = self.exchange.at(&all);
        url.set_query(Some(VERSION));
        url
    }

    pub(crate) async fn find(&self, marker: &str) -> Result<Option<Comment>, ForgeError> {
        let mut url = self.exchange.at(&["_apis", "connectionData"]);
        url.set_query(Some("api-version=7.1-preview.1"));
        let own = self.exchange.get(url).await.map_err(explained)?;
        let own = own.body.pointer("/authenticatedUser/id").and_then(Value::as_str);
        let threads = self.exchange.get(self.threads(&[])).await.map_err(explained)?;
        let threads = threads.body.get("value").and_then(Value::as_array);
        let threads = threads
            .ok_or_else(|| ForgeError::new(ErrorKind::Protocol, "the threads are no list"))?;
        Ok(threads.iter().find_map(|thread| {
            let is_gone = |it: &Value| it.get("isDeleted").and_then(Value::as_bool) == Some(true);
            let first = thread.get("comments")?.as_array()?.first()?;
            let body = first.get("content")?.as_str()?;
            let author = first.pointer("/author/id").and_then(Value::as_str);
            let is_ours = is_marked(body, marker) && author.is_some() && author == own;
            let (thread_id, id) = (thread.get("id")?.as_u64()?, first.get("id")?.as_u64()?);
            (is_ours && !is_gone(thread) && !is_gone(first))
                .then(|| Comment { id: format!("{thread_id}/{id}"), body: body.to_owned() })
        }))
    }

    pub(crate) async fn create(&self, body: &str) -> Result<(), ForgeError> {
        let comment = json!({"parentCommentId": 0, "content": body, "commentType": "text"});
        // A thread that is not closed may hold a merge back until somebody resolves it.
        let sent = Sent::Json(json!({"comments": [comment], "status": "closed"}));
        let url = self.threads(&[]);
        self.exchange.send(Method::POST, url, &sent).await.map(drop).map_err(explained)
    }

    pub(crate) async fn update(&self, comment: &Comment, body: &str) -> Result<(), ForgeError> {
        let (thread, id) = comment.id.split_once('/').unwrap_or_default();
        let url = self.threads(&[thread, "comments", id]);
        let sent = Sent::Json(json!({"content": body}));
        self.exchange.send(Method::PATCH, url, &sent).await.map(drop).map_err(explained)
    }
}

fn explained(error: ForgeError) -> ForgeError {
    match error.kind {
        ErrorKind::Denied | ErrorKind::Missing => error.help(HELP),
        _ => error,
    }
}
