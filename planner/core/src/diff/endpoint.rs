//! Private endpoints, and the connections they make.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::address::{Address, Kind};
use crate::arm::address::Prefix;
use crate::arm::resource::PrivateLinkService;
use crate::arm::world::World;
use crate::change::{Action, Actor, Change, Consumer, FieldDiff, show_value};
use crate::code::Code;
use crate::compare;
use crate::desired::{Approval, PrivateEndpoint, Subnet, Target};
use crate::kubernetes::service::Key;
use crate::plan::{Finding, Mode, Op, Refusal};
use crate::prediction::Prediction;
use crate::resource_id::ResourceId;
use crate::snapshot::Observation;
use crate::view;
use crate::view::base_name;

use super::approval::{self, Decision};
use super::draft::{Draft, DraftKey, Stage};
use super::{Gathered, Input, STACK_TAG, dns};

const TYPE: &str = "Microsoft.Network/privateEndpoints";

/// The address of an endpoint.
pub fn address(name: &str) -> Address {
    Address::new(Kind::PrivateEndpoint, name)
}

/// The id of a desired endpoint.
pub fn id(input: &Input<'_>, endpoint: &PrivateEndpoint) -> ResourceId {
    let subscription = endpoint
        .subscription
        .as_ref()
        .map_or(input.facts.subscription.as_str(), |subscription| subscription.as_str());
    ResourceId::in_group(subscription, &endpoint.resource_group, TYPE, &endpoint.name)
}

/// The endpoints of this stack, wanted or live, by id in lower case.
pub fn own(input: &Input<'_>) -> BTreeMap<String, Address> {
    let mut own = BTreeMap::new();
    for live in input.snapshot.resources_of_type(TYPE) {
        if stack_of(live) == Some(input.desired.name.as_str())
            && let Some(id) = live.get("id").and_then(Value::as_str)
        {
            let id = ResourceId::new(id);
            own.insert(id.key(), address(id.name()));
        }
    }
    for (name, endpoint) in &input.desired.endpoints {
        own.insert(id(input, endpoint).key(), address(name));
    }
    own
}

fn stack_of(live: &Value) -> Option<&str> {
    live.get("tags")?.get(STACK_TAG)?.as_str()
}

/// The live endpoints of this stack that are to go.
pub fn leaving<'a>(input: &Input<'a>) -> Vec<&'a Value> {
    if !input.prunes() {
        return Vec::new();
    }
    let wanted: Vec<ResourceId> = match input.options.mode {
        Mode::Destroy => Vec::new(),
        Mode::Apply => input.desired.endpoints.values().map(|wanted| id(input, wanted)).collect(),
    };
    let mut leaving: Vec<&Value> = input
        .snapshot
        .resources_of_type(TYPE)
        .filter(|live| stack_of(live) == Some(input.desired.name.as_str()))
        .filter(|live| {
            let id = live.get("id").and_then(Value::as_str).map(ResourceId::new);
            id.is_some_and(|id| !wanted.contains(&id))
        })
        .collect();
    leaving.sort_by_key(|live| live.get("id").and_then(Value::as_str).map(str::to_lowercase));
    leaving.dedup_by_key(|live| live.get("id").and_then(Value::as_str).map(str::to_lowercase));
    leaving
}

/// Azure without the connections of endpoints that are to go: they go first.
pub fn without(mut world: World, leaving: &[&Value]) -> World {
    let gone: Vec<ResourceId> =
        leaving.iter().filter_map(|live| live.get("id")?.as_str()).map(ResourceId::new).collect();
    if gone.is_empty() {
        return world;
    }
    for link in world.private_link_services.values_mut() {
        let holds = |link: &PrivateLinkService| {
            view::consumers(link).iter().any(|it| gone.contains(&ResourceId::new(&it.endpoint)))
        };
        if holds(link) {
            let link = std::sync::Arc::make_mut(link);
            if let Some(connections) = &mut link.properties.private_endpoint_connections {
                connections.retain(|connection| {
                    let endpoint = connection.properties.private_endpoint.as_ref();
                    !endpoint.is_some_and(|it| gone.contains(&ResourceId::new(it.id())))
                });
            }
        }
    }
    world
}

