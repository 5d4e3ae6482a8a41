//! The facts about the cluster that a Stack pins.

use privlink_model::facts::{Fact, Facts, Origin};

use super::Desired;

/// The facts that a Stack pins, and the subscription, wherever it was said.
pub fn pinned(desired: &Desired, subscription: Option<&str>) -> Facts {
    let mut facts = Facts::default();
    if let Some(subscription) = subscription {
        facts.take(Fact::Subscription, Origin::Pinned, &subscription.into());
    }
    let stack = desired.stack.iter();
    for (fact, pinned) in stack.flat_map(|stack| &stack.facts.0) {
        facts.take(*fact, Origin::Pinned, &pinned.value);
    }
    facts
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use privlink_model::facts::TABLE;

    use crate::document::STACK;
    use crate::schema::Shape;

    #[test]
    fn a_stack_pins_the_facts_of_the_table_and_no_others() {
        let field = |of: &crate::schema::Object, name: &str| {
            let found = of.fields.iter().find(|field| field.name == name).map(|field| &field.shape);
            let Some(Shape::Object(object)) = found else { panic!("{name}") };
            *object
        };
        let facts = field(field(&STACK, "spec"), "facts");
        let fields: BTreeSet<&str> = facts.fields.iter().map(|field| field.name).collect();
        let rows: BTreeSet<&str> = TABLE.iter().filter_map(|row| row.stack).collect();
        assert_eq!(fields, rows);
    }
}
