//! How two configurations differ, as text for people.

use std::collections::BTreeMap;

use super::{AccountChange, Change, Difference, TextChange};
use crate::activation::packages_report::render_packages;
use crate::model::names::{AbsolutePath, TargetPath};
use crate::model::style::{Color, Style, heading, line, render_diff};

/// Renders a difference; `names` are what the two sides are called. Pure.
#[must_use]
pub(crate) fn render(difference: &Difference, names: [&str; 2], style: Style) -> String {
    let mut out = String::new();
    let path = |of: &Option<AbsolutePath>| {
        let path = of.as_ref().filter(|_| style.full);
        path.map_or_else(String::new, |p| format!(" ({p})"))
    };
    let (from, to) = (path(&difference.from), path(&difference.to));
    line(
        &mut out,
        &format!("From {}{from} to {}{to}:", names[0], names[1]),
    );
    let counts = difference.counts();
    let total = counts.files + counts.units + counts.accounts + counts.settings + counts.packages;
    if total == 0 {
        line(&mut out, "No difference.");
        return out;
    }
    texts(&mut out, "Files", &difference.files, style);
    texts(
        &mut out,
        "Lines in files of others",
        &difference.lines,
        style,
    );
    accounts(&mut out, &difference.accounts, style);
    if !difference.settings.is_empty() {
        heading(&mut out, "Host settings", style);
    }
    for (name, (old, new)) in &difference.settings {
        let text = format!("  ~ {name}: {old} -> {new}");
        line(&mut out, &style.paint(Color::Yellow, &text));
    }
    scripts(&mut out, &difference.scripts, style);
    texts(&mut out, "Units", &difference.units, style);
    render_packages(&mut out, &difference.packages, style);
    out.push('\n');
    let verb = if total == 1 { "differs" } else { "differ" };
    let text = format!("{} {verb}.", counts.text());
    line(&mut out, &style.paint(Color::Bold, &text));
    out
}

fn sign(change: Change) -> (&'static str, Color) {
    match change {
        Change::Added => ("+", Color::Green),
        Change::Removed => ("-", Color::Red),
        Change::Changed => ("~", Color::Yellow),
    }
}

fn texts(out: &mut String, title: &str, all: &BTreeMap<TargetPath, TextChange>, style: Style) {
    if !all.is_empty() {
        heading(out, title, style);
    }
    for (target, change) in all {
        text(out, &format!("/etc/{target}"), change, style);
    }
}

fn text(out: &mut String, name: &str, change: &TextChange, style: Style) {
    let (sign, color) = sign(change.change);
    let placed = change.placed.as_ref();
    let placed = placed.map_or_else(String::new, |p| format!(" ({p})"));
    line(
        out,
        &style.paint(color, &format!("  {sign} {name}{placed}")),
    );
    // What has gone is not shown line by line.
    if change.change != Change::Removed || style.full {
        render_diff(out, Some(&change.diff), style);
    }
}

fn scripts(out: &mut String, all: &BTreeMap<String, TextChange>, style: Style) {
    if !all.is_empty() {
        heading(out, "Activation scripts", style);
    }
    for (name, change) in all {
        text(out, name, change, style);
    }
}

fn accounts(out: &mut String, all: &BTreeMap<String, AccountChange>, style: Style) {
    if !all.is_empty() {
        heading(out, "Users and groups", style);
    }
    for (name, account) in all {
        let (sign, color) = sign(account.change);
        line(out, &style.paint(color, &format!("  {sign} {name}")));
        for (field, (old, new)) in &account.fields {
            let text = format!("      {field}: {old} -> {new}");
            line(out, &style.paint(Color::Dim, &text));
        }
    }
}
