//! Who wrote which field of a Service, by its `managedFields`.

use serde_json::Value;

use crate::kubernetes::server_side_apply::{self, Element, FieldSet, Manager};
use crate::marks::{FIELD_MANAGER, SYNC_FIELD_MANAGER};

/// A field manager's claim.
struct Claim {
    manager: Manager,
    /// What it owns, in the dotted form of field diffs; `true` if all below it is owned too: entries of
    /// a keyed list are not told apart, and an atomic map or list is owned as a whole.
    fields: Vec<(String, bool)>,
}

/// The writers of a Service: of its spec and metadata, the cluster's own controllers aside.
pub(crate) struct Writers(Vec<Claim>);

/// Whether a manager is one of the cluster's own controllers, which write finalizers and status.
fn is_controller(name: &str, subresource: &str) -> bool {
    name.ends_with("cloud-controller-manager")
        || name == "kube-controller-manager"
        || !subresource.is_empty()
}

/// Whether a manager is privlink's own.
pub(crate) fn is_own(manager: &Manager) -> bool {
    is_own_name(&manager.name)
}

fn is_own_name(name: &str) -> bool {
    [FIELD_MANAGER, SYNC_FIELD_MANAGER].contains(&name)
}

impl Writers {
    /// The writers of a live Service.
    pub(crate) fn of(live: &Value) -> Self {
        let managers = server_side_apply::managers(live).into_iter();
        let claims = managers.filter(|(it, _)| !is_controller(&it.name, &it.subresource));
        Self(claims.map(|(manager, set)| Claim { manager, fields: dotted(&set) }).collect())
    }

    /// Who owns a field, the newest last.
    pub(crate) fn owners(&self, path: &str) -> Vec<&Manager> {
        let below = |field: &str| {
            path.strip_prefix(field).is_some_and(|rest| rest.starts_with(['.', '[']))
                || field.strip_prefix(path).is_some_and(|rest| rest.starts_with(['.', '[']))
        };
        let owns = |claim: &&Claim| {
            claim.fields.iter().any(|(field, whole)| field == path || (*whole && below(field)))
        };
        let mut owners: Vec<&Manager> = self.0.iter().filter(owns).map(|it| &it.manager).collect();
        owners.sort_by(|one, other| (&one.time, &one.name).cmp(&(&other.time, &other.name)));
        owners
    }

    /// Somebody else who wrote after privlink did, the newest: whoever took a field away leaves no
    /// other trace.
    pub(crate) fn later_than_own(&self) -> Option<&Manager> {
        let all = || self.0.iter().map(|claim| &claim.manager);
        let own = all().filter(|it| it.name == FIELD_MANAGER).map(|it| it.time.as_str()).max()?;
        let others = all().filter(|it| !is_own(it) && it.time.as_str() > own);
        others.max_by_key(|it| it.time.as_str())
    }

    /// Whether somebody else than privlink and the cluster's own controllers wrote to a Service.
    pub(crate) fn has_others(live: &Value) -> bool {
        let entries = live.pointer("/metadata/managedFields").and_then(Value::as_array);
        let is_other = |entry: &Value| {
            let text = |field: &str| entry.get(field).and_then(Value::as_str);
            text("manager").is_some_and(|name| {
                !is_own_name(name) && !is_controller(name, text("subresource").unwrap_or_default())
            })
        };
        entries.into_iter().flatten().any(is_other)
    }

    /// Whether a writer is like this.
    pub(crate) fn any(&self, is_it: impl Fn(&Manager) -> bool) -> bool {
        self.0.iter().any(|claim| is_it(&claim.manager))
    }

    /// When the Service was last written.
    pub(crate) fn last_written(&self) -> Option<&str> {
        let times = self.0.iter().map(|claim| claim.manager.time.as_str());
        times.filter(|time| !time.is_empty()).max()
    }
}

fn dotted(set: &FieldSet) -> Vec<(String, bool)> {
    let plain = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
    set.iter()
        .map(|path| {
            let mut text = String::new();
            for element in path {
                match element {
                    Element::Field(name) if !plain(name) => text.push_str(&format!("[{name:?}]")),
                    Element::Field(name) if text.is_empty() => text.push_str(name),
                    Element::Field(name) => text.push_str(&format!(".{name}")),
                    Element::Key(_) | Element::Value(_) => return (text, true),
                }
            }
            (text, !set.has_below(path))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn live() -> Value {
        let entry = |manager: &str, time: &str, fields: Value| {
            json!({"manager": manager, "operation": "Update", "apiVersion": "v1", "time": time,
                   "fieldsType": "FieldsV1", "fieldsV1": fields})
        };
        json!({"metadata": {"managedFields": [
            entry("privlink", "2026-01-01T00:00:00Z", json!({
                "f:metadata": {"f:annotations": {".": {}, "f:a.b/c": {}}},
                "f:spec": {"f:type": {}, "f:selector": {}},
            })),
            entry("kubectl-edit", "2026-01-02T00:00:00Z", json!({
                "f:metadata": {"f:annotations": {"f:a.b/d": {}}},
                "f:spec": {"f:ports": {"k:{\"port\":80,\"protocol\":\"TCP\"}": {"f:port": {}}}},
            })),
            entry("cloud-controller-manager", "2026-01-03T00:00:00Z", json!({
                "f:metadata": {"f:finalizers": {}},
            })),
        ]}})
    }

    #[test]
    fn a_field_has_its_owners_and_no_others() {
        let live = live();
        let writers = Writers::of(&live);
        let names = |path: &str| -> Vec<String> {
            writers.owners(path).iter().map(|it| it.name.clone()).collect()
        };
        assert_eq!(names("metadata.annotations[\"a.b/c\"]"), ["privlink"]);
        assert_eq!(names("metadata.annotations[\"a.b/d\"]"), ["kubectl-edit"]);
        assert_eq!(names("metadata.annotations[\"a.b/e\"]"), [""; 0]);
        assert_eq!(names("spec.ports"), ["kubectl-edit"]);
        assert_eq!(names("spec.ports[http].targetPort"), ["kubectl-edit"]);
        assert_eq!(names("spec.selector.app"), ["privlink"]);
        assert_eq!(names("metadata.finalizers"), [""; 0]);
    }

    #[test]
    fn the_clusters_own_controllers_are_nobody_else() {
        let mut live = live();
        assert!(Writers::has_others(&live), "kubectl edited it");
        let entries = live["metadata"]["managedFields"].as_array_mut().unwrap();
        entries.retain(|entry| entry["manager"] != "kubectl-edit");
        let status =
            json!({"manager": "kubectl-edit", "operation": "Update", "subresource": "status"});
        entries.push(status);
        assert!(!Writers::has_others(&live), "{live}");
    }

    #[test]
    fn the_newest_writer_is_known() {
        let live = live();
        let writers = Writers::of(&live);
        assert_eq!(writers.last_written(), Some("2026-01-02T00:00:00Z"));
        assert_eq!(writers.later_than_own().map(|it| it.name.as_str()), Some("kubectl-edit"));
    }
}
