//! Documents: our kinds and Services, decoded from YAML with every value's place.
//!
//! [`parse`] never stops at the first problem: it collects all of them, and keeps whatever of the
//! input is sound, so that a broken document does not hide the problems of the next.

mod decode;
mod gateway;
mod maker;
pub mod offer;
mod passed;
pub mod place;
mod reader;
pub(crate) mod rules;
mod service;
mod shapes;
mod types;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::diagnostic::{Diagnostic, Source, Span};
use crate::rule::{self, Severity};
use crate::schema::{self, Object, Shape};
use crate::yaml::{self, Node, Value};
pub use gateway::{Gateway, GatewayClass, Gateways, Http3, Parameters, ParametersRef};
pub use maker::Maker;
pub use offer::{Offer, Offers};
pub use passed::Passed;
use reader::Reader;
pub use service::{Annotation, Port, Service, ServiceSpec};
pub use shapes::{ENDPOINT_APPROVAL, OFFER, PRIVATE_ENDPOINT, SERVICE, STACK};
pub use types::{
    Admitted, AllowedDisconnect, Approval, Consumer, Dns, EndpointApproval, EndpointTarget, Facts,
    IgnoredDrift, Policy, PrivateEndpoint, ServiceRef, Services, Stack, Subnet, Target,
};

/// What was read: documents by kind, in the order of the text, and everything wrong with them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Documents {
    /// Stacks; a good input has at most one.
    pub stacks: Vec<Stack>,
    /// Services.
    pub services: Vec<Service>,
    /// Private endpoints.
    pub endpoints: Vec<PrivateEndpoint>,
    /// Approvals.
    pub approvals: Vec<EndpointApproval>,
    /// Offers that endpoints may name.
    pub offers: Offers,
    /// Documents of other kinds that make Services, and namespaces.
    pub makers: Vec<Maker>,
    /// Gateways, with what decides about their Services.
    pub gateways: Gateways,
    /// Names in documents that were too broken to keep: a reference to one of them is not missing.
    pub broken_names: BTreeSet<String>,
    /// What is wrong.
    pub diagnostics: Vec<Diagnostic>,
}

impl Documents {
    /// Adds what another source held.
    pub fn append(&mut self, other: Self) {
        let Self {
            stacks,
            services,
            endpoints,
            approvals,
            offers,
            makers,
            gateways,
            broken_names,
            diagnostics,
        } = other;
        self.stacks.extend(stacks);
        self.services.extend(services);
        self.endpoints.extend(endpoints);
        self.approvals.extend(approvals);
        self.offers.all.extend(offers.all);
        self.offers.unread.extend(offers.unread);
        self.makers.extend(makers);
        self.gateways.append(gateways);
        self.broken_names.extend(broken_names);
        self.diagnostics.extend(diagnostics);
    }
}

/// Reads all documents of a source.
pub fn parse(source: &Arc<Source>) -> Documents {
    let mut parse = Parse { source, documents: Documents::default(), skipped: BTreeMap::new() };
    for document in yaml::documents(source) {
        let mut problems = document.problems;
        match &document.root {
            Some(root) => {
                if parse.document(root) == Read::Skipped {
                    // Somebody else's document: what is wrong with it stops nobody here.
                    for problem in &mut problems {
                        problem.severity = problem.severity.min(Severity::Warning);
                    }
                }
            }
            None if problems.is_empty() => {}
            None => parse.documents.broken_names.extend(names_in(document.text)),
        }
        parse.documents.diagnostics.extend(problems);
    }
    parse.note_skipped();
    parse.documents
}

/// Words behind `name:` in a text that is not YAML.
fn names_in(text: &str) -> impl Iterator<Item = String> {
    text.split("name:").skip(1).filter_map(|rest| {
        let word = rest.split_whitespace().next()?;
        Some(word.trim_matches(['"', '\'', ',', '}', '{']).to_owned())
    })
}

