//! What the tests share: a sandbox in memory, and the clients.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]

pub mod azure;

use std::time::Duration;

use k8s_openapi::api::core::v1::Service;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, Config};
use privlink_sandbox::{Running, Sandbox, SandboxOptions};
use serde_json::{Value, json};

pub const SUBSCRIPTION: &str = "00000000-0000-0000-0000-000000000000";
pub const NODE_GROUP: &str = "MC_myResourceGroup_myAKSCluster_eastus";

pub async fn start(options: SandboxOptions) -> Running {
    // kube wants a provider of TLS even where there is none.
    privlink_http::install_crypto();
    Sandbox::start(options).await.expect("a sandbox")
}

pub async fn first() -> Running {
    start(SandboxOptions::in_memory()).await
}

pub fn kube(running: &Running) -> Client {
    let mut config = Config::new(running.kubernetes_url.parse().expect("a url"));
    config.proxy_url = None;
    config.auth_info.token = Some(privlink_sandbox::TOKEN.to_owned().into());
    Client::try_from(config).expect("a client")
}

pub fn services(running: &Running) -> Api<Service> {
    Api::namespaced(kube(running), "default")
}

pub fn internal_app(annotations: Value) -> Value {
    let mut all = json!({"service.beta.kubernetes.io/azure-load-balancer-internal": "true"});
    all.as_object_mut().unwrap().extend(annotations.as_object().unwrap().clone());
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "internal-app", "annotations": all},
        "spec": {
            "type": "LoadBalancer",
            "ports": [{"port": 80}],
            "selector": {"app": "internal-app"},
        },
    })
}

/// The Service of the AKS documentation's PLS page.
pub fn pls_app() -> Value {
    internal_app(json!({"service.beta.kubernetes.io/azure-pls-create": "true"}))
}

pub async fn apply(api: &Api<Service>, object: &Value) -> kube::Result<Service> {
    let name = object["metadata"]["name"].as_str().unwrap();
    api.patch(name, &PatchParams::apply("privlink"), &Patch::Apply(object)).await
}

pub async fn settle(running: &Running) {
    assert!(running.controller_settled(Duration::from_secs(10)).await, "the controller is busy");
}

/// A plain ARM client.
pub struct Arm {
    base: String,
    client: reqwest::Client,
}

#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
}

impl Reply {
    pub fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or_default()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl Arm {
    pub fn new(running: &Running) -> Self {
        let client = privlink_http::client(true).build().expect("a client");
        Self { base: running.arm_url.clone(), client }
    }

    pub async fn raw(
        &self,
        method: &str,
        url: &str,
        body: Option<&Value>,
        headers: &[(&str, &str)],
    ) -> Reply {
        let mut request = self.client.request(method.parse().unwrap(), url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let response = request.send().await.expect("an answer");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.expect("a body");
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Reply { status, headers, body }
    }

    pub fn url(&self, path: &str) -> String {
        let joint = if path.contains('?') { '&' } else { '?' };
        format!("{}{path}{joint}api-version=2024-07-01", self.base)
    }

    pub async fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Reply {
        self.raw(method, &self.url(path), body, &[("authorization", "Bearer t")]).await
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.send("GET", path, None).await
    }

    /// Sends a write and follows its operation to the end: the status object, or the reply itself.
    pub async fn finish(&self, method: &str, path: &str, body: Option<&Value>) -> Reply {
        let reply = self.send(method, path, body).await;
        self.follow(&reply).await.unwrap_or(reply)
    }

    /// Follows the operation of a write to its end: the status object, if there is one.
    pub async fn follow(&self, reply: &Reply) -> Option<Reply> {
        let status_url = reply.header("azure-asyncoperation").to_owned();
        if reply.status >= 300 || status_url.is_empty() {
            return None;
        }
        for _ in 0..50 {
            let status = self.raw("GET", &status_url, None, &[("authorization", "Bearer t")]).await;
            if status.body["status"] != "InProgress" {
                return Some(status);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("{status_url} does not end");
    }
}

pub fn network(subscription: &str, group: &str, rest: &str) -> String {
    format!(
        "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Network/{rest}"
    )
}
