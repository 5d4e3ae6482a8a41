//! The controller model: what cloud-provider-azure writes.
//!
//! [`sync::sync`] is one reaction of the controller: it takes Azure as it is, the cluster as the
//! controller sees it, the controller's [`memory::Memory`] (caches with ages, pending retries, what it
//! last synced), and a [`sync::Trigger`], and changes Azure and the memory. What it did is a
//! [`outcome::Reaction`]: per Service the ordered writes, events, status, finalizers and error.
//!
//! [`predict::predict`] folds it over the Services of a cluster, live ones first, then by namespace
//! and name: the final world, and an outcome per Service. It is what plans use.
//!
//! The code follows the controller's own functions, named in the docs, so that a rule is found where
//! the controller has it.

mod backend_pool;
mod cloud;
pub mod cluster;
pub mod failure;
mod frontend;
mod load_balancer;
pub mod memory;
pub(crate) mod name;
pub mod outcome;
pub mod predict;
mod prefix;
mod private_link;
pub use private_link::{CLUSTER_TAG, OWNER_TAG};
pub(crate) mod probe;
pub(crate) mod public_ip;
pub mod rule;
mod scale_set;
mod security_group;
pub use security_group::{LeftRule, digest_once_known, is_deny_all, left_rules};
mod service_sync;
pub mod sync;
mod tags;
pub(crate) mod value;

/// The name of a Service's frontend: in a dual-stack Service IPv6's has a suffix.
pub fn frontend_name(service: &crate::kubernetes::service::Service, ipv6: bool) -> String {
    name::frontend(service, ipv6)
}

/// Whether a load balancer's name is one that the controller of a Standard cluster gives, public or
/// internal: the cluster's or its own configured one, or that of one of several.
pub fn is_managed(facts: &crate::facts::Facts, name: &str) -> bool {
    let name = name::without_internal(name);
    let own = [Some(&facts.cluster_name), facts.load_balancer_name.as_ref()];
    let several = facts.load_balancer_configurations.iter().map(|it| &it.name);
    own.into_iter().flatten().chain(several).any(|it| value::same(it, name))
}

/// Tags in a text of the controller's configuration, `a=b,c=d`.
pub fn parse_tags(text: &str) -> std::collections::BTreeMap<String, String> {
    tags::parse(text)
}
