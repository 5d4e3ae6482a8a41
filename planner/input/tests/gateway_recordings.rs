//! The Services that real controllers of the Gateway API made, as a real kube-apiserver stored them, beside those that are
//! derived from the same documents: every field, and nothing more.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "what fails here fails the test"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use privlink_input::desired::{self, Options, Service};
use privlink_input::diagnostic::Source;
use privlink_input::document::parse;
use privlink_input::rule::{GATEWAY_ASSUMED, GATEWAY_UNKNOWN};
use privlink_model::evidence::Evidence;
use privlink_model::gateway::{TABLE, is_left_behind, made_of};
use privlink_model::kubernetes::defaults::{self, Network};
use privlink_model::kubernetes::{managers, validation};
use serde_json::{Value, json};

/// A controller as it was recorded.
struct Controller {
    folder: &'static str,
    /// What it is called in the table.
    name: &'static str,
    /// Whom its Services hang on.
    owner: &'static str,
    /// Labels that it writes beyond those that are derived.
    labels: &'static [&'static str],
    /// Recordings of what the documents do not say, and privlink says that it assumed.
    assumed: &'static [&'static str],
}

const CONTROLLERS: [Controller; 2] = [
    Controller {
        folder: "envoy",
        name: "Envoy Gateway",
        owner: "GatewayClass",
        labels: &[],
        assumed: &[
            "certificate-elsewhere",
            "certificate-missing",
            "no-listener-valid",
            "proxy-missing",
        ],
    },
    Controller {
        folder: "istio",
        name: "Istio",
        owner: "Gateway",
        labels: &[
            "gateway.istio.io/managed",
            "gateway.networking.k8s.io/gateway-class-name",
            "istio.io/dataplane-mode",
        ],
        assumed: &["parameters-missing"],
    },
];

fn folder(controller: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/recordings/gateways").join(controller)
}

