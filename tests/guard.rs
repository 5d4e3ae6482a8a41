//! `guard review`, `plan --guard`: what one write to a Service does to Azure, before it is stored.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "what fails here fails the test"
)]

#[path = "support/generated.rs"]
mod generated;
#[path = "support/served.rs"]
mod served;
#[path = "support/stage.rs"]
mod stage;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use generated::{SERVICES, Version, desired, observed, planned, session, version};
use privlink_core::diagnostic::Source;
use privlink_core::document;
use privlink_core::facts::Facts;
use privlink_core::guard::policy::{Mode, Policy};
use privlink_core::guard::review::{Operation, Request};
use privlink_core::guard::{Outcome, Seen, Verdict, decide};
use privlink_core::input::{Input, Options};
use privlink_core::inventory::{Azure, Inventory};
use privlink_core::join;
use privlink_core::kubernetes::service::Key;
use privlink_core::plan::{Mode as PlanMode, Op, Scope, disconnected};
use privlink_core::planning;
use privlink_core::prediction;
use privlink_core::resource_id::ResourceId;
use privlink_core::rule::{Code, Severity};
use privlink_core::snapshot::{Reading, Snapshot};
use privlink_engine::apply::apply;
use privlink_sandbox::World;
use proptest::prelude::*;
use serde_json::{Value, json};
use served::{RUNTIME, Served};
use support::{Run, Workplace, flat, read_json};

const ADDRESS: &str = "service.beta.kubernetes.io/azure-load-balancer-ipv4";
const INTERNAL: &str = "service.beta.kubernetes.io/azure-load-balancer-internal";
const CONSENT: &str = "privlink.dev/allow-disconnects";

/// A place with a Private Link Service that has a consumer, and what is observed of it.
struct Live {
    place: Workplace,
}

impl Live {
    fn new() -> Self {
        let place = Workplace::with_example("frontend-recreated");
        let before = "examples/frontend-recreated/before";
        let apply = format!("apply -f {before} --sandbox --auto-approve --controller-timeout 20");
        place.run(&apply).expect(0);
        place.run(&format!("observe -f {before} --sandbox --out observed.json")).expect(0);
        Self { place }
    }

    /// The Service as it is stored.
    fn service(&self) -> Value {
        let observed = read_json(&self.place.path().join("observed.json"));
        let services = observed["kubernetes"]["services"]["present"].as_array().unwrap().clone();
        services.into_iter().find(|it| it["metadata"]["name"] == "internal-app").unwrap()
    }

    /// The guard's answer, with how the command ended.
    fn review(&self, review: &Value, flags: &str) -> (Value, i32) {
        std::fs::write(self.place.path().join("review.json"), review.to_string()).unwrap();
        let words = format!("guard review review.json --observed observed.json {flags}");
        let run = self.place.run(&words);
        let answer: Value = serde_json::from_str(&run.stdout).unwrap_or_else(|_| panic!("{run:?}"));
        assert_eq!(answer["apiVersion"], "admission.k8s.io/v1");
        assert_eq!(answer["kind"], "AdmissionReview");
        assert_eq!(answer["response"]["uid"], review["request"]["uid"]);
        for warning in answer["response"]["warnings"].as_array().into_iter().flatten() {
            let warning = warning.as_str().unwrap();
            assert!(warning.chars().count() <= 120, "{warning}");
        }
        (answer["response"].clone(), run.code)
    }
}

fn reviewed(operation: &str, old: &Value, new: &Value) -> Value {
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": {"group": "", "version": "v1", "kind": "Service"},
            "resource": {"group": "", "version": "v1", "resource": "services"},
            "namespace": "default", "name": "internal-app",
            "operation": operation,
            "userInfo": {"username": "alice", "groups": ["system:authenticated"]},
            "object": new, "oldObject": old, "dryRun": false,
        }
    })
}

fn edited(service: &Value, edit: impl FnOnce(&mut Value)) -> Value {
    let mut new = service.clone();
    edit(&mut new);
    reviewed("UPDATE", service, &new)
}

