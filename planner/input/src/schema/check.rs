//! Comparing a tree with its table.

use std::fmt;
use std::sync::Arc;

use super::{Field, Object, Rule, Shape};
use crate::diagnostic::{Diagnostic, Source};
use crate::rule::{self, Code};
use crate::yaml::{self, Node, Range, Value};

/// Reports everything in a document that does not fit its shape.
pub fn check(
    source: &Arc<Source>,
    document: &Node<'_>,
    shape: &Shape,
    problems: &mut Vec<Diagnostic>,
) {
    Check { source, problems }.node(document, shape, Path::Document);
}

/// What the user calls a place: `spec.ports[0].port`. Made into text only when it is shown.
#[derive(Clone, Copy)]
enum Path<'a> {
    Document,
    Field(&'a Path<'a>, &'a str),
    Item(&'a Path<'a>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Document => Ok(()),
            Self::Field(Path::Document, name) => f.write_str(name),
            Self::Field(parent, name) => write!(f, "{parent}.{name}"),
            Self::Item(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

struct Check<'a, 'p> {
    source: &'a Arc<Source>,
    problems: &'p mut Vec<Diagnostic>,
}

impl Check<'_, '_> {
    fn node(&mut self, node: &Node<'_>, shape: &Shape, path: Path<'_>) {
        match (shape, &node.value) {
            (Shape::Any, _) | (Shape::Boolean, Value::Bool(_)) => {}
            (Shape::IntegerOrText, Value::Int(_) | Value::Text(_)) => {}
            (Shape::Text(rule), Value::Text(text)) => {
                if let Err(refusal) = rule.check(text) {
                    let label = format!("in `{path}`");
                    self.report(refusal.code, &refusal.message, node.range, label, refusal.help);
                }
            }
            (Shape::Integer { min, max }, Value::Int(number)) => {
                if !(min..=max).contains(&number) {
                    let message = format!("`{path}` is {number}");
                    let help = format!("it can be {min} to {max}");
                    self.report(rule::OUT_OF_RANGE, &message, node.range, String::new(), help);
                }
            }
            (Shape::Object(object), Value::Mapping(_)) => self.object(node, object, path),
            (Shape::List(of, most), Value::Sequence(items)) => {
                if items.len() > *most {
                    let message = format!("`{path}` has {} entries", items.len());
                    let help = format!("it can have {most} at most");
                    self.report(rule::OUT_OF_RANGE, &message, node.range, String::new(), help);
                }
                for (index, item) in items.iter().enumerate() {
                    self.node(item, of, Path::Item(&path, index));
                }
            }
            (Shape::TextMap, Value::Mapping(_)) => self.text_map(node, path, rule::WRONG_TYPE),
            (Shape::Annotations, Value::Mapping(_)) => {
                self.text_map(node, path, rule::ANNOTATION_NOT_TEXT);
            }
            _ => self.wrong_type(node, shape, path),
        }
    }

    fn object(&mut self, node: &Node<'_>, object: &Object, path: Path<'_>) {
        let present =
            |field: &Field| node.get(field.name).filter(|value| value.value != Value::Null);
        for entry in node.entries() {
            let Some(field) = object.fields.iter().find(|field| field.name == entry.key) else {
                self.unknown_field(object, &entry.key, entry.key_range, path);
                continue;
            };
            if entry.value.value != Value::Null {
                self.node(&entry.value, &field.shape, Path::Field(&path, field.name));
            }
        }
        match object.rule {
            Rule::Closed | Rule::Kubernetes => {
                for field in object.fields.iter().filter(|field| field.required) {
                    if present(field).is_none() {
                        self.missing(node, field.name, path);
                    }
                }
            }
            Rule::OneOf | Rule::OneOfTwo => {
                let alternatives = object.alternatives().iter();
                let count = alternatives.filter(|field| present(field).is_some()).count();
                if count != 1 {
                    self.not_exactly_one(node, object, path, count);
                }
            }
            Rule::IdOrAll => {
                let named = |field: &&Field| field.name != "id";
                let names = object.fields.iter().filter(named);
                let has_id = object.fields.iter().any(|f| !named(&f) && present(f).is_some());
                let count = names.clone().filter(|field| present(field).is_some()).count();
                match (has_id, count) {
                    (true, 0) => {}
                    (true, _) => self.not_exactly_one(node, object, path, count + 1),
                    (false, 0) => self.not_exactly_one(node, object, path, 0),
                    (false, _) => {
                        for field in names.filter(|field| present(field).is_none()) {
                            self.missing(node, field.name, path);
                        }
                    }
                }
            }
        }
    }

    fn text_map(&mut self, node: &Node<'_>, path: Path<'_>, code: Code) {
        for entry in node.entries() {
            let range = entry.value.range;
            let what = if code == rule::ANNOTATION_NOT_TEXT { "annotation" } else { "entry" };
            match &entry.value.value {
                Value::Text(text) => {
                    let is_plain = range.text(self.source) == text.as_ref();
                    if let Some(other) = yaml::kubectl_reads_otherwise(text).filter(|_| is_plain) {
                        let message =
                            format!("`{text}` without quotes is text here, but {other} to kubectl");
                        let help = format!("write \"{text}\" with quotes");
                        self.report(rule::AMBIGUOUS_TEXT, &message, range, String::new(), help);
                    }
                }
                Value::Mapping(_) if yaml::joined(entry).iter().any(|key| key.contains('/')) => {
                    let keys = yaml::joined(entry);
                    let key = keys.iter().find(|key| key.contains('/'));
                    let key = key.map(String::as_str).unwrap_or_default();
                    let message = format!(
                        "the {what} `{}` is a mapping, not text: it looks like `{key}` split at its dots",
                        entry.key
                    );
                    let (domain, name) = key.split_once('/').unwrap_or((key, ""));
                    let help = format!(
                        "escape the dots in --set and in Terraform: {}/{name}",
                        domain.replace('.', "\\.")
                    );
                    self.report(code, &message, entry.key_range, String::new(), help);
                }
                Value::Sequence(_) | Value::Mapping(_) => {
                    let message = format!(
                        "the {what} `{}` is {}, not text",
                        entry.key,
                        entry.value.type_name()
                    );
                    let help = format!("every {what} of `{path}` is text");
                    self.report(code, &message, range, String::new(), help);
                }
                Value::Null => {
                    let message = format!("the {what} `{}` has no value", entry.key);
                    let help = "write \"\" for empty text, or remove the line".to_owned();
                    let range = entry.key_range;
                    self.report(code, &message, range, String::new(), help);
                }
                _ => {
                    let written = range.text(self.source).trim();
                    let message = format!(
                        "the {what} `{}` is {}, not text",
                        entry.key,
                        entry.value.type_name()
                    );
                    let help = format!(
                        "write \"{written}\" with quotes: the API server refuses anything but text"
                    );
                    self.report(code, &message, range, String::new(), help);
                }
            }
        }
    }

    fn unknown_field(&mut self, object: &Object, key: &str, range: Range, path: Path<'_>) {
        let names = object.fields.iter().map(|field| field.name);
        let code = if object.rule == Rule::Kubernetes {
            rule::UNKNOWN_SERVICE_FIELD
        } else {
            rule::UNKNOWN_FIELD
        };
        let message = match path {
            Path::Document => format!("there is no field `{key}`"),
            _ => format!("`{path}` has no field `{key}`"),
        };
        let help = match closest(key, names.clone()) {
            Some(name) => format!("did you mean `{name}`?"),
            None if names.clone().count() <= 12 => {
                let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
                format!("its fields are {}", names.join(", "))
            }
            None => "remove it: nothing would read it".to_owned(),
        };
        self.report(code, &message, range, String::new(), help);
    }

    fn missing(&mut self, node: &Node<'_>, name: &str, path: Path<'_>) {
        let message = format!("`{}` is missing", Path::Field(&path, name));
        let label = format!("`{name}` belongs here");
        let help = format!("add `{name}`");
        self.report(rule::MISSING_FIELD, &message, node.range, label, help);
    }

    fn not_exactly_one(&mut self, node: &Node<'_>, object: &Object, path: Path<'_>, count: usize) {
        let names: Vec<String> =
            object.alternatives().iter().map(|field| format!("`{}`", field.name)).collect();
        let names = if object.rule == Rule::IdOrAll {
            "`id`, or the names".to_owned()
        } else {
            names.join(", ")
        };
        let message = match count {
            0 => format!("`{path}` has none of its alternatives"),
            _ => format!("`{path}` has {count} of its alternatives, which exclude each other"),
        };
        let help = format!("write exactly one of {names}");
        self.report(rule::NOT_EXACTLY_ONE, &message, node.range, String::new(), help);
    }

    fn wrong_type(&mut self, node: &Node<'_>, shape: &Shape, path: Path<'_>) {
        let wanted = match shape {
            Shape::Text(_) => "text",
            Shape::Integer { .. } => "a number",
            Shape::Boolean => "a boolean",
            Shape::IntegerOrText => "a number or text",
            Shape::Object(_) | Shape::TextMap | Shape::Annotations => "a mapping",
            Shape::List(..) => "a list",
            Shape::Any => "a value",
        };
        let message = format!("`{path}` is {}, not {wanted}", node.type_name());
        let written = node.range.text(self.source).trim();
        let help = match (shape, &node.value) {
            (Shape::Text(_), Value::Bool(_) | Value::Int(_) | Value::Float(_)) => {
                format!("write \"{written}\" with quotes")
            }
            (Shape::Boolean, _) => "write true or false, without quotes".to_owned(),
            (Shape::Integer { .. }, Value::Text(text)) if text.parse::<i64>().is_ok() => {
                format!("write {text} without quotes")
            }
            (Shape::List(..), _) => {
                "write a list: `- item` on lines of their own, or [item, item]".to_owned()
            }
            _ => format!("write {wanted}"),
        };
        self.report(rule::WRONG_TYPE, &message, node.range, String::new(), help);
    }

    fn report(&mut self, code: Code, message: &str, range: Range, label: String, help: String) {
        let span = range.span(self.source);
        self.problems.push(Diagnostic::new(code, message).at(&span, label).help(help));
    }
}

/// The word that was probably meant, if one is close enough.
pub fn closest<'a>(text: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let lower = text.to_lowercase();
    let most = (text.chars().count() / 4).clamp(1, 4);
    words
        .map(|word| (distance(&lower, &word.to_lowercase()), word))
        .filter(|(distance, _)| *distance <= most)
        .min()
        .map(|(_, word)| word)
}

/// The number of characters to insert, drop, replace or swap with their neighbour.
fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    // No two words of the tables are that long; do not spend time on what is pasted by mistake.
    if one.len().abs_diff(other.len()) > 8 || one.len() > 128 {
        return usize::MAX;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut previous: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.iter().enumerate() {
        let mut current = vec![i + 1];
        for (j, b) in other.iter().enumerate() {
            let at =
                |row: &[usize], index: usize| row.get(index).copied().unwrap_or(usize::MAX - 1);
            let mut best = (at(&previous, j) + usize::from(a != b))
                .min(at(&previous, j + 1) + 1)
                .min(at(&current, j) + 1);
            let swapped =
                i > 0 && j > 0 && one.get(i - 1) == Some(b) && other.get(j - 1) == Some(a);
            if swapped {
                best = best.min(at(&before, j - 1) + 1);
            }
            current.push(best);
        }
        before = std::mem::replace(&mut previous, current);
    }
    previous.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_word_is_found_if_it_is_close() {
        let words = ["resourceGroup", "location", "subnet", "target"];
        let closest = |text: &str| closest(text, words.into_iter());
        assert_eq!(closest("resourcegroup"), Some("resourceGroup"));
        assert_eq!(closest("subent"), Some("subnet"));
        assert_eq!(closest("locatoin"), Some("location"));
        assert_eq!(closest("colour"), None);
        assert_eq!(closest(""), None);
    }
}
