//! Which units a switch stops, reloads, restarts and starts, and why: a pure decision.
//!
//! The rules are those of NixOS, with the deviations that a stock distribution asks for. The old side is always the
//! previous *generation* (or, when an interrupted run is resumed, the generation whose files are in place), never a
//! live directory.
//!
//! **An active unit** (`active`, `activating`, `reloading`, `refreshing`):
//!
//! | its definition | what happens |
//! | --- | --- |
//! | in no generation; or overridden by a file that wins over ours; or following another unit | nothing |
//! | gone, or masked, or the last drop-in that made the instance is gone | stop, unless `X-StopOnRemoval=false` |
//! | the distro's own before, this generation's now (or the other way round) | a changed unit |
//! | a target | nothing; stop and start with `X-StopOnReconfiguration=true` when any unit changed |
//! | equal, or only quiet keys changed | nothing |
//! | only reload keys changed | reload |
//! | the distro's own, and our `X-Reload-Triggers` for it are gone | reload |
//! | changed: `.path`, `.slice` | nothing, the daemon-reload applies it |
//! | changed: `.mount` | restart; `-.mount` and `nix.mount` reload |
//! | changed: `.socket` | nothing, or with [`Options::restart_sockets`] restart where its service can be stopped |
//! | changed: `X-ReloadIfChanged=true` | reload |
//! | changed: `X-RestartIfChanged=false`, `RefuseManualStop=true`, `X-OnlyManualStart=true` | skip, and say so |
//! | changed: `X-StopIfChanged=false`, or not a service | restart |
//! | changed: any other service | stop, then start it, or the sockets that start it |
//!
//! `[Unit] X-SwitchMethod=` (`reload`, `restart`, `stop-start`, `keep-old`) takes the place of the three `X-…IfChanged` keys.
//! A unit that stops because one that it requires is stopped comes back when that one has been dealt with.
//!
//! **An inactive unit** is started only when an active target wants, requires or upholds it, and
//!
//! | it is | what happens |
//! | --- | --- |
//! | new, or unmasked, or newly wanted by that target | start |
//! | unchanged (an administrator stopped it, or it has failed, or it has done its work) | nothing |
//! | changed, and in the failed state | start |
//! | changed, a oneshot that does not remain after its exit | nothing: it has run, its timer or the next boot runs it |
//! | changed, with `X-RestartIfChanged=false` or `X-SwitchMethod=keep-old` | nothing |
//! | changed, anything else | start |
//! | pulled in by a unit that is started here | start, as systemd does |
//! | refusing manual start (`RefuseManualStart`, and `X-OnlyManualStart` where it is not new) | nothing, with a note |
//!
//! A unit that only a timer, socket or path triggers is wanted by no target: a change of it waits for its trigger.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::job::Verb;
use crate::units::failures::Failures;
use crate::units::layers::{Definition, Layers};
use crate::units::set::{Live, Origin, UnitSet, suffix_of};

mod active;
mod ground;
mod hold;
mod inactive;
mod sight;
mod theirs;

pub use ground::Ground;
pub(crate) use ground::{LOGINS, is_bus};
pub use sight::{Sight, complete};
pub(crate) use theirs::holds_sessions;

#[cfg(test)]
#[rustfmt::skip] // a row of a table is one line
mod tests;
#[cfg(test)]
#[rustfmt::skip]
mod host_tests;

/// One step on one unit, with its reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UnitAction {
    /// The unit.
    pub unit: String,
    /// What is done.
    pub verb: Verb,
    /// Why: `[Service] ExecStart changed`.
    pub reason: String,
    /// Whether reports show it.
    pub visible: bool,
}

/// A unit to which nothing is done, with the reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UnitNote {
    /// The unit.
    pub unit: String,
    /// Why nothing is done.
    pub reason: String,
}

/// What a switch does to the units, in the order of its fields.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UnitPlan {
    /// Stopped under their old definitions, before files change.
    pub stop: Vec<UnitAction>,
    /// Whether systemd has to read the unit files again.
    pub daemon_reload: bool,
    /// Reloaded; see [`settle_reloads`].
    pub reload: Vec<UnitAction>,
    /// Restarted.
    pub restart: Vec<UnitAction>,
    /// Started.
    pub start: Vec<UnitAction>,
    /// What systemd restarts of itself along with `restart`; nothing to do, for the prediction.
    pub along: Vec<UnitAction>,
    /// Changed units that their definition keeps as they are ("NOT restarting").
    pub skipped: Vec<UnitNote>,
    /// Other remarks: what takes effect only later.
    pub notes: Vec<UnitNote>,
    /// What comes of units that the host has, too: replaced, extended, given back.
    #[serde(default)]
    pub layers: Vec<UnitNote>,
    /// Stopped units that somebody could start before systemd has read the new definitions: held back until then.
    #[serde(default)]
    pub hold: BTreeSet<String>,
    /// What is done by a run of its own when this one has ended, since this one is a part of it.
    #[serde(default)]
    pub after: Vec<UnitAction>,
    /// Failed units that go: systemd forgets them.
    #[serde(default)]
    pub forget: BTreeSet<String>,
    /// Units of the host that ran when ours took their place; none when that was not looked at.
    #[serde(default)]
    pub ran: Option<BTreeSet<String>>,
}

