//! Plans as one Markdown document for a pull request or a step summary: the verdict in one block with the edit
//! that causes it, who is disconnected, a picture of what changes, the rest, and folded how nobody is
//! disconnected and the fields that differ. It fits the place it is for: the fields are cut first, the verdict never.

use crate::budget::{self, Counts, Part, Rank, Section};
use crate::markdown::{self, code};
use crate::place::link;
use crate::summary;
use privlink_core::escape::shorten;
use privlink_core::plan::Plan;
use privlink_core::plural::count;

pub use crate::place::{Flavour, Options};

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
        } else if plan.summary.consumers_disconnected > 0
            || counts.iter().any(|it| it.delete + it.replace > 0)
        {
            Self::Destructive
        } else if plan.is_empty() {
            Self::Nothing
        } else {
            Self::Changes
        }
    }

    const fn symbol(self) -> &'static str {
        match self {
            Self::Refused => "⛔",
            other => other.sign(),
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
    let (head, foot) = (head(&plans, options), foot(&plans, options));
    let most = options.bytes.min(options.flavour.bytes());
    let bytes = most.saturating_sub(head.len() + foot.len());
    // Behind the head stands a blank line, or the rest of its block.
    let bytes = bytes.saturating_sub(1);
    let parts = parts(&plans, options, bytes);
    let mut fitted = budget::fit(&parts, bytes);
    if !fitted.left_out.is_empty() {
        // Again, with room for saying so: never more than is said when everything is left out.
        let room = left_out(&budget::all(&parts), options).len();
        fitted = budget::fit(&parts, bytes.saturating_sub(room));
        fitted.text.push_str(&left_out(&fitted.left_out, options));
    }
    let gap = if fitted.text.starts_with('>') { "" } else { "\n" };
    format!("{head}{gap}{}{foot}", fitted.text)
}

fn parts(plans: &[(Verdict, &Plan)], options: &Options<'_>, bytes: usize) -> Vec<Part> {
    if let [(_, plan)] = plans {
        let sections = markdown::sections(plan, options);
        return vec![Part { heading: String::new(), sections }];
    }
    // What each stack comes to matters, but not more than what is destroyed.
    let mut parts = vec![Part { heading: String::new(), sections: vec![list(plans, bytes / 2)] }];
    parts.extend(plans.iter().map(|(verdict, plan)| Part {
        heading: format!("### {} {}\n\n", verdict.sign(), code(&plan.stack)),
        sections: markdown::sections(plan, options),
    }));
    parts
}

/// The verdict in one line, and what it is about.
fn head(plans: &[(Verdict, &Plan)], options: &Options<'_>) -> String {
    let marker = options.marker.and_then(marker).map(|it| format!("{it}\n")).unwrap_or_default();
    let worst = plans.first().map_or(Verdict::Nothing, |(verdict, _)| *verdict);
    let untrusted = if options.untrusted {
        "\n> This plan was made by a run that the pull request's author controls. \
         Take it for what the author says.\n"
    } else {
        ""
    };
    if let [(verdict, plan)] = plans {
        return format!("{marker}{untrusted}\n{}", verdict_of(*verdict, plan, options.flavour));
    }
    let all: Vec<&Plan> = plans.iter().map(|(_, plan)| *plan).collect();
    let (sign, line) = (worst.symbol(), summary::total(&all));
    format!("{marker}### {sign} {line}\n{untrusted}")
}

