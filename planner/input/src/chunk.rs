//! Cutting a stream of YAML into documents, by its lines.

/// What a byte order mark is.
const MARK: char = '\u{feff}';

/// The documents of a stream with the offsets of their starts. A chunk begins at a `---` line, or at
/// the comments and directives before it; it ends before the next, or behind a `...` line.
///
/// Lines that start with a marker are markers wherever they stand: neither block scalars nor quoted
/// ones may hold them (YAML 1.2.2, rule `c-forbidden`). A byte order mark before anything of a document
/// is in no chunk: files that were written one after another have one each, which `kubectl` reads too.
///
/// A text that begins with an object of JSON may have more of them with nothing between, as `kubectl`
/// reads them: each is a chunk.
pub(crate) fn chunks(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let objects = objects(text);
    let start = objects.last().map_or(0, |(start, object)| start + object.len());
    let lines = Lines { text, next: start };
    let mut cutter = Cutter { text, lines, start, seen: Seen::Nothing };
    objects.into_iter().chain(std::iter::from_fn(move || cutter.next()))
}

/// The objects of JSON that a text begins with and that another follows; none if it does not.
fn objects(text: &str) -> Vec<(usize, &str)> {
    let mut objects = Vec::new();
    let mut start = if text.starts_with(MARK) { MARK.len_utf8() } else { 0 };
    while let Some(length) = text.get(start..).and_then(object) {
        let end = start + length;
        if !text.get(end..).is_some_and(|rest| rest.trim_start().starts_with('{')) {
            break;
        }
        objects.push((start, text.get(start..end).unwrap_or_default()));
        start = end;
    }
    objects
}

/// The length of the object of JSON that a text begins with.
fn object(text: &str) -> Option<usize> {
    if !text.trim_start().starts_with('{') {
        return None;
    }
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<serde::de::IgnoredAny>();
    values.next()?.ok()?;
    Some(values.byte_offset())
}

/// What was seen of the document that a line is in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// Nothing but comments and directives.
    Nothing,
    /// Its `---`, and nothing behind it.
    Marker,
    /// Something of it.
    Content,
}

struct Cutter<'a> {
    text: &'a str,
    lines: Lines<'a>,
    start: usize,
    seen: Seen,
}

impl<'a> Cutter<'a> {
    fn next(&mut self) -> Option<(usize, &'a str)> {
        while let Some((line_start, line)) = self.lines.next() {
            if line.starts_with(MARK) && self.seen != Seen::Content {
                let before = self.cut(line_start);
                // The rest of the line begins a document.
                self.start = line_start + MARK.len_utf8();
                self.lines.next = self.start;
                self.seen = Seen::Nothing;
                if before.is_some() {
                    return before;
                }
                continue;
            }
            let end = if let Some(behind) = behind_marker(line, "---") {
                let was_open = self.seen != Seen::Nothing;
                self.seen = if is_prelude(behind) { Seen::Marker } else { Seen::Content };
                was_open.then_some(line_start)
            } else if behind_marker(line, "...").is_some() {
                self.seen = Seen::Nothing;
                Some(self.lines.next)
            } else {
                if !is_prelude(line) {
                    self.seen = Seen::Content;
                }
                None
            };
            if let Some(end) = end {
                return Some(self.cut(end).unwrap_or((end, "")));
            }
        }
        self.cut(self.text.len())
    }

    /// What is between the last cut and this one, if anything.
    fn cut(&mut self, end: usize) -> Option<(usize, &'a str)> {
        let start = std::mem::replace(&mut self.start, end);
        let chunk = self.text.get(start..end).filter(|chunk| !chunk.is_empty())?;
        Some((start, chunk))
    }
}

/// What is behind a marker, if a line is one.
fn behind_marker<'a>(line: &'a str, marker: &str) -> Option<&'a str> {
    let rest = line.strip_prefix(marker)?;
    (rest.is_empty() || rest.starts_with([' ', '\t', '\n', '\r'])).then_some(rest)
}

/// Whether a line may stand before a document's `---`.
fn is_prelude(line: &str) -> bool {
    let trimmed = line.trim_start();
    trimmed.is_empty() || trimmed.starts_with('#') || line.starts_with('%')
}

/// Lines with their offsets, line ends included.
struct Lines<'a> {
    text: &'a str,
    next: usize,
}

impl<'a> Iterator for Lines<'a> {
    type Item = (usize, &'a str);

    fn next(&mut self) -> Option<(usize, &'a str)> {
        let start = self.next;
        let rest = self.text.get(start..).filter(|rest| !rest.is_empty())?;
        let length = match rest.find(['\n', '\r']) {
            None => rest.len(),
            Some(at) if rest.get(at..).is_some_and(|end| end.starts_with("\r\n")) => at + 2,
            Some(at) => at + 1,
        };
        self.next = start + length;
        Some((start, rest.get(..length).unwrap_or_default()))
    }
}
