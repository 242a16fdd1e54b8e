//! The rules for units that are inactive when a switch begins, or become so because of it.

use std::collections::{BTreeMap, BTreeSet};

use crate::units::decide::Decision;
use crate::units::decide::active::Fate;
use crate::units::file::{Comparison, SwitchMethod, UnitFile};
use crate::units::layers::Definition;
use crate::units::set::{LiveUnit, suffix_of};

impl Decision<'_> {
    /// Gives the active targets that pull a unit in and will still be there.
    pub(crate) fn active_pullers<'s>(&'s self, unit: &str) -> impl Iterator<Item = &'s String> {
        self.new_edges
            .get(unit)
            .into_iter()
            .flatten()
            .filter(|target| suffix_of(target) == "target" && self.stays_active(target))
    }

    fn stays_active(&self, target: &str) -> bool {
        self.live.find(target).is_some_and(|(name, unit)| {
            unit.is_active() && !matches!(self.fate(name, unit), Fate::Gone { stops: true, .. })
        })
    }

    fn goes(&self, unit: &str) -> bool {
        self.live
            .find(unit)
            .is_some_and(|(name, live)| matches!(self.fate(name, live), Fate::Gone { .. }))
    }

    /// Chooses the inactive units that are started because an active target wants them.
    pub(crate) fn start_wanted(&mut self) {
        let candidates: Vec<String> = self.new_edges.keys().cloned().collect();
        for unit in candidates {
            let Some(file) = self.new.definition(&unit).file().cloned() else {
                continue;
            };
            if self.live.is_active(&unit) {
                continue;
            }
            let Some(why) = self.reason_to_start(&unit, &file) else {
                continue;
            };
            if self.refuses_start(&unit) && !self.comes_with_its_target(&unit) {
                let why = format!("{why}, but it refuses a manual start; the next boot starts it");
                self.notes.insert(unit, why);
            } else {
                self.start.entry(unit).or_insert((why, true));
            }
        }
    }

    fn reason_to_start(&self, unit: &str, file: &UnitFile) -> Option<String> {
        let none = BTreeSet::new();
        let before = self.old_edges.get(unit).unwrap_or(&none);
        let first = self.active_pullers(unit).next()?;
        let old = match self.old.definition(unit) {
            Definition::Absent | Definition::Masked => {
                return Some(format!("new, wanted by {first}"));
            }
            Definition::File(old) | Definition::Theirs(old) | Definition::Foreign(old) => old,
        };
        if let Some(target) = self
            .active_pullers(unit)
            .find(|target| !before.contains(*target))
        {
            return Some(format!("now wanted by {target}"));
        }
        let why = match old.compare(file) {
            Comparison::Equal => return None,
            Comparison::Reload { why } | Comparison::Restart { why } => why,
        };
        let failed = self
            .live
            .find(unit)
            .is_some_and(|(_, live)| live.active_state == "failed");
        (failed || runs_after_a_change(file)).then(|| format!("{why}, wanted by {first}"))
    }

    /// Brings back what stops only because a unit that it requires is stopped.
    pub(crate) fn bring_back(&mut self) {
        for (unit, cause) in self.closure(&self.stop.keys().cloned().collect()) {
            self.dragged.insert(unit.clone());
            if self.restart.contains_key(&unit) {
                continue;
            }
            let reload = self.reload.remove(&unit);
            let why = format!("stopped along with {cause}");
            if self.goes(&unit) {
                self.notes
                    .insert(unit, format!("{why}, and it no longer has a definition"));
            } else if self.refuses_start(&unit) {
                self.notes
                    .insert(unit, format!("{why}, and it refuses a manual start"));
            } else {
                let visible = reload.is_none_or(|(_, visible)| visible);
                self.start.insert(unit, (why, visible));
            }
        }
    }

    /// Gives what systemd restarts of itself because a unit that it requires is restarted.
    pub(crate) fn restarted_along(&self) -> BTreeMap<String, (String, bool)> {
        self.closure(&self.restart.keys().cloned().collect())
            .into_iter()
            .filter(|(unit, _)| !self.stop.contains_key(unit) && !self.dragged.contains(unit))
            .map(|(unit, cause)| (unit, (format!("restarted along with {cause}"), true)))
            .collect()
    }

    /// Gives the active units that stop with those of `stopped`, directly or not, each with the unit that drags it.
    fn closure(&self, stopped: &BTreeSet<String>) -> BTreeMap<String, String> {
        let mut dragged = BTreeMap::new();
        if stopped.is_empty() {
            return dragged;
        }
        let bonds: Vec<(&String, BTreeSet<String>)> = self
            .live
            .units
            .iter()
            .filter(|(name, unit)| {
                unit.is_active() && unit.following.is_empty() && !stopped.contains(*name)
            })
            .map(|(name, unit)| (name, self.stops_with(name, unit)))
            .collect();
        loop {
            let next = bonds.iter().find_map(|(name, with)| {
                if dragged.contains_key(*name) {
                    return None;
                }
                let cause = with
                    .iter()
                    .find(|u| stopped.contains(*u) || dragged.contains_key(*u))?;
                Some(((*name).clone(), cause.clone()))
            });
            let Some((name, cause)) = next else {
                return dragged;
            };
            dragged.insert(name, cause);
        }
    }

    /// Gives the units whose stop stops this one, as systemd has it loaded or the old generation says.
    pub(crate) fn stops_with(&self, name: &str, unit: &LiveUnit) -> BTreeSet<String> {
        let mut with = unit.stops_with.clone();
        if let Some(file) = self.old.definition(name).file() {
            with.extend(
                file.stops_with()
                    .iter()
                    .map(|u| self.old.canonical(u).to_owned()),
            );
        }
        for (required, def) in &self.old.ours.units {
            if def.required_by.contains(name) {
                with.insert(required.clone());
            }
        }
        with
    }

    /// Adds what systemd pulls in along with the units that start.
    pub(crate) fn follow_starts(&mut self) {
        let edges: Vec<(String, BTreeSet<String>)> = self
            .new_edges
            .iter()
            .filter(|(unit, _)| {
                !self.live.is_active(unit)
                    && self.new.definition(unit).file().is_some()
                    && !self.refuses_start(unit)
            })
            .map(|(unit, pullers)| (unit.clone(), pullers.clone()))
            .collect();
        loop {
            let comes = |puller: &&String| {
                self.restart.contains_key(*puller)
                    || self.start.get(*puller).is_some_and(|(_, visible)| *visible)
            };
            let next = edges.iter().find_map(|(unit, pullers)| {
                if self.start.contains_key(unit) || self.restart.contains_key(unit) {
                    return None;
                }
                let puller = pullers.iter().find(comes)?;
                Some((unit.clone(), format!("wanted by {puller}, which starts")))
            });
            let Some((unit, why)) = next else {
                return;
            };
            self.start.insert(unit, (why, true));
        }
    }
}

/// Whether a unit of this definition, inactive, is started because its definition changed and an active target wants it.
/// One that has done its work and is no longer active is among them, as on NixOS: home-manager's are.
fn runs_after_a_change(file: &UnitFile) -> bool {
    match file.switch_method() {
        Some(method) => method != SwitchMethod::KeepOld,
        None => file.flag("Service", "X-RestartIfChanged", true),
    }
}
