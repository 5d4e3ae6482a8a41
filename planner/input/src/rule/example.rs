//! Examples of rules: lines of YAML at a place of a small scene.

/// Where the lines of an example stand. The scene around them is a stack `shop`; beside what is named here
/// it has what that needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// They are a whole file.
    File,
    /// They are documents beside the Stack.
    Documents,
    /// In `spec` of the Stack, which has a Service `web` with a Private Link Service.
    Stack,
    /// In a Service `web`: annotations, and fields of `spec`.
    Service,
    /// The same, with a PrivateEndpoint `web-pe` to it.
    Connected,
    /// In two Services, `web` and `shop`.
    Services,
    /// In `spec` of a PrivateEndpoint `web-pe` to the Service `web`.
    Endpoint,
    /// In `spec` of two PrivateEndpoints, `web-pe` and `shop-pe`.
    Endpoints,
    /// In `spec` of an EndpointApproval for the Service `web`, to which a PrivateEndpoint `web-pe` leads.
    Approval,
    /// In what is live, in a flag or in an answer: no input says it.
    Live,
}

/// Input that fires a rule, and a neighbour that does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Example {
    /// Where the lines stand.
    pub at: At,
    /// The lines at that place that were applied before, if it takes a change to fire it.
    pub before: Option<&'static str>,
    /// The lines that fire the rule.
    pub fires: &'static str,
    /// Lines beside them that do not; empty for what no input says.
    pub neighbour: &'static str,
}

impl Example {
    /// Lines that fire a rule, and lines beside them that do not.
    pub const fn new(at: At, fires: &'static str, neighbour: &'static str) -> Self {
        Self { at, before: None, fires, neighbour }
    }

    /// Lines that fire a rule, and lines that do not, where others were applied before.
    pub const fn change(
        before: &'static str,
        fires: &'static str,
        neighbour: &'static str,
    ) -> Self {
        Self { at: At::Service, before: Some(before), fires, neighbour }
    }

    /// What fires a rule and is in no input.
    pub const fn live(fires: &'static str) -> Self {
        Self { at: At::Live, before: None, fires, neighbour: "" }
    }

    /// The lines that fire the rule.
    pub fn firing(&self) -> String {
        without_indent(self.fires)
    }

    /// The lines that do not; nothing if no input says it.
    pub fn sparing(&self) -> Option<String> {
        (!self.neighbour.is_empty()).then(|| without_indent(self.neighbour))
    }

    /// What was applied before.
    pub fn applied(&self) -> Option<String> {
        self.before.map(without_indent)
    }

    /// At another place.
    #[must_use]
    pub const fn at(self, at: At) -> Self {
        Self { at, ..self }
    }
}

/// Lines without the indentation that they share, and without empty ones around them.
fn without_indent(text: &str) -> String {
    let lines: Vec<&str> =
        text.trim_end().lines().skip_while(|line| line.trim().is_empty()).collect();
    let indent = |line: &&str| line.len() - line.trim_start().len();
    let shared = lines.iter().filter(|line| !line.trim().is_empty()).map(indent).min();
    let cut = |line: &&str| line.get(shared.unwrap_or_default()..).unwrap_or_default().to_owned();
    lines.iter().map(cut).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_lose_the_indentation_of_the_declaration() {
        assert_eq!(without_indent("\n    a:\n      b: 1\n    "), "a:\n  b: 1");
        assert_eq!(without_indent("a: 1"), "a: 1");
    }
}
