//! Forgetting: objects lose the stack's marks and are unmanaged from then on. Nothing is deleted, and
//! nothing else of them changes.

use serde_json::Value;

use crate::change::{Action, Actor, Change, FieldDiff};
use crate::diff::draft::{Draft, Stage, number};
use crate::input::Input;
use crate::join::{Marked, marked};
use crate::marks::{MARKS, STACK_LABEL, STACK_TAG};
use crate::node::dns_record;
use crate::node_id::{Kind, NodeId};
use crate::plan::{FORMAT_VERSION, Op, Plan, Summary};
use crate::plural::count;
use crate::resource_id::ResourceId;

/// Why nothing is forgotten.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// An address names nothing that carries the stack's mark.
    #[error("{address} is not an object that stack {stack} has marked")]
    NotMarked {
        /// The address.
        address: NodeId,
        /// The stack.
        stack: String,
        /// What it has marked, as far as it was read.
        marked: Vec<NodeId>,
    },
}

impl Error {
    /// What the stack has marked.
    pub fn help(&self) -> String {
        let Self::NotMarked { marked, .. } = self;
        let names: Vec<String> = marked.iter().map(ToString::to_string).collect();
        match names.len() {
            0 => "It has marked nothing that was read.".to_owned(),
            many => format!("It has marked {}: {}.", count(many, "object"), names.join(", ")),
        }
    }
}

/// Plans to take the stack's marks off objects. With an endpoint, the record that leads to it is forgotten
/// too: a plan would delete it once no document asks for it.
///
/// # Errors
///
/// See [`Error`].
pub fn plan(input: &Input<'_>, addresses: &[NodeId]) -> Result<Plan, Error> {
    let marked = marked(input);
    let mut chosen: Vec<&Marked<'_>> = Vec::new();
    for address in addresses {
        let Some(found) = marked.iter().find(|it| it.at == *address) else {
            return Err(Error::NotMarked {
                address: address.clone(),
                stack: input.wanted.name().to_owned(),
                marked: marked.into_iter().map(|it| it.at).collect(),
            });
        };
        chosen.push(found);
        let leads = |it: &&Marked<'_>| {
            it.at.kind == Kind::DnsRecord && leads_to(input, it.live, &found.at, found.live)
        };
        chosen.extend(marked.iter().filter(leads));
    }
    chosen.sort_by(|one, other| one.at.cmp(&other.at));
    chosen.dedup_by(|one, other| one.at == other.at);
    let (mut changes, mut drafts) = (Vec::new(), Vec::new());
    for Marked { at, live } in chosen {
        let Some((object, op)) = release(at, live) else { continue };
        let reason = "taken out of the stack, and stays unchanged";
        let mut change = Change::new(at.clone(), Action::Update, Actor::Privlink, reason);
        change.title = format!("{} {}", at.kind.title(), at.name);
        change.object = Some(object);
        change.fields = vec![FieldDiff::new(
            match at.kind {
                Kind::Service => format!("metadata.labels[{STACK_LABEL:?}]"),
                Kind::DnsRecord => format!("metadata.{STACK_TAG}"),
                _ => format!("tags.{STACK_TAG}"),
            },
            Some(input.wanted.name().to_owned().into()),
            None,
        )];
        changes.push(change);
        drafts.push(Draft::new(at, Stage::Write, op));
    }
    let summary = Summary::of(&changes, 0);
    Ok(Plan {
        format_version: FORMAT_VERSION.to_owned(),
        tool_version: input.options.tool_version.clone(),
        stack: input.wanted.name().to_owned(),
        mode: input.options.mode,
        redacted: input.live.is_redacted(),
        scope: input.options.scope.clone(),
        changes,
        // Steps that need nothing are in no circle.
        steps: number(drafts, Vec::new()).unwrap_or_default(),
        summary,
        ..Plan::default()
    })
}

/// Whether a record is the one an endpoint's document names, or leads to the endpoint's address.
fn leads_to(input: &Input<'_>, record: &Value, at: &NodeId, endpoint: &Value) -> bool {
    if at.kind != Kind::PrivateEndpoint {
        return false;
    }
    let id = |live: &Value| live.get("id").and_then(Value::as_str).map(ResourceId::new);
    let documented = input.endpoint(&at.name).and_then(|it| Some(it.record()?.1));
    if documented.is_some() && documented == id(record) {
        return true;
    }
    let live = id(endpoint).and_then(|id| input.live.world().private_endpoints.get(&id.key()));
    let address = live.and_then(|live| input.live.address_of(live).ok()?);
    address.is_some() && dns_record::addresses(record).any(|it| it.as_str() == address)
}

/// The object's id, and how its marks are taken off.
fn release(at: &NodeId, live: &Value) -> Option<(String, Op)> {
    if at.kind == Kind::Service {
        let text = |name: &str| Some(live.get("metadata")?.get(name)?.as_str()?.to_owned());
        let (namespace, name, uid) = (text("namespace")?, text("name")?, text("uid")?);
        return Some((format!("{namespace}/{name}"), Op::ReleaseService { namespace, name, uid }));
    }
    let id = live.get("id")?.as_str()?.to_owned();
    let etag = live.get("etag").and_then(Value::as_str).map(ToOwned::to_owned);
    let mut body = live.clone();
    let marks = match at.kind {
        Kind::DnsRecord => body.pointer_mut("/properties/metadata"),
        _ => body.get_mut("tags"),
    };
    if let Some(marks) = marks.and_then(Value::as_object_mut) {
        marks.retain(|name, _| !MARKS.contains(&name.as_str()));
    }
    Some((id.clone(), Op::PutResource { id, body, etag }))
}
