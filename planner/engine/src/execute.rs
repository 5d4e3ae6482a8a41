//! One step, carried out.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use privlink_azure::{ArmError, Deletion, Precondition, Progress, Wait};
use privlink_core::event::EventKind;
use privlink_core::kubernetes::service::Key;
use privlink_core::landed;
use privlink_core::marks::{STACK_LABEL, STACK_TAG};
use privlink_core::plan::{Op, Step};
use privlink_core::resource_id::ResourceId;
use privlink_core::unknown::{self, mark};
use privlink_kubernetes::KubernetesError;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::apply::Teller;
use crate::patience::WaitKind;
use crate::retry::retried_until;
use crate::session::Session;
use crate::wait;

/// How a step ended well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    /// All is done; what there is to tell.
    Well(String),
    /// All is done but for somebody's approval.
    AwaitingApproval(String),
}

/// Why a step did not end well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// For a person.
    pub message: String,
    /// What kind of end it is.
    pub end: End,
}

/// How a step ended that did not end well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It failed.
    Failed,
    /// The controller did something else than was predicted.
    Otherwise,
    /// It was a wait, and the run was stopped.
    Stopped,
}

impl Failure {
    /// A failure.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), end: End::Failed }
    }

    /// The finding that the controller did something else than was predicted.
    pub(crate) fn otherwise(message: impl Into<String>) -> Self {
        Self { message: message.into(), end: End::Otherwise }
    }

    /// The end of a wait that was left because the run was stopped.
    pub(crate) fn stopped() -> Self {
        Self { message: String::new(), end: End::Stopped }
    }
}

impl From<ArmError> for Failure {
    fn from(error: ArmError) -> Self {
        Self::new(format!("{error}. {}", error.help()))
    }
}

impl From<KubernetesError> for Failure {
    fn from(error: KubernetesError) -> Self {
        Self::new(format!("{error}. {}", error.help()))
    }
}

/// Carries a step out.
///
/// # Errors
///
/// Why it failed; what may be tried again was.
pub(crate) async fn step(step: &Step, session: &Session, teller: &Teller) -> Result<Done, Failure> {
    let well = |()| Done::Well(String::new());
    match &step.op {
        Op::ApplyService { namespace, name, manifest, uid } => {
            apply_service(session, teller, (namespace, name), manifest, uid.as_deref()).await
        }
        Op::DeleteService { namespace, name, uid } => {
            service_not_anothers(session, teller, (namespace, name), WaitKind::Deletion).await?;
            let kubernetes = session.cluster()?;
            let delete = async || kubernetes.delete_service(namespace, name, Some(uid)).await;
            retrying(session, teller, WaitKind::Deletion, delete).await?;
            Ok(Done::Well(String::new()))
        }
        Op::ReleaseService { namespace, name, uid } => {
            service_not_anothers(session, teller, (namespace, name), WaitKind::Service).await?;
            let kubernetes = session.cluster()?;
            let release = async || kubernetes.release_service(namespace, name, uid).await;
            retrying(session, teller, WaitKind::Service, release).await?;
            Ok(Done::Well(String::new()))
        }
        Op::Nudge { namespace, name, to } => {
            service_not_anothers(session, teller, (namespace, name), WaitKind::Service).await?;
            let annotations = BTreeMap::from([(
                privlink_core::marks::SYNC_ANNOTATION.to_owned(),
                Some(to.clone()),
            )]);
            let kubernetes = session.cluster()?;
            let annotate =
                async || kubernetes.annotate_service(namespace, name, None, &annotations).await;
            retrying(session, teller, WaitKind::Service, annotate).await?;
            Ok(Done::Well(String::new()))
        }
        Op::AwaitService { namespace, name, manifest } => {
            wait::service(session, teller, (namespace, name), manifest).await.map(well)
        }
        Op::AwaitController { namespace, name, expect, gone, again } => {
            let service = Key::new(namespace, name);
            wait::controller(session, teller, &service, expect, (*gone, *again)).await.map(well)
        }
        Op::PutResource { id, body, etag } => {
            put(session, teller, id, body, etag.as_deref()).await.map(well)
        }
        Op::DeleteResource { id } => delete(session, teller, id).await,
        Op::AwaitConnection { endpoint, status } => {
            wait::connection(session, teller, endpoint, status).await
        }
        Op::SetConnection { service, endpoint, status, description } => {
            let state = json!({
                "status": status, "description": description, "actionsRequired": "None",
            });
            set_connection(session, teller, service, endpoint, &state).await.map(well)
        }
    }
}

