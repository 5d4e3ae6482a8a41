//! What can be made to go wrong: faults are matched against requests and strike a bounded number of
//! times. They come from a JSON file (a list) or `POST /sandbox/faults`.

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::Error;

/// One fault: which requests it meets, and what happens to them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fault {
    /// The method it meets; any if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// A part of the path with its query, without regard to case; any if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// It lets this many matching requests pass first.
    #[serde(default)]
    pub after: u32,
    /// How many matching requests it strikes; 0 is all of them.
    #[serde(default = "once")]
    pub times: u32,
    /// It strikes one matching request with this probability, drawn from `seed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probability: Option<f64>,
    /// The seed of the draw.
    #[serde(default)]
    pub seed: u64,
    /// What happens.
    pub effect: Effect,
}

fn once() -> u32 {
    1
}

impl Fault {
    /// All faults of a file, which holds a JSON list of them.
    ///
    /// # Errors
    /// The file cannot be read, or is not such a list.
    pub fn read_all(path: &Path) -> Result<Vec<Self>, Error> {
        let text = privlink_file::read(path, privlink_file::MOST_BYTES)
            .map_err(|source| Error::File { path: path.to_owned(), source })?;
        serde_json::from_slice(&text)
            .map_err(|error| Error::Format { path: path.to_owned(), reason: error.to_string() })
    }
}

/// What happens to a request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Effect {
    /// Nothing.
    #[default]
    None,
    /// It is answered with an error, and not carried out.
    Status {
        /// The HTTP status.
        status: u16,
        /// The error code of the body.
        #[serde(default)]
        code: String,
        /// The message of the body.
        #[serde(default)]
        message: String,
        /// `Retry-After`, in seconds.
        #[serde(default)]
        retry_after: Option<u64>,
    },
    /// The connection is reset before anything is carried out.
    Reset,
    /// It is carried out and then the connection is reset: the answer is lost.
    LostAnswer,
    /// It is carried out and half the answer is sent.
    HalfAnswer,
    /// It is not carried out and never answered: it hangs until the client goes.
    Hang,
    /// It is carried out and never answered: it hangs until the client goes.
    HangAnswer,
    /// The answer has a body that is not JSON.
    WrongContentType,
    /// The list it is answered with goes on at this address, or at the request's own if it is empty.
    NextLink {
        /// Where.
        url: String,
    },
    /// It is carried out by a clock that is so many seconds ahead, or behind if negative: the
    /// answer's `Date`, and whether a token or an assertion is valid.
    Clock {
        /// How much.
        seconds: i64,
    },
    /// It is carried out after so many milliseconds.
    Latency {
        /// How long.
        milliseconds: u64,
    },
    /// The operation it starts answers `InProgress` so many times.
    SlowOperation {
        /// How often.
        polls: u32,
    },
    /// The operation it starts fails.
    FailedOperation {
        /// The error code.
        code: String,
        /// The message.
        message: String,
        /// Whether it ends `Canceled`, and not `Failed`.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        canceled: bool,
    },
    /// Not of requests: the controller begins each sync so much later.
    LateController {
        /// How much.
        milliseconds: u64,
    },
    /// Not of requests: the controller pauses so long after each of its writes, and each shows meanwhile.
    SlowController {
        /// How long.
        milliseconds: u64,
    },
    /// Not of requests: ARM answers this to the first write of the controller's sync that meets `method` and
    /// `write`. The sync fails, but for what the controller's SDK retries by itself, such as a 500.
    FailedSync {
        /// The method of the write, `PUT` or `DELETE`; `PUT` if left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        method: Option<String>,
        /// A part of the write's path; any if left out.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        write: String,
        /// The HTTP status.
        status: u16,
        /// The error code.
        code: String,
        /// The message.
        message: String,
    },
    /// Not of requests: the controller's caches are as old as when it last read, whatever happened
    /// since.
    StaleCache,
}

/// A fault with how often it matched.
#[derive(Clone, Debug, Default)]
struct Armed {
    fault: Fault,
    matched: u32,
    struck: u32,
}

/// All faults, in their order; the first that strikes a request wins.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults(Vec<Armed>);

impl Faults {
    /// Adds faults.
    pub(crate) fn add(&mut self, faults: impl IntoIterator<Item = Fault>) {
        self.0.extend(faults.into_iter().map(|fault| Armed { fault, ..Armed::default() }));
    }

    /// Removes all.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// The faults with how often each struck.
    pub(crate) fn list(&self) -> impl Iterator<Item = (&Fault, u32)> {
        self.0.iter().map(|armed| (&armed.fault, armed.struck))
    }

    /// The fault that strikes this request, with its number.
    pub(crate) fn strike(&mut self, method: &str, path: &str) -> Option<(usize, Effect)> {
        self.strike_where(|fault| {
            !fault.effect.is_controllers()
                && fault.method.as_deref().is_none_or(|other| other.eq_ignore_ascii_case(method))
                && fault.path.as_deref().is_none_or(|part| contains_ignoring_case(path, part))
        })
    }

    /// The controller's fault that strikes a sync of the Service `namespace/name`. `which` chooses
    /// among the controller's effects.
    pub(crate) fn strike_sync(
        &mut self,
        service: &str,
        which: fn(&Effect) -> bool,
    ) -> Option<(usize, Effect)> {
        self.strike_where(|fault| {
            fault.effect.is_controllers()
                && which(&fault.effect)
                && fault.path.as_deref().is_none_or(|part| contains_ignoring_case(service, part))
        })
    }

