//! The wait until nobody is left on Private Link Services that are to go. It is a run of its own, with a journal:
//! one step a Private Link Service, and nothing is written.

use std::io;
use std::path::Path;

use privlink_azure::ArmError;
use privlink_core::consumer::Consumer;
use privlink_core::event::{Event, EventKind};
use privlink_core::names::folded;
use privlink_core::node_id::{Kind, NodeId};
use privlink_core::plan::Mode;
use privlink_core::resource_id::ResourceId;
use privlink_core::route::gate::{LeftLink, endpoint_name, still_connected};
use tokio::time::Instant;

use crate::apply::event;
use crate::journal::Journal;
use crate::patience::WaitKind;
use crate::session::Session;

/// How a wait ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Departure {
    /// Nobody is left.
    Left,
    /// Its time is over, and these are still there.
    Awaited(Vec<Consumer>),
    /// The run was stopped.
    Stopped,
}

/// Why a wait failed.
#[derive(Debug)]
pub enum Error {
    /// Azure could not be asked.
    Azure(ArmError),
    /// The journal could not be written: nothing happens unrecorded.
    Journal(io::Error),
}

/// Waits until nobody is connected to any of these Private Link Services, as long as the deadline for what others do
/// ([`WaitKind::External`]).
///
/// # Errors
///
/// When Azure cannot be asked, or the journal cannot be written.
pub async fn departure(
    session: &Session,
    (stack, journals): (&str, &Path),
    links: &[LeftLink],
    mut heard: impl FnMut(&Event),
) -> Result<Departure, Error> {
    let mut journal = Journal::begin(journals, stack).map_err(Error::Journal)?;
    let mut tell = |kind: EventKind, about: Option<(usize, NodeId)>| {
        let event = event(kind, about);
        heard(&event);
        journal.append(&event).map_err(Error::Journal)
    };
    let until = Instant::now() + session.patience.deadline(WaitKind::External);
    let stack = stack.to_owned();
    tell(
        EventKind::Begun { stack, mode: Mode::Apply, steps: links.len(), plan: String::new() },
        None,
    )?;
    let mut awaited = Vec::new();
    for (number, link) in links.iter().enumerate() {
        let about =
            || Some((number + 1, NodeId::new(Kind::PrivateLinkService, link.service.clone())));
        let doing = format!("Wait until nobody is left on {}", link.link);
        tell(EventKind::Started { doing }, about())?;
        let mut said = Vec::new();
        let kind = loop {
            let left = connected(session, link).await.map_err(Error::Azure)?;
            if left.is_empty() {
                break EventKind::Succeeded { detail: "nobody is left".to_owned() };
            }
            if left != said {
                tell(EventKind::Progress { state: names(&left, "still connected: ") }, about())?;
                said.clone_from(&left);
            }
            if Instant::now() >= until {
                let detail = names(&left, "not gone yet: ");
                awaited.extend(left);
                break EventKind::AwaitingApproval { detail };
            }
            tokio::select! {
                () = tokio::time::sleep(session.patience.poll_interval) => {}
                () = session.stop.cancelled() => {
                    tell(EventKind::Cancelled, about())?;
                    tell(EventKind::Ended, None)?;
                    return Ok(Departure::Stopped);
                }
            }
        };
        tell(kind, about())?;
    }
    tell(EventKind::Ended, None)?;
    Ok(if awaited.is_empty() { Departure::Left } else { Departure::Awaited(awaited) })
}

/// Who is connected now; nobody if the Private Link Service is gone.
async fn connected(session: &Session, link: &LeftLink) -> Result<Vec<Consumer>, ArmError> {
    let Some(id) = &link.id else { return Ok(Vec::new()) };
    let live = session.arm.get(&ResourceId::new(id)).await?;
    Ok(live.as_ref().map(still_connected).unwrap_or_default())
}

fn names(consumers: &[Consumer], head: &str) -> String {
    let names = consumers.iter().map(endpoint_name).collect();
    format!("{head}{}", folded(names).join(", "))
}
