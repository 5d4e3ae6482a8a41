//! What the rules over what is live find, as differences.

use crate::code::Code;
use crate::health;
use crate::join::Join;

use super::class::Class;
use super::gathered::{Gathered, difference};
use super::report::{By, Cause};

/// Says what the rules find.
pub(super) fn compare(join: &Join<'_>, gathered: &mut Gathered) {
    for finding in health::find(join) {
        let (class, by) = match finding.code {
            Code::StrangerApproved => (Class::Foreign, By::Consumer),
            Code::ConnectionUnknown => (Class::Disconnected, By::Provider),
            Code::CleanupLost | Code::ExternalAddresses | Code::NoReadyNode => {
                (Class::Unhealthy, By::SomebodyInKubernetes)
            }
            _ => (Class::Unhealthy, By::AzureOrSomebodyInIt),
        };
        let mut found = difference(class, &finding.address, None, finding.message, Cause::by(by));
        found.repair = finding.help;
        gathered.push(found);
    }
}
