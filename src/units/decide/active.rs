//! The rules for units that are active when a switch begins.

use crate::units::decide::Decision;
use crate::units::decide::theirs::holds_sessions;
use crate::units::file::{Comparison, SwitchMethod, UnitFile};
use crate::units::layers::Definition;
use crate::units::set::{LiveUnit, Origin, suffix_of, template_of};

/// What a switch means for an active unit.
pub(crate) enum Fate {
    /// No generation has a say in it.
    Unmanaged,
    /// Its definition goes, with the reason and its last definition.
    Gone { why: String, stops: bool },
    /// It stays; how its definition changes, and the new one.
    Stays { change: Comparison, file: UnitFile },
}

/// What is done to a changed unit.
enum Step {
    Reload,
    Restart,
    StopStart,
    Skip(&'static str),
}

/// Mounts that only a shutdown can undo.
pub(crate) const IMMOVABLE_MOUNTS: [&str; 2] = ["-.mount", "nix.mount"];

/// Targets that are doors to another state, not states to be in.
const SLEEP_TARGETS: [&str; 3] = ["suspend.target", "hibernate.target", "hybrid-sleep.target"];

impl Decision<'_> {
    /// Finds out what the switch means for an active unit.
    pub(crate) fn fate(&self, name: &str, unit: &LiveUnit) -> Fate {
        use Definition::{Absent, File, Foreign, Masked, Theirs};
        let gone = |why: &str, file: &UnitFile| Fate::Gone {
            why: why.to_owned(),
            stops: file.stops_on_removal(),
        };
        let moved = |why: &str, file: UnitFile| Fate::Stays {
            change: Comparison::Restart {
                why: why.to_owned(),
            },
            file,
        };
        let stays = |change, file| Fate::Stays { change, file };
        let old = self.old.definition(name);
        let new = self.new.definition(name);
        let managed = match unit.origin {
            Origin::Ours => true,
            Origin::Below => !matches!(old, File(_)),
            Origin::Above => false,
            Origin::Nowhere => matches!(old, File(_)),
        };
        if !managed {
            return Fate::Unmanaged;
        }
        if matches!(old, File(_)) && self.lost_its_dropins(name) {
            let file = old.file().cloned().unwrap_or_default();
            return gone("the drop-in that made this instance is gone", &file);
        }
        match (old, new) {
            (Absent | Masked, Absent) | (Masked, Masked) => Fate::Unmanaged,
            (Absent, Masked) => gone("masked by this generation", &UnitFile::default()),
            (File(old) | Theirs(old) | Foreign(old), Masked) => {
                gone("masked by this generation", &old)
            }
            (File(old), Absent) => gone("no longer part of the configuration", &old),
            (Theirs(old), File(file)) => {
                let why = "it replaces the host's own unit";
                stays(because(why, old.compare(&file)), file)
            }
            (File(old), Theirs(file)) => {
                let why = "the host's own unit is used again";
                stays(because(why, old.compare(&file)), file)
            }
            (Absent | Masked | Foreign(_), File(file)) => {
                moved("it was defined elsewhere before", file)
            }
            (File(_), Foreign(file)) => moved("it is now defined by the distribution", file),
            (Absent | Masked, Theirs(file) | Foreign(file)) => {
                stays(UnitFile::default().compare(&file), file)
            }
            (Theirs(old) | Foreign(old), Absent) => stays(
                compare_foreign(&old, &UnitFile::default()),
                UnitFile::default(),
            ),
            (Theirs(old) | Foreign(old), Theirs(file) | Foreign(file)) => {
                stays(compare_foreign(&old, &file), file)
            }
            (File(old), File(file)) => stays(old.compare(&file), file),
        }
    }

    /// Whether an instance of a template of ours existed by its drop-ins, and has none now.
    fn lost_its_dropins(&self, name: &str) -> bool {
        !self.old.has_own_file(name)
            && !self.new.has_own_file(name)
            && self.old.is_dropin_instance(name)
            && !self.new.is_dropin_instance(name)
    }

