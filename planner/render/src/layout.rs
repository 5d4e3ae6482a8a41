//! Text within a width: wrapped with hanging indents, in columns, and as commands to paste.

use std::fmt::{self, Write};

use unicode_width::UnicodeWidthStr;

use crate::style::{Label, Style};

/// The width where there is no terminal, in columns.
pub const WIDTH: usize = 100;
/// The most columns of a line with something about it at its right.
const ASIDE: usize = 120;
/// The least width that text is laid out for.
const LEAST: usize = 40;

/// How text is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// How it looks.
    pub style: Style,
    /// How many columns there are.
    pub width: usize,
}

impl Default for Layout {
    fn default() -> Self {
        Self { style: Style::default(), width: WIDTH }
    }
}

impl Layout {
    /// A layout without colour.
    pub fn plain(width: usize) -> Self {
        Self { width: width.max(LEAST), ..Self::default() }
    }

    /// The columns, at least [`LEAST`].
    pub(crate) fn columns(self) -> usize {
        self.width.max(LEAST)
    }

    /// A paragraph: the first line behind `head`, the others indented as far.
    pub(crate) fn paragraph(
        self,
        head: &str,
        text: &str,
        label: Option<Label>,
        out: &mut dyn Write,
    ) -> fmt::Result {
        let indent = width(head);
        let room = self.columns().saturating_sub(indent).max(LEAST / 2);
        for (at, line) in wrap(text, room).iter().enumerate() {
            let head = if at == 0 { head.to_owned() } else { " ".repeat(indent) };
            let line = match label {
                Some(label) => self.style.paint(label, line).to_string(),
                None => line.clone(),
            };
            writeln!(out, "{}", format!("{head}{line}").trim_end())?;
        }
        Ok(())
    }

    /// A line behind `head` with something about it at the right; below, where there is no room.
    pub(crate) fn beside(
        self,
        head: &str,
        (text, aside): (&str, &str),
        label: Option<Label>,
        out: &mut dyn Write,
    ) -> fmt::Result {
        let taken = width(head) + width(text) + width(aside);
        if aside.is_empty() || taken + GAP > self.columns() {
            self.paragraph(head, text, label, out)?;
            if aside.is_empty() {
                return Ok(());
            }
            let below = " ".repeat(width(head));
            return self.paragraph(&below, &format!("({aside})"), Some(Label::Faint), out);
        }
        let right = self.columns().min(ASIDE.max(taken + GAP));
        let gap = " ".repeat(right - taken);
        let painted = match label {
            Some(label) => self.style.paint(label, text).to_string(),
            None => text.to_owned(),
        };
        writeln!(out, "{head}{painted}{gap}{}", self.style.paint(Label::Faint, aside))
    }

    /// A row of cells, each wrapped within its width; the last takes what is left.
    pub(crate) fn row(self, indent: usize, cells: &[Cell<'_>], out: &mut dyn Write) -> fmt::Result {
        let mut left = self.columns().saturating_sub(indent);
        let mut columns = Vec::new();
        for (at, cell) in cells.iter().enumerate() {
            let is_last = at + 1 == cells.len();
            let room = if is_last { left.max(LEAST / 4) } else { cell.width.min(left) };
            columns.push((wrap(&cell.text, room.max(1)), room, cell.label));
            left = left.saturating_sub(room + GAP);
        }
        let lines = columns.iter().map(|(lines, ..)| lines.len()).max().unwrap_or_default();
        for at in 0..lines {
            let mut line = " ".repeat(indent);
            for (column, (texts, room, label)) in columns.iter().enumerate() {
                let text = texts.get(at).map_or("", String::as_str);
                let gap = if column + 1 == columns.len() {
                    0
                } else {
                    (room + GAP).saturating_sub(width(text))
                };
                match label.filter(|_| !text.is_empty()) {
                    Some(label) => write!(line, "{}", self.style.paint(label, text))?,
                    None => line.push_str(text),
                }
                line.push_str(&" ".repeat(gap));
            }
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }

    /// A command to paste, its words kept whole: lines that go on end with a backslash.
    pub(crate) fn command(self, head: &str, words: &[String], out: &mut dyn Write) -> fmt::Result {
        let indent = width(head);
        let room = self.columns().saturating_sub(2);
        let mut line = head.to_owned();
        let mut is_first = true;
        for word in &together(words) {
            if !is_first && width(&line) + 1 + width(word) > room {
                writeln!(out, "{line} \\")?;
                line = " ".repeat(indent + 2);
                is_first = true;
            }
            if !is_first {
                line.push(' ');
            }
            line.push_str(word);
            is_first = false;
        }
        writeln!(out, "{line}")
    }
}

/// Words, a flag with its value as one.
fn together(words: &[String]) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for word in words {
        let is_flag = |it: &String| it.starts_with('-') && !it.contains([' ', '=']);
        match all.last_mut().filter(|last| is_flag(last) && !word.starts_with('-')) {
            Some(last) => {
                last.push(' ');
                last.push_str(word);
            }
            None => all.push(word.clone()),
        }
    }
    all
}

/// The columns between cells.
pub(crate) const GAP: usize = 2;

/// A cell of a row.
pub(crate) struct Cell<'a> {
    /// What is in it.
    pub(crate) text: std::borrow::Cow<'a, str>,
    /// How many columns it has.
    pub(crate) width: usize,
    /// What it means.
    pub(crate) label: Option<Label>,
}

