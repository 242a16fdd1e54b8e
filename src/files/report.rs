//! Changes of files as text for people.

use std::collections::BTreeMap;

use crate::files::built::Damage;
use crate::files::consumers;
use crate::files::decide::{
    Beside, FileChange, FilesPlan, FolderMend, KeepReason, Means, Mend, Verb,
};
use crate::model::names::TargetPath;
use crate::model::node::Node;
use crate::model::style::{Color, Style, heading, line, natural, render_diff};

const BACKUPS: &str = "/var/lib/system-manager/backups";

/// Renders the changes of files.
pub(crate) fn render_files(
    out: &mut String,
    plan: &FilesPlan,
    diffs: &BTreeMap<TargetPath, String>,
    style: Style,
) {
    let mut changes: Vec<&FileChange> = plan
        .changes()
        .filter(|c| !matches!(c.verb, Verb::Adopt | Verb::Forget))
        .collect();
    changes.sort_by(|a, b| natural(a.target.as_str(), b.target.as_str()));
    let forgotten: Vec<&FileChange> = plan.changes().filter(|c| c.verb == Verb::Forget).collect();
    let folders = &plan.folder_mends;
    if changes.is_empty() && forgotten.is_empty() && plan.mends.is_empty() && folders.is_empty() {
        return;
    }
    heading(out, "Files", style);
    for mend in &plan.mends {
        render_mend(out, mend, style);
    }
    for FolderMend {
        target,
        before,
        after,
    } in folders
    {
        let text = format!("  ~ /etc/{target}/ ({})", after.text());
        line(out, &style.paint(Color::Yellow, &text));
        let note = format!("      it was given {} by hand", before.text());
        line(out, &style.paint(Color::Dim, &note));
    }
    let mut alike: BTreeMap<String, usize> = BTreeMap::new();
    let mut folded = 0;
    for change in changes {
        let shown = render_change(change, diffs.get(&change.target), style);
        let seen = alike.entry(likeness(change, &shown)).or_default();
        *seen += 1;
        if *seen > ALIKE && !style.full {
            folded += 1;
        } else {
            out.push_str(&shown);
        }
    }
    if folded > 0 {
        let text = format!("    and {folded} more like those above (-v shows them)");
        line(out, &style.paint(Color::Dim, &text));
    }
    for change in forgotten {
        line(
            out,
            &style.paint(
                Color::Dim,
                &format!("    /etc/{} has already been removed", change.target),
            ),
        );
        for note in notes(change)
            .into_iter()
            .filter(|_| change.withheld.is_some())
        {
            line(out, &style.paint(Color::Dim, &format!("      {note}")));
        }
    }
}

/// How many changes that are alike are shown unless all are asked for.
const ALIKE: usize = 10;

fn render_change(change: &FileChange, diff: Option<&String>, style: Style) -> String {
    let mut out = String::new();
    let (sign, color) = match change.verb {
        Verb::Add => ("+", Color::Green),
        Verb::Remove => ("-", Color::Red),
        Verb::Restore => ("<", Color::Yellow),
        Verb::Change | Verb::Adopt | Verb::Forget => ("~", Color::Yellow),
    };
    let text = format!("  {sign} /etc/{}{}", change.target, describe(change));
    line(&mut out, &style.paint(color, &style.shorten(&text)));
    for note in notes(change) {
        line(&mut out, &style.paint(Color::Dim, &format!("      {note}")));
    }
    let before = out.len();
    render_diff(&mut out, diff, style);
    if change.verb == Verb::Add && !style.full {
        fold_new(&mut out, before, style);
    }
    out
}

/// A new file is shown by its beginning.
fn fold_new(out: &mut String, from: usize, style: Style) {
    const SHOWN: usize = 12;
    let rows = out[from..].lines().count();
    if rows > SHOWN + 1 {
        let end: usize = out[from..]
            .split_inclusive('\n')
            .take(SHOWN)
            .map(str::len)
            .sum();
        out.truncate(from + end);
        let text = format!("      and {} more lines (-v shows them)", rows - SHOWN);
        line(out, &style.paint(Color::Dim, &text));
    }
}

