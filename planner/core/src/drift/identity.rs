//! What tells a difference from others, from one look to the next: the stack, the object, the class and the fields that
//! differ. Values and times are no part of it, so that a difference whose value moves stays the same one.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::report::Difference;

/// Gives every difference of a stack its id.
pub(super) fn give(stack: &str, differences: &mut [Difference]) {
    let mut count: BTreeMap<String, usize> = BTreeMap::new();
    for difference in &mut *differences {
        difference.id = id(stack, difference, false);
        *count.entry(difference.id.clone()).or_default() += 1;
    }
    // Two of one object and class are told apart by what they say.
    for difference in differences.iter_mut().filter(|it| count.get(&it.id) > Some(&1)) {
        difference.id = id(stack, difference, true);
    }
}

fn id(stack: &str, difference: &Difference, with_message: bool) -> String {
    let mut parts = vec![
        stack.to_owned(),
        difference.address.to_string(),
        difference.class.as_str().to_owned(),
        difference.object.as_deref().unwrap_or_default().to_lowercase(),
    ];
    parts.extend(difference.fields.iter().map(|it| it.path.clone()));
    if with_message {
        parts.push(difference.message.clone());
    }
    let mut hash = Sha256::new();
    for part in parts {
        // No text of a part runs into the next.
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    }
    hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drift::Class;
    use crate::drift::gathered::difference;
    use crate::drift::report::{By, Cause, Field};
    use crate::node_id::{Kind, NodeId};

    fn of(name: &str, class: Class, message: &str, found: &str) -> Difference {
        let address = NodeId::new(Kind::PrivateEndpoint, name);
        let mut difference = difference(class, &address, None, message, Cause::by(By::Unknown));
        difference.fields = vec![Field {
            path: "properties.tags".to_owned(),
            wanted: None,
            wanted_unknown: false,
            found: Some(found.into()),
        }];
        difference
    }

    fn ids(differences: Vec<Difference>) -> Vec<String> {
        let mut differences = differences;
        give("shop", &mut differences);
        differences.into_iter().map(|it| it.id).collect()
    }

    #[test]
    fn values_and_words_are_no_part_of_it() {
        let one = ids(vec![of("pe", Class::ChangedInAzure, "tags differ", "a")]);
        let other = ids(vec![of("pe", Class::ChangedInAzure, "tags are not as wanted", "b")]);
        assert_eq!(one, other);
        assert_eq!(one[0].len(), 12);
        let else_ = ids(vec![of("pe2", Class::ChangedInAzure, "tags differ", "a")]);
        assert_ne!(one, else_);
        assert_ne!(one, ids(vec![of("pe", Class::Missing, "tags differ", "a")]));
    }

    #[test]
    fn two_of_an_object_and_class_are_told_apart() {
        let two = || {
            vec![of("pe", Class::Foreign, "rule one", ""), of("pe", Class::Foreign, "rule two", "")]
        };
        let mut turned = two();
        turned.reverse();
        let (one, mut other) = (ids(two()), ids(turned));
        other.reverse();
        assert_ne!(one[0], one[1]);
        assert_eq!(one, other, "in whatever order they are found");
    }
}
