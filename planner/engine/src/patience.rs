//! How patient a run is: how long it waits for what, and how often it looks and tells.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use privlink_core::controller::memory::CACHE_SECONDS;
use privlink_core::route::gate::DNS_SECONDS;

/// What is waited for. Each kind has a deadline of its own, since Azure takes minutes for some and
/// seconds for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WaitKind {
    /// The controller's sync of a Service.
    Service,
    /// The controller's sync of a Service that makes or changes a Private Link Service.
    PrivateLinkService,
    /// The write of a private endpoint.
    Endpoint,
    /// The state of a connection, once its endpoint is written.
    Connection,
    /// The deletion of anything.
    Deletion,
    /// The write of a DNS record or zone group.
    Dns,
    /// Another tool's write of a Service.
    External,
}

impl WaitKind {
    /// All kinds.
    pub const ALL: [Self; 7] = [
        Self::Service,
        Self::PrivateLinkService,
        Self::Endpoint,
        Self::Connection,
        Self::Deletion,
        Self::Dns,
        Self::External,
    ];

    /// Its name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::PrivateLinkService => "private-link-service",
            Self::Endpoint => "endpoint",
            Self::Connection => "connection",
            Self::Deletion => "deletion",
            Self::Dns => "dns",
            Self::External => "external",
        }
    }

    /// How long it may take if nobody says otherwise. Real ones were seen to take up to 27 minutes
    /// (an internal load balancer's), and 5 as a rule.
    const fn default_deadline(self) -> Duration {
        let minutes = match self {
            Self::Service
            | Self::PrivateLinkService
            | Self::Endpoint
            | Self::Deletion
            | Self::External => 30,
            Self::Dns => 5,
            Self::Connection => 2,
        };
        Duration::from_secs(minutes * 60)
    }
}

impl fmt::Display for WaitKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for WaitKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("`{text}` is none of {names}")
        })
    }
}

/// How patient a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// How many steps run at once.
    pub parallelism: usize,
    /// How often what is awaited is looked at, unless a watch wakes the wait earlier.
    pub poll_interval: Duration,
    /// How often a wait that lasts tells what it waits for.
    pub notice: Duration,
    /// How long Azure may stay otherwise once the controller says that it is done. ARM's lists lag
    /// behind its writes, and a sync that had begun before a write is followed by another.
    pub grace: Duration,
    /// After how long the controller no longer believes its caches.
    pub cache: Duration,
    /// How long resolvers may still give the old address of a name that has moved.
    pub resolvers: Duration,
    /// Whether the first failure stops everything that has not started.
    pub fail_fast: bool,
    deadlines: [Duration; 7],
}

impl Patience {
    /// How long a kind of wait may take.
    pub fn deadline(&self, kind: WaitKind) -> Duration {
        let all = WaitKind::ALL.into_iter().zip(self.deadlines);
        let of_kind = all.into_iter().find(|(it, _)| *it == kind);
        of_kind.map_or(kind.default_deadline(), |(_, deadline)| deadline)
    }

    /// Sets how long a kind of wait may take.
    pub fn set_deadline(&mut self, kind: WaitKind, deadline: Duration) {
        for (it, kept) in WaitKind::ALL.into_iter().zip(&mut self.deadlines) {
            if it == kind {
                *kept = deadline;
            }
        }
    }

    /// For a simulator: it is quick, and nobody is kept from anything by asking it often.
    pub fn hurry(&mut self) {
        self.poll_interval = Duration::from_millis(50);
        self.grace = Duration::from_secs(5);
        self.notice = Duration::from_secs(2);
        // The simulated controller's clock runs 50 times as fast.
        self.cache /= 50;
        self.resolvers /= 50;
    }
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            parallelism: 10,
            poll_interval: Duration::from_secs(5),
            notice: Duration::from_secs(30),
            grace: Duration::from_secs(60),
            cache: Duration::from_secs(CACHE_SECONDS + 10),
            resolvers: Duration::from_secs(DNS_SECONDS),
            fail_fast: false,
            deadlines: WaitKind::ALL.map(WaitKind::default_deadline),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_set_for_its_kind_alone() {
        let mut patience = Patience::default();
        patience.set_deadline(WaitKind::Dns, Duration::from_secs(7));
        assert_eq!(patience.deadline(WaitKind::Dns), Duration::from_secs(7));
        assert_eq!(patience.deadline(WaitKind::External), Duration::from_secs(1800));
    }

    #[test]
    fn kinds_are_read_as_they_are_written() {
        for kind in WaitKind::ALL {
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
        assert!("controller".parse::<WaitKind>().unwrap_err().contains("private-link-service"));
    }
}
