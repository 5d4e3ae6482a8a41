//! Rules over what is live: states in which a stack does not serve, or serves somebody it should not, and
//! that no write of privlink or of the controller would change, so that they are neither a change of a plan
//! nor a difference of fields. A plan says them as findings, a look for drift as differences.

pub(crate) mod azure;
pub(crate) mod kubernetes;

use crate::address::Address;
use crate::join::Join;
use crate::plan::{Finding, Mode};
use crate::rule::Code;

/// Adds what it finds.
type Check = fn(&Join<'_>, &mut Vec<Finding>);

/// What the rules find, of what the plan or the look is about.
pub(crate) fn find(join: &Join<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    if join.input.options.mode == Mode::Apply {
        let checks = [azure::CHECKS, kubernetes::CHECKS].into_iter().flatten();
        checks.for_each(|check| check(join, &mut findings));
    }
    findings
}

fn finding(code: Code, address: Address, message: String, help: &str) -> Finding {
    Finding::new(code, address, message).help(help)
}
