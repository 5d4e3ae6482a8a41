//! Each write of an endpoint put to the model of Azure before it is planned: what Azure answers, and the state
//! that the connection begins in.
//!
//! The writes are tried one after the other on a copy of what is predicted, so that two documents which want
//! one address meet here and not at Azure.

use serde_json::Value;

use crate::arm::azure::{Azure, parse};
use crate::arm::error::ArmError;
use crate::arm::hand;
use crate::arm::private_endpoint::Directory;
use crate::arm::rules::Rules;
use crate::arm::world::World;
use crate::change::Action;
use crate::join::{Endpoint, Join};
use crate::node::private_endpoint::live_connection;
use crate::plan::Finding;
use crate::resource_id::ResourceId;
use crate::rule::{At, Example, Severity, basis, rules};

/// What Azure answers a write.
pub(super) enum Answer {
    /// It takes it; the connection then has this state.
    Taken(String),
    /// It refuses it.
    Refused(ArmError),
    /// Nobody knows: the Private Link Service or the subnet was not read, or nothing is written.
    Unknown,
}

/// The writes of endpoints so far, on a copy of what is predicted.
pub(super) struct Trial<'a> {
    join: &'a Join<'a>,
    tried: Option<(World, hand::Marks)>,
}

/// A caller with all rights, in one tenant: what it may in fact is not for a plan to say, but for a preflight.
struct Trusted;

impl Directory for Trusted {
    fn tenant_of(&self, _subscription: &str) -> Option<String> {
        Some(String::new())
    }

    fn may_read(&self, _service: &ResourceId) -> bool {
        true
    }

    fn may_approve(&self, _service: &ResourceId) -> bool {
        true
    }
}

impl<'a> Trial<'a> {
    /// Nothing is written yet.
    pub(super) fn new(join: &'a Join<'a>) -> Self {
        Self { join, tried: None }
    }

    /// Writes an endpoint.
    pub(super) fn write(
        &mut self,
        endpoint: &Endpoint<'_>,
        action: Action,
        body: &Value,
    ) -> Answer {
        let prediction = self.join.prediction;
        let is_seen = endpoint.reached.as_ref().is_some_and(|reached| reached.link.is_some())
            && is_shown(&prediction.after, &endpoint.subnet);
        if !is_seen {
            return Answer::Unknown;
        }
        let (world, hand) = self.tried.get_or_insert_with(|| prediction.hand_over());
        let mut faults = Vec::new();
        let mut azure = Azure::new(world, Rules::Azure, hand, &mut faults);
        let id = &endpoint.id;
        let replaced = match action {
            Action::Replace => azure.delete_private_endpoint(id, None).map(|_| ()),
            _ => Ok(()),
        };
        let written = replaced
            .and_then(|()| azure.put_private_endpoint(id, &parse(body.clone())?, None, &Trusted));
        match written {
            Ok(_) => {
                let live = azure.world.get(id).as_ref().and_then(live_connection);
                live.map_or(Answer::Unknown, |connection| Answer::Taken(connection.status))
            }
            Err(error) => Answer::Refused(error),
        }
    }
}

/// Whether a subnet was read, with the region of its network.
fn is_shown(world: &World, subnet: &ResourceId) -> bool {
    let network = subnet.parent().unwrap_or_default();
    let network = world.virtual_networks.get(&network.key());
    network.is_some_and(|network| network.location.is_some())
        && world.subnets.contains_key(&subnet.key())
}

/// What is found where Azure refuses the write of an endpoint; nothing if it is told already why.
pub(super) fn refused(
    endpoint: &Endpoint<'_>,
    error: &ArmError,
    found: &[Finding],
) -> Option<Finding> {
    let is_told = |it: &Finding| it.address == endpoint.at && it.severity == Severity::Error;
    if found.iter().any(is_told) {
        return None;
    }
    let found = |message: String| Finding::new(ENDPOINT_REFUSED, endpoint.at.clone(), message);
    let ArmError { code, message, .. } = error;
    let message = format!("Azure will refuse it: {code}: {}", message.trim_end_matches('.'));
    let help = "Change what Azure refuses; nothing was written yet.";
    let wanted = endpoint.wanted;
    let place = wanted.address.as_ref().map_or(&wanted.name.span, |address| &address.span);
    Some(found(message).help(help).at(place))
}

rules! {
    /// Azure will refuse the private endpoint as it would be written: its address is another one's, or its connection is
    /// asked for in a way that Azure does not take. Each write is put to the model
    /// of Azure that the sandbox runs, in the order of the plan.
    ENDPOINT_REFUSED = "endpoint-refused", Error, [Desired, Live, Predicted], {
        basis: basis::ENDPOINT,
        advice: "Change what the message names: the `address` or the connection of the document.",
        example: Example::new(At::Endpoint, "address: 10.1.0.1", "address: 10.1.0.20"),
    }
}