fn another_address(service: &mut Value) {
    service["metadata"]["annotations"][ADDRESS] = json!("10.240.0.26");
}

const EFFECT: &str =
    "disconnects 1 consumer of Private Link Service my-pls (myAKSServicePE): its address changes";

#[test]
fn an_edit_that_disconnects_is_told_and_under_enforce_refused() {
    let live = Live::new();
    let edit = edited(&live.service(), another_address);
    let (told, code) = live.review(&edit, "");
    assert_eq!((told["allowed"].as_bool(), code), (Some(true), 0), "{told}");
    assert_eq!(told["warnings"][0], EFFECT);
    assert_eq!(told["auditAnnotations"]["verdict"], "warned");
    let (refused, code) = live.review(&edit, "--mode enforce");
    assert_eq!((refused["allowed"].as_bool(), code), (Some(false), 3), "{refused}");
    let message = refused["status"]["message"].as_str().unwrap();
    for part in [EFFECT, "[too-many-disconnects]", CONSENT, "allowDisconnects of the Stack"] {
        assert!(message.contains(part), "{part}: {message}");
    }
    assert_eq!(refused["status"]["code"], 403);
    assert_eq!(refused["auditAnnotations"]["codes"], "too-many-disconnects");

    // What the controller does not read, and what it reads without harm.
    let label = edited(&live.service(), |it| it["metadata"]["labels"]["team"] = json!("shop"));
    assert_eq!(live.review(&label, "--mode enforce").0["auditAnnotations"]["verdict"], "passed");
    let selector = edited(&live.service(), |it| it["spec"]["selector"]["v"] = json!("2"));
    let (selector, _) = live.review(&selector, "--mode enforce");
    assert_eq!(selector["auditAnnotations"]["verdict"], "allowed", "{selector}");
    assert!(selector.get("warnings").is_none(), "{selector}");
}

#[test]
fn consent_lets_a_write_through_and_is_told() {
    let live = Live::new();
    let with = |consent: &str| {
        edited(&live.service(), |it| {
            another_address(it);
            it["metadata"]["annotations"][CONSENT] = json!(consent);
        })
    };
    for consent in ["myAKSServicePE@2999-12-31", "1@2999-12-31", "other@2000-01-01, 1@2999-12-31"] {
        let (answer, code) = live.review(&with(consent), "--mode enforce");
        assert_eq!((answer["allowed"].as_bool(), code), (Some(true), 0), "{consent}: {answer}");
        let warnings = answer["warnings"].to_string();
        assert!(warnings.contains("by consent: myAKSServicePE until 2999-12-31"), "{warnings}");
    }
    for (consent, told) in [
        ("other@2999-12-31", "disconnects 1 consumer"),
        ("myAKSServicePE@2000-01-01", "consent-expired: "),
        ("0@2999-12-31", "disconnects 1 consumer"),
        ("myAKSServicePE", "consent-misread: "),
    ] {
        let (answer, code) = live.review(&with(consent), "--mode enforce");
        assert_eq!((answer["allowed"].as_bool(), code), (Some(false), 3), "{consent}: {answer}");
        assert!(answer["warnings"].to_string().contains(told), "{answer}");
    }
    // The Stack's consent counts too, and an annotation lets a deletion through.
    let stack = "apiVersion: privlink.dev/v1alpha1\nkind: Stack\nmetadata: {name: x}\nspec:\n  \
        subscription: 00000000-0000-0000-0000-000000000000\n  resourceGroup: myResourceGroup\n  \
        cluster: myAKSCluster\n  policy:\n    allowDisconnects: \
        [{endpoint: myAKSServicePE, until: 2999-12-31}]\n";
    std::fs::write(live.place.path().join("stack.yaml"), stack).unwrap();
    let edit = edited(&live.service(), another_address);
    assert_eq!(live.review(&edit, "--mode enforce -f stack.yaml").1, 0);
    let mut service = live.service();
    service["metadata"]["annotations"][CONSENT] = json!("1@2999-12-31");
    let deletion = reviewed("DELETE", &service, &Value::Null);
    assert_eq!(live.review(&deletion, "--mode enforce").1, 0);
}

