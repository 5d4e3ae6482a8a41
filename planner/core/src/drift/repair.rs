//! What repairs a difference: commands that are fit to be pasted into a shell, or advice.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kubernetes::service::Key;
use crate::node_id::Kind;
use crate::plan::Refusal;
use crate::resource_id::ResourceId;
use crate::rule::{self, Code};

/// What repairs a difference.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Repair {
    /// Commands of a POSIX shell, each to be run if the one before it succeeded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<Command>,
    /// What is to be done where no command does it, and what commands come to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
    /// Why an apply among the commands would be refused, by a plan of the stack as it is now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<Refused>,
}

/// Why an apply would be refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Refused {
    /// The code of the refusal.
    #[serde(deserialize_with = "rule::deserialize")]
    #[schemars(with = "String")]
    pub code: Code,
    /// What it says.
    pub message: String,
}

/// A command of a POSIX shell. In JSON it is text, as it is pasted.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(with = "String")]
pub struct Command {
    words: Vec<String>,
    act: Act,
}

/// What a command comes to, as far as consumers may notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// The stack is applied; what it did not make is taken over where that is so.
    Apply { adopt: bool },
    /// The controller syncs a Service, without these annotations of it.
    Sync { service: Key, without: Vec<String> },
    /// Somebody takes back in an editor what was written to a Service.
    Edit(Key),
    /// A resource is deleted, by its id in lower case.
    Delete(String),
    /// Nobody is disconnected.
    Harmless,
}

impl Command {
    /// Its words, quoted as far as a shell needs.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    fn of<const NUMBER: usize>(words: [&str; NUMBER]) -> Self {
        Self { words: words.map(str::to_owned).to_vec(), act: Act::Harmless }
    }

    fn doing(mut self, act: Act) -> Self {
        self.act = act;
        self
    }

    /// What it comes to.
    pub(super) fn act(&self) -> &Act {
        &self.act
    }

    fn is_apply(&self) -> bool {
        matches!(self.act, Act::Apply { .. })
    }

    fn with(mut self, word: impl Into<String>) -> Self {
        self.words.push(word.into());
        self
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words.join(" "))
    }
}

impl Serialize for Command {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What was written is read as words alone: what a command comes to was judged when it was made.
impl<'de> Deserialize<'de> for Command {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(Self { words: split(&text), act: Act::Harmless })
    }
}

/// The words of a command, each as it is written: quotes and `$(...)` keep what is in them together.
fn split(text: &str) -> Vec<String> {
    let (mut words, mut word) = (Vec::new(), String::new());
    let (mut is_quoted, mut depth, mut before) = (false, 0_usize, ' ');
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' if !is_quoted && depth == 0 => words.push(std::mem::take(&mut word)),
            '\\' if !is_quoted => {
                word.push(c);
                word.extend(chars.next());
            }
            c => {
                is_quoted ^= c == '\'';
                depth += usize::from(!is_quoted && before == '$' && c == '(');
                depth -= usize::from(!is_quoted && c == ')').min(depth);
                word.push(c);
            }
        }
        before = c;
    }
    words.push(word);
    words
}

impl Repair {
    /// A command.
    pub(super) fn command(command: Command) -> Self {
        Self { commands: vec![command], ..Self::default() }
    }

    /// An apply of the stack, by the command that does so.
    pub(super) fn apply(words: &[String]) -> Self {
        Self::command(apply(words))
    }

    /// Something that no command does.
    pub(super) fn advice(advice: impl Into<String>) -> Self {
        Self::default().saying(advice)
    }

