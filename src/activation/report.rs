//! Plans and outcomes as text for people.

use crate::model::conflict::Conflict;
use crate::model::style::{Color, Style, count, heading, line};
use std::fmt::Write as _;

use crate::accounts::decide::{AccountChange, Action, Subject};
use crate::activation::packages_report::render_packages;
use crate::activation::plan::{Goal, Plan};
use crate::model::node::{Kind, Object};
use crate::tmpfiles::decide::{TmpfilesChange, TmpfilesPlan};
use crate::units::decide::{UnitAction, UnitNote};
use crate::{basics, blocks, files};

/// The heading of what forbids a plan.
pub(crate) const CONFLICTS: &str = "Conflicts";

/// Renders a plan. Pure.
#[must_use]
pub(crate) fn render_plan(plan: &Plan, style: Style) -> String {
    let mut out = String::new();
    if let Some(purpose) = &plan.resumes {
        line(
            &mut out,
            &format!("Resuming after an interruption ({purpose})."),
        );
    }
    if plan.is_empty() {
        line(
            &mut out,
            match plan.goal {
                Goal::Activate(_) => no_changes(&plan.accounts.warnings),
                Goal::Deactivate => "No changes: nothing is managed here.",
            },
        );
        render_warnings(&mut out, &plan.accounts.warnings, style);
        files::report::render_beside(&mut out, &plan.beside, style);
        render_no_effect(&mut out, plan, style);
        return out;
    }
    match &plan.goal {
        Goal::Activate(toplevel) => line(&mut out, &format!("To activate {toplevel}:")),
        Goal::Deactivate => line(&mut out, "To take everything away:"),
    }
    render_takeover(&mut out, plan, style);
    render_checks(&mut out, plan, style);
    files::report::render_files(&mut out, &plan.files, &plan.diffs, style);
    blocks::report::render_blocks(&mut out, &plan.blocks, style);
    basics::report::render_basics(&mut out, &plan.basics, style);
    files::report::render_beside(&mut out, &plan.beside, style);
    render_accounts(&mut out, plan, style);
    render_scripts(&mut out, plan, style);
    render_tmpfiles(&mut out, &plan.tmpfiles, style);
    render_units(&mut out, plan, style);
    render_packages(&mut out, &plan.packages, style);
    render_no_effect(&mut out, plan, style);
    render_conflicts(&mut out, &plan.conflicts, style);
    out.push('\n');
    line(&mut out, &style.paint(Color::Bold, &summary_line(plan)));
    out
}

fn render_takeover(out: &mut String, plan: &Plan, style: Style) {
    let Some(takeover) = &plan.takeover else {
        return;
    };
    heading(out, "Taken over from numtide/system-manager", style);
    let files = takeover.files;
    let plural = if files == 1 { "" } else { "s" };
    line(
        out,
        &format!(
            "    {files} file{plural} that it has placed: managed from now on, and given back as if placed here"
        ),
    );
    for unit in &takeover.masks {
        line(out, &format!("    the mask of {unit}"));
    }
    for aside in &takeover.backups {
        let (from, target) = (&aside.from, &aside.target);
        line(
            out,
            &format!("    /etc/{from} becomes the backup of /etc/{target}"),
        );
    }
    for note in &takeover.notes {
        line(
            out,
            &style.paint(Color::Yellow, &format!("    note: {note}")),
        );
    }
}

/// The last thing before the summary, where the eye is.
fn render_conflicts(out: &mut String, conflicts: &[Conflict], style: Style) {
    if conflicts.is_empty() {
        return;
    }
    heading(out, &format!("{CONFLICTS} ({})", conflicts.len()), style);
    for Conflict {
        subject,
        cause,
        remedy,
    } in conflicts
    {
        let text = format!("  ! {subject} {cause}");
        line(out, &style.paint(Color::Red, &text));
        line(out, &format!("      hint: {remedy}"));
    }
}

/// Renders what a plan comes to, without the list of it. Pure.
#[must_use]
pub(crate) fn render_summary(plan: &Plan, style: Style) -> String {
    if plan.is_empty() {
        return render_plan(plan, style);
    }
    let mut out = String::new();
    render_conflicts(&mut out, &plan.conflicts, style);
    line(&mut out, &style.paint(Color::Bold, &summary_line(plan)));
    out.trim_start().to_owned()
}

