//! A drift report as metrics for node_exporter's textfile collector.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use privlink_core::drift::{Class, Report, StackReport};
use privlink_core::escape::terminal;

const SUCCESS: &str = "privlink_last_success_timestamp_seconds";

/// Writes metrics. `now` is the time in seconds of Unix; `before` the text of the file that is replaced,
/// from which the last success of a stack is kept when this look at it failed. A stack that could not be
/// looked at has no counts: what is not known is not zero.
///
/// # Errors
///
/// Fails when the writer does.
pub fn report(report: &Report, now: i64, before: &str, out: &mut dyn Write) -> fmt::Result {
    let stacks: Vec<(String, &StackReport)> =
        report.stacks.iter().map(|stack| (escape(&name(report, stack)), stack)).collect();
    found(&stacks, out)?;
    let kept = successes(before);
    let success = |(name, stack): &(String, &StackReport)| {
        let at = if stack.is_complete() { Some(now) } else { kept.get(name.as_str()).copied() };
        at.map(|at| (name.clone(), at))
    };
    let successes: Vec<(String, i64)> = stacks.iter().filter_map(success).collect();
    succeeded(&successes, out)
}

/// Metrics of one group of a Pushgateway, each of which is replaced as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The job.
    pub job: &'static str,
    /// The stack.
    pub stack: String,
    /// The metrics.
    pub text: String,
}

/// The metrics by group. The last success of a stack has a group of its own, which is only there when all was read: so the
/// Pushgateway keeps the one before when a look fails.
pub fn groups(report: &Report, now: i64) -> Vec<Group> {
    let mut groups = Vec::new();
    for stack in &report.stacks {
        let name = name(report, stack);
        let label = escape(&name);
        let (mut text, mut success) = (String::new(), String::new());
        // Writing to a String cannot fail.
        let _ = found(&[(label.clone(), stack)], &mut text);
        groups.push(Group { job: "privlink_drift", stack: name.clone(), text });
        if stack.is_complete() {
            let _ = succeeded(&[(label, now)], &mut success);
            groups.push(Group { job: "privlink_drift_success", stack: name, text: success });
        }
    }
    groups
}

/// What was found now.
fn found(stacks: &[(String, &StackReport)], out: &mut dyn Write) -> fmt::Result {
    head(
        "privlink_drift_objects",
        "Objects of the stack with a difference of the class. Classes foreign, awaiting-approval and unverified are no drift.",
        out,
    )?;
    for (name, stack) in stacks.iter().filter(|(_, stack)| stack.error.is_none()) {
        for class in Class::ALL {
            let nodes: std::collections::BTreeSet<_> = stack
                .differences
                .iter()
                .filter(|it| it.class == class && it.ignored.is_none())
                .map(|it| &it.address)
                .collect();
            let (class, nodes) = (class.as_str(), nodes.len());
            writeln!(out, "privlink_drift_objects{{stack=\"{name}\",class=\"{class}\"}} {nodes}")?;
        }
    }
    head(
        "privlink_ignored_objects",
        "Objects of the stack with a difference that it ignores.",
        out,
    )?;
    for (name, stack) in stacks.iter().filter(|(_, stack)| stack.error.is_none()) {
        let ignored = stack.differences.iter().filter(|it| it.ignored.is_some());
        let nodes = ignored.map(|it| &it.address).collect::<std::collections::BTreeSet<_>>().len();
        writeln!(out, "privlink_ignored_objects{{stack=\"{name}\"}} {nodes}")?;
    }
    head(
        "privlink_unreadable_objects",
        "Lists and objects of the stack that could not be read.",
        out,
    )?;
    for (name, stack) in stacks {
        let unreadable = stack.unreadable.len() + usize::from(stack.error.is_some());
        writeln!(out, "privlink_unreadable_objects{{stack=\"{name}\"}} {unreadable}")?;
    }
    head(
        "privlink_observe_duration_seconds",
        "How long it took to look at the cluster and Azure.",
        out,
    )?;
    for (name, stack) in stacks {
        if let Some(seconds) = stack.observe_seconds {
            writeln!(out, "privlink_observe_duration_seconds{{stack=\"{name}\"}} {seconds:.3}")?;
        }
    }
    Ok(())
}

