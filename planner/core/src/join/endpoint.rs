//! A desired private endpoint beside the live one, with both ends of its connection.

use std::collections::BTreeSet;

use crate::arm::resource::PrivateEndpoint as Live;
use crate::change::FieldDiff;
use crate::connection_status::ConnectionStatus;
use crate::desired::{PrivateEndpoint, Target};
use crate::input::{Input, Named};
use crate::kubernetes::service::Key;
use crate::node::private_endpoint::{self, LiveConnection, live_connection, owner};
use crate::node_id::NodeId;
use crate::plan::Finding;
use crate::prediction::Prediction;
use crate::resource_id::ResourceId;
use crate::snapshot::Reading;

use super::body;
use super::connection::{self, Connection};
use super::decision::{self, Asker, Decision};
use super::peer::{self, Peer};
use super::record::Record;
use super::region::{self, Region};
use super::renamed;
use super::target::{Reached, reached};

/// A desired endpoint, joined.
pub(crate) struct Endpoint<'a> {
    input: &'a Input<'a>,
    prediction: &'a Prediction,
    planned: Option<&'a Prediction>,
    /// Its address.
    pub(crate) at: NodeId,
    /// Its id.
    pub(crate) id: ResourceId,
    /// Its document.
    pub(crate) wanted: &'a PrivateEndpoint,
    /// The live one, if there is one; or why nobody knows.
    pub(crate) live: Result<Option<&'a Live>, &'a str>,
    /// What it is to reach; nothing, if its Service will have no Private Link Service.
    pub(crate) reached: Option<Reached<'a>>,
    /// The id of its subnet.
    pub(crate) subnet: ResourceId,
    /// Its region.
    pub(crate) region: Region<'a>,
}

impl<'a> Endpoint<'a> {
    pub(super) fn of(
        input: &'a Input<'a>,
        (prediction, planned): (&'a Prediction, Option<&'a Prediction>),
        named: Named<'a>,
    ) -> Self {
        let subnet = named.subnet();
        let Named { at, id, wanted } = named;
        let live = live(input, prediction, &id);
        let there = live.ok().flatten();
        Self {
            input,
            prediction,
            planned,
            at,
            wanted,
            live,
            reached: reached(prediction, wanted).or_else(|| reached(planned?, wanted)),
            region: region::region(input, wanted, (&subnet, there)),
            subnet,
            id,
        }
    }

