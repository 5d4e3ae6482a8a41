//! Names of endpoints: A records that privlink keeps, and zone groups through which Azure keeps them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::address::{Address, Kind};
use crate::change::{Action, Actor, Change, FieldDiff};
use crate::code::Code;
use crate::compare;
use crate::desired::{Dns, PrivateEndpoint};
use crate::plan::{Finding, Mode, Op, Refusal};
use crate::pointer::At;
use crate::provisioning;
use crate::resource_id::ResourceId;
use crate::snapshot::{Observation, Reading};
use crate::unknown;

use super::draft::{Draft, DraftKey, Stage};
use super::{DNS_TAG, Gathered, Input, STACK_TAG};

/// How long resolvers may keep a record, in seconds: what Azure's own zone groups use.
pub(crate) const TTL: u32 = 10;

/// The mark of the address an endpoint gets.
pub fn endpoint_address_mark(endpoint: &ResourceId) -> String {
    unknown::mark("address", &endpoint.key())
}

/// The id of a private DNS zone that was written as a name or as an id.
pub fn zone_id(zone: &str, endpoint: &ResourceId) -> ResourceId {
    if zone.starts_with('/') {
        return ResourceId::new(zone);
    }
    let (subscription, group) = (
        endpoint.subscription().unwrap_or_default(),
        endpoint.resource_group().unwrap_or_default(),
    );
    ResourceId::in_group(subscription, group, "Microsoft.Network/privateDnsZones", zone)
}

/// The resource an endpoint's name is kept in, and its address.
pub fn target(endpoint: &PrivateEndpoint, id: &ResourceId) -> Option<(Address, ResourceId)> {
    match endpoint.dns.as_ref()? {
        Dns::Record { zone, name } => {
            let zone = zone_id(zone, id);
            let address = Address::new(Kind::DnsRecord, format!("{}/{}", zone.name(), name.value));
            Some((address, zone.child("A", name)))
        }
        Dns::ZoneGroup { name, .. } => {
            let name = name.as_ref().map_or("default", |name| name.as_str());
            let address = Address::new(Kind::DnsRecord, format!("{}/{name}", id.name()));
            Some((address, id.child("privateDnsZoneGroups", name)))
        }
    }
}

/// Diffs the name of one endpoint. `address` is the endpoint's address in its subnet, or its mark;
/// `endpoint_moves` whether the endpoint is written by this plan.
pub fn diff(
    input: &Input<'_>,
    endpoint: &PrivateEndpoint,
    (endpoint_at, endpoint_id): (&Address, &ResourceId),
    address: &str,
    (remade, dropped): (bool, Option<DraftKey>),
    gathered: &mut Gathered,
) {
    let Some((at, id)) = target(endpoint, endpoint_id) else { return };
    if !input.covers(&at) {
        return;
    }
    if let Some(finding) = zone_missing(input, endpoint, &at, &id) {
        gathered.findings.push(finding);
        return;
    }
    let live = input.snapshot.resource(&id);
    let wanted = match endpoint.dns.as_ref() {
        Some(Dns::Record { .. }) => record(address, &input.desired.name),
        Some(Dns::ZoneGroup { zones, .. }) => {
            let ids = zones.iter().map(|zone| zone_id(zone, endpoint_id));
            group(&ids.collect::<Vec<_>>())
        }
        None => return,
    };
    let live = match live {
        // A zone group goes with its endpoint, and is made anew with it.
        _ if remade && matches!(endpoint.dns, Some(Dns::ZoneGroup { .. })) => None,
        Observation::Present(live) => Some(live),
        Observation::Absent => None,
        Observation::Unreadable(why) => {
            super::endpoint::refuse_unreadable(&at, why, gathered);
            return;
        }
        Observation::NotObserved if remade => None,
        Observation::NotObserved => {
            super::endpoint::refuse_unreadable(&at, "it was not asked for", gathered);
            return;
        }
    };
    let mut fields = compare::fields(live.map(shown).as_ref(), Some(&shown(&wanted)));
    fields.extend(live.and_then(provisioning::field));
    if fields.is_empty() {
        return;
    }
    // A zone group is a part of its endpoint; a record stands for itself.
    let is_record = matches!(endpoint.dns, Some(Dns::Record { .. }));
    let owner = live.and_then(stack_of);
    let ours = live.is_none() || owner == Some(input.desired.name.as_str());
    if is_record && !ours && !input.options.adopt {
        let is_mark =
            |it: &FieldDiff| it.path.starts_with("metadata") || it.path == provisioning::FIELD;
        if owner.is_none() && fields.iter().all(is_mark) {
            gathered.findings.push(super::endpoint::unmarked(&at));
            return;
        }
        gathered.refusals.push(Refusal {
            code: Code::NotAdopted,
            message: format!("{at} exists already, and is not marked as this stack's"),
            overridden_by: "--adopt".to_owned(),
        });
    }
    let (action, reason) = match live {
        None => (Action::Create, "the endpoint is to have this name"),
        Some(_) if is_record && !ours => (Action::Adopt, "it exists, and this stack takes it over"),
        Some(_) if provisioning::is_only(&fields) => (Action::Update, provisioning::AGAIN),
        Some(_) => (Action::Update, "it does not lead to the endpoint"),
    };
    let mut change = Change::new(at.clone(), action, Actor::Privlink, reason);
    change.object = Some(id.as_str().to_owned());
    change.fields = super::endpoint::shown(fields);
    gathered.changes.push(change);
    let etag = live.and_then(|live| live.get("etag")?.as_str()).map(ToOwned::to_owned);
    let op = Op::PutResource { id: id.as_str().to_owned(), body: wanted, etag };
    let mut draft = Draft::new(&at, Stage::Write, op)
        .needing(endpoint_at, Stage::Write)
        .needing(endpoint_at, Stage::Connect)
        .locking(id.collection().map(|zone| zone.key()).unwrap_or_default());
    // An endpoint has one zone group at most.
    draft.needs.extend(dropped);
    gathered.drafts.push(draft);
}

