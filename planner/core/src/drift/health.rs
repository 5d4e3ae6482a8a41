//! What the rules over what is live find, as differences.

use crate::health;
use crate::join::Join;
use crate::lint;
use crate::node::service::address;
use crate::prediction::Prediction;
use crate::rule::{self, Code};

use super::Class;
use super::gathered::{Gathered, difference};
use super::repair::{self, Repair};
use super::report::{By, Cause, Difference, Heals};

/// Rules over what is predicted that speak of what is live as well: what they find, no sync and no apply mends.
const OF_WHAT_IS_LIVE: [Code; 3] =
    [rule::NAT_ADDRESSES_SHUT_OUT, rule::PROBES_DENIED, rule::LINK_WITHOUT_FRONTEND];

/// Says what the rules find: over what is live as it is, and over what a sync of every live Service leaves.
pub(super) fn compare(join: &Join<'_>, synced: Option<&Prediction>, gathered: &mut Gathered) {
    let of_syncs = synced.map(|it| lint::find(join.input.wanted, join.input.facts, it));
    let of_syncs = of_syncs.into_iter().flatten();
    let of_syncs = of_syncs.filter(|it| OF_WHAT_IS_LIVE.contains(&it.code));
    let messages = join.endpoints().iter().filter_map(|it| it.message_that_stays(&it.body()?));
    let found = health::find(join).into_iter().chain(of_syncs).chain(messages);
    // What could not be read is reported as such, list by list.
    for finding in found.filter(|it| it.code != rule::UNCHECKED) {
        let (class, by) = match finding.code {
            rule::RESOURCE_FAILED => {
                // What hangs on a Service was looked at with what the controller makes of it.
                let is_it = |it: &Difference| {
                    it.class == Class::ProvisioningFailed && it.address == finding.address
                };
                if gathered.differences.iter().any(is_it) {
                    continue;
                }
                (Class::ProvisioningFailed, By::AzureOrSomebodyInIt)
            }
            // Said with what the controller makes of the Service.
            rule::CONTROLLER_FAILING => continue,
            rule::STRANGER_APPROVED => (Class::Foreign, By::Consumer),
            rule::MESSAGE_STAYS => (Class::NotApplied, By::DesiredState),
            rule::CONNECTION_UNKNOWN => (Class::Disconnected, By::Provider),
            rule::CLEANUP_LOST
            | rule::EXTERNAL_ADDRESSES
            | rule::NAMESPACE_MISSING
            | rule::NAMESPACE_TERMINATING
            | rule::NO_READY_NODE
            | rule::SERVICE_DELETING => (Class::Unhealthy, By::SomebodyInKubernetes),
            _ => (Class::Unhealthy, By::AzureOrSomebodyInIt),
        };
        let mut found = difference(class, &finding.address, None, finding.message, Cause::by(by));
        found.repair = finding.help.map(Repair::advice);
        if finding.code == rule::CLEANUP_LOST {
            // Its next sync puts the finalizer back, and nothing else triggers one.
            let mut services = join.input.wanted.keys();
            let service = services.find(|key| address(key) == found.address);
            (found.heals, found.repair) = (Heals::NextSync, service.map(repair::nudge));
        }
        gathered.push(found);
    }
}
