//! A desired Service beside the live one: who writes it, what an apply makes of it, and what of it somebody
//! else set and an apply leaves.

use std::sync::OnceLock;

use serde_json::Value;

use crate::change::{Actor, FieldDiff};
use crate::desired;
use crate::document::Services;
use crate::field_diff;
use crate::input::Input;
use crate::kubernetes::defaults::{self, Network, Unknowns};
use crate::kubernetes::managers;
use crate::kubernetes::server_side_apply::{self, Conflict, Manager, SERVICE, Writer};
use crate::kubernetes::service::Key;
use crate::marks::FIELD_MANAGER;
use crate::node::service::{address, comparable, mark, stack_of};
use crate::node_id::NodeId;
use crate::unknown;
use crate::writer::{Writers, is_own};

use super::made;

/// What the controller reads begins so.
const ANNOTATION: &str = "metadata.annotations[\"service.beta.kubernetes.io/azure-";

/// A desired Service, joined.
pub(crate) struct Service<'a> {
    input: &'a Input<'a>,
    /// Its namespace and name.
    pub(crate) key: &'a Key,
    /// Its address.
    pub(crate) at: NodeId,
    /// As its manifest says.
    pub(crate) wanted: &'a desired::Service,
    /// The live one.
    pub(crate) live: Option<&'a Value>,
    /// Who writes it.
    pub(crate) actor: Actor,
    manifest: OnceLock<Value>,
}

/// A field that stays as somebody set it.
pub(crate) struct Set {
    /// The field, from what it is to what the manifest alone would make it.
    pub(crate) field: FieldDiff,
    /// The field manager that set it.
    pub(crate) manager: String,
    /// When, in RFC 3339.
    pub(crate) time: String,
}

impl<'a> Service<'a> {
    /// Joins.
    pub(crate) fn of(input: &'a Input<'a>, wanted: &'a desired::Service) -> Self {
        let key = &wanted.name;
        let live = input.live.service(key);
        let actor = actor(input, key, live);
        Self { input, key, at: address(key), wanted, live, actor, manifest: OnceLock::new() }
    }

    /// What is applied: with the stack's mark, if privlink writes it.
    pub(crate) fn manifest(&self) -> &Value {
        self.manifest.get_or_init(|| {
            let manifest = self.wanted.manifest.clone();
            let mut manifest = match &self.wanted.made_by {
                Some(by) => made::as_written(manifest, by, self.live),
                None => manifest,
            };
            if self.actor == Actor::Privlink {
                mark(&mut manifest, self.input.wanted.name());
            }
            manifest
        })
    }

    /// Whether the live Service carries the mark of this stack.
    pub(crate) fn is_ours(&self) -> bool {
        self.input.wanted.owns(self.live.and_then(stack_of))
    }

    /// Whether the live Service is as its manifest asks, and carries no stack's mark, and adopting it is
    /// not asked for.
    pub(crate) fn is_unmarked(&self) -> bool {
        let unmarked = |live: &&Value| stack_of(live).is_none() && !self.input.options.adopt;
        self.actor == Actor::Privlink
            && self.live.filter(unmarked).is_some_and(|live| {
                let stored = self.stored_of(Some(live), &self.wanted.manifest);
                stored.is_ok_and(|stored| changed(live, &stored).is_empty())
            })
    }

    /// Whether the live Service is what an apply would leave.
    pub(crate) fn is_applied(&self) -> bool {
        let is_applied =
            |live| server_side_apply::is_applied(&SERVICE, live, self.manifest(), &self.writer());
        self.live.is_some_and(is_applied)
    }

    /// The object as the API server will store it, applied by privlink's own manager, or by whoever else writes
    /// it, whose apply is taken to own everything it says.
    pub(crate) fn stored(&self) -> Result<Value, Vec<Conflict>> {
        self.stored_of(self.live, self.manifest())
    }

    /// The object as the API server will store it if it is re-created.
    pub(crate) fn created(&self) -> Result<Value, Vec<Conflict>> {
        self.stored_of(None, self.manifest())
    }

