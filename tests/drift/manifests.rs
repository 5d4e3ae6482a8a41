//! The manifests of examples/drift: strict, consistent with the product, and true.

use std::collections::BTreeSet;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::CronJob;
use k8s_openapi::api::core::v1::{Namespace, PersistentVolumeClaim, ServiceAccount};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use privlink_core::diagnostic::Source;
use privlink_core::drift::{Class, Weight};
use privlink_core::yaml;
use serde_json::{Value, json};

use crate::support::{Workplace, names, root};

const FOLDER: &str = "examples/drift/manifests";

fn documents(text: &str) -> Vec<Value> {
    let source = Source::new("a.yaml", text).unwrap();
    yaml::documents(&source).map(|it| it.root.unwrap().to_json()).collect()
}

fn manifests() -> Vec<Value> {
    let read = |name: &String| std::fs::read_to_string(root().join(FOLDER).join(name)).unwrap();
    names(FOLDER).iter().flat_map(|name| documents(&read(name))).collect()
}

fn of_kind(kind: &str) -> Value {
    manifests().into_iter().find(|it| it["kind"] == kind).unwrap()
}

/// A document as Kubernetes' own types read it: what they do not know would be lost on the way.
fn typed<T: serde::de::DeserializeOwned + serde::Serialize>(document: &Value) -> Value {
    let read: T = serde_json::from_value(document.clone()).unwrap_or_else(|error| {
        panic!("{error} in {document:#}");
    });
    serde_json::to_value(read).unwrap()
}

#[test]
fn kubernetes_types_know_every_field() {
    let mut checked = BTreeSet::new();
    for document in manifests() {
        let kind = document["kind"].as_str().unwrap().to_owned();
        let read = match kind.as_str() {
            "Namespace" => typed::<Namespace>(&document),
            "ServiceAccount" => typed::<ServiceAccount>(&document),
            "ClusterRole" => typed::<ClusterRole>(&document),
            "ClusterRoleBinding" => typed::<ClusterRoleBinding>(&document),
            "PersistentVolumeClaim" => typed::<PersistentVolumeClaim>(&document),
            "CronJob" => typed::<CronJob>(&document),
            "Deployment" => typed::<Deployment>(&document),
            // A custom resource, looked at below.
            "PrometheusRule" => continue,
            other => panic!("{other} is not looked at"),
        };
        let lost = lost("", &document, &read);
        assert!(lost.is_empty(), "{kind}: {lost:?}");
        checked.insert(kind);
    }
    assert_eq!(checked.len(), 7, "{checked:?}");
}

/// The paths of a value that another one lacks.
fn lost(path: &str, value: &Value, read: &Value) -> Vec<String> {
    match value {
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(key, value)| match read.get(key) {
                Some(read) => lost(&format!("{path}.{key}"), value, read),
                None => vec![format!("{path}.{key}")],
            })
            .collect(),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .flat_map(|(at, value)| lost(&format!("{path}[{at}]"), value, &read[at]))
            .collect(),
        other if other == read => Vec::new(),
        other => vec![format!("{path}: {other} became {read}")],
    }
}

#[test]
fn a_field_that_kubernetes_does_not_know_is_found() {
    let mut job = of_kind("CronJob");
    job["spec"]["concurencyPolicy"] = json!("Forbid");
    assert_eq!(lost("", &job, &typed::<CronJob>(&job)), [".spec.concurencyPolicy"]);
}

