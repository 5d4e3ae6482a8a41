//! Rules: everything that privlink checks, each declared in one place.
//!
//! A rule is one declaration with [`rules!`], beside the check that applies it: its code and severity,
//! what it needs to see, what it rests on, what it means, what to do, and an example. The list of codes,
//! `explain CODE`, `docs/diagnostics.md` and the rules of SARIF are made from the declarations.

pub mod basis;
mod example;

pub use basis::Basis;
pub use example::{At, Example};

/// How bad it is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Something to know; nothing is wrong.
    Note,
    /// Works, but is deprecated or unwise.
    Warning,
    /// Would be refused or misread.
    Error,
}

impl Severity {
    /// The severity in lower case.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// The stable code of a rule, with the severity of what the rule finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code {
    name: &'static str,
    severity: Severity,
}

impl Code {
    /// The code of a rule; [`rules!`] declares them.
    pub const fn new(name: &'static str, severity: Severity) -> Self {
        Self { name, severity }
    }

    /// The code as it is printed.
    pub const fn as_str(self) -> &'static str {
        self.name
    }

    /// The severity it has unless `--strict` raises it.
    pub const fn severity(self) -> Severity {
        self.severity
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl serde::Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name)
    }
}

/// What a rule has to see. Which commands apply a rule follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Column {
    /// The input.
    Desired,
    /// What was observed in Kubernetes and Azure.
    Live,
    /// What the controller and Azure are predicted to make of it.
    Predicted,
    /// What the plan would change.
    Planned,
    /// How what is live differs from what is desired and from what the controller leaves.
    Differences,
    /// What identities may do, and what Azure has room for.
    Rights,
}

/// A rule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule {
    /// Its code, with its severity.
    pub code: Code,
    /// What it means, as Markdown: lines of text, paragraphs separated by an empty one.
    pub meaning: &'static str,
    /// What it has to see.
    pub needs: &'static [Column],
    /// What it rests on.
    pub basis: Basis,
    /// What to do about what it finds.
    pub advice: &'static str,
    /// Input that fires it, and a neighbour that does not.
    pub example: Example,
}

impl Rule {
    /// The commands in which it speaks: `validate` if the input alone shows it; `preflight` if it needs to
    /// know rights; `drift` if it needs the differences, or nothing but what is live; else `plan`, which
    /// applies the rules of `validate` too.
    pub fn commands(&self) -> &'static [&'static str] {
        let needs = |column| self.needs.contains(&column);
        if needs(Column::Rights) {
            &["preflight"]
        } else if needs(Column::Differences) {
            &["drift"]
        } else if needs(Column::Predicted) || needs(Column::Planned) {
            &["plan"]
        } else if needs(Column::Live) {
            &["plan", "drift"]
        } else {
            &["validate", "plan", "drift", "preflight"]
        }
    }

    /// What it means, on one line each paragraph.
    pub fn paragraphs(&self) -> impl Iterator<Item = String> {
        let paragraphs = self.meaning.split("\n\n");
        paragraphs.map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "))
    }
}

/// Declares rules: for each a constant with its code, and for all of them the list `RULES`.
///
/// ```text
/// rules! {
///     /// What it means, in Markdown.
///     PORT_CONFLICT = "port-conflict", Error, [Desired], {
///         basis: basis::CONTROLLER,
///         advice: "Give one of them another port.",
///         example: Example::new(At::Services, "...", "..."),
///     }
/// }
/// ```
#[macro_export]
macro_rules! rules {
    ($(
        $(#[doc = $doc:literal])+
        $name:ident = $code:literal, $severity:ident, [$($column:ident),+ $(,)?], {
            $($field:ident: $value:expr),+ $(,)?
        }
    )+) => {
        $(
            $(#[doc = $doc])+
            pub const $name: $crate::rule::Code =
                $crate::rule::Code::new($code, $crate::rule::Severity::$severity);
        )+

        /// The rules that are declared in this file.
        pub(crate) const RULES: &[$crate::rule::Rule] = &[$(
            $crate::rule::Rule {
                code: $name,
                meaning: concat!($($doc, "\n"),+),
                needs: &[$($crate::rule::Column::$column),+],
                $($field: $value),+
            }
        ),+];
    };
}

pub use crate::rules;

pub use crate::annotation::value::{
    ANNOTATION_OUT_OF_RANGE, INTERNAL_NOT_TRUE, LIST_SEPARATOR, MISREAD_BOOLEAN,
};
pub use crate::desired::annotation::relations::private_link::*;
pub use crate::desired::annotation::relations::*;
pub use crate::desired::annotation::{ANNOTATION_IGNORED, UNKNOWN_ANNOTATION, UNKNOWN_PORT};
pub use crate::desired::checks::*;
pub use crate::desired::duplicates::*;
pub use crate::desired::gateway::{GATEWAY_ASSUMED, GATEWAY_UNKNOWN, GATEWAY_WITHOUT_SERVICE};
pub use crate::desired::offer::{OFFER_MISSING, OFFER_NEEDS_MESSAGE, OFFER_NOT_VISIBLE};
pub use crate::desired::refusal::SERVICE_INVALID;
pub use crate::desired::resolve::*;
pub use crate::document::rules::*;
pub use crate::schema::rules::*;
pub use crate::yaml::rules::*;

/// The rules that the input alone is held against, in order of what is read.
pub const INPUT: &[&[Rule]] = &[
    crate::yaml::rules::RULES,
    crate::document::rules::RULES,
    crate::schema::rules::RULES,
    crate::desired::refusal::RULES,
    crate::desired::resolve::RULES,
    crate::desired::offer::RULES,
    crate::desired::gateway::RULES,
    crate::desired::duplicates::RULES,
    crate::desired::checks::RULES,
    crate::desired::annotation::RULES,
    crate::annotation::value::RULES,
    crate::desired::annotation::relations::RULES,
    crate::desired::annotation::relations::private_link::RULES,
];
