//! Watches: what changed, told as it changes.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use futures::Stream;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::server::{Answer, Call, Content};
use crate::state::{Shared, State};

use super::read::as_served;
use super::resource::Resource;
use super::selector::Selector;
use super::status::Refusal;
use super::target::Target;

/// How many changes are kept. Who asks for older ones is told to list again.
const KEPT: usize = 1024;
/// How long a watch lasts that does not say.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(300);

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It came.
    Added,
    /// It changed.
    Modified,
    /// It went.
    Deleted,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Added => "ADDED",
            Self::Modified => "MODIFIED",
            Self::Deleted => "DELETED",
        }
    }
}

#[derive(Clone, Debug)]
struct Change {
    version: u64,
    resource: String,
    kind: Kind,
    object: Value,
    before: Option<Value>,
}

/// The latest changes.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// Changes up to this version are not known.
    from: u64,
    changes: VecDeque<Change>,
    announce: Option<watch::Sender<u64>>,
}

impl History {
    /// A history that begins after a resource version.
    pub(crate) fn from(version: u64) -> Self {
        Self { from: version, ..Self::default() }
    }

    /// Announces every change from here on.
    pub(crate) fn announce(&mut self, to: watch::Sender<u64>) {
        self.announce = Some(to);
    }

    /// Adds a change.
    pub(crate) fn record(
        &mut self,
        version: u64,
        resource: &Resource,
        kind: Kind,
        object: &Value,
        before: Option<Value>,
    ) {
        let resource = resource.qualified();
        self.changes.push_back(Change { version, resource, kind, object: object.clone(), before });
        if self.changes.len() > KEPT
            && let Some(oldest) = self.changes.pop_front()
        {
            self.from = oldest.version;
        }
        if let Some(announce) = &self.announce {
            announce.send_replace(version);
        }
    }
}

/// A watch that was accepted.
#[derive(Clone, Debug)]
pub(crate) struct WatchCall {
    resource: &'static Resource,
    group: String,
    selector: Selector,
    after: u64,
    /// What is sent before any change.
    first: Vec<Value>,
    bookmarks: bool,
    timeout: Duration,
}

/// Accepts a watch.
pub(super) fn open(state: &State, call: &Call, target: &Target) -> Result<Answer, Refusal> {
    let selector = Selector::of(call, target)?;
    let store = &state.world.kubernetes;
    let mut first = Vec::new();
    let after = match call.parameter("resourceVersion").unwrap_or_default() {
        "" | "0" => {
            for (_, object) in store.shelf(target.resource) {
                if selector.matches(object) {
                    let object = as_served(object, target.resource, &target.group);
                    first.push(json!({"type": "ADDED", "object": object}));
                }
            }
            store.resource_version
        }
        text => text
            .parse()
            .map_err(|_| Refusal::bad_request(format!("invalid resource version \"{text}\"")))?,
    };
    if after < state.history.from {
        let gone = Refusal::expired(&format!(
            "too old resource version: {after} ({})",
            state.history.from
        ));
        first = vec![json!({"type": "ERROR", "object": gone.body()})];
    }
    let timeout = call
        .parameter("timeoutSeconds")
        .and_then(|text| text.parse().ok())
        .map_or(DEFAULT_TIMEOUT, Duration::from_secs);
    let watch = WatchCall {
        resource: target.resource,
        group: target.group.clone(),
        selector,
        after,
        first,
        bookmarks: call.flag("allowWatchBookmarks"),
        timeout,
    };
    Ok(Answer { status: 200, headers: Vec::new(), content: Content::Watch(Box::new(watch)) })
}

impl WatchCall {
    /// The lines for what changed since the last call.
    fn lines(&mut self, history: &History, newest: u64) -> Vec<Value> {
        let mut lines = std::mem::take(&mut self.first);
        let name = self.resource.qualified();
        let changes = history.changes.iter().filter(|change| change.version > self.after);
        for change in changes.filter(|change| change.resource == name) {
            let now = self.selector.matches(&change.object);
            let before = change.before.as_ref().is_some_and(|before| self.selector.matches(before));
            let kind = match (change.kind, before, now) {
                (Kind::Modified, false, true) => Kind::Added,
                (Kind::Modified, true, false) => Kind::Deleted,
                (_, false, false) => continue,
                (kind, _, _) => kind,
            };
            let object = as_served(&change.object, self.resource, &self.group);
            lines.push(json!({"type": kind.as_str(), "object": object}));
        }
        self.after = self.after.max(newest);
        lines
    }

    fn bookmark(&self) -> Value {
        let (kind, version) = (self.resource.kind, self.resource.api_version());
        let metadata = json!({"resourceVersion": self.after.to_string()});
        let object = json!({"kind": kind, "apiVersion": version, "metadata": metadata});
        json!({"type": "BOOKMARK", "object": object})
    }
}

struct Stage {
    call: WatchCall,
    shared: Arc<Shared>,
    changed: watch::Receiver<u64>,
    deadline: Instant,
    over: bool,
}

/// The body of a watch: one JSON object a line, until its time is over or the sandbox ends.
pub(crate) fn stream(
    shared: Arc<Shared>,
    call: WatchCall,
) -> impl Stream<Item = Result<Bytes, io::Error>> {
    let changed = shared.changed.subscribe();
    let deadline = Instant::now() + call.timeout;
    let stage = Stage { call, shared, changed, deadline, over: false };
    futures::stream::unfold(stage, |mut stage| async move {
        loop {
            if stage.over {
                return None;
            }
            stage.changed.borrow_and_update();
            let mut lines = {
                let state = stage.shared.lock();
                stage.call.lines(&state.history, state.world.kubernetes.resource_version)
            };
            stage.over = lines.iter().any(|line| line.get("type") == Some(&json!("ERROR")));
            if lines.is_empty() {
                tokio::select! {
                    changed = stage.changed.changed() => stage.over = changed.is_err(),
                    () = tokio::time::sleep_until(stage.deadline) => {
                        stage.over = true;
                        if stage.call.bookmarks {
                            lines.push(stage.call.bookmark());
                        }
                    }
                    () = stage.shared.cancel.cancelled() => stage.over = true,
                }
            }
            if !lines.is_empty() {
                let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
                return Some((Ok(Bytes::from(text)), stage));
            }
        }
    })
}
