//! A drift report as a message in a chat: what is wrong, briefly. Text from outside stands in parts that chats take for plain
//! text: no name makes a link, a mention or a heading.

use privlink_core::drift::{Difference, Report, StackReport, Urgency};
use privlink_core::escape::{shorten, terminal};
use serde_json::{Value, json};

/// The most bytes of a message to Teams: it takes 28 KB, and adds some of its own.
pub const MOST_BYTES_OF_TEAMS: usize = 20 * 1024;

/// The most blocks and the most characters of one that Slack takes, the last block aside.
const MOST_BLOCKS: usize = 48;
const MOST_CHARACTERS: usize = 2_900;

/// One thing that a reader should know.
struct Line {
    /// How bad it is, in a word or two.
    word: String,
    /// What is so.
    text: String,
}

impl Line {
    fn of(stack: &StackReport, difference: &Difference) -> Self {
        let mut text =
            format!("{}: {}: {}", stack.stack, super::object(difference), difference.message);
        text.push_str(&format!(" (by {})", super::joined(&super::who(&difference.cause))));
        if let Some(whom) = super::disconnected(difference) {
            text.push_str(&format!("; {whom}"));
        }
        Self { word: difference.class.word().to_owned(), text: shortened(&text) }
    }
}

/// All that a reader should know, the worst first; of a report that was compared, what is new.
fn lines(report: &Report) -> Vec<Line> {
    let mut lines = Vec::new();
    for stack in report.stacks.iter().filter(|it| !it.still_unread) {
        if let Some(error) = &stack.error {
            let text = shortened(&format!("{}: {error}", stack.stack));
            lines.push(Line { word: "not looked at".to_owned(), text });
        }
        let unread = |it: &privlink_core::drift::Unread| Line {
            word: "unreadable".to_owned(),
            text: shortened(&format!("{}: {}: {}", stack.stack, it.what, it.why)),
        };
        lines.extend(stack.unreadable.iter().map(unread));
    }
    for urgency in Urgency::ALL {
        for stack in &report.stacks {
            let found = super::of_urgency(stack, urgency);
            let news = found.into_iter().filter(|it| it.is_new || !report.compared);
            lines.extend(news.map(|it| Line::of(stack, it)));
        }
    }
    lines
}

/// Text on one line, and no longer than a chat takes.
fn shortened(text: &str) -> String {
    shorten(&terminal(text), MOST_CHARACTERS).into_owned()
}

fn title(report: &Report) -> String {
    format!("privlink drift: {}", super::line(report))
}

fn left_out(number: usize) -> String {
    format!("and {number} more: the job's log has all of them")
}

/// A message for an incoming webhook of Slack.
pub fn slack(report: &Report) -> Value {
    let plain = |text: &str| json!({"type": "plain_text", "text": text, "emoji": false});
    let section = |text: &str| json!({"type": "section", "text": plain(text)});
    let title = title(report);
    let lines = lines(report);
    let mut blocks = vec![section(&title)];
    let told = lines.iter().take(MOST_BLOCKS);
    blocks.extend(told.map(|it| section(&format!("{}  {}", it.word, it.text))));
    if let Some(more) = lines.len().checked_sub(MOST_BLOCKS).filter(|more| *more > 0) {
        blocks.push(section(&left_out(more)));
    }
    // What notifications show; counts alone, so that nothing in it is markup.
    json!({"text": title, "blocks": blocks})
}

/// A message with an Adaptive Card, for a workflow of Teams that posts what it is sent.
pub fn teams(report: &Report) -> Value {
    let run = |text: &str, weight: &str| json!({"type": "TextRun", "text": text, "weight": weight});
    let row =
        |runs: Vec<Value>| json!({"type": "RichTextBlock", "inlines": runs, "separator": true});
    let mut body = vec![row(vec![run(&title(report), "Bolder")])];
    let lines = lines(report);
    let mut room = MOST_BYTES_OF_TEAMS - 1_024;
    room = room.saturating_sub(body.iter().map(|it| it.to_string().len() + 1).sum());
    for (index, line) in lines.iter().enumerate() {
        let next =
            row(vec![run(&format!("{}  ", line.word), "Bolder"), run(&line.text, "Default")]);
        let size = next.to_string().len() + 1;
        if size > room {
            body.push(row(vec![run(&left_out(lines.len() - index), "Default")]));
            break;
        }
        room -= size;
        body.push(next);
    }
    let card = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": {"width": "Full"},
        "body": body,
    });
    let attachment = json!({
        "contentType": "application/vnd.microsoft.card.adaptive",
        "contentUrl": null,
        "content": card,
    });
    json!({"type": "message", "attachments": [attachment]})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(number: usize, error: &str) -> Report {
        let stack = |index: usize| StackReport::failed(&format!("shop-{index}"), "", error);
        Report::new("0", (0..number).map(stack).collect())
    }

    #[test]
    fn a_long_report_is_cut_to_what_a_chat_takes_and_says_so() {
        let report = failed(500, &"no cluster \u{1f600}".repeat(400));
        let card = teams(&report);
        assert!(card.to_string().len() <= MOST_BYTES_OF_TEAMS, "{}", card.to_string().len());
        assert!(card.to_string().contains(" more: the job's log"), "{card}");
        let message = slack(&report);
        let blocks = message.pointer("/blocks").and_then(Value::as_array);
        assert_eq!(blocks.map(Vec::len), Some(MOST_BLOCKS + 2));
        let mut texts =
            blocks.into_iter().flatten().filter_map(|it| it.pointer("/text/text")?.as_str());
        assert!(texts.clone().all(|text| text.chars().count() <= 3_000));
        assert_eq!(texts.next_back(), Some(left_out(500 - MOST_BLOCKS).as_str()));
    }

    #[test]
    fn a_hostile_text_stays_plain_text() {
        let report = failed(1, "<!channel> [click](https://evil.example) **x**\u{202e}\u{1b}[31m");
        let message = slack(&report);
        assert!(!message.pointer("/text").is_some_and(|it| it.to_string().contains("channel")));
        for block in message.pointer("/blocks").and_then(Value::as_array).into_iter().flatten() {
            assert_eq!(block.pointer("/text/type"), Some(&json!("plain_text")), "{block}");
        }
        let card = teams(&report);
        let body = card.pointer("/attachments/0/content/body").and_then(Value::as_array);
        for row in body.into_iter().flatten() {
            assert_eq!(row.pointer("/type"), Some(&json!("RichTextBlock")), "{row}");
        }
        for text in [message.to_string(), card.to_string()] {
            assert!(!text.contains('\u{202e}') && !text.contains("\\u001b"), "{text}");
        }
    }

    #[test]
    fn what_is_well_is_said_in_one_line() {
        let report = Report::new("0", vec![StackReport::default()]);
        assert_eq!(slack(&report).pointer("/text"), Some(&json!("privlink drift: No drift.")));
    }
}