/// What is the same for changes that are alike: all but their names and those of their backups.
fn likeness(change: &FileChange, shown: &str) -> String {
    let folder = change
        .target
        .as_str()
        .rsplit_once('/')
        .map_or("", |(f, _)| f);
    let mut rest = shown
        .split_once('\n')
        .map_or("", |(_, rest)| rest)
        .to_owned();
    let kept = change.keep.iter().map(|keep| &keep.backup);
    for backup in kept.chain(&change.backup) {
        rest = rest.replace(&format!("{BACKUPS}/{backup}"), BACKUPS);
    }
    let head = shown.get(..5).unwrap_or_default();
    format!("{folder}\n{head}\n{rest}")
}

fn render_mend(out: &mut String, mend: &Mend, style: Style) {
    let names: Vec<String> = mend.targets.iter().map(|t| format!("/etc/{t}")).collect();
    let text = format!("  ~ {} (where {} leads)", mend.path, names.join(", "));
    line(out, &style.paint(Color::Yellow, &text));
    let mut notes = vec![match mend.damage {
        Damage::Missing => "it was deleted from the store".to_owned(),
        Damage::Changed { .. } => "it was changed by hand, in the store".to_owned(),
    }];
    if let Some(keep) = &mend.keep {
        notes.push(format!(
            "that version is backed up as {BACKUPS}/{}",
            keep.backup
        ));
    }
    notes.push(match &mend.means {
        Some(Means::Original { .. }) => "it is repaired from the toplevel".to_owned(),
        Some(Means::Nix) => "it is repaired with `nix-store --repair-path`".to_owned(),
        None => "it is no longer needed here, and stays as it is".to_owned(),
    });
    for note in notes {
        line(out, &style.paint(Color::Dim, &format!("      {note}")));
    }
}

fn describe(change: &FileChange) -> String {
    match &change.after {
        Node::Link { to } => format!(" -> {to}"),
        Node::File { mode, uid, gid, .. } => format!(" (mode {mode:04o}, owner {uid}:{gid})"),
        _ => String::new(),
    }
}

fn notes(change: &FileChange) -> Vec<String> {
    let mut notes = Vec::new();
    if change.drifted {
        notes.push(if change.before == Node::Absent {
            "it was removed by hand".to_owned()
        } else {
            "it was changed by hand".to_owned()
        });
    }
    match &change.keep {
        Some(keep) if keep.reason == KeepReason::Drift => {
            notes.push(format!(
                "that version is backed up as {}/{}",
                BACKUPS, keep.backup
            ));
        }
        Some(_) => {
            let what = change.package.as_ref().map_or_else(
                || "the existing file".to_owned(),
                |package| format!("the existing file of the package `{package}`"),
            );
            notes.push(format!(
                "{what} is backed up, and restored when the entry is removed"
            ));
        }
        None => {}
    }
    let comes = matches!(change.verb, Verb::Add | Verb::Change);
    if let (true, Some(who)) = (comes, consumers::find_blind(&change.target)) {
        notes.push(format!("{who} ignores this name because of its dot"));
    }
    if let Some(why) = &change.why_copy {
        notes.push(format!("a copy, since {why}"));
    }
    if let (Some(why), Some(backup)) = (&change.withheld, &change.backup) {
        notes.push(format!(
            "what was there before is not restored, since {why}; it stays in the backups as {BACKUPS}/{backup}"
        ));
    }
    if change.verb == Verb::Restore {
        notes.push("what was there before is restored".to_owned());
    }
    if let (
        Verb::Change,
        Node::File { mode, uid, gid, .. },
        Node::File {
            mode: m,
            uid: u,
            gid: g,
            ..
        },
    ) = (change.verb, &change.before, &change.after)
        && (mode, uid, gid) != (m, u, g)
    {
        notes.push(format!(
            "mode {mode:04o} becomes {m:04o}, owner {uid}:{gid} becomes {u}:{g}"
        ));
    }
    notes
}

/// Renders what package managers have left beside managed files.
pub(crate) fn render_beside(out: &mut String, beside: &[Beside], style: Style) {
    if !beside.is_empty() {
        heading(out, "Left by package managers", style);
        for found in beside {
            line(out, &format!("    {}", found.text()));
        }
    }
}
