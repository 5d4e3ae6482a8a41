//! GitLab: notes of merge requests (<https://docs.gitlab.com/api/notes/>).

use reqwest::Method;
use reqwest::header::HeaderName;
use serde_json::{Value, json};
use url::Url;

use crate::comment::{Comment, is_marked};
use crate::error::ForgeError;
use crate::exchange::{Exchange, Sent, Settings, Token};
use privlink_http::failure::ErrorKind;

const HELP: &str = "Give PRIVLINK_GITLAB_TOKEN or GITLAB_TOKEN a project access token with the scope `api` and the \
     role Reporter or higher; CI_JOB_TOKEN may not write notes.";

/// A merge request on GitLab.
#[derive(Debug)]
pub(crate) struct GitLab {
    pub(crate) exchange: Exchange,
    project: String,
    request: u64,
}

impl GitLab {
    pub(crate) fn new(
        api: &str,
        project: &str,
        request: u64,
        token: &Token,
        settings: Settings,
    ) -> Result<Self, ForgeError> {
        let header = (HeaderName::from_static("private-token"), token.secret().to_owned());
        let exchange = Exchange::new(api, header, settings)?;
        Ok(Self { exchange, project: project.to_owned(), request })
    }

    fn notes(&self, more: &[&str]) -> Url {
        let request = self.request.to_string();
        // A path such as `group/project` is one segment, with its slash escaped.
        let mut all = vec!["projects", &self.project, "merge_requests", &request, "notes"];
        all.extend(more);
        self.exchange.at(&all)
    }

    pub(crate) async fn find(&self, marker: &str) -> Result<Option<Comment>, ForgeError> {
        let own = self.exchange.get(self.exchange.at(&["user"])).await.map_err(explained)?;
        let own = own.body.get("id").and_then(Value::as_u64);
        let mut url = self.notes(&[]);
        url.set_query(Some("per_page=100&order_by=created_at&sort=asc"));
        let notes = self.exchange.pages(url).await.map_err(explained)?;
        Ok(notes.iter().find_map(|note| {
            let body = note.get("body")?.as_str()?;
            let author = note.pointer("/author/id").and_then(Value::as_u64);
            let is_ours = is_marked(body, marker) && author.is_some() && author == own;
            let id = note.get("id")?.as_u64()?.to_string();
            is_ours.then(|| Comment { id, body: body.to_owned() })
        }))
    }

    pub(crate) async fn create(&self, body: &str) -> Result<(), ForgeError> {
        let sent = Sent::Json(json!({"body": body}));
        self.exchange.send(Method::POST, self.notes(&[]), &sent).await.map(drop).map_err(explained)
    }

    pub(crate) async fn update(&self, comment: &Comment, body: &str) -> Result<(), ForgeError> {
        let sent = Sent::Json(json!({"body": body}));
        let url = self.notes(&[&comment.id]);
        self.exchange.send(Method::PUT, url, &sent).await.map(drop).map_err(explained)
    }
}

fn explained(error: ForgeError) -> ForgeError {
    match error.kind {
        ErrorKind::Denied | ErrorKind::Missing => error.help(HELP),
        _ => error,
    }
}
