//! Who there is and who may do what: tenants, subscriptions, resource groups, roles.

use std::collections::BTreeMap;

use privlink_model::resource_id::ResourceId;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tenant {
    /// Its id.
    pub id: String,
    /// Its name.
    pub display_name: String,
}

/// A subscription.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Subscription {
    /// Its id.
    pub id: String,
    /// Its tenant.
    pub tenant: String,
    /// Its name.
    pub display_name: String,
}

/// What the caller may do in a scope and below, as ARM's `permissions` shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Permission {
    /// Actions allowed, with `*`.
    pub actions: Vec<String>,
    /// Actions taken from those.
    #[serde(default)]
    pub not_actions: Vec<String>,
    /// Data actions allowed.
    #[serde(default)]
    pub data_actions: Vec<String>,
    /// Data actions taken from those.
    #[serde(default)]
    pub not_data_actions: Vec<String>,
}

/// A role given to somebody.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoleAssignment {
    /// The role's name.
    pub role: String,
    /// Whom it was given to, by object id.
    pub principal: String,
    /// Where.
    pub scope: String,
}

/// Who there is and who may do what.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Directory {
    /// All tenants.
    pub tenants: Vec<Tenant>,
    /// All subscriptions.
    pub subscriptions: Vec<Subscription>,
    /// The regions there are.
    pub locations: Vec<String>,
    /// Resource groups by their id in lower case.
    pub groups: BTreeMap<String, Value>,
    /// What the caller may do, by scope in lower case. Empty: everything.
    pub permissions: BTreeMap<String, Vec<Permission>>,
    /// Roles of others than the caller.
    pub role_assignments: Vec<RoleAssignment>,
    /// Resource providers that are not registered, in lower case.
    pub unregistered: Vec<String>,
}

/// Built-in roles: name, id, actions, exceptions.
const ROLES: [(&str, &str, &[&str], &[&str]); 4] = [
    ("Owner", "8e3af657-a8ff-443c-a75c-2fe8c4bcb635", &["*"], &[]),
    (
        "Contributor",
        "b24988ac-6180-42a0-ab88-20f7382dd24c",
        &["*"],
        &["Microsoft.Authorization/*/Delete", "Microsoft.Authorization/*/Write"],
    ),
    (
        "Network Contributor",
        "4d97b98b-1d4f-4787-a291-c67834d212e7",
        &["Microsoft.Network/*", "Microsoft.Resources/subscriptions/resourceGroups/read"],
        &[],
    ),
    ("Reader", "acdd72a7-3385-48ef-bd42-f606fba81ae7", &["*/read"], &[]),
];

impl Directory {
    /// A subscription, in any case.
    pub fn subscription(&self, id: &str) -> Option<&Subscription> {
        self.subscriptions.iter().find(|subscription| subscription.id.eq_ignore_ascii_case(id))
    }

    /// A resource group.
    pub fn group(&self, subscription: &str, name: &str) -> Option<&Value> {
        self.groups.get(&group_key(subscription, name))
    }

    /// Makes a resource group without tags, or one anew. Answers whether it was not there.
    pub(crate) fn put_group(&mut self, subscription: &str, name: &str, location: &str) -> bool {
        self.put_group_with(subscription, name, location, None)
    }

    /// The same with the tags that were sent.
    pub(crate) fn put_group_with(
        &mut self,
        subscription: &str,
        name: &str,
        location: &str,
        tags: Option<&Value>,
    ) -> bool {
        let id = format!("/subscriptions/{subscription}/resourceGroups/{name}");
        let mut body = json!({
            "id": id, "name": name, "type": "Microsoft.Resources/resourceGroups",
            "location": location, "properties": {"provisioningState": "Succeeded"},
        });
        if let (Some(tags), Some(body)) = (tags, body.as_object_mut()) {
            body.insert("tags".to_owned(), tags.clone());
        }
        self.groups.insert(group_key(subscription, name), body).is_none()
    }

    /// Gives a role.
    pub fn assign(&mut self, role: &str, principal: &str, scope: &str) {
        self.role_assignments.push(RoleAssignment {
            role: role.to_owned(),
            principal: principal.to_owned(),
            scope: scope.to_owned(),
        });
    }

    /// What the caller may do at a scope, as ARM lists it.
    pub(crate) fn permissions_at(&self, scope: &str) -> Vec<Permission> {
        if self.permissions.is_empty() {
            return vec![Permission { actions: vec!["*".to_owned()], ..Permission::default() }];
        }
        let scope = scope.to_lowercase();
        let covers = |other: &str| {
            scope == other || scope.strip_prefix(other).is_some_and(|rest| rest.starts_with('/'))
        };
        self.permissions
            .iter()
            .filter(|(other, _)| covers(other.trim_end_matches('/')))
            .flat_map(|(_, permissions)| permissions.iter().cloned())
            .collect()
    }

