//! GitHub: comments of issues, which those of pull requests are
//! (<https://docs.github.com/rest/issues/comments>).

use reqwest::Method;
use serde_json::{Value, json};
use url::Url;

use crate::comment::{Comment, is_marked};
use crate::environment::Pull;
use crate::error::ForgeError;
use crate::exchange::{Exchange, Sent, Settings, Token, bearer};
use privlink_http::failure::ErrorKind;

const HELP: &str = "Use the run's own `github.token`, in a job with `permissions: pull-requests: write`. A run for a pull request from a fork gets \
     no such token: let a second workflow comment, as examples/ci has it.";

/// A pull request on GitHub.
#[derive(Debug)]
pub(crate) struct GitHub {
    pub(crate) exchange: Exchange,
    owner: String,
    name: String,
    pull: Pull,
    number: Option<u64>,
}

impl GitHub {
    pub(crate) fn new(
        api: &str,
        repository: &str,
        pull: Pull,
        token: &Token,
        settings: Settings,
    ) -> Result<Self, ForgeError> {
        let exchange = Exchange::new(api, bearer(token), settings)?
            .with("accept", "application/vnd.github+json")
            .with("x-github-api-version", "2022-11-28");
        let (owner, name) = repository.split_once('/').ok_or_else(|| {
            ForgeError::new(ErrorKind::Unconfigured, format!("`{repository}` is not OWNER/NAME"))
        })?;
        let number = match pull {
            Pull::Number(number) => Some(number),
            Pull::OfHead { .. } => None,
        };
        Ok(Self { exchange, owner: owner.to_owned(), name: name.to_owned(), pull, number })
    }

    fn at(&self, segments: &[&str]) -> Url {
        let mut all = vec!["repos", &self.owner, &self.name];
        all.extend(segments);
        self.exchange.at(&all)
    }

    pub(crate) async fn find(&mut self, marker: &str) -> Result<Option<Comment>, ForgeError> {
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

    pub(crate) async fn create(&self, body: &str) -> Result<(), ForgeError> {
        let number = self.number.unwrap_or_default().to_string();
        let url = self.at(&["issues", &number, "comments"]);
        let sent = Sent::Json(json!({"body": body}));
        self.exchange.send(Method::POST, url, &sent).await.map(drop).map_err(explained)
    }

    pub(crate) async fn update(&self, comment: &Comment, body: &str) -> Result<(), ForgeError> {
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
