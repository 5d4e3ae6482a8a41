//! Replays the recordings of the real controller and reports how the predictions differ.

use std::collections::BTreeMap;
use std::path::PathBuf;

use privlink_core::recording::case::Recording;
use privlink_core::recording::compare::compare;
use privlink_core::recording::replay::replay;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../golden/controller")
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

#[test]
fn every_recording_replays() {
    let all = recordings();
    let only = std::env::var("RECORDING").ok();
    let mut failed = 0;
    let mut played = 0;
    for (name, recording) in &all {
        if only.as_ref().is_some_and(|only| !name.contains(only.as_str())) {
            continue;
        }
        played += 1;
        let predictions = replay(recording);
        assert_eq!(predictions.len(), recording.result_after_each_step.len(), "{name}");
        let mut differences = Vec::new();
        for (at, (predicted, came)) in
            predictions.iter().zip(&recording.result_after_each_step).enumerate()
        {
            let found = compare(predicted, came);
            differences.extend(found.into_iter().map(|it| format!("  step {at}: {it}")));
        }
        if !differences.is_empty() {
            failed += 1;
            let shown: Vec<String> =
                differences.iter().take(12).map(|it| it.chars().take(600).collect()).collect();
            println!("{name}: {} differences\n{}", differences.len(), shown.join("\n"));
        }
    }
    println!("{} of {played} recordings", played - failed);
    assert_eq!(failed, 0, "{failed} of {played} recordings differ");
}
