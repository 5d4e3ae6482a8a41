//! JSON Schemas of what is printed and saved, from the types themselves.

use std::collections::BTreeMap;

use schemars::schema_for;
use serde_json::Value;

use privlink_core::difference::SnapshotDiff;
use privlink_core::drift;
use privlink_core::event::Event;
use privlink_core::explanation::Explanation;
use privlink_core::plan::Plan;
use privlink_core::preflight;
use privlink_core::report::Report;
use privlink_core::route::Route;
use privlink_core::saved::SavedPlan;
use privlink_core::snapshot::Snapshot;
use privlink_core::version::Version;

use crate::fleet::record::FleetReport;

/// The schema files of plans, runs over many stacks, snapshots, drift, preflights, explanations, routes, events, reports and versions, by name.
pub fn output_files() -> BTreeMap<&'static str, Value> {
    BTreeMap::from([
        ("plan.schema.json", schema_for!(Plan).to_value()),
        ("snapshot.schema.json", schema_for!(Snapshot).to_value()),
        ("diff.schema.json", schema_for!(SnapshotDiff).to_value()),
        ("drift.schema.json", schema_for!(drift::Report).to_value()),
        ("preflight.schema.json", schema_for!(preflight::Report).to_value()),
        ("fleet.schema.json", schema_for!(FleetReport).to_value()),
        ("event.schema.json", schema_for!(Event).to_value()),
        ("explanation.schema.json", schema_for!(Explanation).to_value()),
        ("saved-plan.schema.json", schema_for!(SavedPlan).to_value()),
        ("route.schema.json", schema_for!(Route).to_value()),
        ("report.schema.json", schema_for!(Report).to_value()),
        ("version.schema.json", schema_for!(Version).to_value()),
    ])
}
