//! What the resource manager itself answers: subscriptions, tenants, groups, resources, rights,
//! resource providers.

use privlink_model::arm::error::ArmError;
use privlink_model::resource_id::ResourceId;
use serde_json::{Value, json};

use crate::server::{Answer, Call};
use crate::state::State;

use super::directory::{self, Subscription};
use super::operation::{self, Kind};
use super::path::Path;
use super::{collection, error, graph, location};

/// Answers a request to the resource manager; nothing if a resource provider has to.
pub(super) fn answer(state: &mut State, call: &Call) -> Option<Result<Answer, ArmError>> {
    let path = Path::of(call);
    let lower = path.lower();
    let method = call.method.as_str();
    let answer = match (method, lower.as_slice()) {
        ("GET", ["subscriptions"]) => {
            let tenant = super::identity::tenant(call);
            let seen =
                |it: &&Subscription| tenant.as_ref().is_none_or(|tenant| it.tenant == *tenant);
            let all = state.world.directory.subscriptions.iter().filter(seen);
            let all = all.map(subscription).collect();
            collection::page(state, call, all)
        }
        ("GET", ["tenants"]) => {
            let tenants = state.world.directory.tenants.iter().map(|tenant| {
                json!({
                    "id": format!("/tenants/{}", tenant.id),
                    "tenantId": tenant.id,
                    "displayName": tenant.display_name,
                })
            });
            collection::page(state, call, tenants.collect())
        }
        ("POST", ["providers", "microsoft.resourcegraph", "resources"]) => {
            graph::answer(state, call)
        }
        (_, [.., "microsoft.authorization", _] | [.., "microsoft.authorization", _, _]) => {
            authorization(state, call, &path, &lower)
        }
        (_, ["subscriptions", id, rest @ ..]) => {
            if state.world.directory.subscription(id).is_none() {
                return Some(Err(error::no_subscription(path.subscription())));
            }
            return of_subscription(state, call, &path, rest);
        }
        _ => return None,
    };
    Some(answer)
}

fn of_subscription(
    state: &mut State,
    call: &Call,
    path: &Path,
    rest: &[&str],
) -> Option<Result<Answer, ArmError>> {
    let id = path.subscription().to_owned();
    let answer = match (call.method.as_str(), rest) {
        ("GET", []) => {
            let found = state.world.directory.subscription(&id)?;
            Ok(Answer::json(200, subscription(found)))
        }
        ("GET", ["locations"]) => {
            let locations = state.world.directory.locations.iter().map(|name| {
                json!({
                    "id": format!("/subscriptions/{id}/locations/{name}"),
                    "name": name, "displayName": name, "type": "Region",
                    "metadata": {"regionType": "Physical"},
                    "availabilityZoneMappings": [
                        {"logicalZone": "1"}, {"logicalZone": "2"}, {"logicalZone": "3"},
                    ],
                })
            });
            Ok(Answer::json(200, json!({"value": locations.collect::<Vec<_>>()})))
        }
        ("GET", ["resourcegroups"]) => {
            let prefix = format!("/subscriptions/{id}/resourcegroups/").to_lowercase();
            let groups = state.world.directory.groups.iter();
            let groups = groups.filter(|(key, _)| key.starts_with(&prefix));
            let groups = groups.map(|(_, group)| group.clone()).collect();
            collection::page(state, call, groups)
        }
        (_, ["resourcegroups", _]) => group(state, call, path),
        ("GET", ["resources"] | ["resourcegroups", _, "resources"]) => resources(state, call, path),
        ("GET", ["providers"]) => {
            let known = ["Microsoft.Network", "Microsoft.ContainerService", "Microsoft.Compute"];
            let all = known.iter().map(|name| provider(state, &id, name)).collect();
            collection::page(state, call, all)
        }
        ("GET", ["providers", _]) => Ok(Answer::json(200, provider(state, &id, path.id.name()))),
        ("POST", ["providers", name, "register"]) => {
            state.world.directory.unregistered.retain(|other| other != name);
            state.touch();
            let name = path.id.segment("providers").unwrap_or_default().to_owned();
            Ok(Answer::json(200, provider(state, &id, &name)))
        }
        _ => return None,
    };
    Some(answer)
}

fn subscription(subscription: &Subscription) -> Value {
    json!({
        "id": format!("/subscriptions/{}", subscription.id),
        "subscriptionId": subscription.id,
        "tenantId": subscription.tenant,
        "displayName": subscription.display_name,
        "state": "Enabled",
        "authorizationSource": "RoleBased",
        "managedByTenants": [],
    })
}

fn provider(state: &State, subscription: &str, namespace: &str) -> Value {
    let lower = namespace.to_lowercase();
    let registered = !state.world.directory.unregistered.contains(&lower);
    json!({
        "id": format!("/subscriptions/{subscription}/providers/{namespace}"),
        "namespace": namespace,
        "registrationState": if registered { "Registered" } else { "NotRegistered" },
        "resourceTypes": [],
    })
}

