//! Plans and outcomes as text for people.

use crate::model::conflict::Conflict;
use crate::model::style::{Color, Style, count, heading, line};
use std::fmt::Write as _;

use crate::activation::ephemeral::Ephemeral;
use crate::activation::kinds;
use crate::activation::packages_report::render_packages;
use crate::activation::plan::{Goal, Plan};
use crate::{accounts, files, scripts, tmpfiles, units};

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
        render_warnings(&mut out, &plan.warnings, style);
        files::report::render_beside(&mut out, &plan.beside, style);
        render_no_effect(&mut out, plan, style);
        return out;
    }
    if plan.changes_nothing() {
        return render_recorded(plan, style);
    }
    match &plan.goal {
        Goal::Activate(toplevel) => line(&mut out, &format!("To activate {toplevel}:")),
        Goal::Deactivate => line(&mut out, "To remove everything:"),
    }
    render_reach(&mut out, plan);
    render_takeover(&mut out, plan, style);
    render_checks(&mut out, plan, style);
    files::report::render_files(&mut out, &plan.files, &plan.diffs, style);
    for kind in kinds::planned(plan) {
        kind.render(&mut out, style);
    }
    files::report::render_beside(&mut out, &plan.beside, style);
    accounts::report::render_accounts(&mut out, &plan.accounts, style);
    scripts::report::render_scripts(&mut out, &plan.scripts, style);
    tmpfiles::report::render_tmpfiles(&mut out, &plan.tmpfiles, style);
    units::report::render_units(&mut out, &plan.units, &plan.user_managers, style);
    render_packages(&mut out, &plan.packages, style);
    render_health_checks(&mut out, plan, style);
    if !plan.warnings.is_empty() {
        out.push('\n');
        render_warnings(&mut out, &plan.warnings, style);
    }
    render_no_effect(&mut out, plan, style);
    render_conflicts(&mut out, &plan.conflicts, style);
    out.push('\n');
    line(&mut out, &style.paint(Color::Bold, &summary_line(plan)));
    render_install(&mut out, plan);
    out
}

/// The command that installs what is missing, the last thing of a plan.
fn render_install(out: &mut String, plan: &Plan) {
    if let Some(install) = &plan.install {
        line(
            out,
            "Packages of the distribution are missing; `switch --install-missing` installs them first, or:",
        );
        line(out, &format!("  {}", install.command()));
    }
}

/// How long what is done lasts, and from when.
fn render_reach(out: &mut String, plan: &Plan) {
    match plan.ephemeral {
        Some(Ephemeral::Begins) => line(
            out,
            "    until the next reboot only: anything that is written to /etc from now on, by any program, goes to /run and is lost at the next boot",
        ),
        Some(Ephemeral::Stays) => line(
            out,
            "    until the next reboot only, like what is active now",
        ),
        Some(Ephemeral::Ends) => line(
            out,
            "    the temporary configuration ends, and /etc is what it was before",
        ),
        None => {}
    }
    if plan.pre_populates {
        line(
            out,
            "    for the next boot: files and accounts are created now; units stay as they are, and scripts do not run",
        );
    }
}

/// What is described is there already, and nothing of it is touched.
fn render_recorded(plan: &Plan, style: Style) -> String {
    let mut out = String::new();
    match &plan.goal {
        Goal::Activate(toplevel) => {
            line(&mut out, &format!("To activate {toplevel}:"));
            render_checks(&mut out, plan, style);
            render_health_checks(&mut out, plan, style);
            out.push('\n');
            line(&mut out, no_changes(&plan.accounts.warnings));
            render_warnings(&mut out, &plan.accounts.warnings, style);
            render_warnings(&mut out, &plan.warnings, style);
            line(
                &mut out,
                "A switch records this configuration as the active one, and changes nothing else.",
            );
        }
        Goal::Deactivate => line(
            &mut out,
            "No changes: nothing on this host comes from the configuration.",
        ),
    }
    files::report::render_beside(&mut out, &plan.beside, style);
    render_no_effect(&mut out, plan, style);
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
            "    {files} file{plural} that it has installed: managed from now on, and removed or restored like all others"
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
    if plan.is_empty() || plan.changes_nothing() {
        return render_plan(plan, style).trim_start().to_owned();
    }
    let mut out = String::new();
    render_conflicts(&mut out, &plan.conflicts, style);
    line(&mut out, &style.paint(Color::Bold, &summary_line(plan)));
    render_install(&mut out, plan);
    out.trim_start().to_owned()
}

/// Says that nothing is done; what is not as the configuration says all the same is told after it.
pub(crate) fn no_changes(warnings: &[String]) -> &'static str {
    if warnings.is_empty() {
        "No changes: the host is as the configuration says."
    } else {
        "No changes, but not everything is as the configuration says:"
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
    for (what, verb, _) in s.rest() {
        // Writing to a String can't fail, here and below.
        let _ = write!(text, ", {what} to {verb}");
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

fn render_health_checks(out: &mut String, plan: &Plan, style: Style) {
    if !plan.health_checks.is_empty() {
        heading(out, "Health checks that run afterwards", style);
        for check in &plan.health_checks {
            line(out, &format!("    {}", check.name));
        }
    }
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
