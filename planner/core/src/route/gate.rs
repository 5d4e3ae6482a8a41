//! The way with gates, where no order of edits keeps everybody connected: a second Private Link Service beside the
//! first; the stack's own endpoints are moved to it, other consumers are waited for, and the first is deleted when
//! nobody is left on it.
//!
//! How far the way was gone is read from what is live: from the marks of the second Service, and from what is gone
//! already. So it is gone on with from wherever it was stopped, by whatever tool applies its documents.

mod documents;
mod second;

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::arm::resource::PrivateLinkService;
use crate::change::Actor;
use crate::consumer::Consumer;
use crate::controller::predict::Change;
use crate::desired::PrivateEndpoint;
use crate::explanation;
use crate::import;
use crate::input::Input;
use crate::kubernetes::service::{Key, Service};
use crate::marks::{BESIDE_ANNOTATION, STAGE_ANNOTATION};
use crate::node::private_link_service as link_node;
use crate::node::service as service_node;
use crate::node::{Owners, dns_record, private_endpoint};
use crate::planned::Planned;
use crate::pointer::At;
use crate::prediction;
use crate::resource_id::ResourceId;
use crate::snapshot::Observation;
use crate::wanted::Wanted;

use super::harm::{self, Harm, Needs};

pub use documents::stage_documents;

/// How long resolvers may give the old address of a name that has moved, in seconds: privlink's records live as long,
/// and those of zone groups.
pub const DNS_SECONDS: u64 = dns_record::TTL;

/// The way with gates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Gated {
    /// The Private Link Services that everybody leaves.
    pub links: Vec<LeftLink>,
    /// What is done, in order.
    pub stages: Vec<Stage>,
    /// The stage that is due; none once all are done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Stage>,
}

/// A stage of the way: one set of documents, to be applied when the one before is done.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum Stage {
    /// The second Service is created, and endpoints beside those that have a name in DNS.
    Beside,
    /// Names in DNS move to the new endpoints; endpoints without a name are re-created on the second.
    Move,
    /// The stack's endpoints to the first are deleted.
    Leave,
    /// The first Service is deleted, once nobody is left on its Private Link Service.
    End,
    /// The first Service is created again, without a Private Link Service.
    Return,
}

impl Stage {
    /// All of them, in order.
    pub const ALL: [Self; 5] = [Self::Beside, Self::Move, Self::Leave, Self::End, Self::Return];

    /// Its name, in marks and folders.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Beside => "beside",
            Self::Move => "move",
            Self::Leave => "leave",
            Self::End => "end",
            Self::Return => "return",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == text)
    }
}

/// A Private Link Service that everybody leaves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LeftLink {
    /// Its Service, as `namespace/name`.
    pub service: String,
    /// The tool that writes that, where it is not privlink.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Its name.
    pub link: String,
    /// Its id; none once it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Who has to leave it and cannot be moved from here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waits_for: Vec<Consumer>,
    /// The Service as it stays until then; none once it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<Value>,
    /// What takes its place; none where desired state has no Private Link Service for its consumers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second: Option<Second>,
}

/// The Service beside the first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Second {
    /// The Service, as `namespace/name`.
    pub service: String,
    /// Whether desired state has a Service of this name.
    pub is_desired: bool,
    /// The name of its Private Link Service; none where the controller names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// The alias of that, once it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// Its manifest, without the mark of the stage.
    pub manifest: Value,
    /// The address that desired state asks for and that the first has until it is deleted: the second is on
    /// another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_address: Option<String>,
    /// The stack's endpoints that move to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<MovedEndpoint>,
    /// The approvals that are copied for it: of each, by its name, the copy's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub approvals: BTreeMap<String, String>,
    /// The first Service as it is created again in the end, where desired state has it on the address that it
    /// has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub returns: Option<Value>,
}

/// An endpoint of the stack that moves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MovedEndpoint {
    /// Its document.
    pub endpoint: String,
    /// The endpoint that is created beside it and takes its name in DNS over; none where it has no such name,
    /// and is re-created in place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second: Option<String>,
    /// Whether it has a fixed address, which an endpoint beside it cannot have, and one in its place has.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_address: bool,
}

impl Gated {
    /// Whether a stage waits for consumers.
    pub fn waits(&self, stage: Stage) -> bool {
        stage == Stage::End && self.links.iter().any(|link| !link.waits_for.is_empty())
    }

    /// The number of a stage, from 1.
    pub fn number(&self, stage: Stage) -> usize {
        self.stages.iter().take_while(|it| **it != stage).count() + 1
    }

    /// How many endpoints of the stack are re-created, since they have no name in DNS that could move.
    pub fn re_created(&self) -> usize {
        let seconds = self.links.iter().filter_map(|link| link.second.as_ref());
        seconds.flat_map(|it| &it.endpoints).filter(|it| it.second.is_none()).count()
    }

    /// Whether the stages come to other documents than those of desired state, which are to be kept then.
    pub fn has_documents(&self) -> bool {
        self.links.iter().any(|link| link.second.is_some())
    }
}

