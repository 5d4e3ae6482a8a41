//! Examples of every command, for its help and its manual page.

use clap::Command;

/// Three commands to begin with, each with what it is for.
const EXAMPLES: &[(&str, [(&str, &str); 3])] = &[
    (
        "validate",
        [
            ("privlink validate -f deploy/", "check a folder"),
            ("privlink validate -f deploy/ -o sarif", "for code scanning"),
            ("helm template chart | privlink validate -f -", "check what Helm renders"),
        ],
    ),
    (
        "guard",
        [
            (
                "privlink guard review review.json --observed snapshot.json",
                "what the guard would answer, offline",
            ),
            (
                "privlink guard review review.json --observed snapshot.json --mode enforce",
                "refuse what does harm: exit code 3",
            ),
            (
                "privlink guard serve -f stack.yaml --certificate tls.crt --key tls.key",
                "serve as an admission webhook",
            ),
        ],
    ),
    (
        "policy",
        [
            ("privlink policy", "warn and write the audit log, with no server"),
            ("privlink policy --deny", "refuse"),
            ("privlink policy -f stack.yaml", "with the Services that a Stack protects by name"),
        ],
    ),
    (
        "plan",
        [
            ("privlink plan -f deploy/", "what would change, and who would be disconnected"),
            ("privlink plan -f deploy/ --out plan.json", "save it, to be applied unchanged"),
            ("privlink plan -f deploy/ --full", "with all fields and ids"),
        ],
    ),
    (
        "apply",
        [
            ("privlink apply -f deploy/", "plan, ask, change, and wait until Azure shows it"),
            ("privlink apply plan.json", "carry a saved plan out"),
            (
                "privlink apply -f deploy/ --max-disconnects 1",
                "go ahead although one consumer is disconnected",
            ),
        ],
    ),
    (
        "destroy",
        [
            ("privlink plan -f deploy/ --destroy", "what would go"),
            ("privlink destroy -f deploy/", "remove all that belongs to the stack"),
            ("privlink destroy -f deploy/ --target PrivateEndpoint/shop-pe", "one endpoint only"),
        ],
    ),
    (
        "drift",
        [
            ("privlink drift -f deploy/", "what differs, who made it differ, what repairs it"),
            ("privlink drift --stacks stacks/", "every folder below it as a stack"),
            ("privlink drift -f deploy/ --since last-week.json", "what was re-created since"),
        ],
    ),
    (
        "explain",
        [
            ("privlink explain too-many-disconnects", "what a code means"),
            (
                "privlink explain PrivateLinkService/default/app -f deploy/",
                "why it changes, and how nobody is disconnected",
            ),
            ("privlink explain", "all codes"),
        ],
    ),
    (
        "show",
        [
            ("privlink show plan.json", "a saved plan"),
            ("privlink show plan.json --full", "with all fields and ids"),
            ("privlink show .privlink/journal/shop-1.jsonl", "the outcome of a run"),
        ],
    ),
    (
        "observe",
        [
            ("privlink observe -f deploy/ --out seen.json", "save what the cluster and Azure show"),
            ("privlink observe -f deploy/ --redact --out seen.json", "fit to be given away"),
            ("privlink plan -f deploy/ --observed seen.json", "plan from it, contacting nothing"),
        ],
    ),
    (
        "import",
        [
            ("privlink import --out deploy/", "write documents of what is live"),
            ("privlink import --namespace shop", "of one namespace, to stdout"),
            ("privlink apply -f deploy/ --adopt", "mark what was imported as this stack's"),
        ],
    ),
    (
        "preflight",
        [
            ("privlink preflight -f deploy/", "what is missing before an apply"),
            ("privlink preflight --role azure --for plan", "the least role that plans"),
            ("privlink preflight --role kubernetes --for plan", "the same for the cluster"),
        ],
    ),
    (
        "route",
        [
            ("privlink route -f deploy/", "the edits, one after the other, and whom each affects"),
            ("privlink route -f deploy/ --out steps/", "a folder of manifests for each"),
            ("privlink route -f deploy/ -o mermaid", "as a picture"),
        ],
    ),
    (
        "graph",
        [
            ("privlink graph -f deploy/", "what depends on what, as a tree"),
            ("privlink graph -f deploy/ -o mermaid", "as a picture"),
            ("privlink graph -f deploy/ -o dot", "for Graphviz"),
        ],
    ),
    (
        "output",
        [
            ("privlink output -f deploy/", "addresses, names, aliases, connection states"),
            ("privlink output -f deploy/ -o json", "for programs"),
            ("privlink output -f deploy/ -o dotenv", "as variables"),
        ],
    ),
    (
        "comment",
        [
            ("privlink comment plan.json", "keep a comment on the pull request"),
            ("privlink comment a.json b.json", "several plans in one"),
            ("privlink comment plan.json --dry-run", "print it instead"),
        ],
    ),
    (
        "sandbox",
        [
            ("privlink apply -f deploy/ --sandbox", "a simulated cluster and Azure"),
            ("privlink sandbox init world.json", "a world in a file"),
            ("privlink sandbox serve world.json", "for kubectl and curl"),
        ],
    ),
    (
        "forget",
        [
            (
                "privlink forget Service/default/app -f deploy/",
                "take it out of the stack, deleting nothing",
            ),
            (
                "privlink forget PrivateEndpoint/shop-pe -f deploy/",
                "leave an endpoint to another tool",
            ),
            ("privlink plan -f deploy/", "see that nothing else changes"),
        ],
    ),
    (
        "version",
        [
            ("privlink version", "which privlink this is"),
            ("privlink version -o json", "for a bug report or an inventory"),
            ("privlink schema version", "what the JSON holds"),
        ],
    ),
];