/// An item of a list that does not say what it is, with the kind and the version that the list says of it, as
/// `decodeToList` of apimachinery reads it. Nothing if it says both, or the list does not.
fn typed<'a>(list: &Node<'a>, item: &Node<'a>) -> Option<Node<'a>> {
    let says = |name: &str| item.get(name).and_then(Node::as_str).is_some_and(|it| !it.is_empty());
    let kind = list.get("kind")?;
    let name = kind.as_str()?.strip_suffix("List").filter(|name| !name.is_empty())?;
    let Value::Mapping(entries) = &item.value else { return None };
    if says("kind") && says("apiVersion") {
        return None;
    }
    let entry = |name: &'static str, value: Node<'a>| yaml::Entry {
        key: name.into(),
        key_range: value.range,
        value,
    };
    let name = Value::Text(name.to_owned().into());
    let version = list.get("apiVersion")?.clone();
    let mut typed =
        vec![entry("apiVersion", version), entry("kind", Node { range: kind.range, value: name })];
    let rest = entries.iter().filter(|it| !["apiVersion", "kind"].contains(&it.key.as_ref()));
    typed.extend(rest.cloned());
    Some(Node { range: item.range, value: Value::Mapping(typed) })
}

/// What became of a document.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Read {
    /// It is one of ours, sound or not.
    Ours,
    /// It is of a kind that is not looked at.
    Skipped,
}

struct Parse<'a> {
    source: &'a Arc<Source>,
    documents: Documents,
    /// How many documents of other kinds there were, and where the first is.
    skipped: BTreeMap<String, (usize, Span)>,
}

