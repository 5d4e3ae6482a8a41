//! All rules: those of the input, and those that have to see what is live, predicted or planned.

use serde::Deserialize;

pub use privlink_input::rule::*;

pub use crate::by_hand::SET_BY_HAND;
pub use crate::diff::rules::*;
pub use crate::health::UNCHECKED;
pub use crate::health::azure::*;
pub use crate::health::failed::*;
pub use crate::health::kubernetes::*;
pub use crate::health::namespace::*;
pub use crate::health::zone::*;
pub use crate::join::body::MESSAGE_STAYS;
pub use crate::lint::BECOMES_PUBLIC;
pub use crate::lint::failure::*;
pub use crate::lint::gateway::{CONSUMERS_STAY, GATEWAY_LEFT};
pub use crate::lint::path::{NAT_ADDRESSES_SHUT_OUT, PROBES_DENIED};
pub use crate::lint::private_link::*;
pub use crate::safety::consent::*;
pub use crate::safety::*;

/// The rules of a plan, a preflight and a look for drift, in order of what they need to see.
const OVER_WORLDS: &[&[Rule]] = &[
    crate::lint::failure::RULES,
    crate::lint::RULES,
    crate::lint::private_link::RULES,
    crate::lint::nat::RULES,
    crate::lint::probe::RULES,
    crate::lint::app_protocol::RULES,
    crate::lint::path::RULES,
    crate::lint::restriction::RULES,
    crate::lint::cluster::RULES,
    crate::lint::gateway::RULES,
    crate::lint::endpoint::RULES,
    crate::lint::served::RULES,
    crate::lint::limit::RULES,
    crate::diff::rules::RULES,
    crate::diff::finish::RULES,
    crate::diff::trial::RULES,
    crate::join::body::RULES,
    crate::rehearsal::RULES,
    crate::by_hand::RULES,
    crate::health::azure::RULES,
    crate::health::failed::RULES,
    crate::health::kubernetes::RULES,
    crate::health::namespace::RULES,
    crate::health::zone::RULES,
    crate::health::RULES,
    crate::safety::RULES,
    crate::safety::consent::RULES,
    crate::drift::rules::RULES,
    crate::preflight::rules::RULES,
];

/// Every rule, in the order of the page that lists them.
pub fn all() -> impl Iterator<Item = &'static Rule> {
    INPUT.iter().chain(OVER_WORLDS).copied().flatten()
}

/// The rule of that code.
pub fn find(code: &str) -> Option<&'static Rule> {
    all().find(|rule| rule.code.as_str() == code)
}

/// Reads a code.
///
/// # Errors
///
/// There is no such code.
pub(crate) fn deserialize<'de, D: serde::Deserializer<'de>>(input: D) -> Result<Code, D::Error> {
    let text = <std::borrow::Cow<'de, str>>::deserialize(input)?;
    find(&text)
        .map(|rule| rule.code)
        .ok_or_else(|| serde::de::Error::custom(format!("unknown code `{text}`")))
}
