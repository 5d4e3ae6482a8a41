//! The kinds the sandbox serves.

use privlink_model::kubernetes::server_side_apply::{SERVICE, Schema};
use serde_json::{Value, json};

/// One kind.
#[derive(Debug)]
pub struct Resource {
    /// Its group, empty for core.
    pub group: &'static str,
    /// Its name in paths: `services`.
    pub plural: &'static str,
    /// Its name for people: `service`.
    pub singular: &'static str,
    /// Its kind.
    pub kind: &'static str,
    /// Short names for kubectl.
    pub short: &'static [&'static str],
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
    /// Whether it has a status of its own.
    pub has_status: bool,
    /// How its fields merge.
    pub schema: &'static Schema,
}

/// All kinds that are stored. The version of all groups is `v1`.
pub(crate) static RESOURCES: [Resource; 5] = [
    Resource {
        group: "",
        plural: "namespaces",
        singular: "namespace",
        kind: "Namespace",
        short: &["ns"],
        namespaced: false,
        has_status: true,
        schema: &Schema::Deduced,
    },
    Resource {
        group: "",
        plural: "services",
        singular: "service",
        kind: "Service",
        short: &["svc"],
        namespaced: true,
        has_status: true,
        schema: &SERVICE,
    },
    Resource {
        group: "",
        plural: "nodes",
        singular: "node",
        kind: "Node",
        short: &["no"],
        namespaced: false,
        has_status: true,
        schema: &Schema::Deduced,
    },
    Resource {
        group: "",
        plural: "events",
        singular: "event",
        kind: "Event",
        short: &["ev"],
        namespaced: true,
        has_status: false,
        schema: &Schema::Deduced,
    },
    Resource {
        group: "coordination.k8s.io",
        plural: "leases",
        singular: "lease",
        kind: "Lease",
        short: &[],
        namespaced: true,
        has_status: false,
        schema: &Schema::Deduced,
    },
];

/// The kinds that are asked and not stored.
const REVIEWS: [(&str, &str, &str); 4] = [
    ("authorization.k8s.io", "selfsubjectaccessreviews", "SelfSubjectAccessReview"),
    ("authorization.k8s.io", "selfsubjectrulesreviews", "SelfSubjectRulesReview"),
    ("authorization.k8s.io", "subjectaccessreviews", "SubjectAccessReview"),
    ("authentication.k8s.io", "selfsubjectreviews", "SelfSubjectReview"),
];

const VERBS: [&str; 7] = ["create", "delete", "get", "list", "patch", "update", "watch"];

impl Resource {
    /// The kind served under a group and a plural. Events are served under two groups.
    pub fn find(group: &str, plural: &str) -> Option<&'static Self> {
        let group = if group == "events.k8s.io" && plural == "events" { "" } else { group };
        RESOURCES.iter().find(|resource| resource.group == group && resource.plural == plural)
    }

    /// `v1` or `group/v1`.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { "v1".to_owned() } else { format!("{}/v1", self.group) }
    }

    /// The name of errors: `services`, `leases.coordination.k8s.io`.
    pub(crate) fn qualified(&self) -> String {
        if self.group.is_empty() {
            self.plural.to_owned()
        } else {
            format!("{}.{}", self.plural, self.group)
        }
    }
}

/// The groups besides core.
pub(crate) const GROUPS: [&str; 4] =
    ["authentication.k8s.io", "authorization.k8s.io", "coordination.k8s.io", "events.k8s.io"];

/// `APIGroupList`.
pub(crate) fn group_list() -> Value {
    let groups: Vec<Value> = GROUPS.iter().map(|group| group_entry(group)).collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

/// One group.
pub(crate) fn group_entry(group: &str) -> Value {
    let version = json!({"groupVersion": format!("{group}/v1"), "version": "v1"});
    json!({
        "kind": "APIGroup", "apiVersion": "v1", "name": group,
        "versions": [version], "preferredVersion": version,
    })
}

/// `APIResourceList` of a group.
pub(crate) fn resource_list(group: &str) -> Value {
    let mut resources = Vec::new();
    let served = |resource: &&Resource| {
        resource.group == group || (group == "events.k8s.io" && resource.plural == "events")
    };
    for resource in RESOURCES.iter().filter(served) {
        resources.push(json!({
            "name": resource.plural,
            "singularName": resource.singular,
            "namespaced": resource.namespaced,
            "kind": resource.kind,
            "shortNames": resource.short,
            "verbs": VERBS,
        }));
        if resource.has_status {
            resources.push(json!({
                "name": format!("{}/status", resource.plural),
                "singularName": "",
                "namespaced": resource.namespaced,
                "kind": resource.kind,
                "verbs": ["get", "patch", "update"],
            }));
        }
    }
    for (_, plural, kind) in REVIEWS.iter().filter(|(other, _, _)| *other == group) {
        resources.push(json!({
            "name": plural, "singularName": "", "namespaced": false, "kind": kind,
            "verbs": ["create"],
        }));
    }
    let version = if group.is_empty() { "v1".to_owned() } else { format!("{group}/v1") };
    json!({
        "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version,
        "resources": resources,
    })
}
