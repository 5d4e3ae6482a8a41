//! Consumers as a table: each once, those alike in one row, in the order in which people count.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use privlink_core::change::Action;
use privlink_core::node::consumer::Consumer;
use privlink_core::plan::Plan;
use privlink_core::resource_id::ResourceId;

/// Consumers that are alike but for their names.
pub(crate) struct Group {
    /// Their names, runs folded: `tf-pe-1 .. tf-pe-12`.
    pub(crate) names: Vec<String>,
    /// The resource group they are in.
    pub(crate) resource_group: String,
    /// The subscription they are in.
    pub(crate) subscription: String,
    /// The state of their connections.
    pub(crate) status: String,
    /// Whose they are and who re-creates them.
    pub(crate) whose: String,
}

/// Consumers by resource group, state and owner.
pub(crate) fn groups(plan: &Plan, consumers: &[&Consumer]) -> Vec<Group> {
    type Alike = (String, String, String, Whose, Option<String>);
    let mut groups: BTreeMap<Alike, Vec<String>> = BTreeMap::new();
    for consumer in consumers {
        let id = ResourceId::new(&consumer.endpoint);
        let group = id.resource_group().unwrap_or_default().to_owned();
        let alike = (
            group,
            consumer.subscription.clone(),
            consumer.status.clone(),
            Whose::of(plan, consumer),
            consumer.owner.clone(),
        );
        groups.entry(alike).or_default().push(id.name().to_owned());
    }
    let group = |(alike, names): (Alike, Vec<String>)| {
        let (resource_group, subscription, status, whose, owner) = alike;
        let number = names.len();
        let owner = owner.map(|it| format!(" ({it})")).unwrap_or_default();
        let whose = format!("{}{owner}", whose.words(number));
        Group { names: folded(names), resource_group, subscription, status, whose }
    };
    groups.into_iter().map(group).collect()
}

/// Whose a consumer is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Whose {
    Recreated,
    Left,
    Waiting,
    Foreign,
}

impl Whose {
    fn of(plan: &Plan, consumer: &Consumer) -> Self {
        if !consumer.own {
            return Self::Foreign;
        }
        if consumer.status == "Pending" {
            return Self::Waiting;
        }
        let is_it = |object: &str| object.eq_ignore_ascii_case(&consumer.endpoint);
        let recreates = plan
            .changes
            .iter()
            .any(|it| it.action == Action::Replace && it.object.as_deref().is_some_and(is_it));
        if recreates { Self::Recreated } else { Self::Left }
    }

    const fn words(self, number: usize) -> &'static str {
        match (self, number) {
            (Self::Recreated, 1) => "in this stack: privlink re-creates it",
            (Self::Recreated, _) => "in this stack: privlink re-creates them",
            (Self::Left, _) => "in this stack, and not re-created by this plan",
            (Self::Waiting, _) => "in this stack",
            (Self::Foreign, 1) => "not of this stack: its owner must re-create it",
            (Self::Foreign, _) => "not of this stack: their owners must re-create them",
        }
    }
}

/// Names in natural order, three and more that count up as one.
pub(crate) fn folded(mut names: Vec<String>) -> Vec<String> {
    names.sort_by(|one, other| natural(one, other));
    let mut folded = Vec::new();
    let mut rest = names.as_slice();
    while let Some(first) = rest.first() {
        let run =
            rest.windows(2).take_while(|pair| matches!(pair, [one, other] if follows(one, other)));
        let length = run.count() + 1;
        match rest.get(length - 1).filter(|_| length > 2) {
            Some(last) => {
                folded.push(format!("{first} .. {last}"));
                rest = rest.get(length..).unwrap_or_default();
            }
            None => {
                folded.push(first.clone());
                rest = rest.get(1..).unwrap_or_default();
            }
        }
    }
    folded
}

/// A name and the number at its end.
fn numbered(name: &str) -> Option<(&str, u64)> {
    let stem = name.trim_end_matches(|it: char| it.is_ascii_digit());
    let number = name.get(stem.len()..)?.parse().ok()?;
    (!stem.is_empty()).then_some((stem, number))
}

fn follows(one: &str, other: &str) -> bool {
    match (numbered(one), numbered(other)) {
        (Some((stem, number)), Some((other, next))) => {
            stem == other && number.checked_add(1) == Some(next)
        }
        _ => false,
    }
}

/// As people sort: numbers within names by value.
pub(crate) fn natural(one: &str, other: &str) -> Ordering {
    let (mut left, mut right) = (one, other);
    loop {
        let (Some(a), Some(b)) = (left.chars().next(), right.chars().next()) else {
            return left.len().cmp(&right.len()).then_with(|| one.cmp(other));
        };
        if a.is_ascii_digit() && b.is_ascii_digit() {
            let (digits, after) = digits(left);
            let (others, behind) = self::digits(right);
            let order = (digits.len(), digits).cmp(&(others.len(), others));
            if order != Ordering::Equal {
                return order;
            }
            (left, right) = (after, behind);
        } else {
            if a != b {
                return a.cmp(&b);
            }
            left = left.get(a.len_utf8()..).unwrap_or_default();
            right = right.get(b.len_utf8()..).unwrap_or_default();
        }
    }
}

/// The digits that a text begins with, without leading zeros, and the rest.
fn digits(text: &str) -> (&str, &str) {
    let end = text.find(|it: char| !it.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at_checked(end).unwrap_or((text, ""));
    (digits.trim_start_matches('0'), rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_count_up_are_one() {
        let names: Vec<String> = (1..=12).map(|at| format!("tf-pe-{at}")).collect();
        assert_eq!(folded(names), ["tf-pe-1 .. tf-pe-12"]);
        let names = ["b", "a10", "a2", "a3"].map(str::to_owned).to_vec();
        assert_eq!(folded(names), ["a2", "a3", "a10", "b"]);
    }

    #[test]
    fn numbers_are_sorted_by_value() {
        assert_eq!(natural("pe2", "pe10"), Ordering::Less);
        assert_eq!(natural("pe02", "pe2"), Ordering::Less);
        assert_eq!(natural("a", "a"), Ordering::Equal);
        assert_eq!(natural("é1", "é1b"), Ordering::Less);
    }
}
