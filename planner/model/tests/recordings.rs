//! Replays the recordings of the real controller and reports how the predictions differ.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;
use std::path::PathBuf;

use privlink_model::kubernetes::defaults::{Network, Unknowns, create};
use privlink_model::recording::case::Recording;
use privlink_model::recording::compare::compare;
use privlink_model::recording::replay::replay;
use privlink_model::recording::shape::StepPrediction;
use serde_json::{Map, Value, json};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/recordings/controller")
}

fn recordings() -> BTreeMap<String, Recording> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let text = std::fs::read_to_string(&path).unwrap();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            let recording =
                serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
            all.insert(name, recording);
        }
    }
    assert!(!all.is_empty(), "no recordings in {}", folder().display());
    all
}

/// What is known not to replay, with the reason and the one difference allowed.
const UNSUPPORTED: [(&str, &str, &str); 1] = [(
    "268-change-ipv4-pls-with-connections",
    "after a start the controller's two workers race: here its node worker came second and said \
     `UpdatedLoadBalancer` of load balancers just ensured; most other starts go without",
    "UpdatedLoadBalancer",
)];

fn differences(recording: &Recording, predictions: &[StepPrediction]) -> Vec<String> {
    let recorded = &recording.result_after_each_step;
    assert_eq!(predictions.len(), recorded.len(), "{}", recording.name);
    let mut all = Vec::new();
    for (at, (predicted, came)) in predictions.iter().zip(recorded).enumerate() {
        let found = compare(predicted, came);
        all.extend(found.into_iter().map(|it| format!("  step {at}: {it}")));
    }
    all
}

fn supported(name: &str, differences: &[String]) -> bool {
    differences.is_empty()
        || UNSUPPORTED.iter().any(|(unsupported, _, allowed)| {
            name == *unsupported && differences.len() == 1 && differences[0].contains(allowed)
        })
}

#[test]
fn every_recording_replays() {
    let all = recordings();
    let only = std::env::var("RECORDING").ok();
    let (mut alike, mut played, mut failed) = (0, 0, 0);
    for (name, recording) in &all {
        if only.as_ref().is_some_and(|only| !name.contains(only.as_str())) {
            continue;
        }
        played += 1;
        let differences = differences(recording, &replay(recording));
        if differences.is_empty() {
            alike += 1;
            continue;
        }
        failed += usize::from(!supported(name, &differences));
        let shown: Vec<String> =
            differences.iter().take(12).map(|it| it.chars().take(600).collect()).collect();
        println!("{name}: {} differences\n{}", differences.len(), shown.join("\n"));
        for (_, reason, _) in UNSUPPORTED.iter().filter(|(unsupported, _, _)| name == unsupported) {
            println!("  not supported: {reason}");
        }
    }
    println!("{alike} of {played} recordings");
    assert_eq!(failed, 0, "{failed} of {played} recordings differ");
}

/// The last step's result without what a prediction must not know: of the Services what the API server
/// stored, with the status and finalizers they had before.
fn cut(recording: &Recording) -> Recording {
    let mut cut = recording.clone();
    let last = cut.result_after_each_step.pop().unwrap();
    let before: BTreeMap<String, Value> = cut
        .result_after_each_step
        .last()
        .and_then(|result| result.get("services")?.as_array().cloned())
        .into_iter()
        .flatten()
        .map(|service| (service["metadata"]["uid"].as_str().unwrap().to_owned(), service))
        .collect();
    let mut services = last.get("services").cloned().unwrap_or_default();
    for service in services.as_array_mut().into_iter().flatten() {
        let was = before.get(service["metadata"]["uid"].as_str().unwrap());
        service["status"] = was.map_or(json!({"loadBalancer": {}}), |it| it["status"].clone());
        let finalizers = was.and_then(|it| it["metadata"].get("finalizers").cloned());
        let metadata = service["metadata"].as_object_mut().unwrap();
        metadata.remove("deletionTimestamp");
        match finalizers {
            Some(finalizers) => metadata.insert("finalizers".to_owned(), finalizers),
            None => metadata.remove("finalizers"),
        };
    }
    let mut result = Map::new();
    result.insert("services".to_owned(), services);
    result.insert("kubeApi".to_owned(), last.get("kubeApi").cloned().unwrap_or_default());
    cut.result_after_each_step.push(result);
    cut
}

#[test]
fn a_prediction_reads_nothing_of_its_own_step() {
    for (name, recording) in &recordings() {
        for length in 1..=recording.steps.len() {
            let mut part = recording.clone();
            part.steps.truncate(length);
            part.result_after_each_step.truncate(length);
            let whole = replay(&part);
            assert_eq!(replay(&cut(&part)).last(), whole.last(), "{name}, step {}", length - 1);
        }
    }
}

/// Paths whose values the API server hands out.
fn handed_out(service: &mut Value) {
    let metadata = service["metadata"].as_object_mut().unwrap();
    for field in ["uid", "resourceVersion", "creationTimestamp", "finalizers"] {
        metadata.remove(field);
    }
    metadata.retain(|_, value| !value.as_object().is_some_and(Map::is_empty));
    let object = service.as_object_mut().unwrap();
    for field in ["status", "apiVersion", "kind"] {
        object.remove(field);
    }
    let spec = object["spec"].as_object_mut().unwrap();
    spec.entry("clusterIP").and_modify(|it| *it = json!("handed out"));
    for address in spec.get_mut("clusterIPs").and_then(Value::as_array_mut).into_iter().flatten() {
        *address = json!("handed out");
    }
    spec.entry("healthCheckNodePort").and_modify(|it| *it = json!("handed out"));
    for port in spec["ports"].as_array_mut().unwrap() {
        port.as_object_mut().unwrap().entry("nodePort").and_modify(|it| *it = json!("handed out"));
    }
}

/// What the API server stored of a Service that a first step creates is what the defaults make of it.
#[test]
fn the_api_servers_defaults_are_known() {
    let mut seen = 0;
    for (name, recording) in &recordings() {
        let families = if recording.cluster.dual_stack_nodes {
            vec!["IPv4".to_owned(), "IPv6".to_owned()]
        } else {
            vec!["IPv4".to_owned()]
        };
        let network = Network { ip_families: families };
        let stored = recording.result_after_each_step[0]["services"].as_array().unwrap();
        for manifest in &recording.steps[0].apply {
            let kept = stored.iter().find(|it| {
                it["metadata"]["name"] == manifest["metadata"]["name"]
                    && manifest["kind"] == "Service"
            });
            let Some(mut kept) = kept.cloned() else {
                continue;
            };
            let mut made = create(manifest.clone(), &network, &mut Unknowns);
            handed_out(&mut kept);
            handed_out(&mut made);
            assert_eq!(made, kept, "{name}");
            seen += 1;
        }
    }
    assert!(seen > 200, "{seen}");
}