#[test]
fn a_deletion_says_whom_it_hits_and_what_is_protected_stays() {
    let live = Live::new();
    let mut deletion = reviewed("DELETE", &live.service(), &Value::Null);
    deletion["request"]["userInfo"]["username"] =
        json!("system:serviceaccount:kube-system:namespace-controller");
    let (answer, code) = live.review(&deletion, "--mode enforce");
    assert_eq!(code, 3, "{answer}");
    let message = answer["status"]["message"].as_str().unwrap();
    for part in [
        "my-pls (myAKSServicePE): its Service is deleted",
        "annotate the Service before you delete it",
        "The namespace default stays in Terminating until then",
    ] {
        assert!(message.contains(part), "{message}");
    }
    let mut service = live.service();
    service["metadata"]["labels"]["privlink.dev/protect"] = json!("true");
    service["metadata"]["annotations"][CONSENT] = json!("1@2999-12-31");
    let deletion = reviewed("DELETE", &service, &Value::Null);
    let (answer, code) = live.review(&deletion, "--mode enforce");
    assert_eq!(code, 3, "{answer}");
    assert_eq!(answer["auditAnnotations"]["codes"], "protected", "{answer}");
    let type_away = edited(&service, |it| it["spec"]["type"] = json!("ClusterIP"));
    let (answer, _) = live.review(&type_away, "--mode enforce");
    assert!(
        answer["auditAnnotations"]["codes"].as_str().unwrap().contains("protected"),
        "{answer}"
    );
    assert!(
        answer["warnings"][0].as_str().unwrap().ends_with("no longer of type LoadBalancer"),
        "{answer}"
    );
}

#[test]
fn what_becomes_public_is_refused_and_a_dry_run_is_not() {
    let live = Live::new();
    let public =
        edited(&live.service(), |it| it["metadata"]["annotations"][INTERNAL] = json!("True"));
    let (answer, code) = live.review(&public, "--mode enforce");
    assert_eq!(code, 3, "{answer}");
    let codes = answer["auditAnnotations"]["codes"].as_str().unwrap();
    assert!(codes.contains("becomes-public"), "{codes}");
    let mut dry = edited(&live.service(), another_address);
    dry["request"]["dryRun"] = json!(true);
    let (answer, code) = live.review(&dry, "--mode enforce");
    assert_eq!((answer["allowed"].as_bool(), code), (Some(true), 0), "{answer}");
    assert_eq!(answer["warnings"][0], EFFECT);
    let told = answer["warnings"][1].as_str().unwrap();
    assert!(told.starts_with("without --dry-run privlink would refuse this"), "{told}");
    // Which codes refuse is chosen.
    let edit = edited(&live.service(), another_address);
    assert_eq!(live.review(&edit, "--mode enforce --refuse becomes-public").1, 0);
    assert_eq!(live.review(&edit, "--mode enforce --max-disconnects 1").1, 0);
}

#[test]
fn nobody_is_held_back_who_is_not_to_be() {
    let live = Live::new();
    let edit = edited(&live.service(), another_address);
    let (exempt, code) = live.review(&edit, "--mode enforce --exempt-user alice");
    assert_eq!((exempt["auditAnnotations"]["verdict"].as_str(), code), (Some("warned"), 0));
    assert_eq!(live.review(&edit, "--mode enforce --exempt-namespace default").1, 0);
    let mut observed = read_json(&live.place.path().join("observed.json"));
    observed["takenAt"] = json!("2020-01-01T00:00:00Z");
    std::fs::write(live.place.path().join("observed.json"), observed.to_string()).unwrap();
    let (old, code) = live.review(&edit, "--mode enforce --max-age 60");
    assert_eq!((old["auditAnnotations"]["verdict"].as_str(), code), (Some("unknown"), 0), "{old}");
    let warning = old["warnings"][0].as_str().unwrap();
    assert!(warning.starts_with("privlink cannot predict what this does to Azure: "), "{warning}");
    let (closed, code) = live.review(&edit, "--mode enforce --max-age 60 --fail-closed");
    assert_eq!((closed["allowed"].as_bool(), code), (Some(false), 3), "{closed}");
    let beta = live.place.path().join("beta.json");
    std::fs::write(
        beta,
        edit.to_string().replace("admission.k8s.io/v1", "admission.k8s.io/v1beta1"),
    )
    .unwrap();
    let run = live.place.run("guard review beta.json --observed observed.json").expect(1);
    assert!(flat(&run.stderr).contains("only AdmissionReview of admission.k8s.io/v1 is answered"));
}

