//! What the rules over what is live find, as differences.

use std::collections::BTreeMap;

use crate::address::Address;
use crate::arm::world::World;
use crate::health::{self, Join};
use crate::input::Input;
use crate::rule;

use super::class::Class;
use super::endpoint::as_it_is;
use super::gathered::{Gathered, difference};
use super::report::{By, Cause};

/// Says what the rules find.
pub(super) fn compare(
    input: &Input<'_>,
    world: &World,
    own: &BTreeMap<String, Address>,
    gathered: &mut Gathered,
) {
    let prediction = as_it_is(input, world);
    for finding in health::find(&Join { input, prediction: &prediction, own }) {
        let (class, by) = match finding.code {
            rule::STRANGER_APPROVED => (Class::Foreign, By::Consumer),
            rule::CONNECTION_UNKNOWN => (Class::Disconnected, By::Provider),
            rule::CLEANUP_LOST | rule::EXTERNAL_ADDRESSES | rule::NO_READY_NODE => {
                (Class::Unhealthy, By::SomebodyInKubernetes)
            }
            _ => (Class::Unhealthy, By::AzureOrSomebodyInIt),
        };
        let mut found = difference(class, &finding.address, None, finding.message, Cause::by(by));
        found.repair = finding.help;
        gathered.push(found);
    }
}
