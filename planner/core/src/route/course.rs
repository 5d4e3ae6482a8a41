//! What may become of one Service on the way: the manifests that it can have.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::kubernetes::service::Key;
use crate::pointer::At;

/// Annotations of the controller begin so.
const AZURE: &str = "service.beta.kubernetes.io/azure-";
/// Those that ask for a Private Link Service, or shape it.
const LINK: &str = "service.beta.kubernetes.io/azure-pls-";
/// How many parts of a difference are changed one at a time; what is beyond is as desired from the first edit
/// on.
const MOST_PARTS: usize = 6;
/// How far spare ports lie from the ports that they stand for, the first that is free.
const SHIFTS: [i64; 6] = [8_000, 9_000, 10_000, 11_000, 12_000, 13_000];
/// The largest port.
const LAST_PORT: i64 = 65_535;

/// A Service of the stack, from what is live to what is desired.
#[derive(Clone, Debug)]
pub(super) struct Course {
    /// The Service.
    pub(super) key: Key,
    /// Its manifest as it is live; none if there is no such Service.
    pub(super) from: Option<Value>,
    /// Its manifest as it is desired; none if it is to be deleted.
    pub(super) to: Option<Value>,
    /// What differs between the two, part by part.
    parts: Vec<Part>,
    /// The ports that an edit may move, where a Gateway makes the Service: those of its listeners.
    listeners: Option<BTreeSet<i64>>,
}

/// What is changed as one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    /// An annotation.
    Annotation(String),
    /// These fields of the spec.
    Spec(Vec<String>),
    /// Of a Service that is created: what asks for a Private Link Service.
    Link,
    /// All that is in no other part.
    Rest,
}

/// How far a Service has come.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Variant {
    /// There is no such Service.
    Absent,
    /// It is there.
    Present {
        /// The parts that are as desired already, by number.
        done: BTreeSet<usize>,
        /// How far its ports are from those that it should have: 0 where they are those.
        shift: i64,
    },
}

impl Course {
    /// The course of a Service whose manifests are spelled alike.
    pub(super) fn new(key: Key, from: Option<Value>, to: Option<Value>) -> Self {
        let plain = to.clone();
        Self::changed(key, from, to.zip(plain))
    }

    /// The course of a Service that stays as it is.
    pub(super) fn unchanged(key: Key, manifest: Option<Value>) -> Self {
        Self { key, from: manifest.clone(), to: manifest, parts: Vec::new(), listeners: None }
    }

    /// The course of a Service. The desired manifest comes as it is written and as the live one is spelled, so
    /// that a default that is written differs from none that is not.
    pub(super) fn changed(key: Key, from: Option<Value>, to: Option<(Value, Value)>) -> Self {
        let parts = match (&from, &to) {
            (Some(from), Some((to, plain))) => {
                let mut parts = parts(from, plain);
                parts.retain(|part| {
                    let mut put_back = to.clone();
                    part.put_back(&mut put_back, from);
                    put_back != *to
                });
                parts.truncate(MOST_PARTS);
                parts
            }
            (None, Some((to, _))) if asks_for_link(to) => vec![Part::Link],
            _ => Vec::new(),
        };
        Self { key, from, to: to.map(|(to, _)| to), parts, listeners: None }
    }

    /// The course of the Service of a Gateway with these listeners.
    pub(super) fn made_of(self, listeners: Option<BTreeSet<i64>>) -> Self {
        Self { listeners, ..self }
    }

    /// Where it begins.
    pub(super) fn start(&self) -> Variant {
        match self.from {
            Some(_) => Variant::Present { done: BTreeSet::new(), shift: 0 },
            None => Variant::Absent,
        }
    }

    /// Where it ends.
    pub(super) fn end(&self) -> Variant {
        match (&self.from, &self.to) {
            (_, None) => Variant::Absent,
            (_, Some(_)) => Variant::Present { done: (0..self.parts.len()).collect(), shift: 0 },
        }
    }

    /// Whether nothing is to change.
    pub(super) fn is_unchanged(&self) -> bool {
        self.start() == self.end()
    }

    /// Whether there is one edit that makes it as desired, and none that does a part of it.
    pub(super) fn has_one_edit(&self) -> bool {
        self.from.is_some() && self.parts.len() <= 1
    }

    /// The manifest of a variant; none where the Service is absent.
    pub(super) fn manifest(&self, variant: &Variant) -> Option<Value> {
        let Variant::Present { done, shift } = variant else { return None };
        let mut manifest = self.to.clone().or_else(|| self.from.clone())?;
        let from = self.from.as_ref().unwrap_or(&Value::Null);
        for (number, part) in self.parts.iter().enumerate() {
            if !done.contains(&number) {
                part.put_back(&mut manifest, from);
            }
        }
        if *shift != 0 {
            shift_ports(&mut manifest, *shift, self.listeners.as_ref());
        }
        Some(manifest)
    }

    /// The ports, with their protocols, of a variant.
    pub(super) fn ports(&self, variant: &Variant) -> BTreeSet<(String, i64)> {
        self.manifest(variant).as_ref().map(ports).unwrap_or_default()
    }

