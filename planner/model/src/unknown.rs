//! Values that nobody knows before they exist.
//!
//! An unknown is text that composes: a mark stands for what is handed out later, and text around it
//! stays what it is, so that `pls-a` and an unknown uid make one unknown name. A mark carries what it
//! is unknown *of* (`uid default/web`), hence one unknown equals itself and no other, and references
//! keep working. [`show`] turns marks into the words a person reads.

use serde_json::Value;

/// Opens a mark. A private-use character, which no YAML, Kubernetes or ARM name may hold.
pub const OPEN: char = '\u{E000}';
/// Closes a mark.
pub const CLOSE: char = '\u{E001}';

/// Stands for a slash within a mark.
pub const SLASH: char = '\u{E002}';

/// Within a mark: how many of the first characters of what it stands for are meant.
pub const FIRST: char = '\u{E003}';

/// Whether marks are made of a character. No text of a user's may hold it.
pub const fn is_reserved(character: char) -> bool {
    matches!(character, OPEN | CLOSE | SLASH | FIRST)
}

/// The mark of something unknown: `what` is the noun shown (`uid`), `of` tells it from others of its
/// kind (`default/web`) and is not shown. A mark may stand in a segment of an ARM id, so slashes of `of`
/// are kept as [`SLASH`]; marks within `of` lose their brackets, so marks do not nest.
pub fn mark(what: &str, of: &str) -> String {
    // A slash takes three bytes in place of one.
    let slashes = of.bytes().filter(|byte| *byte == b'/').count();
    let mut mark = String::with_capacity(what.len() + of.len() + 2 * slashes + 7);
    mark.push(OPEN);
    mark.push_str(what);
    mark.push('|');
    let mut rest = of;
    // All reserved characters begin with one byte, which no other character of an id does.
    while let Some(at) = rest.bytes().position(|byte| byte == b'/' || byte == RESERVED) {
        let (plain, behind) = rest.split_at_checked(at).unwrap_or((rest, ""));
        mark.push_str(plain);
        let mut characters = behind.chars();
        match characters.next() {
            None | Some(OPEN | CLOSE) => {}
            Some('/') => mark.push(SLASH),
            Some(FIRST) => mark.push('~'),
            Some(other) => mark.push(other),
        }
        rest = characters.as_str();
    }
    mark.push_str(rest);
    mark.push(CLOSE);
    mark
}

/// What a mark stands for, in parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown<'a> {
    /// The noun that is shown: `uid`.
    pub what: &'a str,
    /// What tells it from others of its kind: `default/web`.
    pub of: String,
    /// How many of its first characters are meant, if not all of them.
    pub first: Option<usize>,
}

impl Unknown<'_> {
    /// Its mark.
    pub fn to_mark(&self) -> String {
        let whole = mark(self.what, &self.of);
        match (self.first, whole.strip_suffix(CLOSE)) {
            (Some(first), Some(open)) => format!("{open}{FIRST}{first}{CLOSE}"),
            _ => whole,
        }
    }
}

/// A stretch of a text that may hold marks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment<'a> {
    /// Text without a reserved character.
    Text(&'a str),
    /// A mark.
    Unknown(Unknown<'a>),
    /// A reserved character that belongs to no mark that [`mark`] makes.
    Stray(char),
}

/// A text in segments, in order. The text comes back from them as it was.
pub fn segments(text: &str) -> Vec<Segment<'_>> {
    let mut segments = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(is_reserved) {
        let (before, behind) = rest.split_at(at);
        if !before.is_empty() {
            segments.push(Segment::Text(before));
        }
        if let Some((unknown, after)) = leading_mark(behind) {
            segments.push(Segment::Unknown(unknown));
            rest = after;
            continue;
        }
        let mut characters = behind.chars();
        segments.extend(characters.next().map(Segment::Stray));
        rest = characters.as_str();
    }
    if !rest.is_empty() {
        segments.push(Segment::Text(rest));
    }
    segments
}

/// The mark that a text begins with, and what is behind it.
fn leading_mark(text: &str) -> Option<(Unknown<'_>, &str)> {
    let (inside, after) = text.strip_prefix(OPEN)?.split_once(CLOSE)?;
    let (what, rest) = inside.split_once('|')?;
    let (of, first) = match rest.rsplit_once(FIRST) {
        Some((of, first)) => (of, Some(first.parse().ok()?)),
        None => (rest, None),
    };
    let unknown = Unknown { what, of: of.replace(SLASH, "/"), first };
    let (whole, _) = text.split_at(text.len() - after.len());
    (!what.contains(is_reserved) && unknown.to_mark() == whole).then_some((unknown, after))
}

/// The first byte of all reserved characters, in UTF-8.
const RESERVED: u8 = 0xEE;

/// Whether a text holds a mark.
pub fn is_unknown(text: &str) -> bool {
    text.as_bytes().contains(&RESERVED) && text.contains(OPEN)
}

