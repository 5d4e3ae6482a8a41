//! What the guard says of a write: warnings that clients show, and why it is refused.
use privlink_core::date::Day;
use privlink_core::escape::terminal;
use privlink_core::guard::harm::Harm;
use privlink_core::guard::review::{Answer, Operation, Request};
use privlink_core::guard::{Decision, Judgement, Outcome, Verdict};
use privlink_core::marks::{CONSENT_ANNOTATION, PROTECT_LABEL};
use privlink_core::plan::{Consent, Refusal};
use privlink_core::plural::count;
use privlink_core::rule::{self, Code};

use crate::summary;

/// The most characters of a warning (Kubernetes, "Admission webhook response: warnings").
pub const LONGEST: usize = 120;

/// The most warnings: the API server drops what is more than 4,096 characters together.
const MOST: usize = 8;

/// The user as whom a namespace's contents are deleted.
const NAMESPACE_CONTROLLER: &str = "system:serviceaccount:kube-system:namespace-controller";

/// The answer to a request.
pub fn answer(request: &Request, decision: &Decision, today: Day) -> Answer {
    let refusal = (!decision.verdict.is_allowed()).then(|| refusal(request, decision, today));
    let codes: Vec<&str> = decision.codes().into_iter().map(Code::as_str).collect();
    let mut audit = vec![("verdict", decision.verdict.as_str().to_owned())];
    if !codes.is_empty() {
        audit.push(("codes", codes.join(",")));
    }
    if let Outcome::Judged(judgement) = &decision.outcome
        && !judgement.consents.is_empty()
    {
        audit.push(("consent", shown(&consented(&judgement.consents))));
    }
    if let Outcome::Unknown(why) = &decision.outcome {
        audit.push(("unknown", shown(why)));
    }
    Answer { uid: request.uid.clone(), refusal, warnings: warnings(decision, today), audit }
}

/// What clients show, the effect first.
pub fn warnings(decision: &Decision, today: Day) -> Vec<String> {
    let mut warnings = match &decision.outcome {
        Outcome::Passed(_) => Vec::new(),
        Outcome::Unknown(why) => {
            vec![format!("privlink cannot predict what this does to Azure: {why}")]
        }
        Outcome::Judged(judgement) => of_judgement(judgement),
    };
    if decision.verdict == Verdict::WouldRefuse
        && let Outcome::Judged(judgement) = &decision.outcome
    {
        let way = way_on(judgement, today);
        let told = format!("without --dry-run privlink would refuse this; {way}");
        warnings.insert(1.min(warnings.len()), told);
    }
    let more = warnings.len().saturating_sub(MOST);
    if more > 0 {
        warnings.truncate(MOST.saturating_sub(1));
        warnings.push(format!("and {} more: privlink plan --guard", more.saturating_add(1)));
    }
    warnings.iter().map(|it| shortened(&shown(it))).collect()
}

fn of_judgement(judgement: &Judgement) -> Vec<String> {
    let mut warnings: Vec<String> = judgement.harms.iter().map(|it| effect(it, LONGEST)).collect();
    for refusal in &judgement.refusals {
        if !is_told_by_harm(refusal) {
            warnings.push(format!("{}: {}", refusal.code, refusal.message));
        }
    }
    for finding in &judgement.findings {
        let refused = judgement.refusals.iter().any(|it| it.code == finding.code);
        if !refused {
            warnings.push(format!("{}: {}", finding.code, finding.message));
        }
    }
    if let Some(note) = judgement.route {
        warnings.push(format!("{}: privlink route", summary::route(note)));
    }
    if !judgement.consents.is_empty() {
        warnings.push(format!("by consent: {}", consented(&judgement.consents)));
    }
    warnings
}

/// Whether those who are disconnected say it already.
fn is_told_by_harm(refusal: &Refusal) -> bool {
    refusal.code == rule::TOO_MANY_DISCONNECTS
}

/// Whom a write disconnects, in one line of so many characters: names are left out from the end until it fits.
fn effect(harm: &Harm, most: usize) -> String {
    let Harm { link, consumers, cause } = harm;
    let whom = count(consumers.len(), "consumer");
    let line = |names: &str| {
        let names = if names.is_empty() { String::new() } else { format!(" ({names})") };
        format!("disconnects {whom} of Private Link Service {link}{names}: {}", cause.as_str())
    };
    let length = |line: &str| shown(line).chars().count();
    for named in (1..=consumers.len()).rev() {
        let more = consumers.len().saturating_sub(named);
        let mut names = consumers.iter().take(named).cloned().collect::<Vec<_>>().join(", ");
        if more > 0 {
            names.push_str(&format!(" and {more} more"));
        }
        let line = line(&names);
        if length(&line) <= most {
            return line;
        }
    }
    line("")
}

