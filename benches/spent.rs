//! What each stage of a plan takes.

use std::hint::black_box;
use std::time::{Duration, Instant};

use privlink_core::desired::{self, Options};
use privlink_core::diagnostic::Source;
use privlink_core::diff::{self, Part, trial::Trial};
use privlink_core::input::Input;
use privlink_core::inventory::Inventory;
use privlink_core::join::{self, Join};
use privlink_core::planned::Planned;
use privlink_core::planning;
use privlink_core::prediction::{self, Prediction};
use privlink_core::snapshot::Snapshot;
use privlink_core::{document, stack_graph, yaml};
use privlink_render as render;

use crate::stacks::Stack;
use crate::stages::{facts, options, rendered, snapshot};

/// The stages, in order. `plan` is all from desired state and snapshot to the plan; `services`, `predict`,
/// `diff` and `graph` are parts of it, measured apart: Services as the API server will store them, what the
/// controller makes of them, what then differs, and what hangs on what.
pub(crate) const STAGES: [&str; 14] = [
    "yaml",
    "parse",
    "resolve",
    "snapshot",
    "facts",
    "plan",
    "services",
    "predict",
    "diff",
    "graph",
    "text",
    "json",
    "markdown",
    "dot + mermaid",
];

/// What each stage took.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stages([Duration; STAGES.len()]);

impl Stages {
    /// What each stage took, in the order of [`STAGES`].
    pub(crate) fn spent(&self) -> impl Iterator<Item = Duration> {
        self.0.iter().copied()
    }

    fn time<T>(&mut self, stage: &str, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = work();
        let spent = start.elapsed();
        let of = STAGES.iter().zip(&mut self.0).find(|(name, _)| **name == stage);
        if let Some((_, sum)) = of {
            *sum += spent;
        }
        result
    }

    /// Plans a stack, and adds what each stage took.
    pub(crate) fn add(&mut self, stack: &Stack) {
        let source = Source::new("stack.yaml", stack.documents.as_str()).expect("text");
        self.time("yaml", || {
            yaml::documents(&source).for_each(|document| drop(black_box(document)))
        });
        let documents = self.time("parse", || document::parse(&source));
        let (desired, problems) =
            self.time("resolve", || desired::resolve(documents, &Options::default()));
        assert_eq!(problems, []);
        let snapshot = self.time("snapshot", || snapshot(stack));
        let facts = self.time("facts", || facts(&desired, &snapshot));
        let options = options();
        let Planned { plan, .. } = self.time("plan", || {
            let live = Inventory::of(&snapshot);
            let wanted = join::identify(&desired, &live, &facts, &options);
            planning::plan(&Input::new(&wanted, &live, &facts, &options)).expect("a plan")
        });
        let live = Inventory::of(&snapshot);
        let wanted = join::identify(&desired, &live, &facts, &options);
        let input = Input::new(&wanted, &live, &facts, &options);
        let (prediction, changes) = self.predict(&input, &snapshot);
        let join = Join::of(&input, &prediction);
        self.time("diff", || {
            let mut part = changes;
            part.add(diff::service::nudge(&input, &prediction, &part));
            part.add(diff::endpoint::diff(&join, &[], &mut Trial::new(&prediction)));
            part.add(diff::controller::diff(&join, &part));
            part
        });
        let graph = self.time("graph", || {
            let graph = stack_graph::of(&input, &prediction);
            let changing = plan.changes.iter().filter(|it| it.is_change());
            let changing = changing.map(|it| it.address.clone()).collect();
            black_box(stack_graph::needs(&input, &prediction, &changing, Some(&graph)));
            graph
        });
        for stage in ["text", "json", "markdown"] {
            self.time(stage, || rendered(&plan, stage));
        }
        self.time("dot + mermaid", || {
            let mut out = String::new();
            render::graph::dot(&graph, &mut out).expect("text");
            render::graph::mermaid(&graph, &mut out).expect("text");
            out
        });
    }

    fn predict(&mut self, input: &Input<'_>, snapshot: &Snapshot) -> (Prediction, Part) {
        let (part, changes) = self.time("services", || diff::service::diff(input));
        let prediction = self.time("predict", || {
            let live = Inventory::of(snapshot);
            let cluster = prediction::cluster(&live, input.facts);
            prediction::predict(live.world().clone(), cluster, &changes)
        });
        (prediction, part)
    }
}
