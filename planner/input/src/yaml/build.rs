//! From the parser's events to a tree.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use serde_saphyr::granit_parser::{ErrorKind, Event, Options, Parser, ScalarStyle, ScanError, Tag};

use super::{Entry, MAX_ALIAS_NODES, MAX_DEPTH, Node, Range, Value, scalar};
use crate::diagnostic::{Diagnostic, Source, Span};
use crate::rule;
use crate::unknown;

/// Why a document has no tree.
type Problem = Box<Diagnostic>;

/// The tree of a document; none if it is empty. `start` is the offset of `text` in the source.
pub(super) fn tree<'a>(
    source: &'a Arc<Source>,
    start: usize,
    text: &'a str,
    problems: &mut Vec<Diagnostic>,
) -> Result<Option<Node<'a>>, Problem> {
    let mut options = Options::default();
    options.set_emit_comments(false);
    options.flow_nesting_limit = MAX_DEPTH;
    options.block_nesting_limit = MAX_DEPTH;
    let mut builder = Builder {
        source,
        start,
        stack: Vec::new(),
        root: None,
        anchors: HashMap::new(),
        has_aliases: text.contains('*'),
        copied: 0,
        problems,
    };
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.map_err(|error| builder.syntax_error(&error))?;
        let range = span.byte_range().unwrap_or_default();
        builder.event(event, Range::new(start + range.start, start + range.end))?;
    }
    Ok(builder.root.filter(|root| root.value != Value::Null))
}

struct Builder<'a, 'p> {
    source: &'a Arc<Source>,
    start: usize,
    stack: Vec<Frame<'a>>,
    root: Option<Node<'a>>,
    anchors: HashMap<usize, Anchored<'a>>,
    /// Without any alias, anchors need not be kept.
    has_aliases: bool,
    copied: usize,
    problems: &'p mut Vec<Diagnostic>,
}

/// What an alias stands for.
struct Anchored<'a> {
    node: Node<'a>,
    size: Size,
}

/// A collection that is not yet closed.
struct Frame<'a> {
    range: Range,
    anchor: usize,
    content: Content<'a>,
}

enum Content<'a> {
    Sequence(Vec<Node<'a>>),
    /// Entries, and the key that waits for its value.
    Mapping(Vec<Entry<'a>>, Option<(Cow<'a, str>, Range)>),
}

#[derive(Clone, Copy)]
struct Size {
    nodes: usize,
    depth: usize,
}

