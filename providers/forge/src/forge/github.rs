//! GitHub: comments of issues, which those of pull requests are
//! (<https://docs.github.com/rest/issues/comments>).

use reqwest::Method;
use serde_json::{Value, json};
use url::Url;

use crate::comment::{Comment, is_marked};
use crate::environment::{Environment, Given, unknown};
use crate::error::ForgeError;
use crate::exchange::{Exchange, Sent, Settings, Token, bearer};
use crate::forge::{Client, Forge, Found, Place, Pull, client};
use privlink_http::failure::ErrorKind;

const HELP: &str = "Use the run's own `github.token`, in a job with `permissions: pull-requests: write`. A run for a pull request from a fork gets \
     no such token: let a second workflow comment, as examples/ci has it.";

/// GitHub.
pub(crate) const FORGE: Forge = Forge {
    name: "github",
    title: "GitHub",
    // Azure Pipelines build repositories on GitHub too.
    is_of: |pipeline| {
        let by_azure = pipeline.is_true("TF_BUILD")
            && pipeline.get("BUILD_REPOSITORY_PROVIDER") == Some("GitHub");
        pipeline.is_true("GITHUB_ACTIONS") || by_azure
    },
    commit: |pipeline| {
        let event = pipeline.event();
        let of_event = ["/pull_request/head/sha", "/workflow_run/head_sha"]
            .iter()
            .find_map(|pointer| event.pointer(pointer)?.as_str());
        of_event.or_else(|| pipeline.get("GITHUB_SHA")).map(ToOwned::to_owned)
    },
    run: |pipeline| {
        let server = pipeline.get("GITHUB_SERVER_URL")?;
        let event = pipeline.event();
        // What a second workflow comments on was planned by the first.
        if let Some(of) = event.pointer("/workflow_run/html_url").and_then(Value::as_str) {
            return Some(of.to_owned());
        }
        let repository = pipeline.get("GITHUB_REPOSITORY")?;
        let run = pipeline.get("GITHUB_RUN_ID")?;
        Some(format!("{server}/{repository}/actions/runs/{run}"))
    },
    blob: |pipeline, commit| {
        let here = pipeline.get("GITHUB_SERVER_URL").zip(pipeline.get("GITHUB_REPOSITORY"));
        let here = here.map(|(server, name)| format!("{server}/{name}"));
        let elsewhere = || pipeline.get("BUILD_REPOSITORY_URI").map(ToOwned::to_owned);
        let repository = here.or_else(elsewhere)?;
        let repository = repository.trim_end_matches(".git");
        Some(format!("{repository}/blob/{commit}/{{path}}#L{{line}}"))
    },
    place,
    api,
};

fn place(pipeline: &Environment, given: &Given) -> Found {
    const HELP: &str = "Map it into the step: `env: GITHUB_TOKEN: ${{ github.token }}`, with `pull-requests: write`.";
    let api = given.api.clone().or_else(|| pipeline.get("GITHUB_API_URL").map(Into::into));
    let name =
        || pipeline.get("GITHUB_REPOSITORY").or_else(|| pipeline.get("BUILD_REPOSITORY_NAME"));
    let repository = given.repository.clone().or_else(|| name().map(Into::into));
    let repository = repository
        .ok_or_else(|| unknown("GITHUB_REPOSITORY is not set", "Give --repository OWNER/NAME."))?;
    let pull = match given.request {
        Some(number) => Pull::Number(number),
        None => pull_of(pipeline)?,
    };
    let token = pipeline.token(&["GITHUB_TOKEN"], HELP)?;
    let api = api.unwrap_or_else(|| "https://api.github.com".to_owned());
    Ok((Place { forge: &FORGE, api, repository, pull }, token))
}

/// The pull request the run is for, by its event and nothing else: what a fork's run leaves behind
/// is not asked.
fn pull_of(pipeline: &Environment) -> Result<Pull, ForgeError> {
    let event = pipeline.event();
    let number = |pointer: &str| event.pointer(pointer).and_then(Value::as_u64);
    let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str);
    // A comment's event is about an issue, which may be a pull request.
    let issue = text("/issue/pull_request/url").and_then(|_| number("/issue/number"));
    let of_ref = || {
        let rest = pipeline.get("GITHUB_REF")?.strip_prefix("refs/pull/")?;
        rest.split('/').next()?.parse().ok()
    };
    let of_azure = || pipeline.get("SYSTEM_PULLREQUEST_PULLREQUESTNUMBER")?.parse().ok();
    let number = number("/pull_request/number").or(issue).or_else(of_ref).or_else(of_azure);
    if let Some(number) = number {
        return Ok(Pull::Number(number));
    }
    if let (Some(owner), Some(branch), Some(commit)) = (
        text("/workflow_run/head_repository/owner/login"),
        text("/workflow_run/head_branch"),
        text("/workflow_run/head_sha"),
    ) {
        let [owner, branch, commit] = [owner, branch, commit].map(ToOwned::to_owned);
        return Ok(Pull::OfHead { owner, branch, commit });
    }
    Err(unknown(
        "this run is for no pull request",
        "Run it on `pull_request`, or on the `workflow_run` after one, or give --pull-request.",
    ))
}

/// A pull request on GitHub.
#[derive(Debug)]
struct GitHub {
    exchange: Exchange,
    owner: String,
    name: String,
    pull: Pull,
    number: Option<u64>,
}

fn api(place: &Place, token: &Token, settings: Settings) -> Client {
    let Place { api, repository, pull, .. } = place;
    let exchange = Exchange::new(api, bearer(token), settings)?
        .with("accept", "application/vnd.github+json")
        .with("x-github-api-version", "2022-11-28");
    let (owner, name) = repository.split_once('/').ok_or_else(|| {
        ForgeError::new(ErrorKind::Unconfigured, format!("`{repository}` is not OWNER/NAME"))
    })?;
    let (owner, name) = (owner.to_owned(), name.to_owned());
    Ok(Box::new(GitHub { exchange, owner, name, number: pull.number(), pull: pull.clone() }))
}