/// Diffs all endpoints of the stack.
pub fn diff(
    input: &Input<'_>,
    prediction: &Prediction,
    leaving: &[&Value],
    gathered: &mut Gathered,
) {
    for live in leaving {
        delete(input, prediction, live, gathered);
    }
    if input.options.mode == Mode::Destroy {
        return;
    }
    for (name, endpoint) in &input.desired.endpoints {
        one(input, prediction, (&address(name), endpoint), gathered);
    }
}

/// Deletes an endpoint that left; whatever Service it reached is deleted after it.
fn delete(input: &Input<'_>, prediction: &Prediction, live: &Value, gathered: &mut Gathered) {
    let Some(id) = live.get("id").and_then(Value::as_str).map(ResourceId::new) else { return };
    let at = address(id.name());
    let reason = match input.options.mode {
        Mode::Destroy => "the stack is to go",
        Mode::Apply => "it carries the stack's tag and left the desired state",
    };
    let mut change = Change::new(at.clone(), Action::Delete, Actor::Privlink, reason);
    change.object = Some(id.as_str().to_owned());
    gathered.changes.push(change);
    gathered.changes.push(Change::new(
        Address::new(Kind::EndpointConnection, id.name()),
        Action::Delete,
        Actor::Azure,
        "its endpoint goes",
    ));
    let op = Op::DeleteResource { id: id.as_str().to_owned() };
    let subnet = live.pointer("/properties/subnet/id").and_then(Value::as_str);
    let draft =
        Draft::new(&at, Stage::Delete, op).locking(subnet.unwrap_or_default().to_lowercase());
    gathered.drafts.push(draft);
    let owners = prediction.owners();
    let reached = live_connection(live)
        .and_then(|connection| connection.target)
        .and_then(|target| prediction.before.private_link_services.get(&target.to_lowercase()))
        .and_then(|link| view::frontend_of(link))
        .and_then(|frontend| owners.of_name(frontend.name()).cloned());
    let Some(service) = reached.map(|key| super::service::address(&key)) else { return };
    for draft in &mut gathered.drafts {
        if draft.key == DraftKey::new(&service, Stage::Delete) {
            draft.needs.insert(DraftKey::new(&at, Stage::Delete));
        }
    }
}

/// What an endpoint is to reach.
struct Reached<'a> {
    /// The id or alias that is written.
    target: String,
    /// The Service whose sync makes it.
    service: Option<Key>,
    /// What is predicted of it.
    link: Option<&'a PrivateLinkService>,
    /// Whether another resource takes its place, so that connections to it are lost.
    remade: bool,
}

fn reached<'a>(
    input: &Input<'_>,
    prediction: &'a Prediction,
    endpoint: &PrivateEndpoint,
) -> Option<Reached<'a>> {
    let link_of = |id: &str| prediction.after.private_link_services.get(&id.to_lowercase());
    match &endpoint.target {
        Target::Id(id) => Some(Reached {
            target: id.as_str().to_owned(),
            service: None,
            link: link_of(id.as_str()).map(AsRef::as_ref),
            remade: false,
        }),
        Target::Alias(alias) => {
            let services = prediction.after.private_link_services.values();
            let is_it = |link: &&std::sync::Arc<PrivateLinkService>| {
                link.properties
                    .alias
                    .as_deref()
                    .is_some_and(|it| it.eq_ignore_ascii_case(&alias.value))
            };
            Some(Reached {
                target: alias.value.clone(),
                service: None,
                link: services.into_iter().find(is_it).map(AsRef::as_ref),
                remade: false,
            })
        }
        Target::Service(name) => {
            let key = name.value.clone();
            let link = link_of_service(&prediction.after, prediction, &key)?;
            let before = prediction.before.private_link_services.get(&link.id().to_lowercase());
            let remade =
                before.is_some_and(|before| view::identity_of(before) != view::identity_of(link));
            let _ = input;
            Some(Reached {
                target: link.id().to_owned(),
                service: Some(key),
                link: Some(link),
                remade,
            })
        }
    }
}

