//! What a shell completes: flags and their values, and what only a look tells: codes, contexts, and the
//! addresses of what `-f` names.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::PathBuf;

use clap::CommandFactory;
use clap_complete::CompleteEnv;
use clap_complete::engine::CompletionCandidate;
use clap_complete::env::Shells;
use privlink_core::annotation::keys;
use privlink_core::desired::Desired;
use privlink_core::escape::terminal;
use privlink_core::rule;

use crate::args::Args;
use crate::command_error::CommandError;
use crate::input;
use crate::invocation::Invocation;

/// The variable by which a shell asks, with its name.
const VARIABLE: &str = "COMPLETE";
const NAME: &str = "privlink";

/// Answers a shell that asks for completions, and ends the process then.
pub(crate) fn answer() {
    let command = || crate::args::examples::shown(Args::command());
    CompleteEnv::with_factory(command).var(VARIABLE).complete();
}

/// What a shell reads to ask this program for completions.
pub(crate) fn script(shell: clap_complete::Shell) -> Result<String, CommandError> {
    let failed = || CommandError::new(format!("{shell} has no completions"));
    let shells = Shells::builtins();
    let completer = shells.completer(&shell.to_string()).ok_or_else(failed)?;
    let mut text = Vec::new();
    completer
        .write_registration(VARIABLE, NAME, NAME, NAME, &mut text)
        .map_err(|error| CommandError::new(format!("the completions: {error}")))?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// Candidates of which each begins with what was typed.
fn beginning(typed: &OsStr, all: impl Iterator<Item = String>) -> Vec<CompletionCandidate> {
    let typed = typed.to_string_lossy();
    let all = all.filter(|it| it.starts_with(typed.as_ref()));
    // A name that a terminal would obey is none to be typed.
    all.filter(|it| terminal(it) == it.as_str()).map(CompletionCandidate::new).collect()
}

/// Codes of findings.
pub(crate) fn codes(typed: &OsStr) -> Vec<CompletionCandidate> {
    beginning(typed, rule::all().map(|rule| rule.code.as_str().to_owned()))
}

/// Contexts of the kubeconfig.
pub(crate) fn contexts(typed: &OsStr) -> Vec<CompletionCandidate> {
    beginning(typed, privlink_kubernetes::contexts().into_iter())
}

/// Addresses of the objects that desired state names.
pub(crate) fn addresses(typed: &OsStr) -> Vec<CompletionCandidate> {
    let files = Invocation::of_process().files();
    let files: Vec<PathBuf> = files.into_iter().filter(|it| it.as_os_str() != "-").collect();
    if files.is_empty() {
        return Vec::new();
    }
    // While something is typed, what is wrong with the input is of no interest.
    let Ok(loaded) = input::load_paths(&files, None, false) else { return Vec::new() };
    beginning(typed, named(&loaded.desired).into_iter())
}

/// Codes and addresses, which `explain` takes.
pub(crate) fn codes_and_addresses(typed: &OsStr) -> Vec<CompletionCandidate> {
    let mut all = addresses(typed);
    all.extend(codes(typed));
    all
}

fn named(desired: &Desired) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for (key, service) in &desired.services {
        all.insert(format!("Service/{key}"));
        all.insert(format!("FrontendIp/{key}"));
        if service.annotation(keys::PLS_CREATE).is_some_and(|it| it.value == "true") {
            all.insert(format!("PrivateLinkService/{key}"));
        }
    }
    for name in desired.endpoints.keys() {
        all.insert(format!("PrivateEndpoint/{name}"));
        all.insert(format!("EndpointConnection/{name}"));
    }
    all
}
