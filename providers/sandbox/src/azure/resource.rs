//! Reading, writing and deleting resources.

use std::sync::Arc;

use privlink_model::arm::arm_type::{ArmType, is_private_dns, is_zone_group, type_of};
use privlink_model::arm::azure::{Azure, Done, not_found, parse};
use privlink_model::arm::error::ArmError;
use privlink_model::arm::write;
use privlink_model::resource_id::ResourceId;
use serde_json::{Value, json};

use crate::fault::Effect;
use crate::server::{Answer, Call};
use crate::state::State;

use super::operation::{self, Kind};
use super::path::{Named, Path};
use super::{collection, error, location, reference, soa, with_azure, write_azure};

/// The top-level types there are. Others are answered `InvalidResourceType`.
const TYPES: [ArmType; 10] = [
    ArmType::LoadBalancer,
    ArmType::PrivateLinkService,
    ArmType::PrivateEndpoint,
    ArmType::VirtualNetwork,
    ArmType::NetworkInterface,
    ArmType::NetworkSecurityGroup,
    ArmType::PublicIpAddress,
    ArmType::PrivateDnsZone,
    ArmType::ManagedCluster,
    ArmType::ScaleSet,
];

/// The top-level types that are kept as they are written, in lower case.
const KEPT: [&str; 5] = [
    "microsoft.network/publicipprefixes",
    "microsoft.network/routetables",
    "microsoft.network/natgateways",
    "microsoft.network/applicationsecuritygroups",
    "microsoft.managedidentity/userassignedidentities",
];

/// Types below a load balancer or PLS that are read only: they are written with their parent.
const READ_ONLY: [&str; 5] = [
    "/frontendipconfigurations",
    "/loadbalancingrules",
    "/probes",
    "/outboundrules",
    "/ipconfigurations",
];

/// Answers a request for a resource or a collection of them.
pub(super) fn answer(state: &mut State, call: &Call) -> Result<Answer, ArmError> {
    let path = Path::of(call);
    let named = path
        .named()
        .ok_or_else(|| ArmError::new(404, "NotFound", format!("No such path: {}", path.id)))?;
    check_scope(state, &path, &named)?;
    check_rights(state, call, &path, &named)?;
    if !named.is_resource {
        return match call.method.as_str() {
            "GET" => collection::list(state, call, &path, &named),
            method => Err(error::no_method(method)),
        };
    }
    match call.method.as_str() {
        "GET" => get(state, call, &path.id, &named),
        "HEAD" => {
            get(state, call, &path.id, &named).map(|answer| Answer::status_only(answer.status))
        }
        "PUT" => put(state, call, &path.id, &named),
        "PATCH" => patch(state, call, &path.id, &named),
        "DELETE" => delete(state, call, &path.id, &named),
        method => Err(error::no_method(method)),
    }
}

/// Subscription, group and type must be there.
fn check_scope(state: &State, path: &Path, named: &Named) -> Result<(), ArmError> {
    let directory = &state.world.directory;
    let subscription = path.subscription();
    if directory.subscription(subscription).is_none() {
        return Err(error::no_subscription(subscription));
    }
    if let Some(group) = path.id.resource_group()
        && directory.group(subscription, group).is_none()
    {
        return Err(error::no_group(group));
    }
    let kind = named.kind.to_lowercase();
    let top: Vec<&str> = kind.splitn(3, '/').take(2).collect();
    let top = top.join("/");
    if !TYPES.contains(&ArmType::named(&top)) && !KEPT.contains(&top.as_str()) {
        return Err(ArmError::new(
            404,
            "InvalidResourceType",
            format!(
                "The resource type '{}' could not be found in the namespace '{}'.",
                named.kind.split_once('/').map_or("", |(_, kind)| kind),
                named.kind.split('/').next().unwrap_or_default()
            ),
        ));
    }
    Ok(())
}

fn check_rights(state: &State, call: &Call, path: &Path, named: &Named) -> Result<(), ArmError> {
    let verb = match call.method.as_str() {
        "GET" | "HEAD" => "read",
        "DELETE" => "delete",
        _ => "write",
    };
    let action = format!("{}/{verb}", named.kind);
    if state.world.directory.allows(&action, path.id.as_str()) {
        Ok(())
    } else {
        Err(error::not_allowed(&action, path.id.as_str()))
    }
}