/// Says that nothing is done; what is not as the configuration says all the same is told after it.
pub(crate) fn no_changes(warnings: &[String]) -> &'static str {
    if warnings.is_empty() {
        "No changes: the host is as the configuration says."
    } else {
        "No changes. Not all is as the configuration says:"
    }
}

pub(crate) fn render_warnings(out: &mut String, warnings: &[String], style: Style) {
    for warning in warnings {
        line(
            out,
            &style.paint(Color::Yellow, &format!("warning: {warning}")),
        );
    }
}

/// Returns the line that sums a plan up.
#[must_use]
pub(crate) fn summary_line(plan: &Plan) -> String {
    let s = plan.summary();
    let mut text = format!(
        "Plan: {} to add, {} to change, {} to remove",
        s.add, s.change, s.remove
    );
    if s.lines > 0 {
        // Writing to a String can't fail, here and below.
        let _ = write!(text, ", lines in {} to change", count(s.lines, "file"));
    }
    let more = [
        (s.put_back, "file", "put back"),
        (s.accounts, "account", "change"),
        (s.scripts, "script", "run"),
        (s.packages, "package", "change"),
        (s.stop, "unit", "stop"),
        (s.reload, "unit", "reload"),
        (s.restart, "unit", "restart"),
        (s.start, "unit", "start"),
    ];
    for (n, what, verb) in more.into_iter().filter(|(n, ..)| *n > 0) {
        let _ = write!(text, ", {} to {verb}", count(n, what));
    }
    if s.conflicts > 0 {
        let _ = write!(text, "; {}", count(s.conflicts, "conflict"));
    }
    text + "."
}

fn render_checks(out: &mut String, plan: &Plan, style: Style) {
    if !plan.checks.is_empty() {
        heading(out, "Checks that run first", style);
        for check in &plan.checks {
            line(out, &format!("    {}", check.name));
        }
    }
}

fn render_scripts(out: &mut String, plan: &Plan, style: Style) {
    let scripts = &plan.scripts;
    if scripts.run.is_empty() && scripts.later.is_empty() {
        return;
    }
    heading(out, "Activation scripts", style);
    for action in &scripts.run {
        let text = format!("    run     {}", action.name);
        let when = if action.before_accounts {
            "; before users and groups"
        } else {
            ""
        };
        let why = format!("({}{when})", action.why.text());
        let why = style.paint(Color::Dim, &why);
        line(out, &format!("{}  {why}", style.paint(Color::Green, &text)));
    }
    for name in &scripts.later {
        let text = format!("    {name} is not in the store of this root, and runs when it boots");
        line(out, &style.paint(Color::Dim, &text));
    }
    if !scripts.run.is_empty() {
        let text = "    what a script does can't be predicted, and is not undone";
        line(out, &style.paint(Color::Dim, text));
    }
}

