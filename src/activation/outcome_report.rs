//! Outcomes as text for people, in the words that NixOS's users know.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::activation::outcome::Outcome;
use crate::activation::plan::Goal;
use crate::activation::report::{no_changes, render_warnings};
use crate::model::style::{Color, Style, count, line};

/// Renders what an activation came to. Pure.
#[must_use]
pub(crate) fn render_outcome(outcome: &Outcome, style: Style) -> String {
    let mut out = String::new();
    let units = &outcome.units;
    let skipped = outcome.not_restarted.iter().map(|n| &n.unit);
    let label = "NOT restarting the following changed units";
    list(&mut out, label, skipped);
    for (label, units) in [
        ("the following new units were started", &units.newly_active),
        (
            "already failing before, and not touched",
            &units.failing_before,
        ),
        ("failing now, but not touched", &units.failing_elsewhere),
    ] {
        list(&mut out, label, units);
    }
    render_failed_scripts(&mut out, outcome, style);
    let label = "the following units failed";
    render_failures(&mut out, label, &units.failed, &outcome.logs, style);
    for (user, result) in &outcome.users {
        let label = format!("the following units of {user} failed");
        render_failures(&mut out, &label, &result.units.failed, &result.logs, style);
    }
    render_failed_checks(&mut out, outcome, style);
    let tmpfiles = outcome.tmpfiles.iter();
    let tmpfiles = tmpfiles.map(|t| format!("tmpfiles rules could not be applied: {t}"));
    for problem in outcome.problems.iter().cloned().chain(tmpfiles) {
        let text = format!("warning: {problem}");
        line(&mut out, &style.paint(Color::Red, &text));
    }
    render_left(&mut out, outcome);
    if outcome.is_untouched {
        line(&mut out, no_changes(&outcome.warnings));
        render_warnings(&mut out, &outcome.warnings, style);
        return out;
    }
    render_warnings(&mut out, &outcome.warnings, style);
    line(&mut out, &style.paint(Color::Bold, &summary_line(outcome)));
    out
}

/// What comes after this run, of itself or with the next one.
fn render_left(out: &mut String, outcome: &Outcome) {
    let later: Vec<&String> = outcome.after.iter().map(|a| &a.unit).collect();
    let label = "this run is part of the following units, which are handled when it has finished";
    list(out, label, later.iter().copied());
    let left = outcome.pending.units();
    let left: BTreeSet<&String> = left.filter(|u| !later.contains(u)).collect();
    list(out, "left for the next run", left);
}

fn summary_line(outcome: &Outcome) -> String {
    let s = &outcome.summary;
    let done = match outcome.goal {
        Goal::Activate(_) => "Activated",
        Goal::Deactivate => "Deactivated",
    };
    let mut text = format!(
        "{done}: {} added, {} changed, {} removed",
        s.add, s.change, s.remove
    );
    for (what, _, done) in s.rest() {
        // Writing to a String can't fail.
        let _ = write!(text, ", {what} {done}");
    }
    text + "."
}

fn list<'a>(out: &mut String, label: &str, units: impl IntoIterator<Item = &'a String>) {
    let names: Vec<&str> = units.into_iter().map(String::as_str).collect();
    if !names.is_empty() {
        line(out, &format!("{label}: {}", names.join(", ")));
    }
}

fn render_failed_scripts(out: &mut String, outcome: &Outcome, style: Style) {
    let failed = &outcome.failed_scripts;
    if failed.is_empty() {
        return;
    }
    let names: Vec<&str> = failed.iter().map(|f| f.name.as_str()).collect();
    let text = format!(
        "warning: the following activation scripts failed, and run again next time: {}",
        names.join(", ")
    );
    line(out, &style.paint(Color::Red, &text));
    for script in failed {
        line(out, &format!("  {}: {}", script.name, script.why));
        for row in &script.log {
            line(out, &style.paint(Color::Dim, &format!("      {row}")));
        }
    }
}

fn render_failed_checks(out: &mut String, outcome: &Outcome, style: Style) {
    let failed = &outcome.failed_checks;
    if failed.is_empty() {
        return;
    }
    let names: Vec<&str> = failed.iter().map(|f| f.name.as_str()).collect();
    let text = format!(
        "warning: the following health checks failed: {}",
        names.join(", ")
    );
    line(out, &style.paint(Color::Red, &text));
    for check in failed {
        let attempts = count(
            usize::try_from(check.attempts).unwrap_or(usize::MAX),
            "attempt",
        );
        line(
            out,
            &format!("  {}: {} ({attempts})", check.name, check.why),
        );
        for row in &check.log {
            line(out, &style.paint(Color::Dim, &format!("      {row}")));
        }
    }
}

fn render_failures(
    out: &mut String,
    label: &str,
    failed: &BTreeMap<String, String>,
    logs: &BTreeMap<String, Vec<String>>,
    style: Style,
) {
    if failed.is_empty() {
        return;
    }
    let names: Vec<&str> = failed.keys().map(String::as_str).collect();
    line(
        out,
        &style.paint(
            Color::Red,
            &format!("warning: {label}: {}", names.join(", ")),
        ),
    );
    for (unit, why) in failed {
        line(out, &format!("  {unit}: {why}"));
        for row in logs.get(unit).into_iter().flatten() {
            line(out, &style.paint(Color::Dim, &format!("      {row}")));
        }
    }
}
