//! Outputs for other programs: variables of dotenv files, GitHub Actions and Azure Pipelines.
//!
//! Values come from the cluster and from Azure, and may say anything. None of them may end its variable
//! early and begin another, nor speak to the pipeline.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use crate::pipeline::{self, Commands};
use privlink_core::plan::Output;

/// An output with its value, if it has one.
pub type Read = (Output, Option<String>);

/// The variables of outputs that have a value, by name, in the outputs' order. A name is the node's kind,
/// the parts of its name and the output's, in upper case with `__` between them:
/// `PRIVATE_LINK_SERVICE__DEFAULT__INTERNAL_APP__ALIAS`. Of names that would be the same, later ones get
/// a number.
pub fn variables(outputs: &[Read]) -> Vec<(String, String)> {
    let mut taken: BTreeSet<String> = BTreeSet::new();
    let mut variables = Vec::new();
    for (output, value) in outputs {
        let Some(value) = value else { continue };
        let base = name(output);
        let numbered = (2..).map(|number: u32| format!("{base}_{number}"));
        let free = std::iter::once(base.clone()).chain(numbered).find(|it| !taken.contains(it));
        let Some(name) = free else { continue };
        taken.insert(name.clone());
        variables.push((name, value.clone()));
    }
    variables
}

fn name(output: &Output) -> String {
    let address = output.address.to_string();
    let parts = address.split('/').chain([output.name.as_str()]);
    parts.map(part).collect::<Vec<_>>().join("__")
}

/// A part of a name: letters and digits in upper case, an underscore for all else, and between the words
/// of `PrivateLinkService`.
fn part(text: &str) -> String {
    let mut part = String::new();
    let mut before = '_';
    for c in text.chars() {
        if c.is_ascii_uppercase() && before.is_ascii_lowercase() {
            part.push('_');
        }
        part.push(if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' });
        before = c;
    }
    part
}

/// Lines of a dotenv file, which shells can source too.
pub fn dotenv(outputs: &[Read]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_./:@-".contains(c);
    let mut text = String::new();
    for (name, value) in variables(outputs) {
        if !value.is_empty() && value.chars().all(plain) {
            text.push_str(&format!("{name}={value}\n"));
        } else {
            text.push_str(&format!("{name}=\"{}\"\n", quoted(&value)));
        }
    }
    text
}

/// The inside of a double-quoted value.
fn quoted(value: &str) -> String {
    let mut quoted = String::new();
    for c in value.chars() {
        match c {
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '"' | '\\' | '$' | '`' => {
                quoted.push('\\');
                quoted.push(c);
            }
            c if c.is_control() => quoted.push_str(&format!("\\\\u{{{:x}}}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted
}

/// Lines for the file that `GITHUB_OUTPUT` names. A value of several lines stands between delimiters that
/// are none of its lines.
pub fn github(outputs: &[Read]) -> String {
    let mut text = String::new();
    for (name, value) in variables(outputs) {
        if value.chars().any(char::is_control) {
            let delimiter = delimiter(&value);
            text.push_str(&format!("{name}<<{delimiter}\n{value}\n{delimiter}\n"));
        } else {
            text.push_str(&format!("{name}={value}\n"));
        }
    }
    text
}

/// A line that a value does not hold. Drawn from the value itself, so that equal outputs give equal
/// files.
fn delimiter(value: &str) -> String {
    let digest = Sha256::digest(value.as_bytes());
    let hex: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let mut delimiter = format!("PRIVLINK_{hex}");
    while value.contains(&delimiter) {
        delimiter.push('_');
    }
    delimiter
}

/// Logging commands that set output variables of an Azure Pipelines step.
pub fn azure_pipelines(outputs: &[Read]) -> Commands {
    pipeline::variables(&variables(outputs))
}

#[cfg(test)]
mod tests {
    use super::*;
    use privlink_core::node_id::{Kind, NodeId};
    use privlink_core::plan::OutputSource;

    fn read(kind: Kind, node: &str, name: &str, value: &str) -> Read {
        let output = Output {
            address: NodeId::new(kind, node),
            name: name.to_owned(),
            id: String::new(),
            from: OutputSource::Connection,
        };
        (output, Some(value.to_owned()))
    }

    fn hostile(value: &str) -> [Read; 1] {
        [read(Kind::PrivateEndpoint, "pe", "connection", value)]
    }

    const NAME: &str = "PRIVATE_ENDPOINT__PE__CONNECTION";

    #[test]
    fn names_say_what_they_are_and_are_different() {
        let outputs = [
            read(Kind::PrivateLinkService, "default/internal-app", "alias", "a"),
            read(Kind::PrivateEndpoint, "a-b", "address", "1"),
            read(Kind::PrivateEndpoint, "a_b", "address", "2"),
            read(Kind::PrivateEndpoint, "x\n=$(id);]", "address", "3"),
        ];
        let names: Vec<String> = variables(&outputs).into_iter().map(|(name, _)| name).collect();
        assert_eq!(
            names,
            [
                "PRIVATE_LINK_SERVICE__DEFAULT__INTERNAL_APP__ALIAS",
                "PRIVATE_ENDPOINT__A_B__ADDRESS",
                "PRIVATE_ENDPOINT__A_B__ADDRESS_2",
                "PRIVATE_ENDPOINT__X____ID_____ADDRESS",
            ]
        );
    }

    #[test]
    fn an_output_without_a_value_is_no_variable() {
        let (output, _) = read(Kind::PrivateEndpoint, "pe", "address", "");
        let outputs = [(output, None)];
        assert_eq!(dotenv(&outputs) + &github(&outputs) + azure_pipelines(&outputs).as_str(), "");
    }

    #[test]
    fn a_dotenv_value_stays_on_its_line_and_runs_nothing() {
        assert_eq!(dotenv(&hostile("10.1.0.4")), format!("{NAME}=10.1.0.4\n"));
        let text = dotenv(&hostile("a\"; $(id) `id` \\\nEVIL=1\r\u{1b}[2J"));
        let expected = "a\\\"; \\$(id) \\`id\\` \\\\\\nEVIL=1\\r\\\\u{1b}[2J";
        assert_eq!(text, format!("{NAME}=\"{expected}\"\n"));
        assert_eq!(dotenv(&hostile("")), format!("{NAME}=\"\"\n"));
    }

    #[test]
    fn a_github_value_does_not_end_before_its_delimiter() {
        assert_eq!(github(&hostile("a<<b=c")), format!("{NAME}=a<<b=c\n"));
        let value = "one\nEVIL=1\nEVIL<<X\n2\nX";
        let delimiter = delimiter(value);
        assert_eq!(github(&hostile(value)), format!("{NAME}<<{delimiter}\n{value}\n{delimiter}\n"));
        // Whoever knows how delimiters are made cannot write one that holds for the text it is in.
        let known = format!("x\n{delimiter}\nEVIL=1");
        assert!(!known.contains(&super::delimiter(&known)));
        assert_eq!(github(&hostile(value)), github(&hostile(value)));
    }

    #[test]
    fn an_azure_pipelines_value_is_one_command() {
        let text = azure_pipelines(&hostile("50%\r\n##vso[task.complete result=Failed;]"));
        let expected = "50%AZP25%0D%0A#\\#vso[task.complete result=Failed;]";
        assert_eq!(
            text.as_str(),
            format!("##vso[task.setvariable variable={NAME};isOutput=true]{expected}\n")
        );
    }
}
