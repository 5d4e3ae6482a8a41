//! Making text from outside harmless where it is shown.

use std::borrow::Cow;
use std::fmt::Write;

use privlink_core::escape::{is_hidden, terminal};

use crate::style::Style;

/// All that is written, on its way out: what does something to a terminal or reorders text is spelled as
/// JSON spells it, so that what is JSON stays the same JSON. Line breaks and tabs stay, and where output is
/// coloured the sequences that set colours.
pub fn gate(text: &str, style: Style) -> Cow<'_, str> {
    let acts = |c: char| !matches!(c, '\n' | '\t') && is_hidden(c);
    if !text.contains(acts) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(at) = rest.find(acts) {
        let (before, behind) = rest.split_at(at);
        safe.push_str(before);
        if style.colour
            && let Some((sequence, after)) = colour(behind)
        {
            safe.push_str(sequence);
            rest = after;
            continue;
        }
        let mut characters = behind.chars();
        for unit in characters.next().unwrap_or_default().encode_utf16(&mut [0; 2]) {
            // Writing to a String cannot fail.
            let _ = write!(safe, "\\u{unit:04x}");
        }
        rest = characters.as_str();
    }
    safe.push_str(rest);
    Cow::Owned(safe)
}

/// A sequence at the start of a text that sets colours, and what is behind it. Concealing is no colour.
fn colour(text: &str) -> Option<(&str, &str)> {
    let codes = text.strip_prefix("\u{1b}[")?;
    let end = codes.find(|c: char| !c.is_ascii_digit() && c != ';')?;
    let (codes, behind) = codes.split_at(end);
    let after = behind.strip_prefix('m')?;
    let conceals = codes.split(';').any(|code| code.trim_start_matches('0') == "8");
    (!conceals).then(|| text.split_at(text.len() - after.len()))
}

/// What breaks up a mention, a reference or a link without being seen.
const JOINT: &str = "&#8204;";

/// Text within a paragraph or table cell of Markdown: nothing in it is markup, HTML, a mention, a
/// reference, a link, mathematics, an emoji's name or a line break, on GitHub, GitLab or Azure DevOps.
/// These look for references after entities are resolved, so a joiner stands behind each sign that
/// starts one.
pub fn markdown(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut last = ' ';
    let text = terminal(text);
    let mut characters = text.chars().peekable();
    // A colon that ends a word, and is its only one, starts no link and closes no emoji's name.
    let mut is_first_colon = true;
    while let Some(c) = characters.next() {
        let ends = characters.peek().is_none_or(|it| *it == ' ');
        match c {
            ':' if is_first_colon && ends && last.is_alphanumeric() => safe.push(c),
            '&' | '<' | '>' | '$' | '@' | '#' | '!' | '%' | '^' | ':' | '"' => {
                // Writing to a String cannot fail.
                let _ = write!(safe, "&#{};{JOINT}", u32::from(c));
            }
            // A table takes the backslash away before anything else is read.
            '|' => safe.push_str("&#124;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '~' => {
                safe.push('\\');
                safe.push(c);
                if c == '~' {
                    safe.push_str(JOINT);
                }
            }
            // `www.` starts a link.
            '.' if matches!(last, 'w' | 'W') => {
                safe.push_str(JOINT);
                safe.push(c);
            }
            c => safe.push(c),
        }
        is_first_colon = c == ' ' || is_first_colon && c != ':';
        last = c;
    }
    safe
}

/// A sentence of ours as [`markdown`] has it, but for what stands in backticks: that is code. For texts that hold nothing
/// but names that Kubernetes takes: others could bring backticks along. One that is left over, or two side by side, are
/// none of ours.
pub(crate) fn prose(text: &str) -> String {
    let parts: Vec<&str> = text.split('`').collect();
    let inner = parts.get(1..parts.len().saturating_sub(1)).unwrap_or_default();
    if parts.len().is_multiple_of(2) || inner.iter().any(|part| part.is_empty()) {
        return markdown(text);
    }
    let of = |(at, part): (usize, &str)| if at % 2 == 1 { code(part) } else { markdown(part) };
    parts.into_iter().enumerate().map(of).collect()
}

