//! What is counted, as Prometheus reads it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use privlink_core::guard::Decision;
use privlink_core::guard::review::Operation;

/// The upper bounds of the latency's buckets, in seconds.
const BOUNDS: [f64; 11] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5];

/// The counters.
#[derive(Debug, Default)]
pub(crate) struct Metrics(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    decisions: BTreeMap<(&'static str, &'static str, &'static str), u64>,
    latency: BTreeMap<&'static str, Latency>,
    failures: BTreeMap<Failure, u64>,
}

#[derive(Debug, Default)]
struct Latency {
    within: [u64; BOUNDS.len()],
    count: u64,
    sum: f64,
}

/// What may fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Failure {
    /// The cluster or Azure could not be read.
    Refresh,
    /// A certificate could not be read or issued.
    Certificate,
    /// A handshake failed.
    Handshake,
    /// A body is no review.
    Body,
    /// An answer was not there by its deadline.
    Deadline,
}

impl Failure {
    const ALL: [Self; 5] =
        [Self::Refresh, Self::Certificate, Self::Handshake, Self::Body, Self::Deadline];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Refresh => "refresh",
            Self::Certificate => "certificate",
            Self::Handshake => "handshake",
            Self::Body => "body",
            Self::Deadline => "deadline",
        }
    }
}

impl Metrics {
    fn with<T>(&self, count: impl FnOnce(&mut Counts) -> T) -> T {
        count(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Counts a decision.
    pub(crate) fn decided(&self, operation: Operation, decision: &Decision, took: Duration) {
        let code = decision.codes().first().map_or("none", |code| code.as_str());
        let operation = operation.as_str();
        self.with(|counts| {
            let key = (decision.verdict.as_str(), code, operation);
            *counts.decisions.entry(key).or_default() += 1;
            let latency = counts.latency.entry(operation).or_default();
            let seconds = took.as_secs_f64();
            latency.count += 1;
            latency.sum += seconds;
            for (within, bound) in latency.within.iter_mut().zip(BOUNDS) {
                *within += u64::from(seconds <= bound);
            }
        });
    }

    /// Counts a failure.
    pub(crate) fn failed(&self, failure: Failure) {
        self.with(|counts| *counts.failures.entry(failure).or_default() += 1);
    }

    /// All of them. `age` is how old the observation is, if there is one.
    pub(crate) fn text(&self, age: Option<Duration>, ready: bool) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = self.with(|counts| counts.write(&mut text));
        let _ = write_gauges(&mut text, age, ready);
        text
    }
}

impl Counts {
    fn write(&self, out: &mut String) -> std::fmt::Result {
        out.write_str(
            "# HELP privlink_guard_decisions_total Decisions by verdict, the first code that holds back, and operation.\n\
             # TYPE privlink_guard_decisions_total counter\n",
        )?;
        for ((verdict, code, operation), count) in &self.decisions {
            writeln!(
                out,
                "privlink_guard_decisions_total{{verdict=\"{verdict}\",code=\"{code}\",operation=\"{operation}\"}} {count}"
            )?;
        }
        out.write_str(
            "# HELP privlink_guard_review_duration_seconds How long answers took.\n\
             # TYPE privlink_guard_review_duration_seconds histogram\n",
        )?;
        let name = "privlink_guard_review_duration_seconds";
        for (operation, latency) in &self.latency {
            for (within, bound) in latency.within.iter().zip(BOUNDS) {
                writeln!(
                    out,
                    "{name}_bucket{{operation=\"{operation}\",le=\"{bound}\"}} {within}"
                )?;
            }
            let Latency { count, sum, .. } = latency;
            writeln!(out, "{name}_bucket{{operation=\"{operation}\",le=\"+Inf\"}} {count}")?;
            writeln!(out, "{name}_sum{{operation=\"{operation}\"}} {sum}")?;
            writeln!(out, "{name}_count{{operation=\"{operation}\"}} {count}")?;
        }
        out.write_str(
            "# HELP privlink_guard_failures_total What failed: refresh, certificate, handshake, body, deadline.\n\
             # TYPE privlink_guard_failures_total counter\n",
        )?;
        for failure in Failure::ALL {
            let count = self.failures.get(&failure).copied().unwrap_or_default();
            let what = failure.as_str();
            writeln!(out, "privlink_guard_failures_total{{what=\"{what}\"}} {count}")?;
        }
        Ok(())
    }
}

fn write_gauges(out: &mut String, age: Option<Duration>, ready: bool) -> std::fmt::Result {
    if let Some(age) = age {
        out.write_str(
            "# HELP privlink_guard_observation_age_seconds How old what it knows of Azure is.\n\
             # TYPE privlink_guard_observation_age_seconds gauge\n",
        )?;
        writeln!(out, "privlink_guard_observation_age_seconds {:.3}", age.as_secs_f64())?;
    }
    out.write_str(
        "# HELP privlink_guard_ready Whether it is ready.\n# TYPE privlink_guard_ready gauge\n",
    )?;
    writeln!(out, "privlink_guard_ready {}", u8::from(ready))
}