/// A repository that owns nothing: Services as any tool renders them, with no Stack beside them.
#[test]
fn a_render_is_guarded_without_a_stack() {
    let live = Live::new();
    let plan = |flags: &str| -> Run {
        let place = "--subscription 00000000-0000-0000-0000-000000000000 --resource-group \
                     myResourceGroup --cluster myAKSCluster";
        live.place.run(&format!("plan --guard {place} --observed observed.json {flags}"))
    };
    let service = "examples/frontend-recreated/internal-app.yaml";
    let refused = plan(&format!("-f {service} -o json")).expect(3);
    let found: Value = serde_json::from_str(&refused.stdout).unwrap();
    assert_eq!(found["refusals"][0]["code"], "too-many-disconnects", "{found:#}");
    assert_eq!(
        found["refusals"].as_array().unwrap().len(),
        1,
        "nothing is to be adopted: {found:#}"
    );
    let writes =
        |it: &Value| it["op"].get("applyService").is_some() || it["op"].get("nudge").is_some();
    assert!(!found["steps"].as_array().unwrap().iter().any(writes), "{found:#}");
    let same = plan("-f examples/frontend-recreated/before/internal-app.yaml").expect(0);
    assert!(same.stdout.contains("No changes."), "{}", same.stdout);
    // What the base has and the render has not is about to be deleted.
    let other =
        "apiVersion: v1\nkind: Service\nmetadata: {name: other}\nspec: {ports: [{port: 80}]}\n";
    let output = live.place.path().join("output");
    for (tree, application, text) in [
        ("base", "shop.yaml", std::fs::read_to_string(live.place.path().join(service)).unwrap()),
        ("base", "other.yaml", other.to_owned()),
        ("target", "other.yaml", other.to_owned()),
    ] {
        std::fs::create_dir_all(output.join(tree)).unwrap();
        std::fs::write(output.join(tree).join(application), text).unwrap();
    }
    plan("-f output/target").expect(0);
    let gone = plan("-f output/target --base output/base").expect(3);
    for told in ["myAKSServicePE", "output/base/shop.yaml:"] {
        assert!(gone.stdout.contains(told), "{told}: {}", gone.stdout);
    }
    // It may have been the last.
    std::fs::write(output.join("target/other.yaml"), "# none left\n").unwrap();
    std::fs::remove_file(output.join("base/other.yaml")).unwrap();
    let last = plan("-f output/target --base output/base").expect(3);
    assert!(last.stdout.contains("myAKSServicePE"), "{}", last.stdout);
    std::fs::remove_file(output.join("target/other.yaml")).unwrap();
    let last = plan("-f output/target --base output/base").expect(3);
    assert!(last.stdout.contains("myAKSServicePE"), "{}", last.stdout);
    // The commands that it names are about the same: nothing is privlink's to write.
    let edited = plan(&format!("-f {service} --base {service}")).expect(3);
    let text = format!("{}{}", last.stdout, edited.stdout).replace("\\\n", " ");
    let commands = text.lines().filter_map(|line| line.split_once("  privlink ")).map(|it| it.1);
    let commands: Vec<&str> = commands.collect();
    for command in &commands {
        assert!(command.contains("--guard ") && command.contains("--base "), "{command}");
        live.place.run(command).expect(0);
    }
    assert!(commands.iter().any(|it| it.starts_with("explain ")), "{text}");
    let nothing = plan("-f output/target").expect(1);
    assert!(nothing.stderr.contains("holds no *.yaml"), "{}", nothing.stderr);
    for tree in ["base", "target"] {
        std::fs::write(output.join(tree).join("other.yaml"), other).unwrap();
    }
    // The comment names the application, by its file, and who is disconnected.
    let comment = plan("-f output/target --base output/base -o markdown").expect(3);
    for told in ["myAKSServicePE", "shop.yaml", "deleted"] {
        assert!(comment.stdout.contains(told), "{told}: {}", comment.stdout);
    }
}

