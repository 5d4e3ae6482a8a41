//! Whether an annotation about probes has an effect: what the controller is predicted to probe, with it
//! and with others in its place. So what is said here cannot differ from the prediction.

use crate::desired;
use crate::kubernetes::defaults::{self, Network, Unknowns};
use crate::kubernetes::service::Service;
use privlink_model::controller::probes;

use crate::annotation::PREFIX;

/// A Service as the API server would store it, to be asked about its probes.
pub(super) struct Probes {
    service: Service,
}

impl Probes {
    /// Those of a Service; nothing if it has no name.
    pub(super) fn of(service: &desired::Service) -> Option<Self> {
        let object = defaults::create(service.manifest.clone(), &Network::default(), &mut Unknowns);
        Some(Self { service: Service::from_value(object).ok()? })
    }

    /// Those of the Service with another annotation.
    pub(super) fn with(&self, key: &str, value: &str) -> Self {
        let mut service = self.service.clone();
        service.annotations.insert(key.to_owned(), value.to_owned());
        Self { service }
    }

    /// Whether the controller reads an annotation about probes: another value in its place leads to other
    /// probes. Unsure, where probes cannot be predicted: then it is taken to be read.
    pub(super) fn reads(&self, key: &str) -> bool {
        let Some(as_it_is) = probes(&self.service) else { return true };
        others(key).iter().any(|value| {
            let mut other = self.service.clone();
            match value {
                Some(value) => other.annotations.insert(key.to_owned(), (*value).to_owned()),
                None => other.annotations.remove(key),
            };
            probes(&other) != Some(as_it_is.clone())
        })
    }
}

/// Values to put in the place of an annotation's: at least one of them differs in effect from any other.
fn others(key: &str) -> [Option<&'static str>; 3] {
    let suffix = key.rsplit(['_', '/']).next().unwrap_or_default();
    let values = match suffix {
        it if it.ends_with("protocol") => ["tcp", "http"],
        it if it.ends_with("path") => ["/one", "/other"],
        it if it.ends_with("port") => ["1", "2"],
        // Intervals and numbers.
        _ => ["7", "8"],
    };
    [None, Some(values[0]), Some(values[1])]
}

/// Whether a key is about probes.
pub(super) fn is_about_probes(key: &str) -> bool {
    key.strip_prefix(PREFIX).is_some_and(|suffix| suffix.contains("health-probe"))
}