/// Makes a call until it succeeds or fails for good, and tells each time it is tried again.
pub(crate) async fn retrying<T, E, D>(
    session: &Session,
    teller: &Teller,
    kind: WaitKind,
    call: impl AsyncFnMut() -> Result<T, E>,
) -> Result<T, E>
where
    E: Deref<Target = privlink_http::failure::Failure<D>> + std::fmt::Display,
{
    let deadline = Instant::now() + session.patience.deadline(kind);
    let again = |error: &E, delay: Duration| {
        teller.tell(EventKind::Retried { error: error.to_string(), seconds: delay.as_secs() });
    };
    retried_until(Some(deadline), again, call).await
}

async fn apply_service(
    session: &Session,
    teller: &Teller,
    (namespace, name): (&str, &str),
    manifest: &Value,
    uid: Option<&str>,
) -> Result<Done, Failure> {
    let kind = WaitKind::Service;
    let live = service_not_anothers(session, teller, (namespace, name), kind).await?;
    let live_uid =
        live.as_ref().and_then(|live| live.pointer("/metadata/uid")?.as_str()).map(str::to_owned);
    if let (Some(planned), live) = (uid, &live_uid)
        && live.as_deref() != Some(planned)
    {
        let now = live.as_deref().unwrap_or("gone");
        return Err(Failure::new(format!(
            "the Service is another than the one planned for: uid {planned} then, {now} now; plan again"
        )));
    }
    let manifest = session.resolved(|resolved| resolved.fill_value(manifest));
    if let Some(shown) = &teller.held_to
        && let Some(live) = &live
        && let Some(field) = landed::beyond_service(live, &manifest, shown)
    {
        return Err(unshown(&field));
    }
    let kubernetes = session.cluster()?;
    let apply = async || kubernetes.apply_service(&manifest, false).await;
    let stored = retrying(session, teller, kind, apply).await?;
    session.resolved(|resolved| resolved.learn_service(&stored));
    if let Some(otherwise) = landed::service(&manifest, &stored) {
        return Err(Failure::new(format!(
            "the API server took it, and stores it otherwise: {otherwise}; look for a webhook that rewrites Services"
        )));
    }
    Ok(Done::Well(String::new()))
}

/// The first text of a body that holds what nobody knows, as it is shown. It must not be written.
fn first_unknown(body: &Value) -> Option<String> {
    match body {
        Value::String(text) if unknown::is_unknown(text) => Some(unknown::show(text)),
        Value::Array(items) => items.iter().find_map(first_unknown),
        Value::Object(fields) => fields.values().find_map(first_unknown),
        _ => None,
    }
}

/// What a write to ARM is of.
fn kind_of_write(id: &ResourceId) -> WaitKind {
    let is_dns = ["privateDnsZones", "privateDnsZoneGroups"];
    let is_dns = is_dns.iter().any(|kind| id.segment(kind).is_some());
    if is_dns { WaitKind::Dns } else { WaitKind::Endpoint }
}

/// Notes what Azure says of an operation: the operation itself, once, so that another run can follow
/// it; its state, when that is news; and every so often that it still runs.
pub(crate) struct Notes<'a> {
    teller: &'a Teller,
    notice: Duration,
    begun: Instant,
    noted: Mutex<Noted>,
}

#[derive(Default)]
struct Noted {
    accepted: bool,
    state: String,
    notices: u64,
}

impl<'a> Notes<'a> {
    pub(crate) fn new(session: &Session, teller: &'a Teller) -> Self {
        let (notice, begun) = (session.patience.notice, Instant::now());
        Self { teller, notice, begun, noted: Mutex::default() }
    }

