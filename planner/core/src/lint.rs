//! Findings: what a prediction shows that a reader should know before it happens.

pub(crate) mod app_protocol;
pub(crate) mod cluster;
pub(crate) mod endpoint;
pub(crate) mod failure;
pub(crate) mod gateway;
pub(crate) mod limit;
pub(crate) mod nat;
mod packet;
pub(crate) mod path;
pub(crate) mod private_link;
pub(crate) mod probe;
pub(crate) mod restriction;
pub(crate) mod served;

use crate::annotation::{PREFIX, keys};
use crate::arm::resource::PrivateLinkService;
use crate::controller::outcome::{self, Outcome};
use crate::desired::Service;
use crate::diagnostic::{Span, Spanned};
use crate::facts::Facts;
use crate::kubernetes::service as stored;
use crate::node_id::{Kind, NodeId};
use crate::plan::Finding;
use crate::prediction::Prediction;
use crate::rule::{self, At, Code, Example, Severity, basis, rules};
use crate::unknown;
use crate::wanted::Wanted;

/// One Service with what is predicted of it.
struct Subject<'a> {
    wanted: &'a Wanted<'a>,
    facts: &'a Facts,
    prediction: &'a Prediction,
    service: &'a Service,
    outcome: &'a Outcome,
}

/// Looks at one Service; nothing if there is nothing to report.
type Check = fn(&Subject<'_>) -> Option<Finding>;

/// The checks of this file.
const CHECKS: &[Check] = &[becomes_public, subnet_changed];

/// The codes under which a failure of the controller is reported.
pub const FAILURES: [Code; 5] = [
    rule::CONTROLLER_FAILS,
    rule::PARTLY_MADE,
    rule::LINK_BLOCKED,
    rule::LINK_CANNOT_MOVE,
    rule::RESOURCE_GROUP_MISSING,
];

/// All findings of a prediction.
pub fn find(wanted: &Wanted<'_>, facts: &Facts, prediction: &Prediction) -> Vec<Finding> {
    let mut findings = Vec::new();
    let alone = |it: &&Outcome| prediction.outcome(&it.service).is_none();
    for outcome in prediction.outcomes.iter().chain(prediction.finishing.iter().filter(alone)) {
        let Some(service) = wanted.service(&outcome.service) else { continue };
        let subject = Subject { wanted, facts, prediction, service, outcome };
        let checks = [
            CHECKS,
            failure::CHECKS,
            private_link::CHECKS,
            nat::CHECKS,
            probe::CHECKS,
            app_protocol::CHECKS,
            path::CHECKS,
            restriction::CHECKS,
            cluster::CHECKS,
        ];
        findings.extend(checks.iter().copied().flatten().filter_map(|check| check(&subject)));
    }
    findings.extend(gateway::find(wanted, prediction));
    findings.extend(endpoint::zone_groups(wanted, prediction));
    findings.extend(limit::exceeded(prediction));
    findings
}

/// The findings of a prediction for a cluster that nobody looked at. A failure that depends on what is live
/// is a warning there: the input alone is not wrong.
pub fn foreseen(wanted: &Wanted<'_>, facts: &Facts, prediction: &Prediction) -> Vec<Finding> {
    let mut findings = find(wanted, facts, prediction);
    let unsure = |outcome: &&Outcome| failure::depends_on_live(outcome);
    for outcome in prediction.outcomes.iter().filter(unsure) {
        let address = NodeId::new(Kind::Service, outcome.service.to_string());
        let of_it = |it: &&mut Finding| it.address == address && FAILURES.contains(&it.code);
        for finding in findings.iter_mut().filter(of_it) {
            finding.severity = Severity::Warning;
            let live = "This depends on what is live, which `plan` looks at.";
            finding.help = Some(match &finding.help {
                Some(help) => format!("{help} {live}"),
                None => live.to_owned(),
            });
        }
    }
    findings
}

impl Subject<'_> {
    fn annotation(&self, key: &str) -> Option<&Spanned<String>> {
        self.service.annotation(&[PREFIX, key].concat())
    }

    /// Whether an annotation says true as the controller reads Private Link settings: trimmed, in any
    /// case (finding 17).
    fn says_true(&self, key: &str) -> bool {
        self.annotation(key).is_some_and(|value| value.trim().eq_ignore_ascii_case("true"))
    }

    fn is_local(&self) -> bool {
        let key = &self.outcome.service;
        let stored = self.prediction.services.get(key);
        stored.is_some_and(|service| service.external_traffic_policy == "Local")
    }

    /// The Private Link Service through which the Service was reached.
    fn link_before(&self) -> Option<&PrivateLinkService> {
        self.prediction.link_before(&self.outcome.service)
    }

    /// The Private Link Service through which the Service will be reached.
    fn link_after(&self) -> Option<&PrivateLinkService> {
        self.prediction.link_after(&self.outcome.service)
    }

    /// A finding placed at an annotation, or at the Service's name.
    fn finding(&self, code: Code, key: &str, message: String, help: &str) -> Finding {
        let span = self.annotation(key).map(|value| &value.span);
        self.finding_at(code, span.unwrap_or(&self.service.span), message, help)
    }

    /// A finding placed somewhere in the Service's manifest.
    fn finding_at(&self, code: Code, span: &Span, message: String, help: &str) -> Finding {
        Finding::new(
            code,
            NodeId::new(Kind::Service, self.service.name.to_string()),
            unknown::show(&message),
        )
        .help(unknown::show(help))
        .at(span)
    }
}