/// Where privlink keeps the name of an endpoint, as its tag says: the id of a record, or the name of a
/// zone group. ARM takes 256 characters for a tag; a longer id is left out.
pub fn place(endpoint: &PrivateEndpoint, id: &ResourceId) -> Option<String> {
    let (_, target) = target(endpoint, id)?;
    let place = match endpoint.dns.as_ref()? {
        Dns::Record { .. } => target.as_str().to_owned(),
        Dns::ZoneGroup { .. } => target.name().to_owned(),
    };
    (place.len() <= 256).then_some(place)
}

/// Where the name of a live endpoint is kept.
pub fn tag(live: &Value) -> Option<&str> {
    live.get("tags")?.get(DNS_TAG)?.as_str()
}

/// Deletes the zone group of an endpoint that stays and wants it no more. Its tag, by which the group
/// would be found again, goes after it.
pub fn drop_group(
    input: &Input<'_>,
    endpoint: &PrivateEndpoint,
    endpoint_id: &ResourceId,
    live: Option<&Value>,
    gathered: &mut Gathered,
) -> Option<DraftKey> {
    let name = live.and_then(tag).filter(|tag| !tag.starts_with('/'))?;
    let id = endpoint_id.child("privateDnsZoneGroups", name);
    let wanted = target(endpoint, endpoint_id).is_some_and(|(_, wanted)| wanted == id);
    if wanted || !matches!(input.snapshot.resource(&id), Observation::Present(_)) {
        return None;
    }
    let at = Address::new(Kind::DnsRecord, format!("{}/{name}", endpoint_id.name()));
    delete(&at, &id, "its endpoint's document no longer asks for it", gathered);
    Some(DraftKey::new(&at, Stage::Delete))
}

fn delete(at: &Address, id: &ResourceId, reason: &str, gathered: &mut Gathered) {
    let mut change = Change::new(at.clone(), Action::Delete, Actor::Privlink, reason);
    change.object = Some(id.as_str().to_owned());
    gathered.changes.push(change);
    let lock = id.collection().map(|zone| zone.key()).unwrap_or_default();
    let op = Op::DeleteResource { id: id.as_str().to_owned() };
    gathered.drafts.push(Draft::new(at, Stage::Delete, op).locking(lock));
}

/// The live records of this stack.
pub fn written(input: &Input<'_>) -> Vec<(Address, ResourceId)> {
    let of_record = |id: ResourceId| {
        let zone = id.parent()?;
        Some((Address::new(Kind::DnsRecord, format!("{}/{}", zone.name(), id.name())), id))
    };
    records(input).filter_map(of_record).collect()
}

/// Deletes the records of this stack that no endpoint wants any more, in the zones that were read. A
/// record goes before its endpoint's tag does, by which it would be found again.
pub fn prune(input: &Input<'_>, gathered: &mut Gathered) {
    let reason = match input.options.mode {
        Mode::Destroy => "the stack is to go",
        Mode::Apply => "it carries the stack's mark and left the desired state",
    };
    for (at, id) in gone(input).into_iter().filter(|(at, _)| input.covers(at)) {
        delete(&at, &id, reason, gathered);
    }
    let first: BTreeMap<Address, Address> = leaving(input).into_iter().collect();
    for draft in &mut gathered.drafts {
        if matches!(draft.key.stage, Stage::Delete | Stage::Write) {
            let record = first.get(&draft.key.address);
            draft.needs.extend(record.map(|record| DraftKey::new(record, Stage::Delete)));
        }
    }
}

/// The live records of this stack that no endpoint wants any more.
fn gone(input: &Input<'_>) -> Vec<(Address, ResourceId)> {
    if !input.prunes() {
        return Vec::new();
    }
    let wanted: BTreeSet<ResourceId> = match input.options.mode {
        Mode::Destroy => BTreeSet::new(),
        Mode::Apply => {
            let endpoints = input.desired.endpoints.values();
            let target = |it| target(it, &super::endpoint::id(input, it));
            endpoints.filter_map(target).map(|(_, id)| id).collect()
        }
    };
    written(input).into_iter().filter(|(_, id)| !wanted.contains(id)).collect()
}

