//! What is said about manifests, compared with what the real controller made of them.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use privlink_core::controller::predict::Change;
use privlink_core::desired::{self, Options};
use privlink_core::diagnostic::Source;
use privlink_core::rule::{self, Severity};
use privlink_core::wanted::Wanted;
use privlink_core::{assumed, document, lint, prediction};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// Recordings whose first manifests fail for what is, or is not, in Azure: no manifest shows that.
const FAIL_BY_THE_WORLD: &[&str] = &[
    "016-pls-subnet-missing",
    "078-ipv4-out-of-subnet",
    "083-ipv4-taken-by-node",
    "180-pls-resource-group-missing",
    "232-pls-name-taken-unmanaged",
    "252-bad-then-delete",
    "324-arm-pls-put-412-once",
    "325-arm-subnet-put-403",
    "411-multi-slb-move-without-status",
    "414-retries-in-order-of-failure",
];

/// Recordings whose first manifests the controller takes without a word, and misreads.
const MISREAD: &[&str] = &[
    "046-pls-proxy-protocol-yes",
    "048-pls-proxy-protocol-1",
    "054-pls-visibility-comma.lenient",
    "062-pls-create-value-2",
    "063-pls-create-value-3",
    "066-pls-name-odd-characters",
    "067-pls-visibility-newlines.lenient",
    "068-pls-fqdns-newline-and-tab",
    "072-internal-value-1",
    "073-internal-value-2",
    "075-internal-value-4",
    "076-internal-value-5",
    "080-ipv4-given-ipv6.lenient",
    "145-long-pls-name.lenient",
    // The API server refuses it.
    "150-uppercase-service-name",
];

/// The worst that is said about the manifests of a recording's first step; nothing without any.
fn worst(recording: &Value) -> Option<Option<Severity>> {
    let manifests = recording["steps"][0]["apply"].as_array()?;
    let text: String = manifests.iter().map(|manifest| format!("---\n{manifest}\n")).collect();
    let documents = document::parse(&Source::new("a.yaml", text).unwrap());
    let options = Options { namespace: Some("default".to_owned()), stack_name: None };
    let (_, problems) = desired::resolve(documents, &options);
    Some(problems.iter().map(|problem| problem.severity).max())
}

fn has_failed(recording: &Value) -> bool {
    let events = recording["result_after_each_step"][0]["events"].as_array();
    events.into_iter().flatten().any(|event| event["reason"] == "SyncLoadBalancerFailed")
}

#[test]
fn what_the_controller_refuses_or_misreads_is_found_and_nothing_else() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/recordings/controller");
    let (mut by_the_world, mut misread, mut compared) = (BTreeSet::new(), BTreeSet::new(), 0);
    for file in fs::read_dir(folder).unwrap() {
        let file = file.unwrap().path();
        if file.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
        let recording: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        let Some(worst) = worst(&recording) else { continue };
        compared += 1;
        match (has_failed(&recording), worst) {
            // Azure refuses who is approved but sees nothing, says the stricter of two fakes: a warning.
            (true, worst) if worst < Some(Severity::Warning) => {
                by_the_world.insert(name);
            }
            (false, Some(Severity::Error)) => {
                misread.insert(name);
            }
            _ => {}
        }
    }
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    assert!(compared > 200, "{compared} recordings");
    assert_eq!(by_the_world, set(FAIL_BY_THE_WORLD));
    assert_eq!(misread, set(MISREAD));
}

/// Annotations that a Service may be given, with a value each.
const ANNOTATIONS: &[(&str, &str)] = &[
    ("azure-load-balancer-internal", "true"),
    ("azure-load-balancer-internal-subnet", "apps"),
    ("azure-load-balancer-health-probe-protocol", "http"),
    ("azure-load-balancer-health-probe-request-path", "/ready"),
    ("azure-load-balancer-health-probe-interval", "7"),
    ("azure-load-balancer-health-probe-num-of-probe", "3"),
    ("port_80_health-probe_protocol", "https"),
    ("port_80_health-probe_port", "9000"),
    ("port_80_health-probe_request-path", "/own"),
    ("port_80_health-probe_interval", "9"),
    ("port_81_health-probe_protocol", "tcp"),
    ("port_81_health-probe_port", "b"),
    ("port_81_no_lb_rule", "true"),
    ("port_90_no_probe_rule", "true"),
    ("azure-pls-create", "true"),
    ("azure-pls-proxy-protocol", "true"),
    ("azure-dns-label-name", "shop"),
    ("azure-pip-name", "shop"),
    ("azure-load-balancer-mode", "auto"),
    ("azure-load-balancer-configurations", "kubernetes"),
    ("azure-pls-ip-configuration-ip-address-count", "3"),
    ("azure-pls-visibility", "*"),
    ("azure-pls-fqdns", "web.example.com"),
    ("azure-allowed-service-tags", "AzureCloud"),
    ("azure-load-balancer-tcp-idle-timeout", "7"),
    ("azure-load-balancer-resource-group", "other"),
    ("azure-disable-load-balancer-floating-ip", "true"),
    ("azure-load-balancer-enable-high-availability-ports", "true"),
];

/// What a cluster may be known to be.
const FACTS: [&str; 4] = [
    "",
    "healthProbeMode: shared, loadBalancers: []",
    "loadBalancers: []",
    "loadBalancers: [{name: kubernetes}, {name: lb-two}]",
];

