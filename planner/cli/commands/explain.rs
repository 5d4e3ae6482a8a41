//! `explain`: what a code means, or why an object is as it is and what becomes of it; and what to do.

use std::collections::BTreeSet;

use privlink_core::address::Address;
use privlink_core::code::Code;
use privlink_core::explanation::{self, Explanation, ground};
use privlink_core::input::Input;
use privlink_core::plan::Mode;
use privlink_core::planned::Planned;
use privlink_core::planning;
use privlink_core::route;
use privlink_core::schema;
use privlink_engine::session::Patience;
use privlink_render as render;
use serde_json::json;

use crate::args::{DataFormat, Explain, Limits};
use crate::command_error::CommandError;
use crate::exit::Exit;
use crate::ui::Ui;

/// The page that has a section for every code, which a test checks.
const PAGE: &str = include_str!("../../../docs/diagnostics.md");

pub(crate) fn run(args: &Explain, ui: &mut Ui) -> Result<Exit, CommandError> {
    let Some(what) = &args.what else { return codes(ui) };
    if let Some(code) = Code::ALL.iter().find(|code| code.as_str() == what) {
        return self::code(*code, args.output, ui);
    }
    if what.parse::<Address>().is_ok() || !args.filename.is_empty() {
        return object(what, args, ui);
    }
    Err(unknown(what))
}

/// All codes, one a line.
fn codes(ui: &mut Ui) -> Result<Exit, CommandError> {
    let mut names: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    names.sort_unstable();
    ui.print(&format!("{}\n", names.join("\n")))?;
    Ok(Exit::Done)
}

fn unknown(what: &str) -> CommandError {
    let mut names: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    names.sort_unstable();
    let error = CommandError::new(format!("`{what}` is neither a code nor an address"));
    match schema::closest(what, names.iter().copied()) {
        Some(close) => error.hint(format!("Did you mean {close}?")),
        None => error
            .hint("`privlink explain` lists all codes.")
            .hint("An address looks like PrivateLinkService/default/internal-app; with -f its end is enough."),
    }
}

/// The address that is meant: in full, by an end that no other object has, or by the name in Azure.
fn meant(what: &str, planned: &Planned) -> Result<Address, CommandError> {
    if let Ok(address) = what.parse::<Address>() {
        return Ok(address);
    }
    let changed = planned.plan.changes.iter().map(|change| &change.address);
    let all: BTreeSet<&Address> =
        planned.graph.nodes().map(|(address, _)| address).chain(changed).collect();
    let end = format!("/{}", what.trim_start_matches('/'));
    let mut found: Vec<&Address> =
        all.iter().copied().filter(|address| address.to_string().ends_with(&end)).collect();
    if found.is_empty() {
        // The name that it has in Azure.
        let is_called = |address: &&Address| {
            let node = planned.graph.node(address);
            let change = planned.plan.change(address).and_then(|change| change.object.as_deref());
            node.is_some_and(|node| node.detail.eq_ignore_ascii_case(what))
                || change.is_some_and(|object| object.to_lowercase().ends_with(&end.to_lowercase()))
        };
        found = all.into_iter().filter(is_called).collect();
    }
    match found.as_slice() {
        [] => Err(unknown(what)),
        [one] => Ok((*one).clone()),
        many => {
            let names: Vec<String> = many.iter().take(10).map(ToString::to_string).collect();
            let error = CommandError::new(format!("several objects end with `{what}`"));
            Err(error.hint(format!("Name one of them: {}.", names.join(", "))))
        }
    }
}

fn code(code: Code, output: DataFormat, ui: &mut Ui) -> Result<Exit, CommandError> {
    let section = section(code.as_str());
    let ground = ground::of_code(code);
    let certainty = ground.evidence.map_or("privlink's own rule", ground::certainty);
    let part = |name: &str| {
        let from = section.split(name).nth(1)?;
        Some(from.split("\n\n").next().unwrap_or_default().trim().to_owned())
    };
    let text = match output {
        DataFormat::Text => format!(
            "{code}\n\n{section}\n\nRule: {}\nHow sure: {certainty}\nSee {}\n",
            ground.rule, ground.link
        ),
        DataFormat::Json => {
            let value = json!({
                "code": code,
                "severity": code.severity().as_str(),
                "meaning": describe(code),
                "example": section.split("```yaml\n").nth(1).and_then(|it| it.split("\n```").next()),
                "edit": part("What to do: ").map(|it| it.replace('\n', " ")),
                "rule": ground.rule,
                "evidence": ground.evidence,
                "link": ground.link,
            });
            format!("{value:#}\n")
        }
    };
    ui.print(&text)?;
    Ok(Exit::Done)
}

fn section(code: &str) -> &'static str {
    let section = PAGE.split(&format!("## {code}\n")).nth(1).unwrap_or_default();
    section.split("\n## ").next().unwrap_or_default().trim()
}

/// What a code means, in the first paragraph of its section.
pub(super) fn describe(code: Code) -> String {
    let paragraph = section(code.as_str()).split("\n\n").next().unwrap_or_default();
    // The severity stands first; it is told apart.
    let text = paragraph.split_once(".**").map_or(paragraph, |(_, text)| text);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn object(what: &str, args: &Explain, ui: &mut Ui) -> Result<Exit, CommandError> {
    if args.filename.is_empty() {
        return Err(CommandError::new(format!("it is not said which stack {what} is in"))
            .hint("Name its files with -f."));
    }
    let (desired, snapshot) = super::sound_and_observed(
        &args.input(),
        &args.place,
        args.observed.as_deref(),
        super::jobs(None),
        ui,
    )?;
    let options = super::options(Mode::Apply, &Limits::default());
    let explained = super::block_on(async {
        let observed =
            super::observed(&desired, &args.place, snapshot, Patience::default()).await?;
        let input = Input::new(&desired, &observed.snapshot, &observed.facts, &options);
        let settled = planning::settled(&input);
        let input = Input { desired: &settled, ..input };
        let planned = route::planned(&input).map_err(|it| CommandError::new(it.to_string()))?;
        let explained = meant(what, &planned).and_then(|address| {
            explanation::of(&input, &planned, &address)
                .map_err(|error| CommandError::new(error.to_string()).hint(error.help()))
        });
        if let Some(connected) = observed.connected {
            connected.close().await?;
        }
        explained
    })?;
    ui.print(&rendered(&explained, args.output, ui)?)?;
    Ok(Exit::Done)
}

fn rendered(it: &Explanation, output: DataFormat, ui: &Ui) -> Result<String, CommandError> {
    let mut text = String::new();
    match output {
        // Writing to a String cannot fail.
        DataFormat::Text => {
            let _ = render::explanation::text(it, ui.style(), &mut text);
        }
        DataFormat::Json => {
            let value = serde_json::to_value(it)
                .map_err(|error| CommandError::new(format!("the explanation: {error}")))?;
            text = format!("{:#}\n", privlink_core::change::show_value(value));
        }
    }
    Ok(text)
}
