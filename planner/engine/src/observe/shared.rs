//! Lists that the stacks of one run read together, so that requests follow subscriptions and pages, and not stacks.
//!
//! Stacks that ask for one list at the same time make one request, and those that ask within the next minute get what
//! it gave. Lists of resource groups are read group by group while one group of a subscription is asked for; from the
//! second on the subscription's list is read, once, and each stack gets its group's part of it. Which groups there are is
//! then a list too. Who may not read a subscription whole reads its groups as before.
//!
//! What could not be read is told to those who waited for it, and asked for anew by the next.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use privlink_azure::ArmClient;
use privlink_core::arm::arm_type::ArmType;
use privlink_core::resource_id::ResourceId;
use privlink_core::snapshot::{List, Reading};
use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::lists::Answer;

/// How long after it was asked for a list is given to other stacks. A run of thousands of stacks takes longer, and what
/// it says of the last is not to be as old as the run.
const OLDEST: Duration = Duration::from_secs(60);

/// The lists of resource groups that are read of the whole subscription where several groups are asked for.
const WHOLE: [ArmType; 8] = [
    ArmType::ManagedCluster,
    ArmType::ScaleSet,
    ArmType::LoadBalancer,
    ArmType::NetworkSecurityGroup,
    ArmType::PrivateDnsZone,
    ArmType::PrivateLinkService,
    ArmType::PublicIpAddress,
    ArmType::VirtualNetwork,
];

/// Lists that the stacks of one run share.
#[derive(Debug)]
pub struct SharedLists {
    arm: ArmClient,
    /// By the list's path, in lower case.
    readings: Mutex<HashMap<String, Arc<Asked>>>,
    /// By the path of the subscription's list, in lower case.
    wholes: Mutex<HashMap<String, Whole>>,
}

/// A list that was asked for, and what came of it once that is known.
#[derive(Debug)]
struct Asked {
    began: Instant,
    answer: OnceCell<Answer>,
    /// The list's resources by their groups, in lower case.
    groups: OnceLock<BTreeMap<String, List>>,
}

/// Which groups of a subscription's list are asked for.
#[derive(Debug, Default)]
struct Whole {
    groups: BTreeSet<String>,
    is_denied: bool,
}

/// A list of a resource group that can be read of the whole subscription.
struct OfGroup {
    /// The group, in lower case.
    group: String,
    /// The subscription's list.
    whole: String,
    /// The subscription's resource groups.
    groups: String,
}

impl SharedLists {
    /// Lists that `arm` reads.
    pub fn new(arm: ArmClient) -> Self {
        Self { arm, readings: Mutex::default(), wholes: Mutex::default() }
    }

    /// The client that reads them.
    pub const fn arm(&self) -> &ArmClient {
        &self.arm
    }

    /// A list, and when it was asked for: not before `oldest`, where that is said.
    pub(super) async fn list(&self, path: &str, oldest: Option<Instant>) -> (Answer, Instant) {
        // What is asked for anew is asked for by few: their groups are less than all.
        if oldest.is_none()
            && let Some(wanted) = OfGroup::parse(path)
            && self.is_whole(&wanted)
            && let Some(part) = self.part(&wanted).await
        {
            return part;
        }
        let asked = self.read(path, oldest).await;
        (asked.known(), asked.began)
    }

    /// Whether the subscription's list is read in place of a group's.
    fn is_whole(&self, wanted: &OfGroup) -> bool {
        let mut wholes = self.wholes.lock().unwrap_or_else(PoisonError::into_inner);
        let whole = wholes.entry(wanted.whole.to_lowercase()).or_default();
        whole.groups.insert(wanted.group.clone());
        whole.groups.len() > 1 && !whole.is_denied
    }

