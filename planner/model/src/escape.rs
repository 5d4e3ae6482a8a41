//! Making text from outside harmless where it is shown. Formats that have quotes of their own add those
//! in their renderer.

use std::borrow::Cow;
use std::fmt::Write;

use crate::unknown;

/// Whether a character does something to a terminal or to the order of text instead of being seen:
/// control characters, marks of writing direction, blanks without width, private characters.
pub fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{e000}'..='\u{f8ff}'
                | '\u{feff}'
                | '\u{fff0}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

/// Text on one line of a terminal: control characters and marks that reorder text are spelled out. Two
/// hash signs are kept apart, since Azure Pipelines takes `##vso[` anywhere in a line for a command. Unknowns
/// of unknown values become words ([`unknown::show`]).
pub fn terminal(text: &str) -> Cow<'_, str> {
    let mut last = b' ';
    let is_harmless = |byte: u8| {
        let before = std::mem::replace(&mut last, byte);
        matches!(byte, b' '..=b'~') && (byte != b'#' || before != b'#')
    };
    if text.bytes().all(is_harmless) {
        return Cow::Borrowed(text);
    }
    if unknown::is_unknown(text) {
        return Cow::Owned(escaped(unknown::show(text)));
    }
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => safe.push_str("\\n"),
            '\t' => safe.push_str("\\t"),
            '\r' => safe.push_str("\\r"),
            '#' if safe.ends_with('#') => safe.push_str("\\#"),
            c if is_hidden(c) => {
                // Writing to a String cannot fail.
                let _ = write!(safe, "\\u{{{:x}}}", u32::from(c));
            }
            c => safe.push(c),
        }
    }
    Cow::Owned(safe)
}

/// As [`terminal`], of text that is nobody else's.
pub fn escaped(text: String) -> String {
    match terminal(&text) {
        Cow::Borrowed(_) => text,
        Cow::Owned(safe) => safe,
    }
}

/// The start of a text, with `…` if it goes on behind so many characters.
pub fn shorten(text: &str, characters: usize) -> Cow<'_, str> {
    match text.char_indices().nth(characters) {
        None => text.into(),
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_shown_speaks_to_a_pipeline() {
        let shown = terminal("please ##vso[task.setvariable variable=x]y ###[error]");
        assert_eq!(shown, "please #\\#vso[task.setvariable variable=x]y #\\#\\#[error]");
        assert!(!shown.contains("##"));
    }

    #[test]
    fn a_terminal_sees_no_control_character() {
        let safe = terminal("a\u{1b}[2J`|<script>@team\n::error::]( \u{202e}x");
        assert!(!safe.chars().any(is_hidden), "{safe}");
        assert!(safe.contains("\\u{1b}[2J"), "{safe}");
    }

    #[test]
    fn an_unknown_is_shown_in_words() {
        let uid = unknown::mark("uid", "default/web");
        assert_eq!(terminal(&format!("pls-a{uid}\n")), "pls-a(uid known after apply)\\n");
    }

    #[test]
    fn text_is_shortened_between_characters() {
        assert_eq!(shorten("äöü", 3), "äöü");
        assert_eq!(shorten("äöü", 2), "äö…");
    }
}
