//! All that privlink writes to ARM, put to the model of Azure before it is planned: what Azure answers, the state
//! that a connection begins in, and Azure once all is done.
//!
//! The writes are tried one after the other on a copy of what is predicted, so that two documents which want
//! one address meet here and not at Azure.

use serde_json::{Value, json};

use crate::arm::allocator;
use crate::arm::azure::{Azure, Done};
use crate::arm::delegation;
use crate::arm::error::ArmError;
use crate::arm::private_endpoint::Directory;
use crate::arm::resource::{PrivateDnsZone, PrivateEndpoint};
use crate::arm::rules::Rules;
use crate::arm::world::World;
use crate::change::Action;
use crate::connection_status::ConnectionStatus;
use crate::diagnostic::Span;
use crate::join::{Endpoint, Join, Record};
use crate::node::dns_record::Entry;
use crate::node_id::NodeId;
use crate::plan::Finding;
use crate::prediction::Prediction;
use crate::resource_id::ResourceId;
use crate::rule::{At, Example, Severity, basis, rules};
use crate::snapshot::Reading;

/// What Azure answers a write.
pub(super) enum Answer {
    /// It takes it.
    Taken,
    /// It refuses it.
    Refused(ArmError),
    /// Nobody knows: what it depends on was not read, or nothing is written.
    Unknown,
}

impl From<Result<Done, ArmError>> for Answer {
    fn from(done: Result<Done, ArmError>) -> Self {
        done.map_or_else(Self::Refused, |_| Self::Taken)
    }
}

/// The writes so far, on a copy of what is predicted. Nothing is copied before the first.
pub struct Trial<'a> {
    prediction: &'a Prediction,
    tried: Option<(World, allocator::Unknowns)>,
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
    pub fn new(prediction: &'a Prediction) -> Self {
        Self { prediction, tried: None }
    }

    /// Azure once all is done; nothing if nothing was written.
    pub(crate) fn into_world(self) -> Option<World> {
        self.tried.map(|(world, _)| world)
    }

    fn azure<T>(&mut self, act: impl FnOnce(&mut Azure<'_>) -> T) -> T {
        let (world, allocator) = self.tried.get_or_insert_with(|| self.prediction.hand_over());
        let mut faults = Vec::new();
        act(&mut Azure::new(world, Rules::Azure, allocator, &mut faults))
    }

    /// Azure once all is done, as far as it was tried.
    pub(crate) fn world(&self) -> &World {
        self.tried.as_ref().map_or(&self.prediction.after, |(world, _)| world)
    }

    /// Deletes an endpoint, a zone group or a record.
    pub(super) fn delete(&mut self, id: &ResourceId) -> Answer {
        self.azure(|azure| match id.collection().unwrap_or_default().name() {
            "privateDnsZoneGroups" => azure.delete_zone_group(id),
            "privateEndpoints" => azure.delete_private_endpoint(id, None),
            _ => azure.delete_private_dns(id, None),
        })
        .into()
    }

    /// Writes an endpoint.
    pub(super) fn put_endpoint(
        &mut self,
        endpoint: &Endpoint<'_>,
        action: Action,
        body: &PrivateEndpoint,
    ) -> Answer {
        let id = &endpoint.id;
        let is_new = matches!(action, Action::Create | Action::Replace);
        if let Some(subnet) = self.world().subnets.get(&endpoint.subnet.key())
            && is_new
            && let Err(refused) = delegation::check_endpoint(id, subnet)
        {
            // Whatever it reaches, which may not have been read.
            return Answer::Refused(refused);
        }
        let is_known = endpoint.reached.as_ref().is_some_and(|reached| reached.link.is_some())
            || endpoint.reaches_nothing();
        let is_seen = is_known && is_shown(&self.prediction.after, &endpoint.subnet);
        if !is_seen {
            return Answer::Unknown;
        }
        self.azure(|azure| {
            if action == Action::Replace {
                azure.delete_private_endpoint(id, None)?;
            }
            azure.put_private_endpoint(id, body, None, &Trusted)
        })
        .into()
    }

    /// The state that an endpoint's connection has after the writes so far.
    pub(super) fn status(&self, endpoint: &ResourceId) -> Option<ConnectionStatus> {
        let live = self.world().private_endpoints.get(&endpoint.key())?;
        live.connection().map(|(connection, _)| connection.status().into())
    }

    /// Writes what keeps an endpoint's name.
    pub(super) fn put_name(&mut self, join: &Join<'_>, record: &Record<'_>) -> Answer {
        let id = &record.id;
        match &record.wanted {
            Entry::Group(group) => {
                let zones = group.properties.private_dns_zone_configs.iter().flatten();
                let mut zones = zones.map(|config| ResourceId::new(config.zone()));
                let endpoint = id.parent().unwrap_or_default();
                if !self.world().holds(&endpoint) || !zones.all(|zone| self.world().holds(&zone)) {
                    return Answer::Unknown;
                }
                self.azure(|azure| azure.put_zone_group(id, group, None)).into()
            }
            Entry::Record(record) => {
                let collection = id.collection().unwrap_or_default().key();
                let list = join.input.live.list(&collection);
                if !matches!(list, Some(Reading::Present(_))) {
                    return Answer::Unknown;
                }
                let body = serde_json::to_value(record).unwrap_or_default();
                let zone = id.parent().unwrap_or_default();
                self.azure(|azure| {
                    // Its records were read, so it is there.
                    let is_seen = azure.world.holds(&zone);
                    if !is_seen {
                        let stands_in = PrivateDnsZone::default();
                        azure.world.private_dns_zones.insert(zone.key(), stands_in.into());
                    }
                    let done = azure.put_private_dns(id, &body, None, false);
                    if !is_seen {
                        azure.world.remove(&zone);
                    }
                    done
                })
                .into()
            }
        }
    }

    /// Approves or rejects a connection on its provider's side.
    pub(super) fn decide(
        &mut self,
        link: &str,
        endpoint: &ResourceId,
        status: &ConnectionStatus,
    ) -> Answer {
        let link = self.world().private_link_services.get(&link.to_lowercase());
        let connections = link.and_then(|it| it.properties.private_endpoint_connections.as_ref());
        let mut connections = connections.into_iter().flatten();
        let connection = connections.find(|connection| {
            let of = connection.properties.private_endpoint.as_ref();
            of.is_some_and(|of| of.id().eq_ignore_ascii_case(endpoint.as_str()))
        });
        let Some(id) = connection.map(|connection| ResourceId::new(connection.id())) else {
            return Answer::Unknown;
        };
        let body: Value =
            json!({"properties": {"privateLinkServiceConnectionState": {"status": status}}});
        self.azure(|azure| azure.put_endpoint_connection(&id, &body, None)).into()
    }
}