/// The way with gates from what is live to what a plan comes to; none where it would disconnect somebody
/// too.
pub(super) fn of(input: &Input<'_>, planned: &Planned) -> Option<Gated> {
    let pairs = under_way(input);
    let links = lost(input, planned, &pairs);
    if links.is_empty() && pairs.is_empty() {
        return None;
    }
    let is_begun = !pairs.is_empty();
    let ground = second::Ground::of(input, &planned.prediction);
    let mut left = Vec::new();
    for (first, second) in pairs {
        left.push(left_link(&ground, &first, Some(second)));
    }
    for first in links {
        left.push(left_link(&ground, &first, ground.second_of(&first)));
    }
    let stages = stages(&left);
    let due = due(input, &left, &stages);
    let gated = Gated { links: left, stages, due };
    (is_begun || is_harmless(input, planned, &gated)).then_some(gated)
}

/// Whether the way was begun and desired state is still what it began with.
pub(super) fn is_under_way(input: &Input<'_>) -> bool {
    !under_way(input).is_empty()
}

/// The first and the second Service of each way that was begun: a live Service of the stack is marked as the second
/// of another one, and desired state has not taken it over.
fn under_way(input: &Input<'_>) -> BTreeMap<Key, Key> {
    let desired = input.wanted;
    let mut pairs = BTreeMap::new();
    for (key, object) in input.live.service_objects() {
        let Some(first) = annotation(object, BESIDE_ANNOTATION).and_then(key_of) else { continue };
        let is_ours = desired.owns(service_node::stack_of(object));
        let wanted = desired.service(key);
        let is_taken_over = wanted.is_some_and(|it| it.annotation(BESIDE_ANNOTATION).is_some());
        if is_ours && !is_taken_over && (wanted.is_some() || desired.has(&first)) {
            pairs.insert(first, key.clone());
        }
    }
    pairs
}

fn annotation<'v>(object: &'v Value, name: &str) -> Option<&'v str> {
    object.at("/metadata/annotations")?.get(name)?.as_str()
}

fn key_of(text: &str) -> Option<Key> {
    text.split_once('/').map(|(namespace, name)| Key::new(namespace, name))
}

/// The Services whose Private Link Services lose consumers when all is done at once.
fn lost(input: &Input<'_>, planned: &Planned, pairs: &BTreeMap<Key, Key>) -> BTreeSet<Key> {
    let prediction = &planned.prediction;
    let seconds: BTreeSet<&Key> = pairs.values().collect();
    let before = super::without(&prediction.before, &super::leaving(input));
    let links = &before.private_link_services;
    let lost = links.iter().filter(|(id, link)| {
        let after = prediction.after.private_link_services.get(*id);
        let stays = after.is_some_and(|it| link_node::identity(it) == link_node::identity(link));
        !stays && !harm::connected(link).is_empty()
    });
    lost.filter_map(|(_, link)| prediction.owners().of_link(link).cloned())
        .filter(|key| prediction.live.contains_key(key))
        .filter(|key| !pairs.contains_key(key) && !seconds.contains(key))
        .collect()
}

fn left_link(ground: &second::Ground<'_>, first: &Key, second: Option<Key>) -> LeftLink {
    let input = ground.input;
    let object = input.live.service(first);
    let link = ground.link(first);
    let second = second.and_then(|key| ground.second(first, key));
    let mut moved = super::leaving(input);
    let others = second
        .iter()
        .flat_map(|it| &it.endpoints)
        .filter_map(|it| input.endpoint(&it.endpoint))
        .map(|it| it.id.key());
    moved.extend(others);
    let by = match crate::join::service::actor(input, first, object) {
        Actor::External(tool) => Some(tool),
        _ => None,
    };
    let waits_for = link.map(harm::connected).unwrap_or_default();
    let own = input.own();
    LeftLink {
        service: first.to_string(),
        by,
        link: link.map_or_else(|| first.name.clone(), |it| it.name().to_owned()),
        id: link.map(|it| it.id().to_owned()),
        waits_for: waits_for
            .into_iter()
            .filter(|it| !moved.contains(&it.endpoint.to_lowercase()))
            .map(|it| Consumer { own: own.contains_key(&it.endpoint.to_lowercase()), ..it })
            .collect(),
        kept: object.map(|it| import::manifest(first, it)),
        second,
    }
}

/// The stages that do something.
fn stages(links: &[LeftLink]) -> Vec<Stage> {
    let seconds = || links.iter().filter_map(|link| link.second.as_ref());
    let endpoints = || seconds().flat_map(|it| &it.endpoints);
    let is_needed = |stage: &Stage| match stage {
        Stage::Beside => seconds().next().is_some(),
        Stage::Move => endpoints().next().is_some(),
        Stage::Leave => endpoints().any(|it| it.second.is_some()),
        Stage::End => true,
        Stage::Return => seconds().any(|it| it.returns.is_some()),
    };
    Stage::ALL.into_iter().filter(is_needed).collect()
}

