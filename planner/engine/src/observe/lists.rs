//! Where lists of Azure are read: now, by whoever asks; or once for the stacks of one run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use privlink_azure::{ArmClient, ArmError, ErrorKind};
use privlink_core::snapshot::{List, Reading};
use serde_json::Value;
use tokio::time::Instant;

use super::graph::Graph;
use super::shared::SharedLists;

/// Where lists of Azure are read. Whoever writes, waits or holds a lock reads now.
#[derive(Clone, Debug)]
pub enum Lists {
    /// By a request of their own, when they are asked for.
    Now(ArmClient),
    /// By one request for all stacks of a run.
    Shared(Share),
    /// As Azure Resource Graph shows them; what it does not hold, elsewhere.
    Graph(Arc<Graph>, Box<Self>),
}

/// One stack's part in what the stacks of a run read together.
#[derive(Clone, Debug)]
pub struct Share {
    lists: Arc<SharedLists>,
    /// When what the stack compares the lists with was read.
    since: Instant,
    /// Whether lists that were asked for before that will do.
    takes_older: bool,
    /// Whether it was given one.
    was_given_older: Arc<AtomicBool>,
}

impl From<&ArmClient> for Lists {
    fn from(arm: &ArmClient) -> Self {
        Self::Now(arm.clone())
    }
}

impl From<&Self> for Lists {
    fn from(lists: &Self) -> Self {
        lists.clone()
    }
}

impl Lists {
    /// A stack's part in what the stacks of a run share.
    pub fn shared(lists: &Arc<SharedLists>) -> Self {
        Self::Shared(Share {
            lists: Arc::clone(lists),
            since: Instant::now(),
            takes_older: true,
            was_given_older: Arc::default(),
        })
    }

    /// The same, but as Azure Resource Graph shows them.
    #[must_use]
    pub fn by_graph(&self, graph: &Arc<Graph>) -> Self {
        Self::Graph(Arc::clone(graph), Box::new(self.clone()))
    }

    /// The same, but of ARM, and no list that was asked for before this stack's Events were read.
    #[must_use]
    pub fn without_older(&self) -> Self {
        match self {
            Self::Now(arm) => Self::Now(arm.clone()),
            Self::Shared(share) => Self::Shared(Share {
                takes_older: false,
                was_given_older: Arc::default(),
                ..share.clone()
            }),
            Self::Graph(_, arm) => arm.without_older(),
        }
    }

    /// Whether a list was asked for, by another stack, before this one's Events were read: what happened in between is
    /// in the one and not in the other.
    pub fn were_older(&self) -> bool {
        match self {
            Self::Now(_) => false,
            Self::Shared(share) => share.was_given_older.load(Ordering::Relaxed),
            Self::Graph(..) => true,
        }
    }

    /// The same for a stack whose Events were read just now.
    pub(super) fn since_now(&self) -> Self {
        match self {
            Self::Now(arm) => Self::Now(arm.clone()),
            Self::Shared(share) => Self::Shared(Share { since: Instant::now(), ..share.clone() }),
            Self::Graph(graph, arm) => Self::Graph(Arc::clone(graph), Box::new(arm.since_now())),
        }
    }

    /// Reads the list at a path.
    pub(super) async fn list(&self, path: &str) -> Answer {
        match self {
            Self::Now(arm) => Answer::of(arm.list(path).await),
            Self::Graph(graph, arm) => match graph.list(path) {
                Some(answer) => answer,
                None => Box::pin(arm.list(path)).await,
            },
            Self::Shared(share) => {
                let oldest = (!share.takes_older).then_some(share.since);
                let (answer, began) = share.lists.list(path, oldest).await;
                if began < share.since {
                    share.was_given_older.store(true, Ordering::Relaxed);
                }
                answer
            }
        }
    }
}

/// What came of asking for a list.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    /// The list.
    pub(super) reading: Reading<List>,
    /// Whether Azure does not know the subscription that it is in.
    pub(super) has_no_subscription: bool,
    /// Whether the identity may not read it.
    pub(super) is_denied: bool,
}

impl Answer {
    /// What ARM said.
    pub(super) fn of(outcome: Result<Option<Vec<Value>>, ArmError>) -> Self {
        let failed = outcome.as_ref().err();
        let has_no_subscription = failed.is_some_and(|why| why.has_code("SubscriptionNotFound"));
        let is_denied = failed.is_some_and(|why| why.kind == ErrorKind::Denied);
        Self { reading: reading(outcome), has_no_subscription, is_denied }
    }

    /// A list that was read.
    pub(super) fn present(list: List) -> Self {
        Self { reading: Reading::Present(list), ..Self::absent() }
    }

    /// A list of what is not there.
    pub(super) const fn absent() -> Self {
        Self { reading: Reading::Absent, has_no_subscription: false, is_denied: false }
    }

    /// Whether nobody knows what is on the list.
    pub(super) const fn is_unreadable(&self) -> bool {
        matches!(self.reading, Reading::Unreadable(_))
    }
}

fn reading(outcome: Result<Option<Vec<Value>>, ArmError>) -> Reading<List> {
    match outcome {
        Ok(Some(list)) => Reading::of(list),
        Ok(None) => Reading::Absent,
        Err(why) => {
            let text = format!("{why:#}");
            Reading::Unreadable(format!("{}; {}", text.trim_end_matches('.'), why.help()))
        }
    }
}
