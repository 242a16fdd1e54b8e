//! What tmpfiles rules do, for people.

use crate::model::node::{Kind, Object};
use crate::model::style::{Color, Style, heading, line};
use crate::tmpfiles::decide::{TmpfilesChange, TmpfilesPlan};

/// Renders what rules do, as a section of the plan. Pure.
pub(crate) fn render_tmpfiles(out: &mut String, plan: &TmpfilesPlan, style: Style) {
    let quiet = plan.changes.is_empty() && plan.stays.is_empty() && plan.remarks.is_empty();
    if quiet && plan.again.is_empty() {
        return;
    }
    heading(out, "tmpfiles rules", style);
    for change in &plan.changes {
        let (sign, color, text) = describe_change(change);
        let reason = change
            .rule
            .as_ref()
            .map_or_else(|| "its rule is gone".to_owned(), ToString::to_string);
        line(
            out,
            &format!(
                "{}  {}",
                style.paint(color, &format!("  {sign} {}{text}", change.path)),
                style.paint(Color::Dim, &format!("({reason})"))
            ),
        );
    }
    for problem in &plan.again {
        let text = format!("    tried again, since it failed before: {problem}");
        line(out, &style.paint(Color::Yellow, &text));
    }
    for path in &plan.stays {
        let text = format!("    {path} is kept: its rule is gone, but it is not empty");
        line(out, &style.paint(Color::Dim, &text));
    }
    for remark in &plan.remarks {
        let color = if remark.fails { Color::Red } else { Color::Dim };
        let about = format!("{} {}", remark.path, remark.text);
        let text = format!("    {}  ({})", about.trim(), remark.rule);
        line(out, &style.paint(color, &text));
    }
}

fn describe_change(change: &TmpfilesChange) -> (&'static str, Color, String) {
    let after = |object: &Object| match &object.kind {
        Kind::Link { to } => format!(" -> {to}"),
        kind => format!(
            " ({}, mode {:04o}, owner {}:{})",
            kind.name().split_once(' ').map_or("", |(_, name)| name),
            object.mode,
            object.user,
            object.group
        ),
    };
    match (&change.before, &change.after) {
        (None, Some(new)) => ("+", Color::Green, after(new)),
        (Some(old), Some(new)) if old.kind.is_like(&new.kind) => {
            ("~", Color::Yellow, differences(old, new))
        }
        (Some(old), Some(new)) => {
            let text = format!("{}, in place of {}", after(new), old.kind.name());
            ("~", Color::Yellow, text)
        }
        (_, None) => ("-", Color::Red, String::new()),
    }
}

fn differences(old: &Object, new: &Object) -> String {
    let mut parts = Vec::new();
    match (&old.kind, &new.kind) {
        (Kind::Link { to }, Kind::Link { to: wanted }) if to != wanted => {
            parts.push(format!("pointed to {to}, will point to {wanted}"));
        }
        (a, b) if a != b => parts.push("its content is replaced".to_owned()),
        _ => {}
    }
    if old.mode != new.mode {
        parts.push(format!("mode {:04o} becomes {:04o}", old.mode, new.mode));
    }
    if (&old.user, &old.group) != (&new.user, &new.group) {
        parts.push(format!(
            "owner {}:{} becomes {}:{}",
            old.user, old.group, new.user, new.group
        ));
    }
    format!(": {}", parts.join(", "))
}
