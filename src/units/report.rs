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
    render_managers(out, managers);
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

fn render_managers(out: &mut String, managers: &[UserManager]) {
    for manager in managers {
        line(
            out,
            &format!("    the user manager of {} is switched too", manager.name),
        );
        for (unit, failure) in &manager.failed {
            line(
                out,
                &format!("    start   {unit}  (the last run failed: {})", failure.why),
            );
        }
    }
}

fn render_action(out: &mut String, text: &str, action: &UnitAction, style: Style) {
    let why = style.paint(Color::Dim, &format!("({})", action.reason));
    line(out, &format!("{text}  {why}"));
}
