//! What is known of a service that keeps code and lets people review it.

mod azure_devops;
mod github;
mod gitlab;

use std::fmt;

use futures::future::LocalBoxFuture;

use crate::comment::Comment;
use crate::environment::{Environment, Given};
use crate::error::ForgeError;
use crate::exchange::{Settings, Token};

/// All forges, in the order in which a pipeline's variables are looked at.
pub const FORGES: [&Forge; 3] = [&github::FORGE, &gitlab::FORGE, &azure_devops::FORGE];

/// A pull request, and the token that may comment there.
pub(crate) type Found = Result<(Place, Token), ForgeError>;

/// A client, unless its address is refused.
pub(crate) type Client = Result<Box<dyn Api>, ForgeError>;

/// A service that keeps code and lets people review it: its names, what its pipelines say of themselves, and
/// its API.
pub struct Forge {
    /// As it is given by hand.
    pub name: &'static str,
    /// As people call it.
    pub title: &'static str,
    /// Whether a pipeline builds what it keeps.
    pub(crate) is_of: fn(&Environment) -> bool,
    /// The commit that a pipeline looks at: a pull request's head, not its merge.
    pub(crate) commit: fn(&Environment) -> Option<String>,
    /// The address of a pipeline's run.
    pub(crate) run: fn(&Environment) -> Option<String>,
    /// The address of a line of a commit, with `{path}` and `{line}` in it.
    pub(crate) blob: fn(&Environment, commit: &str) -> Option<String>,
    /// Which pull request a pipeline is for, and the token that may comment there.
    pub(crate) place: fn(&Environment, &Given) -> Found,
    /// A client for a place.
    pub(crate) api: fn(&Place, &Token, Settings) -> Client,
}

impl fmt::Debug for Forge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl PartialEq for Forge {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Forge {}

/// The forge with a name.
pub fn named(name: &str) -> Option<&'static Forge> {
    FORGES.into_iter().find(|forge| forge.name == name)
}

/// Which pull request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pull {
    /// By its number.
    Number(u64),
    /// By its head, as a `workflow_run` of GitHub tells it.
    OfHead {
        /// Who owns the repository the head lies in.
        owner: String,
        /// Its branch.
        branch: String,
        /// Its commit.
        commit: String,
    },
}

impl Pull {
    /// Its number, where that is known.
    pub(crate) const fn number(&self) -> Option<u64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::OfHead { .. } => None,
        }
    }
}

/// A pull or merge request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Where it is.
    pub forge: &'static Forge,
    /// The address of the forge's API.
    pub api: String,
    /// `OWNER/NAME` on GitHub, a project's path or number on GitLab, `PROJECT/REPOSITORY` on Azure DevOps.
    pub repository: String,
    /// Which one.
    pub pull: Pull,
}

/// What comes of a call.
pub(crate) type Answer<'a, T> = LocalBoxFuture<'a, Result<T, ForgeError>>;

/// The comments of one pull request.
pub(crate) trait Api: fmt::Debug + Send + Sync {
    /// How calls are made.
    fn settings(&self) -> &Settings;
    /// The comment of the token's own identity that begins with a marker.
    fn find<'a>(&'a mut self, marker: &'a str) -> Answer<'a, Option<Comment>>;
    /// Makes a comment.
    fn create<'a>(&'a self, body: &'a str) -> Answer<'a, ()>;
    /// Gives a comment another text.
    fn update<'a>(&'a self, comment: &'a Comment, body: &'a str) -> Answer<'a, ()>;
}

/// A forge's client by its own `found`, `created` and `updated`, each of which is a call or a few.
macro_rules! client {
    ($client:ty) => {
        impl $crate::forge::Api for $client {
            fn settings(&self) -> &$crate::exchange::Settings {
                &self.exchange.settings
            }

            fn find<'a>(
                &'a mut self,
                marker: &'a str,
            ) -> $crate::forge::Answer<'a, Option<$crate::comment::Comment>> {
                Box::pin(self.found(marker))
            }

            fn create<'a>(&'a self, body: &'a str) -> $crate::forge::Answer<'a, ()> {
                Box::pin(self.created(body))
            }

            fn update<'a>(
                &'a self,
                comment: &'a $crate::comment::Comment,
                body: &'a str,
            ) -> $crate::forge::Answer<'a, ()> {
                Box::pin(self.updated(comment, body))
            }
        }
    };
}
use client;