/// Whether a subnet was read, with the region of its network.
fn is_shown(world: &World, subnet: &ResourceId) -> bool {
    let network = subnet.parent().unwrap_or_default();
    let network = world.virtual_networks.get(&network.key());
    network.is_some_and(|network| network.location.is_some())
        && world.subnets.contains_key(&subnet.key())
}

/// What is found where Azure refuses a write; nothing if the cause is reported already.
pub(super) fn refused(
    (at, place): (&NodeId, Option<&Span>),
    error: &ArmError,
    found: &[Finding],
) -> Option<Finding> {
    let is_told = |it: &Finding| it.address == *at && it.severity == Severity::Error;
    if found.iter().any(is_told) {
        return None;
    }
    let (code, message) = error.reason();
    let message = format!("Azure will refuse it: {code}: {}", message.trim_end_matches('.'));
    let help = "Change what Azure refuses; nothing was written yet.";
    let place = place.map(|place| place.place().to_string());
    Some(Finding::new(ENDPOINT_REFUSED, at.clone(), message).help(help).placed(place))
}

rules! {
    /// Azure will refuse what is to be written: a private endpoint whose address is another one's, whose subnet is
    /// delegated, or whose connection is asked for in a way that Azure does not take, a record that leads to no IPv4 address, a decision on a connection
    /// that it does not take. Each write is put to the model of Azure that the sandbox runs, in the order of the plan.
    ENDPOINT_REFUSED = "endpoint-refused", Error, [Desired, Live, Predicted], {
        basis: basis::ENDPOINT,
        advice: "Change what the message names: the `address`, the subnet or the connection of the document.",
        example: Example::new(At::Endpoint, "address: 10.1.0.1", "address: 10.1.0.20"),
    }
}
