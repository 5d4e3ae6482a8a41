//! Typed plans over a sandbox that the test's own process serves, without a command for each.

#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "what fails here fails the test")]

use privlink_azure::{ArmClient, Cloud, Environment, Identity, Settings};
use privlink_core::date;
use privlink_core::desired::{self, Desired};
use privlink_core::diagnostic::Source;
use privlink_core::facts::Facts;
use privlink_core::input::{Input, Options};
use privlink_core::inventory::Inventory;
use privlink_core::join;
use privlink_core::plan::{Mode, Plan, Scope};
use privlink_core::report::Outcome;
use privlink_core::rule::Severity;
use privlink_core::snapshot::Snapshot;
use privlink_core::wanted::Wanted;
use privlink_core::{document, planning, rehearsal};
use privlink_engine::apply::apply;
use privlink_engine::observe::{self, Said, Targets};
use privlink_engine::session::{Patience, Session};
use privlink_kubernetes::{Connection, KubernetesClient};
use privlink_sandbox::World;
use privlink_sandbox::world::{GROUP, SUBSCRIPTION};
use serde_json::Value;

use crate::served::{RUNTIME, Served};

/// A session of the engine with a sandbox.
pub(crate) async fn session(served: &Served) -> Session {
    let (kubernetes, arm) = (&served.running.kubernetes_url, &served.running.arm_url);
    let connection = Connection::Url {
        url: kubernetes.clone(),
        token: Some("served".to_owned()),
        namespace: "default".to_owned(),
    };
    let settings = privlink_kubernetes::Settings::default();
    let kubernetes = KubernetesClient::connect(&connection, settings).await.unwrap();
    let cloud = Cloud::custom(arm, arm, arm).unwrap();
    let identity = Identity::Token("served".into());
    let environment = Environment::process();
    let arm = ArmClient::new(&cloud, &identity, &environment, Settings::default()).unwrap();
    let mut patience = Patience::default();
    patience.hurry();
    Session::new(Some(kubernetes), arm, patience)
}

/// The first world of the sandbox, and what is done in it.
pub(crate) struct Stage(Served);

impl Stage {
    pub(crate) fn new() -> Self {
        Self(Served::new(World::first()))
    }

    /// Plans a file named `after.yaml`, as `privlink plan` does: with what the API server says to it.
    #[track_caller]
    pub(crate) fn plan(&self, text: &str) -> Plan {
        let desired = desired(text);
        RUNTIME.block_on(async {
            let session = session(&self.0).await;
            let mut plan = planned(&desired, &observed(&desired, &session).await);
            let answers = privlink_engine::rehearsal::ask(&plan, session.kubernetes.as_ref()).await;
            rehearsal::tell(&mut plan, &Wanted::as_written(&desired), &[], &answers);
            plan
        })
    }

    /// Applies a file, to its end.
    #[track_caller]
    pub(crate) fn apply(&self, text: &str) {
        let desired = desired(text);
        let report = RUNTIME.block_on(async {
            let session = session(&self.0).await;
            let plan = planned(&desired, &observed(&desired, &session).await);
            assert_eq!(plan.refusals, [], "{text}");
            apply(&plan, &session, |_| {}).await
        });
        let ill =
            |it: &Outcome| !matches!(it, Outcome::Succeeded | Outcome::AwaitingApproval { .. });
        assert_eq!(report.count(ill), 0, "{report:#?}\n{text}");
        // The controller comes to rest.
        drop(self.0.world());
    }

    /// Changes what Azure holds behind everybody's back.
    pub(crate) fn meddle(&self, meddle: impl FnOnce(&mut Vec<Value>)) {
        self.0.edit(|world| {
            let mut document = world.to_json();
            meddle(document["azure"].as_array_mut().unwrap());
            *world = World::from_json(document, std::path::Path::new("world.json")).unwrap();
        });
    }
}

fn desired(text: &str) -> Desired {
    let source = Source::new("after.yaml", text).unwrap();
    let options = desired::Options { namespace: Some("default".to_owned()), stack_name: None };
    let (desired, problems) = desired::resolve(document::parse(&source), &options);
    let errors: Vec<_> = problems.iter().filter(|it| it.severity == Severity::Error).collect();
    assert!(errors.is_empty(), "{errors:?}\n{text}");
    desired
}

/// What is observed for a stack, by the places that it names.
pub(crate) async fn observed(desired: &Desired, session: &Session) -> (Snapshot, Facts) {
    let said = Said {
        subscription: Some(SUBSCRIPTION.to_owned()),
        resource_group: Some(GROUP.to_owned()),
        cluster: Some("myAKSCluster".to_owned()),
    };
    let pinned = desired::pinned(desired, said.subscription(desired).as_deref());
    let targets = Targets::of(desired, &said, &pinned).unwrap();
    let snapshot = observe::observe(&targets, session.kubernetes.as_ref(), &session.arm).await;
    let facts = targets.facts(&snapshot, &pinned);
    (snapshot, facts)
}

fn planned(desired: &Desired, (snapshot, facts): &(Snapshot, Facts)) -> Plan {
    let options = Options {
        mode: Mode::Apply,
        guard: None,
        adopt: false,
        max_disconnects: None,
        today: date::parse("2026-01-01"),
        max_deletes: None,
        unprotect: Vec::new(),
        accept: Vec::new(),
        scope: Scope::default(),
        tool_version: "0".to_owned(),
    };
    let live = Inventory::of(snapshot);
    let wanted = join::identify(desired, &live, facts, &options);
    planning::plan(&Input::new(&wanted, &live, facts, &options)).unwrap().plan
}
