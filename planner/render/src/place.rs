//! What a Markdown document is for: where it is shown, how much that takes, and what it refers to.

use std::fmt::Write;

/// Where the document is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// A comment on GitHub.
    GitHub,
    /// A note on GitLab.
    GitLab,
    /// A comment or a build's summary on Azure DevOps, which draws no Mermaid.
    AzureDevOps,
    /// The summary of a step of GitHub Actions, or a file.
    StepSummary,
}

impl Flavour {
    /// What a comment is written in, by the name of the forge. One that is not named here takes GitHub's Markdown.
    pub fn of(forge: Option<&str>) -> Self {
        match forge {
            Some("gitlab") => Self::GitLab,
            Some("azure-devops") => Self::AzureDevOps,
            _ => Self::GitHub,
        }
    }

    /// The most bytes it takes. GitHub and GitLab count characters, of which there are never more;
    /// Azure DevOps documents no limit.
    pub const fn bytes(self) -> usize {
        match self {
            Self::GitHub => 65_536,
            Self::GitLab => 1_000_000,
            Self::AzureDevOps => 150_000,
            Self::StepSummary => 1 << 20,
        }
    }

    pub(super) const fn draws_mermaid(self) -> bool {
        !matches!(self, Self::AzureDevOps)
    }

    /// Whether a quote that begins with `[!CAUTION]` stands out.
    pub(super) const fn draws_alerts(self) -> bool {
        !matches!(self, Self::AzureDevOps)
    }
}

/// What a document is beside its plans.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// Where it is shown.
    pub flavour: Flavour,
    /// The most bytes it may have, if less than the place takes.
    pub bytes: usize,
    /// By what it is found again: see [`marker`].
    pub marker: Option<&'a str>,
    /// The commit that was planned.
    pub commit: Option<&'a str>,
    /// The address at which the whole plan is found, such as that of the pipeline's run.
    pub link: Option<&'a str>,
    /// Whether the plans were made by a run that anybody could have changed, as that of a fork.
    pub untrusted: bool,
    /// The address of a line of the planned commit, with `{path}` and `{line}` in it.
    pub blob: Option<&'a str>,
    /// When it was read, in RFC 3339.
    pub read: Option<&'a str>,
    /// The command that plans the same again.
    pub again: Option<&'a str>,
    /// The digests of the files that the plans are saved in, by stack, for `apply --expect-digest`.
    pub digests: &'a [(&'a str, &'a str)],
}

impl Options<'_> {
    /// A document for a place.
    pub const fn new(flavour: Flavour) -> Self {
        let bytes = flavour.bytes();
        Self {
            flavour,
            bytes,
            marker: None,
            commit: None,
            link: None,
            untrusted: false,
            blob: None,
            read: None,
            again: None,
            digests: &[],
        }
    }

    /// The address of a line of the planned commit; none for a file that may lie outside the repository.
    pub(super) fn blob(&self, file: &str, line: usize) -> Option<String> {
        let blob = self.blob?;
        let file = file.trim_start_matches("./");
        let is_inside = !file.starts_with(['/', '<']) && !file.split('/').any(|it| it == "..");
        let mut path = String::new();
        for byte in file.bytes().take(300) {
            if byte.is_ascii_alphanumeric() || b"-._/".contains(&byte) {
                path.push(char::from(byte));
            } else {
                // Writing to a String cannot fail.
                let _ = write!(path, "%{byte:02X}");
            }
        }
        let address = blob.replace("{path}", &path).replace("{line}", &line.to_string());
        link(&address).filter(|_| is_inside)
    }
}

/// An address fit to be linked to.
pub(crate) fn link(address: &str) -> Option<String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-._~:/?#@!$&'*+,;=%".contains(c);
    let is_web = address.starts_with("https://") || address.starts_with("http://");
    (is_web && address.len() <= 1_000 && address.chars().all(fits)).then(|| address.to_owned())
}
