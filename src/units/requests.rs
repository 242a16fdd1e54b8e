//! The units that activation scripts want restarted or reloaded: how that joins what a switch does anyway.
//!
//! | a unit on the restart list | what happens |
//! | --- | --- |
//! | is stopped, started or restarted anyway | nothing more |
//! | is not active | start |
//! | is the bus | reload; all of it takes effect at the next boot |
//! | is what this process runs in, or takes that along | restart by a run of its own, when this one has ended |
//! | is a `.path`, `.slice` or `.socket` | nothing, with a note, as for a change of it |
//! | has `X-ReloadIfChanged=true` | reload |
//! | has `X-RestartIfChanged=false`, `RefuseManualStop=true` or the like | skip, and say so |
//! | anything else | restart; a stop under the old definition is too late |
//!
//! A unit on the reload list is reloaded when it is active, and nothing else is done to it.

use std::collections::BTreeSet;

use crate::model::job::Verb;
use crate::units::decide::{Ground, UnitAction, UnitNote, UnitPlan, holds_sessions, is_bus};
use crate::units::file::{SwitchMethod, UnitFile};
use crate::units::layers::{Definition, Layers};
use crate::units::set::{Live, suffix_of};

/// What scripts ask for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Requests {
    /// To be restarted.
    pub restart: BTreeSet<String>,
    /// To be reloaded.
    pub reload: BTreeSet<String>,
}

impl Requests {
    /// Says whether nothing is asked for.
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

const WHY: &str = "an activation script asks for it";

/// Adds what scripts ask for to what a switch does. Pure.
pub(crate) fn add(
    plan: &mut UnitPlan,
    requests: &Requests,
    new: Layers<'_>,
    live: &Live,
    ground: &Ground,
) {
    let stood_on = ground.stood_on(live, |_, unit| unit.stops_with.clone());
    for unit in &requests.restart {
        let sets = [&plan.stop, &plan.restart, &plan.start, &plan.after];
        if sets.into_iter().flatten().any(|a| a.unit == *unit) {
            continue;
        }
        restart(plan, unit, new, live, &stood_on);
    }
    for unit in &requests.reload {
        let sets = [&plan.stop, &plan.restart, &plan.start];
        let taken = sets.into_iter().flatten().any(|a| a.unit == *unit);
        if !taken && live.is_active(unit) {
            reload(plan, unit);
        }
    }
}

fn note(unit: &str, reason: &str) -> UnitNote {
    UnitNote {
        unit: unit.to_owned(),
        reason: format!("{WHY}; {reason}"),
    }
}

/// Adds one unit that is to be restarted and that nothing is done with yet.
fn restart(
    plan: &mut UnitPlan,
    unit: &str,
    new: Layers<'_>,
    live: &Live,
    stood_on: &BTreeSet<String>,
) {
    if is_bus(unit) && live.is_active(unit) {
        reload(plan, unit);
        let why = "the bus is reloaded, the rest takes effect at the next boot";
        return plan.notes.push(note(unit, why));
    }
    if let (Some(why), true) = (holds_sessions(unit), live.is_active(unit)) {
        return plan.skipped.push(note(unit, why));
    }
    let definition = new.definition(unit);
    let file = definition.file().cloned().unwrap_or_default();
    let found = live.find(unit);
    let known = found.is_some() || definition != Definition::Absent;
    match verb_for(unit, &file, known, live) {
        Ok(Verb::Reload) => reload(plan, unit),
        Ok(Verb::Restart) if found.is_some_and(|(name, _)| stood_on.contains(name)) => {
            plan.after.push(action(unit, Verb::Restart));
        }
        Ok(verb) => {
            plan.reload.retain(|a| a.unit != *unit);
            let set = if verb == Verb::Start {
                &mut plan.start
            } else {
                &mut plan.restart
            };
            set.push(action(unit, verb));
        }
        Err((reason, true)) => plan.skipped.push(note(unit, reason)),
        Err((reason, false)) => plan.notes.push(note(unit, reason)),
    }
}

/// Gives what is done to a unit on the restart list, or why nothing is, and whether that is because of its definition.
fn verb_for(
    unit: &str,
    file: &UnitFile,
    known: bool,
    live: &Live,
) -> Result<Verb, (&'static str, bool)> {
    let refuses_start = file.refuses_manual_start()
        || file.only_manual_start()
        || live
            .find(unit)
            .is_some_and(|(_, unit)| unit.refuses_manual_start);
    if !live.is_active(unit) {
        // systemd knows the units of the distribution that are not loaded; a name without a suffix is none, and one with
        // NUL could not even be asked for.
        let is_name = !suffix_of(unit).is_empty() && !unit.contains('\0');
        return match (refuses_start, known || is_name) {
            (true, _) => Err(("it refuses a manual start", false)),
            (_, false) => Err(("it is not the name of a unit", false)),
            (false, true) => Ok(Verb::Start),
        };
    }
    if matches!(suffix_of(unit), "path" | "slice" | "socket") {
        return Err(("a unit of its kind is not restarted", false));
    }
    let method = file.switch_method();
    let service = |key, default| file.flag("Service", key, default);
    if method.map_or(service("X-ReloadIfChanged", false), |m| {
        m == SwitchMethod::Reload
    }) {
        return Ok(Verb::Reload);
    }
    if method.map_or(!service("X-RestartIfChanged", true), |m| {
        m == SwitchMethod::KeepOld
    }) {
        return Err(("its definition keeps it as it is", true));
    }
    if file.refuses_manual_stop() || refuses_start {
        return Err(("it refuses a manual restart", true));
    }
    Ok(Verb::Restart)
}

fn reload(plan: &mut UnitPlan, unit: &str) {
    if !plan.reload.iter().any(|a| a.unit == unit) {
        plan.reload.push(action(unit, Verb::Reload));
    }
}

fn action(unit: &str, verb: Verb) -> UnitAction {
    UnitAction {
        unit: unit.to_owned(),
        verb,
        reason: WHY.to_owned(),
        visible: true,
    }
}

#[cfg(test)]
#[rustfmt::skip] // a row of a table is one line
mod tests {
    use super::*;
    use crate::units::set::{LiveUnit, UnitBody, UnitDef, UnitSet};