    /// The variants that one edit makes of this one. `taken` are the ports of the Services beside it, now
    /// and at the end.
    pub(super) fn edits(&self, variant: &Variant, taken: &BTreeSet<(String, i64)>) -> Vec<Variant> {
        let mut edits = BTreeSet::new();
        match variant {
            Variant::Absent => {
                if self.to.is_some() {
                    for done in [BTreeSet::new(), (0..self.parts.len()).collect()] {
                        let made = Variant::Present { done, shift: 0 };
                        edits.extend(self.spare(&made, taken));
                        edits.insert(made);
                    }
                }
            }
            Variant::Present { done, shift } => {
                let left: Vec<usize> =
                    (0..self.parts.len()).filter(|part| !done.contains(part)).collect();
                let with = |more: &[usize], shift: i64| Variant::Present {
                    done: done.iter().chain(more).copied().collect(),
                    shift,
                };
                edits.insert(with(&left, 0));
                edits.extend(left.iter().map(|part| with(&[*part], *shift)));
                if *shift == 0 {
                    edits.extend(self.spare(variant, taken));
                } else {
                    edits.insert(with(&[], 0));
                }
                // One that is to stay is deleted on the way only where it comes back.
                edits.insert(Variant::Absent);
            }
        }
        edits.remove(variant);
        edits.into_iter().collect()
    }

    /// Whether an edit may move a port.
    fn moves(&self, port: i64) -> bool {
        self.listeners.as_ref().is_none_or(|listeners| listeners.contains(&port))
    }

    /// The variant on spare ports.
    fn spare(&self, variant: &Variant, taken: &BTreeSet<(String, i64)>) -> Option<Variant> {
        let Variant::Present { done, .. } = variant else { return None };
        let ports = self.ports(variant);
        let is_free = |shift: &i64| {
            ports.iter().filter(|(_, port)| self.moves(*port)).all(|(protocol, port)| {
                let moved = port + shift;
                moved <= LAST_PORT && !taken.contains(&(protocol.clone(), moved))
            })
        };
        let shift = SHIFTS.into_iter().find(is_free)?;
        Some(Variant::Present { done: done.clone(), shift })
    }
}

impl Part {
    /// Makes this part of a manifest what it is live.
    fn put_back(&self, manifest: &mut Value, from: &Value) {
        match self {
            Self::Annotation(key) => put_back(manifest, from, &["metadata", "annotations"], key),
            Self::Spec(fields) => {
                for field in fields {
                    put_back(manifest, from, &["spec"], field);
                }
            }
            Self::Link => {
                let annotations = manifest.pointer_mut("/metadata/annotations");
                if let Some(annotations) = annotations.and_then(Value::as_object_mut) {
                    annotations.retain(|key, _| !key.starts_with(LINK));
                }
            }
            Self::Rest => {
                for (at, entries) in [("labels", true), ("annotations", false)] {
                    for key in differing(from, manifest, &["metadata", at]) {
                        if entries || !key.starts_with(AZURE) {
                            put_back(manifest, from, &["metadata", at], &key);
                        }
                    }
                }
            }
        }
    }
}

/// Whether a manifest says anything of a Private Link Service.
fn asks_for_link(manifest: &Value) -> bool {
    let annotations = entries(manifest, &["metadata", "annotations"]);
    annotations.is_some_and(|it| it.keys().any(|key| key.starts_with(LINK)))
}

/// The group and the name of the Private Link Service that a Service asks for by name, in lower case.
pub(super) fn link_name(annotations: &BTreeMap<String, String>) -> Option<(String, String)> {
    let value = |name: &str| annotations.get(&format!("{LINK}{name}")).map(|it| it.trim());
    let name = value("name").filter(|it| !it.is_empty() && value("create") == Some("true"))?;
    Some((value("resource-group").unwrap_or_default().to_lowercase(), name.to_lowercase()))
}

/// The ports of a manifest, with their protocols.
pub(super) fn ports(manifest: &Value) -> BTreeSet<(String, i64)> {
    let ports = manifest.at("/spec/ports").and_then(Value::as_array);
    let ports = ports.into_iter().flatten();
    ports
        .filter_map(|port| {
            let protocol = port.get("protocol").and_then(Value::as_str).unwrap_or("TCP");
            Some((protocol.to_owned(), port.get("port")?.as_i64()?))
        })
        .collect()
}

/// What differs between two manifests of one Service.
fn parts(from: &Value, to: &Value) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut rest = !differing(from, to, &["metadata", "labels"]).is_empty();
    for key in differing(from, to, &["metadata", "annotations"]) {
        if key.starts_with(AZURE) {
            parts.push(Part::Annotation(key));
        } else {
            rest = true;
        }
    }
    let (families, others): (Vec<String>, Vec<String>) =
        differing(from, to, &["spec"]).into_iter().partition(|field| field.starts_with("ipFamil"));
    parts.extend(others.into_iter().map(|field| Part::Spec(vec![field])));
    if !families.is_empty() {
        parts.push(Part::Spec(families));
    }
    if rest {
        parts.push(Part::Rest);
    }
    parts
}

