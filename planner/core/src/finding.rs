//! Findings: what a prediction shows that a reader should know before it happens.

use crate::address::{Address, Kind};
use crate::change::Action;
use crate::code::Code;
use crate::controller::outcome::{self, Outcome};
use crate::desired::{NamespacedName, Service};
use crate::diagnostic::Spanned;
use crate::diff::Input;
use crate::plan::Finding;
use crate::prediction::Prediction;

/// The prefix of the controller's annotations.
const PREFIX: &str = "service.beta.kubernetes.io/";

/// One Service with what is predicted of it.
struct Subject<'a> {
    input: &'a Input<'a>,
    prediction: &'a Prediction,
    service: &'a Service,
    outcome: &'a Outcome,
}

/// All findings of a prediction.
pub fn find(input: &Input<'_>, prediction: &Prediction) -> Vec<Finding> {
    let mut findings = Vec::new();
    for outcome in &prediction.outcomes {
        let name = NamespacedName::new(&outcome.service.namespace, &outcome.service.name);
        let Some(service) = input.desired.services.get(&name) else { continue };
        let subject = Subject { input, prediction, service, outcome };
        let checks = [check_error, check_public, check_link_left, check_subnet];
        findings.extend(checks.iter().filter_map(|check| check(&subject)));
    }
    findings
}

impl Subject<'_> {
    fn address(&self) -> Address {
        Address::new(Kind::Service, self.service.name.to_string())
    }

    fn annotation(&self, key: &str) -> Option<&Spanned<String>> {
        self.service.annotation(&format!("{PREFIX}{key}"))
    }

    fn finding(&self, code: Code, key: &str, message: String, help: &str) -> Finding {
        let place = self.annotation(key).map(|value| value.span.place().to_string());
        let place = place.unwrap_or_else(|| self.service.span.place().to_string());
        Finding {
            code,
            severity: code.severity(),
            address: self.address(),
            message,
            help: Some(help.to_owned()),
            place: Some(place),
        }
    }
}

/// The controller will report an error (table of errors of the controller's reference).
fn check_error(subject: &Subject<'_>) -> Option<Finding> {
    let error = subject.outcome.error.as_ref()?;
    let wrote = subject.outcome.writes.iter().any(|write| write.answer.is_ok());
    let partial = if wrote {
        ", after part of it was written: the load balancer will be there, the rest not, and the Service gets no address"
    } else {
        ", and write nothing"
    };
    Some(subject.finding(
        Code::ControllerFails,
        "azure-pls-create",
        format!("the controller will fail{partial}: {error}"),
        "Correct what the controller's message names; it tries again by itself.",
    ))
}

/// A Service that is internal now becomes public.
fn check_public(subject: &Subject<'_>) -> Option<Finding> {
    let internal = |object: Option<&std::sync::Arc<crate::kubernetes::service::Service>>| {
        object.map(|service| {
            service
                .annotations
                .get(&format!("{PREFIX}azure-load-balancer-internal"))
                .map(String::as_str)
                == Some("true")
        })
    };
    let key = &subject.outcome.service;
    let was = internal(subject.prediction.live.get(key));
    let is = internal(subject.prediction.services.get(key));
    (was == Some(true) && is == Some(false)).then(|| {
        subject.finding(
            Code::BecomesPublic,
            "azure-load-balancer-internal",
            "its load balancer is internal and will be public".to_owned(),
            "Keep azure-load-balancer-internal at exactly \"true\" unless the Internet is to reach it.",
        )
    })
}

/// `azure-pls-create` went, and the Private Link Service stays (recordings 201, 202).
fn check_link_left(subject: &Subject<'_>) -> Option<Finding> {
    let wants = |value: &str| value.trim().eq_ignore_ascii_case("true");
    if subject.annotation("azure-pls-create").is_some_and(|value| wants(value)) {
        return None;
    }
    let key = &subject.outcome.service;
    let link =
        crate::diff::endpoint::link_of_service(&subject.prediction.after, subject.prediction, key)?;
    let tag = link.tags.as_ref()?.get("k8s-azure-owner-service")?;
    tag.eq_ignore_ascii_case(&key.to_string()).then(|| {
        subject.finding(
            Code::LinkStays,
            "azure-pls-create",
            format!("its Private Link Service {} stays although azure-pls-create is not \"true\"", link.name()),
            "Nothing deletes it while its frontend lives; to be rid of it, delete the Service or change its address.",
        )
    })
}

/// The controller will change a subnet that it does not own.
fn check_subnet(subject: &Subject<'_>) -> Option<Finding> {
    let effect = subject.outcome.effects.iter().find(|effect| {
        effect.action == outcome::Action::Updated
            && effect
                .id
                .parent()
                .is_some_and(|it| it.as_str().to_lowercase().contains("/virtualnetworks/"))
    })?;
    let _ = (Action::Update, subject.input);
    Some(subject.finding(
        Code::SubnetChanged,
        "azure-pls-ip-configuration-subnet",
        format!(
            "the controller will set privateLinkServiceNetworkPolicies of subnet {} to Disabled, and never back",
            effect.id.name()
        ),
        "If Terraform or Bicep keeps that subnet, set the same there, or they will undo each other.",
    ))
}
