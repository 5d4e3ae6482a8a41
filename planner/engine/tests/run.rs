//! A stack applied from Rust, without the binary: what whoever starts a run hears, is asked, and gets.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::io;
use std::path::Path;
use std::time::Duration;

use privlink_azure::{ArmClient, Cloud, Environment, Identity};
use privlink_core::desired::{self, Desired};
use privlink_core::diagnostic::Source;
use privlink_core::document;
use privlink_core::facts::Facts;
use privlink_core::input::Options;
use privlink_core::plan::Plan;
use privlink_engine::lock;
use privlink_engine::observe::{self, Said, Targets};
use privlink_engine::run::{Audience, End, Failure, Happening, Run, Terms};
use privlink_engine::session::{Patience, Session};
use privlink_kubernetes::{Connection, KubernetesClient};
use privlink_sandbox::{Running, Sandbox, SandboxOptions};

const STACK: &str = "
apiVersion: privlink.dev/v1alpha1
kind: Stack
metadata: {name: shop}
spec:
  subscription: 00000000-0000-0000-0000-000000000000
  resourceGroup: myResourceGroup
  cluster: myAKSCluster
---
apiVersion: v1
kind: Service
metadata:
  name: web
  namespace: default
  annotations:
    service.beta.kubernetes.io/azure-load-balancer-internal: \"true\"
    service.beta.kubernetes.io/azure-pls-create: \"true\"
spec:
  type: LoadBalancer
  selector: {app: web}
  ports: [{port: 443}]
";

/// Says yes or no, and keeps what it hears.
struct Answering {
    yes: bool,
    asked: usize,
    heard: Vec<&'static str>,
}

impl Answering {
    fn new(yes: bool) -> Self {
        Self { yes, asked: 0, heard: Vec::new() }
    }
}

impl Audience for Answering {
    fn hear(&mut self, happening: &Happening<'_>) {
        self.heard.extend(match happening {
            Happening::Reading => Some("reading"),
            Happening::Planned { .. } => Some("planned"),
            Happening::Step { .. } if self.heard.last() != Some(&"steps") => Some("steps"),
            Happening::Verified { again } if again.is_empty() => Some("verified"),
            _ => None,
        });
    }

    async fn confirm(&mut self, plan: &Plan) -> io::Result<bool> {
        assert!(!plan.steps.is_empty());
        self.asked += 1;
        Ok(self.yes)
    }
}

/// A sandbox, and what a run in it needs.
struct Scene {
    _sandbox: Running,
    session: Session,
    desired: Desired,
    targets: Targets,
    pinned: Facts,
    folder: tempfile::TempDir,
}

impl Scene {
    async fn new() -> Self {
        let sandbox = Sandbox::start(SandboxOptions::in_memory()).await.unwrap();
        let connection = Connection::Url {
            url: sandbox.kubernetes_url.clone(),
            token: Some(privlink_sandbox::TOKEN.to_owned()),
            namespace: "default".to_owned(),
        };
        let settings = privlink_kubernetes::Settings::default();
        let kubernetes = KubernetesClient::connect(&connection, settings).await.unwrap();
        let url = &sandbox.arm_url;
        let cloud = Cloud::custom(url, url, url).unwrap();
        let identity = Identity::Token(privlink_sandbox::TOKEN.into());
        let settings = privlink_azure::Settings::default();
        let arm = ArmClient::new(&cloud, &identity, &Environment::process(), settings).unwrap();
        let mut patience = Patience::default();
        patience.hurry();
        let (desired, problems) = desired::resolve(
            document::parse(&Source::new("shop.yaml", STACK).unwrap()),
            &desired::Options::default(),
        );
        assert!(problems.is_empty(), "{problems:?}");
        let said = Said::default();
        let pinned = desired::pinned(&desired, said.subscription(&desired).as_deref());
        let targets = Targets::of(&desired, &said, &pinned).unwrap();
        let session = Session::new(Some(kubernetes), arm, patience);
        let folder = tempfile::tempdir().unwrap();
        Self { _sandbox: sandbox, session, desired, targets, pinned, folder }
    }

    fn run<'a>(&'a self, journals: &'a Path) -> Run<'a> {
        Run {
            stack: &self.desired.name,
            session: &self.session,
            targets: &self.targets,
            pinned: &self.pinned,
            journals,
            lock: lock::Terms { timeout: Duration::ZERO, lease: Duration::from_secs(15) },
        }
    }
}

#[tokio::test]
async fn a_stack_is_applied_without_the_binary() {
    let scene = Scene::new().await;
    let journals = scene.folder.path().join("journal");
    let options = Options::default();
    let terms = Terms { verify: true, ..Terms::default() };

    let mut reader = Answering::new(false);
    let turn = scene.run(&journals).begin(&mut reader).await.unwrap().unwrap();
    let ending = turn.desired(&scene.desired, &options, terms, &mut reader).await.unwrap();
    assert!(matches!(ending.end, End::Declined), "{ending:?}");
    assert_eq!(reader.heard, ["reading", "planned"]);
    assert!(!journals.exists(), "nothing is journaled of what nobody wants");

    let mut other = Answering::new(true);
    let held = scene.run(&journals).begin(&mut other).await;
    assert!(matches!(held, Err(Failure::Held { .. })), "{held:?}");

    reader.yes = true;
    let ending = turn.desired(&scene.desired, &options, terms, &mut reader).await.unwrap();
    let End::Executed(execution) = ending.end else { panic!("{ending:?}") };
    assert!(execution.is_done(), "{execution:?}");
    assert!(execution.again.is_some_and(|again| again.is_empty()), "apply then plan is empty");
    assert_eq!(reader.asked, 2);
    let heard = ["reading", "planned", "reading", "planned", "steps", "reading", "verified"];
    assert_eq!(reader.heard, heard);
    let (snapshot, _) = turn.look(&mut reader).await;
    let service = snapshot.kubernetes.services_by_key();
    assert!(service.keys().any(|key| key.name == "web"));
    turn.end(&mut reader).await;

    let turn = scene.run(&journals).begin(&mut other).await.unwrap();
    turn.unwrap().end(&mut other).await;
}

#[tokio::test]
async fn a_session_that_is_stopped_changes_nothing() {
    let scene = Scene::new().await;
    let journals = scene.folder.path().join("journal");
    let mut reader = Answering::new(true);
    let turn = scene.run(&journals).begin(&mut reader).await.unwrap().unwrap();
    scene.session.stop.cancel();
    let options = Options::default();
    let ending = turn.desired(&scene.desired, &options, Terms::default(), &mut reader).await;
    assert!(matches!(ending.unwrap().end, End::Interrupted));
    assert_eq!(reader.asked, 0);
    turn.end(&mut reader).await;
    let Session { kubernetes, arm, .. } = &scene.session;
    let snapshot = observe::observe(&scene.targets, kubernetes.as_ref(), arm).await;
    assert!(!snapshot.kubernetes.services_by_key().keys().any(|key| key.name == "web"));
}
