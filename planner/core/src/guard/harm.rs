//! Whom a write disconnects, and by what.

use crate::change::{Change, Effect};
use crate::controller::outcome::Reason;
use crate::kubernetes::service::Key;
use crate::node_id::Kind;
use crate::planned::Planned;
use crate::resource_id::ResourceId;

/// A Private Link Service that is deleted, with those who are connected to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Harm {
    /// Its name in Azure.
    pub link: String,
    /// The endpoints that are disconnected, by name.
    pub consumers: Vec<String>,
    /// Why it is deleted.
    pub cause: Cause,
}

/// Why a Private Link Service is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Its Service is deleted.
    Deleted,
    /// Its Service is no load balancer any more.
    NoLoadBalancer,
    /// What the controller does to its frontend or to itself.
    Sync(Reason),
    /// Nothing that the prediction names.
    Unnamed,
}

impl Cause {
    /// In a few words that follow a colon.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deleted => "its Service is deleted",
            Self::NoLoadBalancer => "its Service is no longer of type LoadBalancer",
            Self::Sync(Reason::AddressChanged) => "its address changes",
            Self::Sync(Reason::SubnetChanged) => "its subnet changes",
            Self::Sync(Reason::NameChanged) => "its frontend gets another name",
            Self::Sync(Reason::PublicIpChanged) => "its public IP address changes",
            Self::Sync(Reason::LoadBalancerChanged) => {
                "its Service moves between internal and public"
            }
            Self::Sync(Reason::TakenOver) => "another frontend takes it over",
            Self::Sync(Reason::Failed) => "its provisioning had failed",
            Self::Sync(Reason::FrontendWent | Reason::Unwanted) => "its frontend is deleted",
            Self::Sync(Reason::Wanted | Reason::Differs | Reason::PolicyEnabled)
            | Self::Unnamed => "it is re-created",
        }
    }
}

/// All that a plan disconnects.
pub(super) fn of(key: &Key, planned: &Planned) -> Vec<Harm> {
    let harm = |change: &Change| {
        let Effect::ConsumersDisconnected(consumers) = &change.effect else { return None };
        let link = change.object.as_deref().unwrap_or(change.address.name.as_str());
        let name = |endpoint: &str| ResourceId::new(endpoint).name().to_owned();
        Some(Harm {
            link: ResourceId::new(link).name().to_owned(),
            consumers: consumers.iter().map(|it| name(&it.endpoint)).collect(),
            cause: cause(key, planned),
        })
    };
    let links =
        planned.plan.changes.iter().filter(|it| it.address.kind == Kind::PrivateLinkService);
    links.filter_map(harm).collect()
}

/// What the write does that makes a Private Link Service go: what happens to the Service first, then the reason of
/// the controller that says most.
fn cause(key: &Key, planned: &Planned) -> Cause {
    let after = planned.prediction.services.get(key);
    match after {
        None => return Cause::Deleted,
        Some(service) if !service.wants_load_balancer() => return Cause::NoLoadBalancer,
        Some(_) => {}
    }
    let Some(outcome) = planned.prediction.outcome(key) else { return Cause::Unnamed };
    let reasons = || outcome.effects.iter().map(|effect| effect.reason);
    let says_most = |reason: &Reason| {
        !matches!(
            reason,
            Reason::Wanted
                | Reason::Unwanted
                | Reason::Differs
                | Reason::PolicyEnabled
                | Reason::FrontendWent
        )
    };
    let went = |reason: &Reason| matches!(reason, Reason::FrontendWent | Reason::Unwanted);
    let found = reasons().find(says_most).or_else(|| reasons().find(went));
    found.map_or(Cause::Unnamed, Cause::Sync)
}
