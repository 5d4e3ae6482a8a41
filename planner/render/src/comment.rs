//! Plans as one Markdown document for a pull request or a step summary: the verdict in one line, what is
//! destroyed and who is cut off, a picture of what changes, the rest, and the fields that differ,
//! collapsed. It fits the place it is for: the fields are cut first, the verdict never.

use crate::budget::{self, Counts, Part, Rank, Section};
use crate::markdown::{self, code};
use crate::summary;
use privlink_core::plan::Plan;
use privlink_core::plural::count;

/// Where the document is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// A comment on GitHub.
    GitHub,
    /// A note on GitLab.
    GitLab,
    /// A comment or a build's summary on Azure DevOps, which draws no Mermaid.
    AzureDevOps,
    /// The summary of a step of GitHub Actions, or a file.
    StepSummary,
}

impl Flavour {
    /// The most bytes it takes. GitHub and GitLab count characters, of which there are never more;
    /// Azure DevOps documents no limit.
    pub const fn bytes(self) -> usize {
        match self {
            Self::GitHub => 65_536,
            Self::GitLab => 1_000_000,
            Self::AzureDevOps => 150_000,
            Self::StepSummary => 1 << 20,
        }
    }

    const fn draws_mermaid(self) -> bool {
        !matches!(self, Self::AzureDevOps)
    }
}

/// What a document is beside its plans.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// Where it is shown.
    pub flavour: Flavour,
    /// The most bytes it may have, if less than the place takes.
    pub bytes: usize,
    /// By what it is found again: see [`marker`].
    pub marker: Option<&'a str>,
    /// The commit that was planned.
    pub commit: Option<&'a str>,
    /// The address at which the whole plan is found, such as that of the pipeline's run.
    pub link: Option<&'a str>,
    /// Whether the plans were made by a run that anybody could have changed, as that of a fork.
    pub untrusted: bool,
}

impl Options<'_> {
    /// A document for a place.
    pub const fn new(flavour: Flavour) -> Self {
        let bytes = flavour.bytes();
        Self { flavour, bytes, marker: None, commit: None, link: None, untrusted: false }
    }
}

/// The hidden line by which a comment is found again. An id is letters, digits, `.`, `_` and `-`, at most
/// 64 of them.
pub fn marker(id: &str) -> Option<String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    // Two hyphens would end the HTML comment in some readers.
    let is_id = !id.is_empty() && id.len() <= 64 && id.chars().all(fits) && !id.contains("--");
    is_id.then(|| format!("<!-- privlink:{id} -->"))
}

/// What a plan comes to; the worse ones first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Refused,
    Destructive,
    Changes,
    Nothing,
}

impl Verdict {
    fn of(plan: &Plan) -> Self {
        let counts = [plan.summary.privlink, plan.summary.controller];
        if !plan.refusals.is_empty() {
            Self::Refused
        } else if plan.summary.consumers_disconnected > 0 || counts.iter().any(|it| it.destroy > 0)
        {
            Self::Destructive
        } else if plan.is_empty() {
            Self::Nothing
        } else {
            Self::Changes
        }
    }

    const fn sign(self) -> &'static str {
        match self {
            Self::Refused => "⛔ Refused.",
            Self::Destructive => "⚠️",
            Self::Changes => "📝",
            Self::Nothing => "✅",
        }
    }
}

/// Writes plans as one document, those that change something first.
pub fn document(plans: &[&Plan], options: &Options<'_>) -> String {
    let mut plans: Vec<(Verdict, &Plan)> =
        plans.iter().map(|plan| (Verdict::of(plan), *plan)).collect();
    plans.sort_by(|(one, a), (other, b)| (one, &a.stack).cmp(&(other, &b.stack)));
    let (head, foot) = (head(&plans, options), foot(options));
    let most = options.bytes.min(options.flavour.bytes());
    let bytes = most.saturating_sub(head.len() + foot.len());
    let parts = parts(&plans, options.flavour.draws_mermaid(), bytes);
    let mut fitted = budget::fit(&parts, bytes);
    if !fitted.left_out.is_empty() {
        // Again, with room for saying so: never more than is said when everything is left out.
        let room = left_out(&budget::all(&parts), options).len();
        fitted = budget::fit(&parts, bytes.saturating_sub(room));
        fitted.text.push_str(&left_out(&fitted.left_out, options));
    }
    format!("{head}{}{foot}", fitted.text)
}

