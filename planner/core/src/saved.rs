//! Saved plans: a plan in a file, with what it is bound to, and a seal that shows whether somebody
//! changed it.

mod explained;
mod payload;
mod unknowns;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::plan::Plan;
use crate::staleness::Binding;

/// The version of the file's format. Minor: a new optional field; major: all else.
pub const FORMAT_VERSION: &str = "3.0";

/// A plan to be carried out as it is. In `bindings` and `plan`, a text of which a part is unknown until something else
/// is created is `{"$unknown": ["pls-a", {"what": "uid", "of": "default/web"}, "-TCP-80"]}`, and an object with such
/// names is `{"$fields": [[NAME, VALUE]]}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SavedPlan {
    /// See [`FORMAT_VERSION`].
    pub format_version: String,
    /// The SHA-256 of the rest, in hexadecimal.
    pub digest: String,
    /// The subscription of the cluster.
    pub subscription: String,
    /// The kubeconfig context it was made with, if one was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// Whether the stack has no cluster.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub without_cluster: bool,
    /// Where it was made; absent if it was made from a saved observation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub home: Option<Home>,
    /// The lists it was made from, to be read again.
    pub lists: Vec<String>,
    /// The objects it is about, as they were.
    pub bindings: Vec<Binding>,
    /// The plan.
    pub plan: Plan,
}

/// Which cluster and which Azure a plan was made against. It is carried out nowhere else: an address in
/// it may mean another object there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Home {
    /// The uid of the cluster's namespace `kube-system`, where it can be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// ARM's endpoint; absent in a sandbox, which has another each time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arm: Option<String>,
    /// The cluster's subscription, as Azure shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscription: Option<String>,
    /// The tenant that the subscription is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
}

impl Home {
    /// Why what was made here is not carried out there; nothing where both are the same. What was known
    /// when it was made must be known there.
    pub fn differs_from(&self, there: &Self) -> Option<String> {
        if let (None, Some(there)) = (&self.arm, &there.arm) {
            return Some(format!("it was made in a sandbox, and this is Azure at {there}"));
        }
        if let (Some(here), None) = (&self.arm, &there.arm) {
            return Some(format!("it was made for Azure at {here}, and this is a sandbox"));
        }
        let parts = [
            ("Azure at", &self.arm, &there.arm),
            ("tenant", &self.tenant, &there.tenant),
            ("subscription", &self.subscription, &there.subscription),
            ("cluster whose kube-system has the uid", &self.cluster, &there.cluster),
        ];
        parts.into_iter().find_map(|(what, here, there)| match (here, there) {
            (Some(here), Some(there)) if !here.eq_ignore_ascii_case(there) => {
                Some(format!("it was made for the {what} {here}, and this is {there}"))
            }
            (Some(here), None) => {
                Some(format!("it was made for the {what} {here}, and what this is cannot be read"))
            }
            _ => None,
        })
    }
}

/// Why a file is no plan to carry out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsound {
    /// It is not JSON, or ends too early.
    #[error("it is not a saved plan: {0}")]
    Broken(String),
    /// A text in it is not as one is saved that is unknown in part.
    #[error("it holds an unknown value in a form that is not saved: {0}")]
    Unknown(String),
    /// Another version made it.
    #[error("it is of format {0}, and this version reads {FORMAT_VERSION}")]
    OtherVersion(String),
    /// Its digest does not match.
    #[error("it was changed after it was saved: its digest does not match")]
    Changed,
    /// What it does is not what it shows.
    #[error("its steps do what its changes do not show: {0}")]
    Unexplained(String),
}

impl SavedPlan {
    /// Seals a plan.
    #[must_use]
    pub fn sealed(mut self) -> Self {
        self.digest = self.computed_digest();
        self
    }

    fn computed_digest(&self) -> String {
        let unsealed = Self { digest: String::new(), ..self.clone() };
        hex(&unsealed.to_value())
    }

    /// The plan as it stands in the file.
    fn to_value(&self) -> Value {
        unknowns::typed(serde_json::to_value(self).unwrap_or_default())
    }

    /// The file's text.
    pub fn to_text(&self) -> String {
        let text = serde_json::to_string_pretty(&self.to_value()).unwrap_or_default();
        format!("{text}\n")
    }

