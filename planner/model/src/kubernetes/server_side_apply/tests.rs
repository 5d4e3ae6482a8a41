use serde_json::{Value, json};

use super::*;

const NOW: &str = "2026-11-23T04:00:00Z";

fn writer(manager: &str) -> Writer<'_> {
    Writer { manager, api_version: "v1", time: NOW, subresource: None }
}

fn manifest() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": "internal-app",
            "namespace": "default",
            "annotations": {"service.beta.kubernetes.io/azure-load-balancer-internal": "true"},
        },
        "spec": {
            "type": "LoadBalancer",
            "ports": [{"port": 80}],
            "selector": {"app": "internal-app"},
        },
    })
}

/// What comes of an apply, which is the same whether or not managers are asked for.
fn applied(live: Option<&Value>, config: &Value, manager: &str) -> Value {
    let writer = writer(manager);
    let object = apply(&SERVICE, live, config, &writer, false).expect("no conflict");
    assert_eq!(super::applied(&SERVICE, live, config, &writer, false), Ok(bare(&object)));
    object
}

/// Fields an API server adds after an apply; nobody owns them.
fn with_defaults(mut object: Value) -> Value {
    object["spec"]["ports"][0]["protocol"] = json!("TCP");
    object["spec"]["ports"][0]["nodePort"] = json!(32332);
    object["spec"]["clusterIP"] = json!("10.0.172.5");
    object
}

#[test]
fn an_apply_owns_what_it_says_and_nothing_else() {
    let live = applied(None, &manifest(), "privlink");
    let entry = &live["metadata"]["managedFields"][0];
    assert_eq!(entry["manager"], "privlink");
    assert_eq!(entry["operation"], "Apply");
    assert_eq!(
        entry["fieldsV1"],
        json!({
            "f:metadata": {"f:annotations": {
                "f:service.beta.kubernetes.io/azure-load-balancer-internal": {},
            }},
            "f:spec": {
                "f:ports": {"k:{\"port\":80,\"protocol\":\"TCP\"}": {".": {}, "f:port": {}}},
                "f:selector": {},
                "f:type": {},
            },
        })
    );
}

#[test]
fn applying_the_same_again_changes_nothing() {
    let live = with_defaults(applied(None, &manifest(), "privlink"));
    let later = Writer { time: "2026-11-23T05:00:00Z", ..writer("privlink") };
    let again = apply(&SERVICE, Some(&live), &manifest(), &later, false).expect("no conflict");
    assert_eq!(again, live);
}

#[test]
fn what_the_configuration_no_longer_says_is_removed() {
    let mut config = manifest();
    config["spec"]["ports"] = json!([{"port": 80, "name": "web"}, {"port": 443, "name": "tls"}]);
    let live = with_defaults(applied(None, &config, "privlink"));
    let mut smaller = manifest();
    smaller["metadata"]["annotations"] = json!({});
    smaller["spec"]["ports"] = json!([{"port": 80, "name": "web"}]);
    let after = applied(Some(&live), &smaller, "privlink");
    assert_eq!(after["metadata"].get("annotations"), None);
    // The port that stays keeps what the server gave it.
    assert_eq!(
        after["spec"]["ports"],
        json!([{"port": 80, "name": "web", "protocol": "TCP", "nodePort": 32332}])
    );
}

#[test]
fn a_field_of_another_manager_is_a_conflict_and_stays_when_dropped() {
    let live = applied(None, &manifest(), "privlink");
    let mut edited = live.clone();
    edited["metadata"]["annotations"]["service.beta.kubernetes.io/azure-load-balancer-internal"] =
        json!("false");
    let live = track_update(&SERVICE, Some(&live), edited, &writer("kubectl-edit"));
    let conflicts = apply(&SERVICE, Some(&live), &manifest(), &writer("privlink"), false)
        .expect_err("conflict");
    assert_eq!(
        conflict_message(&conflicts),
        "Apply failed with 1 conflict: conflict with \"kubectl-edit\" using v1 at \
         2026-11-23T04:00:00Z: .metadata.annotations.service.beta.kubernetes.io/\
         azure-load-balancer-internal"
    );
    let forced =
        apply(&SERVICE, Some(&live), &manifest(), &writer("privlink"), true).expect("forced");
    assert_eq!(managers(&forced).len(), 1, "the other manager lost its only field");
    let mut without = manifest();
    without["metadata"]["annotations"] = json!({});
    let after = applied(Some(&live), &without, "privlink");
    assert_eq!(
        after["metadata"]["annotations"],
        json!({"service.beta.kubernetes.io/azure-load-balancer-internal": "false"})
    );
}

