//! Rules over what is live: states in which a stack does not serve, or serves somebody it should not, and
//! that no write of privlink or of the controller would change, so that they are neither a change of a plan
//! nor a difference of fields. A plan says them as findings, a look for drift as differences.

mod azure;
mod kubernetes;

use crate::address::Address;
use crate::code::Code;
use crate::join::Join;
use crate::plan::{Finding, Mode};

type Rule = fn(&Join<'_>, &mut Vec<Finding>);

/// The rules.
const RULES: [Rule; 8] = [
    azure::connection_unknown,
    azure::stranger_approved,
    azure::traffic_denied,
    azure::empty_pool,
    azure::record_lost,
    kubernetes::cleanup_lost,
    kubernetes::external_addresses,
    kubernetes::no_ready_node,
];

/// What the rules find, of what the plan or the look is about.
pub(crate) fn find(join: &Join<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    if join.input.options.mode == Mode::Apply {
        RULES.iter().for_each(|rule| rule(join, &mut findings));
    }
    findings
}

fn finding(code: Code, address: Address, message: String, help: &str) -> Finding {
    let help = Some(help.to_owned());
    Finding { code, severity: code.severity(), address, message, help, place: None }
}
