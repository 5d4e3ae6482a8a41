//! How privlink was called, so that commands to paste say again what was said.

use std::path::PathBuf;

/// The flags that say what a command is about, with whether they take a value as a word of its own.
const PLACE: [(&str, bool); 12] = [
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
];
/// Where Azure is, and what a plan may do but disconnect.
const LIMITS: [(&str, bool); 10] = [
    ("--cloud", true),
    ("--guard", false),
    ("--base", true),
    ("--adopt", false),
    ("--max-deletes", true),
    ("--unprotect", true),
    ("--accept", true),
    ("--target", true),
    ("--exclude", true),
    ("--replace", true),
];

/// The command and its arguments, fit for a shell.
#[derive(Clone, Debug, Default)]
pub(crate) struct Invocation {
    /// The command.
    pub(crate) command: String,
    /// The arguments that say where a stack is.
    pub(crate) place: Vec<String>,
    /// The arguments that limit what a plan does.
    pub(crate) limits: Vec<String>,
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
            let place = PLACE.iter().chain(LIMITS.iter().take(1)).find(is);
            let limit = LIMITS.iter().skip(1).find(is);
            let kept = match (place, limit) {
                (Some(_), _) => &mut called.place,
                (None, Some(_)) => &mut called.limits,
                (None, None) => {
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

    /// A command about the same stack, to be pasted.
    pub(crate) fn again(&self, command: &str) -> String {
        std::iter::once("privlink")
            .chain([command])
            .chain(self.place.iter().map(String::as_str))
            .collect::<Vec<_>>()
            .join(" ")
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
        assert_eq!(it.limits, ["--adopt", "--target=Service/a/b"]);
        assert_eq!(it.without_files(), ["--sandbox=w.json"]);
        assert_eq!(it.again("drift"), "privlink drift -f 'my shop' --sandbox=w.json");
    }

    #[test]
    fn short_flags_may_hold_their_values() {
        let it = called(&["plan", "-fshop", "--filename=more", "-f", "most", "--observed", "x"]);
        assert_eq!(it.place.first().map(String::as_str), Some("-fshop"));
        assert_eq!(it.files(), ["shop", "more", "most"].map(PathBuf::from));
        assert!(it.without_files().is_empty());
    }
}
