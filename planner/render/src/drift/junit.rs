//! A drift report as JUnit XML: each object is a testcase, and drift a failure.

use std::fmt::{self, Write};

use privlink_core::drift::{Difference, Node, Report, StackReport, State, Weight};
use privlink_core::escape::terminal;

/// Writes a report. What could not be read is an error, what is unverified is skipped.
///
/// # Errors
///
/// Fails when the writer does.
pub fn report(report: &Report, out: &mut dyn Write) -> fmt::Result {
    writeln!(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>")?;
    let total = report.stacks.iter().map(Counts::of).fold(Counts::default(), Counts::plus);
    writeln!(out, "<testsuites name=\"privlink drift\"{total}>")?;
    for stack in &report.stacks {
        suite(stack, out)?;
    }
    writeln!(out, "</testsuites>")
}

/// The counts of a suite, as its attributes.
#[derive(Clone, Copy, Default)]
struct Counts {
    tests: usize,
    failures: usize,
    errors: usize,
    skipped: usize,
}

impl Counts {
    fn of(stack: &StackReport) -> Self {
        let in_state = |state: State| stack.nodes.iter().filter(|it| it.state == state).count();
        let lists = usize::from(!stack.is_complete());
        Self {
            tests: stack.nodes.len() + lists,
            failures: in_state(State::Drifted),
            errors: in_state(State::Unreadable) + lists,
            skipped: in_state(State::Unverified),
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            tests: self.tests + other.tests,
            failures: self.failures + other.failures,
            errors: self.errors + other.errors,
            skipped: self.skipped + other.skipped,
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tests, failures, errors, skipped } = self;
        write!(
            f,
            " tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"{skipped}\""
        )
    }
}

fn suite(stack: &StackReport, out: &mut dyn Write) -> fmt::Result {
    let name = xml(&super::title(stack));
    let counts = Counts::of(stack);
    write!(out, "  <testsuite name=\"{name}\"{counts}")?;
    if !stack.observed_at.is_empty() {
        write!(out, " timestamp=\"{}\"", xml(stack.observed_at.trim_end_matches('Z')))?;
    }
    if let Some(seconds) = stack.observe_seconds {
        write!(out, " time=\"{seconds:.3}\"")?;
    }
    writeln!(out, ">")?;
    if !stack.is_complete() {
        unread(stack, &name, out)?;
    }
    for node in &stack.nodes {
        testcase(stack, node, &name, out)?;
    }
    writeln!(out, "  </testsuite>")
}

/// What could not be read of the stack as a whole.
fn unread(stack: &StackReport, suite: &str, out: &mut dyn Write) -> fmt::Result {
    writeln!(out, "    <testcase classname=\"{suite}\" name=\"everything can be read\">")?;
    let message = match &stack.error {
        Some(_) => "the stack could not be looked at",
        None => "something could not be read",
    };
    writeln!(out, "      <error type=\"unreadable\" message=\"{message}\">")?;
    for line in stack.error.iter().flat_map(|error| error.lines()) {
        writeln!(out, "{}", xml(line))?;
    }
    for unread in &stack.unreadable {
        writeln!(out, "{}: {}", xml(&unread.what), xml(&unread.why))?;
    }
    writeln!(out, "      </error>\n    </testcase>")
}

fn testcase(stack: &StackReport, node: &Node, suite: &str, out: &mut dyn Write) -> fmt::Result {
    let name = xml(&node.address.to_string());
    write!(out, "    <testcase classname=\"{suite}\" name=\"{name}\"")?;
    let differences: Vec<&Difference> = stack.of(&node.address).collect();
    if differences.is_empty() && node.state == State::InSync {
        return writeln!(out, "/>");
    }
    writeln!(out, ">")?;
    if node.state == State::Unreadable {
        writeln!(out, "      <error type=\"unreadable\" message=\"it could not be read\"/>")?;
    }
    let told = |it: &&&Difference| it.ignored.is_none();
    let of = |weight: Weight| differences.iter().filter(told).filter(move |it| it.weight == weight);
    for difference in of(Weight::Drift) {
        let (class, message) = (difference.class.as_str(), xml(&difference.message));
        writeln!(out, "      <failure type=\"{class}\" message=\"{message}\">")?;
        body(difference, out)?;
        writeln!(out, "      </failure>")?;
    }
    // A testcase that fails is not skipped as well.
    if node.state == State::Unverified {
        let first = of(Weight::Unverified).next();
        let message = first.map(|it| xml(&it.message)).unwrap_or_default();
        writeln!(out, "      <skipped message=\"unverified: {message}\"/>")?;
    }
    let notes: Vec<&&Difference> = of(Weight::Note).collect();
    let ignored: Vec<&&Difference> = differences.iter().filter(|it| it.ignored.is_some()).collect();
    if !notes.is_empty() || !ignored.is_empty() {
        writeln!(out, "      <system-out>")?;
        for note in notes {
            writeln!(out, "{}: {}", note.class.as_str(), xml(&note.message))?;
        }
        for it in ignored {
            let why = super::why_ignored(it).unwrap_or_default();
            writeln!(out, "{}: {} ({})", it.class.as_str(), xml(&it.message), xml(&why))?;
        }
        writeln!(out, "      </system-out>")?;
    }
    writeln!(out, "    </testcase>")
}

fn body(difference: &Difference, out: &mut dyn Write) -> fmt::Result {
    writeln!(out, "by {}", xml(&super::joined(&super::who(&difference.cause))))?;
    for field in &difference.fields {
        writeln!(out, "{}", xml(&super::field(field)))?;
    }
    if let Some(cut) = super::disconnected(difference) {
        writeln!(out, "{}", xml(&cut))?;
    }
    writeln!(out, "heals by itself: {}", xml(difference.heals.as_str()))?;
    let Some(repair) = &difference.repair else { return Ok(()) };
    let commands: Vec<String> = repair.commands.iter().map(ToString::to_string).collect();
    if !commands.is_empty() {
        writeln!(out, "repair: {}", xml(&commands.join(" && ")))?;
    }
    for said in repair.advice.iter().chain(&super::refused(difference)) {
        writeln!(out, "repair: {}", xml(said))?;
    }
    Ok(())
}

/// Text within an XML element or attribute. Characters that XML does not take, and those that are not
/// seen, are spelled out.
fn xml(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in terminal(text).chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            '\u{fffe}' | '\u{ffff}' => {}
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::xml;

    #[test]
    fn nothing_leaves_an_attribute_or_an_element() {
        let safe = xml("a\"b'<c>&\u{0}\u{b}\u{1b}[2J\n]]>\u{ffff}");
        assert_eq!(safe, "a&quot;b&#39;&lt;c&gt;&amp;\\u{0}\\u{b}\\u{1b}[2J\\n]]&gt;");
    }
}
