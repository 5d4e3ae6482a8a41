//! What is new since an earlier report, what is still so, and what is gone.

use std::collections::BTreeMap;

use super::report::{Difference, Known, Report, StackReport};

/// Compares a report with an earlier one: marks what is new, says since when the rest is known, and names what is gone.
///
/// What only the earlier one has is gone if all of the stack could be read now; else nothing is known of it, and it is kept
/// for the next comparison.
pub fn compare(report: &mut Report, earlier: &Report) {
    let name = |folder: &str, stack: &StackReport| {
        let below = stack.below(folder);
        // A stack that could not be read may not have told its name.
        if below.is_empty() {
            (stack.stack.clone(), String::new())
        } else {
            (String::new(), below.to_owned())
        }
    };
    let before: BTreeMap<_, &StackReport> =
        earlier.stacks.iter().map(|it| (name(&earlier.folder, it), it)).collect();
    let folder = report.folder.clone();
    for stack in &mut report.stacks {
        stack_since(stack, before.get(&name(&folder, stack)).copied());
    }
    report.compared = true;
    report.sort_and_count();
}

fn stack_since(stack: &mut StackReport, earlier: Option<&StackReport>) {
    let mut known: BTreeMap<String, Known> = earlier.map(known).unwrap_or_default();
    for difference in &mut stack.differences {
        match known.remove(&difference.id) {
            Some(known) => difference.first_seen = known.first_seen,
            None => {
                difference.is_new = true;
                difference.first_seen.clone_from(&stack.observed_at);
            }
        }
    }
    let left = known.into_values().collect();
    if stack.is_complete() {
        stack.gone = left;
    } else {
        stack.unconfirmed = left;
        stack.still_unread = earlier.is_some_and(|it| !it.is_complete());
    }
}

/// What an earlier look knew, by id.
fn known(stack: &StackReport) -> BTreeMap<String, Known> {
    let of = |it: &Difference| Known {
        id: it.id.clone(),
        class: it.class,
        title: it.title.clone(),
        message: it.message.clone(),
        first_seen: if it.first_seen.is_empty() { &stack.observed_at } else { &it.first_seen }
            .clone(),
    };
    let differences = stack.differences.iter().map(of);
    differences.chain(stack.unconfirmed.iter().cloned()).map(|it| (it.id.clone(), it)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drift::gathered::difference;
    use crate::drift::report::{By, Cause, Ignored};
    use crate::drift::{Class, Unread};
    use crate::node_id::{Kind, NodeId};

    fn report(at: &str, names: &[&str]) -> Report {
        let of = |name: &&str| {
            let address = NodeId::new(Kind::PrivateEndpoint, *name);
            let cause = Cause::by(By::Unknown);
            let mut it = difference(Class::Disconnected, &address, None, "it is so", cause);
            it.id = (*name).to_owned();
            it
        };
        let stack = StackReport {
            stack: "shop".to_owned(),
            source: "deploy".to_owned(),
            observed_at: at.to_owned(),
            differences: names.iter().map(of).collect(),
            ..StackReport::default()
        };
        Report::new("0", vec![stack])
    }

    fn compared(at: &str, names: &[&str], earlier: &Report) -> Report {
        let mut report = report(at, names);
        compare(&mut report, earlier);
        report
    }

    fn seen(report: &Report) -> Vec<(&str, bool, &str)> {
        let all = report.stacks[0].differences.iter();
        all.map(|it| (it.id.as_str(), it.is_new, it.first_seen.as_str())).collect()
    }

    #[test]
    fn what_is_new_still_and_gone_is_told_apart_over_several_looks() {
        let first = report("1", &["a", "b"]);
        let second = compared("2", &["b", "c"], &first);
        assert_eq!(seen(&second), [("b", false, "1"), ("c", true, "2")]);
        assert_eq!(second.stacks[0].gone.iter().map(|it| &*it.id).collect::<Vec<_>>(), ["a"]);
        assert_eq!((second.summary.new, second.summary.gone), (1, 1));
        assert!(second.has_news());
        let third = compared("3", &["b", "c"], &second);
        assert_eq!(seen(&third), [("b", false, "1"), ("c", false, "2")]);
        assert!(!third.has_news(), "a second look at an unchanged world tells nothing");
        assert!(first.has_news(), "what was compared with nothing is told");
    }

    #[test]
    fn what_cannot_be_read_is_neither_gone_nor_new_again() {
        let first = report("1", &["a"]);
        let mut failed =
            Report::new("0", vec![StackReport::failed("shop", "deploy", "no cluster")]);
        compare(&mut failed, &first);
        assert!(failed.stacks[0].gone.is_empty() && failed.has_news());
        let mut again = Report::new("0", vec![StackReport::failed("shop", "deploy", "no cluster")]);
        compare(&mut again, &failed);
        assert!(!again.has_news(), "it is told once that it cannot be read");
        let back = compared("4", &["a"], &again);
        assert_eq!(seen(&back), [("a", false, "1")]);
        let mut partly = report("5", &[]);
        partly.stacks[0].unreadable =
            vec![Unread { what: "endpoints".to_owned(), why: "403".to_owned() }];
        compare(&mut partly, &back);
        assert!(partly.stacks[0].gone.is_empty() && partly.has_news());
    }

    #[test]
    fn what_is_ignored_is_no_news() {
        let mut now = report("2", &["a"]);
        let ignored = Ignored { reason: "known".to_owned(), until: None };
        now.stacks[0].differences[0].ignored = Some(ignored);
        compare(&mut now, &report("1", &[]));
        assert!(!now.has_news() && !now.has_drift());
        assert_eq!((now.summary.ignored, now.summary.new), (1, 0));
    }
}