impl<'a> Builder<'a, '_> {
    fn event(&mut self, event: Event<'a>, range: Range) -> Result<(), Problem> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let value = self.scalar(text, style, tag.as_deref(), range)?;
                self.attach(Node { range, value }, anchor)
            }
            Event::SequenceStart(_, anchor, tag) => self.open(range, anchor, tag.as_deref(), false),
            Event::MappingStart(_, anchor, tag) => self.open(range, anchor, tag.as_deref(), true),
            Event::SequenceEnd | Event::MappingEnd => self.close(range),
            Event::Alias(id) => self.alias(id, range),
            _ => Ok(()),
        }
    }

    fn scalar(
        &self,
        text: Cow<'a, str>,
        style: ScalarStyle,
        tag: Option<&Tag>,
        range: Range,
    ) -> Result<Value<'a>, Problem> {
        if text.contains(unknown::is_reserved) {
            return Err(self.unsupported(range, "U+E000 to U+E003 cannot be used in text"));
        }
        match tag {
            None if style == ScalarStyle::Plain => Ok(scalar::plain(text)),
            None => Ok(Value::Text(text)),
            Some(tag) if tag.original() == "!" => Ok(Value::Text(text)),
            Some(tag) => tag
                .core_suffix()
                .and_then(|suffix| scalar::tagged(suffix, text))
                .ok_or_else(|| self.bad_tag(range, tag)),
        }
    }

    fn open(
        &mut self,
        range: Range,
        anchor: usize,
        tag: Option<&Tag>,
        mapping: bool,
    ) -> Result<(), Problem> {
        self.check_depth(1, range)?;
        if let Some(tag) = tag
            && !matches!((tag.core_suffix(), mapping), (Some("map"), true) | (Some("seq"), false))
        {
            return Err(self.bad_tag(range, tag));
        }
        let content = if mapping {
            Content::Mapping(Vec::new(), None)
        } else {
            Content::Sequence(Vec::new())
        };
        self.stack.push(Frame { range, anchor, content });
        Ok(())
    }

    fn close(&mut self, end: Range) -> Result<(), Problem> {
        let Some(Frame { range, anchor, content }) = self.stack.pop() else { return Ok(()) };
        let value = match content {
            Content::Sequence(items) => Value::Sequence(items),
            Content::Mapping(entries, _) => {
                let entries = self.drop_duplicates(entries);
                Value::Mapping(self.expand_merges(entries))
            }
        };
        let range = Range { start: range.start, end: end.end.max(range.start) };
        self.attach(Node { range, value }, anchor)
    }

    /// Puts a finished node where it belongs.
    fn attach(&mut self, node: Node<'a>, anchor: usize) -> Result<(), Problem> {
        if anchor != 0 && self.has_aliases {
            let size = size(&node);
            self.charge(size.nodes, node.range)?;
            self.anchors.insert(anchor, Anchored { node: node.clone(), size });
        }
        let source = self.source;
        let Some(frame) = self.stack.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        let (entries, key) = match &mut frame.content {
            Content::Sequence(items) => {
                items.push(node);
                return Ok(());
            }
            Content::Mapping(entries, key) => (entries, key),
        };
        match key.take() {
            Some((key, key_range)) => entries.push(Entry { key, key_range, value: node }),
            None => {
                let text = match node.value {
                    Value::Text(text) => text,
                    Value::Sequence(_) | Value::Mapping(_) => {
                        return Err(self.unsupported(node.range, "a key must be text"));
                    }
                    _ => Cow::Borrowed(node.range.text(source)),
                };
                *key = Some((text, node.range));
            }
        }
        Ok(())
    }

    fn alias(&mut self, id: usize, range: Range) -> Result<(), Problem> {
        let Some(size) = self.anchors.get(&id).map(|anchored| anchored.size) else {
            return Err(self.unsupported(range, "an alias cannot stand within its own anchor"));
        };
        self.charge(size.nodes, range)?;
        self.check_depth(size.depth, range)?;
        match self.anchors.get(&id).map(|anchored| anchored.node.clone()) {
            Some(node) => self.attach(node, 0),
            None => Ok(()),
        }
    }

    fn charge(&mut self, nodes: usize, range: Range) -> Result<(), Problem> {
        self.copied = self.copied.saturating_add(nodes);
        if self.copied <= MAX_ALIAS_NODES {
            return Ok(());
        }
        let message = format!("aliases stand for more than {MAX_ALIAS_NODES} values");
        Err(Box::new(
            Diagnostic::new(rule::TOO_MANY_ALIASES, message)
                .at(&range.span(self.source), "expanded up to here")
                .help("write the values out, or split the document"),
        ))
    }

    fn check_depth(&self, more: usize, range: Range) -> Result<(), Problem> {
        if self.stack.len() + more <= MAX_DEPTH {
            return Ok(());
        }
        Err(too_deep(&range.span(self.source)))
    }

    /// Keeps the first of keys that are the same, and reports the others. Where the head of a document comes
    /// again, a `---` is missing before it: that is one problem, and the keys after it are none.
    fn drop_duplicates(&mut self, mut entries: Vec<Entry<'a>>) -> Vec<Entry<'a>> {
        let mut seen: HashMap<Cow<'a, str>, Range> = HashMap::new();
        let few = entries.len() <= 12;
        let duplicates: Vec<(usize, Range)> = entries
            .iter()
            .enumerate()
            .filter_map(|(index, entry)| {
                let first = if few {
                    let before = entries.get(..index).unwrap_or_default();
                    before.iter().find(|other| other.key == entry.key).map(|other| other.key_range)
                } else {
                    seen.get(&entry.key).copied().or_else(|| {
                        seen.insert(entry.key.clone(), entry.key_range);
                        None
                    })
                };
                first.map(|first| (index, first))
            })
            .collect();
        let again = duplicates.iter().filter_map(|(index, _)| entries.get(*index));
        let head = again.filter(|entry| self.is_head(entry)).map(|entry| entry.key.clone()).min();
        for (index, first) in duplicates.into_iter().rev() {
            let entry = entries.remove(index);
            if head.as_ref().is_some_and(|head| *head != entry.key) {
                continue;
            }
            let help = match head {
                Some(_) => {
                    "if another document begins here, put a line `---` before it; else remove one of the two"
                }
                None => "remove one of the two",
            };
            self.problems.push(
                Diagnostic::new(
                    rule::DUPLICATE_KEY,
                    format!("the key `{}` is there twice", entry.key),
                )
                .at(&entry.key_range.span(self.source), "again here")
                .at(&first.span(self.source), "first here")
                .help(help),
            );
        }
        entries
    }

    /// Whether a key is one that a manifest begins with, at the beginning of a line.
    fn is_head(&self, entry: &Entry<'_>) -> bool {
        let start = entry.key_range.start as usize;
        let before = self.source.text().get(..start).unwrap_or_default();
        matches!(entry.key.as_ref(), "apiVersion" | "kind") && before.ends_with('\n')
    }

    /// Replaces `<<: *other` by the entries of the other mapping, which never win over those
    /// written in place.
    fn expand_merges(&self, entries: Vec<Entry<'a>>) -> Vec<Entry<'a>> {
        let is_merge = |entry: &Entry<'_>| {
            entry.key == "<<"
                && entry.key_range.text(self.source).starts_with('<')
                && matches!(entry.value.value, Value::Mapping(_) | Value::Sequence(_))
        };
        if !entries.iter().any(is_merge) {
            return entries;
        }
        let (merges, mut merged): (Vec<_>, Vec<_>) = entries.into_iter().partition(is_merge);
        for merge in merges {
            let from = match merge.value.value {
                Value::Sequence(items) => items,
                value => vec![Node { range: merge.value.range, value }],
            };
            for node in from {
                let Value::Mapping(entries) = node.value else { continue };
                for entry in entries {
                    if !merged.iter().any(|other| other.key == entry.key) {
                        merged.push(entry);
                    }
                }
            }
        }
        merged
    }

    fn syntax_error(&self, error: &ScanError) -> Problem {
        let offset = self.start + error.marker().byte_offset().unwrap_or_default();
        let text = self.source.text();
        // An error at the end of the text is shown at the last thing written.
        let at = if text.get(offset..).unwrap_or_default().trim().is_empty() {
            text.trim_end().char_indices().last().map_or(0, |(index, _)| index)
        } else {
            offset
        };
        let info = error.info();
        // An error about a tab is reported where the value before it began.
        let tab = text.get(at..).and_then(|rest| rest.find('\t')).filter(|_| info.contains("tab"));
        let at = at + tab.unwrap_or(0);
        let span = Span::new(self.source, at, next_char_len(text, at));
        if *error.kind() == ErrorKind::RecursionLimitExceeded {
            return too_deep(&span);
        }
        let help = if info.contains("tab") {
            "indent with blanks, never with tabs"
        } else if info.contains("unknown anchor") {
            "an alias (`*name`) needs an anchor (`&name`) before it in the same document; a text \
             that starts with `*` needs quotes"
        } else if info.contains("quote") {
            "look for a quote that is not closed"
        } else if info.contains("unclosed") {
            "close it; text that starts with a bracket needs quotes"
        } else {
            "look here and at the line above for a wrong indentation, a missing colon or a missing \
             quote"
        };
        Box::new(
            Diagnostic::new(rule::YAML_SYNTAX, format!("this is not YAML: {info}"))
                .at(&span, "the parser stopped here")
                .help(help),
        )
    }

    fn unsupported(&self, range: Range, message: &str) -> Problem {
        Box::new(
            Diagnostic::new(rule::YAML_UNSUPPORTED, message)
                .at(&range.span(self.source), "")
                .help("Kubernetes manifests have no use for this: write it plainly"),
        )
    }

    fn bad_tag(&self, range: Range, tag: &Tag) -> Problem {
        Box::new(
            Diagnostic::new(
                rule::YAML_UNSUPPORTED,
                format!("the tag `{}` does not fit this value, or is not known", tag.original()),
            )
            .at(&range.span(self.source), "tagged value")
            .help("remove the tag; put quotes around what shall be text"),
        )
    }
}

fn too_deep(span: &Span) -> Problem {
    let message = format!("lists and mappings are nested more than {MAX_DEPTH} deep");
    Box::new(
        Diagnostic::new(rule::NESTED_TOO_DEEP, message)
            .at(span, "too deep")
            .help("no Kubernetes object is nested that deep: look for a runaway `[` or `{`"),
    )
}

fn next_char_len(text: &str, at: usize) -> usize {
    text.get(at..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8)
}

/// How many nodes a tree has, and how deep its collections nest. The tree is at most
/// [`MAX_DEPTH`] deep.
fn size(node: &Node<'_>) -> Size {
    let add = |sum: Size, child: &Node<'_>| {
        let child = size(child);
        Size { nodes: sum.nodes + child.nodes, depth: sum.depth.max(child.depth + 1) }
    };
    match &node.value {
        Value::Sequence(items) => items.iter().fold(Size { nodes: 1, depth: 1 }, add),
        Value::Mapping(entries) => {
            entries.iter().map(|entry| &entry.value).fold(Size { nodes: 1, depth: 1 }, add)
        }
        _ => Size { nodes: 1, depth: 0 },
    }
}