/// The Private Link Service through which a Service is reached: the one on a frontend that has a rule
/// of the Service.
pub fn link_of_service<'a>(
    world: &'a World,
    prediction: &Prediction,
    key: &Key,
) -> Option<&'a PrivateLinkService> {
    let service = prediction.services.get(key).or_else(|| prediction.live.get(key))?;
    let base = base_name(&service.uid);
    let frontends = world.load_balancers.values().flat_map(|balancer| {
        balancer.properties.load_balancing_rules.iter().flatten().filter_map(|rule| {
            let frontend = rule.properties.frontend_ip_configuration.as_ref()?;
            rule.name().starts_with(&base).then(|| ResourceId::new(frontend.id()))
        })
    });
    let frontends: Vec<ResourceId> = frontends.collect();
    world
        .private_link_services
        .values()
        .find(|link| view::frontend_of(link).is_some_and(|it| frontends.contains(&it)))
        .map(AsRef::as_ref)
}

/// A connection as its endpoint shows it.
struct LiveConnection {
    target: Option<String>,
    status: String,
    manual: bool,
}

fn live_connection(live: &Value) -> Option<LiveConnection> {
    let first = |list: &str| live.pointer(&format!("/properties/{list}/0/properties"));
    let (connection, manual) =
        first("privateLinkServiceConnections").map(|connection| (connection, false)).or_else(
            || first("manualPrivateLinkServiceConnections").map(|connection| (connection, true)),
        )?;
    let text = |pointer: &str| connection.pointer(pointer).and_then(Value::as_str);
    Some(LiveConnection {
        target: text("/privateLinkServiceId").map(ToOwned::to_owned),
        status: text("/privateLinkServiceConnectionState/status").unwrap_or_default().to_owned(),
        manual,
    })
}

/// Refuses to plan for a resource that could not be read.
pub fn refuse_unreadable(at: &Address, why: &str, gathered: &mut Gathered) {
    gathered.refusals.push(Refusal {
        code: Code::Unreadable,
        message: format!("{at} could not be read ({why}), so nothing is planned for it"),
        overridden_by: "none: make it readable".to_owned(),
    });
}

fn one(
    input: &Input<'_>,
    prediction: &Prediction,
    (at, endpoint): (&Address, &PrivateEndpoint),
    gathered: &mut Gathered,
) {
    let id = id(input, endpoint);
    let Some(reached) = reached(input, prediction, endpoint) else {
        gathered.findings.push(Finding {
            code: Code::NoPrivateLinkService,
            severity: Code::NoPrivateLinkService.severity(),
            address: at.clone(),
            message: "its Service will have no Private Link Service to connect to".to_owned(),
            help: Some(
                "Set azure-pls-create to \"true\" on the Service, and look at what else is found of it."
                    .to_owned(),
            ),
            place: Some(endpoint.name.span.place().to_string()),
        });
        return;
    };
    let live = match input.snapshot.resource(&id) {
        Observation::Present(live) => Some(live),
        Observation::Absent => None,
        Observation::Unreadable(why) => return refuse_unreadable(at, why, gathered),
        Observation::NotObserved => return refuse_unreadable(at, "it was not asked for", gathered),
    };
    let subnet = subnet_id(endpoint, &id);
    let Some(location) = location(input, endpoint, &subnet, at, gathered) else { return };
    gathered.findings.extend(misplaced(input, endpoint, &subnet, at));
    let body = body(input, endpoint, &reached, &subnet, &location);
    let fields = live.map(|live| compare_endpoint(live, &body));
    let action = decide(live, fields.as_deref(), reached.remade);
    let fields = match (&action, fields) {
        (Some((Action::Create, _)), _) => compare::fields(None, Some(&comparable(&body))),
        (_, fields) => fields.unwrap_or_default(),
    };
    if let Some((Action::Update, _)) = action
        && live.is_some_and(|live| stack_of(live).is_none_or(|it| it != input.desired.name))
        && !input.options.adopt
    {
        gathered.refusals.push(Refusal {
            code: Code::NotAdopted,
            message: format!("{at} exists already, and is not marked as this stack's"),
            overridden_by: "--adopt".to_owned(),
        });
    }
    if let Some((action, reason)) = &action {
        let mut change = Change::new(at.clone(), *action, Actor::Privlink, reason.clone());
        change.object = Some(id.as_str().to_owned());
        change.fields = shown(fields);
        gathered.changes.push(change);
        write(at, &id, (*action, live), (body, &subnet), &reached, gathered);
    }
    let remade = matches!(action, Some((Action::Create | Action::Replace, _)));
    connection(input, (at, &id, endpoint), (&reached, live, remade), gathered);
    let address = current_address(input, endpoint, &id, live.filter(|_| !remade));
    dns::diff(input, endpoint, (at, &id), &address, remade, gathered);
}

