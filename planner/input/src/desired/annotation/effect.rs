//! Whether an annotation about rules and probes has an effect: what the controller is predicted to make of
//! it and of others in its place. So what is said here cannot differ from the prediction.

use crate::desired;
use crate::kubernetes::defaults::{self, Network, Unknowns};
use crate::kubernetes::service::Service;
use privlink_model::controller::failure::{Cause, Failure};
use privlink_model::controller::rule::{Wanted, rules_and_probes};
use privlink_model::facts::Facts;

use crate::annotation::{PREFIX, find_per_port, keys};

/// What the controller makes of a Service's ports.
pub(super) struct Ports<'a> {
    /// As the API server would store it.
    service: Service,
    facts: &'a Facts,
    as_it_is: Result<Wanted, Failure>,
}

impl<'a> Ports<'a> {
    /// Those of a Service; nothing if it has no name, or no annotation that could be asked about.
    pub(super) fn of(service: &desired::Service, facts: &'a Facts) -> Option<Self> {
        if service.manifest.is_null() || !service.annotations.keys().any(|key| is_about_ports(key))
        {
            return None;
        }
        let object = defaults::create(service.manifest.clone(), &Network::default(), &mut Unknowns);
        let mut service = Service::from_value(object).ok()?;
        // No probe depends on it, and a bad one would keep all from being predicted.
        service.annotations.remove(keys::IDLE_TIMEOUT);
        let as_it_is = rules_and_probes(facts, &service);
        Some(Self { service, facts, as_it_is })
    }

    /// Whether the controller reads an annotation: another value in its place leads to other rules or
    /// probes. Unsure, where it would refuse the Service: then it is taken to be read.
    pub(super) fn reads(&self, key: &str) -> bool {
        self.as_it_is.is_err() || others(key).iter().any(|value| self.differs(key, *value))
    }

    /// Whether what the controller makes, or refuses, is another without an annotation.
    pub(super) fn depends_on(&self, key: &str) -> bool {
        self.differs(key, None)
    }

    fn differs(&self, key: &str, value: Option<&str>) -> bool {
        let mut other = self.service.clone();
        match value {
            Some(value) => other.annotations.insert(key.to_owned(), value.to_owned()),
            None => other.annotations.remove(key),
        };
        rules_and_probes(self.facts, &other) != self.as_it_is
    }

    /// Whether the controller refuses the Service.
    pub(super) fn is_refused(&self) -> bool {
        self.as_it_is.is_err()
    }

    /// Whether one rule serves all ports.
    pub(super) fn has_one_rule(&self) -> bool {
        self.as_it_is.as_ref().is_ok_and(|it| it.one_for_all)
    }

    /// Whether one probe serves all ports that name no port to be probed.
    pub(super) fn has_one_probe(&self) -> bool {
        self.as_it_is.as_ref().is_ok_and(|it| it.one_probe)
    }

    /// Whether the cluster's one probe serves the Service, so that nothing that it says of probes is read.
    pub(super) fn has_shared_probe(&self) -> bool {
        self.facts.is_probe_shared() && self.service.external_traffic_policy != "Local"
    }

    /// The interval and the number of probes that take too long together.
    pub(super) fn too_long(&self) -> Option<(i32, i32)> {
        let failures = match &self.as_it_is {
            Ok(wanted) => wanted.passed_over.as_slice(),
            Err(failure) => std::slice::from_ref(failure),
        };
        failures.iter().find_map(|failure| match failure.cause {
            Cause::ProbeTooLong { interval, count } => Some((interval, count)),
            _ => None,
        })
    }

    /// What comes of a mistake about a probe, where the controller does not refuse it.
    pub(super) fn without_it(&self) -> &'static str {
        match &self.as_it_is {
            Ok(wanted) if wanted.probes.is_empty() => "the rule for all ports has no probe",
            _ => "the rule for all ports has another port's probe",
        }
    }
}

/// Values to put in the place of an annotation's: at least one of them differs in effect from any other.
fn others(key: &str) -> [Option<&'static str>; 3] {
    let suffix = key.rsplit(['_', '/']).next().unwrap_or_default();
    let values = match suffix {
        it if it.ends_with("protocol") => ["tcp", "http"],
        it if it.ends_with("path") => ["/one", "/other"],
        it if it.ends_with("port") => ["1", "2"],
        _ if !is_about_probes(key) => ["true", "false"],
        // Intervals and numbers.
        _ => ["7", "8"],
    };
    [None, Some(values[0]), Some(values[1])]
}

/// Whether a key is about rules or probes of ports.
pub(super) fn is_about_ports(key: &str) -> bool {
    is_about_probes(key) || key == keys::DISABLE_FLOATING_IP || find_per_port(key).is_some()
}

/// Whether a key is about probes.
pub(super) fn is_about_probes(key: &str) -> bool {
    key.strip_prefix(PREFIX).is_some_and(|suffix| suffix.contains("health-probe"))
}
