//! The name of an endpoint, as it is to be kept, beside the live record or zone group.

use serde_json::Value;

use crate::address::Address;
use crate::change::FieldDiff;
use crate::desired::{Dns, PrivateEndpoint};
use crate::field_diff;
use crate::input::Input;
use crate::node::dns_record::{comparable, group, record, stack_of, target, zone_id};
use crate::provisioning;
use crate::resource_id::ResourceId;
use crate::snapshot::{Observation, Reading};

/// A desired record or zone group, joined.
pub(crate) struct Record<'a> {
    /// Its address.
    pub(crate) at: Address,
    /// Its id.
    pub(crate) id: ResourceId,
    /// Whether it stands for itself: a zone group is a part of its endpoint.
    pub(crate) is_record: bool,
    /// The body that is written.
    pub(crate) wanted: Value,
    /// The live one, if there is one; or why nobody knows.
    pub(crate) live: Result<Option<&'a Value>, &'a str>,
    /// The zone that is not there.
    pub(crate) unzoned: Option<Unzoned<'a>>,
}

/// A zone that is not there.
pub(crate) struct Unzoned<'a> {
    /// Its name or id, as it was written.
    pub(crate) zone: &'a str,
    /// Where.
    pub(crate) place: String,
}

impl<'a> Record<'a> {
    /// Joins. `address` is the endpoint's in its subnet, or its mark; `remade` whether the endpoint is made
    /// anew.
    pub(super) fn of(
        input: &'a Input<'a>,
        endpoint: &'a PrivateEndpoint,
        endpoint_id: &ResourceId,
        (address, remade): (&str, bool),
    ) -> Option<Self> {
        let (at, id) = target(endpoint, endpoint_id)?;
        let dns = endpoint.dns.as_ref()?;
        let wanted = match dns {
            Dns::Record { .. } => record(address, &input.desired.name),
            Dns::ZoneGroup { zones, .. } => {
                let ids = zones.iter().map(|zone| zone_id(zone, endpoint_id));
                group(&ids.collect::<Vec<_>>())
            }
        };
        let is_record = matches!(dns, Dns::Record { .. });
        let live = match input.snapshot.resource(&id) {
            // A zone group goes with its endpoint, and is made anew with it.
            _ if remade && !is_record => Ok(None),
            Observation::NotObserved if remade => Ok(None),
            observation => observation.known(),
        };
        let unzoned = unzoned(input, dns, &id);
        Some(Self { at, id, is_record, wanted, live, unzoned })
    }

    /// The live one, as far as it was read.
    pub(crate) fn seen(&self) -> Option<&'a Value> {
        self.live.ok().flatten()
    }

    /// The stack whose mark the live one carries.
    pub(crate) fn owner(&self) -> Option<&'a str> {
        self.seen().and_then(stack_of)
    }

    /// What differs.
    pub(crate) fn fields(&self) -> Vec<FieldDiff> {
        let live = self.seen();
        let mut fields =
            field_diff::fields(live.map(comparable).as_ref(), Some(&comparable(&self.wanted)));
        fields.extend(live.and_then(provisioning::field));
        fields
    }
}

/// A zone that is not there: the list of its records, or of its group's zones, was asked for, and it was not
/// found.
fn unzoned<'a>(input: &Input<'_>, dns: &'a Dns, id: &ResourceId) -> Option<Unzoned<'a>> {
    let is_absent = |zone: &ResourceId| input.snapshot.resource(zone) == Observation::Absent;
    let zone = match dns {
        Dns::Record { zone, .. } => {
            let records = input.snapshot.azure.get(&id.collection()?.key());
            (records == Some(&Reading::Absent)).then_some(zone)?
        }
        Dns::ZoneGroup { zones, .. } => {
            let endpoint = id.parent()?;
            zones.iter().find(|zone| is_absent(&zone_id(zone, &endpoint)))?
        }
    };
    Some(Unzoned { zone: &zone.value, place: zone.span.place().to_string() })
}
