//! Taking values out of a tree that was checked. What does not fit is left out: it was reported.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::diagnostic::{Source, Span, Spanned};
use crate::yaml::{self, Node, Value};

/// A node with the source it is from.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    pub(super) source: &'a Arc<Source>,
    pub(super) node: &'a Node<'a>,
}

impl<'a> Reader<'a> {
    /// The place of this value.
    pub(super) fn span(self) -> Span {
        self.node.range.span(self.source)
    }

    /// A field; null counts as absent.
    pub(super) fn get(self, name: &str) -> Option<Self> {
        let node = self.node.get(name).filter(|node| node.value != Value::Null)?;
        Some(Self { source: self.source, node })
    }

    /// This value as text.
    pub(super) fn as_text(self) -> Option<Spanned<String>> {
        self.node.as_str().map(|text| Spanned::new(text.to_owned(), self.span()))
    }

    /// A field that is text.
    pub(super) fn text(self, name: &str) -> Option<Spanned<String>> {
        self.get(name)?.as_text()
    }

    /// A field that is text of another form.
    pub(super) fn parsed<T: std::str::FromStr>(self, name: &str) -> Option<Spanned<T>> {
        let text = self.text(name)?;
        let value = text.value.parse().ok()?;
        Some(Spanned::new(value, text.span))
    }

    /// A field that is `true` or `false`.
    pub(super) fn boolean(self, name: &str) -> Option<bool> {
        match self.get(name)?.node.value {
            Value::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// A field that is a whole number.
    pub(super) fn integer(self, name: &str) -> Option<Spanned<i64>> {
        let field = self.get(name)?;
        match field.node.value {
            Value::Int(number) => Some(Spanned::new(number, field.span())),
            _ => None,
        }
    }

    /// The items of a field that is a list.
    pub(super) fn items(self, name: &str) -> impl Iterator<Item = Self> {
        let items = self.get(name).map(|field| field.node.items()).unwrap_or_default();
        items.iter().map(move |node| Self { source: self.source, node })
    }

    /// The items of a field that is a list of text.
    pub(super) fn texts(self, name: &str) -> Vec<Spanned<String>> {
        self.items(name).filter_map(Self::as_text).collect()
    }

    /// The entries of a field that is a mapping of text to text, with the places of keys.
    pub(super) fn text_map(
        self,
        name: &str,
    ) -> impl Iterator<Item = (String, Span, Spanned<String>)> {
        self.get(name).into_iter().flat_map(Self::texts_by_key)
    }

    /// The entries of this mapping that are text, with the places of keys.
    pub(super) fn texts_by_key(self) -> impl Iterator<Item = (String, Span, Spanned<String>)> {
        self.node.entries().iter().filter_map(move |entry| {
            let value = Self { source: self.source, node: &entry.value }.as_text()?;
            Some((entry.key.clone().into_owned(), entry.key_range.span(self.source), value))
        })
    }

    /// The keys of a mapping of text to text whose values are not text. A key that was split at its dots
    /// into mappings is put together again.
    pub(super) fn misread(self, name: &str) -> BTreeMap<String, Span> {
        self.get(name).map(Self::misread_keys).unwrap_or_default()
    }

    /// The keys of this mapping whose values are not text.
    pub(super) fn misread_keys(self) -> BTreeMap<String, Span> {
        let mut keys = BTreeMap::new();
        for entry in self.node.entries().iter().filter(|entry| entry.value.as_str().is_none()) {
            for key in yaml::joined(entry) {
                keys.insert(key, entry.key_range.span(self.source));
            }
        }
        keys
    }
}
