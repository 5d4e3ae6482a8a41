//! Lines of source, made safe to show without moving what stands in them.

use std::borrow::Cow;

use crate::escape::is_hidden;

/// Every hidden character is replaced by one of the same length in
/// UTF-8, so that places stay right. Tabs stay; line ends become LF or stay CR LF.
pub(super) fn escape_source(text: &str) -> Cow<'_, str> {
    if !text.chars().any(|c| is_hidden(c) && c != '\n' && c != '\t') {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        escaped.push(match character {
            '\n' | '\t' => character,
            '\r' if characters.peek() == Some(&'\n') => character,
            '\r' => '\n',
            character if is_hidden(character) => match character.len_utf8() {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn source_keeps_its_length() {
        let text = "a\u{1b}\u{85}\u{202e}\u{e0001}\r\nb\rc\t";
        let shown = escape_source(text);
        assert_eq!(shown, "a?\u{b7}\u{fffd}\u{1f7e5}\r\nb\nc\t");
        assert_eq!(shown.len(), text.len());
    }
}