#[test]
fn the_job_never_overlaps_and_may_do_nothing() {
    let spec = of_kind("CronJob")["spec"].clone();
    assert_eq!(spec["concurrencyPolicy"], "Forbid");
    assert!(spec["startingDeadlineSeconds"].as_u64().unwrap() > 10);
    let job = &spec["jobTemplate"]["spec"];
    // It ends before the next one is due.
    assert!(job["activeDeadlineSeconds"].as_u64().unwrap() < 3600);
    assert!(job["backoffLimit"].as_u64().unwrap() <= 1);
    let pod = &job["template"]["spec"];
    assert_eq!(pod["restartPolicy"], "Never");
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    let container = &pod["containers"][0]["securityContext"];
    assert_eq!(container["readOnlyRootFilesystem"], true);
    assert_eq!(container["allowPrivilegeEscalation"], false);
    assert_eq!(container["capabilities"]["drop"], json!(["ALL"]));
    assert_eq!(job["template"]["metadata"]["labels"]["azure.workload.identity/use"], "true");
    assert_eq!(pod["serviceAccountName"], of_kind("ServiceAccount")["metadata"]["name"]);
}

#[test]
fn the_role_is_the_one_that_preflight_prints() {
    let place = Workplace::empty();
    let printed = place.run("preflight --role kubernetes --for plan").expect(0).stdout;
    let printed = documents(&printed);
    assert_eq!(printed.len(), 1, "one role does for a look");
    assert_eq!(of_kind("ClusterRole"), printed[0]);
    let binding = of_kind("ClusterRoleBinding");
    assert_eq!(binding["roleRef"]["name"], printed[0]["metadata"]["name"]);
    assert_eq!(binding["subjects"][0]["name"], of_kind("ServiceAccount")["metadata"]["name"]);
}

#[test]
fn the_binary_takes_the_jobs_arguments() {
    let place = Workplace::with_example("drift");
    place.run("apply -f examples/drift --sandbox -y --controller-timeout 20").expect(0);
    let pod = &of_kind("CronJob")["spec"]["jobTemplate"]["spec"]["template"]["spec"];
    let arguments = pod["containers"][0]["args"].as_array().unwrap().iter();
    let mut arguments: Vec<String> = arguments
        .map(|it| it.as_str().unwrap())
        .map(|it| it.replace("/stack", "examples/drift").replace("/metrics/", ""))
        .collect();
    arguments.push("--sandbox".to_owned());
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let run = place.run_args(&arguments).expect(0);
    assert_eq!(run.last_line(), "No drift.");
    assert!(place.path().join("privlink.prom").exists());
}

/// Metrics and classes of the alert rules are those that there are; and every rule is a whole one.
#[test]
fn the_alerts_name_metrics_and_classes_that_there_are() {
    let metrics = std::fs::read_to_string(root().join("golden/drift/drift.prom")).unwrap();
    let rules = of_kind("PrometheusRule")["spec"]["groups"][0]["rules"].as_array().unwrap().clone();
    assert_eq!(rules.len(), 5);
    let mut quiet = BTreeSet::new();
    for rule in &rules {
        let keys: BTreeSet<&str> = rule.as_object().unwrap().keys().map(String::as_str).collect();
        let allowed = BTreeSet::from(["alert", "annotations", "expr", "for", "labels"]);
        assert!(keys.is_subset(&allowed), "{keys:?}");
        assert!(
            rule["annotations"]["summary"].is_string() && rule["labels"]["severity"].is_string()
        );
        let expr = rule["expr"].as_str().unwrap();
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        for metric in expr.split(|c| !is_word(c)).filter(|it| it.starts_with("privlink_")) {
            assert!(metrics.contains(&format!("# TYPE {metric} gauge")), "{metric}");
        }
        if let Some((_, classes)) = expr.split_once("class!~\"") {
            let classes = classes.split('"').next().unwrap().split('|');
            quiet.extend(classes.map(ToOwned::to_owned));
        } else if let Some((_, classes)) = expr.split_once("class=~\"") {
            for class in classes.split('"').next().unwrap().split('|') {
                let known = Class::ALL.into_iter().find(|it| it.as_str() == class);
                assert_eq!(known.map(Class::weight), Some(Weight::Drift), "{class}");
            }
        }
    }
    let no_drift = Class::ALL.into_iter().filter(|it| it.weight() != Weight::Drift);
    assert_eq!(quiet, no_drift.map(|it| it.as_str().to_owned()).collect());
}
