//! The shape of documents, as tables.
//!
//! One table per kind says which fields there are and what they may hold. [`check`] compares a tree
//! with its table and reports everything that does not fit; [`crate::schemas`] turns the same table
//! into a JSON Schema for editors, so the two cannot disagree.

mod check;
pub(crate) mod rules;
pub mod text;

pub use check::{check, closest};
pub use text::Text;

/// A mapping with known fields.
#[derive(Debug)]
pub struct Object {
    /// Its fields, in the order of the documentation.
    pub fields: &'static [Field],
    /// What holds for the fields together.
    pub rule: Rule,
}

impl Object {
    /// The fields of which one must be there, if the rule asks for one.
    pub fn alternatives(&self) -> &'static [Field] {
        match self.rule {
            Rule::OneOfTwo => self.fields.get(..2).unwrap_or(self.fields),
            Rule::OneOf | Rule::Closed | Rule::Kubernetes | Rule::IdOrAll => self.fields,
        }
    }
}

/// What holds for the fields of an object together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// A field that is not listed is an error.
    Closed,
    /// A field that is not listed is a warning: an object of Kubernetes, which grows with versions.
    Kubernetes,
    /// Exactly one of the fields must be there.
    OneOf,
    /// Exactly one of the first two fields must be there; the others may.
    OneOfTwo,
    /// Either `id` alone, or all the others.
    IdOrAll,
}

/// A field of an object.
#[derive(Debug)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// Whether it must be there.
    pub required: bool,
    /// What it may hold.
    pub shape: Shape,
    /// What it means, for editors; one sentence or two.
    pub doc: &'static str,
}

/// What a field may hold.
#[derive(Debug)]
pub enum Shape {
    /// Text.
    Text(Text),
    /// A whole number within bounds, both included.
    Integer {
        /// The smallest.
        min: i64,
        /// The largest.
        max: i64,
    },
    /// `true` or `false`.
    Boolean,
    /// A whole number or text.
    IntegerOrText,
    /// A mapping with known fields.
    Object(&'static Object),
    /// A list, of at most so many items.
    List(&'static Shape, usize),
    /// A mapping of text to text.
    TextMap,
    /// The annotations of a Service.
    Annotations,
    /// Whatever; not looked at.
    Any,
}

/// A field that must be there.
pub const fn required(name: &'static str, shape: Shape, doc: &'static str) -> Field {
    Field { name, required: true, shape, doc }
}

/// A field that may be left out.
pub const fn optional(name: &'static str, shape: Shape, doc: &'static str) -> Field {
    Field { name, required: false, shape, doc }
}
