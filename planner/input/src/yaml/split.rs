//! Cutting a stream into documents.

/// The documents of a stream with the offsets of their starts. A chunk begins at a `---` line, or at
/// the comments and directives before it; it ends before the next, or behind a `...` line.
///
/// Lines that start with a marker are markers wherever they stand: neither block scalars nor quoted
/// ones may hold them (YAML 1.2.2, rule `c-forbidden`).
pub(crate) fn chunks(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let text_start = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let mut lines = Lines { text, next: text_start };
    let mut start = text_start;
    let mut open = false;
    std::iter::from_fn(move || {
        loop {
            let Some((line_start, line)) = lines.next() else {
                let rest = text.get(start..).filter(|rest| !rest.is_empty())?;
                let chunk = (start, rest);
                start = text.len();
                return Some(chunk);
            };
            let end = if is_marker(line, "---") {
                let was_open = open;
                open = true;
                was_open.then_some(line_start)
            } else if is_marker(line, "...") {
                open = false;
                Some(lines.next)
            } else {
                open = open || !is_prelude(line);
                None
            };
            if let Some(end) = end {
                let chunk = (start, text.get(start..end).unwrap_or_default());
                start = end;
                return Some(chunk);
            }
        }
    })
}

fn is_marker(line: &str, marker: &str) -> bool {
    line.strip_prefix(marker)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\n', '\r']))
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