impl GitHub {
    fn at(&self, segments: &[&str]) -> Url {
        let mut all = vec!["repos", &self.owner, &self.name];
        all.extend(segments);
        self.exchange.at(&all)
    }

    async fn found(&mut self, marker: &str) -> Result<Option<Comment>, ForgeError> {
        let number = self.number().await?;
        let own = self.own_login().await?;
        let mut url = self.at(&["issues", &number.to_string(), "comments"]);
        url.set_query(Some("per_page=100"));
        let comments = self.exchange.pages(url).await.map_err(explained)?;
        Ok(comments.iter().find_map(|comment| {
            let body = comment.get("body")?.as_str()?;
            let is_ours = is_marked(body, marker) && is_own(comment.get("user")?, own.as_deref());
            let id = comment.get("id")?.as_u64()?.to_string();
            is_ours.then(|| Comment { id, body: body.to_owned() })
        }))
    }

    async fn created(&self, body: &str) -> Result<(), ForgeError> {
        let number = self.number.unwrap_or_default().to_string();
        let url = self.at(&["issues", &number, "comments"]);
        let sent = Sent::Json(json!({"body": body}));
        self.exchange.send(Method::POST, url, &sent).await.map(drop).map_err(explained)
    }

    async fn updated(&self, comment: &Comment, body: &str) -> Result<(), ForgeError> {
        let url = self.at(&["issues", "comments", &comment.id]);
        let sent = Sent::Json(json!({"body": body}));
        self.exchange.send(Method::PATCH, url, &sent).await.map(drop).map_err(explained)
    }

    /// The pull request's number. A `workflow_run` of a fork's pull request names none, so it is the open
    /// one whose head is what that run was for.
    async fn number(&mut self) -> Result<u64, ForgeError> {
        let (owner, branch, commit) = match (&self.pull, self.number) {
            (_, Some(number)) => return Ok(number),
            (Pull::Number(number), None) => return Ok(*number),
            (Pull::OfHead { owner, branch, commit }, None) => (owner, branch, commit),
        };
        let mut url = self.at(&["pulls"]);
        url.query_pairs_mut()
            .append_pair("state", "open")
            .append_pair("head", &format!("{owner}:{branch}"))
            .append_pair("per_page", "100");
        let pulls = self.exchange.pages(url).await.map_err(explained)?;
        let is_it = |pull: &&Value| {
            pull.pointer("/head/sha").and_then(Value::as_str) == Some(commit.as_str())
        };
        let number = pulls.iter().find(is_it).and_then(|pull| pull.get("number")?.as_u64());
        let number = number.ok_or_else(|| {
            let message =
                format!("no open pull request has {owner}:{branch} at {commit} as its head");
            ForgeError::new(ErrorKind::Missing, message)
                .help("It was closed, or pushed to again: the run for its new head will comment.")
        })?;
        self.number = Some(number);
        Ok(number)
    }

    /// The login the token stands for. Only GraphQL tells that for a workflow's token too.
    async fn own_login(&self) -> Result<Option<String>, ForgeError> {
        let mut url = self.exchange.at(&["graphql"]);
        // GitHub Enterprise Server has REST at /api/v3 and GraphQL at /api/graphql.
        if let Some(base) = url.path().strip_suffix("/v3/graphql") {
            let path = format!("{base}/graphql");
            url.set_path(&path);
        }
        let sent = Sent::Json(json!({"query": "query { viewer { login } }"}));
        match self.exchange.send(Method::POST, url, &sent).await {
            Ok(answer) => {
                let login = answer.body.pointer("/data/viewer/login").and_then(Value::as_str);
                Ok(login.map(ToOwned::to_owned))
            }
            Err(error) if matches!(error.kind, ErrorKind::Denied) => Err(explained(error)),
            // Without GraphQL, who it is stays open.
            Err(error) => {
                tracing::debug!(%error, "whose token it is");
                Ok(None)
            }
        }
    }
}

client!(GitHub);

/// Whether a comment's author is who the token stands for. Bots have `[bot]` behind their name in one API
/// and not in the other. Where it is not known who the token stands for, a bot's comment is taken for
/// ours: people cannot be bots.
fn is_own(author: &Value, own: Option<&str>) -> bool {
    let text = |key: &str| author.get(key).and_then(Value::as_str).unwrap_or_default();
    let plain = |login: &str| login.trim_end_matches("[bot]").to_ascii_lowercase();
    let is_bot = text("type") == "Bot";
    match own {
        Some(own) => {
            let same = plain(text("login")) == plain(own);
            same && (is_bot || text("login").eq_ignore_ascii_case(own))
        }
        None => is_bot,
    }
}

fn explained(error: ForgeError) -> ForgeError {
    match error.kind {
        ErrorKind::Denied => error.help(HELP),
        ErrorKind::Missing => error.help(
            "Check the repository and the number; a token without rights gets this answer as well.",
        ),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_comments_are_ours() {
        let bot = json!({"login": "github-actions[bot]", "type": "Bot"});
        let user = json!({"login": "github-actions", "type": "User"});
        assert!(is_own(&bot, Some("github-actions[bot]")) && is_own(&bot, Some("github-actions")));
        assert!(!is_own(&user, Some("github-actions[bot]")), "a user of the bot's name");
        assert!(!is_own(&bot, Some("other[bot]")));
        assert!(is_own(&bot, None) && !is_own(&user, None));
    }
}
