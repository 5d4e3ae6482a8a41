//! `comment`, and what it shares with `plan --comment`.

use std::path::PathBuf;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use privlink_forge::{FORGES, Forge, Given, named};
use privlink_render::comment::marker;

/// `comment`.
#[derive(Debug, clap::Args)]
pub(crate) struct Comment {
    /// Saved plans, as `plan --out` writes them; several make one comment
    #[arg(value_name = "PLAN", required = true)]
    pub(crate) plans: Vec<PathBuf>,
    /// By what the comment is found again, if several commands comment on one pull request
    #[arg(long, value_name = "ID", default_value = "default", value_parser = id)]
    pub(crate) id: String,
    /// Print the comment instead
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Say that whoever made the pull request could have changed the plan, as in a run for a fork
    #[arg(long)]
    pub(crate) untrusted: bool,
    /// Where the whole plan is found; the pipeline's run by default
    #[arg(long, value_name = "URL")]
    pub(crate) link: Option<String>,
    /// Where the pull request is; found out by the pipeline's variables
    #[arg(long, value_parser = forges(), value_name = "FORGE")]
    pub(crate) forge: Option<&'static Forge>,
    /// The address of the forge's API, if the pipeline does not say it
    #[arg(long, value_name = "URL")]
    pub(crate) api: Option<String>,
    /// OWNER/NAME on GitHub, a project's path or number on GitLab, PROJECT/REPOSITORY on Azure DevOps
    #[arg(long, value_name = "NAME")]
    pub(crate) repository: Option<String>,
    /// The number of the pull or merge request
    #[arg(long, value_name = "NUMBER")]
    pub(crate) pull_request: Option<u64>,
}

impl Comment {
    /// What was given by hand.
    pub(crate) fn given(&self) -> Given {
        Given {
            forge: self.forge,
            api: self.api.clone(),
            repository: self.repository.clone(),
            request: self.pull_request,
        }
    }
}

/// Reads the name of a forge; completions and help list them.
fn forges() -> impl TypedValueParser<Value = &'static Forge> {
    let known = FORGES.map(|forge| PossibleValue::new(forge.name).help(forge.title));
    PossibleValuesParser::new(known).try_map(|name| named(&name).ok_or("there is no such forge"))
}

/// Reads the id of a comment.
pub(crate) fn id(text: &str) -> Result<String, String> {
    match marker(text) {
        Some(_) => Ok(text.to_owned()),
        None => {
            Err("write it with letters, digits, `.`, `_` and single `-`, 64 at most".to_owned())
        }
    }
}
