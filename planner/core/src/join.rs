//! One picture of a stack: desired state beside what is live and what is predicted, joined once for each
//! object that privlink writes.
//!
//! Which live endpoint a document means, whose mark an object carries, what an endpoint reaches, what of it
//! differs: that is worked out here, and plan, drift, forget and the rules over what is live read it. What
//! they make of it differs, and what they see cannot.

pub(crate) mod body;
pub(crate) mod connection;
pub(crate) mod decision;
mod endpoint;
mod link;
mod made;
mod marked;
mod peer;
mod record;
mod region;
mod renamed;
pub(crate) mod service;
mod target;

use std::sync::OnceLock;

use crate::input::Input;
use crate::prediction::Prediction;

pub(crate) use body::{unlanded, updated};
pub(crate) use endpoint::Endpoint;
pub(crate) use link::{Link, When, links};
pub(crate) use marked::{Marked, leaving, marked, records_leaving, records_written, without};
pub(crate) use peer::Peer;
pub(crate) use record::{Held, Record, Unzoned, is_of_policy};
pub(crate) use region::Region;
pub use renamed::identify;
pub(crate) use service::{Service, Set};

/// A stack, joined.
pub struct Join<'a> {
    /// Desired state, its identities known, with what was observed and what the user chose.
    pub(crate) input: &'a Input<'a>,
    /// Azure and the Services, before and after.
    pub(crate) prediction: &'a Prediction,
    /// What a plan brings about, where `prediction` leaves Azure as it is: an endpoint is compared with what it is to
    /// reach, whether or not that is there.
    planned: Option<&'a Prediction>,
    endpoints: OnceLock<Vec<Endpoint<'a>>>,
    services: OnceLock<Vec<Service<'a>>>,
}

impl<'a> Join<'a> {
    /// Joins. The identities in `input` are known, see [`identify`].
    pub const fn of(input: &'a Input<'a>, prediction: &'a Prediction) -> Self {
        Self::of_live(input, prediction, None)
    }

    /// Joins for whoever only looks: where a Private Link Service is missing, endpoints are to reach the one that a
    /// plan brings about.
    pub(crate) const fn of_live(
        input: &'a Input<'a>,
        prediction: &'a Prediction,
        planned: Option<&'a Prediction>,
    ) -> Self {
        Self { input, prediction, planned, endpoints: OnceLock::new(), services: OnceLock::new() }
    }

    /// The desired endpoints, by name, each beside the live one and what it is to reach.
    pub(crate) fn endpoints(&self) -> &[Endpoint<'a>] {
        self.endpoints.get_or_init(|| {
            let named = self.input.endpoints();
            let sides = (self.prediction, self.planned);
            named.map(|it| Endpoint::of(self.input, sides, it)).collect()
        })
    }

    /// The desired Services, each beside the live one. None of them is live where Services could not be read.
    pub(crate) fn services(&self) -> &[Service<'a>] {
        self.services.get_or_init(|| services(self.input).collect())
    }
}

/// The desired Services, each beside the live one, for whoever comes before the prediction.
pub(crate) fn services<'a>(input: &'a Input<'a>) -> impl Iterator<Item = Service<'a>> + use<'a> {
    input.wanted.services().map(|wanted| Service::of(input, wanted))
}