/// A resource as it is shown now: one that is being written or deleted says so.
pub(super) fn shown(state: &State, mut resource: Value) -> Value {
    let id = ResourceId::new(resource.get("id").and_then(Value::as_str).unwrap_or_default());
    let doing = |id: &ResourceId| operation::running(state, id).map(|(_, kind)| kind);
    let with_parent = || {
        let parent = write::shows_state_of(&id)?;
        doing(&parent).filter(|kind| *kind == Kind::Put)
    };
    let state = match doing(&id).or_else(with_parent) {
        Some(Kind::Put) => "Updating",
        Some(Kind::Delete | Kind::DeleteGroup) => "Deleting",
        None => return resource,
    };
    write::show_state(&id, &mut resource, state);
    resource
}

fn get(state: &State, call: &Call, id: &ResourceId, named: &Named) -> Result<Answer, ArmError> {
    check_parent(state, "read", id, named)?;
    let resource = state.world.azure.get(id).or_else(|| soa::record(&state.world.azure, id));
    let resource = resource.ok_or_else(|| not_found(id))?;
    let mut resource = shown(state, resource);
    expand(state, call, &mut resource);
    let etag = resource.get("etag").and_then(Value::as_str).map(ToOwned::to_owned);
    let answer = Answer::json(200, resource);
    Ok(match etag {
        Some(etag) => answer.header("ETag", &etag),
        None => answer,
    })
}

/// `$expand`: references in a list of `properties` are replaced by what they refer to.
fn expand(state: &State, call: &Call, resource: &mut Value) {
    for name in call.parameter("$expand").unwrap_or_default().split(',') {
        let list = resource.pointer_mut(&format!("/properties/{}", name.trim()));
        for item in list.and_then(Value::as_array_mut).into_iter().flatten() {
            let id = item.get("id").and_then(Value::as_str).unwrap_or_default();
            if let Some(whole) = state.world.azure.get(&ResourceId::new(id)) {
                *item = whole;
            }
        }
    }
}

/// What is in something else can be asked for only if that is there.
fn check_parent(state: &State, verb: &str, id: &ResourceId, named: &Named) -> Result<(), ArmError> {
    let azure = &state.world.azure;
    match id.parent().filter(|_| named.depth > 1) {
        Some(parent) if !azure.holds(&parent) && azure.get(&parent).is_none() => {
            Err(error::no_parent(verb, &named.kind, &parent))
        }
        _ => Ok(()),
    }
}

fn check_idle(state: &State, call: &Call, id: &ResourceId) -> Result<(), ArmError> {
    let Some(operation) = operation::in_the_way(state, id) else { return Ok(()) };
    let uri = operation::status_url(state, call, &operation);
    Err(ArmError::new(
        409,
        "AnotherOperationInProgress",
        format!(
            "Another operation on this or dependent resource is in progress. To retrieve status of \
             the operation use uri: {uri}."
        ),
    ))
}

/// What is a part of its parent is written with it alone.
fn check_writable(call: &Call, named: &Named) -> Result<(), ArmError> {
    let kind = named.kind.to_lowercase();
    let is_part = READ_ONLY.iter().any(|suffix| kind.ends_with(suffix));
    if is_part { Err(error::no_method(&call.method)) } else { Ok(()) }
}

fn put(state: &mut State, call: &Call, id: &ResourceId, named: &Named) -> Result<Answer, ArmError> {
    let body = call.json().map_err(|why| error::malformed(&why))?;
    if !body.is_object() {
        return Err(error::malformed("The body is not an object."));
    }
    // The resource manager looks at what it tracks before it asks the provider.
    let body = if named.depth == 1 { location::settle(state, id, body)? } else { body };
    put_or_patch(state, call, id, named, &body)
}

/// `PATCH` of tags, the only one network resources have.
fn patch(
    state: &mut State,
    call: &Call,
    id: &ResourceId,
    named: &Named,
) -> Result<Answer, ArmError> {
    let body = call.json().map_err(|why| error::malformed(&why))?;
    let mut resource = state.world.azure.get(id).ok_or_else(|| not_found(id))?;
    if let (Some(tags), Some(resource)) = (body.get("tags"), resource.as_object_mut()) {
        resource.insert("tags".to_owned(), tags.clone());
    }
    put_or_patch(state, call, id, named, &resource)
}

