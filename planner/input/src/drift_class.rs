//! The classes of drift. Their names are stable, the same in every format, and what a Stack ignores drift by.

use serde::{Deserialize, Serialize};

/// How much a class weighs.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Weight {
    /// It is drift.
    Drift,
    /// It may be drift: it depends on a fact that was assumed.
    Unverified,
    /// It is worth knowing.
    Note,
}

/// How urgent a class is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Urgency {
    /// Something does not work now, or is not there.
    Broken,
    /// Somebody changed what privlink or the controller wrote.
    Edited,
    /// All else that is drift.
    Other,
    /// What is no drift.
    Note,
}

impl Urgency {
    /// All, the most urgent first.
    pub const ALL: [Self; 4] = [Self::Broken, Self::Edited, Self::Other, Self::Note];
}

/// What kind of difference it is.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Somebody wrote to a Service in Kubernetes what desired state does not say.
    EditedInKubernetes,
    /// Desired state says what was never written, and nobody is known to have undone it.
    NotApplied,
    /// What desired state wants is not there.
    Missing,
    /// The controller reports an error, or is predicted to.
    ControllerFailed,
    /// The controller has not carried out yet what the live Service says.
    ControllerBehind,
    /// Azure, or somebody in Azure, changed what the controller or privlink made.
    ChangedInAzure,
    /// What the controller made is gone from Azure.
    DeletedInAzure,
    /// Azure reports that it failed to provision a resource.
    ProvisioningFailed,
    /// A resource of the same name is another one than it was.
    Recreated,
    /// A private endpoint of the stack is no longer connected.
    Disconnected,
    /// A consumer that was connected is gone.
    ConsumerGone,
    /// What is live does not serve, and no difference of fields says so.
    Unhealthy,
    /// Something that nothing wants was left behind.
    Orphan,
    /// A difference that another value of an assumed fact would explain.
    Unverified,
    /// A connection waits for approval.
    AwaitingApproval,
    /// A frontend or rule of another owner on the controller's load balancer, or a consumer whom nobody named.
    Foreign,
}

impl Class {
    /// All classes, in order.
    pub const ALL: [Self; 16] = [
        Self::EditedInKubernetes,
        Self::NotApplied,
        Self::Missing,
        Self::ControllerFailed,
        Self::ControllerBehind,
        Self::ChangedInAzure,
        Self::DeletedInAzure,
        Self::ProvisioningFailed,
        Self::Recreated,
        Self::Disconnected,
        Self::ConsumerGone,
        Self::Unhealthy,
        Self::Orphan,
        Self::Unverified,
        Self::AwaitingApproval,
        Self::Foreign,
    ];

    /// Their names, in order.
    pub const NAMES: [&str; 16] = [
        Self::EditedInKubernetes.as_str(),
        Self::NotApplied.as_str(),
        Self::Missing.as_str(),
        Self::ControllerFailed.as_str(),
        Self::ControllerBehind.as_str(),
        Self::ChangedInAzure.as_str(),
        Self::DeletedInAzure.as_str(),
        Self::ProvisioningFailed.as_str(),
        Self::Recreated.as_str(),
        Self::Disconnected.as_str(),
        Self::ConsumerGone.as_str(),
        Self::Unhealthy.as_str(),
        Self::Orphan.as_str(),
        Self::Unverified.as_str(),
        Self::AwaitingApproval.as_str(),
        Self::Foreign.as_str(),
    ];

    /// The one of a name.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == name)
    }

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EditedInKubernetes => "edited-in-kubernetes",
            Self::NotApplied => "not-applied",
            Self::Missing => "missing",
            Self::ControllerFailed => "controller-failed",
            Self::ControllerBehind => "controller-behind",
            Self::ChangedInAzure => "changed-in-azure",
            Self::DeletedInAzure => "deleted-in-azure",
            Self::ProvisioningFailed => "provisioning-failed",
            Self::Recreated => "recreated",
            Self::Disconnected => "disconnected",
            Self::ConsumerGone => "consumer-gone",
            Self::Unhealthy => "unhealthy",
            Self::Orphan => "orphan",
            Self::Unverified => "unverified",
            Self::AwaitingApproval => "awaiting-approval",
            Self::Foreign => "foreign",
        }
    }

    /// What it is called beside its name, in words that follow an object.
    pub const fn word(self) -> &'static str {
        match self {
            Self::EditedInKubernetes => "edited",
            Self::NotApplied => "not applied",
            Self::Missing => "missing",
            Self::ControllerFailed | Self::ProvisioningFailed => "failed",
            Self::ControllerBehind => "not done yet",
            Self::ChangedInAzure => "changed",
            Self::DeletedInAzure => "deleted",
            Self::Recreated => "re-created",
            Self::Disconnected => "disconnected",
            Self::ConsumerGone => "gone",
            Self::Unhealthy => "not serving",
            Self::Orphan => "left over",
            Self::Unverified => "unverified",
            Self::AwaitingApproval => "pending",
            Self::Foreign => "of others",
        }
    }

    /// How urgent it is.
    pub const fn urgency(self) -> Urgency {
        match self {
            Self::Disconnected
            | Self::ConsumerGone
            | Self::Recreated
            | Self::Missing
            | Self::DeletedInAzure
            | Self::ControllerFailed
            | Self::ProvisioningFailed
            | Self::Unhealthy => Urgency::Broken,
            Self::EditedInKubernetes | Self::ChangedInAzure => Urgency::Edited,
            Self::NotApplied | Self::ControllerBehind | Self::Orphan => Urgency::Other,
            Self::Unverified | Self::AwaitingApproval | Self::Foreign => Urgency::Note,
        }
    }

    /// Its place among those of the same urgency: who is disconnected comes first.
    pub const fn rank(self) -> u8 {
        match self {
            Self::Disconnected => 0,
            Self::ConsumerGone => 1,
            Self::Recreated => 2,
            Self::Missing | Self::DeletedInAzure => 3,
            Self::ControllerFailed | Self::ProvisioningFailed => 4,
            _ => 5,
        }
    }

    /// How much it weighs.
    pub const fn weight(self) -> Weight {
        match self {
            Self::Unverified => Weight::Unverified,
            Self::AwaitingApproval | Self::Foreign => Weight::Note,
            _ => Weight::Drift,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_json() {
        for class in Class::ALL {
            assert_eq!(serde_json::to_value(class).unwrap(), class.as_str());
            assert_eq!(Class::find(class.as_str()), Some(class));
            assert!(Class::NAMES.contains(&class.as_str()));
        }
    }
}