/// What an interrupted run had still to do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Seeds {
    /// To be started.
    pub start: BTreeSet<String>,
    /// To be restarted.
    pub restart: BTreeSet<String>,
    /// To be reloaded.
    pub reload: BTreeSet<String>,
    /// To be stopped for good.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub stop: BTreeSet<String>,
    /// Whether the daemon-reload was still due.
    pub daemon_reload: bool,
}

/// Whether something of a unit is left that a stop takes away: it runs, or systemd still lists it as failed.
fn is_left(now: &Live, unit: &str) -> bool {
    let found = now.find(unit).map(|(_, live)| live.active_state.as_str());
    !matches!(found, None | Some("" | "inactive"))
}

impl Seeds {
    /// Drops what has come about without us: the start of what is up, the stop of what is down. Pure.
    pub(crate) fn drop_done(&mut self, now: &Live) {
        self.stop.retain(|unit| is_left(now, unit));
        self.start.retain(|unit| {
            let found = now.find(unit).map(|(_, live)| live);
            found.is_none_or(|live| !live.is_active() || live.is_coming())
        });
    }

    /// Returns the units that anything is to be done with.
    pub fn units(&self) -> impl Iterator<Item = &String> {
        let sets = [&self.start, &self.restart, &self.reload, &self.stop];
        sets.into_iter().flatten()
    }
}

/// Choices that change the decision.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Options {
    /// Restart a changed socket, together with its service, where that service may be stopped.
    pub restart_sockets: bool,
    /// Start every active target anew, as NixOS does; this brings back what an administrator has stopped.
    pub start_active_targets: bool,
}

/// Everything that the decision is made from.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The units of the generation whose files are in place.
    pub old: &'a UnitSet,
    /// The units of the one that comes.
    pub new: &'a UnitSet,
    /// What the host has beneath both.
    pub beneath: &'a UnitSet,
    /// What systemd says.
    pub live: &'a Live,
    /// What an interrupted run left undone; units of it that nobody defines are dropped.
    pub seeds: &'a Seeds,
    /// What the last run could not bring up, and is not well yet.
    pub failed: &'a Failures,
    /// Units of the host that ran when ours took their place.
    pub ran: &'a BTreeSet<String>,
    /// What this process stands on.
    pub ground: &'a Ground,
    /// Choices.
    pub options: Options,
}

/// A chosen action's reason and whether reports show it, by unit.
type Chosen = BTreeMap<String, (String, bool)>;

/// A decision in the making: what it looks at, and what it has chosen so far.
pub(crate) struct Decision<'a> {
    pub(crate) old: Layers<'a>,
    pub(crate) new: Layers<'a>,
    pub(crate) live: &'a Live,
    pub(crate) ran: &'a BTreeSet<String>,
    pub(crate) ground: &'a Ground,
    pub(crate) options: Options,
    /// For each unit, the units of a generation that pull it in.
    pub(crate) old_edges: BTreeMap<String, BTreeSet<String>>,
    pub(crate) new_edges: BTreeMap<String, BTreeSet<String>>,
    pub(crate) stop: Chosen,
    pub(crate) reload: Chosen,
    pub(crate) restart: Chosen,
    pub(crate) start: Chosen,
    pub(crate) after: BTreeMap<String, UnitAction>,
    pub(crate) skipped: BTreeMap<String, String>,
    pub(crate) notes: BTreeMap<String, String>,
    /// Units that stop because another one is stopped.
    pub(crate) dragged: BTreeSet<String>,
}

