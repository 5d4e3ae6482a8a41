//! Consent to disconnect consumers: by name in the Stack's policy, or by an annotation of the Service whose Private
//! Link Service they are connected to. Each ends with a day.

use std::collections::BTreeSet;

use crate::change::Change;
use crate::consumer::Consumer;
use crate::date::{self, Day};
use crate::input::Input;
use crate::marks::CONSENT_ANNOTATION;
use crate::node::private_link_service;
use crate::node_id::{Kind, NodeId};
use crate::plan::{Consent, Finding, disconnected};
use crate::plural::count;
use crate::prediction::Prediction;
use crate::resource_id::ResourceId;
use crate::rule::{At, Code, Example, basis, rules};

/// All consent that is given.
#[derive(Clone, Debug, Default)]
pub(crate) struct Consents {
    entries: Vec<Entry>,
    /// What annotations say and nobody can read.
    misread: Vec<Finding>,
}

/// Consent to disconnect one consumer, or so many of a Service.
#[derive(Clone, Debug)]
struct Entry {
    whom: Whom,
    until: Day,
    /// Whether its last day is not over.
    lasts: bool,
    reason: Option<String>,
    /// Where the input says so.
    place: Option<String>,
    /// The Service whose annotation says so, with the endpoints, in lower case, that are connected to it.
    service: Option<(NodeId, BTreeSet<String>)>,
}

/// Who may be disconnected.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Whom {
    /// An endpoint, by its id or its name.
    Endpoint(String),
    /// So many of the Service's consumers, whoever they are.
    Number(usize),
}

impl Entry {
    /// Whether it is about this consumer's Service, or about none in particular.
    fn concerns(&self, consumer: &Consumer) -> bool {
        let of = self.service.as_ref().map(|(_, connected)| connected);
        of.is_none_or(|connected| connected.contains(&consumer.endpoint.to_lowercase()))
    }

    /// Whether it names a consumer: by its endpoint's id, or by its name.
    fn names(&self, consumer: &Consumer) -> bool {
        let Whom::Endpoint(endpoint) = &self.whom else { return false };
        let id = ResourceId::new(&consumer.endpoint);
        self.concerns(consumer)
            && match endpoint.contains('/') {
                true => ResourceId::new(endpoint) == id,
                false => id.name().eq_ignore_ascii_case(endpoint),
            }
    }

    /// Of consumers that nobody names, those that it lets go.
    fn counted<'a>(&self, unnamed: &[&'a Consumer]) -> Vec<&'a Consumer> {
        let Whom::Number(number) = self.whom else { return Vec::new() };
        let own = unnamed.iter().filter(|it| self.concerns(it));
        own.take(number).copied().collect()
    }

    /// The object it is about, for findings.
    fn address(&self) -> NodeId {
        match (&self.service, &self.whom) {
            (Some((service, _)), _) => service.clone(),
            (None, Whom::Endpoint(endpoint)) => {
                NodeId::new(Kind::PrivateEndpoint, ResourceId::new(endpoint).name())
            }
            // Only annotations give consent by number.
            (None, Whom::Number(_)) => NodeId::new(Kind::Service, ""),
        }
    }
}

