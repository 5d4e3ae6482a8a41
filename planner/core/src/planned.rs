//! A plan with what it was made from.

use std::collections::BTreeMap;

use crate::graph::Graph;
use crate::node_id::NodeId;
use crate::plan::Plan;
use crate::prediction::Prediction;

/// A plan with what it was made from.
#[derive(Clone, Debug)]
pub struct Planned {
    /// The plan.
    pub plan: Plan,
    /// What the controller is predicted to do.
    pub prediction: Prediction,
    /// The stack's graph.
    pub graph: Graph,
    /// What the stack wants, by its object: `namespace/name` or an id in Azure.
    pub subjects: BTreeMap<NodeId, String>,
}