/// The endpoint's address: the one asked for, the one it has, or the mark of the one it will get.
fn current_address(
    input: &Input<'_>,
    endpoint: &PrivateEndpoint,
    id: &ResourceId,
    live: Option<&Value>,
) -> String {
    if let Some(address) = &endpoint.address {
        return address.value.to_string();
    }
    let nic = live.and_then(|live| live.pointer("/properties/networkInterfaces/0/id")?.as_str());
    let nic = nic.map(|nic| input.snapshot.resource(&ResourceId::new(nic)));
    if let Some(Observation::Present(nic)) = nic
        && let Some(address) =
            nic.pointer("/properties/ipConfigurations/0/properties/privateIPAddress")
        && let Some(address) = address.as_str()
    {
        return address.to_owned();
    }
    dns::endpoint_address_mark(id)
}

pub(crate) fn subnet_id(endpoint: &PrivateEndpoint, id: &ResourceId) -> ResourceId {
    match &endpoint.subnet {
        Subnet::Id(id) => id.value.clone(),
        Subnet::Named { virtual_network, name } => ResourceId::in_group(
            id.subscription().unwrap_or_default(),
            id.resource_group().unwrap_or_default(),
            "Microsoft.Network/virtualNetworks",
            virtual_network,
        )
        .child("subnets", name),
    }
}

/// The endpoint's region: its own, or its virtual network's, which must then be readable.
fn location(
    input: &Input<'_>,
    endpoint: &PrivateEndpoint,
    subnet: &ResourceId,
    at: &Address,
    gathered: &mut Gathered,
) -> Option<String> {
    if let Some(location) = &endpoint.location {
        return Some(location.value.clone());
    }
    let network = subnet.parent()?;
    let why = match input.snapshot.resource(&network) {
        Observation::Present(network) => {
            return network.get("location").and_then(Value::as_str).map(ToOwned::to_owned);
        }
        Observation::Absent => "is not there",
        Observation::Unreadable(why) => why,
        Observation::NotObserved => "was not asked for",
    };
    gathered.findings.push(Finding {
        code: Code::NetworkMissing,
        severity: Code::NetworkMissing.severity(),
        address: at.clone(),
        message: format!("its virtual network {network} {why}"),
        help: Some("Name a virtual network that exists, or make it first.".to_owned()),
        place: Some(endpoint.name.span.place().to_string()),
    });
    None
}

