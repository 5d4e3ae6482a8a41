//! Text from outside, made safe to show.

use std::borrow::Cow;
use std::fmt::Write;

/// Replaces characters that a terminal would act on, or that would not be seen, by escapes such as
/// `\u{1b}`: control characters, marks of writing direction, blanks without width, private marks.
pub fn escape(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::new();
    for character in text.chars() {
        match character {
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            character if is_unsafe(character) => {
                let _ = write!(escaped, "\\u{{{:x}}}", u32::from(character));
            }
            character => escaped.push(character),
        }
    }
    Cow::Owned(escaped)
}

/// The same for lines of source: every such character is replaced by one of the same length in
/// UTF-8, so that places stay right. Tabs stay; line ends become LF or stay CR LF.
pub(super) fn escape_source(text: &str) -> Cow<'_, str> {
    if !text.chars().any(|c| is_unsafe(c) && c != '\n' && c != '\t') {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        escaped.push(match character {
            '\n' | '\t' => character,
            '\r' if characters.peek() == Some(&'\n') => character,
            '\r' => '\n',
            character if is_unsafe(character) => match character.len_utf8() {
                1 => '?',
                2 => '\u{b7}',
                3 => char::REPLACEMENT_CHARACTER,
                _ => '\u{1f7e5}',
            },
            character => character,
        });
    }
    Cow::Owned(escaped)
}

fn is_unsafe(character: char) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_terminals_act_on_is_escaped() {
        assert_eq!(escape("a\u{1b}[31mb\n\u{202e}c"), "a\\u{1b}[31mb\\n\\u{202e}c");
        assert_eq!(escape("über 日本"), "über 日本");
    }

    #[test]
    fn source_keeps_its_length() {
        let text = "a\u{1b}\u{85}\u{202e}\u{e0001}\r\nb\rc\t";
        let shown = escape_source(text);
        assert_eq!(shown, "a?\u{b7}\u{fffd}\u{1f7e5}\r\nb\nc\t");
        assert_eq!(shown.len(), text.len());
    }
}
