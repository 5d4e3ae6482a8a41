//! Waits: until Azure shows what was predicted, until a connection has its state, until another tool
//! has written a Service.
//!
//! A wait looks, and looks again when a watch on the cluster says that something happened, or when
//! its interval is over. Each kind has a deadline ([`WaitKind`]); failures of the controller end no wait,
//! since it tries again by itself. When the run is stopped a wait is left: it writes nothing.

mod countdown;
mod ending;
mod otherwise;

use std::collections::BTreeMap;

use privlink_core::connection_status::ConnectionStatus;
use privlink_core::event::EventKind;
use privlink_core::kubernetes::service::Key;
use privlink_core::landed;
use privlink_core::marks::SYNC_ANNOTATION;
use privlink_core::plan::Expectation;
use privlink_core::resolution::Resolved;
use privlink_core::resource_id::ResourceId;
use privlink_core::unknown;
use serde_json::Value;
use tokio::time::Instant;

use crate::apply::Teller;
use crate::execute::{Done, Failure, retrying, service_not_anothers};
use crate::patience::WaitKind;
use crate::session::Session;

use countdown::Countdown;
use ending::Ending;
use otherwise::Otherwise;

/// Waits until ARM shows what the controller is predicted to make of a Service, and, of one that was
/// deleted, until it is gone. It fails at its deadline, or when the controller did something else.
pub(crate) async fn controller(
    session: &Session,
    teller: &Teller,
    service: &Key,
    expect: &[Expectation],
    (gone, again): (bool, bool),
) -> Result<(), Failure> {
    let mut countdown = Countdown::begin(session, teller, kind(expect, gone));
    let mut otherwise = Otherwise::new(session, service);
    let mut ending = Ending::new(session, service);
    let mut may_nudge = again;
    let cached_until = Instant::now() + session.patience.cache;
    let kubernetes = session.cluster()?;
    let mut wakeups = kubernetes.watch();
    let Key { namespace, name } = service;
    loop {
        let mut missing = missing(session, teller, expect).await?;
        if gone && missing.is_empty() {
            let read = async || kubernetes.service(namespace, name).await;
            if retrying(session, teller, WaitKind::Deletion, read).await?.is_some() {
                missing.push("the Service is still there, held by its finalizer".to_owned());
            }
        }
        let Some(first) = missing.first() else {
            let Some(state) = ending.running().await else { return Ok(()) };
            countdown.tell(state, None).await;
            countdown.pause(wakeups.next()).await?;
            continue;
        };
        countdown.tell(first, Some(service)).await;
        if let Some(finding) = otherwise.look(first).await {
            if !may_nudge {
                return Err(finding);
            }
            // The sync may have believed a cache: there is another one, once caches are old.
            if Instant::now() >= cached_until {
                nudge(session, teller, (namespace, name)).await?;
                (may_nudge, otherwise) = (false, Otherwise::new(session, service));
            }
        }
        if countdown.is_over() {
            return Err(countdown
                .stalled("Azure did not show what was predicted", Some(service))
                .await);
        }
        countdown.pause(wakeups.next()).await?;
    }
}

/// Waits until Azure shows what was written of a resource: what a write answers, and reads right after it,
/// may lag behind.
pub(crate) async fn landed(
    session: &Session,
    teller: &Teller,
    (id, body): (&ResourceId, &Value),
    written: &Value,
) -> Result<(), Failure> {
    let mut shown = Some(written.clone());
    let until = Instant::now() + session.patience.grace;
    let mut countdown = Countdown::begin(session, teller, WaitKind::Endpoint);
    loop {
        let otherwise = match &shown {
            Some(shown) => landed::resource(id, body, shown),
            None => Some("it is not there".to_owned()),
        };
        let Some(otherwise) = otherwise else { return Ok(()) };
        if Instant::now() >= until {
            return Err(Failure::new(format!(
                "Azure took the write, and shows it otherwise: {otherwise}; plan again"
            )));
        }
        countdown.tell(&otherwise, None).await;
        countdown.pause(std::future::pending()).await?;
        let get = async || session.arm.get(id).await;
        shown = retrying(session, teller, WaitKind::Endpoint, get).await?;
    }
}

/// What kind of wait it is for the controller.
fn kind(expect: &[Expectation], gone: bool) -> WaitKind {
    let is_link = |it: &Expectation| {
        it.present.is_some() && it.id.to_lowercase().contains("/privatelinkservices/")
    };
    if gone {
        WaitKind::Deletion
    } else if expect.iter().any(is_link) {
        WaitKind::PrivateLinkService
    } else {
        WaitKind::Service
    }
}