    fn stored_of(&self, live: Option<&Value>, manifest: &Value) -> Result<Value, Vec<Conflict>> {
        let force = matches!(self.actor, Actor::External(_));
        let by = self.wanted.made_by.as_ref();
        let begun = by.and_then(|by| made::begun(live?, manifest, by));
        let base = begun.as_ref().or(live);
        let merged = server_side_apply::applied(&SERVICE, base, manifest, &self.writer(), force)?;
        let network = self.network();
        Ok(match live {
            None => defaults::create(merged, &network, &mut Unknowns),
            Some(live) => defaults::update(merged, live, &network, &mut Unknowns),
        })
    }

    fn network(&self) -> Network {
        Network { ip_families: self.input.facts.ip_families.clone() }
    }

    /// What differs of the live Service, whoever owns it; nothing if the manifest cannot be merged at all.
    pub(crate) fn differing(&self) -> Option<Vec<FieldDiff>> {
        let live = self.live?;
        let merged = self.merged(Some(live), &self.writer())?;
        let stored = defaults::update(merged, live, &self.network(), &mut Unknowns);
        Some(field_diff::fields(Some(&comparable(live)), Some(&comparable(&stored))))
    }

    fn merged(&self, live: Option<&Value>, writer: &Writer<'_>) -> Option<Value> {
        server_side_apply::apply(&SERVICE, live, self.manifest(), writer, true).ok()
    }

    /// As whom it is applied: under the name that its tool goes by on the live one.
    fn writer(&self) -> Writer<'_> {
        let mut writer = writer(&self.actor);
        if matches!(self.actor, Actor::External(_)) {
            writer.manager = made::manager(writer.manager, self.live);
        }
        writer
    }

    /// Who wrote which fields of the live Service.
    pub(crate) fn writers(&self) -> Option<Writers> {
        self.live.map(Writers::of)
    }

    /// Whether a manager is the tool that keeps the Service.
    pub(crate) fn keeps(&self, manager: &Manager) -> bool {
        let tool = managers::tool_of(&manager.name).map(|tool| tool.to_string());
        matches!(&self.actor, Actor::External(name) if *name == manager.name || Some(name) == tool.as_ref())
    }

    /// What somebody else set and an apply leaves. `differing` is what an apply would change.
    pub(crate) fn set_by_hand(&self, differing: &[FieldDiff]) -> Vec<Set> {
        let Some(writers) = self.writers() else { return Vec::new() };
        let is_other = |manager: &Manager| !is_own(manager) && !self.keeps(manager);
        if !writers.any(is_other) {
            return Vec::new();
        }
        let of = |field: FieldDiff| {
            let owners = writers.owners(&field.path);
            let Manager { name, time, .. } = owners.iter().rev().find(|it| is_other(it))?;
            Some(Set { field, manager: name.clone(), time: time.clone() })
        };
        self.added(differing).into_iter().filter_map(of).collect()
    }

    /// What is set on the live Service that the manifest alone would not set. Only what the controller looks
    /// at counts, and only if it is not what the API server fills in.
    fn added(&self, differing: &[FieldDiff]) -> Vec<FieldDiff> {
        let (Some(live), Some(alone)) = (self.live, self.merged(None, &writer(&Actor::Privlink)))
        else {
            return Vec::new();
        };
        // Node ports are handed out.
        let shown = |object: &Value| without_node_ports(comparable(object));
        let alone = shown(&defaults::create(alone, &self.network(), &mut Unknowns));
        let is_unknown = |field: &FieldDiff| {
            field.after.as_ref().is_some_and(|value| unknown::is_unknown(&value.to_string()))
        };
        let is_change = |field: &FieldDiff| differing.iter().any(|it| it.path == field.path);
        let handed_out = ["spec.clusterIP", "spec.healthCheckNodePort", "spec.ipFamil"];
        field_diff::fields(Some(&shown(live)), Some(&alone))
            .into_iter()
            .filter(|field| field.path.starts_with(ANNOTATION) || field.path.starts_with("spec."))
            .filter(|field| !handed_out.iter().any(|path| field.path.starts_with(path)))
            .filter(|field| !is_unknown(field) && !is_change(field))
            .collect()
    }
}