/// Decides what a switch does to the units of a host. Pure.
#[must_use]
pub fn decide(facts: &Facts<'_>) -> UnitPlan {
    let mut decision = Decision::new(facts);
    decision.plant(facts.seeds);
    decision.try_again(facts.failed);
    for (name, unit) in &facts.live.units {
        if unit.is_active() && unit.following.is_empty() && unit.origin != Origin::Above {
            decision.switch_active(name, unit);
        }
    }
    decision.keep_slices();
    decision.start_wanted();
    decision.start_returning();
    decision.settle();
    decision.spare_ground();
    decision.stop_triggers();
    decision.bring_back();
    decision.follow_starts();
    let along = decision.restarted_along();
    let (hold, forget) = (decision.held(), decision.forgotten());
    UnitPlan {
        daemon_reload: facts.seeds.daemon_reload || facts.old != facts.new || !hold.is_empty(),
        layers: noted(decision.layers()),
        ran: Some(decision.ran_beneath()),
        hold,
        forget,
        stop: ordered(decision.stop, Verb::Stop),
        reload: ordered(decision.reload, Verb::Reload),
        restart: ordered(decision.restart, Verb::Restart),
        start: ordered(decision.start, Verb::Start),
        along: ordered(along, Verb::Restart),
        after: decision.after.into_values().collect(),
        skipped: noted(decision.skipped),
        notes: noted(decision.notes),
    }
}

impl<'a> Decision<'a> {
    fn new(facts: &Facts<'a>) -> Self {
        let layers = |ours| Layers {
            ours,
            beneath: facts.beneath,
        };
        let (old, new) = (layers(facts.old), layers(facts.new));
        Self {
            old,
            new,
            live: facts.live,
            ran: facts.ran,
            ground: facts.ground,
            options: facts.options,
            old_edges: old.pulled_in_by(),
            new_edges: new.pulled_in_by(),
            stop: Chosen::new(),
            reload: Chosen::new(),
            restart: Chosen::new(),
            start: Chosen::new(),
            after: BTreeMap::new(),
            skipped: BTreeMap::new(),
            notes: BTreeMap::new(),
            dragged: BTreeSet::new(),
        }
    }
}

impl Decision<'_> {
    /// Takes over what an interrupted run left undone.
    fn plant(&mut self, seeds: &Seeds) {
        let why = || ("left undone by an interrupted run".to_owned(), true);
        let here = |unit: &str| self.new.definition(unit).file().is_some();
        // what was ours of it is gone, the distro's own unit goes on
        let below = |unit: &str| {
            let live = self.live.find(unit);
            live.is_some_and(|(_, unit)| unit.is_active() && unit.origin == Origin::Below)
        };
        let plant = |set: &BTreeSet<String>, wanted: &dyn Fn(&str) -> bool| {
            let wanted = set.iter().filter(|unit| wanted(unit));
            wanted.map(|unit| (unit.clone(), why())).collect()
        };
        let reload = plant(&seeds.reload, &|unit| here(unit) || below(unit));
        (self.start, self.restart) = (plant(&seeds.start, &here), plant(&seeds.restart, &here));
        self.reload = reload;
        for unit in &seeds.stop {
            let goes = self.new.definition(unit).file().is_none();
            if goes && is_left(self.live, unit) && !self.start.contains_key(unit) {
                self.stop.insert(unit.clone(), why());
            }
        }
    }

    /// Does again what the last run could not do, for as long as somebody defines the unit.
    fn try_again(&mut self, failed: &Failures) {
        for (unit, failure) in failed {
            let live = self.live.find(unit).map(|(_, live)| live);
            let is_there = self.new.definition(unit).file().is_some();
            let is_up = live.is_some_and(|live| live.active_state == "active");
            let (wanted, set) = match (failure.verb, is_up) {
                (Verb::Stop, _) => (!is_there && is_up, &mut self.stop),
                (Verb::Reload, true) => (is_there, &mut self.reload),
                (_, true) => (is_there, &mut self.restart),
                (_, false) => (is_there, &mut self.start),
            };
            if wanted {
                let why = format!("the last run failed: {}", failure.why);
                set.entry(unit.clone()).or_insert((why, true));
            }
        }
    }

    /// Makes the four sets agree: a stop wins, then a restart, then a start, then a reload.
    fn settle(&mut self) {
        for unit in self.stop.keys() {
            self.reload.remove(unit);
            // the restart of an interrupted run, for a unit that is stopped and started, or that goes
            self.restart.remove(unit);
        }
        let inactive = |unit: &String| !self.live.is_active(unit) && !self.stop.contains_key(unit);
        let idle: Vec<String> = self
            .restart
            .keys()
            .filter(|u| inactive(u))
            .cloned()
            .collect();
        let fallen: Vec<String> = self
            .reload
            .keys()
            .filter(|u| inactive(u))
            .cloned()
            .collect();
        for unit in idle {
            if let Some(why) = self.restart.remove(&unit) {
                self.start.entry(unit).or_insert(why);
            }
        }
        for unit in fallen {
            if let Some(why) = self.reload.remove(&unit) {
                self.start.entry(unit).or_insert(why);
            }
        }
        for unit in self.restart.keys() {
            self.reload.remove(unit);
            self.start.remove(unit);
        }
        let (live, stop) = (self.live, &self.stop);
        self.start.retain(|unit, (_, visible)| {
            // A start that is under way is waited for: it may yet fail.
            let is_coming = live.find(unit).is_some_and(|(_, u)| u.is_coming());
            !*visible || is_coming || !live.is_active(unit) || stop.contains_key(unit)
        });
        let refused: Vec<String> = self
            .start
            .keys()
            .filter(|u| self.refuses_start(u) && !self.comes_with_its_target(u))
            .cloned()
            .collect();
        for unit in refused {
            self.start.remove(&unit);
            let why = "it is not started here, it refuses a manual start".to_owned();
            self.notes.entry(unit).or_insert(why);
        }
        for unit in self.start.keys() {
            self.reload.remove(unit);
        }
    }

    /// Whether a new unit only asks switches to leave it alone: NixOS starts it with the target that wants it.
    pub(crate) fn comes_with_its_target(&self, unit: &str) -> bool {
        let Definition::File(file) = self.new.definition(unit) else {
            return false;
        };
        file.only_manual_start()
            && !file.refuses_manual_start()
            && !self.live_refuses_start(unit)
            && matches!(self.old.definition(unit), Definition::Absent)
    }

    /// Tells whether a unit may not be started by name.
    pub(crate) fn refuses_start(&self, unit: &str) -> bool {
        match self.new.definition(unit) {
            Definition::Masked => true,
            Definition::File(file) => file.refuses_manual_start() || file.only_manual_start(),
            Definition::Theirs(file) | Definition::Foreign(file) => {
                file.flag("Unit", "RefuseManualStart", self.live_refuses_start(unit))
                    || file.only_manual_start()
            }
            Definition::Absent => self.live_refuses_start(unit),
        }
    }

    fn live_refuses_start(&self, unit: &str) -> bool {
        matches!(suffix_of(unit), "scope" | "device")
            || self
                .live
                .find(unit)
                .is_some_and(|(_, unit)| unit.refuses_manual_start)
    }
}