// ---- the law: a verdict is what a plan says ----

/// What a plan refuses of an edit, of what the guard refuses too, and whom it disconnects.
type Told = (BTreeSet<Code>, BTreeSet<String>);

struct Edit {
    key: Key,
    documents: Vec<String>,
    is_deletion: bool,
}

/// A plan of the whole stack with one Service as it is in another version, and the object that it would store.
fn by_plan(edit: &Edit, seen: &(Snapshot, Facts)) -> (Told, Option<Value>) {
    let desired = desired(&edit.documents);
    let options = Options {
        mode: PlanMode::Apply,
        guard: None,
        adopt: false,
        max_disconnects: None,
        today: None,
        max_deletes: None,
        unprotect: Vec::new(),
        accept: Vec::new(),
        scope: Scope::default(),
        tool_version: "0".to_owned(),
    };
    let live = Inventory::of(&seen.0);
    let wanted = join::identify(&desired, &live, &seen.1, &options);
    let input = Input::new(&wanted, &live, &seen.1, &options);
    let plan = planning::plan(&input).unwrap().plan;
    let refuses = Policy::default().refuses;
    let codes = plan.refusals.iter().map(|it| it.code).filter(|it| refuses.contains(it)).collect();
    let name = |endpoint: &str| ResourceId::new(endpoint).name().to_owned();
    let cut = disconnected(&plan.changes).iter().map(|it| name(&it.endpoint)).collect();
    let services = seen.0.kubernetes.services_by_key();
    let live = services.get(&edit.key).copied();
    let manifest = plan.steps.iter().find_map(|step| match &step.op {
        Op::ApplyService { name, manifest, .. } if *name == edit.key.name => Some(manifest),
        _ => None,
    });
    let stored = manifest
        .map(|it| prediction::stored(it, live, &seen.1, None).unwrap().to_value())
        .or_else(|| live.cloned());
    ((codes, cut), stored)
}

fn by_guard(edit: &Edit, stored: Option<Value>, seen: &(Snapshot, Facts)) -> Told {
    let services = seen.0.kubernetes.services_by_key();
    let old_object = services.get(&edit.key).map(|it| (*it).clone());
    let operation = match (&old_object, edit.is_deletion) {
        (_, true) => Operation::Delete,
        (None, false) => Operation::Create,
        (Some(_), false) => Operation::Update,
    };
    let request = Request {
        uid: "1".to_owned(),
        operation,
        is_service: true,
        key: edit.key.clone(),
        user: "alice".to_owned(),
        dry_run: false,
        object: stored.filter(|_| !edit.is_deletion),
        old_object,
    };
    let today = privlink_core::date::of_days(20_785);
    let azure = Azure::of(&seen.0).with_views(&seen.0);
    let seen = Seen {
        live: &Inventory::with_azure(&seen.0, &azure),
        facts: &seen.1,
        stack: None,
        trouble: None,
        today,
        tool_version: "0",
    };
    let policy = Policy { mode: Mode::Enforce, ..Policy::default() };
    let decision = decide(&request, &policy, &seen);
    let codes: BTreeSet<Code> = decision.codes().into_iter().collect();
    assert_eq!(decision.verdict == Verdict::Refused, !codes.is_empty(), "{decision:#?}");
    match decision.outcome {
        Outcome::Judged(judgement) => {
            (codes, judgement.harms.into_iter().flat_map(|it| it.consumers).collect())
        }
        Outcome::Passed(_) => Told::default(),
        Outcome::Unknown(why) => panic!("{why}"),
    }
}