    /// A group's part of its subscription's list; nothing where the group has to be asked for itself.
    async fn part(&self, wanted: &OfGroup) -> Option<(Answer, Instant)> {
        let asked = self.read(&wanted.whole, None).await;
        let answer = asked.known();
        if answer.is_denied {
            let mut wholes = self.wholes.lock().unwrap_or_else(PoisonError::into_inner);
            wholes.entry(wanted.whole.to_lowercase()).or_default().is_denied = true;
            return None;
        }
        if answer.is_unreadable() {
            return Some((answer, asked.began));
        }
        if let Some(list) = asked.by_group().get(&wanted.group) {
            return Some((Answer::present(list.clone()), asked.began));
        }
        // Nothing is in the group, or the group is not there.
        let groups = self.read(&wanted.groups, None).await;
        let Reading::Present(there) = groups.known().reading else { return None };
        let is_there = there.iter().any(|group| {
            let name = group.get("name").and_then(|name| name.as_str());
            name.is_some_and(|name| name.eq_ignore_ascii_case(&wanted.group))
        });
        let answer = if is_there { Answer::present(Vec::new()) } else { Answer::absent() };
        Some((answer, asked.began.min(groups.began)))
    }

    /// A list by its own path: as it was asked for before, unless that was too long ago.
    async fn read(&self, path: &str, oldest: Option<Instant>) -> Arc<Asked> {
        let asked = self.asked(path, oldest);
        asked.answer.get_or_init(async || Answer::of(self.arm.list(path).await)).await;
        if asked.known().is_unreadable() {
            let mut readings = self.readings.lock().unwrap_or_else(PoisonError::into_inner);
            let key = path.to_lowercase();
            if readings.get(&key).is_some_and(|it| Arc::ptr_eq(it, &asked)) {
                readings.remove(&key);
            }
        }
        asked
    }

    fn asked(&self, path: &str, oldest: Option<Instant>) -> Arc<Asked> {
        let now = Instant::now();
        let mut readings = self.readings.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = |it: &Asked| now.duration_since(it.began) <= OLDEST;
        let key = path.to_lowercase();
        let known = readings.get(&key).filter(|it| is_new(it));
        if let Some(known) = known.filter(|it| oldest.is_none_or(|oldest| it.began >= oldest)) {
            return Arc::clone(known);
        }
        // Lists of one stack alone are not kept longer than others may ask for them.
        readings.retain(|_, it| is_new(it));
        let asked =
            Arc::new(Asked { began: now, answer: OnceCell::new(), groups: OnceLock::new() });
        readings.insert(key, Arc::clone(&asked));
        asked
    }
}

impl Asked {
    /// What came of it. Whoever asks has waited for it.
    fn known(&self) -> Answer {
        self.answer.get().cloned().unwrap_or_else(Answer::absent)
    }

    fn by_group(&self) -> &BTreeMap<String, List> {
        self.groups.get_or_init(|| {
            let mut groups: BTreeMap<String, List> = BTreeMap::new();
            let Some(Answer { reading: Reading::Present(list), .. }) = self.answer.get() else {
                return groups;
            };
            for resource in list {
                let id = resource.get("id").and_then(|id| id.as_str()).unwrap_or_default();
                if let Some(group) = ResourceId::new(id).resource_group() {
                    groups.entry(group.to_lowercase()).or_default().push(Arc::clone(resource));
                }
            }
            groups
        })
    }
}

impl OfGroup {
    fn parse(path: &str) -> Option<Self> {
        let ["", "subscriptions", subscription, groups, group, "providers", namespace, kind] =
            path.split('/').collect::<Vec<_>>()[..]
        else {
            return None;
        };
        let provider_type = format!("{namespace}/{kind}");
        if !groups.eq_ignore_ascii_case("resourceGroups")
            || !WHOLE.contains(&ArmType::named(&provider_type))
        {
            return None;
        }
        Some(Self {
            group: group.to_lowercase(),
            whole: format!("/subscriptions/{subscription}/providers/{provider_type}"),
            groups: format!("/subscriptions/{subscription}/resourcegroups"),
        })
    }
}
