//! Texts and places in them.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::sync::{Arc, OnceLock};

use crate::rule;

use super::Diagnostic;
use super::secret::hide_secrets;

/// The most bytes a source may have: 64 MiB, which is about 200,000 Services.
pub const MAX_SOURCE_BYTES: usize = 64 << 20;

/// The most characters of a line that an excerpt has.
const LONGEST: usize = 200;

/// A text that was read, with the name it is shown under.
pub struct Source {
    name: String,
    text: String,
    /// Whether privlink wrote it, and not the user.
    is_generated: bool,
    /// Byte offsets of the starts of lines; made when first asked for.
    line_starts: OnceLock<Vec<u32>>,
    /// The text as it is shown, where something in it may be secret; made when first asked for.
    masked: OnceLock<Option<String>>,
}

impl Source {
    /// A source from what was read. `name` is the file's path as the user gave it, or `<stdin>`.
    ///
    /// # Errors
    /// A text that is larger than [`MAX_SOURCE_BYTES`] or not UTF-8 is refused.
    pub fn from_bytes(name: &str, bytes: Vec<u8>) -> Result<Arc<Self>, Box<Diagnostic>> {
        let empty = || Self::unchecked(name, String::new());
        if bytes.len() > MAX_SOURCE_BYTES {
            let message = format!("the file has more than {MAX_SOURCE_BYTES} bytes (64 MiB)");
            let span = Span::new(&empty(), 0, 0);
            return Err(Box::new(
                Diagnostic::new(rule::FILE_TOO_LARGE, message)
                    .at(&span, "")
                    .help("split it into several files"),
            ));
        }
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Self::unchecked(name, text)),
            Err(error) => Err(Box::new(not_utf8(name, error))),
        }
    }

    /// A source from text.
    ///
    /// # Errors
    /// A text that is larger than [`MAX_SOURCE_BYTES`] is refused.
    pub fn new(name: &str, text: impl Into<String>) -> Result<Arc<Self>, Box<Diagnostic>> {
        Self::from_bytes(name, text.into().into_bytes())
    }

    /// A source that privlink wrote itself: nobody edits it, so that it is the cause of nothing.
    ///
    /// # Errors
    /// A text that is larger than [`MAX_SOURCE_BYTES`] is refused.
    pub fn generated(name: &str, text: impl Into<String>) -> Result<Arc<Self>, Box<Diagnostic>> {
        let source = Self::new(name, text)?;
        Ok(match Arc::try_unwrap(source) {
            Ok(source) => Arc::new(Self { is_generated: true, ..source }),
            Err(shared) => shared,
        })
    }

    fn unchecked(name: &str, text: String) -> Arc<Self> {
        let name = name.to_owned();
        Arc::new(Self {
            name,
            text,
            is_generated: false,
            line_starts: OnceLock::new(),
            masked: OnceLock::new(),
        })
    }

    /// Whether privlink wrote it itself.
    pub fn is_generated(&self) -> bool {
        self.is_generated
    }

    /// The name it is shown under.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// A line and so many around it, fit to be shown: what may be secret is masked. With the number of the
    /// first; nothing if there is no such line.
    pub fn excerpt(&self, line: usize, around: usize) -> Option<(usize, Vec<String>)> {
        let last = self.line_starts().len();
        if line == 0 || line > last {
            return None;
        }
        let shown = self.shown();
        let first = line.saturating_sub(around).max(1);
        let lines = (first..=(line + around).min(last)).map(|line| {
            let text = shown.get(self.line_start(line)..self.line_start(line + 1));
            let text = text.unwrap_or_default().trim_end_matches(['\n', '\r']);
            text.trim_start_matches('\u{feff}').chars().take(LONGEST).collect()
        });
        Some((first, lines.collect()))
    }

    /// The text without what may be secret: as long as it is.
    fn shown(&self) -> &str {
        let masked = self.masked.get_or_init(|| match hide_secrets(&self.text) {
            Cow::Borrowed(_) => None,
            Cow::Owned(masked) => Some(masked),
        });
        masked.as_deref().unwrap_or(&self.text)
    }

    /// The line, from 1, that holds a byte.
    pub(super) fn line(&self, offset: u32) -> usize {
        self.line_starts().partition_point(|start| *start <= offset).max(1)
    }

    /// The byte offset of a line's start; the text's end for a line behind the last.
    pub(super) fn line_start(&self, line: usize) -> usize {
        self.line_starts()
            .get(line.saturating_sub(1))
            .map_or(self.text.len(), |start| *start as usize)
    }

    fn line_starts(&self) -> &[u32] {
        self.line_starts.get_or_init(|| {
            let bytes = self.text.as_bytes();
            let mut starts = vec![0];
            for (index, byte) in bytes.iter().enumerate() {
                // A line ends with LF, CR LF or CR (YAML 1.2.2, section 5.4).
                let ends = match byte {
                    b'\n' => true,
                    b'\r' => bytes.get(index + 1) != Some(&b'\n'),
                    _ => false,
                };
                if ends {
                    starts.push(u32::try_from(index + 1).unwrap_or(u32::MAX));
                }
            }
            starts
        })
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("name", &self.name).finish_non_exhaustive()
    }
}