    /// Decides about one active unit.
    pub(crate) fn switch_active(&mut self, name: &str, unit: &LiveUnit) {
        match self.fate(name, unit) {
            Fate::Gone { why, .. } if self.never_stops(name).is_some() => {
                let stays = self.never_stops(name).unwrap_or_default();
                self.notes
                    .insert(name.to_owned(), format!("{why}; {stays}"));
            }
            Fate::Gone { why, .. } if self.old_refuses_stop(name) => {
                let why = format!("{why}, but it refuses a manual stop");
                self.notes.insert(name.to_owned(), why);
            }
            Fate::Gone { why, stops: true } => {
                self.stop.insert(name.to_owned(), (why, true));
            }
            Fate::Gone { why, stops: false } => {
                let why = format!("{why}, but X-StopOnRemoval=false keeps it running");
                self.notes.insert(name.to_owned(), why);
            }
            Fate::Stays { file, .. } if suffix_of(name) == "target" => {
                self.switch_target(name, &file);
            }
            Fate::Stays {
                change: Comparison::Reload { why },
                file,
            } => {
                if self.can_reload(name, &file) {
                    self.reload.entry(name.to_owned()).or_insert((why, true));
                } else {
                    let why = format!("{why}, but it cannot be reloaded");
                    self.notes.insert(name.to_owned(), why);
                }
            }
            Fate::Stays {
                change: Comparison::Restart { why },
                file,
            } => {
                self.switch_changed(name, &file, why);
            }
            Fate::Unmanaged
            | Fate::Stays {
                change: Comparison::Equal,
                ..
            } => {}
        }
    }

    /// Tells whether systemd could do a reload; of a unit whose file is not known here it is taken for granted.
    fn can_reload(&self, name: &str, file: &UnitFile) -> bool {
        match suffix_of(name) {
            "service" => {
                let new = self.new.definition(name);
                file.can_reload() || matches!(new, Definition::Foreign(_) | Definition::Absent)
            }
            suffix => suffix == "mount",
        }
    }

    fn switch_target(&mut self, name: &str, file: &UnitFile) {
        if SLEEP_TARGETS.contains(&name) || self.refuses_start(name) {
            return;
        }
        let stops = file.stops_on_reconfiguration()
            && !self.old_refuses_stop(name)
            && self.never_stops(name).is_none();
        if stops && self.old.ours != self.new.ours {
            let why = "X-StopOnReconfiguration=true".to_owned();
            self.stop.insert(name.to_owned(), (why.clone(), true));
            self.start.insert(name.to_owned(), (why, true));
        } else if self.options.start_active_targets {
            let why = "an active target is started again".to_owned();
            self.start.entry(name.to_owned()).or_insert((why, false));
        }
    }

    /// Decides about an active unit whose change needs more than a reload.
    fn switch_changed(&mut self, name: &str, file: &UnitFile, why: String) {
        let unit = name.to_owned();
        match suffix_of(name) {
            "path" | "slice" | "scope" => {
                let why = format!("{why}; the daemon-reload applies it");
                self.notes.insert(unit, why);
                return;
            }
            "mount" => {
                if IMMOVABLE_MOUNTS.contains(&name) {
                    self.reload.insert(unit, (why, true));
                } else if let Some(key) = self.refuses_restart(name, file) {
                    self.skipped.insert(unit, format!("{why}; {key}"));
                } else {
                    self.restart.insert(unit, (why, true));
                }
                return;
            }
            "socket" => {
                self.switch_socket(name, file, why);
                return;
            }
            _ => {}
        }
        if let (Some(why_not), true) = (holds_sessions(name), self.is_theirs(name)) {
            self.skipped.insert(unit, format!("{why}; {why_not}"));
            return;
        }
        if self.is_theirs(name) && self.is_at_work(name, file) {
            let why =
                format!("{why}; it is running, and uses the new definition from its next start");
            self.skipped.insert(unit, why);
            return;
        }
        let taken = self.restart.contains_key(name) || self.stop.contains_key(name);
        match self.step_for(name, file, taken) {
            Step::Reload if self.can_reload(name, file) => {
                self.reload.insert(unit, (why, true));
            }
            Step::Reload => {
                self.skipped
                    .insert(unit, format!("{why}; it cannot be reloaded"));
            }
            Step::Skip(key) => {
                self.skipped.insert(unit, format!("{why}; {key}"));
            }
            Step::Restart => {
                self.restart.insert(unit, (why, true));
            }
            Step::StopStart => self.stop_and_start(name, file, &why),
        }
    }

