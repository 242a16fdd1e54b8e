//! The rules for units that the host has beneath ours.

use std::collections::{BTreeMap, BTreeSet};

use crate::units::decide::Decision;
use crate::units::decide::active::IMMOVABLE_MOUNTS;
use crate::units::file::UnitFile;
use crate::units::layers::{Definition, Layers};
use crate::units::set::{Origin, UnitBody, UnitDef, suffix_of, template_of};

/// Units that systemd itself makes and never stops, whatever their files say.
const PERPETUAL: [&str; 5] = [
    "-.slice",
    "system.slice",
    "user.slice",
    "init.scope",
    "-.mount",
];

/// Units of the host in which sessions of people live: a restart would end these.
const SESSIONS: [&str; 8] = [
    "user@.service",
    "user-runtime-dir@.service",
    "getty@.service",
    "serial-getty@.service",
    "container-getty@.service",
    "console-getty.service",
    "autovt@.service",
    "display-manager.service",
];

/// Why a unit of the host must not be restarted for its sessions' sake, if so.
pub(crate) fn holds_sessions(name: &str) -> Option<&'static str> {
    let template = template_of(name);
    let holds = |unit: &str| SESSIONS.contains(&unit);
    (holds(name) || template.is_some_and(|t| holds(&t)))
        .then_some("it holds login sessions; the change takes effect with the next one")
}

