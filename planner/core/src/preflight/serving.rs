//! What has to be so around a stack for it to serve, and what no apply of it brings about: nodes, namespaces,
//! ways in, and networks that resolve names. The rules are those that a plan and drift report.

use crate::health::{Check as Rule, azure, kubernetes, namespace, zone};
use crate::join::Join;
use crate::plan::Finding;
use crate::preflight::check::check;
use crate::rule;
use crate::unread;

use super::{Area, Check, Subject, Verdict};

/// What is required, the rule that finds it missing, and whether it is about Services or names.
const REQUIRED: [(&str, Rule, About); 5] = [
    ("a Node is ready", kubernetes::no_ready_node, About::Services),
    ("namespaces are there, and stay", namespace::namespaces, About::Services),
    ("security rules let traffic in", azure::traffic_denied, About::Services),
    ("backend pools have members", azure::empty_pool, About::Services),
    ("zones are linked to the networks of endpoints", zone::unlinked, About::Names),
];

/// What a requirement is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum About {
    Services,
    Names,
}

/// Checks it, as far as the stack has what it is about.
pub(super) fn serving(subject: &Subject<'_>, checks: &mut Vec<Check>) {
    let join = Join::of(subject.input, subject.prediction);
    let wanted = subject.input.wanted;
    let has_names = wanted.endpoints().any(|endpoint| endpoint.dns.is_some());
    let has = |about| match about {
        About::Services => wanted.has_services(),
        About::Names => has_names,
    };
    let stack = format!("Stack {}", wanted.name());
    let unread = unread::essential(subject.input.live, subject.input.facts);
    for (requirement, rule, _) in REQUIRED.iter().filter(|(.., about)| has(*about)) {
        let mut findings = Vec::new();
        rule(&join, &mut findings);
        checks.extend(findings.iter().map(|finding| unmet(finding, requirement)));
        if findings.is_empty() {
            checks.push(match unread.first() {
                Some(why) => check(Area::Serving, &stack, *requirement, Verdict::Unknown, *why),
                None => check(Area::Serving, &stack, *requirement, Verdict::Met, "as observed"),
            });
        }
    }
}

fn unmet(finding: &Finding, requirement: &str) -> Check {
    let is_unknown = finding.code == rule::UNCHECKED;
    let verdict = if is_unknown { Verdict::Unknown } else { Verdict::Missing };
    let subject = finding.address.to_string();
    let unmet = check(Area::Serving, subject, requirement, verdict, finding.message.clone());
    match &finding.help {
        Some(help) => unmet.or(help),
        None => unmet,
    }
}