    fn units(table: &[(&str, &str)]) -> UnitSet {
        let one = |(name, text): &(&str, &str)| {
            let def = UnitDef { main: Some(UnitBody::Text((*text).into())), ..UnitDef::default() };
            ((*name).to_owned(), def)
        };
        UnitSet { units: table.iter().map(one).collect() }
    }

    fn live(active: &[&str]) -> Live {
        let one = |name: &&str| {
            let unit = LiveUnit { active_state: "active".to_owned(), ..LiveUnit::default() };
            ((*name).to_owned(), unit)
        };
        Live { units: active.iter().map(one).collect() }
    }

    fn shown(plan: &UnitPlan) -> String {
        let actions = plan.actions().map(|a| format!("{} {}", a.verb.word(), a.unit));
        let skipped = plan.skipped.iter().map(|n| format!("skip {}", n.unit));
        let notes = plan.notes.iter().map(|n| format!("note {}", n.unit));
        actions.chain(skipped).chain(notes).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn what_scripts_ask_for_joins_the_switch() {
        let new = units(&[
            ("plain.service", "[Service]\nExecStart=/x\n"),
            ("reloads.service", "[Service]\nX-ReloadIfChanged=true\n"),
            ("keeps.service", "[Service]\nX-RestartIfChanged=false\n"),
            ("method.service", "[Unit]\nX-SwitchMethod=keep-old\n"),
            ("clings.service", "[Unit]\nRefuseManualStop=true\n"),
            ("shy.service", "[Unit]\nRefuseManualStart=true\n"),
            ("own.socket", "[Socket]\n"),
        ]);
        let all = live(&["plain.service", "reloads.service", "keeps.service", "method.service", "clings.service",
            "shy.service", "own.socket", "distro.service", "taken.service", "both.service"]);
        let none = live(&[]);
        let table: &[(&str, &str, &Live, &str)] = &[
            ("plain.service", "", &all, "restart plain.service"),
            ("plain.service", "", &none, "start plain.service"),
            ("plain.service", "plain.service", &all, "restart plain.service"),
            ("", "plain.service", &all, "reload plain.service"),
            ("", "plain.service", &none, ""),
            ("reloads.service", "reloads.service", &all, "reload reloads.service"),
            ("keeps.service", "", &all, "skip keeps.service"),
            ("method.service", "", &all, "skip method.service"),
            ("clings.service", "", &all, "skip clings.service"),
            ("shy.service", "", &all, "skip shy.service"),
            ("shy.service", "", &none, "note shy.service"),
            ("own.socket", "", &all, "note own.socket"),
            ("distro.service", "", &all, "restart distro.service"),
            ("distro.service", "", &none, "start distro.service"),
            ("nonsense", "", &none, "note nonsense"),
            ("non\0sense.service", "", &none, "note non\0sense.service"),
        ];
        for (restart, reload, live, expected) in table {
            let set = |name: &str| (!name.is_empty()).then(|| name.to_owned()).into_iter().collect();
            let requests = Requests { restart: set(restart), reload: set(reload) };
            let mut plan = UnitPlan::default();
            add(&mut plan, &requests, Layers::alone(&new), live, &Ground::default());
            assert_eq!(shown(&plan), *expected, "restart {restart:?}, reload {reload:?}");
        }
    }

    #[test]
    fn what_the_program_stands_on_is_not_taken_away_by_a_request() {
        let mut live = live(&["dbus.service", "own.service", "holder.service", "systemd-logind.service"]);
        live.units.get_mut("own.service").unwrap().stops_with = ["holder.service".to_owned()].into();
        let ground = Ground { part_of: ["own.service".to_owned()].into() };
        for (unit, expected, after) in [
            ("dbus.service", "reload dbus.service, note dbus.service", ""),
            ("systemd-logind.service", "restart systemd-logind.service", ""),
            ("own.service", "", "own.service"),
            ("holder.service", "", "holder.service"),
        ] {
            let requests = Requests { restart: [unit.to_owned()].into(), ..Requests::default() };
            let mut plan = UnitPlan::default();
            add(&mut plan, &requests, Layers::alone(&UnitSet::default()), &live, &ground);
            assert_eq!(shown(&plan), expected, "{unit}");
            let later: Vec<_> = plan.after.iter().map(|a| a.unit.as_str()).collect();
            assert_eq!(later.join(" "), after, "{unit}");
        }
    }

    #[test]
    fn what_the_switch_does_anyway_is_done_once() {
        let requests = Requests {
            restart: ["a.service", "b.service", "c.service"].map(str::to_owned).into(),
            reload: ["a.service", "c.service"].map(str::to_owned).into(),
        };
        let mut plan = UnitPlan {
            stop: vec![action("a.service", Verb::Stop)],
            reload: vec![action("b.service", Verb::Reload)],
            restart: vec![action("c.service", Verb::Restart)],
            start: vec![action("a.service", Verb::Start)],
            ..UnitPlan::default()
        };
        let live = live(&["a.service", "b.service", "c.service"]);
        add(&mut plan, &requests, Layers::alone(&UnitSet::default()), &live, &Ground::default());
        assert_eq!(shown(&plan), "stop a.service, restart c.service, restart b.service, start a.service");
    }
}
