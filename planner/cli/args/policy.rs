//! `policy`.

use std::path::PathBuf;

/// `policy`.
#[derive(Debug, clap::Args)]
pub(crate) struct AdmissionPolicy {
    /// A file or folder with the Stack whose protected Services are held by name too; may be repeated
    #[arg(short = 'f', long = "filename", value_name = "PATH")]
    pub(crate) filename: Vec<PathBuf>,
    /// Refuse; by default clients are warned and the audit log is written
    #[arg(long)]
    pub(crate) deny: bool,
    /// The name of the policy and of its binding
    #[arg(long, value_name = "NAME", default_value = "privlink.dev", value_parser = name)]
    pub(crate) name: String,
    /// The verb on Services by which RBAC lets somebody through
    #[arg(long, value_name = "VERB", default_value = "privlink-override", value_parser = verb)]
    pub(crate) override_verb: String,
    /// Let nobody through, whatever RBAC says
    #[arg(long, conflicts_with = "override_verb")]
    pub(crate) no_override: bool,
}

/// A name as the API server takes it: labels of a domain name.
fn name(text: &str) -> Result<String, String> {
    let label = |it: &str| {
        let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        !it.is_empty() && it.chars().all(inner) && !it.starts_with('-') && !it.ends_with('-')
    };
    let is_name = text.len() <= 253 && text.split('.').all(label);
    is_name.then(|| text.to_owned()).ok_or_else(|| {
        format!("`{text}` is no name: lower case, digits, dashes and dots, at most 253 characters")
    })
}

/// A verb that needs no quotes in CEL.
fn verb(text: &str) -> Result<String, String> {
    let is_verb = !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    is_verb
        .then(|| text.to_owned())
        .ok_or_else(|| format!("`{text}` is no verb: lower case and dashes"))
}