/// How many characters what a mark stands for will have; nothing where that is not known. In names a uid
/// is 31 digits (k8s.io/cloud-provider, `DefaultLoadBalancerName`: `a` and the uid without dashes make
/// 32), and a node port 5 (kube-apiserver's default range, 30000 to 32767).
fn length_of_mark(inside: &str) -> Option<usize> {
    if let Some((_, first)) = inside.rsplit_once(FIRST) {
        return first.parse().ok();
    }
    match inside.split('|').next() {
        Some("uid") => Some(31),
        Some("node port") => Some(5),
        _ => None,
    }
}

/// A text in pieces: what is known, and what stands in marks.
enum Piece<'a> {
    Known(&'a str),
    Mark(&'a str),
}

fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, marked)) = rest.split_once(OPEN) {
        pieces.push(Piece::Known(before));
        let (inside, after) = marked.split_once(CLOSE).unwrap_or((marked, ""));
        pieces.push(Piece::Mark(inside));
        rest = after;
    }
    pieces.push(Piece::Known(rest));
    pieces
}

/// How many bytes a text will have once its marks are filled in; nothing where that is not known.
pub fn length(text: &str) -> Option<usize> {
    if !is_unknown(text) {
        return Some(text.len());
    }
    let of = |piece: Piece<'_>| match piece {
        Piece::Known(text) => Some(text.len()),
        Piece::Mark(inside) => length_of_mark(inside),
    };
    pieces(text).into_iter().map(of).sum()
}

