//! What a stack needs before it can be applied: rights, room, and rules that Azure would refuse by.
//!
//! [`needs`] says what has to be asked, [`Answers`] hold what was read, and [`judge`] compares. What
//! could not be read is unknown, never missing: somebody who may not see role assignments may still
//! apply.

mod address;
mod capacity;
mod check;
mod judge;
pub mod permission;
mod right;
pub mod role;
mod rule;
pub(crate) mod rules;
mod serving;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::input::Input;
use crate::plan::FactNote;
use crate::prediction::Prediction;
use crate::snapshot::Reading;

pub use judge::judge;
pub use right::needs;

/// The version of the report's format.
pub const FORMAT_VERSION: &str = "1.0";

/// What is to be done with a stack.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// It is planned, which only reads.
    Plan,
    /// It is planned and applied.
    Apply,
}

/// What a requirement is about.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Area {
    /// What the caller may do in Azure.
    OwnRights,
    /// What the cluster's identity, and so the controller, may do in Azure.
    ClusterRights,
    /// What the caller may do in the cluster.
    Kubernetes,
    /// Registrations of resource providers.
    Provider,
    /// Room in subnets.
    Subnet,
    /// Static addresses.
    Address,
    /// Policies of subnets.
    Policy,
    /// Limits of Azure.
    Quota,
    /// Regions.
    Region,
    /// Tenants.
    Tenant,
    /// What has to be so around the stack for it to serve.
    Serving,
}

impl Area {
    /// Its heading.
    pub const fn title(self) -> &'static str {
        match self {
            Self::OwnRights => "own rights in Azure",
            Self::ClusterRights => "rights of the cluster's identity",
            Self::Kubernetes => "own rights in the cluster",
            Self::Provider => "resource providers",
            Self::Subnet => "room in subnets",
            Self::Address => "static addresses",
            Self::Policy => "subnet policies",
            Self::Quota => "limits",
            Self::Region => "regions",
            Self::Tenant => "tenants",
            Self::Serving => "what it takes to serve",
        }
    }
}

/// How a requirement fares.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It is met.
    Met,
    /// It is not met: an apply would fail, or what it makes would not serve.
    Missing,
    /// It could not be found out.
    Unknown,
}

/// One requirement and how it fares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// What it is about.
    pub area: Area,
    /// Of what: a scope, a subnet, an endpoint.
    pub subject: String,
    /// What is required.
    pub requirement: String,
    /// How it fares.
    pub verdict: Verdict,
    /// Why it is required, or what was found.
    pub reason: String,
    /// What to do, if it is not met.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

/// All requirements of a stack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "Preflight")]
pub struct Report {
    /// See [`FORMAT_VERSION`].
    pub format_version: String,
    /// The stack.
    pub stack: String,
    /// What it was checked for.
    pub phase: Phase,
    /// As whom Azure was asked.
    pub identity: String,
    /// What the cluster was taken to be, and how that is known.
    #[serde(default)]
    pub facts: Vec<FactNote>,
    /// The requirements, by area, subject and requirement.
    pub checks: Vec<Check>,
}

impl Report {
    /// Adds requirements that were found out otherwise.
    pub fn add(&mut self, checks: Vec<Check>) {
        self.checks.extend(checks);
        self.sort();
    }

    fn sort(&mut self) {
        self.checks.sort_by(|one, other| {
            (one.area, &one.subject, &one.requirement).cmp(&(
                other.area,
                &other.subject,
                &other.requirement,
            ))
        });
        self.checks.dedup();
    }

    /// How many requirements fare so.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.checks.iter().filter(|check| check.verdict == verdict).count()
    }
}

/// A stack with what is predicted of it.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Desired state, observation and facts.
    pub input: &'a Input<'a>,
    /// What the controller will make.
    pub prediction: &'a Prediction,
    /// What is to be done.
    pub phase: Phase,
    /// The namespace of the lock.
    pub lock_namespace: &'a str,
}

/// An action needed at a scope, by scope in lower case.
pub type Actions = BTreeMap<String, BTreeMap<&'static str, &'static str>>;

/// A verb needed in the cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Verb {
    /// Where; everywhere if nowhere in particular.
    pub namespace: Option<String>,
    /// The API group; empty for the core one.
    pub group: &'static str,
    /// The resource.
    pub resource: &'static str,
    /// The verb.
    pub verb: &'static str,
}

/// What has to be asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Actions that the caller needs, with the reason.
    pub own: Actions,
    /// Actions that the cluster's identity needs, with the reason.
    pub cluster: Actions,
    /// The object id of the cluster's identity, if it is known.
    pub principal: Option<String>,
    /// Verbs that the caller needs, with the reason.
    pub verbs: BTreeMap<Verb, &'static str>,
    /// Subscriptions that must have `Microsoft.Network` registered.
    pub registered: BTreeSet<String>,
    /// Subscriptions whose tenant matters.
    pub tenants: BTreeSet<String>,
}

/// A role that somebody has.
#[derive(Clone, Debug, PartialEq)]
pub struct Grant {
    /// Where, and below.
    pub scope: String,
    /// Its permissions, as ARM shows them in a role's definition.
    pub permissions: Reading<Vec<Value>>,
}

/// What was read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answers {
    /// The caller's permissions by scope, as in [`Needs::own`].
    pub own: BTreeMap<String, Reading<Vec<Value>>>,
    /// The roles of the cluster's identity by scope, as in [`Needs::cluster`].
    pub cluster: BTreeMap<String, Reading<Vec<Grant>>>,
    /// Whether the caller may.
    pub verbs: BTreeMap<Verb, Reading<bool>>,
    /// Whether `Microsoft.Network` is registered, by subscription: `Registered`, `NotRegistered` ...
    pub registrations: BTreeMap<String, Reading<String>>,
    /// The tenant of each subscription.
    pub tenants: BTreeMap<String, Reading<String>>,
}

#[cfg(test)]
mod tests;
