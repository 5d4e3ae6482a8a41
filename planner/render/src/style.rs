//! Colour by meaning, resolved where text is written.

use std::fmt;

/// What a piece of text means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Label {
    /// Something comes.
    Create,
    /// Something changes.
    Update,
    /// Something goes.
    Delete,
    /// Something to notice.
    Warning,
    /// Something is wrong.
    Error,
    /// Something is well.
    Success,
    /// A heading.
    Heading,
    /// Something that matters less.
    Faint,
}

/// Whether to colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// Whether text is coloured by ANSI escape sequences.
    pub colour: bool,
}

impl Style {
    /// Text with its meaning shown.
    pub fn paint<T: fmt::Display>(self, label: Label, text: T) -> Painted<T> {
        Painted { colour: self.colour.then_some(label), text }
    }
}

/// Text with a meaning.
#[derive(Clone, Copy, Debug)]
pub struct Painted<T> {
    colour: Option<Label>,
    text: T,
}

impl<T: fmt::Display> fmt::Display for Painted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(label) = self.colour else {
            return self.text.fmt(f);
        };
        let code = match label {
            Label::Create | Label::Success => "32",
            Label::Update | Label::Warning => "33",
            Label::Delete | Label::Error => "31",
            Label::Heading => "1",
            Label::Faint => "2",
        };
        write!(f, "\u{1b}[{code}m")?;
        self.text.fmt(f)?;
        f.write_str("\u{1b}[0m")
    }
}
