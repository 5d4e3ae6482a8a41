//! Sets of fields, and their wire form `fieldsV1`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Bound;
use std::sync::Arc;

use serde_json::{Map, Value};

/// One step of a path into an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Element {
    /// A field of a struct or a key of a map.
    Field(Arc<str>),
    /// An item of a keyed list: the JSON of its keys, in their order by name
    /// (`{"port":80,"protocol":"TCP"}`).
    Key(Arc<str>),
    /// An item of a list that is a set: its JSON.
    Value(Arc<str>),
}

impl Element {
    fn encode(&self) -> String {
        match self {
            Self::Field(name) => format!("f:{name}"),
            Self::Key(keys) => format!("k:{keys}"),
            Self::Value(value) => format!("v:{value}"),
        }
    }

    fn decode(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once(':')?;
        match kind {
            "f" => Some(Self::Field(rest.into())),
            "k" => Some(Self::Key(rest.into())),
            "v" => Some(Self::Value(rest.into())),
            _ => None,
        }
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(f, ".{name}"),
            Self::Value(value) => write!(f, "[={value}]"),
            Self::Key(keys) => {
                let parsed: Map<String, Value> = serde_json::from_str(keys).unwrap_or_default();
                let pairs: Vec<String> =
                    parsed.iter().map(|(name, value)| format!("{name}={value}")).collect();
                write!(f, "[{}]", pairs.join(","))
            }
        }
    }
}

/// A path from an object's root.
pub type Path = Vec<Element>;

/// A path as the API server writes it.
pub(super) fn show(path: &[Element]) -> String {
    path.iter().map(Element::to_string).collect()
}

/// A set of fields of one object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSet(BTreeSet<Path>);

impl FieldSet {
    /// Adds a field.
    pub fn insert(&mut self, path: Path) {
        self.0.insert(path);
    }

    /// Whether the field itself is in the set.
    pub fn contains(&self, path: &[Element]) -> bool {
        self.0.contains(path)
    }

    /// Whether something below the field is in the set.
    pub fn has_below(&self, path: &[Element]) -> bool {
        // What is below a path sorts behind it, before anything else does.
        let mut behind = self.0.range::<[Element], _>((Bound::Excluded(path), Bound::Unbounded));
        behind.next().is_some_and(|other| other.starts_with(path))
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The fields in order.
    pub fn iter(&self) -> impl Iterator<Item = &Path> {
        self.0.iter()
    }

    /// What is in either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self(self.0.union(&other.0).cloned().collect())
    }

    /// What is in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self(self.0.intersection(&other.0).cloned().collect())
    }

    /// What is in this one only.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        Self(self.0.difference(&other.0).cloned().collect())
    }

    /// Without the fields that nobody owns (`stripSet` of
    /// `apimachinery/pkg/util/managedfields/internal/stripmeta.go`).
    #[must_use]
    pub(super) fn without_identity(mut self) -> Self {
        const IDENTITY: [&str; 8] = [
            "name",
            "namespace",
            "creationTimestamp",
            "selfLink",
            "uid",
            "generation",
            "resourceVersion",
            "managedFields",
        ];
        self.0.retain(|path| match path.as_slice() {
            [Element::Field(root)] => !["apiVersion", "kind", "metadata"].contains(&root.as_ref()),
            [Element::Field(root), Element::Field(name), ..] if root.as_ref() == "metadata" => {
                !IDENTITY.contains(&name.as_ref())
            }
            _ => true,
        });
        self
    }

    /// The wire form `fieldsV1`.
    pub fn encode(&self) -> Value {
        let mut root = Trie::default();
        for path in &self.0 {
            let mut node = &mut root;
            for element in path {
                node = node.children.entry(element.encode()).or_default();
            }
            node.member = true;
        }
        root.encode()
    }

    /// From the wire form; what it cannot read it leaves out.
    pub fn decode(encoded: &Value) -> Self {
        let mut set = Self::default();
        collect(encoded, &mut Vec::new(), &mut set);
        set
    }
}

#[derive(Default)]
struct Trie {
    member: bool,
    children: BTreeMap<String, Trie>,
}

impl Trie {
    fn encode(&self) -> Value {
        let mut object = Map::new();
        if self.member && !self.children.is_empty() {
            object.insert(".".to_owned(), Value::Object(Map::new()));
        }
        for (name, child) in &self.children {
            object.insert(name.clone(), child.encode());
        }
        Value::Object(object)
    }
}

fn collect(encoded: &Value, path: &mut Path, set: &mut FieldSet) {
    let Some(object) = encoded.as_object() else { return };
    if !path.is_empty() && (object.is_empty() || object.contains_key(".")) {
        set.insert(path.clone());
    }
    for (name, child) in object {
        if let Some(element) = Element::decode(name) {
            path.push(element);
            collect(child, path, set);
            path.pop();
        }
    }
}