/// Makes the controller sync once more: its last sync may have believed a cache (finding 34), and it does
/// not look by itself.
async fn nudge(
    session: &Session,
    teller: &Teller,
    (namespace, name): (&str, &str),
) -> Result<(), Failure> {
    let kind = WaitKind::Service;
    let live = service_not_anothers(session, teller, (namespace, name), kind).await?;
    let Some(live) = live else { return Ok(()) };
    let annotations = live.pointer("/metadata/annotations");
    let before = annotations.and_then(|it| it.get(SYNC_ANNOTATION)?.as_str()?.parse::<u64>().ok());
    let to = before.map_or(1, |it| it.saturating_add(1)).to_string();
    teller.tell(EventKind::Progress {
        state: "the controller's caches have expired; its next sync is triggered".to_owned(),
    });
    let annotations = BTreeMap::from([(SYNC_ANNOTATION.to_owned(), Some(to))]);
    let kubernetes = session.cluster()?;
    let annotate = async || kubernetes.annotate_service(namespace, name, None, &annotations).await;
    retrying(session, teller, WaitKind::Service, annotate).await?;
    Ok(())
}

/// What ARM does not show yet. Children are looked up within their load balancer, which is read once.
async fn missing(
    session: &Session,
    teller: &Teller,
    expect: &[Expectation],
) -> Result<Vec<String>, Failure> {
    let mut read: BTreeMap<String, Option<Value>> = BTreeMap::new();
    let mut missing = Vec::new();
    // What one look learns counts only if the look finds everything: a half-made resource may show
    // values that do not stay. Other steps learn meanwhile.
    let mut known = session.resolved(|resolved| resolved.clone());
    for expectation in expect {
        let id = ResourceId::new(known.fill(&expectation.id));
        let holder = holder(&id).unwrap_or_else(|| id.clone());
        let key = holder.key();
        if !read.contains_key(&key) {
            let found = {
                let get = async || session.arm.get(&holder).await;
                retrying(session, teller, WaitKind::Service, get).await?
            };
            read.insert(key.clone(), found);
        }
        let found = read.get(&key).and_then(Option::as_ref);
        let live = if holder == id { found } else { found.and_then(|found| child(found, &id)) };
        missing.extend(look(expectation, &id, live, &mut known));
    }
    if missing.is_empty() {
        session.resolved(|all| all.learn_all(known));
    }
    Ok(missing)
}

/// The load balancer or security group a child of one lies in.
fn holder(id: &ResourceId) -> Option<ResourceId> {
    let parent = id.parent()?;
    let collection = parent.collection()?;
    let holds = ["loadBalancers", "networkSecurityGroups"];
    holds.iter().any(|it| collection.name().eq_ignore_ascii_case(it)).then_some(parent)
}

fn child<'a>(holder: &'a Value, id: &ResourceId) -> Option<&'a Value> {
    let collection = id.collection()?;
    let properties = holder.get("properties")?.as_object()?;
    let (_, children) =
        properties.iter().find(|(name, _)| name.eq_ignore_ascii_case(collection.name()))?;
    let is_it = |child: &&Value| {
        child
            .get("name")
            .and_then(Value::as_str)
            .is_some_and(|it| it.eq_ignore_ascii_case(id.name()))
    };
    children.as_array()?.iter().find(is_it)
}

/// An object of Azure's, as people call it.
fn called(id: &ResourceId) -> String {
    let collection = id.collection();
    let kind = collection.as_ref().map_or("", ResourceId::name);
    let words = match kind {
        "loadBalancers" => "load balancer ",
        "frontendIPConfigurations" => "frontend ",
        "backendAddressPools" => "backend pool ",
        "loadBalancingRules" => "rule ",
        "probes" => "probe ",
        "publicIPAddresses" => "public IP address ",
        "networkSecurityGroups" => "network security group ",
        "securityRules" => "security rule ",
        "subnets" => "subnet ",
        "privateLinkServices" => "Private Link Service ",
        "privateEndpoints" => "private endpoint ",
        _ => "",
    };
    format!("{words}{}", unknown::show(id.name()))
}

fn look(
    expectation: &Expectation,
    id: &ResourceId,
    live: Option<&Value>,
    known: &mut Resolved,
) -> Option<String> {
    let name = called(id);
    match (&expectation.present, live) {
        (None, None) => None,
        (None, Some(_)) => Some(format!("{name} is still there")),
        (Some(_), None) => Some(format!("{name} is not there yet")),
        (Some(expected), Some(live)) => {
            let has = |old: &str| {
                let identities = ["/properties/alias", "/properties/resourceGuid"];
                identities.iter().any(|it| live.pointer(it).and_then(Value::as_str) == Some(old))
            };
            if expectation.instead_of.as_deref().is_some_and(has) {
                return Some(format!("{name} is still the old one"));
            }
            let state = live.pointer("/properties/provisioningState").and_then(Value::as_str);
            if state.is_some_and(|state| state != "Succeeded") {
                return Some(format!("{name} is {}", state.unwrap_or_default()));
            }
            let missing = known.missing(expected, live);
            missing.first().map(|first| format!("{name}: {first}"))
        }
    }
}

