//! The name of an endpoint, as it is to be kept, beside the live record or zone group.

use std::borrow::Cow;

use crate::change::FieldDiff;
use crate::desired::{Dns, PrivateEndpoint};
use crate::diagnostic::Spanned;
use crate::field_diff;
use crate::input::Input;
use crate::node::dns_record::{Entry, group, place_of, record, target, zone_id};
use crate::node_id::NodeId;
use crate::prediction::Prediction;
use crate::provisioning;
use crate::resource_id::ResourceId;
use crate::snapshot::{Observation, Reading};

use super::endpoint::ILL_FORMED;

/// A desired record or zone group, joined.
pub(crate) struct Record<'a> {
    /// Its address.
    pub(crate) at: NodeId,
    /// Its id.
    pub(crate) id: ResourceId,
    /// Whether it stands for itself: a zone group is a part of its endpoint.
    pub(crate) is_record: bool,
    /// What is written.
    pub(crate) wanted: Entry<'static>,
    /// The live one, if there is one; or why nobody knows.
    pub(crate) live: Result<Option<Entry<'a>>, &'a str>,
    /// The zone that is not there.
    pub(crate) unzoned: Option<Unzoned<'a>>,
    /// The zone group that another has made on the endpoint, so that there can be none beside it.
    pub(crate) held: Option<Held<'a>>,
}

/// A zone group of another owner.
pub(crate) struct Held<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// Who made it, in words.
    pub(crate) maker: &'static str,
    /// Where another is asked for.
    pub(crate) place: String,
}

/// The name of the zone group that Azure's built-in policies deploy ("Configure ... to use private DNS zones").
const OF_POLICY: &str = "deployedByPolicy";

/// Whether Azure Policy made a zone group, by the name that its built-in definitions give.
pub(crate) fn is_of_policy(name: &str) -> bool {
    name.eq_ignore_ascii_case(OF_POLICY)
}

/// The zone group of another owner on an endpoint: of Azure Policy, whatever is asked for, or of another name than is
/// asked for or was written. An endpoint has one at most.
fn held<'a>(
    (input, prediction): (&'a Input<'a>, &'a Prediction),
    zones: &[Spanned<String>],
    (endpoint, wanted): (&ResourceId, &ResourceId),
) -> Option<Held<'a>> {
    let place = zones.first()?.span.place().to_string();
    let list = input.live.list(&wanted.collection()?.key())?;
    let live = prediction.before.private_endpoints.get(&endpoint.key());
    // What the endpoint's tag names was written by this stack, and goes where it is no longer wanted.
    let own = live.and_then(|live| place_of(live)).unwrap_or_default();
    let names = list.objects().filter_map(|group| group.get("name")?.as_str());
    let mut others = names.filter(|name| !name.eq_ignore_ascii_case(own));
    let name =
        others.find(|name| is_of_policy(name) || !name.eq_ignore_ascii_case(wanted.name()))?;
    let maker = if is_of_policy(name) { "Azure Policy" } else { "another owner" };
    Some(Held { name, maker, place })
}

/// A zone that is not there.
pub(crate) struct Unzoned<'a> {
    /// Its name or id, as it was written.
    pub(crate) zone: &'a str,
    /// Where.
    pub(crate) place: String,
}

impl<'a> Record<'a> {
    /// Joins. `address` is the endpoint's in its subnet, or its mark, or why nobody knows it; `remade` whether the
    /// endpoint is re-created.
    pub(super) fn of(
        (input, prediction): (&'a Input<'a>, &'a Prediction),
        endpoint: &'a PrivateEndpoint,
        endpoint_id: &ResourceId,
        (address, remade): (Result<String, &'a str>, bool),
    ) -> Option<Self> {
        let (at, id) = target(endpoint, endpoint_id)?;
        let dns = endpoint.dns.as_ref()?;
        let wanted = match dns {
            Dns::Record { .. } => {
                let address = address.as_deref().unwrap_or_default();
                Entry::Record(Cow::Owned(record(address, input.wanted.name())))
            }
            Dns::ZoneGroup { zones, .. } => {
                let ids = zones.iter().map(|zone| zone_id(zone, endpoint_id));
                Entry::Group(Cow::Owned(group(&ids.collect::<Vec<_>>())))
            }
        };
        let is_record = matches!(dns, Dns::Record { .. });
        let unknown = address.err().filter(|_| is_record);
        let live = match (unknown, input.live.resource(&id)) {
            // What the record is to hold is not known.
            (Some(why), _) => Err(why),
            // A zone group goes with its endpoint, and is made anew with it.
            _ if remade && !is_record => Ok(None),
            (None, Observation::NotObserved) if remade => Ok(None),
            (None, observation) => match observation.known() {
                Ok(Some(_)) => Entry::of(&prediction.before, &id).map(Some).ok_or(ILL_FORMED),
                Ok(None) => Ok(None),
                Err(why) => Err(why),
            },
        };
        let unzoned = unzoned(input, dns, &id);
        let held = match dns {
            Dns::Record { .. } => None,
            Dns::ZoneGroup { zones, .. } => held((input, prediction), zones, (endpoint_id, &id)),
        };
        Some(Self { at, id, is_record, wanted, live, unzoned, held })
    }

    /// The live one, as far as it was read.
    pub(crate) fn seen(&self) -> Option<&Entry<'a>> {
        self.live.as_ref().ok()?.as_ref()
    }

    /// The stack whose mark the live one carries.
    pub(crate) fn owner(&self) -> Option<&str> {
        self.seen().and_then(Entry::owner)
    }

    /// What differs.
    pub(crate) fn fields(&self) -> Vec<FieldDiff> {
        let live = self.seen();
        let before = live.map(Entry::comparable);
        let mut fields = field_diff::fields(before.as_ref(), Some(&self.wanted.comparable()));
        fields.extend(provisioning::field(live.and_then(Entry::provisioning_state)));
        fields
    }
}

/// A zone that is not there: the list of its records, or of its group's zones, was asked for, and it was not
/// found.
fn unzoned<'a>(input: &Input<'_>, dns: &'a Dns, id: &ResourceId) -> Option<Unzoned<'a>> {
    let is_absent = |zone: &ResourceId| input.live.resource(zone) == Observation::Absent;
    let zone = match dns {
        Dns::Record { zone, .. } => {
            let records = input.live.list(&id.collection()?.key());
            (records == Some(&Reading::Absent)).then_some(zone)?
        }
        Dns::ZoneGroup { zones, .. } => {
            let endpoint = id.parent()?;
            zones.iter().find(|zone| is_absent(&zone_id(zone, &endpoint)))?
        }
    };
    Some(Unzoned { zone: &zone.value, place: zone.span.place().to_string() })
}
