//! Annotations of the controller that a document gives to the Services that come of it, wherever they stand in it: under a key,
//! in values that are YAML within text, in parameters that have a key's path for a name.

use std::collections::BTreeMap;
use std::sync::Arc;

use privlink_model::annotation::PREFIX;

use super::Annotation;
use super::reader::Reader;
use crate::diagnostic::{Source, Span, Spanned};
use crate::yaml::{self, Entry};

/// Annotations that a document gives to a Service.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Passed {
    /// Those that are text.
    pub annotations: BTreeMap<String, Annotation>,
    /// The keys of those that are not.
    pub misread: BTreeMap<String, Span>,
}

/// How deep annotations of the controller are looked for.
const DEPTH: usize = 24;

/// Fields that hold the values of a chart as text: of Argo CD's Application and K3s' HelmChart.
const VALUES: [&str; 2] = ["values", "valuesContent"];

/// The mappings below a node that have annotations of the controller.
pub(super) fn passed_below(node: Reader<'_>) -> Vec<Passed> {
    let mut found = Vec::new();
    passed(node, DEPTH, &mut found);
    found
}

fn passed(at: Reader<'_>, depth: usize, found: &mut Vec<Passed>) {
    if depth == 0 {
        return;
    }
    let entries = at.node.entries();
    if entries.iter().any(|entry| entry.key.starts_with(PREFIX) || is_split(entry)) {
        found.push(Passed {
            annotations: at
                .texts_by_key()
                .map(|(name, key, value)| (name, Annotation { key, value }))
                .collect(),
            misread: at.misread_keys(),
        });
        return;
    }
    found.extend(parameter(at));
    for entry in entries.iter().filter(|entry| VALUES.contains(&entry.key.as_ref())) {
        found.extend(within_text(at.source, entry));
    }
    for node in entries.iter().map(|entry| &entry.value).chain(at.node.items()) {
        passed(Reader { source: at.source, node }, depth - 1, found);
    }
}

/// Whether a key was split at its dots, as `--set a.b=c` of Helm does.
fn is_split(entry: &Entry<'_>) -> bool {
    let is_beta = |beta: &Entry<'_>| beta.key == "beta";
    entry.key == "service"
        && entry.value.entries().iter().any(is_beta)
        && yaml::joined(entry).iter().any(|key| key.starts_with(PREFIX))
}

/// What the values of a chart give that are written as text, with the places of the keys within it.
fn within_text(source: &Arc<Source>, entry: &Entry<'_>) -> Vec<Passed> {
    let Some(text) = entry.value.as_str().filter(|it| it.contains("azure-")) else {
        return Vec::new();
    };
    let Ok(inner) = Source::generated("values", text.to_owned()) else { return Vec::new() };
    let roots = yaml::documents(&inner).filter_map(|document| document.root);
    let found: Vec<Passed> =
        roots.flat_map(|root| passed_below(Reader { source: &inner, node: &root })).collect();
    let written = entry.value.range.text(source);
    let start = entry.value.range.span(source).start();
    let place = |key: &str| {
        let last = key.rsplit('/').next().unwrap_or(key);
        match written.find(last) {
            Some(offset) => Span::new(source, start + offset, last.len()),
            None => entry.key_range.span(source),
        }
    };
    let moved = |passed: Passed| Passed {
        annotations: passed
            .annotations
            .into_iter()
            .map(|(key, it)| {
                let span = place(&key);
                let value = Spanned::new(it.value.value, span.clone());
                (key, Annotation { key: span, value })
            })
            .collect(),
        misread: passed.misread.into_keys().map(|key| (key.clone(), place(&key))).collect(),
    };
    found.into_iter().map(moved).collect()
}

/// What one parameter of Argo CD's Application gives: `name` is a path of keys as `--set` takes it.
fn parameter(at: Reader<'_>) -> Option<Passed> {
    let (name, value) = (at.text("name")?, at.text("value")?);
    let (_, path) = name.value.split_once("annotations.")?;
    let key = path.replace("\\.", ".");
    if !key.starts_with(PREFIX) {
        return None;
    }
    let mut passed = Passed::default();
    let is_split = path.replace("\\.", "").contains('.');
    let forced = at.get("forceString").is_some_and(|it| it.node.value == yaml::Value::Bool(true));
    let is_text = forced
        || value.value.parse::<f64>().is_err()
            && !["true", "false", "null"].contains(&value.value.as_str());
    if is_split || !is_text {
        passed.misread.insert(key, name.span);
    } else {
        passed.annotations.insert(key, Annotation { key: name.span, value });
    }
    Some(passed)
}