    /// Whether the caller may do an action at a scope.
    pub fn allows(&self, action: &str, scope: &str) -> bool {
        self.permissions_at(scope).iter().any(|permission| {
            let any = |patterns: &[String]| patterns.iter().any(|one| matches(one, action));
            any(&permission.actions) && !any(&permission.not_actions)
        })
    }

    /// `roleAssignments` at a scope and above it, of one principal if asked.
    pub fn assignments(&self, scope: &str, principal: Option<&str>) -> Vec<Value> {
        let scope = scope.to_lowercase();
        let mut found = Vec::new();
        for (index, assignment) in self.role_assignments.iter().enumerate() {
            let other = assignment.scope.to_lowercase();
            let near = scope.starts_with(&other) || other.starts_with(&scope);
            let wanted =
                principal.is_none_or(|wanted| wanted.eq_ignore_ascii_case(&assignment.principal));
            if !near || !wanted {
                continue;
            }
            let name = format!("00000000-0000-4000-8000-{:012x}", index + 0xa0);
            found.push(json!({
                "id": format!(
                    "{}/providers/Microsoft.Authorization/roleAssignments/{name}", assignment.scope
                ),
                "name": name,
                "type": "Microsoft.Authorization/roleAssignments",
                "properties": {
                    "roleDefinitionId": role_id(&assignment.role),
                    "principalId": assignment.principal,
                    "principalType": "ServicePrincipal",
                    "scope": assignment.scope,
                },
            }));
        }
        found
    }
}

impl privlink_model::arm::private_endpoint::Directory for Directory {
    fn tenant_of(&self, subscription: &str) -> Option<String> {
        self.subscription(subscription).map(|subscription| subscription.tenant.clone())
    }

    fn may_read(&self, service: &ResourceId) -> bool {
        self.allows("Microsoft.Network/privateLinkServices/read", service.as_str())
    }

    fn may_approve(&self, service: &ResourceId) -> bool {
        let action =
            "Microsoft.Network/privateLinkServices/PrivateEndpointConnectionsApproval/action";
        self.allows(action, service.as_str())
    }
}

fn group_key(subscription: &str, name: &str) -> String {
    format!("/subscriptions/{subscription}/resourcegroups/{name}").to_lowercase()
}

fn role_id(role: &str) -> String {
    let guid = ROLES.iter().find(|(name, ..)| *name == role).map_or(role, |(_, guid, ..)| *guid);
    format!("/providers/Microsoft.Authorization/roleDefinitions/{guid}")
}

/// A role's definition by its guid.
pub(crate) fn role_definition(guid: &str) -> Option<Value> {
    let (name, guid, actions, not_actions) =
        ROLES.iter().find(|(_, other, ..)| other.eq_ignore_ascii_case(guid))?;
    Some(json!({
        "id": format!("/providers/Microsoft.Authorization/roleDefinitions/{guid}"),
        "name": guid,
        "type": "Microsoft.Authorization/roleDefinitions",
        "properties": {
            "roleName": name,
            "type": "BuiltInRole",
            "assignableScopes": ["/"],
            "permissions": [{
                "actions": actions, "notActions": not_actions,
                "dataActions": [], "notDataActions": [],
            }],
        },
    }))
}

/// Whether an action fits a pattern with `*`, without regard to case.
fn matches(pattern: &str, action: &str) -> bool {
    let (pattern, action) = (pattern.to_lowercase(), action.to_lowercase());
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = action.strip_prefix(first) else { return false };
    let Some((last, middle)) =
        parts.collect::<Vec<_>>().split_last().map(|(l, m)| (*l, m.to_vec()))
    else {
        return rest.is_empty();
    };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_match_anywhere_and_exceptions_win() {
        assert!(matches("*", "Microsoft.Network/loadBalancers/read"));
        assert!(matches("*/read", "microsoft.network/loadBalancers/READ"));
        assert!(!matches("*/read", "Microsoft.Network/loadBalancers/write"));
        assert!(matches("Microsoft.Authorization/*/Write", "Microsoft.Authorization/locks/write"));
        assert!(!matches(
            "Microsoft.Network/virtualNetworks",
            "Microsoft.Network/virtualNetworksX"
        ));
        let mut directory = Directory::default();
        assert!(directory.allows("Microsoft.Network/loadBalancers/write", "/subscriptions/s"));
        let permission = Permission {
            actions: vec!["*".into()],
            not_actions: vec!["*/write".into()],
            ..Permission::default()
        };
        directory.permissions.insert("/subscriptions/s".into(), vec![permission]);
        let scope = "/subscriptions/S/resourceGroups/g";
        assert!(directory.allows("Microsoft.Network/loadBalancers/read", scope));
        assert!(!directory.allows("Microsoft.Network/loadBalancers/write", scope));
        assert!(!directory.allows("Microsoft.Network/loadBalancers/read", "/subscriptions/other"));
    }
}
