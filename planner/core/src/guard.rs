//! The guard: what one write to a Service does to Azure, asked before the API server takes it.
//!
//! It has no rules of its own. The verdict is what [`planning::written`] says of the write: the same prediction, the
//! same join, the same safety rules as a plan. What is here is which writes are looked at, which of the plan's
//! refusals hold a write back, and whom it does harm to.

pub mod harm;
pub mod policy;
pub mod review;

use crate::date::Day;
use crate::desired::{self, Stack};
use crate::diagnostic::Diagnostic;
use crate::facts::Facts;
use crate::input::{Guarded, Input, Options};
use crate::inventory::Inventory;
use crate::join;
use crate::node::service::address;
use crate::plan::{Alternative, Consent, Finding, Mode as PlanMode, Refusal, RouteNote, Scope};
use crate::planned::Planned;
use crate::planning;
use crate::pointer::At;
use crate::route::{self, Bounds};
use crate::rule::{self, Code, Severity};
use crate::unread;
use crate::wanted::Wanted;
use serde_json::Value;

use harm::Harm;
use policy::{Mode, Policy};
use review::{Operation, Request};

/// What a writer can wait for: the search for a route ends here.
const ROUTE: Bounds = Bounds { edits: 4, states: 40 };

/// What is known when a request comes.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// What was observed.
    pub live: &'a Inventory<'a>,
    /// What the cluster is taken to be.
    pub facts: &'a Facts,
    /// Consent, limits and protection.
    pub stack: Option<&'a Stack>,
    /// Why the observation is not to be relied on, such as its age.
    pub trouble: Option<&'a str>,
    /// What day it is.
    pub today: Day,
    /// The version of privlink.
    pub tool_version: &'a str,
}

/// Why a write is let through unseen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// It is not a write of a Service itself.
    NotAService,
    /// Its namespace is left alone.
    Spared,
    /// A label or the default says so.
    Off,
    /// Neither what is stored nor what will be is a load balancer.
    NoLoadBalancer,
    /// The controller reads nothing of what it changes.
    Unread,
    /// It is on its way out already.
    Leaving,
}

impl Pass {
    /// As logs and the audit log have it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotAService => "not a Service",
            Self::Spared => "namespace left alone",
            Self::Off => "guard off",
            Self::NoLoadBalancer => "no load balancer",
            Self::Unread => "nothing that the controller reads",
            Self::Leaving => "being deleted already",
        }
    }
}

/// What a write comes to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Judgement {
    /// Whom it disconnects.
    pub harms: Vec<Harm>,
    /// The plan's refusals that block it.
    pub refusals: Vec<Refusal>,
    /// What a reader should know that was not so before.
    pub findings: Vec<Finding>,
    /// The consent that it makes use of.
    pub consents: Vec<Consent>,
    /// How the same comes about with nobody disconnected.
    pub alternatives: Vec<Alternative>,
    /// The sequence of edits that disconnects fewer, if there is one.
    pub route: Option<RouteNote>,
}

/// How a write was judged.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It was not looked at.
    Passed(Pass),
    /// Nobody can tell.
    Unknown(String),
    /// By what comes of it.
    Judged(Judgement),
}

/// What is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Let through unseen.
    Passed,
    /// Let through; it does no harm.
    Allowed,
    /// Let through, and told.
    Warned,
    /// Let through since nothing is stored; the real write would be refused.
    WouldRefuse,
    /// Held back.
    Refused,
    /// Let through since nobody can tell.
    Unknown,
    /// Held back since nobody can tell.
    RefusedUnknown,
}

impl Verdict {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Passed,
        Self::Allowed,
        Self::Warned,
        Self::WouldRefuse,
        Self::Refused,
        Self::Unknown,
        Self::RefusedUnknown,
    ];

    /// As metrics and logs have it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Allowed => "allowed",
            Self::Warned => "warned",
            Self::WouldRefuse => "would-refuse",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
            Self::RefusedUnknown => "refused-unknown",
        }
    }

    /// Whether the write is let through.
    pub const fn is_allowed(self) -> bool {
        !matches!(self, Self::Refused | Self::RefusedUnknown)
    }
}

/// A decision with its reasons.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// What is decided.
    pub verdict: Verdict,
    /// What holds for the Service.
    pub mode: Mode,
    /// How it was judged.
    pub outcome: Outcome,
}

impl Decision {
    /// The codes behind it, each once, in order: of what blocks it, or would.
    pub fn codes(&self) -> Vec<Code> {
        let Outcome::Judged(judgement) = &self.outcome else { return Vec::new() };
        let mut codes: Vec<Code> = judgement.refusals.iter().map(|it| it.code).collect();
        codes.sort();
        codes.dedup();
        codes
    }
}

