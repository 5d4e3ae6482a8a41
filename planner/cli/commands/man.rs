//! `man`: the manual, from the arguments themselves.

use std::fmt::Write as _;
use std::path::Path;

use clap::builder::StyledStr;
use clap::{Arg, Command, CommandFactory};
use privlink_file::Readers;

use crate::args::{Args, Man, ManFormat, examples};
use crate::command_error::{CommandError, io};
use crate::exit::Exit;
use crate::ui::Ui;

pub(crate) fn run(args: &Man, ui: &mut Ui) -> Result<Exit, CommandError> {
    let mut command = Args::command();
    command.build();
    match (&args.out, args.output) {
        (Some(folder), _) => {
            pages(folder)?;
            let folder = crate::invocation::quoted(&folder.display().to_string());
            ui.say(&format!("Wrote the pages to {folder}. Read one: man {folder}/privlink-plan.1"));
        }
        (None, ManFormat::Roff) => ui.print(&page(&command)?)?,
        (None, ManFormat::Markdown) => ui.print(&markdown(&command))?,
    }
    Ok(Exit::Done)
}

/// A page for `man`.
fn page(command: &Command) -> Result<String, CommandError> {
    let mut text = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut text).map_err(io("man"))?;
    let mut text = String::from_utf8_lossy(&text).into_owned();
    text.push_str(&examples::sections(command.get_name()));
    Ok(text)
}

/// Writes `privlink-plan.1` and so on.
fn pages(folder: &Path) -> Result<(), CommandError> {
    std::fs::create_dir_all(folder).map_err(io(&folder.display().to_string()))?;
    let mut root = Args::command().disable_help_subcommand(true);
    root.build();
    for command in with_subcommands(&root) {
        let man = clap_mangen::Man::new(command.clone());
        let file = folder.join(man.get_filename());
        let page = page(command)?;
        privlink_file::replace_text(&file, Readers::All, &page)
            .map_err(io(&file.display().to_string()))?;
    }
    Ok(())
}

/// A command and all below it, but for those that are hidden or clap's own.
fn with_subcommands(command: &Command) -> Vec<&Command> {
    let below = command.get_subcommands().filter(|it| it.get_name() != "help" && !it.is_hide_set());
    std::iter::once(command).chain(below.flat_map(with_subcommands)).collect()
}

/// All commands as one page of a book.
fn markdown(root: &Command) -> String {
    let mut text = "# Commands\n\nMade by `privlink man -o markdown`.\n".to_owned();
    text.push_str("\n## Flags that work anywhere\n\n");
    for arg in shown(root).filter(|arg| arg.is_global_set()) {
        argument(arg, &mut text);
    }
    for command in with_subcommands(root).into_iter().skip(1) {
        let usage = command.clone().render_usage().to_string();
        let usage = usage.trim_start_matches("Usage: ").trim_start();
        // Writing to a String cannot fail.
        let _ = write!(text, "\n## {}\n\n", command.get_bin_name().unwrap_or(command.get_name()));
        let about = command.get_long_about().or(command.get_about());
        let _ = write!(text, "{}.\n\n```text\n{usage}\n```\n", plain(about));
        let own: Vec<&Arg> = shown(command).filter(|arg| !arg.is_global_set()).collect();
        if !own.is_empty() {
            text.push('\n');
        }
        for arg in own {
            argument(arg, &mut text);
        }
    }
    text
}

fn shown(command: &Command) -> impl Iterator<Item = &Arg> {
    let is_clap_s_own = |arg: &Arg| ["help", "version"].contains(&arg.get_id().as_str());
    command.get_arguments().filter(move |arg| !arg.is_hide_set() && !is_clap_s_own(arg))
}

/// An argument as an item of a list.
fn argument(arg: &Arg, text: &mut String) {
    let mut help = plain(arg.get_long_help().or(arg.get_help())).replace('\n', " ");
    let values = arg.get_possible_values();
    let values: Vec<&str> = values
        .iter()
        .filter(|it| !it.is_hide_set())
        .map(clap::builder::PossibleValue::get_name)
        .collect();
    if arg.get_action().takes_values() {
        if !values.is_empty() {
            let _ = write!(help, ": {}", values.join(", "));
        }
        let defaults: Vec<_> =
            arg.get_default_values().iter().map(|it| it.to_string_lossy()).collect();
        if !defaults.is_empty() {
            let _ = write!(help, " (default: {})", defaults.join(", "));
        }
    }
    if let Some(name) = arg.get_env() {
        let _ = write!(help, " (environment: `{}`)", name.to_string_lossy());
    }
    let _ = writeln!(
        text,
        "- `{}`: {}",
        invocation(arg),
        help.replace('<', "&lt;").replace('*', "\\*")
    );
}

/// How an argument is written: `-f, --filename <PATH>`.
fn invocation(arg: &Arg) -> String {
    let names: Vec<&str> = arg
        .get_value_names()
        .filter(|_| arg.get_action().takes_values())
        .map(|names| names.iter().map(clap::builder::Str::as_str).collect())
        .unwrap_or_default();
    let value: String = names.iter().map(|name| format!("<{name}>")).collect::<Vec<_>>().join(" ");
    let flags: Vec<String> = [
        arg.get_short().map(|short| format!("-{short}")),
        arg.get_long().map(|long| format!("--{long}")),
    ]
    .into_iter()
    .flatten()
    .collect();
    match (flags.is_empty(), value.is_empty()) {
        (true, _) => value,
        (false, true) => flags.join(", "),
        (false, false) if arg.is_require_equals_set() => format!("{}[={value}]", flags.join(", ")),
        (false, false) => format!("{} {value}", flags.join(", ")),
    }
}

fn plain(text: Option<&StyledStr>) -> String {
    text.map(ToString::to_string).unwrap_or_default()
}