fn parts(plans: &[(Verdict, &Plan)], mermaid: bool, bytes: usize) -> Vec<Part> {
    if let [(_, plan)] = plans {
        let sections = markdown::sections(plan, mermaid);
        return vec![Part { heading: String::new(), sections }];
    }
    // What each stack comes to matters, but not more than what is destroyed.
    let mut parts = vec![Part { heading: String::new(), sections: vec![list(plans, bytes / 2)] }];
    parts.extend(plans.iter().map(|(verdict, plan)| Part {
        heading: format!("### {} {}\n\n", verdict.sign(), code(&plan.stack)),
        sections: markdown::sections(plan, mermaid),
    }));
    parts
}

/// The verdict in one line, and what it is about.
fn head(plans: &[(Verdict, &Plan)], options: &Options<'_>) -> String {
    let marker = options.marker.and_then(marker).map(|it| format!("{it}\n")).unwrap_or_default();
    let worst = plans.first().map_or(Verdict::Nothing, |(verdict, _)| *verdict);
    let all: Vec<&Plan> = plans.iter().map(|(_, plan)| *plan).collect();
    let what = match all.as_slice() {
        [plan] => format!("Stack {}", code(&plan.stack)),
        plans => count(plans.len(), "stack"),
    };
    let commit = options.commit.map(|it| format!(" at {}", code(it))).unwrap_or_default();
    let untrusted = if options.untrusted {
        "\n\n> This plan was made by a run that the pull request's author controls. \
         Take it for what the author says."
    } else {
        ""
    };
    let (sign, line) = (worst.sign(), summary::total(&all));
    format!("{marker}### {sign} {line}\n\n{what}{commit}, planned by privlink.{untrusted}\n\n")
}

/// What closes the document.
fn foot(options: &Options<'_>) -> String {
    let link = options.link.and_then(link);
    link.map(|link| format!("[The run that made this plan]({link})\n")).unwrap_or_default()
}

/// An address fit to be linked to.
fn link(address: &str) -> Option<String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-._~:/?#@!$&'*+,;=%".contains(c);
    let is_web = address.starts_with("https://") || address.starts_with("http://");
    (is_web && address.len() <= 1_000 && address.chars().all(fits)).then(|| address.to_owned())
}

/// What each stack comes to, in so many bytes.
fn list(plans: &[(Verdict, &Plan)], bytes: usize) -> Section {
    let mut left = bytes;
    let line = |(verdict, plan): &(Verdict, &Plan)| {
        format!("- {} {}: {}\n", verdict.sign(), code(&plan.stack), summary::line(plan))
    };
    let fits = |line: &String| {
        let fits = line.len() <= left;
        left = left.saturating_sub(line.len());
        fits
    };
    let items: Vec<String> = plans.iter().map(line).take_while(fits).collect();
    let unwritten = plans.len() - items.len();
    let (head, tail) = (String::new(), "\n".to_owned());
    Section { rank: Rank::Destructive, noun: "stack", head, items, tail, unwritten }
}

/// Says what is left out, and where it is.
fn left_out(counts: &Counts, options: &Options<'_>) -> String {
    let parts = counts.iter().map(|(noun, number)| match *noun {
        "block of fields" => count(*number, "block") + " of fields",
        "line of the picture" => count(*number, "line") + " of the picture",
        noun => count(*number, noun),
    });
    let parts: Vec<String> = parts.collect();
    let place = match options.link.and_then(link) {
        Some(link) => format!("[the artefacts of the run]({link})"),
        None => "the saved plan, which `privlink show` prints".to_owned(),
    };
    format!("> **Not all fits here.** Left out: {}. The whole is in {place}.\n\n", parts.join(", "))
}