/// As whom a Service is applied.
fn writer(actor: &Actor) -> Writer<'_> {
    let manager = match actor {
        Actor::External(tool) => tool,
        _ => FIELD_MANAGER,
    };
    Writer { manager, api_version: "v1", time: "", subresource: None }
}

fn without_node_ports(mut object: Value) -> Value {
    let ports = object.pointer_mut("/spec/ports").and_then(Value::as_array_mut);
    for port in ports.into_iter().flatten().filter_map(Value::as_object_mut) {
        port.shift_remove("nodePort");
    }
    object
}

/// The Service that the API server stores of a manifest where none is, with the IP families of the one that
/// was; nothing if the manifest cannot be merged.
pub(crate) fn made_anew(manifest: &Value, was: &Value) -> Option<Value> {
    let writer = writer(&Actor::Privlink);
    let merged = server_side_apply::applied(&SERVICE, None, manifest, &writer, false).ok()?;
    Some(defaults::create(merged, &network_of(was), &mut Unknowns))
}

/// The live Service as the API server stores it once a manifest is applied by privlink; nothing where another
/// manager stands in the way, which the API server says itself.
pub(crate) fn stored_over(live: &Value, manifest: &Value) -> Option<Value> {
    let writer = writer(&Actor::Privlink);
    let merged = server_side_apply::applied(&SERVICE, Some(live), manifest, &writer, false).ok()?;
    Some(defaults::update(merged, live, &network_of(live), &mut Unknowns))
}

fn network_of(service: &Value) -> Network {
    let families = service.pointer("/spec/ipFamilies").and_then(Value::as_array);
    let families = families.into_iter().flatten().filter_map(Value::as_str);
    let ip_families: Vec<String> = families.map(ToOwned::to_owned).collect();
    if ip_families.is_empty() { Network::default() } else { Network { ip_families } }
}

/// The fields in which an object as it will be stored differs from the live one, as they are shown.
pub(crate) fn changed(live: &Value, stored: &Value) -> Vec<FieldDiff> {
    let fields = field_diff::fields(Some(&comparable(live)), Some(&comparable(stored)));
    fields.into_iter().map(FieldDiff::shown).collect()
}

/// Who writes a Service: privlink, unless the Stack or the live object says otherwise, or a Gateway makes it.
pub(crate) fn actor(input: &Input<'_>, key: &Key, live: Option<&Value>) -> Actor {
    let wanted = input.wanted.service(key);
    let made_by = wanted.and_then(|it| it.made_by.as_ref()).map(|by| by.tool);
    let live_tool = live.and_then(|it| managers::author(it).tool).filter(|it| it.is_gateways());
    if let Some(tool) = made_by.or(live_tool) {
        return Actor::External(tool.to_string());
    }
    // What this stack wrote may carry a tool's marks too: manifests rendered by Helm do.
    let ours = input.wanted.owns(live.and_then(stack_of));
    let tool = live.filter(|_| !ours).and_then(external_tool);
    let said = if input.options.guard.is_some() {
        Some(Services::External)
    } else {
        input.wanted.services_by()
    };
    match (said, tool) {
        (Some(Services::External), tool) => {
            Actor::External(tool.unwrap_or_else(|| "another tool".to_owned()))
        }
        (None, Some(tool)) => Actor::External(tool),
        (Some(Services::Managed), _) | (None, None) => Actor::Privlink,
    }
}

/// The tool that keeps a live Service as it is, by its marks and its managers.
fn external_tool(live: &Value) -> Option<String> {
    let author = managers::author(live);
    let tool = author.tool.filter(|tool| tool.is_external())?;
    Some(tool.to_string())
}