/// When stacks were last looked at with everything read, by their labels.
fn succeeded(successes: &[(String, i64)], out: &mut dyn Write) -> fmt::Result {
    head(SUCCESS, "When the stack was last looked at with everything read.", out)?;
    successes.iter().try_for_each(|(name, at)| writeln!(out, "{SUCCESS}{{stack=\"{name}\"}} {at}"))
}

fn head(name: &str, help: &str, out: &mut dyn Write) -> fmt::Result {
    writeln!(out, "# HELP {name} {help}\n# TYPE {name} gauge")
}

/// What a stack is called: its name, with its source if another stack of the run has the name too. The same
/// series twice would make the whole file be refused.
fn name(report: &Report, stack: &StackReport) -> String {
    let is_shared = report.stacks.iter().filter(|it| it.stack == stack.stack).count() > 1;
    if is_shared { super::title(stack) } else { stack.stack.clone() }
}

/// A label's value: backslash, quote and line feed are escaped (Prometheus' exposition format).
fn escape(text: &str) -> String {
    terminal(text).replace('\\', "\\\\").replace('"', "\\\"")
}

/// The last successes in a file, by the stack's escaped label.
fn successes(text: &str) -> BTreeMap<&str, i64> {
    let prefix = format!("{SUCCESS}{{stack=\"");
    text.lines()
        .filter_map(|line| {
            let (label, value) = line.strip_prefix(prefix.as_str())?.rsplit_once("\"} ")?;
            Some((label, value.trim().parse().ok()?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use privlink_core::drift::StackReport;

    fn metrics(stack: StackReport, before: &str) -> String {
        let mut text = String::new();
        report(&Report::new("0", vec![stack]), 100, before, &mut text).unwrap();
        text
    }

    fn stack(name: &str) -> StackReport {
        StackReport { stack: name.to_owned(), ..StackReport::default() }
    }

    #[test]
    fn a_success_is_now_and_a_failure_keeps_the_one_before() {
        let good = metrics(stack("shop"), "");
        assert!(good.contains("privlink_last_success_timestamp_seconds{stack=\"shop\"} 100\n"));
        assert!(good.contains("privlink_drift_objects{stack=\"shop\",class=\"orphan\"} 0\n"));
        let before = good.replace(" 100\n", " 42\n");
        let bad = metrics(StackReport::failed("shop", "", "no cluster"), &before);
        assert!(bad.contains("privlink_last_success_timestamp_seconds{stack=\"shop\"} 42\n"));
        assert!(bad.contains("privlink_unreadable_objects{stack=\"shop\"} 1\n"));
        assert!(!bad.contains("privlink_drift_objects{"), "{bad}");
        let never = metrics(StackReport::failed("other", "", "no cluster"), &before);
        assert!(!never.contains("privlink_last_success_timestamp_seconds{"), "{never}");
    }

    #[test]
    fn a_group_of_its_own_keeps_the_last_success_when_a_look_fails() {
        let jobs = |stack: StackReport| -> Vec<(&str, bool)> {
            let groups = groups(&Report::new("0", vec![stack]), 100);
            groups.iter().map(|it| (it.job, it.text.contains(SUCCESS))).collect()
        };
        let good = [("privlink_drift", false), ("privlink_drift_success", true)];
        assert_eq!(jobs(stack("shop")), good);
        assert_eq!(jobs(StackReport::failed("shop", "", "no cluster")), good[..1]);
    }

    #[test]
    fn a_hostile_name_stays_a_label_and_is_found_again() {
        let name = "a\"} 1\nb\\c{d=\"";
        let good = metrics(stack(name), "");
        assert!(good.lines().all(|line| line.starts_with('#') || line.starts_with("privlink_")));
        let before = good.replace(" 100\n", " 42\n");
        let bad = metrics(StackReport::failed(name, "", "x"), &before);
        assert!(bad.contains("\"} 42\n"), "{bad}");
    }

    #[test]
    fn stacks_of_one_name_are_told_apart() {
        let mut text = String::new();
        let mut stacks = vec![stack("shop"), stack("shop")];
        for (stack, source) in stacks.iter_mut().zip(["eu", "us"]) {
            source.clone_into(&mut stack.source);
        }
        report(&Report::new("0", stacks), 1, "", &mut text).unwrap();
        let mut series: Vec<&str> =
            text.lines().filter_map(|line| line.rsplit_once(' ')).map(|(name, _)| name).collect();
        series.retain(|line| !line.starts_with('#'));
        let all = series.len();
        series.sort_unstable();
        series.dedup();
        assert_eq!(series.len(), all);
    }
}