/// Decides on a request.
pub fn decide(request: &Request, policy: &Policy, seen: &Seen<'_>) -> Decision {
    let mode = policy.mode(request);
    let outcome = match pass(request, policy, mode) {
        Some(pass) => Outcome::Passed(pass),
        None => judged(request, policy, seen),
    };
    let enforced = mode == Mode::Enforce;
    let verdict = match &outcome {
        Outcome::Passed(_) => Verdict::Passed,
        Outcome::Unknown(_) if enforced && policy.fail_closed && !request.dry_run => {
            Verdict::RefusedUnknown
        }
        Outcome::Unknown(_) => Verdict::Unknown,
        Outcome::Judged(judgement) => match (judgement.refusals.is_empty(), enforced) {
            (false, true) if request.dry_run => Verdict::WouldRefuse,
            (false, true) => Verdict::Refused,
            _ if judgement == &Judgement::default() => Verdict::Allowed,
            _ => Verdict::Warned,
        },
    };
    Decision { verdict, mode, outcome }
}

/// Why an observation is too old, if it is: when it was taken, in RFC 3339; what time it is, in seconds since 1970; how
/// many seconds old it may be.
pub fn stale(taken_at: &str, now: u64, most: u64) -> Option<String> {
    let Ok(taken) = taken_at.parse::<jiff::Timestamp>() else {
        return Some("it is not known when the cluster and Azure were read".to_owned());
    };
    let taken = u64::try_from(taken.as_second()).unwrap_or_default();
    let age = now.saturating_sub(taken);
    (age > most).then(|| {
        format!("the cluster and Azure were read {age} s ago, and {most} s is the most (--max-age)")
    })
}

/// Why a write is let through unseen, if it is. Nothing here needs an observation.
fn pass(request: &Request, policy: &Policy, mode: Mode) -> Option<Pass> {
    let Request { object, old_object, operation, .. } = request;
    if !request.is_service || *operation == Operation::Other {
        return Some(Pass::NotAService);
    }
    if policy.spares(&request.key.namespace) {
        return Some(Pass::Spared);
    }
    if mode == Mode::Off {
        return Some(Pass::Off);
    }
    let is_leaving = |object: &Value| object.at("/metadata/deletionTimestamp").is_some();
    if old_object.as_ref().is_some_and(is_leaving) {
        return Some(Pass::Leaving);
    }
    let balances =
        |object: &Value| object.at("/spec/type").and_then(Value::as_str) == Some("LoadBalancer");
    if ![object, old_object].into_iter().flatten().any(balances) {
        return Some(Pass::NoLoadBalancer);
    }
    if let (Operation::Update, Some(new), Some(old)) = (operation, object, old_object)
        && is_unread(old, new)
    {
        return Some(Pass::Unread);
    }
    None
}

/// Whether the controller reads nothing of what differs between two versions of a Service: it syncs for the spec, for
/// annotations, and for a deletion (service controller: `needsUpdate`). The label that protects is read by plans.
fn is_unread(old: &Value, new: &Value) -> bool {
    const READ: [&str; 4] =
        ["/spec", "/metadata/annotations", "/metadata/deletionTimestamp", "/metadata/uid"];
    READ.iter().all(|pointer| old.at(pointer) == new.at(pointer))
}

/// Whether nothing that anybody reads differs between two versions of a Service but the annotations of others: the
/// controller syncs, and finds what it would have found before.
fn is_a_touch(request: &Request) -> bool {
    let (Some(new), Some(old)) = (&request.object, &request.old_object) else { return false };
    let is_read = |key: &str| {
        key.contains("kubernetes.io/") || key.starts_with("privlink.dev/") || desired::is_meant(key)
    };
    let annotations = |object| {
        let annotations = Value::at(object, "/metadata/annotations").and_then(Value::as_object);
        let mut read: Vec<(&String, &Value)> =
            annotations.into_iter().flatten().filter(|(key, _)| is_read(key)).collect();
        read.sort_by_key(|(key, _)| *key);
        read
    };
    let same =
        ["/spec", "/metadata/labels"].iter().all(|pointer| old.at(pointer) == new.at(pointer));
    same && annotations(old) == annotations(new)
}

/// What a write comes to.
fn judged(request: &Request, policy: &Policy, seen: &Seen<'_>) -> Outcome {
    if let Some(trouble) = seen.trouble {
        return Outcome::Unknown(trouble.to_owned());
    }
    if let Some(why) = unread::essential(seen.live, seen.facts).first() {
        return Outcome::Unknown((*why).to_owned());
    }
    let is_whole = match request.operation {
        Operation::Create => request.object.is_some(),
        Operation::Update => request.object.is_some() && request.old_object.is_some(),
        _ => request.old_object.is_some(),
    };
    if !is_whole || request.key.name.is_empty() {
        return Outcome::Unknown("the request holds no object".to_owned());
    }
    // The observation with the Service as the request says it is stored: that is newer.
    let live = seen.live.with_service(&request.key, request.old_object.as_ref());
    let seen = &Seen { live: &live, ..*seen };
    let stored = request.object.as_ref().filter(|_| request.operation != Operation::Delete);
    let (planned, linted) = match plan(request, policy, seen, stored) {
        Ok(planned) => planned,
        Err(why) => return Outcome::Unknown(why.to_string()),
    };
    let unreadable = planned.plan.refusals.iter().find(|it| it.code == rule::UNREADABLE);
    if let Some(refusal) = unreadable {
        return Outcome::Unknown(refusal.message.clone());
    }
    Outcome::Judged(judgement(request, policy, seen, (planned, linted)))
}