    /// With what the commands come to.
    pub(super) fn saying(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    /// With what a plan would refuse an apply for. Commands in front of the apply take back what others
    /// wrote: conflicts over that are over by then.
    pub(super) fn refuse(&mut self, refusals: &[Refusal]) {
        let Some(at) = self.commands.iter().position(Command::is_apply) else { return };
        let refusal = refusals.iter().find(|it| at == 0 || it.code != rule::FIELD_CONFLICT);
        self.refused = refusal.map(|it| Refused { code: it.code, message: it.message.clone() });
    }

    /// Whether a command applies the stack, and if so whether that takes over what it did not make.
    pub(super) fn applies(&self) -> Option<bool> {
        self.commands.iter().find_map(|it| match it.act {
            Act::Apply { adopt } => Some(adopt),
            _ => None,
        })
    }

    /// Of which Service commands in front of an apply take back what others wrote, and which annotations.
    pub(super) fn taken_back(&self) -> Option<(Key, Vec<String>)> {
        let before = self.commands.iter().take_while(|it| !it.is_apply());
        let mut taken: Option<(Key, Vec<String>)> = None;
        for command in before {
            match (command.act(), &mut taken) {
                (Act::Sync { service, without }, _) if !without.is_empty() => {
                    taken = Some((service.clone(), without.clone()));
                }
                (Act::Edit(service), None) => taken = Some((service.clone(), Vec::new())),
                _ => {}
            }
        }
        taken
    }

    /// Whether all it does is to apply the stack as it is.
    pub(super) fn is_apply(&self) -> bool {
        matches!(&*self.commands, [only] if only.act == Act::Apply { adopt: false })
    }

    /// Whether all it does is to make the controller sync Services as they are.
    pub(super) fn is_sync(&self) -> bool {
        let is_one =
            |it: &Command| matches!(&it.act, Act::Sync { without, .. } if without.is_empty());
        !self.commands.is_empty() && self.commands.iter().all(is_one)
    }
}

/// The command that applies a stack, by its words.
pub(super) fn apply(words: &[String]) -> Command {
    Command { words: words.to_vec(), act: Act::Apply { adopt: false } }
}

/// The command that applies a stack and takes over what it did not make.
pub(super) fn adopt(words: &[String]) -> Command {
    apply(words).with("--adopt").doing(Act::Apply { adopt: true })
}

/// A word of a shell's command: quoted unless it is plain.
pub fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_./:=@%+,-".contains(c);
    if !text.is_empty() && text.chars().all(plain) && !text.starts_with('-') {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

fn of_service<const NUMBER: usize>(words: [&str; NUMBER], service: &Key) -> Command {
    Command::of(words).with("-n").with(word(&service.namespace)).with(word(&service.name))
}

/// Makes the controller sync a Service: it does so when an annotation changes (recording 243).
pub(super) fn nudge(service: &Key) -> Repair {
    let command = of_service(["kubectl", "annotate", "service"], service)
        .with("--overwrite")
        .with("--field-manager=privlink-sync")
        .with("privlink.dev/sync=$(date +%s)")
        .doing(Act::Sync { service: service.clone(), without: Vec::new() });
    Repair::command(command)
}

/// Makes the controller sync Services, one after the other.
pub(super) fn nudge_all(services: &[&Key]) -> Repair {
    let commands = services.iter().flat_map(|service| nudge(service).commands).collect();
    Repair { commands, ..Repair::default() }
}

/// Takes annotations from a Service.
pub(super) fn unannotate(service: &Key, annotations: &[&str]) -> Command {
    let command = of_service(["kubectl", "annotate", "service"], service);
    let without = annotations.iter().map(|it| (*it).to_owned()).collect();
    annotations
        .iter()
        .fold(command, |command, it| command.with(word(&format!("{it}-"))))
        .doing(Act::Sync { service: service.clone(), without })
}

/// Opens a Service in an editor.
pub(super) fn edit(service: &Key) -> Command {
    of_service(["kubectl", "edit", "service"], service).doing(Act::Edit(service.clone()))
}

/// Deletes a Service.
pub(super) fn delete_service(service: &Key) -> Repair {
    Repair::command(of_service(["kubectl", "delete", "service"], service))
}

/// What the controller says of a Service.
pub(super) fn describe(service: &Key) -> Repair {
    Repair::command(of_service(["kubectl", "describe", "service"], service))
        .saying("and remove what its event names")
}

/// Deletes a resource by its id.
pub(super) fn delete(id: &str) -> Repair {
    let command = Command::of(["az", "resource", "delete", "--ids"]).with(word(id));
    Repair::command(command.doing(Act::Delete(id.to_lowercase())))
}

/// Deletes a frontend of a load balancer.
pub(super) fn delete_frontend(balancer: &ResourceId, name: &str) -> Repair {
    let id = balancer.child("frontendIPConfigurations", name);
    let command = delete_part(balancer, "frontend-ip", name);
    Repair::command(command.doing(Act::Delete(id.key())))
}

/// Deletes a rule of a load balancer.
pub(super) fn delete_rule(balancer: &ResourceId, name: &str) -> Repair {
    Repair::command(delete_part(balancer, "rule", name))
}

/// Leaves only these destinations in a security rule; deletes it where there are none.
pub(super) fn narrow_security_rule(group: &ResourceId, rule: &str, left: &[String]) -> Repair {
    let resource_group = group.resource_group().unwrap_or_default();
    let verb = if left.is_empty() { "delete" } else { "update" };
    let command = Command::of(["az", "network", "nsg", "rule"]).with(verb);
    let flags = [("-g", resource_group), ("--nsg-name", group.name()), ("-n", rule)];
    let add = |command: Command, (flag, value): (&str, &str)| command.with(flag).with(word(value));
    let mut command = flags.into_iter().fold(command, add);
    if !left.is_empty() {
        command = command.with("--destination-address-prefixes");
        command = left.iter().fold(command, |command, address| command.with(word(address)));
    }
    Repair::command(command)
}

fn delete_part(balancer: &ResourceId, what: &str, name: &str) -> Command {
    let resource_group = balancer.resource_group().unwrap_or_default();
    let command = Command::of(["az", "network", "lb", what, "delete"]);
    let flags = [("-g", resource_group), ("--lb-name", balancer.name()), ("-n", name)];
    let add = |command: Command, (flag, value): (&str, &str)| command.with(flag).with(word(value));
    flags.into_iter().fold(command, add)
}

/// Gives a resource a tag.
pub(super) fn tag(id: &str, tag: &str) -> Repair {
    let command = Command::of(["az", "tag", "update", "--operation", "merge", "--resource-id"]);
    Repair::command(command.with(word(id)).with("--tags").with(word(tag)))
}

/// Writes a resource as it is, so that Azure provisions it again ("Troubleshoot Azure Microsoft.Network failed
/// provisioning state"); nothing where no command does.
pub(super) fn provision_again(kind: Kind, id: &str) -> Option<Repair> {
    let what = match kind {
        Kind::LoadBalancer => "lb",
        Kind::PrivateLinkService => "private-link-service",
        Kind::PublicIp => "public-ip",
        _ => return None,
    };
    Some(Repair::command(Command::of(["az", "network", what, "update", "--ids"]).with(word(id))))
}

/// Turns the network policy for Private Link Services off in a subnet.
pub(super) fn disable_policy(subnet: &str) -> Repair {
    let command = Command::of(["az", "network", "vnet", "subnet", "update", "--ids"]);
    let flag = "--private-link-service-network-policies";
    Repair::command(command.with(word(subnet)).with(flag).with("Disabled"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_plain_is_quoted() {
        assert_eq!(
            word("/subscriptions/s/resourceGroups/rg"),
            "/subscriptions/s/resourceGroups/rg"
        );
        assert_eq!(word("a b"), "'a b'");
        assert_eq!(word("$(rm -r x)'; y"), "'$(rm -r x)'\\''; y'");
        assert_eq!(word("--help"), "'--help'");
        assert_eq!(word(""), "''");
    }

    #[test]
    fn a_command_is_read_as_the_words_that_were_written() {
        let service = Key::new("default", "app");
        let hostile = tag("/s/it's $(rm -r x) 'y'", "a=b\\ c)");
        for repair in [nudge(&service), hostile, delete("/a b/(c)"), Repair::apply(&[word("")])] {
            let text = serde_json::to_string(&repair).unwrap();
            let read: Repair = serde_json::from_str(&text).unwrap();
            let words = |it: &Repair| -> Vec<Vec<String>> {
                it.commands.iter().map(|it| it.words().to_vec()).collect()
            };
            assert_eq!(words(&read), words(&repair), "{text}");
        }
    }

    #[test]
    fn an_apply_behind_what_takes_a_field_back_meets_no_conflict() {
        let refusal = |code| Refusal::of_plan(code, "it is so", crate::plan::Override::never("no"));
        let conflict = [refusal(rule::FIELD_CONFLICT)];
        let words = ["privlink".to_owned(), "apply".to_owned()];
        let mut alone = Repair::apply(&words);
        alone.refuse(&conflict);
        assert_eq!(alone.refused.as_ref().map(|it| it.code), Some(rule::FIELD_CONFLICT));
        let service = Key::new("default", "app");
        let commands = vec![unannotate(&service, &["a"]), apply(&words)];
        let mut behind = Repair { commands, ..Repair::default() };
        behind.refuse(&conflict);
        assert_eq!(behind.refused, None);
        behind.refuse(&[refusal(rule::FIELD_CONFLICT), refusal(rule::TOO_MANY_DISCONNECTS)]);
        assert_eq!(behind.refused.map(|it| it.code), Some(rule::TOO_MANY_DISCONNECTS));
        let mut other = nudge(&service);
        other.refuse(&conflict);
        assert_eq!(other.refused, None);
    }
}
