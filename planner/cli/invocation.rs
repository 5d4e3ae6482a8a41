//! How privlink was called, so that commands to paste say again what was said.

use std::path::{Path, PathBuf};

use privlink_core::saved::SavedPlan;

/// The flags that say what a command is about, with whether they take a value as a word of its own.
const PLACE: [(&str, bool); 15] = [
    ("-f", true),
    ("--filename", true),
    ("-n", true),
    ("--namespace", true),
    ("--observed", true),
    ("--sandbox", false),
    ("--kubeconfig", true),
    ("--context", true),
    ("--subscription", true),
    ("--resource-group", true),
    ("--cluster", true),
    ("--auth", true),
    ("--cloud", true),
    ("--guard", false),
    ("--base", true),
];
/// What a plan may do.
const LIMITS: [(&str, bool); 9] = [
    ("--route", false),
    ("--adopt", false),
    ("--max-disconnects", true),
    ("--max-deletes", true),
    ("--unprotect", true),
    ("--accept", true),
    ("--target", true),
    ("--exclude", true),
    ("--replace", true),
];
/// The flags of [`PLACE`] that say how a cluster and Azure are reached: all that a saved plan does not hold.
const REACH: [&str; 4] = ["--sandbox", "--kubeconfig", "--auth", "--cloud"];
/// The flags before a command that take a value.
const GLOBAL: [&str; 3] = ["--color", "--log-format", "--pipeline"];

/// The command and its arguments, fit for a shell.
#[derive(Clone, Debug, Default)]
pub(crate) struct Invocation {
    /// The command.
    pub(crate) command: String,
    /// The arguments that say where a stack is.
    pub(crate) place: Vec<String>,
    /// The arguments that limit what a plan does.
    pub(crate) limits: Vec<String>,
    /// Where the result is saved: `--out` and its value.
    out: Vec<String>,
}

impl Invocation {
    /// How this process was called. Words that are not UTF-8 cannot be pasted, and are left away.
    pub(crate) fn of_process() -> Self {
        Self::of(std::env::args_os().skip(1).filter_map(|word| word.into_string().ok()))
    }

    fn of(words: impl Iterator<Item = String>) -> Self {
        let mut called = Self::default();
        let mut words = words.peekable();
        while let Some(word) = words.next() {
            let name = word.split('=').next().unwrap_or_default();
            let is = |(flag, _): &&(&str, bool)| {
                *flag == name
                    || flag.len() == 2 && !word.starts_with("--") && word.starts_with(flag)
            };
            let place = PLACE.iter().find(is);
            let limit = LIMITS.iter().chain(&[("--out", true)]).find(is);
            let kept = match (place, limit) {
                (Some(_), _) => &mut called.place,
                (None, Some(("--out", _))) => &mut called.out,
                (None, Some(_)) => &mut called.limits,
                (None, None) => {
                    if GLOBAL.contains(&word.as_str()) {
                        words.next();
                        continue;
                    }
                    if called.command.is_empty() && !word.starts_with('-') {
                        called.command = word;
                    }
                    continue;
                }
            };
            let takes = place.or(limit).is_some_and(|(flag, takes)| *takes && *flag == word);
            kept.push(quoted(&word));
            if takes {
                kept.extend(words.next().map(|value| quoted(&value)));
            }
        }
        called
    }

    /// How the command that makes a saved plan again is called. Its files are not in the plan.
    pub(crate) fn of_saved(&self, saved: &SavedPlan, file: &Path) -> Self {
        let mut place = vec!["-f".to_owned(), "...".to_owned()];
        place.extend(self.reach());
        let is_named = |name: &str| self.place.iter().any(|it| it.starts_with(name));
        let is_of_sandbox = saved.home.as_ref().is_some_and(|home| home.arm.is_none());
        if is_of_sandbox && !is_named("--sandbox") {
            place.push("--sandbox".to_owned());
        }
        if let Some(context) = &saved.context {
            place.extend(["--context".to_owned(), quoted(context)]);
        }
        let out = vec!["--out".to_owned(), quoted(&file.display().to_string())];
        Self { command: "plan".to_owned(), place, limits: Vec::new(), out }
    }

    /// How the same is done with one of several stacks.
    pub(crate) fn of_stack(&self, paths: &[PathBuf]) -> Self {
        let paths =
            paths.iter().flat_map(|it| ["-f".to_owned(), quoted(&it.display().to_string())]);
        let place = paths.chain(self.without_files()).collect();
        Self { place, out: Vec::new(), ..self.clone() }
    }

    /// All that a plan is made with, to be said again by who makes it otherwise.
    pub(crate) fn whole(&self) -> Vec<String> {
        let saves = if self.command == "plan" { self.out.as_slice() } else { &[] };
        self.place.iter().chain(&self.limits).chain(saves).cloned().collect()
    }

    /// The arguments that say how a cluster and Azure are reached.
    pub(crate) fn reach(&self) -> Vec<String> {
        self.kept(|name| REACH.contains(&name))
    }

    /// The arguments of a command that applies other files of the same stack.
    pub(crate) fn elsewhere(&self) -> Vec<String> {
        let left = ["-f", "--filename", "-n", "--namespace", "--observed", "--guard", "--base"];
        self.kept(|name| !left.contains(&name))
    }

