//! What the API server says to what a plan would apply, before anything is written: a dry run of each
//! Service that privlink applies.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::desired::refusal;
use crate::health::namespace::{self, NAMESPACE_MISSING};
use crate::kubernetes::service::Key;
use crate::kubernetes::validation::Cause;
use crate::lint::FAILURES;
use crate::node::service::address;
use crate::node_id::{Kind, NodeId};
use crate::plan::{Finding, Op, Plan, Refusal};
use crate::planning::account;
use crate::preflight::{Area, Check, Verdict};
use crate::rule::{self, Code, Example, Severity, basis, rules};
use crate::wanted::Wanted;

/// What was said of one Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It would be taken.
    Taken,
    /// Its namespace is not there.
    NoNamespace,
    /// Its namespace is being deleted.
    Terminating,
    /// It would be refused.
    Refused(Denial),
    /// It could not be asked, or it was not answered; why, for a person.
    Unasked(String),
}

/// A refusal of the API server's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Denial {
    /// In its words.
    pub message: String,
    /// What it holds against each field, as it lists it; empty where it names none.
    pub causes: Vec<DeniedField>,
}

/// What the API server holds against a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeniedField {
    /// The field, such as `spec.ports[0].port`.
    pub field: String,
    /// What is wrong with it, without its name.
    pub message: String,
}

impl Denial {
    /// What it holds against the object, without the object's name where it names fields.
    fn said(&self) -> String {
        if self.causes.is_empty() {
            return self.message.clone();
        }
        let causes = self.causes.iter().map(|it| format!("{}: {}", it.field, it.message));
        causes.collect::<Vec<_>>().join("; ")
    }
}

/// What was said of the Services of a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answers(pub Vec<(Key, Answer)>);

/// The Services that a plan applies, with what it sends. One that is deleted first is not among them: the
/// API server would compare with what is about to be deleted.
pub fn asked(plan: &Plan) -> Vec<(Key, &Value)> {
    let deleted: BTreeSet<(&String, &String)> = plan
        .steps
        .iter()
        .filter_map(|step| match &step.op {
            Op::DeleteService { namespace, name, .. } => Some((namespace, name)),
            _ => None,
        })
        .collect();
    let steps = plan.steps.iter().filter_map(|step| match &step.op {
        Op::ApplyService { namespace, name, manifest, .. } => Some((namespace, name, manifest)),
        _ => None,
    });
    let kept = steps.filter(|(namespace, name, _)| !deleted.contains(&(*namespace, *name)));
    kept.map(|(namespace, name, manifest)| (Key::new(namespace, name), manifest)).collect()
}

/// Adds to the plan what was answered about its Services: refusals, each at its place in the input, block it
/// unless they are accepted. Namespaces that the same input makes count as there.
pub fn tell(plan: &mut Plan, wanted: &Wanted<'_>, accept: &[Code], answers: &Answers) {
    let mut found = Vec::new();
    // What was observed may have told it already.
    let observed = plan.findings.iter().filter(|it| it.code == NAMESPACE_MISSING);
    let mut namespaces: BTreeSet<String> =
        observed.filter_map(|it| Some(it.address.name.split_once('/')?.0.to_owned())).collect();
    for (key, answer) in &answers.0 {
        let namespace = &key.namespace;
        let reports = |plan: &Plan, code: Code| {
            plan.findings.iter().any(|it| it.code == code && it.address == address(key))
        };
        match answer {
            Answer::NoNamespace if !wanted.makes_namespace(namespace) => {
                if namespaces.insert(namespace.clone()) {
                    found.push(namespace::missing(wanted, key, false));
                }
            }
            Answer::Terminating => {
                if namespaces.insert(namespace.clone()) {
                    found.push(namespace::missing(wanted, key, true));
                }
            }
            Answer::Refused(denial) if !reports(plan, rule::SERVICE_INVALID) => {
                found.push(refused(wanted, key, denial));
            }
            Answer::Taken | Answer::NoNamespace | Answer::Refused(_) | Answer::Unasked(_) => {}
        }
    }
    // What the API server refuses the controller does not see: what it would make of it follows from the
    // first error, and is no help.
    let refused: BTreeSet<NodeId> = found
        .iter()
        .filter(|it| it.code == rule::SERVICE_INVALID)
        .map(|it| it.address.clone())
        .collect();
    plan.findings.retain(|it| !(FAILURES.contains(&it.code) && refused.contains(&it.address)));
    let is_of = |it: &Refusal| it.address.as_ref().is_some_and(|it| refused.contains(it));
    plan.refusals.retain(|it| !(FAILURES.contains(&it.code) && is_of(it)));
    found.extend(unasked(answers));
    for finding in &found {
        let is_error = finding.severity == Severity::Error;
        if is_error && !accept.contains(&finding.code) {
            plan.refusals.push(Refusal::from(finding));
        }
    }
    plan.refusals.sort();
    plan.refusals.dedup();
    plan.findings.extend(found);
    plan.findings.sort_by(|one, other| {
        (&one.address, one.code, &one.message).cmp(&(&other.address, other.code, &other.message))
    });
    plan.excerpts = account::excerpts(wanted, plan);
}