/// What one plan comes to: a block that stands out where consumers are disconnected or it is refused.
fn verdict_of(verdict: Verdict, plan: &Plan, flavour: Flavour) -> String {
    let counts = summary::counts(plan);
    let cut = plan.summary.consumers_disconnected;
    let whom = count(cut, "consumer");
    let (alert, said) = match (verdict, cut) {
        (Verdict::Refused, 0) => ("CAUTION", "Refused".to_owned()),
        (Verdict::Refused, _) => ("CAUTION", format!("Refused: {whom} would be disconnected")),
        (Verdict::Destructive, 0) => ("WARNING", summary::nobody(plan)),
        (Verdict::Destructive, _) => ("WARNING", format!("{whom} will be disconnected")),
        (Verdict::Changes | Verdict::Nothing, _) => {
            return format!("### {} {counts}\n", verdict.sign());
        }
    };
    let alert = match flavour.draws_alerts() {
        true => format!("> [!{alert}]\n"),
        false => String::new(),
    };
    let sign = verdict.symbol();
    format!("{alert}> {sign} **{said}.** {counts}\n")
}

/// What closes the document: what was planned, from which commit, and how that is done again.
fn foot(plans: &[(Verdict, &Plan)], options: &Options<'_>) -> String {
    let short = |text: &str| code(&shorten(text, 60));
    let what = match plans {
        [(_, plan)] => {
            let on = plan.cluster.as_ref().map(|it| format!(" on {}", short(&it.name)));
            format!("{}{}", short(&plan.stack), on.unwrap_or_default())
        }
        plans => count(plans.len(), "stack"),
    };
    let mut parts = vec![what];
    parts.extend(options.commit.map(|it| format!("commit {}", short(it))));
    parts.extend(options.read.map(|it| format!("read {}", short(it))));
    let version = plans.first().map(|(_, plan)| plan.tool_version.as_str()).unwrap_or_default();
    parts.push(format!("privlink {}", short(version)));
    let again = options.again.map(|it| format!(". Again: {}", code(it))).unwrap_or_default();
    let link = options.link.and_then(link);
    let link = link.map(|link| format!("\n[The run that made this plan]({link})\n"));
    let digests = digests(options.digests);
    format!("<sub>{}{again}</sub>\n{digests}{}", parts.join(", "), link.unwrap_or_default())
}

/// How many digests are shown: the rest is in the files.
const MOST_DIGESTS: usize = 50;

/// What `apply --expect-digest` takes, so that no other plan is applied than the one that is looked at.
fn digests(digests: &[(&str, &str)]) -> String {
    let line = |(stack, digest): &(&str, &str)| {
        let stack = if digests.len() > 1 { format!("{} ", code(stack)) } else { String::new() };
        format!("{stack}{}", code(&format!("--expect-digest {digest}")))
    };
    let mut lines: Vec<String> = digests.iter().take(MOST_DIGESTS).map(line).collect();
    if digests.len() > MOST_DIGESTS {
        lines.push(format!("and {} more", digests.len() - MOST_DIGESTS));
    }
    match lines.is_empty() {
        true => String::new(),
        false => format!("\n<sub>Just this plan is applied with {}</sub>\n", lines.join(", ")),
    }
}

/// What each stack comes to, in so many bytes.
fn list(plans: &[(Verdict, &Plan)], bytes: usize) -> Section {
    let mut left = bytes;
    let line = |(verdict, plan): &(Verdict, &Plan)| {
        let would = if *verdict == Verdict::Refused { "would" } else { "will" };
        let whom = match plan.summary.consumers_disconnected {
            0 => String::new(),
            cut => format!("{} {would} be disconnected. ", count(cut, "consumer")),
        };
        let counts = markdown::prose(&summary::counts(plan));
        format!("- {} {}: {whom}{counts}\n", verdict.sign(), code(&plan.stack))
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
        "row of consumers" => count(*number, "row") + " of consumers",
        "row of connections" => count(*number, "row") + " of connections",
        noun => count(*number, noun),
    });
    let parts: Vec<String> = parts.collect();
    let place = match options.link.and_then(link) {
        Some(link) => format!("[the artefacts of the run]({link})"),
        None => "the saved plan, which `privlink show` prints".to_owned(),
    };
    format!("> **Not all fits here.** Left out: {}. The whole is in {place}.\n\n", parts.join(", "))
}
