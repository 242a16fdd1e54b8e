//! A unit as the host has it: what a generation says of it, upon what the distribution, systemd or an administrator does.

use std::collections::{BTreeMap, BTreeSet};

use crate::units::file::UnitFile;
use crate::units::set::{UnitBody, UnitDef, UnitSet, suffix_of, template_of};

/// The definition that a name has on a host, its template and drop-ins merged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Definition {
    /// Nobody says anything of this unit.
    Absent,
    /// It must not run.
    Masked,
    /// The generation's unit file, with all drop-ins.
    File(UnitFile),
    /// The host's unit file, with all drop-ins.
    Theirs(UnitFile),
    /// Drop-ins, or nothing but edges, for a unit whose file is not known here.
    Foreign(UnitFile),
}

impl Definition {
    /// Returns what is known of the unit's settings.
    #[must_use]
    pub fn file(&self) -> Option<&UnitFile> {
        match self {
            Self::File(file) | Self::Theirs(file) | Self::Foreign(file) => Some(file),
            Self::Absent | Self::Masked => None,
        }
    }

    /// Whether the unit's own file is not the generation's.
    #[must_use]
    pub fn is_others(&self) -> bool {
        matches!(self, Self::Absent | Self::Theirs(_) | Self::Foreign(_))
    }
}

/// The units of a generation upon those of a host.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layers<'a> {
    /// What the generation says.
    pub ours: &'a UnitSet,
    /// What everybody else does.
    pub beneath: &'a UnitSet,
}

/// A host that has no units of its own.
static NOTHING: UnitSet = UnitSet {
    units: BTreeMap::new(),
};

impl<'a> Layers<'a> {
    /// Returns a generation upon nothing.
    #[must_use]
    pub(crate) fn alone(ours: &'a UnitSet) -> Self {
        Self {
            ours,
            beneath: &NOTHING,
        }
    }

    /// Returns the name whose definition `name` has: its own, or that of the unit which it is an alias of.
    #[must_use]
    pub(crate) fn canonical<'n>(&self, name: &'n str) -> &'n str
    where
        'a: 'n,
    {
        let own = self.ours.canonical(name);
        if own != name || self.ours.has_own_file(name) {
            return own;
        }
        self.beneath.canonical(name)
    }

    /// Returns the definition of a unit. Pure.
    #[must_use]
    pub(crate) fn definition(&self, name: &str) -> Definition {
        let name = self.canonical(name);
        let template = template_of(name);
        let said = self.said_of(name, template.as_deref());
        let dropins: BTreeMap<&String, &UnitBody> = said.iter().flat_map(|d| &d.dropins).collect();
        let dropins = dropins.into_values().filter_map(UnitBody::text);
        match self.main_of(name, template.as_deref()) {
            // systemd takes an empty file for a mask
            Some((body, _)) if body.text().is_none_or(<[u8]>::is_empty) => Definition::Masked,
            Some((body, is_ours)) => {
                let file = UnitFile::parse(body.text().into_iter().chain(dropins));
                if is_ours {
                    Definition::File(file)
                } else {
                    Definition::Theirs(file)
                }
            }
            None if said.is_empty() => Definition::Absent,
            None => Definition::Foreign(UnitFile::parse(dropins)),
        }
    }

    /// Returns the unit file that counts, and whether it is ours: systemd looks for the instance's own file in all folders
    /// before it looks for the template's.
    fn main_of(&self, name: &str, template: Option<&str>) -> Option<(&'a UnitBody, bool)> {
        let of = |name: &str| {
            let main = |set: &'a UnitSet| set.units.get(name).and_then(|d| d.main.as_ref());
            let ours = main(self.ours).map(|body| (body, true));
            ours.or_else(|| main(self.beneath).map(|body| (body, false)))
        };
        of(name).or_else(|| template.and_then(of))
    }

    /// Returns all that is said of a unit, what counts more after what counts less.
    fn said_of(&self, name: &str, template: Option<&str>) -> Vec<&'a UnitDef> {
        let ours = &self.ours.units;
        // That somebody wants a unit, or has another name for it, does not make it be there.
        let is_there = |def: &&UnitDef| def.main.is_some() || !def.dropins.is_empty();
        let beneath = |name: &str| self.beneath.units.get(name).filter(is_there);
        let mut said = Vec::new();
        if let Some(template) = template {
            said.extend(beneath(template).into_iter().chain(ours.get(template)));
        }
        if let Some(below) = beneath(name) {
            said.push(below);
            // systemd reads the drop-ins of all names of a unit.
            let aliases = below.aliases.iter().filter(|a| !self.ours.has_own_file(a));
            said.extend(aliases.filter_map(|alias| ours.get(alias)));
        }
        said.extend(ours.get(name));
        said
    }

    /// Whether a template's instance is defined by a drop-in of its own, not by a file of its own.
    #[must_use]
    pub(crate) fn is_dropin_instance(&self, name: &str) -> bool {
        self.ours.is_dropin_instance(name)
    }

    /// Whether the generation has a file for exactly this name.
    #[must_use]
    pub(crate) fn has_own_file(&self, name: &str) -> bool {
        self.ours.has_own_file(name)
    }

    /// Whether the generation's file or mask stands in the place of a unit that the host has.
    #[must_use]
    pub(crate) fn replaces(&self, name: &str) -> bool {
        let main = |set: &UnitSet| set.units.get(name).is_some_and(|d| d.main.is_some());
        main(self.ours) && main(self.beneath)
    }

    /// Returns, for each unit, the units of this generation that pull it in: `.wants`, `.requires` and `.upholds` links
    /// and the `Wants=` and the like of the units' own files.
    #[must_use]
    pub(crate) fn pulled_in_by(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut add = |unit: &str, puller: &str| {
            // a template is a pattern, only its instances run
            if !unit.contains("@.") && !puller.contains("@.") {
                let pullers = edges.entry(unit.to_owned()).or_default();
                pullers.insert(puller.to_owned());
            }
        };
        for (name, def) in &self.ours.units {
            for puller in def.pullers() {
                add(name, puller);
            }
            let definition = self.ours.definition(name);
            let wanted = definition.file().map(UnitFile::pulls_in);
            for wanted in wanted.unwrap_or_default() {
                add(self.canonical(&wanted), name);
            }
        }
        edges
    }
}