/// Whether Azure has no place for the endpoint, as far as its virtual network was read: found before a
/// live endpoint is deleted to be made anew elsewhere.
fn misplaced(
    input: &Input<'_>,
    endpoint: &PrivateEndpoint,
    subnet: &ResourceId,
    at: &Address,
) -> Option<Finding> {
    let parent = subnet.parent()?;
    let Observation::Present(network) = input.snapshot.resource(&parent) else { return None };
    let subnets = network.pointer("/properties/subnets")?.as_array()?;
    let is_it = |it: &&Value| {
        let id = it.get("id").and_then(Value::as_str);
        id.is_some_and(|id| ResourceId::new(id) == *subnet)
    };
    let (code, message, help) = match subnets.iter().find(is_it) {
        None => (
            Code::NetworkMissing,
            format!("its subnet {} is not in virtual network {parent}", subnet.name()),
            "Name a subnet that exists, or make it first.",
        ),
        Some(live) => {
            let address = endpoint.address.as_ref()?;
            let properties = live.get("properties")?;
            let one = properties.get("addressPrefix").into_iter();
            let many = properties.get("addressPrefixes").and_then(Value::as_array);
            let ranges: Vec<&str> =
                one.chain(many.into_iter().flatten()).filter_map(Value::as_str).collect();
            let holds = |range: &&str| {
                Prefix::parse(range).is_none_or(|range| range.contains(address.value.into()))
            };
            if ranges.is_empty() || ranges.iter().any(holds) {
                return None;
            }
            (
                Code::BadAddress,
                format!(
                    "its address {} is not in its subnet {}, {}",
                    address.value,
                    subnet.name(),
                    ranges.join(", ")
                ),
                "Choose an address of the subnet, or leave `address` away.",
            )
        }
    };
    Some(Finding {
        code,
        severity: code.severity(),
        address: at.clone(),
        message,
        help: Some(help.to_owned()),
        place: Some(endpoint.name.span.place().to_string()),
    })
}

fn body(
    input: &Input<'_>,
    endpoint: &PrivateEndpoint,
    reached: &Reached<'_>,
    subnet: &ResourceId,
    location: &str,
) -> Value {
    let mut connection = json!({
        "name": endpoint.connection_name,
        "properties": {"privateLinkServiceId": reached.target, "groupIds": []},
    });
    if let Some(message) = &endpoint.request_message
        && let Some(properties) = connection.get_mut("properties").and_then(Value::as_object_mut)
    {
        properties.insert("requestMessage".to_owned(), message.value.clone().into());
    }
    let (automatic, manual) = match endpoint.approval {
        Approval::Automatic => (json!([connection]), json!([])),
        Approval::Manual => (json!([]), json!([connection])),
    };
    let addresses: Vec<Value> = endpoint
        .address
        .iter()
        .map(|address| {
            json!({
                "name": format!("{}-ip", endpoint.name.value),
                "properties": {"privateIPAddress": address.value.to_string()},
            })
        })
        .collect();
    json!({
        "location": location,
        "tags": {STACK_TAG: input.desired.name},
        "properties": {
            "subnet": {"id": subnet.as_str()},
            "privateLinkServiceConnections": automatic,
            "manualPrivateLinkServiceConnections": manual,
            "ipConfigurations": addresses,
        },
    })
}

/// What of an endpoint is compared: what privlink writes.
fn comparable(endpoint: &Value) -> Value {
    let at = |pointer: &str| endpoint.pointer(pointer).cloned().unwrap_or_default();
    let automatic = at("/properties/privateLinkServiceConnections/0");
    let manual = at("/properties/manualPrivateLinkServiceConnections/0");
    let (connection, approval) =
        if automatic.is_null() { (manual, "Manual") } else { (automatic, "Automatic") };
    let of = |pointer: &str| connection.pointer(pointer).cloned().unwrap_or_default();
    let mut fields = json!({
        "location": at("/location"),
        "subnet": at("/properties/subnet/id"),
        "approval": approval,
        "connectionName": of("/name"),
        "privateLinkServiceId": of("/properties/privateLinkServiceId"),
        "requestMessage": of("/properties/requestMessage").as_str().filter(|it| !it.is_empty()),
        "privateIPAddress": at("/properties/ipConfigurations/0/properties/privateIPAddress"),
        "tags": {STACK_TAG: at("/tags").get(STACK_TAG)},
    });
    if let Some(fields) = fields.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    fields
}