/// How commands end, as docs/exit-codes.md says.
const EXITS: [(&str, &str); 9] = [
    ("0", "done; nothing to do"),
    ("1", "error, usage and input errors included"),
    ("2", "changes or drift are present"),
    ("3", "refused by a safety rule"),
    ("4", "the saved plan is stale"),
    ("5", "another apply holds the stack's lock"),
    ("6", "applied, waiting for somebody's approval"),
    ("7", "partly applied, or the controller did otherwise"),
    ("130", "interrupted, after the report"),
];

fn of(name: &str) -> Option<&'static [(&'static str, &'static str); 3]> {
    EXAMPLES.iter().find(|(command, _)| *command == name).map(|(_, examples)| examples)
}

/// The command with examples below the help of each command.
pub(crate) fn shown(mut command: Command) -> Command {
    let names: Vec<String> = command.get_subcommands().map(|it| it.get_name().to_owned()).collect();
    for name in names {
        if let Some(examples) = of(&name) {
            let mut text = String::from("Examples:\n");
            for (line, what) in examples {
                text.push_str(&format!("  {line}\n      {what}\n"));
            }
            command = command.mut_subcommand(name, |it| it.after_help(text.trim_end().to_owned()));
        }
    }
    command
}

/// The sections of a manual page that say how a command is used and how it ends.
pub(crate) fn sections(name: &str) -> String {
    let safe = |text: &str| text.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq");
    let mut text = String::new();
    if let Some(examples) = of(name) {
        text.push_str(".SH EXAMPLES\n");
        for (line, what) in examples {
            text.push_str(&format!(".TP\n\\fB{}\\fR\n{}\n", safe(line), safe(what)));
        }
    }
    text.push_str(".SH EXIT STATUS\n");
    for (code, what) in EXITS {
        text.push_str(&format!(".TP\n\\fB{code}\\fR\n{}\n", safe(what)));
    }
    text.push_str(".SH SEE ALSO\nprivlink(1)\n");
    text
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::args::Args;

    #[test]
    fn every_example_is_taken_by_the_command_line() {
        for (name, examples) in EXAMPLES {
            assert!(Args::command().find_subcommand(name).is_some(), "{name} is no command");
            for (line, _) in examples {
                let line = line.rsplit(" | ").next().unwrap();
                let parsed = Args::command().try_get_matches_from(line.split_whitespace());
                assert!(parsed.is_ok(), "{line}: {}", parsed.unwrap_err());
            }
        }
    }
    /// The commands in plans as they are printed, each from `privlink` on, its lines joined.
    #[test]
    fn every_command_in_a_printed_plan_is_taken_by_the_command_line() {
        let golden = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
        let mut found = 0;
        for folder in std::fs::read_dir(golden).unwrap() {
            for file in std::fs::read_dir(folder.unwrap().path()).unwrap() {
                let path = file.unwrap().path();
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                if !name.starts_with("plan") || !name.ends_with(".txt") {
                    continue;
                }
                let text = std::fs::read_to_string(&path).unwrap().replace("\\\n", " ");
                let lines = text.lines().filter_map(|line| line.split_once("  privlink "));
                let is_command = |line: &str| {
                    let name = line.split(' ').next().unwrap_or_default();
                    Args::command().find_subcommand(name).is_some()
                };
                for (_, line) in lines.filter(|(_, line)| is_command(line)) {
                    let words = std::iter::once("privlink").chain(line.split_whitespace());
                    let parsed = Args::command().try_get_matches_from(words);
                    assert!(parsed.is_ok(), "{}: {line}: {}", path.display(), parsed.unwrap_err());
                    found += 1;
                }
            }
        }
        assert!(found > 5, "commands are found: {found}");
    }
}
