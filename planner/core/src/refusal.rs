//! What a safety rule holds against a plan, and what overrides it.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::node_id::NodeId;
use crate::rule::Code;

/// A safety rule that does not let the plan be carried out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// The rule's code.
    #[schemars(with = "String")]
    #[serde(deserialize_with = "crate::rule::deserialize")]
    pub code: Code,
    /// The object it is about; nothing, if it is about the plan as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<NodeId>,
    /// What it holds against the plan.
    pub message: String,
    /// What overrides it.
    pub overridden_by: Override,
}

/// What overrides a refusal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Override {
    /// A flag does.
    Flag {
        /// The flag with its value.
        flag: String,
        /// The fields of the Stack that do the same for good, if there are any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fields: Option<String>,
    },
    /// Nothing does.
    Never {
        /// What to do instead.
        instead: String,
    },
}

impl Override {
    /// A flag, with its value.
    pub fn flag(flag: impl Into<String>) -> Self {
        Self::Flag { flag: flag.into(), fields: None }
    }

    /// A flag, or fields of the Stack.
    pub fn flag_or(flag: impl Into<String>, fields: impl Into<String>) -> Self {
        Self::Flag { flag: flag.into(), fields: Some(fields.into()) }
    }

    /// Nothing; what to do instead.
    pub fn never(instead: impl Into<String>) -> Self {
        Self::Never { instead: instead.into() }
    }
}

impl fmt::Display for Override {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag { flag, fields: None } => out.write_str(flag),
            Self::Flag { flag, fields: Some(fields) } => {
                write!(out, "{flag}, or {fields} of the Stack")
            }
            Self::Never { instead } => write!(out, "not possible: {instead}"),
        }
    }
}

impl Refusal {
    /// A refusal that is about one object.
    pub fn of(
        code: Code,
        address: &NodeId,
        message: impl Into<String>,
        overridden_by: Override,
    ) -> Self {
        Self { code, address: Some(address.clone()), message: message.into(), overridden_by }
    }

    /// A refusal that is about the plan as a whole.
    pub fn of_plan(code: Code, message: impl Into<String>, overridden_by: Override) -> Self {
        Self { code, address: None, message: message.into(), overridden_by }
    }

    /// The flag that overrides it, with its value.
    pub fn flag(&self) -> Option<&str> {
        match &self.overridden_by {
            Override::Flag { flag, .. } => Some(flag),
            Override::Never { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_override_is_read_back_as_it_was_written() {
        for it in [
            Override::flag("--adopt"),
            Override::flag_or("--max-deletes 3", "maxDeletes"),
            Override::never("make it readable"),
        ] {
            let text = serde_json::to_string(&it).unwrap();
            assert_eq!(serde_json::from_str::<Override>(&text).unwrap(), it, "{text}");
        }
    }
}
