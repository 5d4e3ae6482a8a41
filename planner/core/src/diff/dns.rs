//! Names of endpoints: A records that privlink keeps, and zone groups through which Azure keeps them.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::address::{Address, Kind};
use crate::change::{Action, Actor, Change, FieldDiff};
use crate::desired::PrivateEndpoint;
use crate::input::Input;
use crate::join::{Held, Record, Unzoned, records_leaving};
use crate::node::dns_record::{tag, target};
use crate::plan::{Finding, Mode, Op};
use crate::provisioning;
use crate::resource_id::ResourceId;
use crate::rule;
use crate::snapshot::Observation;

use super::draft::{Draft, DraftKey, Stage};
use super::{Gathered, ownership};

/// Diffs the name of one endpoint. `dropped` is the deletion of the zone group that it had.
pub(super) fn diff(
    input: &Input<'_>,
    record: &Record<'_>,
    endpoint_at: &Address,
    dropped: Option<DraftKey>,
    gathered: &mut Gathered,
) {
    let Record { at, id, is_record, .. } = record;
    if !input.covers(at) {
        return;
    }
    if let Some(unzoned) = &record.unzoned {
        gathered.findings.push(zone_missing(at, unzoned));
        return;
    }
    if let Some(held) = &record.held {
        gathered.findings.push(zone_group_held(at, held));
        return;
    }
    let live = match record.live {
        Ok(live) => live,
        Err(why) => {
            ownership::refuse_unreadable(at, why, gathered);
            return;
        }
    };
    let fields = record.fields();
    if fields.is_empty() {
        return;
    }
    let owner = record.owner();
    let ours = live.is_none() || owner == Some(input.wanted.name());
    if *is_record && !ours && !input.options.adopt {
        let is_mark =
            |it: &FieldDiff| it.path.starts_with("metadata") || it.path == provisioning::FIELD;
        if owner.is_none() && fields.iter().all(is_mark) {
            gathered.findings.push(ownership::unmarked(at));
            return;
        }
        gathered.refusals.push(ownership::not_adopted(at, "is not marked as this stack's"));
    }
    let (action, reason) = match live {
        None => (Action::Create, "the endpoint is to have this name"),
        Some(_) if *is_record && !ours => {
            (Action::Adopt, "it exists, and this stack takes it over")
        }
        Some(_) if provisioning::is_only(&fields) => (Action::Update, provisioning::AGAIN),
        Some(_) => (Action::Update, "it does not lead to the endpoint"),
    };
    let mut change = Change::new(at.clone(), action, Actor::Privlink, reason);
    change.object = Some(id.as_str().to_owned());
    change.fields = crate::change::shown(fields);
    gathered.changes.push(change);
    let etag = live.and_then(|live| live.get("etag")?.as_str()).map(ToOwned::to_owned);
    let op = Op::PutResource { id: id.as_str().to_owned(), body: record.wanted.clone(), etag };
    let mut draft = Draft::new(at, Stage::Write, op)
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
    if wanted || !matches!(input.live.resource(&id), Observation::Present(_)) {
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

/// Deletes the records of this stack that no endpoint wants any more, in the zones that were read. A
/// record is deleted before its endpoint's tag is, by which it would be found again.
pub(super) fn prune(input: &Input<'_>, gathered: &mut Gathered) {
    let reason = match input.options.mode {
        Mode::Destroy => "the stack is destroyed",
        Mode::Apply => "it carries the stack's mark and left the desired state",
    };
    let leaving = records_leaving(input);
    for (at, id, _) in leaving.iter().filter(|(at, ..)| input.covers(at)) {
        delete(at, id, reason, gathered);
    }
    let kept = leaving.iter().filter_map(|(at, _, keeper)| Some((keeper.as_ref()?, at)));
    let first: BTreeMap<&Address, &Address> = kept.collect();
    for draft in &mut gathered.drafts {
        if matches!(draft.key.stage, Stage::Delete | Stage::Write) {
            let record = first.get(&draft.key.address);
            draft.needs.extend(record.map(|record| DraftKey::new(record, Stage::Delete)));
        }
    }
}

/// Another owner's zone group is on the endpoint, which has one at most.
pub(crate) fn zone_group_held(at: &Address, held: &Held<'_>) -> Finding {
    Finding::new(
        rule::ZONE_GROUP_HELD,
        at.clone(),
        format!(
            "its endpoint has the zone group {} already, which {} made, and has one at most: privlink does not touch it",
            held.name, held.maker
        ),
    )
    .help(
        "Take dns.zoneGroup out of the document, and leave the names to that one; or have its maker remove it \
         (of Azure Policy: exempt the endpoint first).",
    )
    .placed(Some(held.place.clone()))
}

/// A zone is not there.
pub(crate) fn zone_missing(at: &Address, unzoned: &Unzoned<'_>) -> Finding {
    Finding::new(
        rule::ZONE_MISSING,
        at.clone(),
        format!("the private DNS zone {} is not there", unzoned.zone),
    )
    .help("Create the zone first, or name one that exists.")
    .placed(Some(unzoned.place.clone()))
}