    /// The arguments about the place with these flags, each with its value.
    fn kept(&self, is_kept: impl Fn(&str) -> bool) -> Vec<String> {
        let mut kept = Vec::new();
        let mut words = self.place.iter();
        while let Some(word) = words.next() {
            let is_short = !word.starts_with("--");
            let short = word.get(..2).filter(|_| is_short);
            let name = short.or_else(|| word.split('=').next()).unwrap_or_default();
            let is_kept = is_kept(name);
            if is_kept {
                kept.push(word.clone());
            }
            if PLACE.iter().any(|(flag, takes)| *takes && flag == word) {
                kept.extend(words.next().filter(|_| is_kept).cloned());
            }
        }
        kept
    }

    /// The files and folders that were named, of words that need no quotes.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        let mut words = self.place.iter();
        while let Some(word) = words.next() {
            let joined = word.strip_prefix("--filename=").or_else(|| word.strip_prefix("-f"));
            match (word.as_str(), joined) {
                ("-f" | "--filename", _) => files.extend(words.next().map(PathBuf::from)),
                (_, Some(file)) => files.push(PathBuf::from(file)),
                _ => {}
            }
        }
        files
    }

    /// The arguments that say where a stack is, but for its files and for an observation of it.
    pub(crate) fn without_files(&self) -> Vec<String> {
        let is_left = |word: &str| {
            let named = ["--filename", "--observed"];
            let is = |flag: &&str| {
                word.strip_prefix(*flag).is_some_and(|it| it.is_empty() || it.starts_with('='))
            };
            named.iter().any(is) || word.starts_with("-f")
        };
        let mut kept = Vec::new();
        let mut words = self.place.iter();
        while let Some(word) = words.next() {
            if !is_left(word) {
                kept.push(word.clone());
            } else if ["-f", "--filename", "--observed"].contains(&word.as_str()) {
                // Its value is a word of its own.
                words.next();
            }
        }
        kept
    }

    /// The command that plans the same stack from a saved observation, which needs neither a cluster nor Azure.
    pub(crate) fn to_plan_observed(&self, file: &str) -> String {
        let is_named = |flag: &str| self.place.iter().any(|it| it.starts_with(flag));
        let mut words = vec!["privlink plan".to_owned()];
        if !is_named("-f") && !is_named("--filename") {
            words.push("-f ...".to_owned());
        }
        words.extend(self.kept(|name| !REACH.contains(&name) && name != "--context"));
        words.extend(["--observed".to_owned(), file.to_owned()]);
        words.join(" ")
    }

    /// A command about the same stack, to be pasted.
    pub(crate) fn again(&self, command: &str) -> String {
        self.words(command).join(" ")
    }

    /// The same, in words.
    pub(crate) fn words(&self, command: &str) -> Vec<String> {
        let words = ["privlink", command].map(ToOwned::to_owned).into_iter();
        words.chain(self.place.iter().cloned()).collect()
    }
}

/// A word as a POSIX shell takes it whole.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn called(words: &[&str]) -> Invocation {
        Invocation::of(words.iter().map(|it| (*it).to_owned()))
    }

    #[test]
    fn what_was_said_is_said_again() {
        let it = called(&[
            "--color",
            "never",
            "plan",
            "-f",
            "my shop",
            "--sandbox=w.json",
            "-o",
            "json",
            "--adopt",
            "--max-disconnects",
            "1",
            "--target=Service/a/b",
        ]);
        assert_eq!(it.place, ["-f", "'my shop'", "--sandbox=w.json"]);
        assert_eq!(it.command, "plan");
        assert_eq!(it.limits, ["--adopt", "--max-disconnects", "1", "--target=Service/a/b"]);
        assert_eq!(it.without_files(), ["--sandbox=w.json"]);
        assert_eq!(it.again("drift"), "privlink drift -f 'my shop' --sandbox=w.json");
    }

    #[test]
    fn a_saved_plan_is_reached_as_the_plan_was() {
        let it = called(&[
            "plan",
            "-f",
            "--cloud",
            "--kubeconfig",
            "my config",
            "--cluster",
            "c",
            "--auth=cli",
            "--cloud",
            "china",
            "--out",
            "p.json",
        ]);
        assert_eq!(it.reach(), ["--kubeconfig", "'my config'", "--auth=cli", "--cloud", "china"]);
        assert!(it.whole().ends_with(&["--out".to_owned(), "p.json".to_owned()]));
    }

    #[test]
    fn an_observation_is_planned_from_without_the_cluster() {
        let it = called(&[
            "observe",
            "-f",
            "my shop",
            "--sandbox",
            "--context",
            "c",
            "-n",
            "x",
            "--out",
            "s.json",
        ]);
        assert_eq!(
            it.to_plan_observed("s.json"),
            "privlink plan -f 'my shop' -n x --observed s.json"
        );
        let it = called(&[
            "route",
            "-fshop",
            "-n",
            "x",
            "--observed",
            "s",
            "--cluster",
            "c",
            "--sandbox=w",
        ]);
        assert_eq!(it.elsewhere(), ["--cluster", "c", "--sandbox=w"]);
        let it = called(&["observe", "--cluster=c", "--auth", "cli", "--out", "s.json"]);
        assert_eq!(
            it.to_plan_observed("s.json"),
            "privlink plan -f ... --cluster=c --observed s.json"
        );
    }

    #[test]
    fn short_flags_may_hold_their_values() {
        let it = called(&["plan", "-fshop", "--filename=more", "-f", "most", "--observed", "x"]);
        assert_eq!(it.place.first().map(String::as_str), Some("-fshop"));
        assert_eq!(it.files(), ["shop", "more", "most"].map(PathBuf::from));
        assert!(it.without_files().is_empty());
    }
}