/// The records that go, each behind the endpoint whose tag names it.
pub fn leaving(input: &Input<'_>) -> Vec<(Address, Address)> {
    let gone = gone(input);
    if gone.is_empty() {
        return Vec::new();
    }
    let keepers = keepers(input);
    let kept = |(at, id): (Address, ResourceId)| Some((keepers.get(&id.key())?.clone(), at));
    gone.into_iter().filter_map(kept).collect()
}

/// The live endpoints of this stack, by the record that their tag names, in lower case.
fn keepers(input: &Input<'_>) -> BTreeMap<String, Address> {
    let own = super::endpoint::own(input);
    let endpoints = input.snapshot.resources_of_type("Microsoft.Network/privateEndpoints");
    let kept = endpoints.filter_map(|live| {
        let id = ResourceId::new(live.get("id")?.as_str()?);
        Some((tag(live)?.to_lowercase(), own.get(&id.key())?.clone()))
    });
    kept.collect()
}

/// The live records that carry this stack's mark.
pub(crate) fn records<'a>(input: &Input<'a>) -> impl Iterator<Item = ResourceId> + use<'a> {
    let stack = input.desired.name.as_str();
    let lists = input.snapshot.azure.iter();
    lists
        .filter(|(path, _)| path.contains("/privatednszones/") && path.ends_with("/a"))
        .filter_map(|(_, reading)| match reading {
            Reading::Present(records) => Some(records.iter()),
            Reading::Absent | Reading::Unreadable(_) => None,
        })
        .flatten()
        .filter(move |record| stack_of(record) == Some(stack))
        .filter_map(|record| record.get("id")?.as_str().map(ResourceId::new))
}

fn stack_of(record: &Value) -> Option<&str> {
    record.at("/properties/metadata")?.get(STACK_TAG)?.as_str()
}

/// A zone is not there: the list of its records, or of its group's zones, was asked for, and it was not
/// found.
fn zone_missing(
    input: &Input<'_>,
    endpoint: &PrivateEndpoint,
    at: &Address,
    id: &ResourceId,
) -> Option<Finding> {
    let is_absent = |zone: &ResourceId| input.snapshot.resource(zone) == Observation::Absent;
    let zone = match &endpoint.dns {
        Some(Dns::Record { zone, .. }) => {
            let records = id.collection()?;
            let records = input.snapshot.azure.get(&records.key());
            (records == Some(&Reading::Absent)).then_some(zone)?
        }
        Some(Dns::ZoneGroup { zones, .. }) => {
            let endpoint = id.parent()?;
            zones.iter().find(|zone| is_absent(&zone_id(zone, &endpoint)))?
        }
        None => return None,
    };
    Some(Finding {
        code: Code::ZoneMissing,
        severity: Code::ZoneMissing.severity(),
        address: at.clone(),
        message: format!("the private DNS zone {} is not there", zone.value),
        help: Some("Make the zone first, or name one that exists.".to_owned()),
        place: Some(zone.span.place().to_string()),
    })
}

fn record(address: &str, stack: &str) -> Value {
    json!({"properties": {
        "ttl": TTL,
        "aRecords": [{"ipv4Address": address}],
        "metadata": {STACK_TAG: stack},
    }})
}

fn group(zones: &[ResourceId]) -> Value {
    let configs: Vec<Value> = zones
        .iter()
        .map(|zone| {
            let name = zone.name().replace('.', "-");
            json!({"name": name, "properties": {"privateDnsZoneId": zone.as_str()}})
        })
        .collect();
    json!({"properties": {"privateDnsZoneConfigs": configs}})
}

/// What a plan uses of a live record or zone group.
pub fn bound(live: &Value) -> Value {
    shown(live)
}

/// The addresses a record leads to. Azure spells the field both ways, by API version.
pub(crate) fn addresses(record: &Value) -> impl Iterator<Item = &Value> {
    let property = |name: &str| record.get("properties").and_then(|it| it.get(name));
    let list = property("aRecords").or_else(|| property("ARecords")).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(|entry| entry.get("ipv4Address"))
}

/// What of a record or zone group is compared.
fn shown(value: &Value) -> Value {
    let property = |name: &str| value.at(&format!("/properties/{name}")).cloned();
    if let Some(Value::Array(configs)) = property("privateDnsZoneConfigs") {
        let mut zones: Vec<String> = configs
            .iter()
            .filter_map(|config| config.at("/properties/privateDnsZoneId")?.as_str())
            .map(str::to_lowercase)
            .collect();
        zones.sort();
        return json!({"privateDnsZoneConfigs": zones});
    }
    // Azure spells the field both ways, by API version.
    json!({
        "ttl": property("ttl").or_else(|| property("TTL")),
        "aRecords": property("aRecords").or_else(|| property("ARecords")),
        "metadata": {STACK_TAG: stack_of(value)},
    })
}
