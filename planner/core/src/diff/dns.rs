//! Names of endpoints: A records that privlink keeps, and zone groups through which Azure keeps them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::address::{Address, Kind};
use crate::change::{Action, Actor, Change, FieldDiff};
use crate::compare;
use crate::desired::{Dns, PrivateEndpoint};
use crate::input::Input;
use crate::node::dns_record::{comparable, stack_of};
use crate::node::dns_record::{group, record, records, tag, target, zone_id};
use crate::plan::{Finding, Mode, Op, Refusal};
use crate::provisioning;
use crate::resource_id::ResourceId;
use crate::rule;
use crate::snapshot::{Observation, Reading};

use super::Gathered;
use super::draft::{Draft, DraftKey, Stage};

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
            super::ownership::refuse_unreadable(&at, why, gathered);
            return;
        }
        Observation::NotObserved if remade => None,
        Observation::NotObserved => {
            super::ownership::refuse_unreadable(&at, "it was not asked for", gathered);
            return;
        }
    };
    let mut fields = compare::fields(live.map(comparable).as_ref(), Some(&comparable(&wanted)));
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
            gathered.findings.push(super::ownership::unmarked(&at));
            return;
        }
        gathered.refusals.push(Refusal {
            code: rule::NOT_ADOPTED,
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
    change.fields = crate::change::shown(fields);
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
        Mode::Destroy => "the stack is destroyed",
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
            let target = |it| target(it, &crate::node::private_endpoint::id(input, it));
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
    let own = crate::node::private_endpoint::own(input);
    let endpoints = input.snapshot.resources_of_type("Microsoft.Network/privateEndpoints");
    let kept = endpoints.filter_map(|live| {
        let id = ResourceId::new(live.get("id")?.as_str()?);
        Some((tag(live)?.to_lowercase(), own.get(&id.key())?.clone()))
    });
    kept.collect()
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
    Some(
        Finding::new(
            rule::ZONE_MISSING,
            at.clone(),
            format!("the private DNS zone {} is not there", zone.value),
        )
        .help("Create the zone first, or name one that exists.")
        .at(&zone.span),
    )
}
