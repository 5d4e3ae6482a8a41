//! Who calls the real API server as other tools do, and sees its warnings.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::envtest::ApiServer;

pub(crate) const MERGE: &str = "application/merge-patch+json";
pub(crate) const JSON: &str = "application/json";
pub(crate) const APPLY: &str = "application/apply-patch+yaml";

/// A user of an API server.
pub(crate) struct Caller {
    client: reqwest::Client,
    server: String,
    token: String,
}

/// What the API server answered.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Value,
    /// The texts of its `Warning` headers.
    pub(crate) warnings: Vec<String>,
}

impl Reply {
    pub(crate) fn message(&self) -> &str {
        self.body["message"].as_str().unwrap_or_default()
    }
}

impl Caller {
    pub(crate) fn new(api_server: &ApiServer, who: &str) -> Self {
        let text = std::fs::read_to_string(api_server.kubeconfig(who)).unwrap();
        let config: Value = serde_json::from_str(&text).unwrap();
        let cluster = &config["clusters"][0]["cluster"];
        let authority = cluster["certificate-authority"].as_str().unwrap();
        let pem = std::fs::read(Path::new(authority)).unwrap();
        privlink_http::install_crypto();
        let certificates = reqwest::Certificate::from_pem_bundle(&pem).unwrap();
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(30))
            .tls_certs_only(certificates)
            .build()
            .unwrap();
        Self {
            client,
            server: cluster["server"].as_str().unwrap().to_owned(),
            token: config["users"][0]["user"]["token"].as_str().unwrap().to_owned(),
        }
    }

    pub(crate) async fn call(&self, method: &str, path: &str, kind: &str, body: &Value) -> Reply {
        let method: http::Method = method.parse().unwrap();
        let mut request = self
            .client
            .request(method, format!("{}{path}", self.server))
            .bearer_auth(&self.token)
            .header("content-type", kind);
        if !body.is_null() {
            request = request.body(body.to_string());
        }
        let reply = request.send().await.unwrap();
        let status = reply.status().as_u16();
        let warnings = reply.headers().get_all("warning").iter();
        let text = |it: &http::HeaderValue| {
            let text = String::from_utf8(it.as_bytes().to_vec()).unwrap();
            let text = text.split_once('"').map_or(text.clone(), |(_, rest)| rest.to_owned());
            text.trim_end_matches('"').replace("\\\"", "\"")
        };
        let warnings = warnings.map(text).collect();
        let body = serde_json::from_slice(&reply.bytes().await.unwrap()).unwrap_or_default();
        Reply { status, body, warnings }
    }

    pub(crate) async fn create(&self, path: &str, body: &Value) -> Reply {
        self.call("POST", path, JSON, body).await
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.call("GET", path, JSON, &Value::Null).await.body
    }

    /// What a path has that is no JSON.
    pub(crate) async fn text(&self, path: &str) -> String {
        let request = self.client.get(format!("{}{path}", self.server)).bearer_auth(&self.token);
        request.send().await.unwrap().text().await.unwrap()
    }

    /// Asks again until it is so, for a minute at most: what is configured takes a while to be used.
    pub(crate) async fn until(
        &self,
        call: (&str, &str, &str, &Value),
        is_so: impl Fn(&Reply) -> bool,
    ) -> Reply {
        let began = Instant::now();
        loop {
            let (method, path, kind, body) = call;
            let reply = self.call(method, path, kind, body).await;
            if is_so(&reply) {
                return reply;
            }
            assert!(began.elapsed() < Duration::from_secs(60), "not within a minute: {reply:?}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

/// Lets `guest` write Services, and nothing else.
pub(crate) async fn let_guest_write(boss: &Caller) {
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": {"name": "writes-services"},
        "rules": [{
            "apiGroups": [""], "resources": ["services"],
            "verbs": ["get", "list", "create", "update", "patch", "delete"],
        }],
    });
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "metadata": {"name": "guest-writes-services"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "writes-services"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "guest"}],
    });
    let rbac = "/apis/rbac.authorization.k8s.io/v1";
    assert_eq!(boss.create(&format!("{rbac}/clusterroles"), &role).await.status, 201);
    assert_eq!(boss.create(&format!("{rbac}/clusterrolebindings"), &binding).await.status, 201);
}
