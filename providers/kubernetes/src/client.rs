//! The client: lists, reads and writes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use futures::TryStreamExt;
use http::header::{ACCEPT, HeaderValue};
use http::{Method, Request};
use http_body_util::BodyExt;
use k8s_openapi::api::authorization::v1::SelfSubjectAccessReview;
use k8s_openapi::api::core::v1::{Event, Namespace, Node, Service};
use kube::Client;
use kube::client::Body;
use kube::core::params::{
    DeleteParams, GetParams, ListParams, Patch, PatchParams, PostParams, Preconditions,
};
use kube::core::{Resource, request};
use privlink_http::failure::{Doing, ErrorKind};
use privlink_http::reply::{Reply, TooLarge, read_bounded, within};
use privlink_http::span::Called;
use privlink_model::marks::{FIELD_MANAGER, SYNC_FIELD_MANAGER};
use serde_json::{Value, json};

use crate::call::{Call, escape, requests, services};
use crate::connection::{Connection, Settings};
use crate::error::{About, KubernetesError};
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
    host: Arc<str>,
    settings: Settings,
    watches: Watches,
}

impl fmt::Debug for KubernetesClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KubernetesClient").field("name", &self.name).finish_non_exhaustive()
    }
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
        let host = config.cluster_url.host().map(Arc::from);
        let client = Client::try_from(config).map_err(|why| {
            KubernetesError::from_kube(&why, (Doing::Connect, "Kubernetes", &name))
        })?;
        let client = Self::with_client(client, &name, settings);
        Ok(Self { host: host.unwrap_or_default(), ..client })
    }

    pub(crate) fn with_client(client: Client, name: &str, settings: Settings) -> Self {
        let (name, host) = (Arc::from(name), Arc::from(""));
        Self { client, name, host, settings, watches: Watches::default() }
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
        let request = Request::get("/version").body(Vec::new());
        let request = request.map_err(request::Error::BuildRequest);
        let call = Call::new(Doing::Read, "the server's version", request);
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
        let request = requests::<Namespace>(None).get("kube-system", &GetParams::default());
        let call = Call::new(Doing::Read, "Namespace kube-system", request);
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
        self.list::<Service>("Services", ListParams::default()).await
    }

    /// All Namespaces.
    ///
    /// # Errors
    /// See [`ErrorKind`].
    pub async fn namespaces(&self) -> Result<Vec<Value>, KubernetesError> {
        self.list::<Namespace>("Namespaces", ListParams::default()).await
    }

    /// All Nodes.
    ///
    /// # Errors
    /// See [`ErrorKind`].
    pub async fn nodes(&self) -> Result<Vec<Value>, KubernetesError> {
        self.list::<Node>("Nodes", ListParams::default()).await
    }

    /// The Events of all Services.
    ///
    /// # Errors
    /// See [`ErrorKind`].
    pub async fn service_events(&self) -> Result<Vec<Value>, KubernetesError> {
        let of_services = ListParams::default().fields("involvedObject.kind=Service");
        self.list::<Event>("Events", of_services).await
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
        let request = services(namespace).get(&escape(name), &GetParams::default());
        let call = Call::new(Doing::Read, format!("Service {namespace}/{name}"), request);
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
        let params = PatchParams::apply(FIELD_MANAGER).validation_strict();
        let params = if dry_run { params.dry_run() } else { params };
        let request = services(namespace).patch(&escape(name), &params, &Patch::Apply(manifest));
        let call = Call::new(Doing::Apply, format!("Service {namespace}/{name}"), request);
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
        let patch = json!({"metadata": metadata});
        self.merge_service(namespace, name, SYNC_FIELD_MANAGER, &patch).await
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
        let labels = BTreeMap::from([(privlink_model::marks::STACK_LABEL, Value::Null)]);
        let patch = json!({"metadata": {"uid": uid, "labels": labels}});
        self.merge_service(namespace, name, FIELD_MANAGER, &patch).await
    }

    async fn merge_service(
        &self,
        namespace: &str,
        name: &str,
        manager: &str,
        patch: &Value,
    ) -> Result<Value, KubernetesError> {
        let params = PatchParams::apply(manager);
        let request = services(namespace).patch(&escape(name), &params, &Patch::Merge(patch));
        let call = Call::new(Doing::Update, format!("Service {namespace}/{name}"), request);
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
        let preconditions =
            uid.map(|uid| Preconditions { uid: Some(uid.to_owned()), ..Preconditions::default() });
        let params = DeleteParams { preconditions, ..DeleteParams::default() };
        let request = services(namespace).delete(&escape(name), &params);
        let call = Call::new(Doing::Delete, format!("Service {namespace}/{name}"), request);
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
        let request = requests::<SelfSubjectAccessReview>(None)
            .create(&PostParams::default(), review.to_string().into_bytes());
        let call = Call::new(Doing::Read, format!("the right to {verb} {resource}"), request);
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
    async fn list<K: Resource<DynamicType = ()>>(
        &self,
        what: &str,
        params: ListParams,
    ) -> Result<Vec<Value>, KubernetesError> {
        let first = params.limit(self.settings.page_size);
        let page_at =
            |params: &ListParams| Call::new(Doing::List, what, requests::<K>(None).list(params));
        let mut call = page_at(&first);
        let mut items = Vec::new();
        let mut restarts = 0;
        for _ in 0..MOST_PAGES {
            let mut page = match self.call(&call).await {
                Err(error) if error.status == Some(410) && restarts < MOST_RESTARTS => {
                    restarts += 1;
                    items.clear();
                    call = page_at(&first);
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
                Some(next) => call = page_at(&first.clone().continue_token(next)),
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
    pub async fn call(&self, call: &Call) -> Result<Value, KubernetesError> {
        let late = |message: &str| self.error(call, ErrorKind::Transient, message);
        let reply = within(self.settings.reply_timeout, self.exchange(call), late).await?;
        if !reply.is_success() {
            return Err(KubernetesError::from_reply(&reply, self.about(call)));
        }
        match reply.json() {
            Ok(Value::Null) => Err(self.protocol(call, "the reply is empty")),
            outcome => outcome.map_err(|why| self.protocol(call, &why)),
        }
    }

    async fn exchange(&self, call: &Call) -> Result<Reply, KubernetesError> {
        let unanswered = |why: kube::Error| KubernetesError::from_kube(&why, self.about(call));
        let request = call.request.clone();
        let mut request =
            request.map_err(|why| self.error(call, ErrorKind::Invalid, why))?.map(Body::from);
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let exchange = async {
            let (head, body) = self.client.send(request).await.map_err(unanswered)?.into_parts();
            // Above what decompresses, if the client ever asks for that.
            let chunks = body.into_data_stream().map_err(unanswered);
            let too_large = |why: TooLarge| self.protocol(call, &why.to_string());
            let body = read_bounded(chunks, self.settings.most_bytes, too_large).await?;
            Ok(Reply { status: head.status.as_u16(), headers: head.headers, body })
        };
        self.called(&method, &path).traced(|reply: &Reply| reply.status, exchange).await
    }

    /// A call, as a span names it.
    pub(crate) fn called<'a>(&'a self, method: &'a Method, path: &'a str) -> Called<'a> {
        Called { method: method.as_str(), host: &self.host, path }
    }

    fn about<'a>(&'a self, call: &'a Call) -> About<'a> {
        (call.doing, &call.object, &self.name)
    }

    pub(crate) fn raw(&self) -> &Client {
        &self.client
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) fn protocol(&self, call: &Call, message: &str) -> KubernetesError {
        self.error(call, ErrorKind::Protocol, message)
    }

    fn error(&self, call: &Call, kind: ErrorKind, message: impl AsRef<str>) -> KubernetesError {
        KubernetesError::new(kind, self.about(call), message)
    }
}

#[cfg(test)]
#[path = "client/tests.rs"]
mod tests;