    /// Reads a file's text.
    ///
    /// # Errors
    ///
    /// See [`Unsound`].
    pub fn parse(text: &str) -> Result<Self, Unsound> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Head {
            format_version: String,
        }
        let broken = |error: serde_json::Error| Unsound::Broken(error.to_string());
        let head: Head = serde_json::from_str(text).map_err(broken)?;
        let major = |version: &str| version.split('.').next().map(ToOwned::to_owned);
        if major(&head.format_version) != major(FORMAT_VERSION) {
            return Err(Unsound::OtherVersion(head.format_version));
        }
        let value = serde_json::from_str(text).map_err(broken)?;
        let value = unknowns::untyped(value).map_err(Unsound::Unknown)?;
        let saved: Self = serde_json::from_value(value).map_err(broken)?;
        if saved.digest != saved.computed_digest() {
            return Err(Unsound::Changed);
        }
        match explained::first_gap(&saved) {
            Some(gap) => Err(Unsound::Unexplained(gap)),
            None => Ok(saved),
        }
    }
}

/// The digest of a plan alone, the same before and after it was saved.
pub fn digest(plan: &Plan) -> String {
    hex(&unknowns::typed(serde_json::to_value(plan).unwrap_or_default()))
}

/// The SHA-256 of a value. Maps keep their order through a file, so the same value gives the same bytes.
fn hex(value: &Value) -> String {
    let bytes = serde_json::to_vec(value).unwrap_or_default();
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{self, Mode};

    fn saved() -> SavedPlan {
        let plan = Plan {
            format_version: plan::FORMAT_VERSION.into(),
            tool_version: "0".into(),
            stack: "shop".into(),
            mode: Mode::Apply,
            ..Plan::default()
        };
        SavedPlan {
            format_version: FORMAT_VERSION.into(),
            digest: String::new(),
            subscription: "s".into(),
            context: None,
            without_cluster: false,
            home: None,
            lists: vec!["/a".into()],
            bindings: Vec::new(),
            plan,
        }
        .sealed()
    }

    #[test]
    fn a_saved_plan_is_read_as_it_was() {
        assert_eq!(SavedPlan::parse(&saved().to_text()), Ok(saved()));
    }

    #[test]
    fn unknowns_are_saved_typed_and_never_as_characters() {
        use crate::unknown::{is_reserved, mark};
        let mut plan = saved();
        plan.plan.stack = format!("a{}", mark("uid", "default/web"));
        let plan = plan.sealed();
        let text = plan.to_text();
        assert!(!text.contains(is_reserved), "{text}");
        assert_eq!(SavedPlan::parse(&text), Ok(plan.clone()));
        let raw = serde_json::to_string(&plan).unwrap();
        assert!(matches!(SavedPlan::parse(&raw), Err(Unsound::Unknown(_))));
    }

    #[test]
    fn a_changed_plan_is_refused() {
        let text = saved().to_text().replace("\"shop\"", "\"shops\"");
        assert_eq!(SavedPlan::parse(&text), Err(Unsound::Changed));
    }

    #[test]
    fn a_home_is_told_from_another_by_each_of_its_parts() {
        let home = |cluster: &str, arm: &str, subscription: &str, tenant: &str| Home {
            cluster: Some(cluster.into()),
            arm: Some(arm.into()),
            subscription: Some(subscription.into()),
            tenant: Some(tenant.into()),
        };
        let here = home("c", "a", "s", "t");
        assert_eq!(here.differs_from(&home("c", "A", "S", "t")), None);
        for (there, word) in [
            (home("x", "a", "s", "t"), "c, and this is x"),
            (home("c", "x", "s", "t"), "a, and this is x"),
            (home("c", "a", "x", "t"), "s, and this is x"),
            (home("c", "a", "s", "x"), "t, and this is x"),
            (Home { arm: None, ..here.clone() }, "a, and this is a sandbox"),
            (Home { tenant: None, ..here.clone() }, "cannot be read"),
        ] {
            let why = here.differs_from(&there).unwrap();
            assert!(why.contains(word), "{why}");
        }
        assert!(Home::default().differs_from(&here).unwrap().contains("in a sandbox"));
    }

    #[test]
    fn a_plan_cut_short_or_of_another_version_is_refused() {
        let text = saved().to_text();
        let cut = text.get(..text.len() / 2).unwrap();
        assert!(matches!(SavedPlan::parse(cut), Err(Unsound::Broken(_))));
        let newer = text.replacen(&format!("\"{FORMAT_VERSION}\""), "\"99.0\"", 1);
        assert_eq!(SavedPlan::parse(&newer), Err(Unsound::OtherVersion("99.0".into())));
    }
}