fn refused(wanted: &Wanted<'_>, key: &Key, denial: &Denial) -> Finding {
    let place = wanted.service(key).map(|service| {
        let place = denial.causes.first().and_then(|it| {
            let (message, field) = (it.message.clone(), it.field.clone());
            refusal::locate(&service.span, &Cause { reason: "", message, field })
        });
        place.map_or_else(|| service.span.place(), |place| place.span.place()).to_string()
    });
    let message = format!("the API server refuses it: {}", denial.said());
    let found = Finding::new(rule::SERVICE_INVALID, address(key), message);
    Finding { place, ..found.help("Change the manifest as the message says.") }
}

/// That nobody could ask is said once.
fn unasked(answers: &Answers) -> Option<Finding> {
    let (key, why) = answers.0.iter().find_map(|(key, answer)| match answer {
        Answer::Unasked(why) => Some((key, why)),
        _ => None,
    })?;
    Some(Finding::new(NOT_REHEARSED, NodeId::new(Kind::Service, key.to_string()), format!(
            "the API server was not asked by a dry run whether it takes what would be applied: {why}"
        )).help("Nothing, if this identity is only to plan: the same rules were checked without it."))
}

/// The same as requirements of a preflight.
pub fn checks(wanted: &Wanted<'_>, answers: &Answers) -> Vec<Check> {
    let mut checks = Vec::new();
    for (key, answer) in &answers.0 {
        let (verdict, reason, help) = match answer {
            Answer::Taken => (Verdict::Met, "a dry run was taken".to_owned(), None),
            Answer::NoNamespace if wanted.makes_namespace(&key.namespace) => (
                Verdict::Unknown,
                "its namespace is in the input, and not there yet".to_owned(),
                None,
            ),
            Answer::NoNamespace => (
                Verdict::Missing,
                format!("namespace {} is not there", key.namespace),
                Some(format!("Make it first: kubectl create namespace {}", key.namespace)),
            ),
            Answer::Terminating => (
                Verdict::Missing,
                format!("namespace {} is being deleted", key.namespace),
                Some("Wait until it is deleted, and create it again.".to_owned()),
            ),
            Answer::Refused(denial) => (
                Verdict::Missing,
                denial.message.clone(),
                Some("Change the manifest as the message says.".to_owned()),
            ),
            Answer::Unasked(why) => (Verdict::Unknown, why.clone(), None),
        };
        checks.push(Check {
            area: Area::Kubernetes,
            subject: format!("Service {key}"),
            requirement: "is taken by the API server".to_owned(),
            verdict,
            reason,
            help,
        });
    }
    checks
}

rules! {
    /// The API server was not asked by a dry run whether it takes what would be applied, for example since
    /// the identity only reads. The rules that privlink knows were still checked.
    NOT_REHEARSED = "not-rehearsed", Note, [Desired, Live, Planned], {
        basis: basis::API_SERVER,
        advice: "Nothing, if the identity is only to plan.",
        example: Example::live("kind: Service   # planned by an identity that may not patch Services"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desired::{Options, resolve};
    use crate::diagnostic::Source;
    use crate::document::parse;

    const SERVICE: &str = "apiVersion: v1\nkind: Service\nmetadata:\n  name: web\n  namespace: shop\n\
                           spec: {type: LoadBalancer, ports: [{port: 80}]}\n";

    fn empty() -> Plan {
        Plan { stack: "shop".to_owned(), ..Plan::default() }
    }

    fn plan_after(text: &str, answer: Answer) -> Plan {
        let (desired, _) =
            resolve(parse(&Source::new("a.yaml", text).unwrap()), &Options::default());
        let mut plan = empty();
        tell(
            &mut plan,
            &Wanted::as_written(&desired),
            &[],
            &Answers(vec![(Key::new("shop", "web"), answer)]),
        );
        plan
    }

    #[test]
    fn a_namespace_that_is_not_there_holds_the_plan_back_unless_the_input_makes_it() {
        let plan = plan_after(SERVICE, Answer::NoNamespace);
        assert_eq!(plan.refusals.len(), 1);
        assert_eq!(plan.findings[0].place.as_deref(), Some("a.yaml:5:14"));
        let with =
            format!("{SERVICE}---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: shop}}\n");
        assert_eq!(plan_after(&with, Answer::NoNamespace).findings, []);
    }

    #[test]
    fn a_refusal_is_told_at_its_place() {
        let message = "Service \"web\" is invalid: spec.ports[0].port: Invalid value: 80: no";
        let (field, why) = ("spec.ports[0].port".to_owned(), "Invalid value: 80: no".to_owned());
        let causes = vec![DeniedField { field, message: why }];
        let plan =
            plan_after(SERVICE, Answer::Refused(Denial { message: message.to_owned(), causes }));
        assert!(
            plan.findings[0]
                .message
                .ends_with("refuses it: spec.ports[0].port: Invalid value: 80: no")
        );
        assert_eq!(plan.findings[0].place.as_deref(), Some("a.yaml:6:43"));
        assert_eq!(plan.refusals.len(), 1);
    }

    #[test]
    fn a_refusal_that_names_no_field_is_told_in_its_own_words() {
        let message = "admission webhook \"x\" denied the request: a: b is invalid: c".to_owned();
        let causes = Vec::new();
        let plan =
            plan_after(SERVICE, Answer::Refused(Denial { message: message.clone(), causes }));
        assert_eq!(plan.findings[0].message, format!("the API server refuses it: {message}"));
    }

    #[test]
    fn that_nobody_may_ask_is_a_note() {
        let plan = plan_after(SERVICE, Answer::Unasked("forbidden".to_owned()));
        assert_eq!((plan.findings.len(), plan.refusals.len()), (1, 0));
    }
}