impl Decision<'_> {
    /// Whether a unit's file is the host's, before and after.
    pub(crate) fn is_theirs(&self, name: &str) -> bool {
        self.old.definition(name).is_others() && self.new.definition(name).is_others()
    }

    /// Whether a unit does its work just now and ends of itself: an upgrade of packages must not be cut short.
    pub(crate) fn is_at_work(&self, name: &str, file: &UnitFile) -> bool {
        let live = self.live.find(name);
        let is_running = live.is_some_and(|(_, unit)| unit.active_state == "activating");
        is_running && file.is_passing_oneshot()
    }

    /// Why a unit is never stopped, if so: what systemd or the distribution made to hold others does not go because
    /// something of ours does.
    pub(crate) fn never_stops(&self, name: &str) -> Option<&'static str> {
        if IMMOVABLE_MOUNTS.contains(&name) {
            return Some("it stays mounted");
        }
        let live = self.live.find(name).map(|(_, unit)| unit);
        if PERPETUAL.contains(&name) || live.is_some_and(|unit| unit.perpetual) {
            return Some("systemd never stops it");
        }
        let holds_others = matches!(suffix_of(name), "slice" | "target" | "scope");
        let beneath = self.new.beneath.units.get(name);
        let is_hosts = beneath.is_some_and(|def| def.main.is_some())
            || live.is_some_and(|unit| unit.origin == Origin::Below);
        (holds_others && is_hosts).then_some("it belongs to the host, and contains other units")
    }

    /// Takes back the stop of each slice in which something goes on: a slice needs no definition.
    pub(crate) fn keep_slices(&mut self) {
        let slices = self.stop.keys().filter(|name| suffix_of(name) == "slice");
        let full: Vec<String> = slices.filter(|s| self.is_in_use(s)).cloned().collect();
        for slice in full {
            if let Some((why, _)) = self.stop.remove(&slice) {
                let why = format!("{why}; it is removed when nothing runs in it any more");
                self.notes.insert(slice, why);
            }
        }
    }

    /// Whether a unit that goes on is in a slice, directly or not.
    fn is_in_use(&self, slice: &str) -> bool {
        self.live.units.iter().any(|(name, unit)| {
            let goes = self.stop.contains_key(name) && !self.start.contains_key(name);
            // a unit requires the slice that it is in
            let is_inside = unit.stops_with.iter().any(|other| is_within(other, slice));
            unit.is_active() && suffix_of(name) != "slice" && is_inside && !goes
        })
    }

    /// Starts again what ran when ours took its place, and which is enabled.
    pub(crate) fn start_returning(&mut self) {
        let returning: Vec<String> = self
            .new
            .beneath
            .units
            .keys()
            .filter(|name| self.old.replaces(name) && !self.new.replaces(name))
            .cloned()
            .collect();
        for unit in returning {
            if self.live.is_active(&unit) {
                continue;
            }
            let why = "the host's own unit is used again";
            if !self.ran.contains(&unit) {
                let why = format!("{why}; it was not running when it was replaced");
                self.notes.insert(unit, why);
            } else if let Some(target) = self.enabled_by(&unit) {
                let why = format!("{why}, wanted by {target}");
                self.start.entry(unit).or_insert((why, true));
            } else {
                let why = format!("{why}, and nothing wants it");
                self.notes.insert(unit, why);
            }
        }
    }

    /// Returns an active unit which pulls in what the host has.
    fn enabled_by(&self, unit: &str) -> Option<String> {
        let beneath = self.new.beneath.units.get(unit);
        let links = beneath.into_iter().flat_map(UnitDef::pullers);
        let live = self.live.find(unit).map(|(_, live)| &live.pulled_in_by);
        links
            .chain(live.into_iter().flatten())
            .find(|puller| self.live.is_active(puller))
            .cloned()
    }

    /// Returns the units of the host in whose place ours stand then, of those that ran when ours came.
    pub(crate) fn ran_beneath(&self) -> BTreeSet<String> {
        let replaced = self.new.ours.units.keys();
        let replaced = replaced.filter(|name| self.new.replaces(name));
        replaced
            .filter(|name| {
                let comes = !self.old.replaces(name) && self.live.is_active(name);
                self.ran.contains(*name) || comes
            })
            .cloned()
            .collect()
    }

    /// Returns the failed units that go with their definition.
    pub(crate) fn forgotten(&self) -> BTreeSet<String> {
        let failed = self.live.units.iter();
        let failed = failed.filter(|(_, unit)| unit.active_state == "failed");
        failed
            .map(|(name, _)| name)
            .filter(|name| {
                let was_ours = matches!(self.old.definition(name), Definition::File(_));
                let is_ours = matches!(self.new.definition(name), Definition::File(_));
                let goes = was_ours || self.stop.contains_key(*name);
                goes && !is_ours && !self.start.contains_key(*name)
            })
            .cloned()
            .collect()
    }

    /// Returns what changes in how ours and the host's definitions lie upon each other.
    pub(crate) fn layers(&self) -> BTreeMap<String, String> {
        let ours = self.old.ours.units.keys();
        let names: BTreeSet<&String> = ours.chain(self.new.ours.units.keys()).collect();
        let mut notes = BTreeMap::new();
        for name in names {
            let before = lies(self.old, name);
            let now = lies(self.new, name);
            if before == now {
                continue;
            }
            let text = match (before, now) {
                (_, Lies::Masks) => "the host's unit is masked",
                (_, Lies::Replaces) => "the host's unit is replaced",
                (_, Lies::Extends) => "the host's unit is extended by a drop-in",
                (Lies::Extends, Lies::Apart) => "the host's unit is no longer extended",
                (Lies::Masks | Lies::Replaces | Lies::Apart, Lies::Apart) => {
                    "the host's own unit is used again"
                }
            };
            notes.insert(name.clone(), text.to_owned());
        }
        notes
    }
}

fn lies(layers: Layers<'_>, name: &str) -> Lies {
    let def = layers.ours.units.get(name);
    let has_dropins = def.is_some_and(|def| !def.dropins.is_empty());
    if layers.replaces(name) {
        let main = def.and_then(|def| def.main.as_ref());
        let masks = main.is_some_and(|main| *main == UnitBody::Masked);
        if masks { Lies::Masks } else { Lies::Replaces }
    } else if has_dropins && matches!(layers.definition(name), Definition::Theirs(_)) {
        Lies::Extends
    } else {
        Lies::Apart
    }
}

/// How a definition of ours lies upon the host's.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lies {
    Apart,
    Extends,
    Replaces,
    Masks,
}

/// Whether a slice is another one, or below it: `a-b.slice` is below `a.slice`.
fn is_within(slice: &str, outer: &str) -> bool {
    let stem = |name: &str| name.strip_suffix(".slice").map(str::to_owned);
    match (stem(slice), stem(outer)) {
        (Some(inner), Some(outer)) => inner == outer || inner.starts_with(&format!("{outer}-")),
        _ => false,
    }
}
