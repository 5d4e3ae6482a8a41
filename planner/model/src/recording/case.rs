//! A recording file.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::arm::rules::Fault;

/// A recording: manifests in, ARM writes and final state out.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Recording {
    /// Its name.
    pub name: String,
    /// What it shows.
    #[serde(default)]
    pub description: String,
    /// The cluster.
    pub cluster: RecordedCluster,
    /// The fake Azure.
    #[serde(rename = "armFake", default)]
    pub arm_fake: ArmFake,
    /// The steps.
    pub steps: Vec<Step>,
    /// What was there after each step.
    pub result_after_each_step: Vec<Map<String, Value>>,
}

/// The cluster of a recording.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordedCluster {
    /// `--cluster-name`.
    pub cluster_name: String,
    /// The controller's configuration.
    pub cloud_config: Map<String, Value>,
    /// The Nodes' names.
    #[serde(default)]
    pub nodes: Vec<String>,
    /// Whether the Nodes have IPv6 addresses.
    #[serde(default)]
    pub dual_stack_nodes: bool,
    /// The subnets' properties, by name.
    #[serde(default)]
    pub subnets: Map<String, Value>,
    /// What else Azure held at first.
    #[serde(default)]
    pub seed_resources: Vec<Value>,
}

/// The fake Azure of a recording.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ArmFake {
    /// Whether its strict rules were on.
    #[serde(default)]
    pub strict: bool,
    /// Injected faults.
    #[serde(default)]
    pub faults: Vec<Fault>,
}

/// A step of a recording.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Step {
    /// Manifests applied by server-side apply.
    pub apply: Vec<Value>,
    /// Objects deleted.
    pub delete: Vec<Value>,
    /// What somebody changed in Azure behind the controller.
    pub arm_edit: Option<Value>,
    /// Whether the controller was started afresh.
    pub restart_controller: bool,
    /// Seconds waited.
    pub wait: Option<f64>,
    /// Whether a failed state planted in Azure stays.
    pub keep_failed: bool,
}
