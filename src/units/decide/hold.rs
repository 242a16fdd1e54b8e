//! What must not start a stopped unit before systemd has read its new definition.

use std::collections::BTreeSet;

use crate::units::decide::Decision;
use crate::units::file::UnitFile;
use crate::units::set::suffix_of;

impl Decision<'_> {
    /// Stops the active timers, paths, sockets and automounts that could start a stopped unit, and starts them again with
    /// what they start.
    pub(crate) fn stop_triggers(&mut self) {
        let stopped: Vec<String> = self.stop.keys().cloned().collect();
        for unit in stopped {
            let Some((_, live)) = self.live.find(&unit) else {
                continue;
            };
            for trigger in live.triggered_by.clone() {
                self.stop_trigger(&trigger, &unit);
            }
        }
    }

    fn stop_trigger(&mut self, trigger: &str, unit: &str) {
        let is_up = self.live.is_active(trigger) && !self.stop.contains_key(trigger);
        let old = self.old.definition(trigger);
        let clings = old.file().is_some_and(UnitFile::refuses_manual_stop);
        if !is_up || clings || self.refuses_start(trigger) || self.never_stops(trigger).is_some() {
            return;
        }
        let why = format!("it must not start {unit} in the meantime");
        self.restart.remove(trigger);
        self.reload.remove(trigger);
        self.stop.insert(trigger.to_owned(), (why.clone(), true));
        self.start.insert(trigger.to_owned(), (why, true));
    }

    /// Returns the stopped services that somebody else than a trigger could start: a client of the bus, or a unit that
    /// pulls them in. Targets that are up have pulled them in already.
    pub(crate) fn held(&self) -> BTreeSet<String> {
        let stops = |unit: &String| self.stop.contains_key(unit) || self.dragged.contains(unit);
        let held = self.stop.keys().filter(|unit| {
            let Some((_, live)) = self.live.find(unit) else {
                return false;
            };
            let on_bus = |file: &UnitFile| file.last("Service", "BusName").is_some();
            let on_bus = self.old.definition(unit).file().is_some_and(on_bus);
            let upheld = live.upheld || live.bus_activated || on_bus;
            // systemd forgets who is down and not wanted itself; the generation does not.
            let pullers = self.old_edges.get(*unit).into_iter().flatten();
            let mut pullers = pullers.chain(&live.pulled_in_by);
            let pulled = pullers.any(|puller| {
                let is_up = suffix_of(puller) == "target" && self.live.is_active(puller);
                !is_up && !stops(puller)
            });
            suffix_of(unit) == "service" && (upheld || pulled)
        });
        held.cloned().collect()
    }
}