/// What is observed, with all endpoints somebody else's: the stack neither deletes them nor makes them again.
fn of_others((mut snapshot, facts): (Snapshot, Facts)) -> (Snapshot, Facts) {
    for (path, reading) in &mut snapshot.azure {
        if let (true, Reading::Present(list)) = (path.ends_with("/privateendpoints"), reading) {
            for endpoint in list {
                Arc::make_mut(endpoint).as_object_mut().unwrap().shift_remove("tags");
            }
        }
    }
    (snapshot, facts)
}

/// Every edit of one Service that leads from one version towards the other.
fn edits(from: &Version, to: &Version) -> Vec<Edit> {
    let numbers: BTreeSet<usize> =
        from.services.keys().chain(to.services.keys()).copied().collect();
    let edit = |number: usize| {
        let mut version = Version { endpoints: BTreeMap::new(), ..from.clone() };
        match to.services.get(&number) {
            Some(wanted) => version.services.insert(number, wanted.clone()),
            None => version.services.remove(&number),
        };
        Edit {
            key: Key::new("default", SERVICES[number]),
            documents: version.documents("laws"),
            is_deletion: !to.services.contains_key(&number),
        }
    };
    let mut edits: Vec<Edit> = numbers.into_iter().map(edit).collect();
    edits.extend(rewrites(from));
    edits
}

/// What people write into one Service of a version: each as text for text, where it is there.
const REWRITES: [(&str, &str); 6] = [
    ("azure-load-balancer-internal: \"true\"", "azure-load-balancer-internal: \"false\""),
    ("azure-load-balancer-internal: \"true\"", "azure-load-balancer-internal: \"True\""),
    ("azure-load-balancer-ipv4: \"10.240.0.2", "azure-load-balancer-ipv4: \"10.240.0.1"),
    ("type: LoadBalancer, ", "type: ClusterIP, "),
    ("azure-pls-create: \"true\"", "azure-pls-create: \"false\""),
    ("-pls\"", "-other\""),
];

fn rewrites(from: &Version) -> Vec<Edit> {
    let version = Version { endpoints: BTreeMap::new(), ..from.clone() };
    let mut edits = Vec::new();
    for number in from.services.keys() {
        let name = format!("kind: Service\nmetadata:\n  name: {}\n", SERVICES[*number]);
        for (old, new) in REWRITES {
            let mut documents = version.documents("laws");
            let Some(service) = documents.iter_mut().find(|it| it.contains(&name)) else {
                continue;
            };
            *service = service.replace(old, new);
            if is_sound(&documents) {
                let key = Key::new("default", SERVICES[*number]);
                edits.push(Edit { key, documents, is_deletion: false });
            }
        }
    }
    edits
}

/// Whether documents can be planned: some edits are refused as input already.
fn is_sound(documents: &[String]) -> bool {
    let source = Source::new("stack.yaml", documents.join("---\n")).unwrap();
    let options =
        privlink_core::desired::Options { namespace: Some("default".to_owned()), stack_name: None };
    let (_, diagnostics) = privlink_core::desired::resolve(document::parse(&source), &options);
    diagnostics.iter().all(|it| it.severity != Severity::Error)
}

fn cases() -> u32 {
    std::env::var("LAW_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(8)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 20, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_verdict_is_what_a_plan_says(first in version(), second in version()) {
        let served = Served::new(World::first());
        let seen = RUNTIME.block_on(async {
            let session = session(&served).await;
            let desired = desired(&first.documents("laws"));
            let plan = planned(&desired, &observed(&session).await, PlanMode::Apply);
            apply(&plan, &session, |_| {}).await;
            of_others(observed(&session).await)
        });
        for edit in edits(&first, &second) {
            let (told, stored) = by_plan(&edit, &seen);
            let guarded = by_guard(&edit, stored, &seen);
            prop_assert_eq!(guarded, told, "{}: {}", edit.key, edit.documents.join("---\n"));
        }
    }
}
