//! `explain`: what a code means, or why an object is as it is and what becomes of it; and what to do.

use std::collections::BTreeSet;

use privlink_core::explanation::{self, Explanation};
use privlink_core::input::Input;
use privlink_core::inventory::Inventory;
use privlink_core::join;
use privlink_core::node_id::NodeId;
use privlink_core::plan::Mode;
use privlink_core::planned::Planned;
use privlink_core::route;
use privlink_core::rule::{self, Rule};
use privlink_core::schema;
use privlink_render as render;

use crate::args::{DataFormat, Explain, Limits};
use crate::command_error::CommandError;
use crate::exit::Exit;
use crate::ui::Ui;

pub(crate) fn run(args: &Explain, ui: &mut Ui) -> Result<Exit, CommandError> {
    let Some(what) = &args.what else { return codes(ui) };
    if let Some(rule) = rule::find(what) {
        return self::rule(rule, args.output, ui);
    }
    if what.parse::<NodeId>().is_ok() || !args.filename.is_empty() {
        return object(what, args, ui);
    }
    Err(unknown(what))
}

fn names() -> Vec<&'static str> {
    let mut names: Vec<&str> = rule::all().map(|rule| rule.code.as_str()).collect();
    names.sort_unstable();
    names
}

/// All codes, one a line.
fn codes(ui: &mut Ui) -> Result<Exit, CommandError> {
    let names = names();
    ui.print(&format!("{}\n", names.join("\n")))?;
    Ok(Exit::Done)
}

fn unknown(what: &str) -> CommandError {
    let names = names();
    let error = CommandError::new(format!("`{what}` is neither a code nor an address"));
    match schema::closest(what, names.iter().copied()) {
        Some(close) => error.hint(format!("Did you mean {close}?")),
        None => error
            .hint("`privlink explain` lists all codes.")
            .hint("An address looks like PrivateLinkService/default/internal-app; with -f its end is enough."),
    }
}

/// The address that is meant: in full, by an end that no other object has, or by the name in Azure.
fn meant(what: &str, planned: &Planned) -> Result<NodeId, CommandError> {
    if let Ok(address) = what.parse::<NodeId>() {
        return Ok(address);
    }
    let changed = planned.plan.changes.iter().map(|change| &change.address);
    let all: BTreeSet<&NodeId> =
        planned.graph.nodes().map(|(address, _)| address).chain(changed).collect();
    let end = format!("/{}", what.trim_start_matches('/'));
    let mut found: Vec<&NodeId> =
        all.iter().copied().filter(|address| address.to_string().ends_with(&end)).collect();
    if found.is_empty() {
        // The name that it has in Azure.
        let is_called = |address: &&NodeId| {
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

fn rule(rule: &Rule, output: DataFormat, ui: &mut Ui) -> Result<Exit, CommandError> {
    let text = match output {
        DataFormat::Text => render::rule::text(rule, ui.layout()),
        DataFormat::Json => format!("{:#}\n", render::rule::json(rule)),
    };
    ui.print(&text)?;
    Ok(Exit::Done)
}

fn object(what: &str, args: &Explain, ui: &mut Ui) -> Result<Exit, CommandError> {
    if args.filename.is_empty() {
        return Err(CommandError::new(format!("it is not said which stack {what} is in"))
            .hint("Name its files with -f."));
    }
    let (stack, observed) = (args.input(), args.observed.as_deref());
    let guard = super::plan::guarded(&args.guarding, (&stack, &args.place), observed, ui)?;
    let observed = (observed, guard.as_ref());
    let (desired, snapshot) =
        super::guarded_and_observed(&stack, &args.place, observed, super::jobs(None), ui)?;
    let options = super::options(Mode::Apply, &Limits { guard, ..Limits::default() });
    let explained = super::block_on(async {
        let observed = super::observed(&desired, &args.place, snapshot, None).await?;
        let live = Inventory::of(&observed.snapshot);
        let wanted = join::identify(&desired, &live, &observed.facts, &options);
        let input = Input::new(&wanted, &live, &observed.facts, &options);
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
            let _ = render::explanation::text(
                it,
                &ui.invocation().words("route"),
                ui.layout(),
                &mut text,
            );
        }
        DataFormat::Json => {
            text = super::json(it)?;
        }
    }
    Ok(text)
}
