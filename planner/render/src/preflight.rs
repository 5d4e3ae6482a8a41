//! A preflight's report for people.

use std::collections::BTreeSet;
use std::fmt;

use privlink_core::preflight::{Area, Report, Verdict};

use super::style::{Label, Style};
use privlink_core::escape::terminal;
use privlink_core::plural::count;

/// Writes a report: what the cluster was taken to be, then for each area how many requirements are met, and
/// each that is not.
///
/// # Errors
///
/// When the writer fails.
pub fn preflight(report: &Report, style: Style, out: &mut impl fmt::Write) -> fmt::Result {
    let phase = match report.phase {
        privlink_core::preflight::Phase::Plan => "a plan",
        privlink_core::preflight::Phase::Apply => "an apply",
    };
    let head = format!("Preflight of {} for {phase}", report.stack);
    writeln!(
        out,
        "{}, as {}",
        style.paint(Label::Heading, terminal(&head)),
        terminal(&report.identity)
    )?;
    for fact in &report.facts {
        let line = format!("  {} = {} ({})", fact.name, fact.value, fact.source.as_str());
        writeln!(out, "{}", style.paint(Label::Faint, terminal(&line)))?;
    }
    let areas: BTreeSet<Area> = report.checks.iter().map(|check| check.area).collect();
    for area in areas {
        let of_area = || report.checks.iter().filter(move |check| check.area == area);
        let met = of_area().filter(|check| check.verdict == Verdict::Met).count();
        let all = of_area().count();
        let worst = of_area().map(|check| match check.verdict {
            Verdict::Met => 0,
            Verdict::Unknown => 1,
            Verdict::Missing => 2,
        });
        let (label, word) = match worst.max() {
            Some(2) => (Label::Error, "missing"),
            Some(1) => (Label::Warning, "unknown"),
            _ => (Label::Success, "ok"),
        };
        writeln!(out, "  {:<8} {}: {met} of {all}", style.paint(label, word), area.title())?;
        for check in of_area().filter(|check| check.verdict != Verdict::Met) {
            let (label, sign) = match check.verdict {
                Verdict::Missing => (Label::Error, "x"),
                _ => (Label::Warning, "?"),
            };
            writeln!(
                out,
                "    {} {}\n        at {}\n        {}",
                style.paint(label, sign),
                terminal(&check.requirement),
                terminal(&check.subject),
                terminal(&check.reason)
            )?;
            if let Some(help) = &check.help {
                writeln!(out, "        help: {}", terminal(help))?;
            }
        }
    }
    let (missing, unknown) = (report.count(Verdict::Missing), report.count(Verdict::Unknown));
    writeln!(
        out,
        "Preflight: {} met, {missing} missing, {unknown} unknown.",
        count(report.count(Verdict::Met), "requirement")
    )
}
