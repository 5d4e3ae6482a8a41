//! Where to comment and as whom, by what the pipeline says of itself.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::error::ForgeError;
use crate::exchange::Token;
use privlink_http::failure::ErrorKind;

/// A pipeline's variables, and what its event was.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
    event: Option<String>,
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Variables hold tokens.
        f.write_str("Environment")
    }
}

/// A service that keeps code and lets people review it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// GitHub.
    GitHub,
    /// GitLab.
    GitLab,
    /// Azure DevOps.
    AzureDevOps,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::GitHub, Self::GitLab, Self::AzureDevOps];

    /// As it is given by hand, and as people call it.
    pub const fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::GitHub => ("github", "GitHub"),
            Self::GitLab => ("gitlab", "GitLab"),
            Self::AzureDevOps => ("azure-devops", "Azure DevOps"),
        }
    }
}

/// What was given by hand, which goes before what the environment says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Given {
    /// Which service.
    pub kind: Option<Kind>,
    /// The address of its API.
    pub api: Option<String>,
    /// `OWNER/NAME` on GitHub, a project's path or number on GitLab, `PROJECT/REPOSITORY` on Azure DevOps.
    pub repository: Option<String>,
    /// The number of the pull or merge request.
    pub request: Option<u64>,
}

/// A pull request on GitHub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pull {
    /// By its number.
    Number(u64),
    /// By its head, as a `workflow_run` tells it.
    OfHead {
        /// Who owns the repository the head lies in.
        owner: String,
        /// Its branch.
        branch: String,
        /// Its commit.
        commit: String,
    },
}

/// A pull or merge request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A pull request on GitHub.
    GitHub {
        /// The API.
        api: String,
        /// `OWNER/NAME`.
        repository: String,
        /// Which one.
        pull: Pull,
    },
    /// A merge request on GitLab.
    GitLab {
        /// The API, with its version.
        api: String,
        /// The project's path or number.
        project: String,
        /// The merge request's number within the project.
        request: u64,
    },
    /// A pull request on Azure DevOps.
    AzureDevOps {
        /// The organisation's address.
        api: String,
        /// The project's name or id.
        project: String,
        /// The repository's name or id.
        repository: String,
        /// The pull request's number.
        pull: u64,
    },
}

fn unknown(message: &str, help: &'static str) -> ForgeError {
    ForgeError::new(ErrorKind::Unconfigured, message).help(help)
}