    /// Stops a service under its old definition, and starts it, or the sockets that will start it, under the new one.
    fn stop_and_start(&mut self, name: &str, file: &UnitFile, why: &str) {
        let mut by_socket = false;
        for socket in sockets_of(name, file) {
            let present = self.will_have_socket(&socket);
            let clings = self.old_refuses_stop(&socket);
            if present && (clings || self.socket_stays_put(&socket)) {
                continue;
            }
            if self.live.is_active(&socket) {
                if clings {
                    continue;
                }
                let why = format!("{name} changed, which it starts");
                self.stop
                    .entry(socket.clone())
                    .or_insert((why.clone(), true));
                if present {
                    self.start.insert(socket, (why, true));
                    by_socket = true;
                }
            } else if present && self.active_pullers(&socket).next().is_some() {
                let why = format!("{name} changed, which it starts");
                self.start.insert(socket, (why, true));
                by_socket = true;
            }
        }
        if file.flag("Service", "X-NotSocketActivated", false) {
            by_socket = false;
        }
        self.stop.insert(name.to_owned(), (why.to_owned(), true));
        if !by_socket {
            let unit = self.new.canonical(name).to_owned();
            self.start.insert(unit, (why.to_owned(), true));
        }
    }

    /// Chooses how a changed unit is switched. `taken`: it is being restarted or stopped already.
    fn step_for(&self, name: &str, file: &UnitFile, taken: bool) -> Step {
        let service = |key, default| file.flag("Service", key, default);
        let method = file.switch_method();
        let reload = match method {
            Some(method) => method == SwitchMethod::Reload,
            None => service("X-ReloadIfChanged", false),
        };
        if reload && !taken {
            return Step::Reload;
        }
        let keep = match method {
            Some(method) => (method == SwitchMethod::KeepOld).then_some("X-SwitchMethod=keep-old"),
            None => (!service("X-RestartIfChanged", true)).then_some("X-RestartIfChanged=false"),
        };
        if let Some(key) = keep.or_else(|| self.refuses_restart(name, file)) {
            return Step::Skip(key);
        }
        let stop_start = match method {
            Some(method) => method == SwitchMethod::StopStart,
            // what the distribution made is restarted as it does that itself: in one job
            None => service("X-StopIfChanged", !self.is_theirs(name)),
        };
        // only services have an ExecStop= that must run under the old definition; where that refuses a stop, the new
        // one may allow it
        if stop_start && suffix_of(name) == "service" && !self.old_refuses_stop(name) {
            Step::StopStart
        } else {
            Step::Restart
        }
    }