impl PartialEq for Source {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.text == other.text
    }
}

impl Eq for Source {}

fn not_utf8(name: &str, error: std::string::FromUtf8Error) -> Diagnostic {
    let good = error.utf8_error().valid_up_to();
    let utf16 =
        error.as_bytes().starts_with(&[0xff, 0xfe]) || error.as_bytes().starts_with(&[0xfe, 0xff]);
    // What is shown replaces each bad sequence, so offsets hold up to the first of them.
    let source = Source::unchecked(name, String::from_utf8_lossy(error.as_bytes()).into_owned());
    let span = Span::new(&source, good, char::REPLACEMENT_CHARACTER.len_utf8());
    let message = if utf16 { "the file is UTF-16, not UTF-8" } else { "the file is not UTF-8" };
    Diagnostic::new(rule::NOT_UTF8, message)
        .at(&span, "this byte cannot be there")
        .help("save the file as UTF-8")
}

/// A place in a source.
#[derive(Clone, PartialEq, Eq)]
pub struct Span {
    source: Arc<Source>,
    start: u32,
    length: u32,
}

impl Span {
    /// A place from byte offset and length. Both are cut to what the text has, and moved to the
    /// borders of characters.
    pub fn new(source: &Arc<Source>, start: usize, length: usize) -> Self {
        let floor = |mut offset: usize| {
            offset = offset.min(source.text.len());
            while !source.text.is_char_boundary(offset) {
                offset -= 1;
            }
            offset
        };
        let end = floor(start.saturating_add(length));
        let start = floor(start);
        let short = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        Self { source: Arc::clone(source), start: short(start), length: short(end - start) }
    }

    /// The text it lies in.
    pub fn source(&self) -> &Arc<Source> {
        &self.source
    }

    /// Byte offset of its start.
    pub fn start(&self) -> usize {
        self.start as usize
    }

    /// Its length in bytes.
    pub fn length(&self) -> usize {
        self.length as usize
    }

    /// The text it covers.
    pub fn text(&self) -> &str {
        self.source.text.get(self.start()..self.start() + self.length()).unwrap_or_default()
    }

    /// The line of its start, from 1.
    pub fn line(&self) -> usize {
        self.source.line(self.start)
    }

    /// The column of its start, from 1, in characters.
    pub fn column(&self) -> usize {
        let line_start = self.source.line_start(self.line());
        let before = self.source.text.get(line_start..self.start()).unwrap_or_default();
        before.trim_start_matches('\u{feff}').chars().count() + 1
    }

    /// File, line and column, as plain data.
    pub fn place(&self) -> Place {
        Place { file: self.source.name.clone(), line: self.line(), column: self.column() }
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{}", self.place(), self.length)
    }
}

impl PartialOrd for Span {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Span {
    fn cmp(&self, other: &Self) -> Ordering {
        self.source
            .name
            .cmp(&other.source.name)
            .then_with(|| (self.start, self.length).cmp(&(other.start, other.length)))
    }
}

/// File, line and column, as plain data: what a plan or a report stores of a [`Span`].
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct Place {
    /// The file's path as the user gave it, or `<stdin>`.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(text: &str, start: usize, length: usize) -> Span {
        Span::new(&Source::new("a.yaml", text).unwrap(), start, length)
    }

    #[test]
    fn lines_and_columns_count_from_one_and_in_characters() {
        let text = "é: 1\r\nb: é2\rc: 3\n";
        assert_eq!(span(text, 0, 1).place().to_string(), "a.yaml:1:1");
        let two = span(text, text.find('2').unwrap(), 1);
        assert_eq!(two.place().to_string(), "a.yaml:2:5");
        assert_eq!(span(text, text.find('c').unwrap(), 1).place().to_string(), "a.yaml:3:1");
        assert_eq!(span(text, text.len(), 1).place().to_string(), "a.yaml:4:1");
    }

    #[test]
    fn a_byte_order_mark_is_no_column() {
        assert_eq!(span("\u{feff}a: 1", 3, 1).column(), 1);
    }

    #[test]
    fn bytes_that_are_not_utf8_are_placed() {
        let error = Source::from_bytes("a.yaml", b"a: 1\nb: \xff\n".to_vec()).unwrap_err();
        assert_eq!(error.code, rule::NOT_UTF8);
        assert_eq!(error.place().unwrap().to_string(), "a.yaml:2:4");
    }

    #[test]
    fn a_span_within_a_character_is_moved_to_its_border() {
        let span = span("aé", 2, 100);
        assert_eq!((span.start(), span.text()), (1, "é"));
    }
}