/// What a plan uses of a live endpoint.
pub fn bound(live: &Value) -> Value {
    let status = live_connection(live).map(|connection| connection.status);
    json!({"fields": comparable(live), "status": status})
}

/// The fields of an endpoint that cannot change in place (ARM contract, table "In place?").
const IMMUTABLE: [&str; 6] = [
    "location",
    "subnet",
    "approval",
    "connectionName",
    "privateLinkServiceId",
    "privateIPAddress",
];

/// Whether two spellings mean the same: ids in any case, `East US` and `eastus`.
fn is_same(field: &FieldDiff) -> bool {
    let text = |side: &Option<Value>| {
        side.as_ref().and_then(Value::as_str).map(|text| text.to_lowercase().replace(' ', ""))
    };
    let by_case = ["location", "subnet", "privateLinkServiceId"];
    by_case.contains(&field.path.as_str()) && text(&field.before) == text(&field.after)
}

fn compare_endpoint(live: &Value, body: &Value) -> Vec<FieldDiff> {
    let (live, wanted) = (comparable(live), comparable(body));
    compare::fields(Some(&live), Some(&wanted))
        .into_iter()
        .map(|mut field| {
            field.forces_replacement = IMMUTABLE.contains(&field.path.as_str());
            field
        })
        .filter(|field| !is_same(field))
        // An address that was not asked for is Azure's choice, not a difference.
        .filter(|field| !(field.path == "privateIPAddress" && field.after.is_none()))
        .collect()
}

/// Fields with their unknowns as words.
pub fn shown(fields: Vec<FieldDiff>) -> Vec<FieldDiff> {
    fields
        .into_iter()
        .map(|field| FieldDiff {
            before: field.before.as_ref().map(show_value),
            after: field.after.as_ref().map(show_value),
            ..field
        })
        .collect()
}

fn decide(
    live: Option<&Value>,
    fields: Option<&[FieldDiff]>,
    remade: bool,
) -> Option<(Action, String)> {
    let Some(live) = live else {
        return Some((Action::Create, "it is not in Azure".to_owned()));
    };
    let status = live_connection(live).map(|connection| connection.status).unwrap_or_default();
    if status == "Disconnected" || status == "Rejected" {
        let reason = format!("its connection is {status}, and an endpoint cannot connect again");
        return Some((Action::Replace, reason));
    }
    if remade {
        let reason = "the Private Link Service it reaches is made anew, which cuts it off";
        return Some((Action::Replace, reason.to_owned()));
    }
    let fields = fields.unwrap_or_default();
    if fields.iter().any(|field| field.forces_replacement) {
        return Some((Action::Replace, "a field differs that cannot change in place".to_owned()));
    }
    (!fields.is_empty()).then(|| (Action::Update, "its document says otherwise".to_owned()))
}

fn write(
    at: &Address,
    id: &ResourceId,
    (action, live): (Action, Option<&Value>),
    (body, subnet): (Value, &ResourceId),
    reached: &Reached<'_>,
    gathered: &mut Gathered,
) {
    let service = reached.service.as_ref().map(super::service::address);
    let needing = |draft: Draft| match &service {
        Some(service) => draft.needing(service, Stage::Await),
        None => draft,
    };
    if action == Action::Replace {
        let op = Op::DeleteResource { id: id.as_str().to_owned() };
        let draft = Draft::new(at, Stage::Delete, op).locking(subnet.key());
        gathered.drafts.push(needing(draft));
    }
    let etag = live
        .filter(|_| action == Action::Update)
        .and_then(|live| live.get("etag")?.as_str())
        .map(ToOwned::to_owned);
    let body = match live {
        // Fields that privlink does not know stay as they are.
        Some(live) if action == Action::Update => updated(live, &body),
        _ => body,
    };
    let op = Op::PutResource { id: id.as_str().to_owned(), body, etag };
    let draft = Draft::new(at, Stage::Write, op)
        .needing(at, Stage::Delete)
        .locking(subnet.key())
        .locking(reached.target.to_lowercase());
    gathered.drafts.push(needing(draft));
}