    /// Gives the key because of which systemd, or the unit's author, refuses a restart under the new definition.
    fn refuses_restart(&self, name: &str, file: &UnitFile) -> Option<&'static str> {
        if file.refuses_manual_stop() {
            Some("RefuseManualStop=true")
        } else if file.only_manual_start() {
            Some("X-OnlyManualStart=true")
        } else if self.refuses_start(name) {
            Some("RefuseManualStart=true")
        } else {
            None
        }
    }

    fn old_refuses_stop(&self, name: &str) -> bool {
        let old = self.old.definition(name);
        old.file().is_some_and(UnitFile::refuses_manual_stop)
    }

    /// Tells whether a socket of the new generation may not be stopped and started.
    fn socket_stays_put(&self, socket: &str) -> bool {
        let new = self.new.definition(socket);
        new.file().is_some_and(UnitFile::refuses_manual_stop) || self.refuses_start(socket)
    }

    fn will_have_socket(&self, socket: &str) -> bool {
        match self.new.definition(socket) {
            Definition::File(_) | Definition::Theirs(_) | Definition::Foreign(_) => true,
            Definition::Masked => false,
            // the distro's own socket stays where it is
            Definition::Absent => {
                let live = self.live.find(socket);
                live.is_some_and(|(_, unit)| matches!(unit.origin, Origin::Below | Origin::Above))
            }
        }
    }

    /// Decides about a changed socket: NixOS leaves it, because a service that holds it would have to go.
    fn switch_socket(&mut self, name: &str, file: &UnitFile, why: String) {
        let later = format!("{why}; it takes effect when the socket is next started");
        let unit = name.to_owned();
        let clings = self.old_refuses_stop(name) || self.socket_stays_put(name);
        if !self.options.restart_sockets || clings {
            self.notes.insert(unit, later);
            return;
        }
        let service = service_of(name, file);
        if !self.live.is_active(&service) {
            self.restart.insert(unit, (why, true));
            return;
        }
        let definition = self.new.definition(&service);
        let Definition::File(service_file) = &definition else {
            self.notes.insert(unit, later);
            return;
        };
        match self.step_for(&service, service_file, false) {
            Step::StopStart => {
                let chosen = (why, true);
                self.stop.insert(service.clone(), chosen.clone());
                if service_file.flag("Service", "X-NotSocketActivated", false) {
                    self.start.insert(service, chosen.clone());
                }
                self.stop.insert(unit.clone(), chosen.clone());
                self.start.insert(unit, chosen);
            }
            Step::Restart | Step::Reload | Step::Skip(_) => {
                self.notes.insert(unit, later);
            }
        }
    }
}

/// Puts a reason before the keys that changed.
fn because(why: &str, change: Comparison) -> Comparison {
    match change {
        Comparison::Equal => Comparison::Equal,
        Comparison::Reload { why: keys } => Comparison::Reload {
            why: format!("{why}: {keys}"),
        },
        Comparison::Restart { why: keys } => Comparison::Restart {
            why: format!("{why}: {keys}"),
        },
    }
}

/// Compares what is ours of a distro's unit. What its reload triggers spoke of has gone with them, and it can still be
/// reloaded.
fn compare_foreign(old: &UnitFile, new: &UnitFile) -> Comparison {
    let triggers = |file: &UnitFile| !file.values("Unit", "X-Reload-Triggers").is_empty();
    match old.compare(new) {
        Comparison::Equal if triggers(old) && !triggers(new) => Comparison::Reload {
            why: "[Unit] X-Reload-Triggers removed".to_owned(),
        },
        change => change,
    }
}

/// Gives the sockets that start a service: those that it names, else the one of the same name.
pub(super) fn sockets_of(name: &str, file: &UnitFile) -> Vec<String> {
    let named = file.sockets();
    if !named.is_empty() {
        return named.into_iter().collect();
    }
    let base = template_of(name).unwrap_or_else(|| name.to_owned());
    let stem = base.strip_suffix(".service").unwrap_or(&base);
    vec![format!("{}.socket", stem.strip_suffix('@').unwrap_or(stem))]
}

/// Gives the service that a socket starts.
pub(super) fn service_of(name: &str, file: &UnitFile) -> String {
    let stem = name.strip_suffix(".socket").unwrap_or(name);
    file.last("Socket", "Service")
        .unwrap_or_else(|| format!("{stem}.service"))
}
