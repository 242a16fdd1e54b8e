//! What the program stands on: the unit that it runs in, the bus, the logins. None of these is stopped half-way.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::model::job::Verb;
use crate::units::decide::{Decision, UnitAction};
use crate::units::file::UnitFile;
use crate::units::set::{Live, LiveUnit};

/// The units of the bus, by which systemd is asked for all that is done.
const BUS: [&str; 3] = ["dbus.service", "dbus-broker.service", "dbus.socket"];

/// The unit that knows who is logged in.
pub(crate) const LOGINS: &str = "systemd-logind.service";

/// What this process stands on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Ground {
    /// Units whose stop would end this process.
    pub part_of: BTreeSet<String>,
}

impl Decision<'_> {
    /// Takes out of the switch what would end it half-way, and says what becomes of it instead.
    pub(crate) fn spare_ground(&mut self) {
        for unit in BUS {
            self.spare_bus(unit);
        }
        self.spare_logins();
        for unit in self.stood_on() {
            self.spare_own(&unit);
        }
    }

    fn spare_bus(&mut self, unit: &str) {
        let Some(why) = self.spare(unit) else {
            return;
        };
        let able = self.new.definition(unit);
        let able = able.file().is_some_and(UnitFile::can_reload);
        let name = unit.to_owned();
        if able {
            self.reload.insert(name.clone(), (why.clone(), true));
        }
        let how = if able { "reloaded" } else { "left as it is" };
        let why = format!("{why}; the bus is {how}, and everything takes effect at the next boot");
        self.notes.insert(name, why);
    }

    /// Its restart keeps the sessions, where its stop would lose them; it comes last.
    fn spare_logins(&mut self) {
        let comes_back = self.start.contains_key(LOGINS) || self.restart.contains_key(LOGINS);
        let Some(why) = self.spare(LOGINS) else {
            return;
        };
        let name = LOGINS.to_owned();
        if comes_back {
            self.restart.insert(name, (why, true));
        } else {
            let why = format!(
                "{why}; it keeps running until the next boot, for the users who are logged in"
            );
            self.notes.insert(name, why);
        }
    }

    /// What this process is a part of ends by itself, or is dealt with once this process has ended.
    fn spare_own(&mut self, unit: &str) {
        let comes_back = self.start.contains_key(unit) || self.restart.contains_key(unit);
        let Some(why) = self.spare(unit) else {
            return;
        };
        let old = self.old.definition(unit);
        let passes = old.file().is_some_and(UnitFile::is_passing_oneshot);
        let name = unit.to_owned();
        if passes && self.ground.part_of.contains(unit) {
            let then = if comes_back {
                "it uses the new definition from its next start"
            } else {
                "it ends with this run"
            };
            self.notes
                .insert(name, format!("{why}; this runs in it, {then}"));
            return;
        }
        let action = UnitAction {
            unit: name.clone(),
            verb: if comes_back {
                Verb::Restart
            } else {
                Verb::Stop
            },
            reason: format!("{why}; this runs in it"),
            visible: true,
        };
        self.after.insert(name, action);
    }

    /// Takes a unit out of the switch where it would be stopped, with the reason for that.
    fn spare(&mut self, unit: &str) -> Option<String> {
        let stop = self.stop.remove(unit);
        let restart = self.restart.remove(unit);
        let (why, _) = stop.or(restart)?;
        self.start.remove(unit);
        Some(why)
    }

    /// Returns the units that this process is a part of, and all whose stop would stop these.
    fn stood_on(&self) -> BTreeSet<String> {
        let stops_with = |name: &str, unit: &LiveUnit| self.stops_with(name, unit);
        self.ground.stood_on(self.live, stops_with)
    }
}

impl Ground {
    /// Returns the units that this process is a part of, and all whose stop would stop these. Pure.
    pub(crate) fn stood_on(
        &self,
        live: &Live,
        stops_with: impl Fn(&str, &LiveUnit) -> BTreeSet<String>,
    ) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut next: Vec<String> = self.part_of.iter().cloned().collect();
        while let Some(unit) = next.pop() {
            if let Some((name, live)) = live.find(&unit)
                && found.insert(name.clone())
            {
                next.extend(stops_with(name, live));
            }
        }
        found
    }
}

/// Whether a unit is the bus, by which systemd is asked for all that is done.
pub(crate) fn is_bus(unit: &str) -> bool {
    BUS.contains(&unit)
}