fn render_tmpfiles(out: &mut String, plan: &TmpfilesPlan, style: Style) {
    let quiet = plan.changes.is_empty() && plan.stays.is_empty() && plan.remarks.is_empty();
    if quiet && plan.again.is_empty() {
        return;
    }
    heading(out, "tmpfiles rules", style);
    for change in &plan.changes {
        let (sign, color, text) = describe_change(change);
        let reason = change.rule.as_ref().map_or_else(
            || "no rule asks for it any more".to_owned(),
            ToString::to_string,
        );
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
        let text = format!("    {path} stays: its rule is gone, but something is in it");
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

fn render_units(out: &mut String, plan: &Plan, style: Style) {
    let units = &plan.units;
    let visible = |actions: &[UnitAction]| {
        actions
            .iter()
            .filter(|a| a.visible)
            .cloned()
            .collect::<Vec<_>>()
    };
    let groups = [
        ("stop", Color::Red, visible(&units.stop)),
        ("reload", Color::Yellow, visible(&units.reload)),
        ("restart", Color::Yellow, visible(&units.restart)),
        ("start", Color::Green, visible(&units.start)),
    ];
    if groups.iter().all(|g| g.2.is_empty())
        && units.skipped.is_empty()
        && units.notes.is_empty()
        && units.after.is_empty()
        && units.layers.is_empty()
        && plan.user_managers.is_empty()
        && !units.daemon_reload
    {
        return;
    }
    heading(out, "Units", style);
    render_user_managers(out, plan);
    if units.daemon_reload {
        line(
            out,
            "    systemd reads the unit files again (daemon-reload)",
        );
    }
    for UnitNote { unit, reason } in &units.layers {
        line(out, &format!("    {unit}: {reason}"));
    }
    for (verb, color, actions) in groups {
        for action in actions {
            let text = format!("    {verb:<8}{}", action.unit);
            render_action(out, &style.paint(color, &text), &action, style);
        }
    }
    for action in &units.after {
        let text = format!("    {} {} after this run", action.verb.word(), action.unit);
        render_action(out, &style.paint(Color::Yellow, &text), action, style);
    }
    let skipped = units.skipped.iter().map(|n| ("NOT restarting ", n));
    let notes = units.notes.iter().map(|n| ("", n));
    for (prefix, UnitNote { unit, reason }) in skipped.chain(notes) {
        let text = format!("    {prefix}{unit}  ({reason})");
        line(out, &style.paint(Color::Dim, &text));
    }
}

fn render_user_managers(out: &mut String, plan: &Plan) {
    for manager in &plan.user_managers {
        line(
            out,
            &format!("    the user manager of {} is switched too", manager.name),
        );
        for (unit, failure) in &manager.failed {
            line(
                out,
                &format!(
                    "    start   {unit}  (as the last run could not: {})",
                    failure.why
                ),
            );
        }
    }
}

fn render_action(out: &mut String, text: &str, action: &UnitAction, style: Style) {
    let why = style.paint(Color::Dim, &format!("({})", action.reason));
    line(out, &format!("{text}  {why}"));
}

fn render_accounts(out: &mut String, plan: &Plan, style: Style) {
    let accounts = &plan.accounts;
    let quiet = accounts.changes.is_empty()
        && accounts.late_passwords.is_empty()
        && accounts.homes.is_empty()
        && accounts.linger.is_empty();
    if quiet && accounts.warnings.is_empty() {
        return;
    }
    heading(out, "Users and groups", style);
    for change in &accounts.changes {
        let color = match change.action {
            Action::Add => Color::Green,
            Action::Change => Color::Yellow,
            Action::Remove => Color::Red,
        };
        line(out, &style.paint(color, &format!("  {change}")));
        let stays = home_that_stays(change);
        if let Some(home) = stays {
            let text = format!("      {home} stays, with all that is in it");
            line(out, &style.paint(Color::Dim, &text));
        }
    }
    for home in &accounts.homes {
        let sign = if home.create { "+" } else { "~" };
        let text = format!(
            "  {sign} home {} (mode {:04o}, owner {}:{})",
            home.path, home.mode, home.uid, home.gid
        );
        line(
            out,
            &style.paint(
                if home.create {
                    Color::Green
                } else {
                    Color::Yellow
                },
                &text,
            ),
        );
    }
    for (user, on) in &accounts.linger {
        let text = if *on {
            "starts at boot"
        } else {
            "runs only while logged in"
        };
        line(out, &format!("  ~ the user manager of {user} {text}"));
    }
    for (user, path) in &accounts.late_passwords {
        let text = format!(
            "    the password of user `{user}` is read from {path} once the scripts before accounts have run"
        );
        line(out, &style.paint(Color::Dim, &text));
    }
    for warning in &accounts.warnings {
        let text = format!("    warning: {warning}");
        line(out, &style.paint(Color::Yellow, &text));
    }
}

/// The home of a user who goes; what only looks like one is no news.
fn home_that_stays(change: &AccountChange) -> Option<&str> {
    let goes = change.action == Action::Remove && change.subject == Subject::User;
    let home = change.fields.iter().find(|f| f.field == "home")?;
    let home = home.before.as_deref()?;
    (goes && !["/", "/var/empty", "/nonexistent"].contains(&home)).then_some(home)
}

fn render_no_effect(out: &mut String, plan: &Plan, style: Style) {
    if plan.no_effect.is_empty() {
        return;
    }
    heading(out, "No effect on this host", style);
    for item in &plan.no_effect {
        line(
            out,
            &format!(
                "    {}  {}",
                item.option,
                style.paint(
                    Color::Dim,
                    &format!("(set by {})", item.defined_in.join(", "))
                )
            ),
        );
    }
}
