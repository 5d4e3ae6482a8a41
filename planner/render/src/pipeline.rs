//! What a pipeline's agent reads of a command's output: annotations that are meant, and commands that
//! text from outside must not give.

use std::borrow::Cow;
use std::fmt::Write;

use crate::notice::Notice;
use privlink_core::escape::{shorten, terminal};
use privlink_core::rule::Severity;

/// Agents that read commands in output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agent {
    /// GitHub Actions: `::error file=...::...`.
    GitHubActions,
    /// Azure Pipelines: `##vso[task.logissue ...]...`.
    AzurePipelines,
}

/// Commands for an agent. They are made here alone, of text that ends none of them early and does
/// nothing else either; whoever writes output lets nothing else pass that an agent takes for a command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Commands(String);

impl Commands {
    /// The commands, one a line.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Adds others.
    pub fn append(&mut self, other: &Self) {
        self.0.push_str(&other.0);
    }
}

/// The most annotations of one kind that GitHub shows of a step; the rest is dropped without a word.
const MOST: usize = 10;
/// The most characters of an annotation.
const LENGTH: usize = 2_000;

/// Annotations, one a line. `file` makes of a path what the agent takes: one from the root of the
/// repository for GitHub, an absolute one for Azure Pipelines. Where there are more than are shown, the
/// last one says how many.
pub fn annotations(agent: Agent, notices: &[Notice], file: &dyn Fn(&str) -> String) -> Commands {
    let mut text = String::new();
    for severity in [Severity::Error, Severity::Warning, Severity::Note] {
        let all: Vec<&Notice> = notices.iter().filter(|it| it.severity == severity).collect();
        let shown = if all.len() > MOST { MOST - 1 } else { all.len() };
        for notice in all.iter().take(shown) {
            let line = match agent {
                Agent::GitHubActions => github(notice, file),
                Agent::AzurePipelines => azure(notice, file),
            };
            text.push_str(&line);
        }
        if all.len() > shown {
            let more = format!("{} more are in the log", all.len() - shown);
            text.push_str(&problem(agent, severity, &more));
        }
    }
    Commands(text)
}

/// An error that is in no file.
pub fn error(agent: Agent, message: &str) -> Commands {
    Commands(problem(agent, Severity::Error, message))
}

/// A warning that is about no file.
pub fn warning(agent: Agent, message: &str) -> Commands {
    Commands(problem(agent, Severity::Warning, message))
}

/// The command by which Azure Pipelines shows a file of Markdown beside the run.
pub fn summary(file: &str) -> Commands {
    Commands(format!("##vso[task.uploadsummary]{}\n", azure_data(file)))
}

/// The commands by which Azure Pipelines sets output variables of a step. Names are letters, digits and
/// underscores.
pub fn variables(variables: &[(String, String)]) -> Commands {
    let set = |(name, value): &(String, String)| {
        let value = azure_data(value);
        format!("##vso[task.setvariable variable={name};isOutput=true]{value}\n")
    };
    Commands(variables.iter().map(set).collect())
}

fn problem(agent: Agent, severity: Severity, message: &str) -> String {
    let message = shorten(message, LENGTH);
    match agent {
        Agent::GitHubActions => {
            format!("::{} title=privlink::{}\n", level(severity), github_data(&message))
        }
        Agent::AzurePipelines => {
            format!("##vso[task.logissue type={}]{}\n", issue(severity), azure_data(&message))
        }
    }
}

/// The agents' own escapes, a percent sign first (Azure Pipelines, "Formatting commands"); what else acts
/// on a terminal is spelled out.
fn github_data(text: &str) -> String {
    let text = text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    terminal(&text).into_owned()
}

fn azure_data(text: &str) -> String {
    let text = text.replace('%', "%AZP25").replace('\r', "%0D").replace('\n', "%0A");
    terminal(&text).into_owned()
}

const fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Note => "notice",
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}

/// Azure Pipelines knows no notices.
const fn issue(severity: Severity) -> &'static str {
    match severity {
        Severity::Note | Severity::Warning => "warning",
        Severity::Error => "error",
    }
}

fn github(notice: &Notice, file: &dyn Fn(&str) -> String) -> String {
    let property = |text: &str| github_data(text).replace(':', "%3A").replace(',', "%2C");
    let mut line = format!("::{} ", level(notice.severity));
    if let Some(place) = &notice.place {
        // Writing to a String cannot fail.
        let _ = write!(
            line,
            "file={},line={},col={},",
            property(&file(&place.file)),
            place.line,
            place.column
        );
    }
    let title = property(&format!("privlink {}", notice.code));
    let _ = writeln!(line, "title={title}::{}", github_data(&shorten(&notice.text(), LENGTH)));
    line
}

fn azure(notice: &Notice, file: &dyn Fn(&str) -> String) -> String {
    let property = |text: &str| azure_data(text).replace(';', "%3B").replace(']', "%5D");
    let mut line = format!("##vso[task.logissue type={};", issue(notice.severity));
    if let Some(place) = &notice.place {
        // Writing to a String cannot fail.
        let _ = write!(
            line,
            "sourcepath={};linenumber={};columnnumber={};",
            property(&file(&place.file)),
            place.line,
            place.column
        );
    }
    let _ = writeln!(
        line,
        "code={};]{}",
        property(notice.code.as_str()),
        azure_data(&shorten(&notice.text(), LENGTH))
    );
    line
}

