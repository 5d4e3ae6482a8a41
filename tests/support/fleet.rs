//! Many stacks over many subscriptions: their files, one ARM that holds all they made, and an API server for the cluster of
//! each. Every stack is applied, and nothing drifted.

#![allow(dead_code, reason = "each of those who use it uses a part")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what fails here fails the test or the measurement"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use privlink_core::snapshot::Snapshot;
use privlink_sandbox::World;
use serde_json::{Value, json};

/// The documents of one stack: a Service with a Private Link Service, and an endpoint.
const DOCUMENTS: &str = include_str!("../../benches/fleet/stack.yaml");
/// What is there once it is applied.
const APPLIED: &str = include_str!("../../benches/fleet/applied.json");
/// The subscription in both.
const SUBSCRIPTION: &str = "00000000-0000-0000-0000-000000000000";

/// How many stacks there are, in how many subscriptions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fleet {
    pub(crate) stacks: usize,
    pub(crate) subscriptions: usize,
}

impl Fleet {
    /// The subscription of a stack.
    pub(crate) fn subscription(self, stack: usize) -> String {
        format!("00000000-0000-4000-8000-{:012}", stack % self.subscriptions)
    }

    /// A text about the stack that all are made from, as it is about this one.
    fn of(self, stack: usize, text: &str) -> String {
        text.replace(SUBSCRIPTION, &self.subscription(stack))
            .replace("myResourceGroup", &format!("rg-{stack}"))
            .replace("myresourcegroup", &format!("rg-{stack}"))
            .replace("myOtherResourceGroup", &format!("other-{stack}"))
            .replace("myotherresourcegroup", &format!("other-{stack}"))
            .replace("name: private-link", &format!("name: stack-{stack}"))
            .replace("context: of-stack", &format!("context: cluster-{stack}"))
            .replace(r#""privlink.dev/stack": "private-link""#, &mark("privlink.dev/stack", stack))
            .replace(r#""privlink-stack": "private-link""#, &mark("privlink-stack", stack))
    }

    /// The documents of a stack.
    pub(crate) fn documents(self, stack: usize) -> String {
        self.of(stack, DOCUMENTS)
    }

    /// What is there of a stack.
    pub(crate) fn applied(self, stack: usize) -> Snapshot {
        serde_json::from_str(&self.of(stack, APPLIED)).unwrap()
    }

    /// Writes `stacks/stack-N/stack.yaml` for each.
    pub(crate) fn write(self, folder: &Path) {
        for stack in 0..self.stacks {
            let own = folder.join("stacks").join(format!("stack-{stack}"));
            fs::create_dir_all(&own).unwrap();
            fs::write(own.join("stack.yaml"), self.documents(stack)).unwrap();
        }
    }

    /// Writes a kubeconfig with a context for the cluster of each.
    pub(crate) fn write_kubeconfig(self, folder: &Path, clusters: &Clusters) {
        let mut text = "{apiVersion: v1, kind: Config, current-context: cluster-0, \
             users: [{name: s, user: {token: kubernetes-s3cret}}], clusters: [\n"
            .to_owned();
        for stack in 0..self.stacks {
            let server = clusters.url(stack);
            writeln!(text, "{{name: c{stack}, cluster: {{server: '{server}'}}}},").unwrap();
        }
        text.push_str("], contexts: [\n");
        for stack in 0..self.stacks {
            writeln!(text, "{{name: cluster-{stack}, context: {{cluster: c{stack}, user: s}}}},")
                .unwrap();
        }
        text.push_str("]}\n");
        fs::write(folder.join("kubeconfig"), text).unwrap();
    }

    /// All that the stacks have in Azure.
    pub(crate) fn world(self) -> World {
        let mut world = World::first();
        world.azure = World::default().azure;
        for stack in 0..self.stacks {
            let one = World::from_snapshot(&self.applied(stack)).unwrap();
            for resource in one.azure.to_json() {
                world.azure.insert(resource).unwrap();
            }
            for subscription in one.directory.subscriptions {
                if world.directory.subscription(&subscription.id).is_none() {
                    world.directory.subscriptions.push(subscription);
                }
            }
            world.directory.groups.extend(one.directory.groups);
        }
        world
    }
}

fn mark(name: &str, stack: usize) -> String {
    format!(r#""{name}": "stack-{stack}""#)
}

/// An API server for the cluster of each stack, below a path of its own. It gives lists and nothing else.
pub(crate) struct Clusters {
    url: String,
    asked: Arc<AtomicUsize>,
}

impl Clusters {
    /// Serves the clusters of a fleet; every answer takes so long.
    pub(crate) async fn serve(fleet: Fleet, latency: Duration) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let template: Arc<Value> = Arc::new(serde_json::from_str(APPLIED).unwrap());
        let answer = move |request: Request| {
            count.fetch_add(1, Ordering::Relaxed);
            let path = request.uri().path().to_owned();
            let template = Arc::clone(&template);
            async move {
                tokio::time::sleep(latency).await;
                reply(fleet, &template, &path)
            }
        };
        tokio::spawn(async move {
            axum::serve(listener, Router::new().fallback(answer)).await.unwrap();
        });
        Self { url, asked }
    }

    /// Where the API server of a stack's cluster is.
    pub(crate) fn url(&self, stack: usize) -> String {
        format!("{}/{stack}", self.url)
    }

    /// How many requests there were.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

fn reply(fleet: Fleet, template: &Value, path: &str) -> Response {
    let lists: BTreeMap<&str, &str> = BTreeMap::from([
        ("/api/v1/services", "services"),
        ("/api/v1/nodes", "nodes"),
        ("/api/v1/events", "events"),
        ("/api/v1/namespaces", "namespaces"),
    ]);
    let (stack, rest) = path.trim_start_matches('/').split_once('/').unwrap_or((path, ""));
    let rest = format!("/{rest}");
    let body = match (rest.as_str(), lists.get(rest.as_str())) {
        ("/version", _) => json!({"major": "1", "minor": "33", "gitVersion": "v1.33.1"}),
        (_, Some(list)) => {
            let items = fleet.of(
                stack.parse().unwrap(),
                &serde_json::to_string_pretty(&template["kubernetes"][list]["present"]).unwrap(),
            );
            let items: Value = serde_json::from_str(&items).unwrap();
            json!({"apiVersion": "v1", "kind": "List", "metadata": {}, "items": items})
        }
        _ => {
            let body = json!({"kind": "Status", "reason": "NotFound", "message": path});
            return (StatusCode::NOT_FOUND, body.to_string()).into_response();
        }
    };
    ([(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}