/// Waits until another tool has written a Service as it is desired.
pub(crate) async fn service(
    session: &Session,
    teller: &Teller,
    (namespace, name): (&str, &str),
    manifest: &Value,
) -> Result<(), Failure> {
    let mut countdown = Countdown::begin(session, teller, WaitKind::External);
    let kubernetes = session.cluster()?;
    let mut wakeups = kubernetes.watch();
    loop {
        let read = async || kubernetes.service(namespace, name).await;
        let live = retrying(session, teller, WaitKind::External, read).await?;
        let missing = match &live {
            None => vec!["it is not there".to_owned()],
            Some(live) => session.resolved(|resolved| resolved.missing(manifest, live)),
        };
        let Some(first) = missing.first() else {
            if let Some(live) = &live {
                session.resolved(|resolved| resolved.learn_service(live));
            }
            return Ok(());
        };
        countdown.tell(first, None).await;
        if countdown.is_over() {
            return Err(countdown.stalled("no other tool wrote the Service", None).await);
        }
        countdown.pause(wakeups.next()).await?;
    }
}

/// The state of an endpoint's connection, as the endpoint shows it.
pub(crate) fn connection_status(endpoint: &Value) -> Option<ConnectionStatus> {
    ["privateLinkServiceConnections", "manualPrivateLinkServiceConnections"].iter().find_map(
        |list| {
            let status = endpoint.pointer(&format!(
                "/properties/{list}/0/properties/privateLinkServiceConnectionState/status"
            ))?;
            status.as_str().map(ConnectionStatus::from)
        },
    )
}

/// Waits until an endpoint's connection is approved, or pending where that is what was predicted.
pub(crate) async fn connection(
    session: &Session,
    teller: &Teller,
    endpoint: &str,
    wanted: &ConnectionStatus,
) -> Result<Done, Failure> {
    let id = session.resolved(|known| ResourceId::new(known.fill(endpoint)));
    let mut countdown = Countdown::begin(session, teller, WaitKind::Connection);
    loop {
        let get = async || session.arm.get(&id).await;
        let live = retrying(session, teller, WaitKind::Connection, get).await?;
        let status = live.as_ref().and_then(connection_status);
        let state = status.as_ref().map_or("unknown", ConnectionStatus::as_str);
        match &status {
            Some(ConnectionStatus::Approved) => return Ok(Done::Well(String::new())),
            Some(ConnectionStatus::Rejected | ConnectionStatus::Disconnected) => {
                return Err(Failure::new(format!("the connection is {state}")));
            }
            Some(ConnectionStatus::Pending)
                if *wanted == ConnectionStatus::Pending || countdown.is_over() =>
            {
                let detail = format!("the connection of {id} waits for its provider");
                return Ok(Done::AwaitingApproval(detail));
            }
            // One that is not known is not taken for connected.
            Some(ConnectionStatus::Pending | ConnectionStatus::Other(_)) | None => {
                countdown.tell(&format!("the connection is {state}"), None).await;
            }
        }
        if countdown.is_over() {
            let what = format!("the connection did not become {wanted}");
            return Err(countdown.stalled(&what, None).await);
        }
        countdown.pause(std::future::pending()).await?;
    }
}

/// The connection of an endpoint on its Private Link Service, which may take a while to show.
pub(crate) async fn connection_at(
    session: &Session,
    teller: &Teller,
    service: &ResourceId,
    endpoint: &ResourceId,
) -> Result<Value, Failure> {
    let mut countdown = Countdown::begin(session, teller, WaitKind::Connection);
    loop {
        let get = async || session.arm.get(service).await;
        let live = retrying(session, teller, WaitKind::Connection, get).await?;
        let connections = live
            .as_ref()
            .and_then(|live| live.pointer("/properties/privateEndpointConnections")?.as_array());
        let found = connections.into_iter().flatten().find(|connection| {
            let id = connection.pointer("/properties/privateEndpoint/id").and_then(Value::as_str);
            id.is_some_and(|id| ResourceId::new(id) == *endpoint)
        });
        if let Some(found) = found {
            return Ok(found.clone());
        }
        countdown.tell(&format!("{service} shows no connection of {endpoint}"), None).await;
        if countdown.is_over() {
            return Err(countdown.stalled("the connection did not show", None).await);
        }
        countdown.pause(std::future::pending()).await?;
    }
}