/// Text as inline code of Markdown, also within a table.
pub fn code(text: &str) -> String {
    let text = terminal(text);
    if text.trim().is_empty() || text.contains(['`', '|', '<', '\\']) {
        // Backticks and pipes cannot be written in inline code within a table, nor blanks alone; HTML
        // can hold them.
        let mut safe = String::from("<code>");
        for c in text.chars() {
            if c.is_ascii_alphanumeric() || matches!(c, ' ' | '/' | '-') {
                safe.push(c);
            } else {
                // Writing to a String cannot fail.
                let _ = write!(safe, "&#{};", u32::from(c));
                if c == '@' {
                    // Addresses of mail become links after entities are resolved, in HTML too.
                    safe.push_str(JOINT);
                }
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

/// Text as a quoted label of Mermaid, whose entities are written `#nn;`. What could be a directive
/// (`%%{`), Markdown (`1. `), mathematics (`$$`), an icon (`fa:`) or HTML is written so.
pub fn mermaid(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in terminal(text).chars() {
        if c.is_alphanumeric() || matches!(c, ' ' | '/' | '-' | ',') {
            safe.push(c);
        } else {
            // Writing to a String cannot fail.
            let _ = write!(safe, "#{};", u32::from(c));
            if matches!(c, '$' | '\\') {
                // `$$` starts mathematics and `\n` a line, also when they are written so.
                safe.push_str("#8204;");
            }
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_is_spelled_out_on_the_way_out() {
        let plain = Style { colour: false };
        assert_eq!(gate("a\n\tb é", plain), "a\n\tb é");
        let text = "a\u{1b}[31mred\u{1b}[0m \u{9b}2J \u{7f}\u{202e}\r\u{e0041}";
        let safe = gate(text, plain);
        assert!(!safe.chars().any(is_hidden), "{safe}");
        assert_eq!(gate(&safe, plain), safe);
        let coloured = gate(text, Style { colour: true });
        assert!(coloured.starts_with("a\u{1b}[31mred\u{1b}[0m \\u009b2J"), "{coloured}");
        for acts in ["\u{1b}[2J", "\u{1b}[8m", "\u{1b}[1;08m", "\u{1b}]0;x\u{7}", "\u{1b}["] {
            assert!(!gate(acts, Style { colour: true }).contains('\u{1b}'), "{acts:?}");
        }
    }

    #[test]
    fn json_stays_the_same_json_on_the_way_out() {
        let value =
            serde_json::json!({"a\u{7f}": ["\u{9b}31m", "\u{202e}", "\u{e0041}", "\u{85}"]});
        let text = serde_json::to_string_pretty(&value).unwrap();
        let safe = gate(&text, Style::default());
        assert!(safe.is_ascii(), "{safe}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&safe).unwrap(), value);
    }

    const HOSTILE: &str = "a\u{1b}[2J`|<script>@team\n::error::]( \u{202e}x";

    #[test]
    fn markdown_text_holds_no_markup() {
        let safe = markdown(HOSTILE);
        assert!(!safe.contains(['<', '\n', '@', ':']), "{safe}");
    }

    #[test]
    fn markdown_text_holds_no_reference_and_no_link() {
        let text = "@team #12 !3 &4 %5 ^6 $7 ~bug GL#1 user/project!2 https://a.example www.a.example :tada:";
        let safe = markdown(text);
        // As the services look at it: entities resolved, the joiner in place.
        let read = ["&#64;", "&#35;", "&#33;", "&#38;", "&#37;", "&#94;", "&#36;", "&#58;"];
        for entity in read {
            let all = safe.matches(entity).count();
            assert_eq!(safe.matches(&format!("{entity}&#8204;")).count(), all, "{entity}: {safe}");
        }
        assert!(!safe.contains("www.") && safe.contains("www&#8204;.a.example"), "{safe}");
        assert!(safe.contains("\\~&#8204;bug"), "{safe}");
    }

    #[test]
    fn a_label_of_mermaid_holds_no_directive() {
        let safe = mermaid("%%{init: {\"theme\": \"dark\"}}%% 1. \"]; click n0 $$x$$ fa:fa-x <b>");
        assert!(!safe.contains(['%', '{', '}', '"', ']', '$', ':', '<', '>', '.']), "{safe}");
        assert_eq!(mermaid("$$\\n"), "#36;#8204;#36;#8204;#92;#8204;n");
    }

    #[test]
    fn inline_code_cannot_be_left() {
        let safe = code(HOSTILE);
        assert!(!safe.contains(['`', '|', '\n']) && !safe.contains("<script"), "{safe}");
        assert_eq!(code("plain-name"), "`plain-name`");
        assert_eq!(code(""), "<code></code>");
        assert!(
            !code("` www.a.example").contains("www."),
            "HTML does not keep a link from being one"
        );
    }

    #[test]
    fn what_stands_in_backticks_is_code_and_nothing_else_is() {
        assert_eq!(prose("set `a.b` to `1|2`."), "set `a.b` to <code>1&#124;2</code>.");
        for odd in ["a ` b", "`` @x", "`a``@b`"] {
            assert_eq!(prose(odd), markdown(odd));
        }
        assert_eq!(prose("`<b>` <b>"), format!("{} {}", code("<b>"), markdown("<b>")));
    }

    #[test]
    fn a_fence_is_longer_than_what_it_holds() {
        assert_eq!(fence("a ```` b"), "`````");
        assert_eq!(fence("nothing"), "```");
    }
}
