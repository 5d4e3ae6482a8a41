//! YAML as a spanned tree; the only module that knows the YAML library.
//!
//! The library (`serde-saphyr`) is used through its event parser, which gives start and end of every
//! node in bytes. The tree follows the core schema of YAML 1.2 (section 10.3), with two deviations
//! where readers of YAML disagree: a number with a leading zero stays text (`010` is 8 to `kubectl`
//! and 10 to the core schema), and merge keys (`<<`) are expanded, as `kubectl` does.
//!
//! A stream is cut at its document markers before it is parsed, so that a syntax error in one
//! document hides nothing of the others.

mod build;
pub(crate) mod rules;
mod scalar;
mod write;

use std::borrow::Cow;
use std::sync::Arc;

use crate::chunk::chunks;
use crate::diagnostic::{Diagnostic, Source, Span};
use crate::rule;
pub use scalar::kubectl_reads_otherwise;
pub use write::{stream, to_text};

/// The most documents a source may have.
pub const MAX_DOCUMENTS: usize = 100_000;
/// The deepest that sequences and mappings may nest, aliases expanded.
pub const MAX_DEPTH: usize = 100;
/// The most nodes that anchors and aliases of one document may copy.
pub const MAX_ALIAS_NODES: usize = 100_000;

/// A range of bytes in the source. Half the size of a [`Span`], for a tree of many nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Range {
    start: u32,
    end: u32,
}

impl Range {
    fn new(start: usize, end: usize) -> Self {
        let short = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        Self { start: short(start), end: short(end.max(start)) }
    }

    /// The place in a source, cut to its first line: what is underlined.
    pub fn span(self, source: &Arc<Source>) -> Span {
        let (start, end) = (self.start as usize, self.end as usize);
        let text = source.text().get(start..end).unwrap_or_default();
        let line = text.split(['\n', '\r']).next().unwrap_or_default();
        Span::new(source, start, line.trim_end().len().max(1))
    }

    /// Whether an offset in bytes lies in it.
    pub fn holds(self, offset: usize) -> bool {
        (self.start as usize..self.end.max(self.start + 1) as usize).contains(&offset)
    }

    /// The text it covers.
    pub fn text(self, source: &Source) -> &str {
        source.text().get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

/// A value and its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Node<'a> {
    /// Where it was written; for what an alias stands for, where that was written.
    pub range: Range,
    /// The value.
    pub value: Value<'a>,
}

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// `null`, `~` or nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// Text.
    Text(Cow<'a, str>),
    /// A sequence.
    Sequence(Vec<Node<'a>>),
    /// A mapping in the order of the text, without duplicate keys.
    Mapping(Vec<Entry<'a>>),
}

/// A key and its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry<'a> {
    /// The key; of a key that is not text, what was written.
    pub key: Cow<'a, str>,
    /// Where the key was written.
    pub key_range: Range,
    /// The value.
    pub value: Node<'a>,
}

/// The keys that an entry stands for if its key was split at its dots, as `--set a.b=c` of Helm does: the
/// ways from the entry to what is no mapping, with dots between.
pub(crate) fn joined(entry: &Entry<'_>) -> Vec<String> {
    let below = entry.value.entries();
    if below.is_empty() {
        return vec![entry.key.clone().into_owned()];
    }
    let rest = below.iter().flat_map(joined);
    rest.map(|rest| format!("{}.{rest}", entry.key)).collect()
}

impl<'a> Node<'a> {
    /// The value of a key, if this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Node<'a>> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// A key with its value, if this is a mapping that has it.
    pub fn entry(&self, key: &str) -> Option<&Entry<'a>> {
        self.entries().iter().find(|entry| entry.key == key)
    }

    /// The entries, none if this is no mapping.
    pub fn entries(&self) -> &[Entry<'a>] {
        match &self.value {
            Value::Mapping(entries) => entries,
            _ => &[],
        }
    }

    /// The items, none if this is no sequence.
    pub fn items(&self) -> &[Node<'a>] {
        match &self.value {
            Value::Sequence(items) => items,
            _ => &[],
        }
    }

    /// The text, if it is text.
    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Its type, in words that fit after "is".
    pub fn type_name(&self) -> &'static str {
        match self.value {
            Value::Null => "empty",
            Value::Bool(_) => "a boolean",
            Value::Int(_) => "a number",
            Value::Float(_) => "a decimal number",
            Value::Text(_) => "text",
            Value::Sequence(_) => "a list",
            Value::Mapping(_) => "a mapping",
        }
    }

    /// The value as JSON. Numbers that JSON has not become null.
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match &self.value {
            Value::Null => Json::Null,
            Value::Bool(value) => Json::Bool(*value),
            Value::Int(value) => Json::from(*value),
            Value::Float(value) => Json::from(*value),
            Value::Text(text) => Json::String(text.clone().into_owned()),
            Value::Sequence(items) => Json::Array(items.iter().map(Self::to_json).collect()),
            Value::Mapping(entries) => Json::Object(
                entries
                    .iter()
                    .map(|entry| (entry.key.clone().into_owned(), entry.value.to_json()))
                    .collect(),
            ),
        }
    }
}

/// One document of a stream, or what is left of it.
#[derive(Debug)]
pub struct Document<'a> {
    /// Its tree; none if it is not sound YAML, or empty.
    pub root: Option<Node<'a>>,
    /// What is wrong with it.
    pub problems: Vec<Diagnostic>,
    /// Its text, markers and comments included.
    pub text: &'a str,
}

/// Reads a stream, document by document.
pub fn documents(source: &Arc<Source>) -> impl Iterator<Item = Document<'_>> {
    chunks(source.text()).enumerate().map_while(move |(index, (start, text))| {
        if index > MAX_DOCUMENTS {
            return None;
        }
        let mut document = Document { root: None, problems: Vec::new(), text };
        if index == MAX_DOCUMENTS {
            let message = format!("the file has more than {MAX_DOCUMENTS} documents");
            document.problems.push(
                Diagnostic::new(rule::TOO_MANY_DOCUMENTS, message)
                    .at(&Span::new(source, start, 3), "the first one too many")
                    .help("split it into several files"),
            );
            return Some(document);
        }
        match build::tree(source, start, text, &mut document.problems) {
            Ok(root) => document.root = root,
            Err(problem) => document.problems.push(*problem),
        }
        Some(document)
    })
}

#[cfg(test)]
mod tests;