impl UnitSet {
    /// Returns the definition of a unit where nothing is beneath. Pure.
    #[must_use]
    pub fn definition(&self, name: &str) -> Definition {
        Layers::alone(self).definition(name)
    }
}

/// Returns the key without which a unit file of this name can't stand alone, where the text lacks it; a unit that has no
/// such key, such as a slice, is best an addition to the host's own.
#[must_use]
pub(crate) fn lacks(name: &str, file: &UnitFile) -> Option<&'static str> {
    let has =
        |section: &str, keys: &[&str]| keys.iter().any(|key| !file.values(section, key).is_empty());
    match suffix_of(name) {
        "service" => {
            let starts = has("Service", &["ExecStart"]);
            // systemd refuses a service that neither starts anything nor stays
            let ends = has("Service", &["ExecStop"]) || has("Unit", &["SuccessAction"]);
            let ends = ends && file.flag("Service", "RemainAfterExit", false);
            (!starts && !ends).then_some("[Service] ExecStart=")
        }
        "socket" => {
            let listens = [
                "ListenStream",
                "ListenDatagram",
                "ListenSequentialPacket",
                "ListenFIFO",
                "ListenSpecial",
                "ListenNetlink",
                "ListenMessageQueue",
                "ListenUSBFunction",
            ];
            (!has("Socket", &listens)).then_some("[Socket] ListenStream=")
        }
        "timer" => {
            let elapses = [
                "OnCalendar",
                "OnActiveSec",
                "OnBootSec",
                "OnStartupSec",
                "OnUnitActiveSec",
                "OnUnitInactiveSec",
                "OnTimezoneChange",
                "OnClockChange",
            ];
            (!has("Timer", &elapses)).then_some("[Timer] OnCalendar=")
        }
        "path" => {
            let watches = [
                "PathExists",
                "PathExistsGlob",
                "PathChanged",
                "PathModified",
                "DirectoryNotEmpty",
            ];
            (!has("Path", &watches)).then_some("[Path] PathChanged=")
        }
        "mount" => (!has("Mount", &["What"])).then_some("[Mount] What="),
        "swap" => (!has("Swap", &["What"])).then_some("[Swap] What="),
        _ => None,
    }
}

/// Whether a definition of this name is an addition to the unit that the host has, unless it says otherwise itself. One
/// that empties the list of what is started replaces that of another file, of which the rest counts.
#[must_use]
pub(crate) fn is_addition(name: &str, file: &UnitFile) -> bool {
    matches!(suffix_of(name), "slice" | "target" | "automount")
        || lacks(name, file).is_some()
        || file.replaces_start()
}

#[cfg(test)]
#[rustfmt::skip] // a row of a table is one line
mod tests {
    use super::*;

    fn file(text: &str) -> UnitFile {
        UnitFile::parse([text.as_bytes()])
    }

    #[test]
    fn tells_what_could_not_stand_alone() {
        for (name, text, expected) in [
            ("a.service", "[Service]\nExecStart=/x", None),
            ("a.service", "[Service]\nNice=5", Some("[Service] ExecStart=")),
            ("a.service", "[Service]\nExecStart=/x\nExecStart=", Some("[Service] ExecStart=")),
            ("a.service", "[Service]\nExecStop=/x\nRemainAfterExit=yes", None),
            ("a.service", "[Service]\nExecStop=/x", Some("[Service] ExecStart=")),
            ("a.service", "", Some("[Service] ExecStart=")),
            ("a.socket", "[Socket]\nListenFIFO=/x", None),
            ("a.socket", "[Socket]\nBacklog=5", Some("[Socket] ListenStream=")),
            ("a.timer", "[Timer]\nOnBootSec=5", None),
            ("a.timer", "[Timer]\nPersistent=yes", Some("[Timer] OnCalendar=")),
            ("a.path", "[Path]\nMakeDirectory=yes", Some("[Path] PathChanged=")),
            ("a.mount", "[Mount]\nWhat=/dev/x\nWhere=/a", None),
            ("a.mount", "[Mount]\nOptions=ro", Some("[Mount] What=")),
            ("a.target", "", None),
            ("a.slice", "", None),
        ] {
            assert_eq!(lacks(name, &file(text)), expected, "{name} {text}");
        }
    }

    #[test]
    fn what_replaces_a_part_is_an_addition() {
        for (text, expected) in [
            ("[Service]\nExecStart=\nExecStart=/x", true),
            ("[Service]\nExecStart=/x", false),
            ("[Service]\nNice=5", true),
        ] {
            assert_eq!(is_addition("a.service", &file(text)), expected, "{text}");
        }
    }
}