/// The first `limit` bytes that a text will have once its marks are filled in, cut at a character. A
/// mark that is cut stands for the first characters of what it stood for. Where a mark before the limit
/// has no length that is known, the whole text becomes one unknown.
pub fn cut(text: &str, limit: usize) -> String {
    if text.len() <= limit && !is_unknown(text) {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut room = limit;
    for piece in pieces(text) {
        match piece {
            Piece::Known(known) => {
                let is_end = |at: &usize| known.is_char_boundary(*at);
                let taken = (0..=room.min(known.len())).rev().find(is_end).unwrap_or_default();
                kept.push_str(known.get(..taken).unwrap_or_default());
                if taken < known.len() {
                    break;
                }
                room -= taken;
            }
            Piece::Mark(_) if room == 0 => break,
            Piece::Mark(inside) => {
                let Some(length) = length_of_mark(inside) else {
                    return mark("name", text);
                };
                kept.push(OPEN);
                if length > room {
                    let base = inside.rsplit_once(FIRST).map_or(inside, |(base, _)| base);
                    kept.push_str(&format!("{base}{FIRST}{room}{CLOSE}"));
                    break;
                }
                kept.push_str(inside);
                kept.push(CLOSE);
                room -= length;
            }
        }
    }
    kept
}

/// The text with every mark in it that is known replaced by its value. `value` knows whole marks, brackets
/// included; of a mark that was cut, the first characters are taken.
pub fn fill<V: AsRef<str>>(text: &str, value: impl Fn(&str) -> Option<V>) -> String {
    let of_mark = |mark: &str| -> Option<String> {
        if let Some(value) = value(mark) {
            return Some(value.as_ref().to_owned());
        }
        let (base, first) = mark.strip_suffix(CLOSE)?.rsplit_once(FIRST)?;
        let whole = value(&format!("{base}{CLOSE}"))?;
        whole.as_ref().get(..first.parse().ok()?).map(ToOwned::to_owned)
    };
    let mut filled = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(OPEN) {
        let (before, marked) = rest.split_at(start);
        filled.push_str(before);
        let end = marked.find(CLOSE).map_or(marked.len(), |at| at + CLOSE.len_utf8());
        let (mark, after) = marked.split_at(end);
        filled.push_str(of_mark(mark).as_deref().unwrap_or(mark));
        rest = after;
    }
    filled.push_str(rest);
    filled
}

/// The text as people and JSON see it: a text that is one mark alone becomes
/// `(known after apply)`, a mark within other text `(uid known after apply)`.
pub fn show(text: &str) -> String {
    if !is_unknown(text) {
        return text.to_owned();
    }
    let alone = text.starts_with(OPEN) && text.find(CLOSE) == Some(text.len() - CLOSE.len_utf8());
    if alone {
        return "(known after apply)".to_owned();
    }
    let mut shown = String::new();
    let mut rest = text;
    while let Some((before, marked)) = rest.split_once(OPEN) {
        shown.push_str(before);
        let (inside, after) = marked.split_once(CLOSE).unwrap_or((marked, ""));
        let what = inside.split('|').next().unwrap_or_default();
        shown.push('(');
        shown.push_str(what);
        shown.push_str(" known after apply)");
        rest = after;
    }
    shown.push_str(rest);
    shown
}

/// A value with its unknowns as words, in keys too.
#[must_use]
pub fn show_value(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(show_text(text)),
        Value::Array(items) => Value::Array(items.into_iter().map(show_value).collect()),
        Value::Object(mut fields) => {
            if fields.keys().any(|key| is_unknown(key)) {
                let fields = fields.into_iter();
                Value::Object(fields.map(|(key, it)| (show_text(key), show_value(it))).collect())
            } else {
                fields.values_mut().for_each(|value| *value = show_value(value.take()));
                Value::Object(fields)
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value,
    }
}

/// A text with its unknowns as words.
#[must_use]
pub fn show_text(text: String) -> String {
    if is_unknown(&text) { show(&text) } else { text }
}

/// Whether a value holds a mark, in a text or a key.
pub fn holds_unknown(value: &Value) -> bool {
    match value {
        Value::String(text) => is_unknown(text),
        Value::Array(items) => items.iter().any(holds_unknown),
        Value::Object(fields) => {
            fields.iter().any(|(key, value)| is_unknown(key) || holds_unknown(value))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Whether a text may come of one with marks, each of which may stand for anything.
pub fn may_become(text: &str, came: &str) -> bool {
    fn rest_may(pieces: &[Piece<'_>], came: &str) -> bool {
        match pieces {
            [] => came.is_empty(),
            [Piece::Known(known), rest @ ..] => {
                came.strip_prefix(known).is_some_and(|came| rest_may(rest, came))
            }
            [Piece::Mark(_), rest @ ..] => {
                let mut ends = came.char_indices().map(|(at, _)| at).chain([came.len()]);
                ends.any(|at| came.get(at..).is_some_and(|came| rest_may(rest, came)))
            }
        }
    }
    rest_may(&pieces(text), came)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_alone_is_known_after_apply() {
        assert_eq!(show(&mark("address", "default/web")), "(known after apply)");
    }

    #[test]
    fn a_mark_composes_with_the_text_around_it() {
        let uid = mark("uid", "default/web");
        assert_eq!(show(&format!("pls-a{uid}-TCP-80")), "pls-a(uid known after apply)-TCP-80");
    }

    #[test]
    fn a_mark_stays_one_segment_of_an_id_and_does_not_nest() {
        let uid = mark("uid", "default/web");
        assert!(!uid.contains('/'));
        let address = mark("address", &format!("/a/{uid}/b"));
        assert_eq!(show(&address), "(known after apply)");
    }

    #[test]
    fn names_are_cut_by_the_length_that_unknown_parts_will_have() {
        let uid = mark("uid", "default/web");
        let port = mark("node port", "default/web health-check");
        let name = format!("a{uid}-TCP-{port}");
        assert_eq!(length(&name), Some(1 + 31 + 5 + 5));
        assert_eq!(cut(&name, 42), name);
        assert_eq!(cut(&name, 36), format!("a{uid}-TCP"));
        // Within a mark: its first characters, which are known once it is.
        let short = cut(&name, 5);
        assert_eq!(show(&short), "a(uid known after apply)");
        assert_eq!(length(&short), Some(5));
        let value = "257b965551374ad2b091ef3f07043ad";
        assert_eq!(fill(&short, |it| (it == uid).then_some(value)), "a257b");
        // Of an address nobody knows how long it will be.
        let name = cut(&format!("x-{}-y", mark("address", "pe")), 20);
        assert_eq!(show(&name), "(known after apply)");
        assert_eq!(length(&name), None);
    }

    #[test]
    fn what_is_not_known_may_become_anything() {
        let uid = mark("uid", "default/web");
        assert!(may_become(&mark("address", "web"), "10.240.0.6"));
        assert!(may_become(&format!("pls-a{uid}-TCP-80"), "pls-a123-TCP-80"));
        assert!(!may_become(&format!("pls-a{uid}-TCP-80"), "pls-a123-TCP-81"));
        assert!(!may_become("10.0.0.1", "10.0.0.2"));
        // Words that read like an unknown are words.
        assert!(!may_become("(known after apply)", "10.0.0.2"));
    }

    #[test]
    fn a_text_comes_back_from_its_segments() {
        let uid = mark("uid", "default/web");
        let cut = cut(&format!("x{uid}"), 4);
        let nested = mark("address", &format!("/a/{cut}/b"));
        let stray = format!("{SLASH}{OPEN}uid|a/b{CLOSE}{OPEN}");
        for text in ["", "plain", &uid, &format!("pls-a{uid}-TCP-80"), &cut, &nested, &stray] {
            let back: String = segments(text)
                .into_iter()
                .map(|segment| match segment {
                    Segment::Text(text) => text.to_owned(),
                    Segment::Unknown(unknown) => unknown.to_mark(),
                    Segment::Stray(character) => character.to_string(),
                })
                .collect();
            assert_eq!(back, *text);
        }
        let unknown = Unknown { what: "uid", of: "default/web".to_owned(), first: Some(3) };
        assert_eq!(segments(&cut), [Segment::Text("x"), Segment::Unknown(unknown)]);
        assert!(segments(&stray).iter().all(|it| !matches!(it, Segment::Unknown(_))));
    }

    #[test]
    fn one_unknown_equals_itself_and_no_other() {
        assert_eq!(mark("uid", "a/b"), mark("uid", "a/b"));
        assert_ne!(mark("uid", "a/b"), mark("uid", "a/c"));
    }
}
