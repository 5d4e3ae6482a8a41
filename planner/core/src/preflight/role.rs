//! The least rights that do, as an Azure custom role and as Kubernetes roles: from the same table that
//! is checked.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use serde_json::{Value, json};

use super::Phase;
use super::right::{In, OWN, VERBS};

impl Phase {
    /// Its name in roles' names.
    const fn word(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Apply => "apply",
        }
    }
}

/// An Azure custom role, as `az role definition create --role-definition` takes it. Assigned where the
/// checks name scopes, or to the resource groups of cluster, network and endpoints.
pub fn azure(phase: Phase, assignable_scopes: &BTreeSet<String>) -> Value {
    let rights = OWN.iter().filter(|right| right.phase <= phase);
    let actions: BTreeSet<&str> = rights.map(|right| right.action).collect();
    let what = match phase {
        Phase::Plan => "Reads what privlink plans from.",
        Phase::Apply => {
            "Reads what privlink plans from, and writes private endpoints, approvals and DNS records."
        }
    };
    json!({
        "Name": format!("privlink {}", phase.word()),
        "IsCustom": true,
        "Description": what,
        "Actions": actions,
        "NotActions": [],
        "DataActions": [],
        "NotDataActions": [],
        "AssignableScopes": assignable_scopes,
    })
}

/// Kubernetes ClusterRoles as YAML: one to bind in the whole cluster, and for an apply one to bind in
/// the namespaces of Services and one in the lock's.
pub fn kubernetes(phase: Phase) -> String {
    let mut text = String::new();
    for (place, name, how) in [
        (In::Cluster, "read", "Bind it with a ClusterRoleBinding."),
        (
            In::Services,
            "services",
            "Bind it with a RoleBinding in each namespace of the stack's Services.",
        ),
        (
            In::Lock,
            "lock",
            "Bind it with a RoleBinding in the namespace default, where the locks of all stacks lie.",
        ),
    ] {
        let mut rules: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
        let rights = VERBS.iter().filter(|(its, on, ..)| *its <= phase && *on == place);
        for (_, _, group, resource, verbs, _) in rights {
            rules.entry((group, resource)).or_default().extend(verbs.iter());
        }
        if rules.is_empty() {
            continue;
        }
        if !text.is_empty() {
            text.push_str("---\n");
        }
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "# {how}\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata:\n  \
             name: privlink-{}-{name}\nrules:\n",
            phase.word()
        );
        for ((group, resource), verbs) in rules {
            let verbs: Vec<&str> = verbs.into_iter().collect();
            let _ = write!(
                text,
                "- apiGroups: [\"{group}\"]\n  resources: [{resource}]\n  verbs: [{}]\n",
                verbs.join(", ")
            );
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_only_reads() {
        let role = azure(Phase::Plan, &BTreeSet::from(["/subscriptions/s".to_owned()]));
        let actions = role["Actions"].as_array().unwrap();
        assert!(actions.len() > 5);
        assert!(actions.iter().all(|action| action.as_str().unwrap().ends_with("/read")), "{role}");
        let rules = kubernetes(Phase::Plan);
        for verb in ["create", "patch", "delete", "update", "watch", "leases"] {
            assert!(!rules.contains(verb), "{rules}");
        }
    }

    #[test]
    fn an_apply_may_what_a_plan_may_and_what_it_writes() {
        let none = BTreeSet::new();
        let (plan, apply) = (azure(Phase::Plan, &none), azure(Phase::Apply, &none));
        let actions = |role: &Value| -> BTreeSet<String> {
            role["Actions"].as_array().unwrap().iter().map(ToString::to_string).collect()
        };
        assert!(actions(&apply).is_superset(&actions(&plan)));
        let apply = apply.to_string();
        assert!(apply.contains("Microsoft.Network/virtualNetworks/subnets/join/action"));
        assert!(!apply.contains('*') && !apply.contains("loadBalancers/write"), "{apply}");
        assert_eq!(kubernetes(Phase::Apply).matches("kind: ClusterRole").count(), 3);
    }
}
