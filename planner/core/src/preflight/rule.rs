//! Registrations, regions and tenants.
//!
//! A private endpoint is in its virtual network's region, a Private Link Service in its load
//! balancer's and so in the cluster network's; the two may be apart (learn.microsoft.com, "What is a
//! private endpoint?"). An endpoint that asks for automatic approval across tenants is refused with
//! `LinkedAuthorizationFailed`.

use crate::desired::{Approval, Target};
use crate::input::Named;
use crate::preflight::check::{check, text};
use crate::snapshot::{Observation, Reading};

use super::{Answers, Area, Check, Needs, Subject, Verdict};

/// Whether `Microsoft.Network` is registered where it is used.
pub(super) fn registrations(needs: &Needs, answers: &Answers, checks: &mut Vec<Check>) {
    for subscription in &needs.registered {
        let (verdict, found) = match answers.registrations.get(subscription) {
            Some(Reading::Present(state)) if state.eq_ignore_ascii_case("Registered") => {
                (Verdict::Met, state.clone())
            }
            Some(Reading::Present(state)) => (Verdict::Missing, format!("it is {state}")),
            Some(Reading::Absent) => (Verdict::Missing, "the subscription is not there".to_owned()),
            Some(Reading::Unreadable(why)) => (Verdict::Unknown, why.clone()),
            None => (Verdict::Unknown, "it was not asked for".to_owned()),
        };
        checks.push(
            check(
                Area::Provider,
                format!("/subscriptions/{subscription}"),
                "Microsoft.Network is registered",
                verdict,
                found,
            )
            .or("Register it: az provider register --namespace Microsoft.Network"),
        );
    }
}

/// Whether endpoints are in their network's region, and the cluster's network in the cluster's.
pub(super) fn regions(subject: &Subject<'_>, checks: &mut Vec<Check>) {
    let input = subject.input;
    let mut of = |what: String, network: &crate::resource_id::ResourceId, wanted: &str| {
        let required = format!("is in its virtual network's region ({wanted} wanted)");
        let (verdict, found) = match input.live.resource(network) {
            Observation::Present(live) => {
                let location = text(live, "/location").unwrap_or_default();
                let same = normal(location) == normal(wanted);
                let verdict = if same { Verdict::Met } else { Verdict::Missing };
                (verdict, format!("{} is in {location}", network.name()))
            }
            Observation::Absent => (Verdict::Missing, format!("{network} is not there")),
            Observation::Unreadable(why) => (Verdict::Unknown, why.to_owned()),
            Observation::NotObserved => (Verdict::Unknown, "it was not asked for".to_owned()),
        };
        checks.push(
            check(Area::Region, what, required, verdict, found)
                .or("Leave `location` out, or name a virtual network of that region."),
        );
    };
    for endpoint in input.endpoints() {
        let Some(location) = &endpoint.wanted.location else { continue };
        let Some(network) = endpoint.subnet().parent() else { continue };
        of(endpoint.at.to_string(), &network, location);
    }
    if input.wanted.has_services() && !input.facts.virtual_network.is_empty() {
        let network = input.facts.virtual_network_id();
        of("the cluster".to_owned(), &network, &input.facts.location);
    }
}

/// A region's name as it is compared: `East US` is `eastus`.
fn normal(region: &str) -> String {
    region.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_lowercase()
}

/// Whether endpoints that want to be approved at once are in the tenant of what they reach.
pub(super) fn tenants(subject: &Subject<'_>, answers: &Answers, checks: &mut Vec<Check>) {
    let input = subject.input;
    for Named { at, id, wanted } in input.endpoints() {
        if wanted.approval != Approval::Automatic {
            continue;
        }
        let own = id.subscription().unwrap_or_default().to_lowercase();
        let other = match &wanted.target {
            Target::Id(id) => id.subscription().unwrap_or_default().to_lowercase(),
            Target::Service(_) => input.facts.subscription.to_lowercase(),
            Target::Alias(_) => continue,
        };
        let (verdict, found) = if own == other {
            (Verdict::Met, "both are in one subscription".to_owned())
        } else {
            match (answers.tenants.get(&own), answers.tenants.get(&other)) {
                (Some(Reading::Present(own)), Some(Reading::Present(other))) => {
                    let same = own.eq_ignore_ascii_case(other);
                    let verdict = if same { Verdict::Met } else { Verdict::Missing };
                    (verdict, format!("the endpoint is in {own}, what it reaches in {other}"))
                }
                _ => (Verdict::Unknown, "a subscription's tenant could not be read".to_owned()),
            }
        };
        checks.push(
            check(
                Area::Tenant,
                at.to_string(),
                "one tenant, for approval: Automatic",
                verdict,
                found,
            )
            .or("Across tenants an endpoint asks: set approval: Manual, and have it approved."),
        );
    }
}
