//! The formats of plans, and what renders each: a new one is a file of `privlink-render` and its lines here.

use std::fmt::Write;

use clap::ValueEnum;
use privlink_core::plan::Plan;
use privlink_render as render;
use privlink_render::comment::{self, Flavour, Options};
use privlink_render::notice::Notice;
use privlink_render::plans;
use privlink_render::text::Frame;

use crate::command_error::CommandError;
use crate::commands;
use crate::pipeline::Pipeline;

/// A format of plans.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// For a pull request.
    Markdown,
    /// For a browser: one file that loads nothing else.
    Html,
    /// Terraform's plan JSON, for tools that read it.
    Tfjson,
    /// Findings and refusals as SARIF 2.1.0.
    Sarif,
    /// The counts, for GitLab's `artifacts:reports:terraform`.
    Gitlab,
}

impl Format {
    /// A plan as it looks on a stream.
    pub(crate) fn render(self, plan: &Plan, frame: &Frame<'_>, pipeline: &Pipeline) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = match self {
            Self::Text => render::text::plan(plan, frame, &mut text),
            Self::Json => render::json::plan(plan, &mut text),
            Self::Markdown => {
                text.write_str(&comment::document(&[plan], &Options::new(Flavour::StepSummary)))
            }
            Self::Html => text.write_str(&render::html::plan(plan, frame)),
            Self::Tfjson => writeln!(text, "{:#}", render::terraform::json(plan)),
            Self::Sarif => {
                writeln!(text, "{:#}", commands::sarif(&Notice::of_plan(plan), pipeline))
            }
            Self::Gitlab => writeln!(text, "{}", render::terraform::gitlab(plan)),
        };
        text
    }

    /// The same for the plans of many stacks.
    ///
    /// # Errors
    ///
    /// When it is a format of one plan alone.
    pub(crate) fn of_many(self) -> Result<plans::Format, CommandError> {
        match self {
            Self::Text => Ok(plans::Format::Text),
            Self::Json => Ok(plans::Format::Json),
            Self::Markdown => Ok(plans::Format::Markdown),
            Self::Html => Ok(plans::Format::Html),
            Self::Tfjson | Self::Sarif | Self::Gitlab => {
                Err(CommandError::new("several stacks are shown as text, json, markdown or html"))
            }
        }
    }
}
