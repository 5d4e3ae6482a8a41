//! GitLab: notes of merge requests (<https://docs.gitlab.com/api/notes/>).

use reqwest::Method;
use reqwest::header::HeaderName;
use serde_json::{Value, json};
use url::Url;

use crate::comment::{Comment, is_marked};
use crate::environment::{Environment, Given, number};
use crate::error::ForgeError;
use crate::exchange::{Exchange, Sent, Settings, Token};
use crate::forge::{Client, Forge, Found, Place, Pull, client};
use privlink_http::failure::ErrorKind;

const HELP: &str = "Give PRIVLINK_GITLAB_TOKEN or GITLAB_TOKEN a project access token with the scope `api` and the \
     role Reporter or higher; CI_JOB_TOKEN may not write notes.";

/// GitLab.
pub(crate) const FORGE: Forge = Forge {
    name: "gitlab",
    title: "GitLab",
    is_of: |pipeline| pipeline.is_true("GITLAB_CI"),
    commit: |pipeline| pipeline.get("CI_COMMIT_SHA").map(ToOwned::to_owned),
    run: |pipeline| pipeline.get("CI_JOB_URL").map(ToOwned::to_owned),
    blob: |pipeline, commit| {
        let project = pipeline.get("CI_PROJECT_URL")?;
        Some(format!("{project}/-/blob/{commit}/{{path}}#L{{line}}"))
    },
    place,
    api,
};

fn place(pipeline: &Environment, given: &Given) -> Found {
    const HELP: &str = "Run the job in merge request pipelines: `rules: [if: $CI_PIPELINE_SOURCE == \
         \"merge_request_event\"]`; or give --api, --repository and --pull-request.";
    let or = |value: &Option<String>, name| match value {
        Some(value) => Ok(value.clone()),
        None => pipeline.need(name, HELP),
    };
    let api = or(&given.api, "CI_API_V4_URL")?;
    let pull = match given.request {
        Some(request) => Pull::Number(request),
        None => number(&pipeline.need("CI_MERGE_REQUEST_IID", HELP)?)?,
    };
    // A fork's pipeline runs in the fork; the merge request is in the project it wants into.
    let repository = match &given.repository {
        Some(project) => project.clone(),
        None => match pipeline.get("CI_MERGE_REQUEST_PROJECT_ID") {
            Some(project) => project.to_owned(),
            None => pipeline.need("CI_PROJECT_ID", HELP)?,
        },
    };
    let token = pipeline.token(
        &["PRIVLINK_GITLAB_TOKEN", "GITLAB_TOKEN"],
        "Make a project access token with the scope `api`, and a masked variable of it.",
    )?;
    Ok((Place { forge: &FORGE, api, repository, pull }, token))
}

/// A merge request on GitLab.
#[derive(Debug)]
struct GitLab {
    exchange: Exchange,
    project: String,
    request: u64,
}

fn api(place: &Place, token: &Token, settings: Settings) -> Client {
    let header = (HeaderName::from_static("private-token"), token.secret().to_owned());
    let exchange = Exchange::new(&place.api, header, settings)?;
    let request = place.pull.number().unwrap_or_default();
    Ok(Box::new(GitLab { exchange, project: place.repository.clone(), request }))
}

impl GitLab {
    fn notes(&self, more: &[&str]) -> Url {
        let request = self.request.to_string();
        // A path such as `group/project` is one segment, with its slash escaped.
        let mut all = vec!["projects", &self.project, "merge_requests", &request, "notes"];
        all.extend(more);
        self.exchange.at(&all)
    }

    async fn found(&self, marker: &str) -> Result<Option<Comment>, ForgeError> {
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

    async fn created(&self, body: &str) -> Result<(), ForgeError> {
        let sent = Sent::Json(json!({"body": body}));
        self.exchange.send(Method::POST, self.notes(&[]), &sent).await.map(drop).map_err(explained)
    }

    async fn updated(&self, comment: &Comment, body: &str) -> Result<(), ForgeError> {
        let sent = Sent::Json(json!({"body": body}));
        let url = self.notes(&[&comment.id]);
        self.exchange.send(Method::PUT, url, &sent).await.map(drop).map_err(explained)
    }
}

client!(GitLab);

fn explained(error: ForgeError) -> ForgeError {
    match error.kind {
        ErrorKind::Denied | ErrorKind::Missing => error.help(HELP),
        _ => error,
    }
}