/// The live endpoint with what can change in place changed.
fn updated(live: &Value, body: &Value) -> Value {
    let mut updated = live.clone();
    if let (Some(tags), Some(wanted)) = (
        updated.as_object_mut().map(|fields| fields.entry("tags").or_insert_with(|| json!({}))),
        body.get("tags").and_then(Value::as_object),
    ) && let Some(tags) = tags.as_object_mut()
    {
        tags.extend(wanted.clone());
    }
    for list in ["privateLinkServiceConnections", "manualPrivateLinkServiceConnections"] {
        let pointer = format!("/properties/{list}/0/properties");
        let message = body.pointer(&pointer).and_then(|it| it.get("requestMessage")).cloned();
        let Some(properties) = updated.pointer_mut(&pointer).and_then(Value::as_object_mut) else {
            continue;
        };
        // A message that is left out stays as it was; an empty one takes it back.
        properties.insert("requestMessage".to_owned(), message.unwrap_or_else(|| "".into()));
    }
    updated
}

/// The state Azure gives a new connection (ARM contract, table "States and mirroring").
fn new_status(
    endpoint: &PrivateEndpoint,
    id: &ResourceId,
    link: Option<&PrivateLinkService>,
) -> &'static str {
    if endpoint.approval == Approval::Automatic {
        return "Approved";
    }
    let approved = link.and_then(|link| link.properties.auto_approval.as_ref());
    let subscriptions = approved.and_then(|set| set.subscriptions.as_ref()).into_iter().flatten();
    let subscription = id.subscription().unwrap_or_default();
    let mut approved = subscriptions.map(String::as_str);
    if approved.any(|it| it == "*" || it.eq_ignore_ascii_case(subscription)) {
        "Approved"
    } else {
        "Pending"
    }
}

fn connection(
    input: &Input<'_>,
    (at, id, endpoint): (&Address, &ResourceId, &PrivateEndpoint),
    (reached, live, remade): (&Reached<'_>, Option<&Value>, bool),
    gathered: &mut Gathered,
) {
    let connection_at = Address::new(Kind::EndpointConnection, at.name.clone());
    let live = live.filter(|_| !remade).and_then(live_connection);
    let mut status = match &live {
        Some(live) => live.status.clone(),
        None => new_status(endpoint, id, reached.link).to_owned(),
    };
    if remade {
        let reason = "Azure makes it when the endpoint connects";
        let mut change = Change::new(connection_at.clone(), Action::Create, Actor::Azure, reason);
        change.fields = vec![FieldDiff {
            path: "status".to_owned(),
            before: None,
            after: Some(status.clone().into()),
            forces_replacement: false,
        }];
        gathered.changes.push(change);
    }
    let decision = approval::decision(input, reached.service.as_ref(), id, &status);
    if let Some(decision) = decision.filter(|_| status == "Pending") {
        let link = reached.link.map_or(reached.target.as_str(), |link| link.id());
        approval::decide(&connection_at, link, id, decision, gathered);
        if let Some(draft) = gathered.drafts.last_mut() {
            draft.needs.insert(DraftKey::new(at, Stage::Write));
        }
        status = decision.status().to_owned();
    }
    if status == "Pending" {
        gathered.awaiting_approval.push(Consumer {
            endpoint: id.as_str().to_owned(),
            subscription: id.subscription().unwrap_or_default().to_owned(),
            request_message: endpoint
                .request_message
                .as_ref()
                .map(|message| message.value.clone())
                .unwrap_or_default(),
            status: status.clone(),
            own: true,
        });
    }
    let waits = remade || decision == Some(Decision::Approve) && live.is_some_and(|it| it.manual);
    if waits && status != "Rejected" {
        let op = Op::AwaitConnection { endpoint: id.as_str().to_owned(), status };
        let draft = Draft::new(at, Stage::Connect, op)
            .needing(at, Stage::Write)
            .needing(&connection_at, Stage::Decide);
        gathered.drafts.push(draft);
    }
}