/// A Service that is internal now becomes public: only exactly `true` is internal (finding 17).
fn becomes_public(subject: &Subject<'_>) -> Option<Finding> {
    let internal = |service: Option<&std::sync::Arc<stored::Service>>| {
        service.map(|service| {
            service.annotations.get(keys::INTERNAL).map(String::as_str) == Some("true")
        })
    };
    let key = &subject.outcome.service;
    let was = internal(subject.prediction.live.get(key));
    let stored = subject.prediction.services.get(key);
    let is_balanced = stored.is_some_and(|service| service.wants_load_balancer());
    (is_balanced && was == Some(true) && internal(stored) == Some(false)).then(|| {
        subject.finding(
            BECOMES_PUBLIC,
            "azure-load-balancer-internal",
            "its load balancer is internal and will be public".to_owned(),
            "Keep azure-load-balancer-internal at exactly \"true\" unless the Internet is to reach it.",
        )
    })
}

/// The controller will change a subnet that it does not own, and never back (finding 13).
fn subnet_changed(subject: &Subject<'_>) -> Option<Finding> {
    let changed = |effect: &&outcome::Effect| effect.reason == outcome::Reason::PolicyEnabled;
    let effect = subject.outcome.effects.iter().find(changed)?;
    Some(subject.finding(
        SUBNET_CHANGED,
        "azure-pls-ip-configuration-subnet",
        format!(
            "the controller will set privateLinkServiceNetworkPolicies of subnet {} to Disabled, and never back",
            effect.id.name()
        ),
        "If Terraform or Bicep keeps that subnet, set the same there, or they will undo each other.",
    ))
}

rules! {
    /// The Service is internal now, and will be public: the controller takes only exactly `true` for
    /// internal.
    BECOMES_PUBLIC = "becomes-public", Error, [Desired, Live, Predicted], {
        basis: basis::recorded("only exactly \"true\" is internal (finding 17)", basis::link::INTERNAL),
        advice: "Write `\"true\"`, or accept it with `--accept becomes-public`.",
        example: Example::change(
            r#"service.beta.kubernetes.io/azure-load-balancer-internal: "true""#,
            r#"service.beta.kubernetes.io/azure-load-balancer-internal: "false""#,
            r#"service.beta.kubernetes.io/azure-load-balancer-internal: "true""#,
        ),
    }

    /// The controller sets `privateLinkServiceNetworkPolicies` of the Private Link Service's subnet to
    /// `Disabled` before it makes one, and never back. If Terraform, Bicep or a person owns that subnet,
    /// the change shows up there as drift.
    SUBNET_CHANGED = "subnet-changed", Note, [Desired, Live, Predicted], {
        basis: basis::recorded("the policy is set and never set back (finding 13)", basis::link::SUBNET),
        advice: "Set the same where the subnet is kept.",
        example: Example::new(
            At::Service,
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            service.beta.kubernetes.io/azure-pls-create: "true"
            "#,
            r#"service.beta.kubernetes.io/azure-load-balancer-internal: "true""#,
        ),
    }
}
