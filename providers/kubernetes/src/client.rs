//! The client: lists, reads and writes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request};
use http_body_util::{BodyExt, Limited};
use kube::Client;
use kube::client::Body;
use privlink_model::marks::{FIELD_MANAGER, SYNC_FIELD_MANAGER};
use serde_json::{Value, json};
use url::form_urlencoded;

use crate::connection::{Connection, Settings};
use crate::error::{Doing, ErrorKind, KubernetesError};
use crate::watch::{self, Wakeups, Watched, Watches};

/// How often a list is begun anew because its `continue` expired.
const MOST_RESTARTS: u32 = 3;
/// How many pages a list may have: a server that always names a next one ends here.
const MOST_PAGES: u32 = 2000;

/// How a deletion ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// It is being deleted; finalizers may still hold it.
    Deleted,
    /// It was not there.
    WasAbsent,
}

/// A client of one API server. Cheap to clone.
#[derive(Clone)]
pub struct KubernetesClient {
    client: Client,
    name: Arc<str>,
    settings: Settings,
    watches: Watches,
}

impl fmt::Debug for KubernetesClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KubernetesClient").field("name", &self.name).finish_non_exhaustive()
    }
}

/// One request.
#[derive(Clone, Debug)]
pub struct Call<'a> {
    /// What is being done ...
    pub doing: Doing,
    /// ... to what, both for messages.
    pub object: &'a str,
    /// The method.
    pub method: Method,
    /// The path with its query.
    pub path: String,
    /// The type of the body.
    pub content_type: &'static str,
    /// The body.
    pub body: Option<&'a Value>,
}

impl KubernetesClient {
    /// Connects. Nothing is contacted yet, except by an exec plugin of the kubeconfig.
    ///
    /// # Errors
    /// When there is no usable configuration.
    pub async fn connect(
        connection: &Connection,
        settings: Settings,
    ) -> Result<Self, KubernetesError> {
        privlink_http::install_crypto();
        let (config, name) = connection.resolve().await?;
        let client = Client::try_from(config).map_err(|why| {
            KubernetesError::from_kube(&why, (Doing::Connect, "Kubernetes", &name))
        })?;
        Ok(Self::with_client(client, &name, settings))
    }

    pub(crate) fn with_client(client: Client, name: &str, settings: Settings) -> Self {
        Self { client, name: Arc::from(name), settings, watches: Watches::default() }
    }

    /// The namespace of the context.
    pub fn default_namespace(&self) -> &str {
        self.client.default_namespace()
    }

    /// What the connection is called in messages: `context prod`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The server's version, such as `v1.33.1`.
    ///
    /// # Errors
    /// See [`ErrorKind`], here and below.
    pub async fn version(&self) -> Result<String, KubernetesError> {
        let call = Call::get(Doing::Read, "the server's version", String::from("/version"));
        let body = self.call(&call).await?;
        let version = body.get("gitVersion").and_then(Value::as_str);
        version.map(str::to_owned).ok_or_else(|| self.protocol(&call, "the reply has no version"))
    }

    /// The uid of the namespace `kube-system`, which is as old as the cluster and tells it from others;
    /// nothing where there is none, or where the account may not read it.
    ///
    /// # Errors
    /// See [`ErrorKind`].
    pub async fn cluster_uid(&self) -> Result<Option<String>, KubernetesError> {
        let path = String::from("/api/v1/namespaces/kube-system");
        let call = Call::get(Doing::Read, "Namespace kube-system", path);
        let namespace = match self.optional(self.call(&call).await) {
            Err(error) if error.kind == ErrorKind::Denied => None,
            other => other?,
        };
        let uid = namespace.as_ref().and_then(|it| it.pointer("/metadata/uid")?.as_str());
        Ok(uid.map(str::to_owned))
    }

    /// All Services of all namespaces.
    ///
    /// # Errors
    /// See [`ErrorKind`].
    pub async fn services(&self) -> Result<Vec<Value>, KubernetesError> {
        self.list("Services", "/api/v1/services", "").await
    }