#[test]
fn two_appliers_share_a_field_they_agree_on() {
    let live = applied(None, &manifest(), "privlink");
    let shared = applied(Some(&live), &manifest(), "argocd-controller");
    assert_eq!(managers(&shared).len(), 2);
    let mut without = manifest();
    without["metadata"]["annotations"] = json!({});
    let after = applied(Some(&shared), &without, "privlink");
    assert_eq!(
        after["metadata"]["annotations"],
        json!({"service.beta.kubernetes.io/azure-load-balancer-internal": "true"}),
        "still owned by argocd-controller"
    );
}

#[test]
fn conflicts_in_a_keyed_list_name_the_item() {
    let mut config = manifest();
    config["spec"]["ports"] = json!([{"port": 80, "targetPort": 8080}]);
    let live = applied(None, &config, "flux");
    config["spec"]["ports"] = json!([{"port": 80, "targetPort": 9090}]);
    let conflicts =
        apply(&SERVICE, Some(&live), &config, &writer("privlink"), false).expect_err("conflict");
    assert_eq!(conflicts.len(), 1);
    assert_eq!(conflicts[0].field, ".spec.ports[port=80,protocol=\"TCP\"].targetPort");
    assert_eq!(conflicts[0].manager.to_string(), "\"flux\"");
}

#[test]
fn a_status_write_is_owned_through_its_subresource() {
    let live = applied(None, &manifest(), "privlink");
    let mut new = live.clone();
    new["status"] = json!({"loadBalancer": {"ingress": [{"ip": "10.240.0.6"}]}});
    let status = Writer { subresource: Some("status"), ..writer("cloud-controller-manager") };
    let after = track_update(&SERVICE, Some(&live), new, &status);
    let entry = &after["metadata"]["managedFields"][1];
    assert_eq!(entry["subresource"], "status");
    assert_eq!(entry["operation"], "Update");
    let again = applied(Some(&after), &manifest(), "privlink");
    assert_eq!(again, after, "an apply of the spec leaves the status and its manager alone");
}

#[test]
fn a_created_object_belongs_to_its_creator() {
    let created = track_update(&SERVICE, None, manifest(), &writer("kubectl-create"));
    assert_eq!(
        created["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]["f:ports"],
        json!({".": {}, "k:{\"port\":80,\"protocol\":\"TCP\"}": {".": {}, "f:port": {}}})
    );
}

#[test]
fn field_sets_survive_their_wire_form() {
    let live = applied(None, &manifest(), "privlink");
    for (_, fields) in managers(&live) {
        assert_eq!(FieldSet::decode(&fields.encode()), fields);
    }
}

#[test]
fn unknown_fields_are_named() {
    let mut config = manifest();
    config["spec"]["prots"] = json!([]);
    config["spec"]["ports"][0]["tragetPort"] = json!(1);
    let (known, unknown) = SERVICE.known(&config);
    assert_eq!(unknown, ["spec.ports[0].tragetPort", "spec.prots"]);
    assert_eq!(known, manifest());
}

#[test]
fn a_manifest_that_says_nothing_new_is_applied() {
    let live = with_defaults(applied(None, &manifest(), "privlink"));
    let is_applied = |live: &Value, config: &Value, manager: &str| {
        super::is_applied(&SERVICE, live, config, &writer(manager))
    };
    assert!(is_applied(&live, &manifest(), "privlink"));
    assert!(!is_applied(&live, &manifest(), "another"), "who owns nothing yet");
    let mut changed = manifest();
    changed["spec"]["ports"][0]["port"] = json!(81);
    assert!(!is_applied(&live, &changed, "privlink"));
    let mut fewer = manifest();
    fewer["metadata"].as_object_mut().expect("an object").shift_remove("annotations");
    assert!(!is_applied(&live, &fewer, "privlink"), "what is said no longer goes");
}

#[test]
fn an_item_of_a_list_is_applied_though_it_has_no_kind() {
    let mut item = with_defaults(applied(None, &manifest(), "privlink"));
    let fields = item.as_object_mut().expect("an object");
    fields.shift_remove("apiVersion");
    fields.shift_remove("kind");
    assert!(super::is_applied(&SERVICE, &item, &manifest(), &writer("privlink")));
    item["kind"] = json!("Other");
    assert!(!super::is_applied(&SERVICE, &item, &manifest(), &writer("privlink")));
}
