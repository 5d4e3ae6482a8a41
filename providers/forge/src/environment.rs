//! Where to comment and as whom, by what the pipeline says of itself.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::error::ForgeError;
use crate::exchange::Token;
use crate::forge::{FORGES, Forge, Place, Pull};
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

/// What was given by hand, which goes before what the environment says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Given {
    /// Which forge.
    pub forge: Option<&'static Forge>,
    /// The address of its API.
    pub api: Option<String>,
    /// `OWNER/NAME` on GitHub, a project's path or number on GitLab, `PROJECT/REPOSITORY` on Azure DevOps.
    pub repository: Option<String>,
    /// The number of the pull or merge request.
    pub request: Option<u64>,
}

/// What nobody said.
pub(crate) fn unknown(message: &str, help: &'static str) -> ForgeError {
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

    /// A variable.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// A variable without which it does not go on.
    pub(crate) fn need(
        &self,
        name: &'static str,
        help: &'static str,
    ) -> Result<String, ForgeError> {
        let value = self.get(name).map(ToOwned::to_owned);
        value.ok_or_else(|| unknown(&format!("{name} is not set"), help))
    }

    /// Whether a variable says true.
    pub(crate) fn is_true(&self, name: &str) -> bool {
        self.get(name).is_some_and(|it| it.eq_ignore_ascii_case("true"))
    }

    /// GitHub's event; null where there is none.
    pub(crate) fn event(&self) -> Value {
        self.event.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }

    /// The first of some variables that is a token.
    pub(crate) fn token(&self, names: &[&str], help: &'static str) -> Result<Token, ForgeError> {
        let found = names.iter().find_map(|name| self.get(name));
        found.map(Token::new).ok_or_else(|| {
            unknown(&format!("there is no token: {} is not set", names.join(" or ")), help)
        })
    }

    /// Whose code the pipeline builds.
    pub fn forge(&self) -> Option<&'static Forge> {
        FORGES.into_iter().find(|forge| (forge.is_of)(self))
    }

    /// The address of a line of the commit that is looked at, with `{path}` and `{line}` for file and line.
    pub fn blob(&self) -> Option<String> {
        (self.forge()?.blob)(self, &self.commit()?)
    }

    /// The commit that is looked at: a pull request's head, not its merge.
    pub fn commit(&self) -> Option<String> {
        FORGES.into_iter().find_map(|forge| (forge.commit)(self))
    }

    /// The address of the pipeline's run, where its artefacts are.
    pub fn run(&self) -> Option<String> {
        FORGES.into_iter().find_map(|forge| (forge.run)(self))
    }

    /// Where to comment, and as whom.
    ///
    /// # Errors
    ///
    /// Says what is not set, or that the run is for no pull request.
    pub fn place(&self, given: &Given) -> Result<(Place, Token), ForgeError> {
        const HELP: &str = "Outside of GitHub Actions, GitLab CI and Azure Pipelines give --forge, --api, --repository \
             and --pull-request; --dry-run prints the comment instead.";
        let forge = given
            .forge
            .or_else(|| self.forge())
            .ok_or_else(|| unknown("no pipeline is found that belongs to a pull request", HELP))?;
        (forge.place)(self, given)
    }
}

/// A request's number in a variable.
pub(crate) fn number(text: &str) -> Result<Pull, ForgeError> {
    text.parse().map(Pull::Number).map_err(|_| {
        unknown(&format!("`{text}` is not the number of a pull request"), "Give --pull-request.")
    })
}

#[cfg(test)]
mod tests;