    /// The live endpoint, as far as it was read.
    pub(crate) fn seen(&self) -> Option<&'a Live> {
        self.live.ok().flatten()
    }

    /// Whether the id that it is to reach is of no Private Link Service, in a list that was read.
    pub(crate) fn reaches_nothing(&self) -> bool {
        let Target::Id(id) = &self.wanted.target else { return false };
        let collection = id.collection().unwrap_or_default().key();
        let list = self.input.live.list(&collection);
        let is_there = self.reached.as_ref().is_some_and(|reached| reached.link.is_some());
        !is_there && matches!(list, Some(Reading::Present(_)))
    }

    /// Whether the live endpoint carries the mark of this stack.
    pub(crate) fn is_ours(&self) -> bool {
        self.is_owner(self.seen().and_then(owner))
    }

    /// Whether a mark is that of this stack.
    pub(crate) fn is_owner(&self, mark: Option<&str>) -> bool {
        self.input.wanted.owns(mark)
    }

    /// Whether the live endpoint carries no stack's mark, and adopting it is not asked for.
    pub(crate) fn is_unmarked(&self) -> bool {
        self.seen().is_some_and(|live| owner(live).is_none()) && !self.input.options.adopt
    }

    /// The body that is written; nothing while it is not known what it reaches, or where it lies.
    pub(crate) fn body(&self) -> Option<Live> {
        let (Some(reached), Region::Known(region)) = (&self.reached, &self.region) else {
            return None;
        };
        Some(body::body(self.input, self.wanted, reached, &self.subnet, region))
    }

    /// What of the live endpoint differs from the body that is written.
    pub(crate) fn fields(&self, body: &Live) -> Vec<FieldDiff> {
        self.seen().map(|live| body::unlanded(live, body)).unwrap_or_default()
    }

    /// What is found where the request message is another one, and would not land.
    pub(crate) fn message_that_stays(&self, body: &Live) -> Option<Finding> {
        body::message_that_stays((&self.at, self.wanted), self.seen()?, body)
    }

    /// The connection, as the live endpoint shows it.
    pub(crate) fn connection(&self) -> Option<LiveConnection> {
        self.seen().and_then(live_connection)
    }

    /// The connection of the live endpoint, judged from both its ends.
    pub(crate) fn judged(&self) -> Option<Connection> {
        let decide = |status: &ConnectionStatus| self.decision(status);
        Some(connection::judged(self.connection()?, (&self.peer(), &self.id), decide))
    }

    /// What the stack's approvals decide on its connection in a state.
    pub(crate) fn decision(&self, status: &ConnectionStatus) -> Option<Decision> {
        let message = self.wanted.request_message.as_ref().map_or("", |it| it.as_str());
        let services = &self.services();
        let asker = Asker { services, endpoint: &self.id, status, message };
        decision::decision(self.input, &asker)
    }

    /// The Services that it is to reach: the one that its document names, and those that are reached through the same
    /// Private Link Service.
    fn services(&self) -> BTreeSet<&Key> {
        let Some(reached) = &self.reached else { return BTreeSet::new() };
        let sides = self.planned.into_iter().chain([self.prediction]);
        let link = reached.link.into_iter();
        let through = link.flat_map(|link| sides.clone().flat_map(|it| it.reached_through(link)));
        through.chain(&reached.service).collect()
    }

    /// The other end of the live endpoint's connection.
    pub(crate) fn peer(&self) -> Peer<'a> {
        self.seen().map_or(Peer::Unseen, |live| peer::peer(self.prediction, &self.id, live))
    }

    /// Whether the endpoint says that it is connected to a Private Link Service which has no connection of
    /// it, or which is gone and will be brought back.
    pub(crate) fn is_forgotten(&self) -> bool {
        let after = &self.planned.unwrap_or(self.prediction).after;
        let forgot = |live| peer::forgot(self.input, (self.prediction, after), &self.id, live);
        self.seen().is_some_and(forgot)
    }

    /// What is found where both ends show different states of the connection.
    pub(crate) fn disagreement(&self) -> Option<Finding> {
        self.seen().and_then(|live| peer::disagreement(self.prediction, (&self.at, &self.id), live))
    }

    /// Whether Azure has no place for it.
    pub(crate) fn misplaced(&self) -> Option<Finding> {
        region::misplaced(self.input, self.wanted, &self.subnet, &self.at)
    }

    /// What is found where its document was renamed.
    pub(crate) fn renamed(&self) -> Option<Finding> {
        renamed::finding(&self.at, self.wanted)
    }

    /// The EndpointApproval that would reject it, were it made again.
    pub(crate) fn rejected_by(&self) -> Option<&'a str> {
        decision::rejecting(self.input, &self.services(), &self.id)
    }

    /// Its name, as it is once the endpoint is re-created, or as it is.
    pub(crate) fn record(&self, remade: bool) -> Option<Record<'a>> {
        let sides = (self.input, self.prediction);
        Record::of(sides, self.wanted, &self.id, (self.address(remade), remade))
    }

    /// Its address in its subnet: the one asked for, the one it has, or the mark of the one it will get; or why
    /// nobody knows the one it has.
    fn address(&self, remade: bool) -> Result<String, &'a str> {
        if let Some(address) = &self.wanted.address {
            return Ok(address.value.to_string());
        }
        let live = self.seen().filter(|_| !remade);
        let address = live.map_or(Ok(None), |live| self.input.live.address_of(live))?;
        Ok(address.map_or_else(|| private_endpoint::address_mark(&self.id), ToOwned::to_owned))
    }
}

/// Why a resource that was read is not known.
pub(super) const ILL_FORMED: &str = "it does not look as ARM's resources of its type do";

/// The live endpoint, if there is one; or why nobody knows.
fn live<'a>(
    input: &'a Input<'a>,
    prediction: &'a Prediction,
    id: &ResourceId,
) -> Result<Option<&'a Live>, &'a str> {
    match input.live.resource(id).known()? {
        None => Ok(None),
        Some(_) => {
            let live = prediction.before.private_endpoints.get(&id.key());
            live.map(|live| Some(live.as_ref())).ok_or(ILL_FORMED)
        }
    }
}