impl Consents {
    /// The Stack's consent, and that of the Services: as they are desired, or live if they are to go.
    pub(crate) fn of(input: &Input<'_>, prediction: &Prediction) -> Self {
        let mut given = Self::default();
        let today = input.options.today;
        let lasts = |until: Day| today.is_some_and(|today| today <= until);
        let policy = input.wanted.policy().into_iter();
        for allowed in policy.flat_map(|policy| &policy.allow_disconnects) {
            given.entries.push(Entry {
                whom: Whom::Endpoint(allowed.endpoint.value.clone()),
                until: allowed.until.value,
                lasts: lasts(allowed.until.value),
                reason: allowed.reason.as_ref().map(|it| it.value.clone()),
                place: Some(allowed.endpoint.span.place().to_string()),
                service: None,
            });
        }
        for (key, live) in &prediction.live {
            let desired = input.wanted.service(key);
            let text = match desired {
                Some(desired) => desired.annotation(CONSENT_ANNOTATION).map(|it| it.value.as_str()),
                None => live.annotations.get(CONSENT_ANNOTATION).map(String::as_str),
            };
            let Some(text) = text else { continue };
            let at = crate::node::service::address(key);
            let place = desired.and_then(|it| it.annotation(CONSENT_ANNOTATION));
            let place = place.map(|it| it.span.place().to_string());
            let link = prediction.link_before(key);
            let consumers = link.map(private_link_service::consumers).unwrap_or_default();
            let connected: BTreeSet<String> =
                consumers.iter().map(|it| it.endpoint.to_lowercase()).collect();
            for part in text.split(',').map(str::trim).filter(|it| !it.is_empty()) {
                match read(part) {
                    Some((whom, until)) => given.entries.push(Entry {
                        whom,
                        until,
                        lasts: lasts(until),
                        reason: Some(format!("{CONSENT_ANNOTATION} of {at}")),
                        place: place.clone(),
                        service: Some((at.clone(), connected.clone())),
                    }),
                    None => given.misread.push(misread(&at, part, place.clone())),
                }
            }
        }
        given
    }

    /// The consumers that nobody consented to disconnect.
    pub(crate) fn without<'a>(&self, all: &[&'a Consumer]) -> Vec<&'a Consumer> {
        let valid = || self.entries.iter().filter(|it| it.lasts);
        let mut left = all.to_vec();
        left.retain(|consumer| !valid().any(|it| it.names(consumer)));
        for entry in valid() {
            let counted = entry.counted(&left);
            left.retain(|consumer| !counted.contains(consumer));
        }
        left
    }

    /// The consent that changes make use of; and what is to be said of the rest: what has ended, what is not
    /// needed, and what cannot be read.
    pub(crate) fn used(
        &self,
        input: &Input<'_>,
        changes: &[Change],
    ) -> (Vec<Consent>, Vec<Finding>) {
        let all = disconnected(changes);
        let (mut used, mut findings) = (Vec::new(), self.misread.clone());
        let lasting = |it: &&Entry| it.lasts;
        let named =
            |consumer: &Consumer| self.entries.iter().filter(lasting).any(|it| it.names(consumer));
        let mut unnamed: Vec<&Consumer> = all.iter().copied().filter(|it| !named(it)).collect();
        for entry in &self.entries {
            let until = entry.until;
            if !entry.lasts {
                findings.push(expired(entry));
                continue;
            }
            let endpoints: Vec<String> = match &entry.whom {
                Whom::Endpoint(endpoint) => {
                    let is_needed = all.iter().any(|consumer| entry.names(consumer));
                    is_needed.then(|| endpoint.clone()).into_iter().collect()
                }
                Whom::Number(_) => {
                    let counted = entry.counted(&unnamed);
                    unnamed.retain(|it| !counted.contains(it));
                    let name = |it: &&Consumer| ResourceId::new(&it.endpoint).name().to_owned();
                    counted.iter().map(name).collect()
                }
            };
            if endpoints.is_empty() && !input.is_limited() {
                findings.push(unused(entry));
            }
            used.extend(endpoints.into_iter().map(|endpoint| Consent {
                endpoint,
                until: until.to_string(),
                reason: entry.reason.clone(),
            }));
        }
        used.sort();
        (used, findings)
    }
}

/// Reads `ENDPOINT@DAY` or `NUMBER@DAY`.
fn read(text: &str) -> Option<(Whom, Day)> {
    let (whom, until) = text.rsplit_once('@')?;
    let (whom, until) = (whom.trim(), date::parse(until.trim())?);
    if whom.is_empty() {
        return None;
    }
    let is_number = whom.bytes().all(|it| it.is_ascii_digit());
    let whom = match is_number {
        true => Whom::Number(whom.parse().ok()?),
        false => Whom::Endpoint(whom.to_owned()),
    };
    Some((whom, until))
}

