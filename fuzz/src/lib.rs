//! What is done with text from outside: one function for each parser. None may panic, whatever the bytes,
//! and some say what must hold of the result. The fuzz targets call them, and so does a test of the
//! product, with the seeds in `corpus/`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::missing_panics_doc,
    missing_docs,
    unreachable_pub,
    reason = "a panic is what is looked for"
)]

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use privlink_core::assumed;
use privlink_core::controller::predict::Change;
use privlink_core::desired::{self, Desired};
use privlink_core::diagnostic::{self, RenderOptions, Source};
use privlink_core::document;
use privlink_core::event::Event;
use privlink_core::facts::Facts;
use privlink_core::guard::policy::{Mode as GuardMode, Policy};
use privlink_core::guard::{self, Seen, review};
use privlink_core::import::{self, Place, Selection};
use privlink_core::input::{Input, Options};
use privlink_core::inventory::Inventory;
use privlink_core::join;
use privlink_core::plan::{Mode, Plan, Scope};
use privlink_core::planning;
use privlink_core::prediction;
use privlink_core::report::Report;
use privlink_core::saved::SavedPlan;
use privlink_core::snapshot::{FORMAT_VERSION, Index, Kubernetes, List, Reading, Snapshot};
use privlink_core::staleness;
use privlink_core::yaml;
use privlink_render as render;
use privlink_render::comment::{self, Flavour};
use serde_json::{Value, json};

const SUBSCRIPTION: &str = "00000000-0000-0000-0000-000000000000";
const GROUP: &str = "MC_myResourceGroup_myAKSCluster_eastus";

const DOCUMENTS: &str = concat!(
    include_str!("../../examples/private-link/stack.yaml"),
    "---\n",
    include_str!("../../examples/private-link/internal-app.yaml"),
    "---\n",
    include_str!("../../examples/private-link/endpoint.yaml"),
);

static DESIRED: LazyLock<Desired> = LazyLock::new(|| read(DOCUMENTS.as_bytes()).0);

fn read(bytes: &[u8]) -> (Desired, String) {
    let mut text = String::new();
    let (desired, diagnostics) = match Source::from_bytes("a.yaml", bytes.to_vec()) {
        Ok(source) => desired::resolve(document::parse(&source), &desired::Options::default()),
        Err(problem) => (Desired::default(), vec![*problem]),
    };
    diagnostic::render(&diagnostics, RenderOptions::default(), &mut text).unwrap();
    diagnostic::render_lines(&diagnostics, &mut text).unwrap();
    (desired, text)
}

/// Desired state: whatever is read is read again from what would be written of it.
pub fn documents(data: &[u8]) {
    let (_, shown) = read(data);
    assert!(!shown.contains('\u{1b}'), "an escape reaches the terminal");
    let Ok(source) = Source::from_bytes("a.yaml", data.to_vec()) else { return };
    for document in yaml::documents(&source) {
        let Some(root) = document.root.filter(|_| document.problems.is_empty()) else { continue };
        let json = root.to_json();
        let text = yaml::to_text(&json);
        let again = Source::new("b.yaml", &text).unwrap();
        let again = yaml::documents(&again).filter_map(|it| it.root).next().map(|it| it.to_json());
        assert_eq!(again.unwrap_or_default(), json, "{text}");
    }
}

/// Annotations, one a line as `key value`: what the controller makes of them.
pub fn annotations(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let annotations: serde_json::Map<String, Value> = text
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(key, value)| (format!("service.beta.kubernetes.io/{key}"), value.into()))
        .collect();
    let manifest = json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "app", "namespace": "default", "annotations": annotations},
        "spec": {"type": "LoadBalancer", "ports": [{"port": 80}], "selector": {"app": "app"}},
    });
    read(yaml::to_text(&manifest).as_bytes());
    let (facts, cluster) = assumed::cluster(&Facts::default());
    let Ok(stored) = prediction::stored(&manifest, None, &facts, None) else { return };
    let changes = [Change::Apply(Arc::new(stored))];
    let predicted = prediction::predict(assumed::world(&facts, &changes), cluster, &changes);
    let mut shown = String::new();
    render::prediction::text(&predicted, &mut shown).unwrap();
}