impl Parse<'_> {
    fn document(&mut self, node: &Node<'_>) -> Read {
        let kind = node.get("kind").and_then(Node::as_str);
        let version = node.get("apiVersion").and_then(Node::as_str);
        let (Some(kind), Some(version)) = (kind, version) else {
            self.not_a_manifest(node);
            return Read::Ours;
        };
        let group = version.split_once('/').map_or("", |(group, _)| group);
        if kind.ends_with("List") && (node.get("items").is_some() || (group, kind) == ("", "List"))
        {
            return self.list(node);
        }
        match (group, kind) {
            ("", "Service") => self.service(node),
            ("privlink.dev", "Stack") => {
                self.keep(node, &STACK, decode::stack, |documents| &mut documents.stacks);
            }
            ("privlink.dev", "PrivateEndpoint") => {
                self.keep(node, &PRIVATE_ENDPOINT, decode::private_endpoint, |documents| {
                    &mut documents.endpoints
                });
            }
            ("privlink.dev", "EndpointApproval") => {
                self.keep(node, &ENDPOINT_APPROVAL, decode::endpoint_approval, |documents| {
                    &mut documents.approvals
                });
            }
            ("privlink.dev", "Offer") => {
                self.keep(node, &OFFER, offer::offer, |documents| &mut documents.offers.all);
            }
            _ => return self.other(node, group, kind),
        }
        Read::Ours
    }

    /// The items of a list, of whatever kind: the API server names the kind of items in plain lists only.
    fn list(&mut self, node: &Node<'_>) -> Read {
        let items = node.get("items").map(Node::items).unwrap_or_default();
        let mut skipped = 0;
        for item in items {
            let read = match typed(node, item) {
                Some(item) => self.document(&item),
                None => self.document(item),
            };
            skipped += usize::from(read == Read::Skipped);
        }
        if !items.is_empty() && skipped == items.len() { Read::Skipped } else { Read::Ours }
    }

    /// Checks a document against its table, and keeps it if its indispensable parts are sound.
    fn keep<T>(
        &mut self,
        node: &Node<'_>,
        object: &'static Object,
        decode: fn(Reader<'_>) -> Option<T>,
        list: fn(&mut Documents) -> &mut Vec<T>,
    ) {
        let shape = Shape::Object(object);
        schema::check(self.source, node, &shape, &mut self.documents.diagnostics);
        match decode(Reader { source: self.source, node }) {
            Some(document) => list(&mut self.documents).push(document),
            None => {
                let name = node.get("metadata").and_then(|metadata| metadata.get("name"));
                let name = name.and_then(Node::as_str).map(ToOwned::to_owned);
                self.documents.broken_names.extend(name);
            }
        }
    }

    fn service(&mut self, node: &Node<'_>) {
        self.keep(node, &SERVICE, service::service, |documents| &mut documents.services);
    }

    /// A document of another kind: skipped, unless it looks like a misspelt one of ours.
    fn other(&mut self, node: &Node<'_>, group: &str, kind: &str) -> Read {
        const OURS: [&str; 4] = ["Stack", "PrivateEndpoint", "EndpointApproval", "Offer"];
        let span_of = |name: &str| {
            let value = node.get(name).map_or(node.range, |value| value.range);
            value.span(self.source)
        };
        let close_group = group.starts_with("privlink")
            || schema::closest(group, ["privlink.dev"].into_iter()).is_some();
        if group == "privlink.dev" || (close_group && OURS.contains(&kind)) {
            let is_group = group != "privlink.dev";
            let (wrong, help) = if is_group {
                ("apiVersion", format!("did you mean `{}`?", shapes::API_VERSION))
            } else {
                let help = match schema::closest(kind, OURS.into_iter()) {
                    Some(name) => format!("did you mean `{name}`?"),
                    None => format!("its kinds are {}", OURS.join(", ")),
                };
                ("kind", help)
            };
            let message = if is_group {
                format!("there is no kind `{kind}` in `{group}`")
            } else {
                format!("privlink.dev has no kind `{kind}`")
            };
            let problem = Diagnostic::new(rule::UNKNOWN_KIND, message).at(&span_of(wrong), "");
            self.documents.diagnostics.push(problem.help(help));
            return Read::Ours;
        }
        if group.is_empty() && kind.eq_ignore_ascii_case("Service") {
            let problem =
                Diagnostic::new(rule::UNKNOWN_KIND, format!("Kubernetes has no kind `{kind}`"))
                    .at(&span_of("kind"), "")
                    .help("did you mean `Service`?");
            self.documents.diagnostics.push(problem);
            return Read::Ours;
        }
        // Groups of custom resources are domains; Kubernetes' own have a Service in none but the core.
        if kind == "Service" && !group.contains('.') {
            let message = format!("there is no kind `Service` in `{group}`");
            let problem = Diagnostic::new(rule::UNKNOWN_KIND, message)
                .at(&span_of("apiVersion"), "")
                .help("write `apiVersion: v1`: the core group has no name");
            self.documents.diagnostics.push(problem);
            return Read::Ours;
        }
        let reader = Reader { source: self.source, node };
        self.documents.makers.extend(maker::maker(reader, group, kind));
        let into = &mut self.documents.gateways;
        if gateway::read(reader, (group, kind), passed::passed_below, into) {
            return Read::Ours;
        }
        let span = span_of("kind");
        // A Service of another group is no Service.
        let kind = if kind == "Service" { format!("{kind}.{group}") } else { kind.to_owned() };
        self.skipped.entry(kind).or_insert((0, span)).0 += 1;
        Read::Skipped
    }

    fn not_a_manifest(&mut self, node: &Node<'_>) {
        let message = match &node.value {
            Value::Mapping(_) => {
                let missing: Vec<&str> = ["apiVersion", "kind"]
                    .into_iter()
                    .filter(|name| node.get(name).and_then(Node::as_str).is_none())
                    .collect();
                format!("the document has no {}", missing.join(" and no "))
            }
            _ => format!("the document is {}, not a mapping", node.type_name()),
        };
        self.documents.diagnostics.push(
            Diagnostic::new(rule::NOT_A_MANIFEST, message)
                .at(&node.range.span(self.source), "this document")
                .help(
                    "write a Kubernetes manifest; keep other YAML, such as Helm values, out of the \
                     input",
                ),
        );
        self.documents.broken_names.extend(names_in(node.range.text(self.source)));
    }

    fn note_skipped(&mut self) {
        let Some(first) = self.skipped.values().map(|(_, span)| span.clone()).min() else { return };
        let count: usize = self.skipped.values().map(|(count, _)| count).sum();
        let kinds: Vec<String> =
            self.skipped.iter().map(|(kind, (count, _))| format!("{count} {kind}")).collect();
        let noun = if count == 1 { "document" } else { "documents" };
        let message = format!("skipped {count} {noun} of other kinds: {}", kinds.join(", "));
        let label = if count == 1 { "" } else { "the first" };
        self.documents
            .diagnostics
            .push(Diagnostic::new(rule::SKIPPED_KIND, message).at(&first, label));
    }
}

#[cfg(test)]
mod tests;