fn expired(entry: &Entry) -> Finding {
    let message = match &entry.whom {
        Whom::Endpoint(_) if entry.service.is_none() => {
            format!("its disconnect was allowed until {}, which has passed", entry.until)
        }
        Whom::Endpoint(endpoint) => {
            format!(
                "the disconnect of {endpoint} was allowed until {}, which has passed",
                entry.until
            )
        }
        Whom::Number(number) => format!(
            "disconnecting {} was allowed until {}, which has passed",
            count(*number, "consumer"),
            entry.until
        ),
    };
    finding(entry, CONSENT_EXPIRED, message, "Remove the entry, or set a later day.")
}

fn unused(entry: &Entry) -> Finding {
    let what = match &entry.whom {
        Whom::Endpoint(_) if entry.service.is_none() => {
            format!(
                "its disconnect is allowed until {}, and this plan does not disconnect it",
                entry.until
            )
        }
        Whom::Endpoint(endpoint) => format!(
            "the disconnect of {endpoint} is allowed until {}, and this plan does not disconnect it",
            entry.until
        ),
        Whom::Number(number) => format!(
            "{} may be disconnected until {}, and this plan disconnects no consumer that is not named",
            count(*number, "consumer"),
            entry.until
        ),
    };
    finding(entry, CONSENT_UNUSED, what, "Remove the entry once what it was for is done.")
}

fn finding(entry: &Entry, code: Code, message: String, help: &str) -> Finding {
    Finding::new(code, entry.address(), message).help(help).placed(entry.place.clone())
}

fn misread(at: &NodeId, part: &str, place: Option<String>) -> Finding {
    Finding::new(
        CONSENT_MISREAD,
        at.clone(),
        format!("{CONSENT_ANNOTATION} says `{part}`, which cannot be read as consent"),
    )
    .help("Write ENDPOINT@DAY or NUMBER@DAY, such as pe-shop@2026-12-05; several separated by commas.")
    .placed(place)
}

rules! {
    /// A disconnect was allowed by `allowDisconnects` until a day that has passed (in UTC). The entry has
    /// no effect any more.
    CONSENT_EXPIRED = "consent-expired", Warning, [Desired, Live, Planned], {
        basis: basis::SAFETY,
        advice: "Remove the entry, or set a later day.",
        example: Example::new(
            At::Stack,
            "policy: {allowDisconnects: [{endpoint: web-pe, until: 2020-01-01}]}",
            "policy: {allowDisconnects: [{endpoint: web-pe, until: 2999-12-31}]}",
        ),
    }

    /// `allowDisconnects` allows a disconnect that this plan does not cause. Until that day it would allow
    /// one.
    CONSENT_UNUSED = "consent-unused", Note, [Desired, Live, Planned], {
        basis: basis::SAFETY,
        advice: "Remove the entry once it has served its purpose.",
        example: Example::new(
            At::Stack,
            "policy: {allowDisconnects: [{endpoint: web-pe, until: 2999-12-31}]}",
            "policy: {maxDisconnects: 1}",
        ),
    }

    /// A Service's annotation `privlink.dev/allow-disconnects` is to consent to a disconnect, and has something else
    /// than `ENDPOINT@DAY` or `NUMBER@DAY`. What cannot be read consents to nothing.
    CONSENT_MISREAD = "consent-misread", Warning, [Desired, Live, Planned], {
        basis: basis::SAFETY,
        advice: "Write an endpoint's name or id, or how many consumers, and the last day, such as \
            `app-pe@2026-12-05`; several separated by commas.",
        example: Example::live(r#"privlink.dev/allow-disconnects: "app-pe until Friday""#),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consent_is_an_endpoint_or_a_number_and_a_day() {
        let day = date::parse("2026-12-05").expect("a day");
        assert_eq!(read("pe-a@2026-12-05"), Some((Whom::Endpoint("pe-a".to_owned()), day)));
        assert_eq!(read(" 3 @ 2026-12-05 "), Some((Whom::Number(3), day)));
        for wrong in ["pe-a", "@2026-12-05", "pe-a@", "pe-a@tomorrow", "3@2026-13-01", ""] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
        assert_eq!(read("99999999999999999999999@2026-12-05"), None);
    }
}