/// Saved plans: edited ones are refused, and whatever has a plan's shape can be shown.
pub fn saved_plan(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let sound = SavedPlan::parse(text);
    if let Ok(saved) = serde_json::from_str::<SavedPlan>(text) {
        show(&saved.plan);
        let sealed = saved.sealed();
        assert_eq!(SavedPlan::parse(&sealed.to_text()).as_ref(), Ok(&sealed));
        assert!(sound.is_err() || sound.as_ref() == Ok(&sealed), "an edited plan passes");
    }
}

fn show(plan: &Plan) {
    let mut text = String::new();
    let layout = render::layout::Layout::plain(render::layout::WIDTH);
    render::text::plan(plan, &render::text::Frame::plain(layout), &mut text).unwrap();
    assert!(!text.contains('\u{1b}'), "an escape reaches the terminal");
    for flavour in [Flavour::GitHub, Flavour::AzureDevOps] {
        text.push_str(&comment::document(&[plan], &comment::Options::new(flavour)));
    }
    render::json::plan(plan, &mut text).unwrap();
}

/// Snapshots: planned against, and imported.
pub fn snapshot(data: &[u8]) {
    if let Ok(snapshot) = serde_json::from_slice::<Snapshot>(data) {
        use_snapshot(&snapshot);
    }
}

/// Resources as ARM shows them, in a list: each in the list that would hold it.
pub fn arm(data: &[u8]) {
    let Ok(Value::Array(resources)) = serde_json::from_slice::<Value>(data) else { return };
    let mut azure: BTreeMap<String, Reading<List>> = BTreeMap::new();
    for kind in ["loadBalancers", "privateLinkServices", "virtualNetworks"] {
        let list = format!(
            "/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.Network/{kind}"
        );
        azure.insert(list.to_lowercase(), Reading::Present(Vec::new()));
    }
    for resource in resources {
        let id = resource.get("id").and_then(Value::as_str).unwrap_or_default().to_lowercase();
        let list = id.rsplit_once('/').map(|(list, _)| list.to_owned()).unwrap_or_default();
        match azure.entry(list).or_insert_with(|| Reading::Present(Vec::new())) {
            Reading::Present(list) => list.push(resource.into()),
            Reading::Absent | Reading::Unreadable(_) => {}
        }
    }
    let mut snapshot = empty();
    snapshot.azure = azure;
    use_snapshot(&snapshot);
}

/// Services as the Kubernetes API shows them, in a list.
pub fn kubernetes(data: &[u8]) {
    let Ok(Value::Array(services)) = serde_json::from_slice::<Value>(data) else { return };
    let mut snapshot = empty();
    snapshot.kubernetes.services = Reading::of(services);
    use_snapshot(&snapshot);
}

fn empty() -> Snapshot {
    Snapshot {
        format_version: FORMAT_VERSION.to_owned(),
        taken_at: String::new(),
        redacted: false,
        kubernetes: Kubernetes {
            version: Reading::Present("v1.33.1".to_owned()),
            namespace: "default".to_owned(),
            services: Reading::Present(Vec::new()),
            nodes: Reading::Present(Vec::new()),
            events: Reading::Present(Vec::new()),
            namespaces: None,
        },
        azure: BTreeMap::new(),
        index: Index::default(),
    }
}

