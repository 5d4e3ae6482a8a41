//! A plan in shapes that tools for Terraform's read: its plan as JSON
//! (<https://developer.hashicorp.com/terraform/internals/json-format>), and GitLab's report of one.

use serde_json::{Map, Value, json};

use privlink_core::change::{Action, Actor, Change};
use privlink_core::node_id::{Kind, NodeId};
use privlink_core::plan::Plan;

/// The version of the format that this is; its readers take all of major version 1.
const FORMAT_VERSION: &str = "1.2";

/// Terraform's plan JSON: every change that is one, of whoever carries it out. Who does, and why, stands
/// under `privlink`, a key that other readers pass over.
pub fn json(plan: &Plan) -> Value {
    let changes = plan.changes.iter().filter(|change| change.is_change());
    let resource_changes: Vec<Value> =
        changes.map(|change| resource_change(&plan.stack, change)).collect();
    let mut outputs = Map::new();
    for output in &plan.outputs {
        let of = |change: &&Change| change.address == output.address;
        let action = plan.changes.iter().find(of).map(|change| change.action);
        if let Some(Action::Create | Action::Replace) = action {
            let value = json!({
                "actions": ["create"],
                "before": null,
                "after_unknown": true,
                "before_sensitive": false,
                "after_sensitive": false,
            });
            outputs.insert(format!("{} {}", output.address, output.name), value);
        }
    }
    json!({
        "format_version": FORMAT_VERSION,
        "terraform_version": "0.0.0",
        "resource_changes": resource_changes,
        "output_changes": outputs,
        "applyable": plan.refusals.is_empty() && !plan.is_empty(),
        "complete": true,
        "errored": false,
        "privlink": {"version": plan.tool_version, "stack": plan.stack, "refusals": plan.refusals},
    })
}

fn resource_change(stack: &str, change: &Change) -> Value {
    let Change { address, action, actor, reason, .. } = change;
    let (kind, name, key) = (resource_type(address.kind), identifier(stack), &address.name);
    let (mut before, mut after, mut unknown) = (Map::new(), Map::new(), Map::new());
    for field in &change.fields {
        if let Some(value) = &field.before {
            before.insert(field.path.clone(), value.clone());
        }
        // Terraform marks the whole attribute of which a part is unknown.
        match &field.after {
            Some(_) if field.after_unknown => drop(unknown.insert(field.path.clone(), true.into())),
            Some(value) => drop(after.insert(field.path.clone(), value.clone())),
            None => {}
        }
    }
    let is_new = before.is_empty() && *action != Action::Replace;
    let actions = match action {
        Action::Create => vec!["create"],
        Action::Await if is_new => vec!["create"],
        Action::Update | Action::Adopt | Action::Approve | Action::Reject | Action::Await => {
            vec!["update"]
        }
        Action::Replace => vec!["delete", "create"],
        Action::Delete => vec!["delete"],
        Action::Keep => vec!["no-op"],
    };
    let there = |actions: &[&str], gone: &str, side: Map<String, Value>| {
        if actions == [gone] { Value::Null } else { Value::Object(side) }
    };
    let mut body = json!({
        "actions": actions,
        "before": there(&actions, "create", before),
        "after": there(&actions, "delete", after),
        "after_unknown": unknown,
        "before_sensitive": false,
        "after_sensitive": false,
    });
    let forced = change.fields.iter().filter(|field| field.forces_replacement);
    let forced: Vec<Value> = forced.map(|field| json!([field.path])).collect();
    let why = action_reason(change, !forced.is_empty());
    if let (false, Some(body)) = (forced.is_empty(), body.as_object_mut()) {
        body.insert("replace_paths".to_owned(), forced.into());
    }
    let mut found = json!({
        "address": terraform_address(stack, address),
        "mode": "managed",
        "type": kind,
        "name": name,
        "index": key,
        "provider_name": "privlink",
        "change": body,
        "privlink": {"address": address, "actor": actor.as_str(), "because": reason},
    });
    if let (Some(why), Some(found)) = (why, found.as_object_mut()) {
        found.insert("action_reason".to_owned(), why.into());
    }
    found
}

/// Terraform's words for why.
fn action_reason(change: &Change, is_forced: bool) -> Option<&'static str> {
    match change.action {
        Action::Replace if is_forced => Some("replace_because_cannot_update"),
        Action::Replace => Some("replace_by_triggers"),
        Action::Delete if change.actor == Actor::Privlink => {
            Some("delete_because_no_resource_config")
        }
        _ => None,
    }
}

/// `PrivateLinkService` as `privlink_private_link_service`.
fn resource_type(kind: Kind) -> String {
    let mut name = String::from("privlink");
    for c in kind.as_str().chars() {
        if c.is_ascii_uppercase() {
            name.push('_');
        }
        name.push(c.to_ascii_lowercase());
    }
    name
}

/// A stack's name as an identifier of Terraform's.
fn identifier(stack: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let name: String = stack.chars().map(|c| if fits(c) { c } else { '_' }).collect();
    if name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        name
    } else {
        format!("_{name}")
    }
}

/// GitLab's report of a plan (`artifacts:reports:terraform`): what is created, updated and deleted, by
/// whomever.
pub fn gitlab(plan: &Plan) -> Value {
    let (one, other) = (plan.summary.privlink, plan.summary.controller);
    json!({
        "create": one.create + one.replace + other.create + other.replace,
        "update": one.update + other.update,
        "delete": one.delete + one.replace + other.delete + other.replace,
    })
}

/// An address as Terraform writes one of many.
fn terraform_address(stack: &str, address: &NodeId) -> String {
    let (kind, name) = (resource_type(address.kind), identifier(stack));
    format!("{kind}.{name}[{}]", Value::from(address.name.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_terraforms_and_hold_any_name() {
        let address = NodeId::new(Kind::PrivateLinkService, "default/a\"b");
        assert_eq!(
            terraform_address("1 shop", &address),
            "privlink_private_link_service._1_shop[\"default/a\\\"b\"]"
        );
    }
}