/// The stage that is due: the last that was begun, by the marks of the second Services and by what is gone; none
/// once the last one is done.
fn due(input: &Input<'_>, links: &[LeftLink], stages: &[Stage]) -> Option<Stage> {
    let begun = |link: &LeftLink| {
        let second = link.second.as_ref()?;
        let object = input.live.service(&key_of(&second.service)?)?;
        let marked = annotation(object, STAGE_ANNOTATION).and_then(Stage::parse);
        let stage = marked.filter(|_| annotation(object, BESIDE_ANNOTATION).is_some())?;
        Some(if link.kept.is_none() { stage.max(Stage::End) } else { stage })
    };
    let with_second = || links.iter().filter(|link| link.second.is_some());
    let first = stages.first().copied();
    let Some(stage) = with_second().map(|link| begun(link).or(first)).min().flatten() else {
        return first;
    };
    // What a stage deletes shows that it is done; of the others the next apply has to see.
    let is_left = |it: &MovedEndpoint| {
        let endpoint = input.endpoint(&it.endpoint).filter(|_| it.second.is_some());
        endpoint.is_none_or(|it| matches!(input.live.resource(&it.id), Observation::Absent))
    };
    if stage == Stage::Leave
        && with_second().flat_map(|it| &it.second).flat_map(|it| &it.endpoints).all(is_left)
    {
        return Some(Stage::End);
    }
    let is_done = |link: &LeftLink| match stage {
        Stage::End => link.kept.is_none(),
        Stage::Return => link.kept.is_some() && link.id.is_none(),
        _ => false,
    };
    let is_last = stages.last() == Some(&stage);
    (!is_last || !with_second().all(is_done)).then_some(stage)
}

/// Whether nobody is disconnected, and the controller fails at nothing, when the second Services come into being
/// and all else is as desired.
fn is_harmless(input: &Input<'_>, planned: &Planned, gated: &Gated) -> bool {
    let cluster = prediction::cluster(input.live, input.facts);
    let mut changes = super::changed(input);
    for link in &gated.links {
        if let Some(first) = key_of(&link.service) {
            changes.remove(&first);
        }
        let Some(second) = &link.second else { continue };
        let Some(key) = key_of(&second.service) else { return false };
        let mut manifest = second.manifest.clone();
        service_node::mark(&mut manifest, input.wanted.name());
        let live = cluster.services.get(&key).map(|it| it.object.clone());
        let manager = crate::marks::FIELD_MANAGER;
        let stored =
            prediction::stored_by(&manifest, live.as_deref(), &cluster.facts, manager).ok();
        let Some(service) = stored.and_then(|it| Service::from_value(it).ok()) else {
            return false;
        };
        changes.insert(key, Change::Apply(service.into()));
    }
    let changes: Vec<Change> = changes.into_values().collect();
    let before = &planned.prediction.before;
    let predicted = prediction::predict(before.clone(), cluster, &changes);
    let harm = Harm::between(before, &predicted.after, &Needs::default());
    let is_made = |link: &LeftLink| {
        let second = link.second.as_ref().and_then(|it| key_of(&it.service));
        second.is_none_or(|key| predicted.link_after(&key).is_some())
    };
    harm.disconnected.is_empty()
        && super::fails(&predicted).is_empty()
        && gated.links.iter().all(is_made)
}

/// Who is still connected to a Private Link Service, as Azure shows it: approved, or waiting to be.
pub fn still_connected(link: &Value) -> Vec<Consumer> {
    let link: Option<PrivateLinkService> = serde_json::from_value(link.clone()).ok();
    link.map(|it| harm::connected(&it)).unwrap_or_default()
}

/// The endpoints that are made beside those of desired state where gates are needed. `subscription` is that of
/// endpoints that name none.
pub fn second_endpoints(wanted: &Wanted<'_>, subscription: &str) -> Vec<ResourceId> {
    let named = wanted.endpoints().filter(|endpoint| endpoint.dns.is_some());
    let id = |endpoint: &PrivateEndpoint| {
        let subscription = endpoint.subscription.as_ref().map_or(subscription, |it| it.as_str());
        let second = second_endpoint(wanted, &endpoint.name.value);
        let group = &endpoint.resource_group;
        ResourceId::in_group(subscription, group, private_endpoint::TYPE, &second)
    };
    named.map(id).collect()
}

fn second_endpoint(wanted: &Wanted<'_>, name: &str) -> String {
    explanation::second_name(name, |it| wanted.endpoint(it).is_some())
}

/// The name of a consumer's endpoint.
pub fn endpoint_name(consumer: &Consumer) -> String {
    ResourceId::new(&consumer.endpoint).name().to_owned()
}

/// The Private Link Service on which a Service's consumers are.
fn link_of<'w>(
    links: &'w BTreeMap<String, std::sync::Arc<PrivateLinkService>>,
    owners: &Owners,
    key: &Key,
) -> Option<&'w PrivateLinkService> {
    links.values().map(AsRef::as_ref).find(|it| owners.of_link(it) == Some(key))
}