fn use_snapshot(snapshot: &Snapshot) {
    let facts = Facts {
        subscription: SUBSCRIPTION.to_owned(),
        resource_group: GROUP.to_owned(),
        location: "eastus".to_owned(),
        virtual_network: "aks-vnet".to_owned(),
        subnet: "aks-subnet".to_owned(),
        ..Facts::default()
    };
    let place = Place {
        subscription: SUBSCRIPTION.to_owned(),
        cluster: Some("myAKSCluster".to_owned()),
        ..Place::default()
    };
    let selection =
        Selection { all: true, stack: Some("private-link".to_owned()), ..Selection::default() };
    let live = Inventory::of(snapshot);
    let _ = import::reads(&live, &facts, &place, &selection);
    if let Ok(import) = import::import(&live, &facts, &place, &selection) {
        read(yaml::stream(import.documents.values().flatten()).as_bytes());
    }
    for mode in [Mode::Apply, Mode::Destroy] {
        let options = options(mode);
        let wanted = join::identify(&*DESIRED, &live, &facts, &options);
        let input = Input::new(&wanted, &live, &facts, &options);
        if let Ok(planned) = planning::plan(&input) {
            show(&planned.plan);
            let bindings = staleness::bind(&planned.plan, &planned.subjects, &live);
            assert!(staleness::moved(&bindings, &live).is_empty(), "a plan is stale at once");
        }
    }
}

fn options(mode: Mode) -> Options {
    Options {
        mode,
        guard: None,
        adopt: false,
        max_disconnects: None,
        today: None,
        max_deletes: None,
        unprotect: Vec::new(),
        accept: Vec::new(),
        scope: Scope::default(),
        tool_version: String::new(),
    }
}

/// Journals: events, one a line.
pub fn journal(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let events: Vec<Event> =
        text.lines().map_while(|line| serde_json::from_str(line).ok()).collect();
    let mut shown = String::new();
    render::report::text(&Report::of(&events), render::style::Style::default(), &mut shown)
        .unwrap();
    assert!(!shown.contains('\u{1b}'), "an escape reaches the terminal");
}

/// Links in replies: a request goes to the configured endpoint, or nowhere.
pub fn next_link(data: &[u8]) {
    let Ok(link) = std::str::from_utf8(data) else { return };
    if !privlink_azure::leads_to("https://management.azure.com", link) {
        return;
    }
    let is_plain = link.bytes().all(|byte| byte.is_ascii_graphic()) && !link.contains(['\\', '%']);
    if let Some(rest) = link.strip_prefix("https://").filter(|_| is_plain) {
        let authority = rest.trim_start_matches('/').split(['/', '?', '#']).next().unwrap();
        let (host, port) = authority.split_once(':').unwrap_or((authority, "443"));
        assert_eq!(host.trim_start_matches('@').to_lowercase(), "management.azure.com", "{link}");
        assert!(port.is_empty() || port.trim_start_matches('0') == "443", "{link}");
    }
}

/// Admission reviews: whatever the body, there is an answer or an error, and what clients show does nothing to a
/// terminal.
pub fn admission(data: &[u8]) {
    let Ok(request) = review::read(data) else { return };
    let facts = Facts { subscription: SUBSCRIPTION.into(), ..Facts::default() };
    let today = privlink_core::date::of_days(20_785);
    let policy = Policy { mode: GuardMode::Enforce, ..Policy::default() };
    let seen = Seen {
        live: &Inventory::of(&LIVE),
        facts: &facts,
        stack: None,
        trouble: None,
        today,
        tool_version: "",
    };
    let decision = guard::decide(&request, &policy, &seen);
    let answer = render::guard::answer(&request, &decision, today);
    assert_eq!(answer.refusal.is_none(), decision.verdict.is_allowed());
    for warning in &answer.warnings {
        assert!(warning.chars().count() <= render::guard::LONGEST, "{warning}");
        assert!(!warning.contains(char::is_control), "{warning}");
    }
}

/// A cluster with one Service, and nothing in Azure yet.
static LIVE: LazyLock<Snapshot> = LazyLock::new(|| Snapshot {
    format_version: FORMAT_VERSION.to_owned(),
    taken_at: "2026-11-28T00:00:00Z".to_owned(),
    redacted: false,
    kubernetes: Kubernetes {
        version: Reading::Present("v1.33.1".to_owned()),
        namespace: "default".to_owned(),
        services: Reading::Present(List::new()),
        nodes: Reading::Present(List::new()),
        events: Reading::Present(List::new()),
        namespaces: None,
    },
    azure: BTreeMap::new(),
    index: Index::default(),
});
