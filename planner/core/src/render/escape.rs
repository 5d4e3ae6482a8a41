//! Making text from outside harmless where it is shown.

use std::fmt::Write;

/// Whether a character does something to a terminal or to the order of text instead of being seen:
/// control characters, marks of writing direction, blanks without width, private characters.
pub(crate) fn is_hidden(character: char) -> bool {
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

/// Text on one line of a terminal: control characters and marks that reorder text are spelled out.
pub fn terminal(text: &str) -> String {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return text.to_owned();
    }
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => safe.push_str("\\n"),
            '\t' => safe.push_str("\\t"),
            '\r' => safe.push_str("\\r"),
            c if is_hidden(c) => {
                // Writing to a String cannot fail.
                let _ = write!(safe, "\\u{{{:x}}}", u32::from(c));
            }
            c => safe.push(c),
        }
    }
    safe
}

/// Text within a paragraph or table cell of Markdown: nothing in it is markup, HTML, a mention, a link
/// or a line break.
pub fn markdown(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in terminal(text).chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            // A zero-width non-joiner keeps `@team`, `#12` and `www.` from becoming mentions and links.
            '@' | '#' => {
                safe.push(c);
                safe.push_str("&#8204;");
            }
            ':' => safe.push_str("&#58;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' => {
                safe.push('\\');
                safe.push(c);
            }
            c => safe.push(c),
        }
    }
    safe
}

/// Text as inline code of Markdown, also within a table.
pub fn code(text: &str) -> String {
    let text = terminal(text);
    if text.contains(['`', '|', '<']) {
        // Backticks and pipes cannot be written in inline code within a table; HTML can hold them.
        let mut safe = String::from("<code>");
        for c in text.chars() {
            if c.is_ascii_alphanumeric() || matches!(c, ' ' | '/' | '.' | '-') {
                safe.push(c);
            } else {
                // Writing to a String cannot fail.
                let _ = write!(safe, "&#{};", u32::from(c));
            }
        }
        safe.push_str("</code>");
        safe
    } else {
        format!("`{text}`")
    }
}

/// A fence longer than any run of backticks in a text, for a code block around it.
pub fn fence(text: &str) -> String {
    let mut longest = 0;
    let mut run = 0;
    for c in text.chars() {
        run = if c == '`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    "`".repeat((longest + 1).max(3))
}

/// Text as a quoted label of DOT.
pub fn dot(text: &str) -> String {
    terminal(text).replace('\\', "\\\\").replace('"', "\\\"")
}

/// Text as a quoted label of Mermaid, whose entities are written `#nn;`.
pub fn mermaid(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in terminal(text).chars() {
        if matches!(c, '"' | '#' | '<' | '>' | '&' | '`' | ';' | '\\') {
            // Writing to a String cannot fail.
            let _ = write!(safe, "#{};", u32::from(c));
        } else {
            safe.push(c);
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "a\u{1b}[2J`|<script>@team\n::error::]( \u{202e}x";

    #[test]
    fn a_terminal_sees_no_control_character() {
        let safe = terminal(HOSTILE);
        assert!(!safe.chars().any(is_hidden), "{safe}");
        assert!(safe.contains("\\u{1b}[2J"), "{safe}");
    }

    #[test]
    fn markdown_text_holds_no_markup() {
        let safe = markdown(HOSTILE);
        assert!(!safe.contains('<') && !safe.contains('\n') && !safe.contains("@team"), "{safe}");
        assert!(!safe.contains("::"), "{safe}");
    }

    #[test]
    fn inline_code_cannot_be_left() {
        let safe = code(HOSTILE);
        assert!(!safe.contains(['`', '|', '\n']) && !safe.contains("<script"), "{safe}");
        assert_eq!(code("plain-name"), "`plain-name`");
    }

    #[test]
    fn a_fence_is_longer_than_what_it_holds() {
        assert_eq!(fence("a ```` b"), "`````");
        assert_eq!(fence("nothing"), "```");
    }
}
