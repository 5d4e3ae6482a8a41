//! Consumers as a table: each once, those alike in one row, in the order in which people count.

use std::collections::BTreeMap;

use privlink_core::change::Action;
use privlink_core::connection_status::ConnectionStatus;
use privlink_core::consumer::Consumer;
use privlink_core::names::folded;
use privlink_core::plan::Plan;
use privlink_core::resource_id::ResourceId;

/// Consumers that are alike but for their names.
pub(crate) struct Group {
    /// Their names, runs folded: `tf-pe-1 .. tf-pe-12`.
    pub(crate) names: Vec<String>,
    /// The resource group they are in.
    pub(crate) resource_group: String,
    /// The subscription they are in.
    pub(crate) subscription: String,
    /// The state of their connections.
    pub(crate) status: String,
    /// Whose they are and who re-creates them.
    pub(crate) whose: String,
}

/// Consumers by resource group, state and owner.
pub(crate) fn groups(plan: &Plan, consumers: &[&Consumer]) -> Vec<Group> {
    type Alike = (String, String, String, Whose, Option<String>);
    let mut groups: BTreeMap<Alike, Vec<String>> = BTreeMap::new();
    for consumer in consumers {
        let id = ResourceId::new(&consumer.endpoint);
        let group = id.resource_group().unwrap_or_default().to_owned();
        let alike = (
            group,
            consumer.subscription.clone(),
            consumer.status.to_string(),
            Whose::of(plan, consumer),
            consumer.owner.clone(),
        );
        groups.entry(alike).or_default().push(id.name().to_owned());
    }
    let group = |(alike, names): (Alike, Vec<String>)| {
        let (resource_group, subscription, status, whose, owner) = alike;
        let number = names.len();
        let owner = owner.map(|it| format!(" ({it})")).unwrap_or_default();
        let whose = format!("{}{owner}", whose.words(number));
        Group { names: folded(names), resource_group, subscription, status, whose }
    };
    groups.into_iter().map(group).collect()
}

/// Whose a consumer is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Whose {
    Recreated,
    Left,
    Waiting,
    Foreign,
}

impl Whose {
    fn of(plan: &Plan, consumer: &Consumer) -> Self {
        if !consumer.own {
            return Self::Foreign;
        }
        if consumer.status == ConnectionStatus::Pending {
            return Self::Waiting;
        }
        let is_it = |object: &str| object.eq_ignore_ascii_case(&consumer.endpoint);
        let recreates = plan
            .changes
            .iter()
            .any(|it| it.action == Action::Replace && it.object.as_deref().is_some_and(is_it));
        if recreates { Self::Recreated } else { Self::Left }
    }

    const fn words(self, number: usize) -> &'static str {
        match (self, number) {
            (Self::Recreated, 1) => "in this stack: privlink re-creates it",
            (Self::Recreated, _) => "in this stack: privlink re-creates them",
            (Self::Left, _) => "in this stack, and not re-created by this plan",
            (Self::Waiting, _) => "in this stack",
            (Self::Foreign, 1) => "not of this stack: its owner must re-create it",
            (Self::Foreign, _) => "not of this stack: their owners must re-create them",
        }
    }
}