fn group(state: &mut State, call: &Call, path: &Path) -> Result<Answer, ArmError> {
    let (subscription, name) = (path.subscription().to_owned(), path.id.name().to_owned());
    let found = state.world.directory.group(&subscription, &name).cloned();
    match (call.method.as_str(), found) {
        ("GET", Some(group)) => Ok(Answer::json(200, group)),
        ("HEAD", Some(_)) => Ok(Answer::status_only(204)),
        ("HEAD", None) => Ok(Answer::status_only(404)),
        ("PUT", found) => {
            let body = call.json().map_err(|why| error::malformed(&why))?;
            let location = location::of_group(&body, found.as_ref())?;
            let tags = body.get("tags");
            let directory = &mut state.world.directory;
            let created = directory.put_group_with(&subscription, &name, &location, tags);
            state.touch();
            let group = state.world.directory.group(&subscription, &name).cloned();
            Ok(Answer::json(if created { 201 } else { 200 }, group.unwrap_or_default()))
        }
        ("DELETE", Some(group)) => {
            let id = ResourceId::new(group.get("id").and_then(Value::as_str).unwrap_or_default());
            let operation = operation::accept(state, call, Kind::DeleteGroup, &id);
            let answer = Answer::status_only(202);
            Ok(operation::with_headers(state, call, answer, &operation, Kind::DeleteGroup))
        }
        (_, None) => Err(error::no_group(&name)),
        (method, _) => Err(error::no_method(method)),
    }
}

/// `$S/resources`, filtered by `resourceGroup`, `name` and `resourceType` joined by `and`.
fn resources(state: &State, call: &Call, path: &Path) -> Result<Answer, ArmError> {
    let filter = call.parameter("$filter").unwrap_or_default();
    let mut conditions = Vec::new();
    for part in filter.split(" and ").filter(|part| !part.trim().is_empty()) {
        let (field, value) = part.trim().split_once(" eq ").ok_or_else(|| {
            ArmError::new(400, "InvalidFilterInQueryString", format!("Invalid $filter '{filter}'."))
        })?;
        conditions
            .push((field.trim().to_lowercase(), value.trim().trim_matches('\'').to_lowercase()));
    }
    let prefix = format!("/subscriptions/{}/", path.subscription()).to_lowercase();
    let group = path.id.resource_group().map(str::to_lowercase);
    let mut found: Vec<Value> = Vec::new();
    for resource in state.world.azure.to_json() {
        let text = |name: &str| resource.get(name).and_then(Value::as_str).unwrap_or_default();
        let id = ResourceId::new(text("id"));
        let own_group = id.resource_group().unwrap_or_default().to_lowercase();
        let is_child = id
            .as_str()
            .rsplit_once("/providers/")
            .is_some_and(|(_, rest)| rest.split('/').count() > 3);
        let fits = id.key().starts_with(&prefix)
            && !is_child
            && group.as_ref().is_none_or(|group| *group == own_group)
            && conditions.iter().all(|(field, value)| match field.as_str() {
                "resourcegroup" => own_group == *value,
                "name" => text("name").to_lowercase() == *value,
                "resourcetype" => text("type").to_lowercase() == *value,
                "location" => text("location").to_lowercase() == *value,
                _ => true,
            });
        if fits {
            let mut brief = json!({
                "id": text("id"), "name": text("name"), "type": text("type"),
                "location": text("location"),
            });
            if let (Some(tags), Some(brief)) = (resource.get("tags"), brief.as_object_mut()) {
                brief.insert("tags".to_owned(), tags.clone());
            }
            found.push(brief);
        }
    }
    collection::page(state, call, found)
}

fn authorization(
    state: &State,
    call: &Call,
    path: &Path,
    lower: &[&str],
) -> Result<Answer, ArmError> {
    if call.method != "GET" {
        return Err(error::no_method(&call.method));
    }
    let at = path.id.key().rfind("/providers/microsoft.authorization").unwrap_or_default();
    let scope = path.id.as_str().get(..at).unwrap_or_default();
    match lower {
        [.., "permissions"] => {
            let permissions = state.world.directory.permissions_at(scope);
            Ok(Answer::json(200, json!({"value": permissions})))
        }
        [.., "roleassignments"] => {
            let filter = call.parameter("$filter").unwrap_or_default();
            let principal = filter.split('\'').nth(1);
            let found = state.world.directory.assignments(scope, principal);
            collection::page(state, call, found)
        }
        [.., "roledefinitions", guid] => directory::role_definition(guid)
            .map(|definition| Answer::json(200, definition))
            .ok_or_else(|| {
                let message =
                    format!("The specified role definition with ID '{guid}' does not exist.");
                ArmError::new(404, "RoleDefinitionDoesNotExist", message)
            }),
        _ => Err(ArmError::new(404, "NotFound", format!("No such path: {}", path.id))),
    }
}