fn put_or_patch(
    state: &mut State,
    call: &Call,
    id: &ResourceId,
    named: &Named,
    body: &Value,
) -> Result<Answer, ArmError> {
    let kind = named.kind.to_lowercase();
    check_writable(call, named)?;
    check_idle(state, call, id)?;
    check_parent(state, "write", id, named)?;
    reference::check(state, id, body)?;
    let if_match = call.header("if-match");
    let only_create = call.header("if-none-match") == Some("*");
    let directory = state.world.directory.clone();
    let spelled = spelled(state, id);
    let before = state.world.azure.get(&spelled);
    let done = write_azure(state, |azure| match type_of(&id.key()) {
        ArmType::PrivateEndpoint => {
            azure.put_private_endpoint(&spelled, &parse(body.clone())?, if_match, &directory)
        }
        ArmType::NetworkInterface if call.method == "PATCH" => {
            let tags = body.get("tags").cloned().unwrap_or_default();
            azure.tag_network_interface(&spelled, parse(tags)?)
        }
        ArmType::EndpointConnection => azure.put_endpoint_connection(&spelled, body, if_match),
        _ if is_private_dns(id) => azure.put_private_dns(&spelled, body, if_match, only_create),
        _ if is_zone_group(id) => azure.put_zone_group(&spelled, &parse(body.clone())?, if_match),
        _ => put_in_model(azure, &spelled, named, body, if_match),
    })?;
    let synchronous =
        (is_private_dns(id) && is_record(named)) || kind.starts_with("microsoft.containerservice/");
    if synchronous {
        let resource = state.world.azure.get(&spelled).unwrap_or_default();
        return Ok(Answer::json(done.status(), resource));
    }
    let after = state.world.azure.get(&spelled).unwrap_or_default();
    let repeated =
        before.as_ref().is_some_and(|it| write::repeats_as_created(&spelled, it, &after));
    let status = if repeated { Done::Created.status() } else { done.status() };
    let asked =
        matches!(call.effect, Effect::SlowOperation { .. } | Effect::FailedOperation { .. });
    let works = is_private_dns(id) || asked || write::has_work(&spelled, before.as_ref(), &after);
    let operation = if works {
        operation::accept(state, call, Kind::Put, &spelled)
    } else {
        operation::note_done(state, &spelled)
    };
    let answer = if is_private_dns(id) {
        Answer::json(202, json!({}))
    } else {
        Answer::json(status, shown(state, after))
    };
    let answer = operation::with_headers(state, call, answer, &operation, Kind::Put);
    operation::end_if_due(state, &operation);
    Ok(answer)
}

/// Whether a private DNS type is a record, and not a zone or a link.
fn is_record(named: &Named) -> bool {
    named.depth == 2 && !named.kind.to_lowercase().ends_with("/virtualnetworklinks")
}

/// A resource of the core's ARM model. Of types it does not know, `provisioningState`, `type` and
/// defaults of a subnet are filled in here.
fn put_in_model(
    azure: &mut Azure<'_>,
    id: &ResourceId,
    named: &Named,
    body: &Value,
    if_match: Option<&str>,
) -> Result<Done, ArmError> {
    let mut body = body.clone();
    if let Some(body) = body.as_object_mut() {
        body.entry("type").or_insert_with(|| json!(named.kind));
        let properties = body.entry("properties").or_insert_with(|| json!({}));
        if let Some(properties) = properties.as_object_mut() {
            properties.insert("provisioningState".to_owned(), json!("Succeeded"));
        }
    }
    azure.put(id, body, if_match)
}

/// The id as the live resource, or else its group, spells it.
fn spelled(state: &State, id: &ResourceId) -> ResourceId {
    if let Some(live) = state.world.azure.get(id)
        && let Some(live) = live.get("id").and_then(Value::as_str)
    {
        return ResourceId::new(live);
    }
    let parent = id.parent().and_then(|parent| state.world.azure.get(&parent));
    if let Some(parent) = parent.as_ref().and_then(|parent| parent.get("id")?.as_str()) {
        let mut last: Vec<&str> = id.as_str().rsplitn(3, '/').collect();
        last.truncate(2);
        last.reverse();
        return ResourceId::new(format!("{parent}/{}", last.join("/")));
    }
    id.clone()
}

