//! Clients of servers that are not ARM.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test binary uses its part")]

use std::collections::BTreeMap;

use privlink_azure::{ArmClient, Cloud, Environment, Identity, Retry, Settings};
use privlink_model::resource_id::ResourceId;

pub const TOKEN: &str = "t0p-s3cret";
pub const ONCE: Retry = Retry::NONE;
pub const LIST: &str = "/subscriptions/s/providers/Microsoft.Network/privateEndpoints";

/// A client that takes a mebibyte in one reply.
pub fn client_at(url: &str, reads: Retry) -> ArmClient {
    let cloud = Cloud::custom(url, "https://arm", "https://login.invalid").unwrap();
    let identity = Identity::Token(TOKEN.into());
    let environment = Environment::of(BTreeMap::new());
    let settings = Settings { reads, most_bytes: 1 << 20, ..Settings::default() };
    ArmClient::new(&cloud, &identity, &environment, settings).unwrap()
}

pub fn endpoint() -> ResourceId {
    ResourceId::in_group("s", "g", "Microsoft.Network/privateEndpoints", "e")
}
