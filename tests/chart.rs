//! The Helm chart's values, their schema and its README agree; what is shipped for kustomize is what the chart renders, as
//! far as that shows without Helm. `.ci/chart` renders it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "what fails here fails the test")]

mod support;

use std::fmt::Write;

use privlink_core::diagnostic::Source;
use privlink_core::yaml;
use serde_json::{Map, Value, json};
use support::{assert_golden, read_json, root};

fn schema() -> Value {
    read_json(&root().join("charts/privlink/values.schema.json"))
}

fn documents(path: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(root().join(path)).unwrap();
    let source = Source::new(path, text).unwrap();
    yaml::documents(&source).filter_map(|it| Some(it.root?.to_json())).collect()
}

/// The values that a schema says are meant.
fn defaults(schema: &Value) -> Value {
    match schema["properties"].as_object() {
        Some(properties) if schema.get("default").is_none() => {
            let all: Map<String, Value> =
                properties.iter().map(|(name, it)| (name.clone(), defaults(it))).collect();
            Value::Object(all)
        }
        _ => schema["default"].clone(),
    }
}

#[test]
fn values_are_what_their_schema_says() {
    let values = documents("charts/privlink/values.yaml").remove(0);
    assert_eq!(values, defaults(&schema()));
    let validator = jsonschema::validator_for(&schema()).unwrap();
    assert!(validator.is_valid(&values));
    for wrong in [
        json!({"guard": {"mode": "deny"}}),
        json!({"guards": {}}),
        json!({"image": {"repository": "x", "digest": "latest"}}),
        json!({"stack": {"documents": {"stack": "kind: Stack"}}}),
    ] {
        assert!(!validator.is_valid(&wrong), "{wrong}");
    }
}

/// A row for each value.
fn rows(schema: &Value, path: &str, out: &mut String) {
    for (name, it) in schema["properties"].as_object().unwrap() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        match it.get("default") {
            None => rows(it, &path, out),
            Some(default) => {
                let description = it["description"].as_str().unwrap();
                writeln!(out, "| `{path}` | `{default}` | {description} |").unwrap();
            }
        }
    }
}

#[test]
fn the_charts_readme_is_made_from_its_values() {
    let mut text = String::from(
        "# The chart privlink\n\n\
         The [guard](../../docs/guard.md) as an admission webhook, and a job that looks for drift. \
         [docs/install.md](../../docs/install.md) describes the installation.\n\n\
         ```sh\nhelm install privlink charts/privlink --namespace privlink-system --create-namespace \\\n  \
         --set image.repository=REGISTRY/privlink --set azure.clientId=CLIENT_ID --set-file 'stack.documents.stack\\.yaml=stack.yaml'\n```\n\n\
         | value | default | what it is |\n|---|---|---|\n",
    );
    rows(&schema(), "", &mut text);
    text.push_str(
        "\nMade from `values.schema.json` by `UPDATE_GOLDEN=1 cargo test --test chart`.\n",
    );
    assert_golden("../charts/privlink/README.md", &text);
}

#[test]
fn the_shipped_webhook_does_no_harm_by_itself() {
    let webhook = documents("deploy/kustomize/components/webhook/webhook.yaml").remove(0);
    assert_eq!(webhook["metadata"]["annotations"]["admissions.enforcer/disabled"], "true");
    let webhook = &webhook["webhooks"][0];
    assert_eq!(webhook["failurePolicy"], "Ignore");
    assert_eq!(webhook["admissionReviewVersions"], json!(["v1"]));
    assert!(webhook.get("objectSelector").is_none(), "an editor could take the label off");
    let spared = webhook["namespaceSelector"]["matchExpressions"][0]["values"].as_array().unwrap();
    assert!(spared.contains(&json!("kube-system")));
    assert_eq!(webhook["rules"][0]["resources"], json!(["services"]), "no status");
}

/// Restricted Pod Security, as Kubernetes' standard of that name has it, and no more rights than are used.
#[test]
fn the_shipped_pods_are_restricted_and_read_only() {
    let all = documents("deploy/kustomize/base/privlink.yaml");
    let deployment = all.iter().find(|it| it["kind"] == "Deployment").unwrap();
    let pod = &deployment["spec"]["template"]["spec"];
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
    let container = &pod["containers"][0]["securityContext"];
    assert_eq!(container["allowPrivilegeEscalation"], false);
    assert_eq!(container["readOnlyRootFilesystem"], true);
    assert_eq!(container["capabilities"]["drop"], json!(["ALL"]));
    let roles = all.iter().filter(|it| it["kind"] == "ClusterRole");
    for rule in roles.flat_map(|it| it["rules"].as_array().unwrap()) {
        let verbs = rule["verbs"].as_array().unwrap();
        let resources = rule["resources"].as_array().unwrap();
        assert!(!verbs.contains(&json!("*")) && !resources.contains(&json!("*")), "{rule}");
        let writes = verbs
            .iter()
            .any(|it| ["create", "patch", "update", "delete"].contains(&it.as_str().unwrap()));
        let may = resources == &vec![json!("events")] || rule.get("resourceNames").is_some();
        assert!(!writes || may, "{rule}");
    }
}
