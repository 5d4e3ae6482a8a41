use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::inventory::Inventory;
use crate::join;

const SCOPE: &str =
    "/subscriptions/s/resourcegroups/g/providers/microsoft.network/virtualnetworks/v/subnets/n";
const WRITE: &str = "Microsoft.Network/virtualNetworks/subnets/write";

/// What a judge says of one right of the cluster's identity.
fn of_cluster(reading: Reading<Vec<Grant>>) -> Verdict {
    let mut needs = Needs { principal: Some("p".to_owned()), ..Needs::default() };
    needs.cluster.entry(SCOPE.to_owned()).or_default().insert(WRITE, "why");
    let mut answers = Answers::default();
    answers.cluster.insert(SCOPE.to_owned(), reading);
    verdict(&needs, &answers)
}

fn verdict(needs: &Needs, answers: &Answers) -> Verdict {
    let (desired, snapshot) = (Default::default(), snapshot());
    let facts = crate::facts::Facts::default();
    let options = crate::input::Options {
        mode: crate::plan::Mode::Apply,
        guard: None,
        adopt: false,
        max_disconnects: None,
        today: None,
        max_deletes: None,
        unprotect: Vec::new(),
        accept: Vec::new(),
        scope: crate::plan::Scope::default(),
        tool_version: String::new(),
    };
    let live = Inventory::of(&snapshot);
    let wanted = join::identify(&desired, &live, &facts, &options);
    let input = Input::new(&wanted, &live, &facts, &options);
    let prediction = crate::prediction::predict(
        crate::arm::world::World::default(),
        crate::prediction::cluster(&live, &facts),
        &[],
    );
    let subject = Subject {
        input: &input,
        prediction: &prediction,
        phase: Phase::Apply,
        lock_namespace: "default",
    };
    let report = judge(&subject, needs, answers, "somebody");
    assert_eq!(report.checks.len(), 1, "{report:?}");
    report.checks.first().unwrap().verdict
}

fn snapshot() -> crate::snapshot::Snapshot {
    crate::snapshot::Snapshot {
        format_version: crate::snapshot::FORMAT_VERSION.to_owned(),
        taken_at: String::new(),
        redacted: false,
        kubernetes: crate::snapshot::Kubernetes {
            version: Reading::Absent,
            namespace: "default".to_owned(),
            services: Reading::Absent,
            nodes: Reading::Absent,
            events: Reading::Absent,
            namespaces: None,
        },
        azure: BTreeMap::new(),
        index: crate::snapshot::Index::default(),
    }
}

fn grant(scope: &str, action: &str) -> Grant {
    let permissions = Reading::Present(vec![json!({"actions": [action], "notActions": []})]);
    Grant { scope: scope.to_owned(), permissions }
}

#[test]
fn a_role_counts_at_its_scope_and_below() {
    let given =
        |scope: &str| of_cluster(Reading::Present(vec![grant(scope, "Microsoft.Network/*")]));
    assert_eq!(given("/subscriptions/S"), Verdict::Met);
    assert_eq!(given("/"), Verdict::Met);
    assert_eq!(given(SCOPE), Verdict::Met);
    assert_eq!(given(&format!("{SCOPE}/below")), Verdict::Missing);
    assert_eq!(given("/subscriptions/s2"), Verdict::Missing);
}

#[test]
fn the_custom_role_of_the_aks_page_is_too_small_for_a_private_link_service() {
    let join = "Microsoft.Network/virtualNetworks/subnets/join/action";
    let given = |action| of_cluster(Reading::Present(vec![grant(SCOPE, action)]));
    assert_eq!(given(join), Verdict::Missing);
    assert_eq!(given(WRITE), Verdict::Met);
}

#[test]
fn what_could_not_be_read_is_unknown_and_never_missing() {
    let unreadable = || "403".to_owned();
    assert_eq!(of_cluster(Reading::Unreadable(unreadable())), Verdict::Unknown);
    assert_eq!(of_cluster(Reading::Present(Vec::new())), Verdict::Missing);
    let unread = Grant { scope: SCOPE.to_owned(), permissions: Reading::Unreadable(unreadable()) };
    assert_eq!(of_cluster(Reading::Present(vec![unread.clone()])), Verdict::Unknown);
    let both = vec![unread, grant(SCOPE, WRITE)];
    assert_eq!(of_cluster(Reading::Present(both)), Verdict::Met);

    let mut needs = Needs::default();
    needs.own.entry(SCOPE.to_owned()).or_default().insert(WRITE, "why");
    let mut answers = Answers::default();
    assert_eq!(verdict(&needs, &answers), Verdict::Unknown);
    answers.own.insert(SCOPE.to_owned(), Reading::Unreadable(unreadable()));
    assert_eq!(verdict(&needs, &answers), Verdict::Unknown);
    answers.own.insert(SCOPE.to_owned(), Reading::Present(Vec::new()));
    assert_eq!(verdict(&needs, &answers), Verdict::Missing);
}

#[test]
fn verbs_and_registrations_are_judged() {
    let verb = Verb { namespace: None, group: "", resource: "services", verb: "list" };
    let needs = Needs { verbs: BTreeMap::from([(verb.clone(), "why")]), ..Needs::default() };
    let with = |reading| Answers {
        verbs: BTreeMap::from([(verb.clone(), reading)]),
        ..Answers::default()
    };
    assert_eq!(verdict(&needs, &with(Reading::Present(true))), Verdict::Met);
    assert_eq!(verdict(&needs, &with(Reading::Present(false))), Verdict::Missing);
    assert_eq!(verdict(&needs, &with(Reading::Unreadable(String::new()))), Verdict::Unknown);

    let needs = Needs { registered: BTreeSet::from(["s".to_owned()]), ..Needs::default() };
    let with = |state: &str| Answers {
        registrations: BTreeMap::from([("s".to_owned(), Reading::Present(state.to_owned()))]),
        ..Answers::default()
    };
    assert_eq!(verdict(&needs, &with("Registered")), Verdict::Met);
    assert_eq!(verdict(&needs, &with("Registering")), Verdict::Missing);
}
