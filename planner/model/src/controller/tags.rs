//! Tags from the controller's configuration.

use std::collections::BTreeMap;

use crate::facts::Facts;

use super::value::same;

/// Tags of a resource.
pub(crate) type Tags = BTreeMap<String, String>;

/// Tags in a text, `a=b,c=d` (`parseTags`): pairs that are none are left out, both halves trimmed.
pub(crate) fn parse(text: &str) -> Tags {
    let mut tags = Tags::new();
    for pair in text.split(',').filter(|_| !text.is_empty()) {
        let halves: Vec<&str> = pair.split('=').collect();
        let [key, value] = halves.as_slice() else {
            continue;
        };
        let trimmed = value.trim();
        // ARM reserves the value `null`: blanks around it stay.
        let value = if same(trimmed, "null") { value } else { trimmed };
        if !key.trim().is_empty() {
            tags.insert(key.trim().to_owned(), value.to_owned());
        }
    }
    tags
}

/// The key of a tag, in whatever case.
pub(crate) fn find<'a>(tags: &'a Tags, key: &str) -> Option<&'a str> {
    tags.keys().find(|it| same(it, key)).map(String::as_str)
}

/// Brings tags in line with those wanted (`reconcileTags`): added or changed, others removed only where
/// system tags are configured and they are none. Whether anything changed.
pub(crate) fn reconcile(facts: &Facts, current: &mut Tags, wanted: &Tags) -> bool {
    let mut changed = false;
    for (key, value) in wanted {
        match find(current, key).map(ToOwned::to_owned) {
            None => {
                current.insert(key.clone(), value.clone());
                changed = true;
            }
            Some(found) => {
                if current.get(&found).is_none_or(|existing| !same(existing, value)) {
                    current.insert(found, value.clone());
                    changed = true;
                }
            }
        }
    }
    let system = facts.system_tags.as_deref().unwrap_or_default();
    if !system.is_empty() {
        let prefixes: Vec<String> =
            system.split(',').map(|prefix| prefix.trim().to_lowercase()).collect();
        let before = current.len();
        current.retain(|key, _| {
            let lower = key.to_lowercase();
            wanted.contains_key(key) || prefixes.iter().any(|prefix| lower.starts_with(prefix))
        });
        changed |= current.len() != before;
    }
    changed
}

/// The same for a resource that may have no tags, if tags are configured at all
/// (`ensureLoadBalancerTagged`, `ensureSecurityGroupTagged`).
pub(crate) fn ensure(facts: &Facts, tags: &mut Option<Tags>) -> bool {
    if facts.tags.is_empty() {
        return false;
    }
    reconcile(facts, tags.get_or_insert_default(), &facts.tags)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(pairs: &[(&str, &str)]) -> Tags {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn pairs_are_trimmed_and_others_left_out() {
        assert_eq!(parse(" a = b ,c=d=e,x, =y"), tags(&[("a", "b")]));
        assert_eq!(parse("a= null"), tags(&[("a", " null")]));
        assert_eq!(parse(""), Tags::new());
    }

    #[test]
    fn tags_of_others_go_only_with_system_tags() {
        let wanted = tags(&[("a", "b")]);
        let mut facts = Facts::default();
        let mut current = tags(&[("A", "B"), ("other", "1"), ("sys-x", "2")]);
        assert!(!reconcile(&facts, &mut current, &wanted));
        facts.system_tags = Some("sys, a".to_owned());
        assert!(reconcile(&facts, &mut current, &wanted));
        assert_eq!(current, tags(&[("A", "B"), ("sys-x", "2")]));
    }
}