    pub(crate) fn take(&self, progress: &Progress<'_>) {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        if !noted.accepted {
            noted.accepted = true;
            if let Ok(operation) = serde_json::to_value(progress.operation.to_be_kept()) {
                self.teller.tell(EventKind::Accepted { operation });
            }
        }
        if noted.state != progress.status {
            progress.status.clone_into(&mut noted.state);
            self.teller.tell(EventKind::Progress { state: progress.status.to_owned() });
        }
        let waited = self.begun.elapsed().as_secs();
        let notices = waited / self.notice.as_secs().max(1);
        if notices > noted.notices {
            noted.notices = notices;
            let state = format!("{}, after {waited} s", progress.status);
            self.teller.tell(EventKind::Progress { state });
        }
    }
}

async fn put(
    session: &Session,
    teller: &Teller,
    id: &str,
    body: &Value,
    etag: Option<&str>,
) -> Result<(), Failure> {
    let (id, body) =
        session.resolved(|known| (ResourceId::new(known.fill(id)), known.fill_value(body)));
    if let Some(unknown) = first_unknown(&body) {
        return Err(Failure::new(format!("{unknown} did not become known; apply again")));
    }
    let precondition = match etag {
        Some(etag) => Precondition::IfMatch(etag.to_owned()),
        None => Precondition::Absent,
    };
    let kind = kind_of_write(&id);
    if etag.is_some() {
        let live = not_anothers(session, teller, &id, kind).await?;
        let is_same = |live: &&Value| live.get("etag").and_then(Value::as_str) == etag;
        if teller.held_to.is_some()
            && kind == WaitKind::Endpoint
            && let Some(live) = live.as_ref().filter(is_same)
            && let Some(field) = landed::beyond_endpoint(live, &body)
        {
            return Err(unshown(&field));
        }
    }
    let notes = Notes::new(session, teller);
    let progress = |progress: Progress<'_>| notes.take(&progress);
    let deadline = Instant::now() + session.patience.deadline(kind);
    let wait = Wait { deadline, progress: &progress };
    let put = async || session.arm.put(&id, &body, &precondition, &wait).await;
    let written = retrying(session, teller, kind, put).await?;
    wait::landed(session, teller, (&id, &body), &written).await?;
    learn_address(session, teller, &id, &written).await
}

/// Learns the address an endpoint got, from its network interface.
async fn learn_address(
    session: &Session,
    teller: &Teller,
    id: &ResourceId,
    written: &Value,
) -> Result<(), Failure> {
    let Some(nic) = written.pointer("/properties/networkInterfaces/0/id").and_then(Value::as_str)
    else {
        return Ok(());
    };
    let nic = ResourceId::new(nic);
    let nic =
        retrying(session, teller, WaitKind::Endpoint, async || session.arm.get(&nic).await).await?;
    let address = nic.as_ref().and_then(|nic| {
        nic.pointer("/properties/ipConfigurations/0/properties/privateIPAddress")?.as_str()
    });
    if let Some(address) = address {
        session.resolved(|resolved| resolved.learn(&mark("address", &id.key()), address));
    }
    Ok(())
}

fn unshown(field: &str) -> Failure {
    Failure::new(format!("it would change {field} too, which the plan does not show; plan again"))
}

/// Looks once more at the mark of what is about to be written or deleted, whatever the plan says: another
/// stack's is left alone, unless the plan shows that it is taken over from just that one. What was read.
async fn not_anothers(
    session: &Session,
    teller: &Teller,
    id: &ResourceId,
    kind: WaitKind,
) -> Result<Option<Value>, Failure> {
    // A zone group has no mark of its own; it is its endpoint's.
    let is_group = id.segment("privateDnsZoneGroups").is_some();
    let marked = id.parent().filter(|_| is_group).unwrap_or_else(|| id.clone());
    let get = async || session.arm.get(&marked).await;
    let live = retrying(session, teller, kind, get).await?;
    let marks = live.iter().flat_map(|it| [it.get("tags"), it.pointer("/properties/metadata")]);
    let mark = marks.flatten().find_map(|it| it.get(STACK_TAG)?.as_str());
    may_be_written(teller, &marked.key(), mark)?;
    Ok(live)
}

