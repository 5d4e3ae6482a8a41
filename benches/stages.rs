//! What stages of a plan need of a stack.

use std::fmt::Write;

use privlink_core::desired::Desired;
use privlink_core::facts::{Fact, Facts, Origin};
use privlink_core::group::{Cluster, Group};
use privlink_core::input;
use privlink_core::plan::{Mode, Plan, Scope};
use privlink_core::snapshot::Snapshot;
use privlink_engine::observe::Targets;
use privlink_render::layout::Layout;
use privlink_render::text::Frame;
use privlink_render::{self as render, comment};

use crate::stacks::Stack;

/// What was observed of a stack.
pub(crate) fn snapshot(stack: &Stack) -> Snapshot {
    serde_json::from_str(&stack.observed).expect("a snapshot")
}

/// What is known of a stack's cluster.
pub(crate) fn facts(desired: &Desired, snapshot: &Snapshot) -> Facts {
    let stack = desired.stack.as_ref().expect("a Stack");
    let subscription = stack.subscription.as_ref().expect("a subscription").value.clone();
    let mut pinned = Facts { subscription: subscription.clone(), ..Facts::default() };
    pinned.sources.insert(Fact::Subscription, Origin::Pinned);
    let cluster = Cluster {
        group: Group::new(subscription, "myResourceGroup"),
        name: "myAKSCluster".to_owned(),
    };
    let targets = Targets { cluster: Some(cluster), ..Targets::default() };
    targets.facts(snapshot, &pinned)
}

/// No limits but the default ones.
pub(crate) fn options() -> input::Options {
    input::Options {
        mode: Mode::Apply,
        guard: None,
        adopt: false,
        max_disconnects: None,
        today: None,
        max_deletes: None,
        unprotect: Vec::new(),
        accept: Vec::new(),
        scope: Scope::default(),
        tool_version: "0".to_owned(),
    }
}

/// A plan in a format.
pub(crate) fn rendered(plan: &Plan, format: &str) -> String {
    let mut out = String::new();
    match format {
        "json" => render::json::plan(plan, &mut out),
        "markdown" => {
            let options = comment::Options::new(comment::Flavour::StepSummary);
            out.write_str(&comment::document(&[plan], &options))
        }
        _ => render::text::plan(plan, &Frame::plain(Layout::default()), &mut out),
    }
    .expect("text");
    out
}
