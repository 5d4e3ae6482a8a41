//! What the API server refuses of a Service, whatever the cluster.

use super::{Desired, Service};
use crate::diagnostic::{Diagnostic, Span};
use crate::document::place;
use crate::kubernetes::defaults::{self, Network, Unknowns};
use crate::kubernetes::validation::{self, Cause, Cluster, Taken};
use crate::rule::{At, Example, Severity, basis, rules};
use privlink_model::facts::Fact;
use privlink_model::kubernetes::validation::minor_version;

/// Reports what no cluster's API server would take, as far as it was not reported already. Node ports
/// and cluster IPs that two Services of the input want are refused to the second.
pub fn check(desired: &Desired, problems: &mut Vec<Diagnostic>) {
    let stack = desired.stack.as_ref();
    let version = stack.and_then(|stack| stack.facts.text(Fact::KnowsDisableNsgRule));
    let version = version.and_then(|version| minor_version(version.value));
    let families = ["IPv4", "IPv6"].map(str::to_owned);
    let network = Network { ip_families: families.to_vec() };
    let mut taken = Taken::default();
    for service in desired.services.values() {
        let object = defaults::create(service.manifest.clone(), &network, &mut Unknowns);
        let cluster = Cluster { families: &families, ranges: &[], taken: &taken };
        let mut causes = validation::allocated(&object, None, &cluster);
        for cause in validation::service(&object, version) {
            if !causes.contains(&cause) {
                causes.push(cause);
            }
        }
        for cause in &causes {
            report(service, cause, problems);
        }
        taken.add(&object);
    }
}

fn report(service: &Service, cause: &Cause, problems: &mut Vec<Diagnostic>) {
    let place = locate(&service.span, cause);
    let is_error = |it: &&Diagnostic| it.severity == Severity::Error;
    let said = problems.iter().filter(is_error).filter_map(|it| it.labels.first());
    let is_said = |span: &Span| place.as_ref().is_some_and(|place| place.holds(span));
    if said.map(|label| &label.span).any(is_said) {
        return;
    }
    let span = place.map_or_else(|| service.span.clone(), |place| place.span);
    problems.push(Diagnostic::new(SERVICE_INVALID, message(cause)).at(&span, "").help(help(cause)));
}

/// The place in the input of what the API server refuses of an object whose name is at `name`.
pub fn locate(name: &Span, cause: &Cause) -> Option<place::Place> {
    let quoted = cause.message.split_once("value: ").map(|(_, rest)| rest);
    let value = quoted.and_then(|rest| {
        serde_json::Deserializer::from_str(rest).into_iter::<String>().next()?.ok()
    });
    let found = place::place(name, &cause.field, value.as_deref())?;
    // The API server speaks of the list, where people write its first member.
    let alone = cause.field.starts_with("spec.clusterIPs") && !found.is_exact;
    let one = alone.then(|| place::place(name, "spec.clusterIP", None)).flatten();
    Some(one.filter(|it| it.is_exact).unwrap_or(found))
}

/// The refusal in the API server's words.
pub fn message(cause: &Cause) -> String {
    format!("the API server refuses it: {}: {}", cause.field, cause.message)
}

/// What to do.
pub fn help(cause: &Cause) -> &'static str {
    if cause.message.ends_with("on this cluster") || cause.message.ends_with("dual-stack services")
    {
        return "leave the family or policy out, or give the cluster both families: az aks update --resource-group GROUP --name CLUSTER --ip-families IPv4,IPv6";
    }
    match cause.reason {
        "FieldValueRequired" => "add it",
        "FieldValueForbidden" => "remove it",
        "FieldValueDuplicate" => "give each a value of its own",
        "FieldValueNotSupported" => "write one of these values",
        _ => "correct it as the message says",
    }
}

rules! {
    /// The API server would refuse a Service, in its own words: the rules of Kubernetes' `ValidateService`
    /// and `ValidateServiceUpdate`, and of its allocators. `validate` checks what holds on every cluster; a
    /// plan also what depends on the cluster (families, node ports and addresses that are taken) and on the
    /// live Service (what may not change), and asks the API server itself by a dry run, where the identity
    /// may. Server-side apply merges ports by number and protocol, so a port that somebody added to the
    /// live Service stays beside those of the manifest.
    SERVICE_INVALID = "service-invalid", Error, [Desired], {
        basis: basis::API_SERVER,
        advice: "Correct what the message names. A port that another manager set must be removed from the \
            live Service first.",
        example: Example::new(
            At::Service,
            "ports: [{name: Web_Port, port: 80}]",
            "ports: [{name: web-port, port: 80}]",
        ),
    }
}
