//! What the rules over what is live find, as differences.
use crate::health;
use crate::join::Join;
use crate::rule;

use super::Class;
use super::gathered::{Gathered, difference};
use super::repair::Repair;
use super::report::{By, Cause, Difference};

/// Says what the rules find.
pub(super) fn compare(join: &Join<'_>, gathered: &mut Gathered) {
    // What could not be read is reported as such, list by list.
    for finding in health::find(join).into_iter().filter(|it| it.code != rule::UNCHECKED) {
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
            rule::STRANGER_APPROVED => (Class::Foreign, By::Consumer),
            rule::CONNECTION_UNKNOWN => (Class::Disconnected, By::Provider),
            rule::CLEANUP_LOST
            | rule::EXTERNAL_ADDRESSES
            | rule::NAMESPACE_MISSING
            | rule::NAMESPACE_TERMINATING
            | rule::NO_READY_NODE => (Class::Unhealthy, By::SomebodyInKubernetes),
            _ => (Class::Unhealthy, By::AzureOrSomebodyInIt),
        };
        let mut found = difference(class, &finding.address, None, finding.message, Cause::by(by));
        found.repair = finding.help.map(Repair::advice);
        gathered.push(found);
    }
}