/// The names of the recordings of a controller.
fn names(controller: &str) -> Vec<String> {
    let files = std::fs::read_dir(folder(controller)).unwrap().map(|file| file.unwrap().path());
    let json = files.filter(|file| file.extension().is_some_and(|it| it == "json"));
    let mut names: Vec<String> =
        json.map(|file| file.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

/// What is derived from documents: Services that the API server takes, by namespace and name, and codes of what was said.
fn derived(text: &str) -> (BTreeMap<String, Service>, Vec<String>) {
    let source = Source::new("gateway.yaml", text).unwrap();
    let (desired, problems) = desired::resolve(parse(&source), &Options::default());
    let made = desired.services.into_iter().filter(|(_, it)| it.made_by.is_some());
    // A Service that is written down counts in place of the derived one, which has labels.
    let is_taken = |it: &Service| {
        it.manifest.pointer("/metadata/labels").is_some()
            && validation::service(&defaults::read(it.manifest.clone()), None).is_empty()
    };
    let taken = made.filter(|(_, it)| is_taken(it));
    let codes = problems.iter().map(|it| it.code.as_str().to_owned()).collect();
    (taken.map(|(key, it)| (key.to_string(), it)).collect(), codes)
}

/// A Service as the API server stores it, without what it hands out and who wrote what.
fn stored(mut service: Value, controller: &Controller) -> Value {
    let metadata = service["metadata"].as_object_mut().unwrap();
    for name in ["uid", "managedFields", "ownerReferences"] {
        metadata.remove(name);
    }
    if let Some(labels) = metadata.get_mut("labels").and_then(Value::as_object_mut) {
        labels.retain(|name, _| !controller.labels.contains(&name.as_str()));
    }
    let object = service.as_object_mut().unwrap();
    object.remove("status");
    let spec = object["spec"].as_object_mut().unwrap();
    for name in ["clusterIP", "clusterIPs", "healthCheckNodePort"] {
        spec.remove(name);
    }
    for port in spec["ports"].as_array_mut().unwrap() {
        port.as_object_mut().unwrap().remove("nodePort");
    }
    service
}

fn key(service: &Value) -> String {
    let text = |name: &str| service["metadata"][name].as_str().unwrap().to_owned();
    format!("{}/{}", text("namespace"), text("name"))
}

/// What differs between a recording and what is derived, and whether anything was compared.
fn differences(controller: &Controller, name: &str) -> (Vec<String>, bool) {
    let read = |ending: &str| {
        std::fs::read_to_string(folder(controller.folder).join(format!("{name}.{ending}"))).unwrap()
    };
    let recorded: Value = serde_json::from_str(&read("json")).unwrap();
    let given = read("yaml");
    let (derived, codes) = derived(&given);
    if codes.iter().any(|it| *it == GATEWAY_UNKNOWN.as_str()) {
        return (Vec::new(), false);
    }
    if controller.assumed.contains(&name) {
        let is_said = codes.iter().any(|it| *it == GATEWAY_ASSUMED.as_str());
        let silent = (!is_said).then(|| "it is not said what is assumed".to_owned());
        return (silent.into_iter().collect(), false);
    }
    let row = TABLE.iter().find(|row| row.name == controller.name).unwrap();
    assert_eq!(row.evidence, Evidence::Recorded);
    let mut differences = Vec::new();
    let services = recorded["services"].as_array().unwrap();
    let made: BTreeMap<String, &Value> = services
        .iter()
        .filter(|it| it["metadata"]["ownerReferences"][0]["kind"] == controller.owner)
        .map(|it| (key(it), it))
        .collect();
    for (at, real) in &made {
        match derived.get(at) {
            Some(service) => differences.extend(compared(controller, service, real)),
            // Nothing collects what its owner leaves behind where there is no garbage collector, and some delete nothing.
            None if is_left(real, &given) || (name.ends_with("-after") && row.leaves) => {}
            None => differences.push(format!("{at} was made, and is not derived")),
        }
    }
    let missing = derived.keys().filter(|at| !made.contains_key(*at));
    differences.extend(missing.map(|at| format!("{at} is derived, and was not made")));
    (differences, true)
}

fn compared(controller: &Controller, service: &Service, real: &Value) -> Vec<String> {
    let by = service.made_by.as_ref().unwrap();
    let network = Network { ip_families: vec!["IPv4".to_owned(), "IPv6".to_owned()] };
    let ours = defaults::create(service.manifest.clone(), &network, &mut defaults::Unknowns);
    let (ours, theirs) = (stored(ours, controller), stored(real.clone(), controller));
    let at = key(real);
    let mut differences = Vec::new();
    for part in ["/metadata", "/spec"] {
        let empty = json!({});
        let fields = |of: &Value| of.pointer(part).unwrap().as_object().unwrap().clone();
        let (ours, theirs) = (fields(&ours), fields(&theirs));
        let names: std::collections::BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
        for name in names {
            let (one, other) =
                (ours.get(name).unwrap_or(&empty), theirs.get(name).unwrap_or(&empty));
            if one != other {
                differences.push(format!("{at}: {part}/{name}: derived {one}, recorded {other}"));
            }
        }
    }
    if made_of(real).as_deref() != Some(by.gateway.to_string().as_str()) {
        differences.push(format!("{at}: of {:?}, recorded {:?}", by.gateway, made_of(real)));
    }
    if is_left_behind(real) != (controller.owner == "Gateway") {
        differences.push(format!("{at}: whether it is left behind"));
    }
    let tool = managers::author(real).tool;
    if tool != Some(by.tool) {
        differences.push(format!("{at}: by {}, recorded {tool:?}", by.tool));
    }
    differences
}

/// Whether a Service is of a Gateway that is not in the documents any more.
fn is_left(service: &Value, given: &str) -> bool {
    let gateway = made_of(service).unwrap();
    let name = gateway.split('/').next_back().unwrap();
    !given.contains(&format!("name: {name}\n"))
}

#[test]
fn what_is_derived_of_gateways_is_what_their_controllers_write() {
    let mut failures = Vec::new();
    for controller in &CONTROLLERS {
        let (mut compared, mut unknown) = (0, Vec::new());
        for name in names(controller.folder) {
            let (differences, is_compared) = differences(controller, &name);
            failures
                .extend(differences.iter().map(|it| format!("{}/{name}: {it}", controller.folder)));
            if is_compared {
                compared += 1;
            } else {
                unknown.push(name);
            }
        }
        println!("{}: {compared} compared, not known: {unknown:?}", controller.folder);
        assert!(compared >= 10, "{}: {compared}", controller.folder);
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