/// Decides what becomes of reloads once the stops are done: a unit that is inactive by then is started instead, unless
/// it refuses that. Gives the reloads that remain and the starts that join the others. Pure.
#[must_use]
pub(crate) fn settle_reloads(
    plan: &UnitPlan,
    new: Layers<'_>,
    now: &Live,
) -> (Vec<UnitAction>, Vec<UnitAction>) {
    let (reload, fallen): (Vec<_>, Vec<_>) = plan
        .reload
        .iter()
        .cloned()
        .partition(|action| now.is_active(&action.unit));
    let start = fallen
        .into_iter()
        .filter(|action| {
            let file = new.definition(&action.unit);
            file.file()
                .is_some_and(|f| !f.refuses_manual_start() && !f.only_manual_start())
        })
        .map(|action| UnitAction {
            verb: Verb::Start,
            reason: format!("{}, and it has been stopped in the meantime", action.reason),
            ..action
        })
        .collect();
    (reload, start)
}

/// Orders actions so that what triggers units comes before what is triggered, then by name.
fn ordered(chosen: Chosen, verb: Verb) -> Vec<UnitAction> {
    let mut actions: Vec<UnitAction> = chosen
        .into_iter()
        .map(|(unit, (reason, visible))| UnitAction {
            unit,
            verb,
            reason,
            visible,
        })
        .collect();
    actions.sort_by_cached_key(|action| (rank(&action.unit, verb), action.unit.clone()));
    actions
}

fn rank(unit: &str, verb: Verb) -> u8 {
    match (suffix_of(unit), verb) {
        // nothing may trigger a unit that is on its way down
        ("timer" | "path" | "socket" | "automount", Verb::Stop) => 0,
        ("slice", _) => 1,
        ("mount" | "swap" | "automount", Verb::Start | Verb::Restart | Verb::Reload) => 2,
        ("socket", _) => 3,
        ("service", _) => 4,
        ("mount" | "swap", Verb::Stop) => 6,
        // timers and paths may fire at once, what they trigger comes first; targets conclude
        ("path" | "timer", _) => 5,
        _ => 7,
    }
}

fn noted(notes: BTreeMap<String, String>) -> Vec<UnitNote> {
    notes
        .into_iter()
        .map(|(unit, reason)| UnitNote { unit, reason })
        .collect()
}
