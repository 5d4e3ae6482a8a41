//! What the rules over what is live find, as differences.
use crate::health;
use crate::join::Join;
use crate::rule;

use super::class::Class;
use super::gathered::{Gathered, difference};
use super::repair::Repair;
use super::report::{By, Cause};

/// Says what the rules find.
pub(super) fn compare(join: &Join<'_>, gathered: &mut Gathered) {
    for finding in health::find(join) {
        let (class, by) = match finding.code {
            rule::STRANGER_APPROVED => (Class::Foreign, By::Consumer),
            rule::CONNECTION_UNKNOWN => (Class::Disconnected, By::Provider),
            rule::CLEANUP_LOST | rule::EXTERNAL_ADDRESSES | rule::NO_READY_NODE => {
                (Class::Unhealthy, By::SomebodyInKubernetes)
            }
            _ => (Class::Unhealthy, By::AzureOrSomebodyInIt),
        };
        let mut found = difference(class, &finding.address, None, finding.message, Cause::by(by));
        found.repair = finding.help.map(Repair::advice);
        gathered.push(found);
    }
}
