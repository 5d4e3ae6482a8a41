//! Azure DevOps: threads of pull requests
//! (<https://learn.microsoft.com/rest/api/azure/devops/git/pull-request-threads>).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use reqwest::header::AUTHORIZATION;
use serde_json::{Value, json};
use url::Url;

use crate::comment::{Comment, is_marked};
use crate::environment::{Environment, Given, number, unknown};
use crate::error::ForgeError;
use crate::exchange::{Exchange, Sent, Settings, Token, bearer};
use crate::forge::{Client, Forge, Found, Place, Pull, client};
use privlink_http::failure::ErrorKind;

const VERSION: &str = "api-version=7.1";
const HELP: &str = "Map the token into the step (`env: SYSTEM_ACCESSTOKEN: $(System.AccessToken)`) and let the build \
     service contribute to pull requests of the repository.";

/// How a run comes to know its pull request.
const RUN: &str = "Run it for pull requests (branch policy: build validation), or give --api, --repository \
     PROJECT/REPOSITORY and --pull-request.";

/// Azure DevOps.
pub(crate) const FORGE: Forge = Forge {
    name: "azure-devops",
    title: "Azure DevOps",
    // Azure Pipelines build repositories on GitHub too.
    is_of: |pipeline| {
        pipeline.is_true("TF_BUILD") && pipeline.get("BUILD_REPOSITORY_PROVIDER") != Some("GitHub")
    },
    commit: |pipeline| {
        let names = ["SYSTEM_PULLREQUEST_SOURCECOMMITID", "BUILD_SOURCEVERSION"];
        names.iter().find_map(|name| pipeline.get(name)).map(ToOwned::to_owned)
    },
    run: |pipeline| {
        let collection = pipeline.get("SYSTEM_COLLECTIONURI")?.trim_end_matches('/');
        let project = pipeline.get("SYSTEM_TEAMPROJECTID")?;
        let build = pipeline.get("BUILD_BUILDID")?;
        Some(format!("{collection}/{project}/_build/results?buildId={build}"))
    },
    blob: |pipeline, commit| {
        // The name before `@` is nobody's to see, and no link has one.
        let (scheme, rest) = pipeline.get("BUILD_REPOSITORY_URI")?.split_once("://")?;
        let rest = rest.split_once('@').map_or(rest, |(_, rest)| rest);
        Some(format!(
            "{scheme}://{rest}?path=/{{path}}&version=GC{commit}&line={{line}}&lineEnd={{line}}&lineStartColumn=1&lineEndColumn=1"
        ))
    },
    place,
    api,
};

fn place(pipeline: &Environment, given: &Given) -> Found {
    let api = match &given.api {
        Some(api) => api.clone(),
        None => pipeline.need("SYSTEM_COLLECTIONURI", RUN)?,
    };
    let repository = match &given.repository {
        Some(given) => both(given).map(|_| given.clone())?,
        None => {
            let project = pipeline.need("SYSTEM_TEAMPROJECTID", RUN)?;
            format!("{project}/{}", pipeline.need("BUILD_REPOSITORY_ID", RUN)?)
        }
    };
    let pull = match given.request {
        Some(request) => Pull::Number(request),
        None => number(&pipeline.need("SYSTEM_PULLREQUEST_PULLREQUESTID", RUN)?)?,
    };
    let token = pipeline.token(
        &["SYSTEM_ACCESSTOKEN"],
        "Map it into the step: `env: SYSTEM_ACCESSTOKEN: $(System.AccessToken)`.",
    )?;
    Ok((Place { forge: &FORGE, api, repository, pull }, token))
}

/// A pull request on Azure DevOps.
#[derive(Debug)]
struct AzureDevOps {
    exchange: Exchange,
    project: String,
    repository: String,
    pull: u64,
}

fn api(place: &Place, token: &Token, settings: Settings) -> Client {
    // A pipeline's own token is a JSON Web Token; a person's is a password without a name.
    let secret = token.secret();
    let is_jwt = secret.starts_with("eyJ") && secret.matches('.').count() == 2;
    let header = if is_jwt {
        bearer(token)
    } else {
        (AUTHORIZATION, format!("Basic {}", STANDARD.encode(format!(":{secret}"))))
    };
    let exchange = Exchange::new(&place.api, header, settings)?;
    let (project, repository) = both(&place.repository)?;
    let pull = place.pull.number().unwrap_or_default();
    Ok(Box::new(AzureDevOps { exchange, project, repository, pull }))
}

/// Project and repository.
fn both(text: &str) -> Result<(String, String), ForgeError> {
    text.split_once('/')
        .map(|(project, repository)| (project.to_owned(), repository.to_owned()))
        .ok_or_else(|| unknown(&format!("`{text}` is not PROJECT/REPOSITORY"), RUN))
}

impl AzureDevOps {
    fn threads(&self, more: &[&str]) -> Url {
        let pull = self.pull.to_string();
        let mut all = vec![&self.project, "_apis", "git", "repositories", &self.repository];
        all.extend(["pullRequests", &pull, "threads"]);
        all.extend(more);
        let mut url = self.exchange.at(&all);
        url.set_query(Some(VERSION));
        url
    }

    async fn found(&self, marker: &str) -> Result<Option<Comment>, ForgeError> {
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

    async fn created(&self, body: &str) -> Result<(), ForgeError> {
        let comment = json!({"parentCommentId": 0, "content": body, "commentType": "text"});
        // A thread that is not closed may hold a merge back until somebody resolves it.
        let sent = Sent::Json(json!({"comments": [comment], "status": "closed"}));
        let url = self.threads(&[]);
        self.exchange.send(Method::POST, url, &sent).await.map(drop).map_err(explained)
    }

    async fn updated(&self, comment: &Comment, body: &str) -> Result<(), ForgeError> {
        let (thread, id) = comment.id.split_once('/').unwrap_or_default();
        let url = self.threads(&[thread, "comments", id]);
        let sent = Sent::Json(json!({"content": body}));
        self.exchange.send(Method::PATCH, url, &sent).await.map(drop).map_err(explained)
    }
}

client!(AzureDevOps);

fn explained(error: ForgeError) -> ForgeError {
    match error.kind {
        ErrorKind::Denied | ErrorKind::Missing => error.help(HELP),
        _ => error,
    }
}