/// A Service with some of them.
fn service(chosen: &[bool], spec: &str, facts: &str) -> String {
    let annotations: String = ANNOTATIONS
        .iter()
        .zip(chosen)
        .filter(|(_, chosen)| **chosen)
        .map(|((key, value), _)| format!("    service.beta.kubernetes.io/{key}: {value:?}\n"))
        .collect();
    format!(
        "apiVersion: privlink.dev/v1alpha1\nkind: Stack\nmetadata: {{name: shop}}\nspec:\n  subscription: \
         00000000-0000-0000-0000-000000000000\n  resourceGroup: rg\n  cluster: aks\n  facts: {{{facts}}}\n---\n\
         apiVersion: v1\nkind: Service\nmetadata:\n  name: web\n  namespace: default\n  annotations:\n    x/y: z\n\
         {annotations}spec: {spec}\n"
    )
}

/// What the controller is predicted to leave of a Service, and the keys that are told to have no effect.
fn predicted(text: &str) -> (Value, Vec<String>) {
    let documents = document::parse(&Source::new("a.yaml", text).unwrap());
    let (desired, problems) = desired::resolve(documents, &Options::default());
    let (facts, cluster) = assumed::cluster(&desired::pinned(&desired, None));
    let service = desired.services.values().next().unwrap();
    let stored = prediction::stored(&service.manifest, None, &facts, Some("uid")).unwrap();
    let changes = [Change::Apply(Arc::new(stored))];
    let world = assumed::world(&facts, &changes);
    let prediction = prediction::predict(world, cluster, &changes);
    let found = lint::find(&Wanted::as_written(&desired), &facts, &prediction);
    let after = prediction.after;
    let left = serde_json::json!({
        "balancers": after.load_balancers.values().collect::<Vec<_>>(),
        "links": after.private_link_services.values().collect::<Vec<_>>(),
        "addresses": after.public_ip_addresses.values().collect::<Vec<_>>(),
        "groups": after.network_security_groups.values().collect::<Vec<_>>(),
        "errors": prediction.outcomes.iter().map(|it| it.error.is_some()).collect::<Vec<_>>(),
    });
    let ignored = problems.iter().filter(|it| it.code == rule::ANNOTATION_IGNORED);
    let mut keys: Vec<String> = ignored
        .filter_map(|it| it.labels.first().map(|label| label.span.text().to_owned()))
        .collect();
    // Where the switch is off, all that hangs on it is told at once.
    let off = problems.iter().filter(|it| it.code == rule::PRIVATE_LINK_OFF);
    keys.extend(
        off.flat_map(|it| it.message.split('`').skip(3).step_by(2).map(|it| format!("/{it}"))),
    );
    let by_facts = found.iter().filter(|it| it.code == rule::ANNOTATION_IGNORED);
    let named = |message: &str| -> Vec<String> {
        let names = message.split(" ha").next().unwrap_or_default();
        names.split(", ").map(|it| format!("/{it}")).collect()
    };
    keys.extend(by_facts.flat_map(|it| named(&it.message)));
    (left, keys)
}

/// Takes the numbers out of marks, which count what was written before them.
fn take_numbers(value: &mut Value) {
    match value {
        Value::Object(fields) => fields.values_mut().for_each(take_numbers),
        Value::Array(items) => items.iter_mut().for_each(take_numbers),
        Value::String(text) => {
            let parts: Vec<&str> = text.split('\u{e001}').collect();
            let ends = parts.len() - 1;
            let bare = |(at, part): (usize, &&str)| match at < ends {
                true => part.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned(),
                false => (*part).to_owned(),
            };
            *text = parts.iter().enumerate().map(bare).collect::<Vec<_>>().join("\u{e001}");
        }
        _ => {}
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(200))]

    /// Without an annotation that is told to have no effect, the same is predicted.
    #[test]
    fn what_is_told_to_have_no_effect_has_none(
        chosen in proptest::collection::vec(proptest::bool::weighted(0.4), ANNOTATIONS.len()),
        local in proptest::bool::ANY,
        protocol in proptest::sample::select(vec!["", ", appProtocol: http", ", appProtocol: tcp"]),
        facts in proptest::sample::select(FACTS.to_vec()),
    ) {
        let policy = if local { "Local" } else { "Cluster" };
        let spec = format!(
            "{{type: LoadBalancer, externalTrafficPolicy: {policy}, ports: [{{name: a, port: 80{protocol}}}, {{name: b, port: 81}}]}}"
        );
        let (with, ignored) = predicted(&service(&chosen, &spec, facts));
        for key in ignored {
            let at = ANNOTATIONS.iter().position(|(known, _)| key.ends_with(&format!("/{known}")));
            let mut fewer = chosen.clone();
            fewer[at.unwrap()] = false;
            let (mut without, _) = predicted(&service(&fewer, &spec, facts));
            let mut with = with.clone();
            // Of it is told that only security rules read it. What is written of them counts in the marks behind.
            if key.ends_with("/azure-disable-load-balancer-floating-ip") {
                for left in [&mut with, &mut without] {
                    left["groups"].take();
                    take_numbers(left);
                }
            }
            proptest::prop_assert_eq!(&with, &without, "{}", key);
        }
    }
}
