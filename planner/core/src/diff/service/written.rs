//! One write to a Service by somebody else, as the API server is about to store it.

use std::sync::Arc;

use serde_json::Value;

use crate::change::{Action, Actor, Change, FieldDiff};
use crate::controller::predict;
use crate::input::Input;
use crate::kubernetes::service::{Key, Service};
use crate::node::service::address;
use crate::plan::Op;
use privlink_model::gateway::made_of;

use super::super::Part;
use super::super::draft::{Draft, Stage};
use crate::join::service::{actor, changed};

use super::created;

/// Diffs one Service that somebody else writes, or deletes if it is stored no more. Returns what the controller will
/// see; a write that changes no field is a sync anyway.
pub fn written(
    input: &Input<'_>,
    key: &Key,
    stored: Option<&Value>,
) -> (Part, Vec<predict::Change>) {
    let mut part = Part::default();
    let live = input.live.service(key);
    let Some(stored) = stored else {
        let Some(live) = live else { return (part, Vec::new()) };
        part.changes.push(delete(key, live, actor(input, key, Some(live))));
        return (part, vec![predict::Change::Delete(key.clone())]);
    };
    let fields = match live {
        None => created(stored),
        Some(live) => changed(live, stored),
    };
    if live.is_some() && fields.is_empty() {
        return (part, vec![predict::Change::Nudge(key.clone())]);
    }
    let actor = actor(input, key, live.or(Some(stored)));
    part.changes.push(write(key, actor, fields));
    let (namespace, name) = (key.namespace.clone(), key.name.clone());
    let op = Op::AwaitService { namespace, name, manifest: stored.clone() };
    part.drafts.push(Draft::new(&address(key), Stage::Write, op));
    let service = Service::from_value(stored.clone()).ok();
    let change = service.map(|service| predict::Change::Apply(Arc::new(service)));
    (part, change.into_iter().collect())
}

fn write(key: &Key, actor: Actor, fields: Vec<FieldDiff>) -> Change {
    let mut change = Change::new(address(key), Action::Await, actor, "is about to be written");
    change.object = Some(key.to_string());
    change.fields = fields;
    change
}

fn delete(key: &Key, live: &Value, actor: Actor) -> Change {
    let reason = match made_of(live) {
        Some(gateway) => format!("is deleted with its Gateway {gateway}"),
        None => "is about to be deleted".to_owned(),
    };
    let mut change = Change::new(address(key), Action::Delete, actor, reason);
    change.object = Some(key.to_string());
    change
}