/// The same of a Service.
pub(crate) async fn service_not_anothers(
    session: &Session,
    teller: &Teller,
    (namespace, name): (&str, &str),
    kind: WaitKind,
) -> Result<Option<Value>, Failure> {
    let kubernetes = session.cluster()?;
    let read = async || kubernetes.service(namespace, name).await;
    let live = retrying(session, teller, kind, read).await?;
    let labels = live.as_ref().and_then(|live| live.pointer("/metadata/labels"));
    let mark = labels.and_then(|it| it.get(STACK_LABEL)?.as_str());
    may_be_written(teller, &format!("{namespace}/{name}"), mark)?;
    Ok(live)
}

fn may_be_written(teller: &Teller, object: &str, mark: Option<&str>) -> Result<(), Failure> {
    let taken = teller.taken.get(&object.to_lowercase()).map(String::as_str);
    match mark {
        Some(other) if other != &*teller.stack && mark != taken => Err(Failure::new(format!(
            "it is marked as stack {other}'s, and this is stack {}; plan again",
            teller.stack
        ))),
        _ => Ok(()),
    }
}

async fn delete(session: &Session, teller: &Teller, id: &str) -> Result<Done, Failure> {
    let id = session.resolved(|known| ResourceId::new(known.fill(id)));
    let kind = WaitKind::Deletion;
    not_anothers(session, teller, &id, kind).await?;
    let notes = Notes::new(session, teller);
    let progress = |progress: Progress<'_>| notes.take(&progress);
    let deadline = Instant::now() + session.patience.deadline(kind);
    let wait = Wait { deadline, progress: &progress };
    let delete = async || session.arm.delete(&id, &Precondition::None, &wait).await;
    let detail = match retrying(session, teller, kind, delete).await? {
        Deletion::Deleted => "",
        Deletion::WasAbsent => "it was gone already",
    };
    Ok(Done::Well(detail.to_owned()))
}

/// Sets the state of the connection of an endpoint, on the provider's side.
async fn set_connection(
    session: &Session,
    teller: &Teller,
    service: &str,
    endpoint: &str,
    state: &Value,
) -> Result<(), Failure> {
    let (service, endpoint) =
        session.resolved(|known| (known.fill(service), ResourceId::new(known.fill(endpoint))));
    let service = ResourceId::new(service);
    let mut connection = wait::connection_at(session, teller, &service, &endpoint).await?;
    let id = connection.get("id").and_then(Value::as_str).map(ResourceId::new);
    let id = id.ok_or_else(|| Failure::new("the connection has no id"))?;
    let status = "/properties/privateLinkServiceConnectionState/status";
    let provisioned = connection.pointer("/properties/provisioningState").and_then(Value::as_str);
    let is_in_force = provisioned.is_none_or(|it| it == "Succeeded");
    if connection.pointer(status) == state.get("status") && is_in_force {
        return Ok(());
    }
    if let Some(properties) = connection.get_mut("properties").and_then(Value::as_object_mut) {
        properties.insert("privateLinkServiceConnectionState".to_owned(), state.clone());
    }
    // Who decided otherwise since it was read is not overruled.
    let precondition = match connection.get("etag").and_then(Value::as_str) {
        Some(etag) => Precondition::IfMatch(etag.to_owned()),
        None => Precondition::None,
    };
    let kind = WaitKind::Connection;
    let quiet = Wait::quietly(session.patience.deadline(kind));
    let put = async || session.arm.put(&id, &connection, &precondition, &quiet).await;
    let written = retrying(session, teller, kind, put).await?;
    match written.pointer(status).and_then(Value::as_str) {
        Some(shown) if Some(shown) != state.get("status").and_then(Value::as_str) => {
            Err(Failure::new(format!("Azure took it, and shows the connection as {shown}")))
        }
        _ => Ok(()),
    }
}