    /// Takes back that a fault struck: the sync had no such write.
    pub(crate) fn spare(&mut self, number: usize) {
        if let Some(armed) = self.0.get_mut(number) {
            armed.struck = armed.struck.saturating_sub(1);
            armed.matched = armed.matched.saturating_sub(1);
        }
    }

    fn strike_where(&mut self, meets: impl Fn(&Fault) -> bool) -> Option<(usize, Effect)> {
        for (index, armed) in self.0.iter_mut().enumerate() {
            let exhausted = armed.fault.times != 0 && armed.struck >= armed.fault.times;
            if exhausted || !meets(&armed.fault) {
                continue;
            }
            armed.matched += 1;
            let drawn = armed
                .fault
                .probability
                .is_none_or(|probability| draw(armed.fault.seed, armed.matched) < probability);
            if armed.matched > armed.fault.after && drawn {
                armed.struck += 1;
                return Some((index, armed.fault.effect.clone()));
            }
        }
        None
    }
}

impl Effect {
    fn is_controllers(&self) -> bool {
        matches!(
            self,
            Self::LateController { .. }
                | Self::SlowController { .. }
                | Self::FailedSync { .. }
                | Self::StaleCache
        )
    }

    /// How far the clock that answers is ahead, in seconds.
    pub fn clock(&self) -> i64 {
        match self {
            Self::Clock { seconds } => *seconds,
            _ => 0,
        }
    }

    /// How long the request waits first.
    pub fn latency(&self) -> Duration {
        match self {
            Self::Latency { milliseconds } => Duration::from_millis(*milliseconds),
            _ => Duration::ZERO,
        }
    }
}

/// A number in 0..1 that depends on nothing but its arguments.
fn draw(seed: u64, count: u32) -> f64 {
    let digest = Sha256::digest(format!("{seed} {count}").as_bytes());
    let mut bytes = [0; 4];
    bytes.copy_from_slice(digest.get(..4).unwrap_or(&[0; 4]));
    f64::from(u32::from_be_bytes(bytes)) / (f64::from(u32::MAX) + 1.0)
}

fn contains_ignoring_case(text: &str, part: &str) -> bool {
    text.to_lowercase().contains(&part.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(status: u16) -> Effect {
        Effect::Status { status, code: String::new(), message: String::new(), retry_after: None }
    }

    #[test]
    fn a_fault_strikes_the_nth_matching_request_once() {
        let mut faults = Faults::default();
        faults.add([Fault {
            method: Some("PUT".into()),
            path: Some("/privateendpoints/".into()),
            after: 1,
            times: 1,
            effect: status(503),
            ..Fault::default()
        }]);
        let path =
            "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/privateEndpoints/a";
        let hits: Vec<bool> = (0..4).map(|_| faults.strike("put", path).is_some()).collect();
        assert_eq!(hits, [false, true, false, false]);
        assert_eq!(faults.strike("GET", path), None);
    }

    #[test]
    fn a_probable_fault_is_drawn_from_its_seed() {
        let pattern = |seed| {
            let mut faults = Faults::default();
            let fault = Fault {
                probability: Some(0.5),
                seed,
                times: 0,
                effect: status(429),
                ..Fault::default()
            };
            faults.add([fault]);
            (0..64).map(|_| faults.strike("GET", "/").is_some()).collect::<Vec<_>>()
        };
        assert_eq!(pattern(7), pattern(7));
        assert_ne!(pattern(7), pattern(8));
        let hits = pattern(7).into_iter().filter(|hit| *hit).count();
        assert!((16..48).contains(&hits), "{hits}");
    }

    #[test]
    fn a_controllers_fault_leaves_requests_alone() {
        let mut faults = Faults::default();
        faults.add([Fault { times: 1, effect: Effect::StaleCache, ..Fault::default() }]);
        assert_eq!(faults.strike("GET", "/"), None);
        let which = |effect: &Effect| matches!(effect, Effect::StaleCache);
        assert_eq!(faults.strike_sync("default/web", which), Some((0, Effect::StaleCache)));
        assert_eq!(faults.strike_sync("default/web", which), None);
        // One that did nothing strikes again.
        faults.spare(0);
        assert!(faults.strike_sync("default/web", which).is_some());
    }

    #[test]
    fn faults_are_read_from_json() {
        let fault: Fault = serde_json::from_str(
            r#"{"path": "loadBalancers", "effect": {"status": {"status": 429, "retryAfter": 1}}}"#,
        )
        .expect("a fault");
        assert_eq!(fault.times, 1);
        assert!(matches!(fault.effect, Effect::Status { status: 429, retry_after: Some(1), .. }));
    }

    #[test]
    fn the_documented_example_is_a_list_of_faults() {
        let page = include_str!("../../../docs/sandbox.md");
        let example = page.split("```json").nth(1).and_then(|rest| rest.split("```").next());
        let faults: Vec<Fault> =
            serde_json::from_str(example.expect("an example")).expect("faults");
        assert_eq!(faults.len(), 5);
        assert_eq!(faults[3].effect, Effect::LostAnswer);
    }
}