    /// All Namespaces.
    ///
    /// # Errors
    /// See [`ErrorKind`].
    pub async fn namespaces(&self) -> Result<Vec<Value>, KubernetesError> {
        self.list("Namespaces", "/api/v1/namespaces", "").await
    }

    /// All Nodes.
    ///
    /// # Errors
    /// See [`ErrorKind`].
    pub async fn nodes(&self) -> Result<Vec<Value>, KubernetesError> {
        self.list("Nodes", "/api/v1/nodes", "").await
    }

    /// The Events of all Services.
    ///
    /// # Errors
    /// See [`ErrorKind`].
    pub async fn service_events(&self) -> Result<Vec<Value>, KubernetesError> {
        self.list("Events", "/api/v1/events", "&fieldSelector=involvedObject.kind%3DService").await
    }

    /// One Service.
    ///
    /// # Errors
    /// See [`ErrorKind`].
    pub async fn service(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Value>, KubernetesError> {
        let object = format!("Service {namespace}/{name}");
        let call = Call::get(Doing::Read, &object, service_path(namespace, name));
        self.optional(self.call(&call).await)
    }

    /// Server-side apply of a Service as [`FIELD_MANAGER`], never by force; the result is the Service
    /// as it then is. With `dry_run` the API server does everything but store it.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] with the fields that belong to others; otherwise see [`ErrorKind`].
    pub async fn apply_service(
        &self,
        manifest: &Value,
        dry_run: bool,
    ) -> Result<Value, KubernetesError> {
        let field = |pointer| manifest.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let (namespace, name) = (field("/metadata/namespace"), field("/metadata/name"));
        let object = format!("Service {namespace}/{name}");
        let mut path = service_path(namespace, name);
        path.push_str(&format!("?fieldManager={FIELD_MANAGER}&force=false&fieldValidation=Strict"));
        if dry_run {
            path.push_str("&dryRun=All");
        }
        let call = Call {
            doing: Doing::Apply,
            object: &object,
            method: Method::PATCH,
            path,
            content_type: "application/apply-patch+yaml",
            body: Some(manifest),
        };
        if namespace.is_empty() || name.is_empty() {
            return Err(self.error(&call, ErrorKind::Invalid, "it has no namespace or no name"));
        }
        self.call(&call).await
    }

    /// Sets annotations of a Service (`None` removes one) as [`SYNC_FIELD_MANAGER`], if it still has
    /// this resourceVersion.
    ///
    /// # Errors
    /// [`ErrorKind::Stale`] when it has not; otherwise see [`ErrorKind`].
    pub async fn annotate_service(
        &self,
        namespace: &str,
        name: &str,
        resource_version: Option<&str>,
        annotations: &BTreeMap<String, Option<String>>,
    ) -> Result<Value, KubernetesError> {
        let mut metadata = json!({"annotations": annotations});
        if let (Some(version), Some(metadata)) = (resource_version, metadata.as_object_mut()) {
            metadata.insert(String::from("resourceVersion"), Value::from(version));
        }
        let object = format!("Service {namespace}/{name}");
        let call = Call {
            doing: Doing::Update,
            object: &object,
            method: Method::PATCH,
            path: format!("{}?fieldManager={SYNC_FIELD_MANAGER}", service_path(namespace, name)),
            content_type: "application/merge-patch+json",
            body: Some(&json!({"metadata": metadata})),
        };
        self.call(&call).await
    }

    /// Takes the stack's label off a Service, if it still is the one with this uid.
    ///
    /// # Errors
    /// [`ErrorKind::Stale`] when it is another one; otherwise see [`ErrorKind`].
    pub async fn release_service(
        &self,
        namespace: &str,
        name: &str,
        uid: &str,
    ) -> Result<Value, KubernetesError> {
        let object = format!("Service {namespace}/{name}");
        let labels = BTreeMap::from([(privlink_model::marks::STACK_LABEL, Value::Null)]);
        let call = Call {
            doing: Doing::Update,
            object: &object,
            method: Method::PATCH,
            path: format!("{}?fieldManager={FIELD_MANAGER}", service_path(namespace, name)),
            content_type: "application/merge-patch+json",
            body: Some(&json!({"metadata": {"uid": uid, "labels": labels}})),
        };
        self.call(&call).await
    }

    /// Deletes a Service, if it still is the one with this uid.
    ///
    /// # Errors
    /// [`ErrorKind::Stale`] when it is another one; otherwise see [`ErrorKind`].
    pub async fn delete_service(
        &self,
        namespace: &str,
        name: &str,
        uid: Option<&str>,
    ) -> Result<Deletion, KubernetesError> {
        let mut options = json!({"kind": "DeleteOptions", "apiVersion": "v1"});
        if let (Some(uid), Some(options)) = (uid, options.as_object_mut()) {
            options.insert(String::from("preconditions"), json!({"uid": uid}));
        }
        let object = format!("Service {namespace}/{name}");
        let call = Call {
            doing: Doing::Delete,
            object: &object,
            method: Method::DELETE,
            path: service_path(namespace, name),
            content_type: "application/json",
            body: Some(&options),
        };
        Ok(match self.optional(self.call(&call).await)? {
            Some(_) => Deletion::Deleted,
            None => Deletion::WasAbsent,
        })
    }

    /// Whether the caller may do `verb` to `resource` of the API group `group` (empty for the core
    /// one), in a namespace or in all.
    ///
    /// # Errors
    /// See [`ErrorKind`]; a refusal to say is an error too.
    pub async fn may(
        &self,
        verb: &str,
        group: &str,
        resource: &str,
        namespace: Option<&str>,
    ) -> Result<bool, KubernetesError> {
        let mut attributes = json!({"verb": verb, "group": group, "resource": resource});
        if let (Some(namespace), Some(attributes)) = (namespace, attributes.as_object_mut()) {
            attributes.insert(String::from("namespace"), Value::from(namespace));
        }
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        });
        let object = format!("the right to {verb} {resource}");
        let call = Call {
            doing: Doing::Read,
            object: &object,
            method: Method::POST,
            path: String::from("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"),
            content_type: "application/json",
            body: Some(&review),
        };
        let answer = self.call(&call).await?;
        let allowed = answer.pointer("/status/allowed").and_then(Value::as_bool);
        allowed.ok_or_else(|| self.protocol(&call, "the reply does not say"))
    }

    /// Wake-ups when Services or their Events change, from now on. However many wait, there is one
    /// watch of each; it ends when the last of the results is dropped.
    pub fn watch(&self) -> Wakeups {
        self.watches.subscribe(self)
    }

    /// Wake-ups when an object of a kind comes, goes or differs from what it was, from now on, and whenever the watch
    /// begins anew. It ends when the result is dropped.
    pub fn changes(&self, watched: Watched) -> Wakeups {
        watch::changes(self, watched)
    }

    /// All pages of a list. A `continue` that expired begins it anew.
    async fn list(
        &self,
        what: &str,
        path: &str,
        selector: &str,
    ) -> Result<Vec<Value>, KubernetesError> {
        let first = format!("{path}?limit={}{selector}", self.settings.page_size);
        let mut call = Call::get(Doing::List, what, first.clone());
        let mut items = Vec::new();
        let mut restarts = 0;
        for _ in 0..MOST_PAGES {
            let mut page = match self.call(&call).await {
                Err(error) if error.status == Some(410) && restarts < MOST_RESTARTS => {
                    restarts += 1;
                    items.clear();
                    call.path.clone_from(&first);
                    continue;
                }
                other => other?,
            };
            match page.get_mut("items").map(Value::take) {
                Some(Value::Array(mut more)) => items.append(&mut more),
                _ => return Err(self.protocol(&call, "the reply holds no list")),
            }
            match page.pointer("/metadata/continue").and_then(Value::as_str) {
                None | Some("") => return Ok(items),
                Some(next) => call.path = format!("{first}&continue={}", escape(next)),
            }
        }
        Err(self.protocol(&call, "the list has too many pages"))
    }

    /// A 404 of the object itself is an absence.
    pub(crate) fn optional(
        &self,
        outcome: Result<Value, KubernetesError>,
    ) -> Result<Option<Value>, KubernetesError> {
        match outcome {
            Ok(object) => Ok(Some(object)),
            Err(error) if error.kind == ErrorKind::Missing => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// One request, and the object in its reply: for what this client has no words for.
    ///
    /// # Errors
    /// See [`ErrorKind`].
    pub async fn call(&self, call: &Call<'_>) -> Result<Value, KubernetesError> {
        let exchange = self.exchange(call);
        match tokio::time::timeout(self.settings.reply_timeout, exchange).await {
            Ok(outcome) => outcome,
            Err(_) => {
                let seconds = self.settings.reply_timeout.as_secs();
                let message = format!("no whole reply within {seconds} s");
                Err(self.error(call, ErrorKind::Transient, message))
            }
        }
    }

    async fn exchange(&self, call: &Call<'_>) -> Result<Value, KubernetesError> {
        let about = (call.doing, call.object, &*self.name);
        let reply = self
            .client
            .send(call.request(about)?)
            .await
            .map_err(|why| KubernetesError::from_kube(&why, about))?;
        let (head, body) = reply.into_parts();
        let status = head.status;
        let header = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
        let retry_after = header("retry-after").and_then(|text| text.parse().ok());
        let kind = header("content-type").unwrap_or("no content type").to_owned();
        // Above what decompresses, if the client ever asks for that.
        let body = Limited::new(body, self.settings.most_bytes).collect().await;
        let body = body.map_err(|why| match why.downcast_ref() {
            Some(why) => KubernetesError::from_kube(why, about),
            None => {
                let most = self.settings.most_bytes >> 20;
                self.protocol(call, &format!("the reply is larger than {most} MiB"))
            }
        })?;
        let body = body.to_bytes();
        if !status.is_success() {
            let pause = retry_after.map(Duration::from_secs);
            return Err(KubernetesError::from_status(status.as_u16(), pause, &body, about));
        }
        serde_json::from_slice(&body)
            .map_err(|why| self.protocol(call, &format!("the reply is not JSON ({kind}): {why}")))
    }

    pub(crate) fn raw(&self) -> &Client {
        &self.client
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) fn protocol(&self, call: &Call<'_>, message: &str) -> KubernetesError {
        self.error(call, ErrorKind::Protocol, message)
    }

    fn error(&self, call: &Call<'_>, kind: ErrorKind, message: impl AsRef<str>) -> KubernetesError {
        KubernetesError::new(kind, (call.doing, call.object, &self.name), message)
    }
}

impl<'a> Call<'a> {
    pub(crate) fn get(doing: Doing, object: &'a str, path: String) -> Self {
        let content_type = "application/json";
        Self { doing, object, method: Method::GET, path, content_type, body: None }
    }

    fn request(&self, about: (Doing, &str, &str)) -> Result<Request<Body>, KubernetesError> {
        let body = self.body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        Request::builder()
            .method(self.method.clone())
            .uri(&self.path)
            .header("accept", "application/json")
            .header("content-type", self.content_type)
            .body(Body::from(body))
            .map_err(|why| KubernetesError::new(ErrorKind::Invalid, about, why.to_string()))
    }
}

pub(crate) fn escape(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// The path of a Service.
pub fn service_path(namespace: &str, name: &str) -> String {
    format!("/api/v1/namespaces/{}/services/{}", escape(namespace), escape(name))
}

#[cfg(test)]
#[path = "client/tests.rs"]
mod tests;