fn delete(
    state: &mut State,
    call: &Call,
    id: &ResourceId,
    named: &Named,
) -> Result<Answer, ArmError> {
    check_writable(call, named)?;
    if state.world.azure.get(id).is_none() {
        return Ok(Answer::status_only(204));
    }
    check_idle(state, call, id)?;
    let if_match = call.header("if-match").map(ToOwned::to_owned);
    // What would be refused is refused at once; the resource itself goes when the operation ends.
    let (world, allocator) = (state.world.azure.clone(), state.world.allocator.clone());
    let trial = with_azure(state, |azure| remove_from(azure, id, if_match.as_deref()));
    let record = is_private_dns(id)
        && id.segment("virtualNetworkLinks").is_none()
        && id.segment("privateDnsZones") != Some(id.name());
    if record && trial.is_ok() {
        return Ok(Answer::status_only(200));
    }
    (state.world.azure, state.world.allocator) = (world, allocator);
    trial?;
    let spelled = spelled(state, id);
    let operation = operation::accept(state, call, Kind::Delete, &spelled);
    let answer = Answer::status_only(202);
    Ok(operation::with_headers(state, call, answer, &operation, Kind::Delete))
}

fn remove_from(
    azure: &mut Azure<'_>,
    id: &ResourceId,
    if_match: Option<&str>,
) -> Result<Done, ArmError> {
    if is_private_dns(id) {
        azure.delete_private_dns(id, if_match)
    } else if is_zone_group(id) {
        azure.delete_zone_group(id)
    } else if id.segment("privateEndpoints").is_some()
        && id.segment("privateLinkServices").is_none()
    {
        azure.delete_private_endpoint(id, if_match)
    } else {
        azure.delete(id, if_match)
    }
}

/// Removes a resource, when its operation ends.
pub(super) fn remove(state: &mut State, id: &ResourceId) -> Result<(), ArmError> {
    with_azure(state, |azure| remove_from(azure, id, None)).map(|_| ())
}

/// Removes a resource group with all that is in it, consumers first: endpoints, then PLS, then all
/// else.
pub(super) fn remove_group(state: &mut State, id: &ResourceId) -> Result<(), ArmError> {
    let prefix = format!("{}/providers/", id.key());
    let order = |key: &str| match key {
        _ if key.contains("/privateendpoints/") => 0,
        _ if key.contains("/privatelinkservices/") => 1,
        // Before the load balancers that they name.
        _ if key.contains("/virtualmachinescalesets/") => 1,
        _ if key.contains("/loadbalancers/") => 2,
        // What others are in or refer to.
        _ if key.contains("/virtualnetworks/") => 4,
        _ if key.contains("/networksecuritygroups/") => 5,
        _ => 3,
    };
    let mut keys: Vec<String> = state
        .world
        .azure
        .keys()
        .filter(|key| key.starts_with(&prefix))
        .map(ToOwned::to_owned)
        .collect();
    keys.sort_by_key(|key| (order(key), std::cmp::Reverse(key.len()), key.clone()));
    for key in keys {
        let id = ResourceId::new(key);
        if state.world.azure.get(&id).is_some() {
            remove(state, &id)?;
        }
    }
    state.world.directory.groups.remove(&id.key());
    state.touch();
    Ok(())
}

/// Leaves a resource in state `Failed` or `Canceled`, as its operation.
pub(super) fn mark_failed(state: &mut State, id: &ResourceId, ending: &str) {
    state.touch();
    let parent = id.parent().filter(|_| id.segment("privateEndpointConnections").is_some());
    if let Some(parent) = parent {
        // A connection is a part of its Private Link Service.
        let Some(service) = state.world.azure.private_link_services.get_mut(&parent.key()) else {
            return;
        };
        let connections = &mut Arc::make_mut(service).properties.private_endpoint_connections;
        for connection in connections.iter_mut().flatten() {
            if connection.name().eq_ignore_ascii_case(id.name()) {
                connection.properties.provisioning_state = Some(ending.to_owned());
            }
        }
        return;
    }
    if type_of(&id.key()).is_held_in_parent() {
        return;
    }
    let Some(mut resource) = state.world.azure.get(id) else { return };
    if let Some(properties) = resource.get_mut("properties").and_then(Value::as_object_mut) {
        properties.insert("provisioningState".to_owned(), json!(ending));
    }
    if let Err(error) = state.world.azure.insert(resource) {
        tracing::error!(%error, "a failed resource cannot be stored");
    }
}