impl<'a> Cell<'a> {
    /// A cell of so many columns.
    pub(crate) fn new(text: impl Into<std::borrow::Cow<'a, str>>, width: usize) -> Self {
        Self { text: text.into(), width, label: None }
    }

    /// With a meaning.
    pub(crate) fn labelled(self, label: Option<Label>) -> Self {
        Self { label, ..self }
    }
}

/// How many columns a text takes.
pub(crate) fn width(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// A text as lines of so many columns at most; words that are longer are broken.
pub(crate) fn wrap(text: &str, room: usize) -> Vec<String> {
    if !text.starts_with(' ') && width(text) <= room {
        return vec![text.to_owned()];
    }
    let mut lines = Vec::new();
    let rest = text.trim_start_matches(' ');
    // What is indented stays so, with all its lines.
    let indent = (text.len() - rest.len()).min(room / 2);
    if indent > 0 {
        let lines = wrap(rest, room - indent).into_iter();
        return lines.map(|line| format!("{}{line}", " ".repeat(indent))).collect();
    }
    let mut line = String::new();
    let mut taken = 0;
    for word in rest.split(' ') {
        let gap = usize::from(!line.is_empty());
        let wide = width(word);
        if taken + gap + wide <= room {
            line.push_str(if gap == 1 { " " } else { "" });
            line.push_str(word);
            taken += gap + wide;
            continue;
        }
        if !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        for character in word.chars() {
            let wide = width(character.encode_utf8(&mut [0; 4]));
            if width(&line) + wide > room && !line.is_empty() {
                lines.push(std::mem::take(&mut line));
            }
            line.push(character);
        }
        taken = width(&line);
    }
    if !line.is_empty() || lines.is_empty() {
        lines.push(line);
    }
    lines
}

/// A text of at most so many columns, its end left away.
pub(crate) fn clip(text: &str, room: usize) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    let mut clipped = String::new();
    for character in text.chars() {
        let wide = width(character.encode_utf8(&mut [0; 4]));
        if width(&clipped) + wide + 3 > room {
            break;
        }
        clipped.push(character);
    }
    clipped + "..."
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stay_whole_where_they_fit() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefgh i", 3), ["abc", "def", "gh", "i"]);
        assert_eq!(wrap("", 3), [""]);
        assert_eq!(wrap("  one two", 6), ["  one", "  two"]);
    }

    #[test]
    fn wide_characters_count_twice() {
        assert_eq!(wrap("日本語", 4), ["日本", "語"]);
        assert_eq!(clip("日本語日本語", 7), "日本...");
    }

    #[test]
    fn a_command_goes_on_with_a_backslash_and_keeps_its_words() {
        let words =
            ["privlink", "explain", "PrivateLinkService/default/internal-app", "-f", "shop"];
        let words = words.map(str::to_owned);
        let mut out = String::new();
        Layout::plain(50).command("  ", &words, &mut out).unwrap();
        let joined = out.replace("\\\n", " ");
        assert_eq!(joined.split_whitespace().collect::<Vec<_>>(), words);
        assert!(out.lines().all(|line| line.len() <= 50), "{out}");
    }
}
