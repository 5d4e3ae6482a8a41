//! Files that privlink itself wrote: plans, snapshots, worlds and journals often lie beside desired state.

use serde::Deserialize;
use serde::de::IgnoredAny;

/// What privlink wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Artefact {
    /// `plan --out`.
    SavedPlan,
    /// `plan -o json`.
    Plan,
    /// `observe`.
    Snapshot,
    /// A sandbox's world.
    World,
    /// A journal, or what `apply -o json` writes.
    Journal,
}

/// The fields that tell artefacts from manifests and from each other.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    format_version: Option<IgnoredAny>,
    digest: Option<IgnoredAny>,
    plan: Option<IgnoredAny>,
    tool_version: Option<IgnoredAny>,
    taken_at: Option<IgnoredAny>,
    allocator: Option<IgnoredAny>,
    at: Option<IgnoredAny>,
    kind: Option<IgnoredAny>,
    api_version: Option<IgnoredAny>,
}

impl Artefact {
    /// What a file is, if privlink wrote it.
    pub(crate) fn of(bytes: &[u8]) -> Option<Self> {
        if bytes.first() != Some(&b'{') {
            return None;
        }
        // A journal has one event a line; everything else is one value.
        let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let head: Head =
            serde_json::from_slice(line).or_else(|_| serde_json::from_slice(bytes)).ok()?;
        if head.api_version.is_some() {
            return None;
        }
        if head.at.is_some() && head.kind.is_some() {
            return Some(Self::Journal);
        }
        head.format_version?;
        match head {
            Head { digest: Some(_), plan: Some(_), .. } => Some(Self::SavedPlan),
            Head { tool_version: Some(_), .. } => Some(Self::Plan),
            Head { taken_at: Some(_), .. } => Some(Self::Snapshot),
            Head { allocator: Some(_), .. } => Some(Self::World),
            _ => None,
        }
    }

    /// What it is, for a person.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::SavedPlan => "a saved plan",
            Self::Plan => "a plan as JSON",
            Self::Snapshot => "a snapshot",
            Self::World => "a sandbox's world",
            Self::Journal => "a journal",
        }
    }

    /// What it is good for.
    pub(crate) const fn help(self) -> &'static str {
        match self {
            Self::SavedPlan => {
                "`privlink apply FILE` carries it out, `privlink show FILE` shows it."
            }
            Self::Plan => {
                "A plan as JSON is for programs to read; `plan --out` saves one to apply."
            }
            Self::Snapshot => "`--observed FILE` plans from it.",
            Self::World => "`--sandbox=FILE` uses it.",
            Self::Journal => "`privlink show FILE` shows the outcome of the run.",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifests_are_no_artefacts() {
        let manifest = br#"{"apiVersion": "v1", "kind": "Service", "at": 1}"#;
        assert_eq!(Artefact::of(manifest), None);
        assert_eq!(Artefact::of(b"at: 1\nkind: x\n"), None);
    }

    #[test]
    fn a_journal_is_known_by_its_first_line() {
        let journal = b"{\"at\": \"now\", \"kind\": \"ended\"}\n{\"at\": \"n";
        assert_eq!(Artefact::of(journal), Some(Artefact::Journal));
    }
}
