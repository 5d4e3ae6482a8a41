//! What is to be told of an input or a plan, one by one: diagnostics, findings and refusals alike.
use privlink_core::diagnostic::{Diagnostic, Place};
use privlink_core::plan::{Finding, Plan, Refusal};
use privlink_core::rule::{self, Code, Severity};

/// One thing to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Its stable code.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// What is so.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
    /// Where in the input it comes from.
    pub place: Option<Place>,
    /// The node it is about.
    pub address: Option<String>,
}

impl Notice {
    /// All that a plan tells: why it is refused, and what was found.
    pub fn of_plan(plan: &Plan) -> Vec<Self> {
        let refusals = plan
            .refusals
            .iter()
            .map(|refusal| Self { place: caused(plan, refusal), ..Self::from(refusal) });
        refusals.chain(plan.findings.iter().map(Self::from)).collect()
    }

    /// Message and help as one text.
    pub fn text(&self) -> String {
        let help = self.help.as_deref().unwrap_or_default();
        let mut rest = help.chars();
        match rest.next() {
            Some(first) => format!("{}. {}{}", self.message, first.to_uppercase(), rest.as_str()),
            None => format!("{}.", self.message),
        }
    }
}

impl From<&Diagnostic> for Notice {
    fn from(diagnostic: &Diagnostic) -> Self {
        Self {
            code: diagnostic.code,
            severity: diagnostic.severity,
            message: diagnostic.message.clone(),
            help: diagnostic.help.clone(),
            place: diagnostic.place(),
            address: None,
        }
    }
}

impl From<&Finding> for Notice {
    fn from(finding: &Finding) -> Self {
        Self {
            code: finding.code,
            severity: finding.severity,
            message: format!(
                "{}: {}{}",
                finding.address,
                finding.message,
                standing(finding.pre_existing)
            ),
            help: finding.help.clone(),
            place: finding.place.as_deref().and_then(place),
            address: Some(finding.address.to_string()),
        }
    }
}

impl From<&Refusal> for Notice {
    fn from(refusal: &Refusal) -> Self {
        Self {
            code: refusal.code,
            severity: Severity::Error,
            message: format!("refused: {}", refusal.message),
            help: Some(format!("Override: {}.", refusal.overridden_by)),
            place: None,
            address: None,
        }
    }
}

/// Where a refusal comes from: where a finding of its code is about its object, or else the edit that brings
/// the disconnects about.
fn caused(plan: &Plan, refusal: &Refusal) -> Option<Place> {
    let is_it = |it: &&Finding| {
        it.code == refusal.code && refusal.address.as_ref().is_none_or(|at| it.address == *at)
    };
    let found = plan.findings.iter().find(is_it).and_then(|it| it.place.as_deref());
    let edit = || plan.causes.iter().find_map(|it| it.place.as_deref());
    let is_cut = refusal.code == rule::TOO_MANY_DISCONNECTS;
    found.or_else(|| is_cut.then(edit)?).and_then(place)
}

/// What is added to a finding that is so before the plan.
pub(crate) const fn standing(pre_existing: bool) -> &'static str {
    if pre_existing { " (pre-existing; this plan neither causes nor worsens it)" } else { "" }
}

/// A place of the form `file:line:column`; the file may hold colons.
fn place(text: &str) -> Option<Place> {
    let mut parts = text.rsplitn(3, ':');
    let column = parts.next()?.parse().ok()?;
    let line = parts.next()?.parse().ok()?;
    Some(Place { file: parts.next()?.to_owned(), line, column })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_from_its_end() {
        let found = place("C:/a b:c.yaml:3:14").unwrap();
        assert_eq!((found.file.as_str(), found.line, found.column), ("C:/a b:c.yaml", 3, 14));
        assert_eq!(place("<stdin>"), None);
    }
}
