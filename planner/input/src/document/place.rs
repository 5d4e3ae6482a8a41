//! Where a field of an object was written, found when it is asked for: most objects have nothing wrong
//! with them, and places for all their fields would be most of what is kept of them.

use crate::diagnostic::Span;
use crate::yaml::{self, Node, Range};

/// Where a field, or what would hold it, was written.
#[derive(Clone, Debug)]
pub struct Place {
    /// The place.
    pub span: Span,
    /// Whether the field itself is there, and not only what would hold it.
    pub is_exact: bool,
    range: Range,
}

impl Place {
    /// Whether another place lies within it.
    pub fn holds(&self, other: &Span) -> bool {
        self.span.source() == other.source() && self.range.holds(other.start())
    }
}

/// The place of a field such as `spec.ports[0].name` of the object whose `metadata.name` was written at
/// `name`. `value`: the key or the value that is meant, where the field is a mapping.
pub fn place(name: &Span, field: &str, value: Option<&str>) -> Option<Place> {
    let source = name.source();
    let documents: Vec<_> = yaml::documents(source).collect();
    let roots = documents.iter().filter_map(|document| document.root.as_ref());
    let mut node = roots.flat_map(objects).find(|object| {
        let own = object.get("metadata").and_then(|metadata| metadata.get("name"));
        own.is_some_and(|own| own.range.span(source).start() == name.start())
    })?;
    let mut range = node.range;
    let mut exact = true;
    for step in steps(field) {
        let next = match step {
            Step::Item(index) => node.items().get(index),
            Step::Field(name) => {
                let same = |entry: &&yaml::Entry<'_>| entry.key.eq_ignore_ascii_case(name);
                node.entries().iter().find(same).map(|entry| &entry.value)
            }
        };
        let Some(next) = next else {
            exact = false;
            break;
        };
        (node, range) = (next, next.range);
    }
    if let Some(value) = value.filter(|_| exact) {
        for entry in node.entries() {
            if entry.key == value {
                range = entry.key_range;
            } else if entry.value.as_str() == Some(value) {
                range = entry.value.range;
            }
        }
    }
    Some(Place { span: range.span(source), is_exact: exact, range })
}

/// An object, or the objects of a list.
fn objects<'a>(node: &'a Node<'a>) -> Vec<&'a Node<'a>> {
    match node.get("items") {
        Some(items) => items.items().iter().flat_map(objects).collect(),
        None => vec![node],
    }
}

enum Step<'a> {
    Field(&'a str),
    Item(usize),
}

/// The steps of `spec.ports[0].name`. A key in brackets is a step as well.
fn steps(field: &str) -> Vec<Step<'_>> {
    let mut steps = Vec::new();
    let mut rest = field;
    while !rest.is_empty() {
        if let Some((key, after)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            let key = key.trim_matches('"');
            steps.push(key.parse().map_or(Step::Field(key), Step::Item));
            rest = after.strip_prefix('.').unwrap_or(after);
            continue;
        }
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        steps.push(Step::Field(name));
        rest = after.strip_prefix('.').unwrap_or(after);
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Source;
    use crate::document::parse;

    const TEXT: &str = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Service\n  \
                        metadata: {name: a}\n- apiVersion: v1\n  kind: Service\n  metadata:\n    name: b\n    \
                        annotations: {a/b/c: x}\n  spec:\n    ports:\n    - {port: 80}\n    - {port: 81, name: X}\n";

    fn at(field: &str, value: Option<&str>) -> String {
        let source = Source::new("a.yaml", TEXT).unwrap();
        let services = parse(&source).services;
        let place = place(&services[1].name.span, field, value).unwrap();
        place.span.text().to_owned()
    }

    #[test]
    fn a_field_is_found_in_the_object_of_that_name() {
        assert_eq!(at("spec.ports[1].name", None), "X");
        assert_eq!(at("metadata.annotations", Some("a/b/c")), "a/b/c");
        assert_eq!(at("metadata.annotations[a/b/c]", None), "x");
    }

    #[test]
    fn what_is_not_there_is_where_it_would_be() {
        assert_eq!(at("spec.ports[0].name", None), "{port: 80}");
        assert_eq!(at("spec.clusterIPs[0]", None), "ports:");
    }
}
