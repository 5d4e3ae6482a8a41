//! Names of endpoints: A records that privlink keeps, and zone groups through which Azure keeps them.

use crate::arm::resource::PrivateEndpoint as Live;
use crate::change::{Action, Actor, Change, FieldDiff};
use crate::input::Input;
use crate::join::{Endpoint, Held, Join, Record, Unzoned, records_leaving};
use crate::node::dns_record::{Entry, place_of, target};
use crate::node_id::{Kind, NodeId};
use crate::plan::{Finding, Mode, Op};
use crate::provisioning;
use crate::resource_id::ResourceId;
use crate::rule;

use super::draft::{Draft, DraftKey, Stage};
use super::trial::{self, Answer, Trial};
use super::{Part, ownership};

/// Diffs the name of one endpoint. `dropped` is the deletion of the zone group that it had.
pub(super) fn diff(
    join: &Join<'_>,
    record: &Record<'_>,
    endpoint: &Endpoint<'_>,
    dropped: Option<DraftKey>,
    trial: &mut Trial<'_>,
) -> Part {
    let (input, mut part) = (join.input, Part::default());
    let Record { at, id, is_record, .. } = record;
    if !input.covers(at) {
        return part;
    }
    if let Some(unzoned) = &record.unzoned {
        part.findings.push(zone_missing(at, unzoned));
        return part;
    }
    if let Some(held) = &record.held {
        part.findings.push(zone_group_held(at, held));
        return part;
    }
    let live = match &record.live {
        Ok(live) => live.as_ref(),
        Err(why) => {
            part.refusals.push(ownership::refuse_unreadable(at, why));
            return part;
        }
    };
    let fields = record.fields();
    if fields.is_empty() {
        return part;
    }
    let owner = record.owner();
    let ours = live.is_none() || owner == Some(input.wanted.name());
    if *is_record && !ours && !input.options.adopt {
        let is_mark =
            |it: &FieldDiff| it.path.starts_with("metadata") || it.path == provisioning::FIELD;
        if owner.is_none() && fields.iter().all(is_mark) {
            part.findings.push(ownership::unmarked(at, &fields));
            return part;
        }
        part.refusals.push(ownership::not_adopted(at, "is not marked as this stack's"));
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
    part.changes.push(change);
    if let Answer::Refused(error) = trial.put_name(join, record) {
        let place = (at, Some(&endpoint.wanted.name.span));
        part.findings.extend(trial::refused(place, &error, &part.findings));
    }
    let etag = live.and_then(Entry::etag).map(ToOwned::to_owned);
    let op = Op::PutResource { id: id.as_str().to_owned(), body: record.wanted.body(), etag };
    let endpoint_at = &endpoint.at;
    let mut draft = Draft::new(at, Stage::Write, op)
        .needing(endpoint_at, Stage::Write)
        .needing(endpoint_at, Stage::Connect)
        .locking(id.collection().map(|zone| zone.key()).unwrap_or_default());
    // An endpoint has one zone group at most.
    draft.needs.extend(dropped);
    part.drafts.push(draft);
    part
}

/// Deletes the zone group of an endpoint that stays and wants it no more. Its tag, by which the group
/// would be found again, goes after it.
pub(super) fn drop_group(
    join: &Join<'_>,
    endpoint: &Endpoint<'_>,
    live: Option<&Live>,
    trial: &mut Trial<'_>,
) -> Option<Part> {
    let name = live.and_then(place_of).filter(|tag| !tag.starts_with('/'))?;
    let id = endpoint.id.child("privateDnsZoneGroups", name);
    let wanted = target(endpoint.wanted, &endpoint.id).is_some_and(|(_, wanted)| wanted == id);
    if wanted || !join.prediction.before.holds(&id) {
        return None;
    }
    let at = NodeId::new(Kind::DnsRecord, format!("{}/{name}", endpoint.id.name()));
    trial.delete(&id);
    Some(delete(&at, &id, "its endpoint's document no longer asks for it"))
}

fn delete(at: &NodeId, id: &ResourceId, reason: &str) -> Part {
    let mut part = Part::default();
    let mut change = Change::new(at.clone(), Action::Delete, Actor::Privlink, reason);
    change.object = Some(id.as_str().to_owned());
    part.changes.push(change);
    let lock = id.collection().map(|zone| zone.key()).unwrap_or_default();
    let op = Op::DeleteResource { id: id.as_str().to_owned() };
    part.drafts.push(Draft::new(at, Stage::Delete, op).locking(lock));
    part
}

/// Deletes the records of this stack that no endpoint wants any more, in the zones that were read. A
/// record is deleted before its endpoint's tag is, by which it would be found again.
pub(super) fn prune(input: &Input<'_>, trial: &mut Trial<'_>) -> Part {
    let mut part = Part::default();
    let reason = match input.options.mode {
        Mode::Destroy => "the stack is destroyed",
        Mode::Apply => "it carries the stack's mark and left the desired state",
    };
    let leaving = records_leaving(input);
    for (at, id, _) in leaving.iter().filter(|(at, ..)| input.covers(at)) {
        trial.delete(id);
        part.add(delete(at, id, reason));
    }
    for (at, _, keeper) in &leaving {
        for (keeper, stage) in
            keeper.iter().flat_map(|it| [(it, Stage::Delete), (it, Stage::Write)])
        {
            part.needs.push((DraftKey::new(keeper, stage), DraftKey::new(at, Stage::Delete)));
        }
    }
    part
}

/// Another owner's zone group is on the endpoint, which has one at most.
pub(crate) fn zone_group_held(at: &NodeId, held: &Held<'_>) -> Finding {
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
pub(crate) fn zone_missing(at: &NodeId, unzoned: &Unzoned<'_>) -> Finding {
    Finding::new(
        rule::ZONE_MISSING,
        at.clone(),
        format!("the private DNS zone {} is not there", unzoned.zone),
    )
    .help("Create the zone first, or name one that exists.")
    .placed(Some(unzoned.place.clone()))
}
