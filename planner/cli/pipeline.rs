//! What runs the command, if that is a pipeline: what its agent is told, and kept from being told.

use std::path::{Path, PathBuf};

use privlink_render::notice::Notice;
use privlink_render::pipeline::{self, Agent, Commands};

use crate::args;

/// A pipeline, or none.
#[derive(Clone, Debug)]
pub(crate) struct Pipeline {
    /// Who reads commands in the output.
    pub(crate) agent: Option<Agent>,
    /// Where the repository lies.
    root: Option<PathBuf>,
}

impl Pipeline {
    /// Finds out by what was asked for, or by the variables.
    pub(crate) fn detect(asked: args::Pipeline) -> Self {
        let is_true =
            |name: &str| std::env::var(name).is_ok_and(|it| it.eq_ignore_ascii_case("true"));
        let agent = match asked {
            args::Pipeline::GithubActions => Some(Agent::GitHubActions),
            args::Pipeline::AzurePipelines => Some(Agent::AzurePipelines),
            args::Pipeline::None => None,
            args::Pipeline::Auto if is_true("GITHUB_ACTIONS") => Some(Agent::GitHubActions),
            args::Pipeline::Auto if is_true("TF_BUILD") => Some(Agent::AzurePipelines),
            args::Pipeline::Auto => None,
        };
        let root = ["GITHUB_WORKSPACE", "BUILD_SOURCESDIRECTORY", "CI_PROJECT_DIR"]
            .into_iter()
            .find_map(std::env::var_os);
        Self { agent, root: root.map(PathBuf::from) }
    }

    /// A file's path from the root of the repository, as code scanning and annotations want it.
    pub(crate) fn below_root(&self, file: &str) -> String {
        let absolute = absolute(file);
        let root = self.root.as_ref().and_then(|root| std::fs::canonicalize(root).ok());
        let below = root.and_then(|root| Some(absolute.strip_prefix(root).ok()?.to_owned()));
        match below {
            Some(below) => below.display().to_string(),
            None => file.trim_start_matches("./").to_owned(),
        }
    }

    /// Commands that annotate the input.
    pub(crate) fn annotations(&self, notices: &[Notice]) -> Commands {
        match self.agent {
            Some(agent @ Agent::GitHubActions) => {
                pipeline::annotations(agent, notices, &|file| self.below_root(file))
            }
            Some(agent @ Agent::AzurePipelines) => {
                let path = |file: &str| absolute(file).display().to_string();
                pipeline::annotations(agent, notices, &path)
            }
            None => Commands::default(),
        }
    }

    /// The command that shows an error beside the run.
    pub(crate) fn error(&self, message: &str) -> Commands {
        self.agent.map(|agent| pipeline::error(agent, message)).unwrap_or_default()
    }

    /// The command that shows a warning beside the run.
    pub(crate) fn warning(&self, message: &str) -> Commands {
        self.agent.map(|agent| pipeline::warning(agent, message)).unwrap_or_default()
    }
}

fn absolute(file: &str) -> PathBuf {
    std::fs::canonicalize(file).unwrap_or_else(|_| Path::new(file).to_owned())
}
