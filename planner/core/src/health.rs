//! Rules over what is live: states in which a stack does not serve, or serves somebody it should not, and
//! that no write of privlink or of the controller would change, so that they are neither a change of a plan
//! nor a difference of fields. A plan says them as findings, a look for drift as differences.

pub(crate) mod azure;
pub(crate) mod failed;
pub(crate) mod kubernetes;
pub(crate) mod namespace;
pub(crate) mod zone;

use crate::join::Join;
use crate::node_id::NodeId;
use crate::plan::{Finding, Mode};
use crate::rule::{Code, Example, basis, rules};

/// Adds what it finds.
pub(crate) type Check = fn(&Join<'_>, &mut Vec<Finding>);

/// What the rules find, of what the plan or the look is about.
pub(crate) fn find(join: &Join<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    if join.input.options.mode == Mode::Apply {
        let checks =
            [azure::CHECKS, failed::CHECKS, kubernetes::CHECKS, namespace::CHECKS, zone::CHECKS];
        checks.into_iter().flatten().for_each(|check| check(join, &mut findings));
    }
    findings
}

fn finding(code: Code, address: NodeId, message: String, help: &str) -> Finding {
    Finding::new(code, address, message).help(help)
}

rules! {
    /// What a rule over what is live looks at could not be read, and no plan rests on it: the rule says
    /// nothing, which is no sign that all is well.
    UNCHECKED = "unchecked", Note, [Desired, Live], {
        basis: basis::own("what could not be read is not taken for fine", basis::link::ROLES),
        advice: "Give the identity the right that is named; `privlink preflight --role azure` and \
            `--role kubernetes` print all that are needed.",
        example: Example::live("dns: {record: {zone: privatelink.contoso.com, name: web}}   # planned by an identity that may not read the zone's links"),
    }
}
