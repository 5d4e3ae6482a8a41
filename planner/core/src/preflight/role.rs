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

/// What fetches a kubeconfig (`az aks get-credentials`, `azure/aks-set-context`), which pipelines do before
/// privlink runs. It gives no right within the cluster where Entra and RBAC decide on those.
const KUBECONFIG: &str =
    "Microsoft.ContainerService/managedClusters/listClusterUserCredential/action";

/// An Azure custom role, as `az role definition create --role-definition` takes it. Assigned where the
/// checks name scopes, or to the resource groups of cluster, network and endpoints.
pub fn azure(phase: Phase, assignable_scopes: &BTreeSet<String>) -> Value {
    let rights = OWN.iter().filter(|right| right.phase <= phase);
    let actions: BTreeSet<&str> = rights.map(|right| right.action).chain([KUBECONFIG]).collect();
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

/// Bindings of the roles of [`kubernetes`] to a user, as YAML: for a plan in the whole cluster, for an apply
/// also in the namespace of Services that is given and in that of the locks. With Entra a user is the
/// object id of an identity.
pub fn bindings(phase: Phase, user: &str, namespace: &str) -> String {
    let word = phase.word();
    // A JSON text is one of YAML's.
    let quoted = |text: &str| Value::from(text).to_string();
    let binding = |name: &str, namespace: Option<&str>| {
        let kind = if namespace.is_some() { "RoleBinding" } else { "ClusterRoleBinding" };
        let within = namespace.map(|it| format!("  namespace: {}\n", quoted(it)));
        format!(
            "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: {kind}\nmetadata:\n  name: privlink-{word}-{name}\n{}\
             roleRef:\n  apiGroup: rbac.authorization.k8s.io\n  kind: ClusterRole\n  name: privlink-{word}-{name}\n\
             subjects:\n- apiGroup: rbac.authorization.k8s.io\n  kind: User\n  name: {}\n",
            within.unwrap_or_default(),
            quoted(user)
        )
    };
    let mut text = binding("read", None);
    if phase == Phase::Apply {
        text.push_str(&binding("services", Some(namespace)));
        text.push_str(&binding("lock", Some(LOCKS)));
    }
    text
}

/// The namespace in which the locks of all stacks lie.
const LOCKS: &str = "default";

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
        let others: Vec<&str> = actions
            .iter()
            .map(|action| action.as_str().unwrap())
            .filter(|action| !action.ends_with("/read"))
            .collect();
        assert_eq!(others, [KUBECONFIG], "{role}");
        let rules = kubernetes(Phase::Plan);
        for verb in ["create", "patch", "delete", "update", "watch", "leases"] {
            assert!(!rules.contains(verb), "{rules}");
        }
    }

    #[test]
    fn each_role_is_bound_to_a_user() {
        for phase in [Phase::Plan, Phase::Apply] {
            let (roles, bound) = (kubernetes(phase), bindings(phase, "a: \"b\"", "shop"));
            let names = |text: &str, indent: &str| -> Vec<String> {
                let of = format!("{indent}name: privlink-");
                let lines = text.lines().filter(|it| it.starts_with(&of));
                lines.map(|it| it.trim().to_owned()).collect()
            };
            let referred: Vec<String> =
                bound.split("roleRef:").skip(1).flat_map(|it| names(it, "  ")).collect();
            for name in names(&roles, "  ") {
                assert!(referred.contains(&name), "{name}: {bound}");
            }
            assert_eq!(
                bound.matches("\n  name: \"a: \\\"b\\\"\"\n").count(),
                bound.matches("subjects:").count()
            );
        }
        assert!(bindings(Phase::Apply, "u", "shop").contains("  namespace: \"shop\"\n"));
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