/// A plan of a write, and what is wrong with the Service as it is written.
fn plan(
    request: &Request,
    policy: &Policy,
    seen: &Seen<'_>,
    stored: Option<&Value>,
) -> Result<(Planned, Vec<Diagnostic>), planning::Error> {
    let (wanted, linted) = Wanted::of_service(stored, seen.stack);
    let options = Options {
        mode: PlanMode::Apply,
        guard: Some(Guarded::default()),
        adopt: false,
        max_disconnects: policy.max_disconnects,
        today: Some(seen.today),
        max_deletes: None,
        unprotect: Vec::new(),
        accept: Vec::new(),
        scope: Scope::default(),
        tool_version: seen.tool_version.to_owned(),
    };
    let wanted = join::identify(wanted, seen.live, seen.facts, &options);
    let input = Input::new(&wanted, seen.live, seen.facts, &options);
    let mut planned = planning::written(&input, &request.key, stored)?;
    if planned.plan.summary.consumers_disconnected > 0 {
        planned.plan.route = route::note((&input, &planned), route::changed(&input), ROUTE);
    }
    Ok((planned, linted))
}

fn judgement(
    request: &Request,
    policy: &Policy,
    seen: &Seen<'_>,
    (planned, linted): (Planned, Vec<Diagnostic>),
) -> Judgement {
    let harms = harm::of(&request.key, &planned);
    let plan = &planned.plan;
    let refusals: Vec<Refusal> =
        plan.refusals.iter().filter(|it| policy.refuses.contains(&it.code)).cloned().collect();
    let mut findings: Vec<Finding> =
        plan.findings.iter().filter(|it| is_worth_telling(it, &harms)).cloned().collect();
    findings.extend(linted.iter().filter_map(|it| of_diagnostic(request, it)));
    if is_a_touch(request) {
        // What is found of it was so before.
        findings.clear();
    } else if let Some(old) = request.old_object.as_ref().filter(|_| !findings.is_empty()) {
        let before = as_it_is(request, policy, seen, old);
        findings.retain(|it| !before.contains(&(it.code, it.message.clone())));
    }
    Judgement {
        harms,
        refusals,
        findings,
        consents: plan.consents.clone(),
        alternatives: plan.alternatives.clone(),
        route: plan.route,
    }
}

/// Whether a writer should know: not of pre-existing errors, nor of what is reported elsewhere.
fn is_worth_telling(finding: &Finding, harms: &[Harm]) -> bool {
    let names = |harm: &Harm| harm.consumers.contains(&finding.address.name);
    match finding.code {
        rule::LINK_RECREATED if !harms.is_empty() => false,
        rule::CONSENT_EXPIRED | rule::CONSENT_MISREAD => {
            finding.address.kind == crate::node_id::Kind::Service || harms.iter().any(names)
        }
        code => finding.severity >= Severity::Warning && finding.severity == code.severity(),
    }
}

/// What is found of the Service as it is stored, with nothing written.
fn as_it_is(
    request: &Request,
    policy: &Policy,
    seen: &Seen<'_>,
    old: &Value,
) -> Vec<(Code, String)> {
    let Ok((planned, linted)) = plan(request, policy, seen, Some(old)) else { return Vec::new() };
    let of_input = linted.iter().filter_map(|it| of_diagnostic(request, it));
    let found = planned.plan.findings.into_iter().chain(of_input);
    found.map(|it| (it.code, it.message)).collect()
}

/// What is wrong with a Service as a document, as a finding about it.
fn of_diagnostic(request: &Request, diagnostic: &Diagnostic) -> Option<Finding> {
    // What only a document can have: the object was taken by the API server's own checks.
    let is_of_object = !matches!(diagnostic.code, rule::ASSUMED_NAMESPACE | rule::FILE_TOO_LARGE);
    (diagnostic.severity >= Severity::Warning && is_of_object).then(|| {
        let (code, message) = (diagnostic.code, diagnostic.message.clone());
        Finding {
            severity: diagnostic.severity,
            help: diagnostic.help.clone(),
            ..Finding::new(code, address(&request.key), message)
        }
    })
}

#[cfg(test)]
mod tests;