/// What a write must say to go ahead, for those whom it disconnects; or what else lets it through.
fn way_on(judgement: &Judgement, today: Day) -> String {
    let number: usize = judgement.harms.iter().map(|harm| harm.consumers.len()).sum();
    let first = judgement.refusals.first();
    match first.map(|it| it.code) {
        Some(rule::PROTECTED) => format!("take the label {PROTECT_LABEL} off first"),
        Some(rule::TOO_MANY_DISCONNECTS) => {
            format!("consent: {CONSENT_ANNOTATION}: {number}@{today}")
        }
        _ => first.map(|it| it.code.to_string()).unwrap_or_default(),
    }
}

/// Why a write is refused, who is hit, and how it can be done.
fn refusal(request: &Request, decision: &Decision, today: Day) -> String {
    let judgement = match &decision.outcome {
        Outcome::Judged(judgement) => judgement,
        Outcome::Unknown(why) => {
            let why = shown(why);
            return format!(
                "privlink cannot predict what this does to Azure, and --fail-closed refuses then: {why}"
            );
        }
        Outcome::Passed(_) => return String::new(),
    };
    let mut sentences: Vec<String> = Vec::new();
    for refusal in &judgement.refusals {
        let code = refusal.code;
        if is_told_by_harm(refusal) {
            let effects = judgement.harms.iter().map(|harm| effect(harm, 400));
            sentences.push(format!("{} [{code}]", effects.collect::<Vec<_>>().join("; ")));
        } else {
            sentences.push(format!("{} [{code}]", refusal.message));
        }
    }
    let is = |code: Code| judgement.refusals.iter().any(|it| it.code == code);
    if is(rule::TOO_MANY_DISCONNECTS) {
        if let Some(note) = judgement.route {
            sentences.push(format!("Step by step: {}: privlink route", summary::route(note)));
        } else if let Some(alternative) = judgement.alternatives.first() {
            sentences.push(format!("Nobody is disconnected this way: {}", alternative.summary));
        }
        let number: usize = judgement.harms.iter().map(|harm| harm.consumers.len()).sum();
        let first =
            if request.operation == Operation::Delete { " before you delete it" } else { "" };
        sentences.push(format!(
            "To go ahead, annotate the Service{first}: {CONSENT_ANNOTATION}: \"{number}@{today}\", or name endpoints \
             in place of the number; or name them in allowDisconnects of the Stack"
        ));
    }
    if is(rule::PROTECTED) {
        sentences.push(format!("To go ahead, take the label {PROTECT_LABEL} off first"));
    }
    for finding in
        judgement.findings.iter().filter(|it| it.code != rule::TOO_MANY_DISCONNECTS && is(it.code))
    {
        sentences.extend(finding.help.as_ref().map(|help| help.trim_end_matches('.').to_owned()));
    }
    if request.user == NAMESPACE_CONTROLLER {
        sentences.push(format!(
            "The namespace {} stays in Terminating until then",
            request.key.namespace
        ));
    }
    shown(&(sentences.join(". ") + "."))
}

/// Consent that is made use of, in a few words.
fn consented(consents: &[Consent]) -> String {
    let one = |it: &Consent| format!("{} until {}", it.endpoint, it.until);
    consents.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// Text that does nothing to a terminal, on one line.
fn shown(text: &str) -> String {
    terminal(text).into_owned()
}

/// At most [`LONGEST`] characters.
fn shortened(text: &str) -> String {
    privlink_core::escape::shorten(
        text,
        if text.chars().count() > LONGEST { LONGEST - 1 } else { LONGEST },
    )
    .into_owned()
}

#[cfg(test)]
mod tests {
    use privlink_core::controller::outcome::Reason;
    use privlink_core::guard::harm::Cause;

    use super::*;

    fn harm(consumers: usize) -> Harm {
        Harm {
            link: "my-pls".to_owned(),
            consumers: (0..consumers).map(|number| format!("pe-{number}")).collect(),
            cause: Cause::Sync(Reason::AddressChanged),
        }
    }

    #[test]
    fn the_effect_comes_first_and_fits() {
        let three = "disconnects 3 consumers of Private Link Service my-pls (pe-0, pe-1, pe-2): its address changes";
        assert_eq!(effect(&harm(3), LONGEST), three);
        let many = effect(&harm(40), LONGEST);
        assert!(many.chars().count() <= LONGEST, "{many}");
        assert!(many.contains(" more): its address changes"), "{many}");
        let long = Harm { link: "x".repeat(80), ..harm(3) };
        let warning = shortened(&effect(&long, LONGEST));
        assert!(warning.chars().count() <= LONGEST, "{warning}");
        assert!(warning.starts_with("disconnects 3 consumers"), "{warning}");
    }
}