fn entries<'v>(value: &'v Value, path: &[&str]) -> Option<&'v Map<String, Value>> {
    path.iter().try_fold(value, |value, name| value.get(name))?.as_object()
}

/// The keys of a mapping whose values differ, or that one of the two has not.
fn differing(from: &Value, to: &Value, path: &[&str]) -> Vec<String> {
    let (from, to) = (entries(from, path), entries(to, path));
    let keys: BTreeSet<&String> =
        from.into_iter().chain(to).flat_map(|entries| entries.keys()).collect();
    let value = |of: Option<&Map<String, Value>>, key: &str| of.and_then(|it| it.get(key)).cloned();
    keys.into_iter().filter(|key| value(from, key) != value(to, key)).cloned().collect()
}

fn put_back(manifest: &mut Value, from: &Value, path: &[&str], key: &str) {
    let old = entries(from, path).and_then(|entries| entries.get(key)).cloned();
    let mut at = manifest;
    for name in path {
        let Some(fields) = at.as_object_mut() else { return };
        at = fields.entry((*name).to_owned()).or_insert_with(|| Value::Object(Map::new()));
    }
    let Some(fields) = at.as_object_mut() else { return };
    match old {
        Some(old) => drop(fields.insert(key.to_owned(), old)),
        None => drop(fields.shift_remove(key)),
    }
}

/// Moves all ports, or those of a Gateway's listeners; what a Service listens on behind them stays. What is behind a
/// listener is its controller's.
fn shift_ports(manifest: &mut Value, shift: i64, listeners: Option<&BTreeSet<i64>>) {
    let ports = manifest.pointer_mut("/spec/ports").and_then(Value::as_array_mut);
    for port in ports.into_iter().flatten().filter_map(Value::as_object_mut) {
        let Some(number) = port.get("port").and_then(Value::as_i64) else { continue };
        match listeners {
            Some(listeners) if !listeners.contains(&number) => continue,
            Some(_) => {}
            None => drop(port.entry("targetPort").or_insert_with(|| number.into())),
        }
        port.insert("port".to_owned(), (number + shift).into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn service(address: &str, port: i64) -> Value {
        json!({
            "metadata": {"name": "web", "annotations": {
                "service.beta.kubernetes.io/azure-load-balancer-ipv4": address,
            }},
            "spec": {"ports": [{"port": port}]},
        })
    }

    fn course(from: Option<Value>, to: Option<Value>) -> Course {
        Course::new(Key::new("default", "web"), from, to)
    }

    #[test]
    fn a_course_ends_with_the_desired_manifest_whatever_came_first() {
        let (from, to) = (service("10.0.0.1", 80), service("10.0.0.2", 81));
        let course = course(Some(from.clone()), Some(to.clone()));
        assert_eq!(course.manifest(&course.start()), Some(from));
        assert_eq!(course.manifest(&course.end()), Some(to));
    }

    #[test]
    fn parts_change_one_at_a_time_or_all_at_once() {
        let course = course(Some(service("10.0.0.1", 80)), Some(service("10.0.0.2", 81)));
        let manifests: Vec<Option<Value>> = course
            .edits(&course.start(), &BTreeSet::new())
            .iter()
            .map(|variant| course.manifest(variant))
            .collect();
        for expected in [service("10.0.0.2", 80), service("10.0.0.1", 81), service("10.0.0.2", 81)]
        {
            assert!(manifests.contains(&Some(expected)));
        }
        assert!(manifests.contains(&None), "it may be deleted on the way");
    }

    #[test]
    fn spare_ports_of_a_gateway_are_those_of_its_listeners() {
        let mut wanted = service("10.0.0.1", 443);
        wanted["spec"]["ports"] = json!([{"port": 15021}, {"port": 443}]);
        let course = course(None, Some(wanted)).made_of(Some(BTreeSet::from([443])));
        let taken = BTreeSet::from([("TCP".to_owned(), 23_021)]);
        let edits = course.edits(&Variant::Absent, &taken);
        let ports = json!([{"port": 15021}, {"port": 8443}]);
        let manifests = edits.iter().filter_map(|it| course.manifest(it));
        assert!(manifests.into_iter().any(|it| it["spec"]["ports"] == ports));
    }

    #[test]
    fn spare_ports_are_free_ones_and_lead_to_the_same_backend() {
        let course = course(None, Some(service("10.0.0.1", 443)));
        let taken = BTreeSet::from([("TCP".to_owned(), 8_443)]);
        let edits = course.edits(&Variant::Absent, &taken);
        let spare = edits.iter().find(|it| course.ports(it).contains(&("TCP".to_owned(), 9_443)));
        let manifest = spare.and_then(|it| course.manifest(it));
        let target = manifest.as_ref().and_then(|it| it.pointer("/spec/ports/0/targetPort"));
        assert_eq!(target, Some(&json!(443)));
    }
}