/// Output in which an agent finds no command: GitHub reads `::` at the start of a line, blanks before it
/// or not, and `##[` anywhere; Azure Pipelines reads `##vso[` anywhere. What is JSON stays the same JSON.
pub fn guard(text: &str) -> Cow<'_, str> {
    let is_start = |line: &str| line.trim_start().starts_with("::");
    let has_start = text.split(['\n', '\r']).any(is_start);
    if !has_start && !text.contains("##") {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for line in text.split_inclusive(['\n', '\r']) {
        let mut rest = line;
        if is_start(line) {
            let (blanks, command) = line.split_at(line.len() - line.trim_start().len());
            safe.push_str(blanks);
            safe.push('\\');
            rest = command;
        }
        while let Some((before, behind)) = rest.split_once("##") {
            safe.push_str(before);
            let is_command = behind.starts_with(['[', '#'])
                || behind.get(..4).is_some_and(|it| it.eq_ignore_ascii_case("vso["));
            safe.push_str(if is_command { "#\\u0023" } else { "##" });
            rest = behind;
        }
        safe.push_str(rest);
    }
    Cow::Owned(safe)
}

#[cfg(test)]
mod tests {
    use super::*;
    use privlink_core::diagnostic::Place;
    use privlink_core::rule;

    fn notice(severity: Severity, message: &str) -> Notice {
        Notice {
            code: rule::BECOMES_PUBLIC,
            severity,
            message: message.to_owned(),
            help: None,
            place: Some(Place { file: "a,b:c;d]e%.yaml".into(), line: 3, column: 7 }),
            address: None,
        }
    }

    fn annotated(agent: Agent, notices: &[Notice]) -> String {
        annotations(agent, notices, &|file| format!("deploy/{file}")).as_str().to_owned()
    }

    #[test]
    fn an_annotation_is_one_line_whatever_it_holds() {
        let notices = [notice(Severity::Error, "100%\r\n::error::x")];
        assert_eq!(
            annotated(Agent::GitHubActions, &notices),
            "::error file=deploy/a%2Cb%3Ac;d]e%25.yaml,line=3,col=7,title=privlink becomes-public::\
             100%25%0D%0A::error::x.\n"
        );
        assert_eq!(
            annotated(Agent::AzurePipelines, &notices),
            "##vso[task.logissue type=error;sourcepath=deploy/a,b:c%3Bd%5De%AZP25.yaml;linenumber=3;\
             columnnumber=7;code=becomes-public;]100%AZP25%0D%0A::error::x.\n"
        );
    }

    #[test]
    fn a_command_acts_on_no_terminal() {
        let mut hostile = notice(Severity::Error, "a\u{1b}[2J\u{9b}\u{202e}");
        hostile.place =
            Some(Place { file: "a\u{1b}]0;x\u{7}\n\u{202e}.yaml".into(), line: 1, column: 1 });
        for agent in [Agent::GitHubActions, Agent::AzurePipelines] {
            let text = annotated(agent, std::slice::from_ref(&hostile))
                + error(agent, "b\u{1b}[2J").as_str()
                + summary("c\u{1b}.md\n").as_str()
                + variables(&[("A".to_owned(), "\u{85}d".to_owned())]).as_str();
            let lines: Vec<&str> = text.lines().collect();
            assert_eq!(lines.len(), 4, "{text:?}");
            let acts = |c: char| c != '\n' && privlink_core::escape::is_hidden(c);
            assert!(!text.contains(acts), "{text:?}");
        }
    }

    #[test]
    fn of_more_than_are_shown_the_last_says_how_many() {
        let mut notices = vec![notice(Severity::Warning, "w"); 12];
        notices.extend(vec![notice(Severity::Error, "e"); 10]);
        let text = annotated(Agent::GitHubActions, &notices);
        assert_eq!(text.matches("::error file=").count(), 10);
        assert_eq!(text.matches("::warning file=").count(), 9);
        assert!(text.ends_with("::warning title=privlink::3 more are in the log\n"), "{text}");
    }

    #[test]
    fn text_from_outside_gives_no_command() {
        for (text, safe) in [
            ("a\n  ::error::x\r::y", "a\n  \\::error::x\r\\::y"),
            ("a::b ## c\n", "a::b ## c\n"),
            ("x ##vso[task.complete]", "x #\\u0023vso[task.complete]"),
            ("x ##[error] ##VSO[y", "x #\\u0023[error] #\\u0023VSO[y"),
            ("###[a ####[b", "#\\u0023#[a #\\u0023#\\u0023[b"),
        ] {
            assert_eq!(guard(text), safe);
            assert_eq!(guard(&guard(text)), safe);
        }
    }

    #[test]
    fn guarded_json_is_the_same_json() {
        let value = serde_json::json!({"##[a": "x ##vso[task.complete]", "b": ["::c", "####[d"]});
        let text = serde_json::to_string_pretty(&value).unwrap();
        let safe = guard(&text).into_owned();
        assert!(!safe.contains("##[") && !safe.contains("##vso["), "{safe}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&safe).unwrap(), value);
    }
}
