//! What happens to units, for people.

use crate::model::style::{Color, Style, heading, line};
use crate::units::decide::{UnitAction, UnitNote, UnitPlan};
use crate::units::users::UserManager;

/// Renders what happens to units, as a section of the plan. Pure.
pub(crate) fn render_units(
    out: &mut String,
    units: &UnitPlan,
    managers: &[UserManager],
    style: Style,
) {
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
        && managers.is_empty()
        && !units.daemon_reload
    {
        return;
    }
    heading(out, "Units", style);
    for manager in managers {
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
            line(
                out,
                &format!(
                    "{}  {}",
                    style.paint(color, &text),
                    style.paint(Color::Dim, &format!("({})", action.reason))
                ),
            );
        }
    }
    for action in &units.after {
        let text = format!("    {} {} after this run", action.verb.word(), action.unit);
        let why = style.paint(Color::Dim, &format!("({})", action.reason));
        line(
            out,
            &format!("{}  {why}", style.paint(Color::Yellow, &text)),
        );
    }
    let remarks = units
        .skipped
        .iter()
        .map(|n| ("NOT restarting ", n))
        .chain(units.notes.iter().map(|n| ("", n)));
    for (prefix, UnitNote { unit, reason }) in remarks {
        line(
            out,
            &style.paint(Color::Dim, &format!("    {prefix}{unit}  ({reason})")),
        );
    }
}
