//! Which actions a set of permissions allows.
//!
//! `GET {scope}/providers/Microsoft.Authorization/permissions` gives the caller's effective permissions
//! at a scope as entries of `actions` and `notActions`, with wildcards. An entry allows what its
//! actions match and its notActions do not; entries add up (Azure RBAC, "Understand role
//! definitions").

use serde_json::Value;

/// Whether the permissions allow an action, such as
/// `Microsoft.Network/virtualNetworks/subnets/join/action`.
pub fn allows(permissions: &[Value], action: &str) -> bool {
    permissions.iter().any(|entry| {
        let any = |name: &str| {
            let patterns = entry.get(name).and_then(Value::as_array).into_iter().flatten();
            patterns.filter_map(Value::as_str).any(|pattern| matches(pattern, action))
        };
        any("actions") && !any("notActions")
    })
}

/// Whether a pattern matches, where `*` stands for any text, slashes included, and case is not
/// regarded.
fn matches(pattern: &str, action: &str) -> bool {
    let (pattern, action) = (pattern.to_lowercase(), action.to_lowercase());
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = action.strip_prefix(first) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_star_stands_for_any_text() {
        let join = "Microsoft.Network/virtualNetworks/subnets/join/action";
        for pattern in ["*", "*/action", "microsoft.network/*", join, "Microsoft.Network/*/join/*"]
        {
            assert!(matches(pattern, join), "{pattern}");
        }
        for pattern in ["", "*/read", "Microsoft.Compute/*", "Microsoft.Network", "*/join", "a*b*c"]
        {
            assert!(!matches(pattern, join), "{pattern}");
        }
    }

    #[test]
    fn an_entrys_not_actions_take_from_that_entry_only() {
        let write = "Microsoft.Network/privateEndpoints/write";
        let contributor =
            json!({"actions": ["*"], "notActions": ["Microsoft.Authorization/*/write"]});
        let reader = json!({"actions": ["*/read"], "notActions": []});
        let barred = json!({"actions": ["*"], "notActions": ["Microsoft.Network/*"]});
        assert!(allows(std::slice::from_ref(&contributor), write));
        assert!(!allows(std::slice::from_ref(&reader), write));
        assert!(!allows(&[barred.clone(), reader], write));
        assert!(allows(&[barred, contributor], write));
        assert!(!allows(&[], write));
    }
}