impl Environment {
    /// An environment of these variables. `read` reads the file of GitHub's event.
    pub fn new(
        variables: impl IntoIterator<Item = (String, String)>,
        read: impl FnOnce(&str) -> Option<String>,
    ) -> Self {
        let variables: BTreeMap<String, String> =
            variables.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        let event = variables.get("GITHUB_EVENT_PATH").and_then(|path| read(path));
        Self { variables, event }
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    fn need(&self, name: &'static str, help: &'static str) -> Result<String, ForgeError> {
        let value = self.get(name).map(ToOwned::to_owned);
        value.ok_or_else(|| unknown(&format!("{name} is not set"), help))
    }

    /// Which service the pipeline belongs to.
    pub fn kind(&self) -> Option<Kind> {
        let is_true = |name: &str| self.get(name).is_some_and(|it| it.eq_ignore_ascii_case("true"));
        if is_true("GITHUB_ACTIONS") {
            Some(Kind::GitHub)
        } else if is_true("GITLAB_CI") {
            Some(Kind::GitLab)
        } else if is_true("TF_BUILD") {
            // Azure Pipelines build repositories on GitHub too.
            let is_github = self.get("BUILD_REPOSITORY_PROVIDER") == Some("GitHub");
            Some(if is_github { Kind::GitHub } else { Kind::AzureDevOps })
        } else {
            None
        }
    }

    fn event(&self) -> Value {
        self.event.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }

    /// The address of a line of the commit that is looked at, with `{path}` and `{line}` for file and line.
    pub fn blob(&self) -> Option<String> {
        let commit = self.commit()?;
        let variable = |name: &str| self.variables.get(name).filter(|it| !it.is_empty());
        Some(match self.kind()? {
            Kind::GitHub => {
                let here = variable("GITHUB_SERVER_URL").zip(variable("GITHUB_REPOSITORY"));
                let here = here.map(|(server, name)| format!("{server}/{name}"));
                let elsewhere = || variable("BUILD_REPOSITORY_URI").cloned();
                let repository = here.or_else(elsewhere)?;
                let repository = repository.trim_end_matches(".git");
                format!("{repository}/blob/{commit}/{{path}}#L{{line}}")
            }
            Kind::GitLab => {
                let project = variable("CI_PROJECT_URL")?;
                format!("{project}/-/blob/{commit}/{{path}}#L{{line}}")
            }
            Kind::AzureDevOps => {
                let repository = variable("BUILD_REPOSITORY_URI")?;
                // The name before `@` is nobody's to see, and no link has one.
                let (scheme, rest) = repository.split_once("://")?;
                let rest = rest.split_once('@').map_or(rest, |(_, rest)| rest);
                format!(
                    "{scheme}://{rest}?path=/{{path}}&version=GC{commit}&line={{line}}&lineEnd={{line}}&lineStartColumn=1&lineEndColumn=1"
                )
            }
        })
    }

    /// The commit that is looked at: a pull request's head, not its merge.
    pub fn commit(&self) -> Option<String> {
        let event = self.event();
        let of_event = ["/pull_request/head/sha", "/workflow_run/head_sha"]
            .iter()
            .find_map(|pointer| event.pointer(pointer)?.as_str());
        let of_variable = || {
            [
                "CI_COMMIT_SHA",
                "SYSTEM_PULLREQUEST_SOURCECOMMITID",
                "GITHUB_SHA",
                "BUILD_SOURCEVERSION",
            ]
            .iter()
            .find_map(|name| self.get(name))
        };
        of_event.or_else(of_variable).map(ToOwned::to_owned)
    }

    /// The address of the pipeline's run, where its artefacts are.
    pub fn run(&self) -> Option<String> {
        let get = |name: &str| self.get(name);
        if let Some(server) = get("GITHUB_SERVER_URL") {
            let event = self.event();
            // What a second workflow comments on was planned by the first.
            if let Some(of) = event.pointer("/workflow_run/html_url").and_then(Value::as_str) {
                return Some(of.to_owned());
            }
            let (repository, run) = (get("GITHUB_REPOSITORY")?, get("GITHUB_RUN_ID")?);
            return Some(format!("{server}/{repository}/actions/runs/{run}"));
        }
        if let Some(job) = get("CI_JOB_URL") {
            return Some(job.to_owned());
        }
        let (collection, project) = (get("SYSTEM_COLLECTIONURI")?, get("SYSTEM_TEAMPROJECTID")?);
        let build = get("BUILD_BUILDID")?;
        Some(format!(
            "{}/{project}/_build/results?buildId={build}",
            collection.trim_end_matches('/')
        ))
    }

    /// Where to comment, and as whom.
    ///
    /// # Errors
    ///
    /// Says what is not set, or that the run is for no pull request.
    pub fn place(&self, given: &Given) -> Result<(Place, Token), ForgeError> {
        const HELP: &str = "Outside of GitHub Actions, GitLab CI and Azure Pipelines give --forge, --api, --repository \
             and --pull-request; --dry-run prints the comment instead.";
        let kind = given.kind.or_else(|| self.kind());
        match kind
            .ok_or_else(|| unknown("no pipeline is found that belongs to a pull request", HELP))?
        {
            Kind::GitHub => self.github(given),
            Kind::GitLab => self.gitlab(given),
            Kind::AzureDevOps => self.azure_devops(given),
        }
    }

    fn token(&self, names: &[&str], help: &'static str) -> Result<Token, ForgeError> {
        let found = names.iter().find_map(|name| self.get(name));
        found.map(Token::new).ok_or_else(|| {
            unknown(&format!("there is no token: {} is not set", names.join(" or ")), help)
        })
    }

    fn github(&self, given: &Given) -> Result<(Place, Token), ForgeError> {
        const HELP: &str = "Map it into the step: `env: GITHUB_TOKEN: ${{ github.token }}`, with `pull-requests: write`.";
        let api = given.api.clone().or_else(|| self.get("GITHUB_API_URL").map(Into::into));
        let name = || self.get("GITHUB_REPOSITORY").or_else(|| self.get("BUILD_REPOSITORY_NAME"));
        let repository = given.repository.clone().or_else(|| name().map(Into::into));
        let repository = repository.ok_or_else(|| {
            unknown("GITHUB_REPOSITORY is not set", "Give --repository OWNER/NAME.")
        })?;
        let pull = match given.request {
            Some(number) => Pull::Number(number),
            None => self.github_pull()?,
        };
        let token = self.token(&["GITHUB_TOKEN"], HELP)?;
        let api = api.unwrap_or_else(|| "https://api.github.com".to_owned());
        Ok((Place::GitHub { api, repository, pull }, token))
    }

    /// The pull request the run is for, by its event and nothing else: what a fork's run leaves behind
    /// is not asked.
    fn github_pull(&self) -> Result<Pull, ForgeError> {
        let event = self.event();
        let number = |pointer: &str| event.pointer(pointer).and_then(Value::as_u64);
        let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str);
        // A comment's event is about an issue, which may be a pull request.
        let issue = text("/issue/pull_request/url").and_then(|_| number("/issue/number"));
        let of_ref = || {
            let rest = self.get("GITHUB_REF")?.strip_prefix("refs/pull/")?;
            rest.split('/').next()?.parse().ok()
        };
        let of_azure = || self.get("SYSTEM_PULLREQUEST_PULLREQUESTNUMBER")?.parse().ok();
        if let Some(number) =
            number("/pull_request/number").or(issue).or_else(of_ref).or_else(of_azure)
        {
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

    fn gitlab(&self, given: &Given) -> Result<(Place, Token), ForgeError> {
        const HELP: &str = "Run the job in merge request pipelines: `rules: [if: $CI_PIPELINE_SOURCE == \
             \"merge_request_event\"]`; or give --api, --repository and --pull-request.";
        let or = |value: &Option<String>, name| match value {
            Some(value) => Ok(value.clone()),
            None => self.need(name, HELP),
        };
        let api = or(&given.api, "CI_API_V4_URL")?;
        let request = match given.request {
            Some(request) => request,
            None => number(&self.need("CI_MERGE_REQUEST_IID", HELP)?)?,
        };
        // A fork's pipeline runs in the fork; the merge request is in the project it wants into.
        let project = match &given.repository {
            Some(project) => project.clone(),
            None => match self.get("CI_MERGE_REQUEST_PROJECT_ID") {
                Some(project) => project.to_owned(),
                None => self.need("CI_PROJECT_ID", HELP)?,
            },
        };
        let token = self.token(
            &["PRIVLINK_GITLAB_TOKEN", "GITLAB_TOKEN"],
            "Make a project access token with the scope `api`, and a masked variable of it.",
        )?;
        Ok((Place::GitLab { api, project, request }, token))
    }

    fn azure_devops(&self, given: &Given) -> Result<(Place, Token), ForgeError> {
        const HELP: &str = "Run it for pull requests (branch policy: build validation), or give --api, --repository \
             PROJECT/REPOSITORY and --pull-request.";
        let api = match &given.api {
            Some(api) => api.clone(),
            None => self.need("SYSTEM_COLLECTIONURI", HELP)?,
        };
        let (project, repository) = match &given.repository {
            Some(both) => both
                .split_once('/')
                .map(|(project, repository)| (project.to_owned(), repository.to_owned()))
                .ok_or_else(|| unknown(&format!("`{both}` is not PROJECT/REPOSITORY"), HELP))?,
            None => {
                (self.need("SYSTEM_TEAMPROJECTID", HELP)?, self.need("BUILD_REPOSITORY_ID", HELP)?)
            }
        };
        let pull = match given.request {
            Some(request) => request,
            None => number(&self.need("SYSTEM_PULLREQUEST_PULLREQUESTID", HELP)?)?,
        };
        let token = self.token(
            &["SYSTEM_ACCESSTOKEN"],
            "Map it into the step: `env: SYSTEM_ACCESSTOKEN: $(System.AccessToken)`.",
        )?;
        Ok((Place::AzureDevOps { api, project, repository, pull }, token))
    }
}

fn number(text: &str) -> Result<u64, ForgeError> {
    text.parse().map_err(|_| {
        unknown(&format!("`{text}` is not the number of a pull request"), "Give --pull-request.")
    })
}

#[cfg(test)]
mod tests;
