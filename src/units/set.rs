//! The units that one generation provides, and what systemd says of the units on a host: data only.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The bytes of a unit file; in JSON a string, or numbers when they are not UTF-8.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnitText(pub Vec<u8>);

impl From<&str> for UnitText {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

impl Serialize for UnitText {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(&self.0) {
            Ok(text) => to.serialize_str(text),
            Err(_) => self.0.serialize(to),
        }
    }
}

impl<'de> Deserialize<'de> for UnitText {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Text(String),
            Bytes(Vec<u8>),
        }
        Ok(Self(match Form::deserialize(from)? {
            Form::Text(text) => text.into_bytes(),
            Form::Bytes(bytes) => bytes,
        }))
    }
}

/// What stands at the path of a unit file or a drop-in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum UnitBody {
    /// A file.
    Text(UnitText),
    /// A link, or a chain of links, to `/dev/null`.
    Masked,
}

/// All that a generation says of one unit name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct UnitDef {
    /// The unit file; none when only drop-ins or edges are ours and the file is the template's or the distro's.
    pub main: Option<UnitBody>,
    /// Files of `NAME.d`, by file name.
    pub dropins: BTreeMap<String, UnitBody>,
    /// Further names that are links to this one.
    pub aliases: BTreeSet<String>,
    /// Units whose `.wants` folder links it.
    pub wanted_by: BTreeSet<String>,
    /// Units whose `.requires` folder links it.
    pub required_by: BTreeSet<String>,
    /// Units whose `.upholds` folder links it.
    pub upheld_by: BTreeSet<String>,
}

/// The units that a generation provides, by file name, templates (`a@.service`) included.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnitSet {
    /// The definitions by name.
    pub units: BTreeMap<String, UnitDef>,
}

/// What systemd said of one loaded unit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "they are what systemd says")]
pub struct LiveUnit {
    /// `ActiveState`: `active`, `activating`, `inactive`, `failed`, ...
    pub active_state: String,
    /// `SubState`: `running`, `auto-restart`, ...
    pub sub_state: String,
    /// Whose file `FragmentPath` is.
    pub origin: Origin,
    /// `Names`: the unit's own name and its aliases.
    pub names: BTreeSet<String>,
    /// `Following`: the unit whose state this one shows; empty for most.
    pub following: String,
    /// `Result` of a service: `success`, `exit-code`, `timeout`, ...
    pub result: String,
    /// `ExecMainStatus` of a service.
    pub exec_main_status: i32,
    /// `RefuseManualStart`.
    pub refuses_manual_start: bool,
    /// Units whose stop stops this one: `Requires`, `Requisite`, `BindsTo`, `PartOf`, as systemd has them loaded.
    pub stops_with: BTreeSet<String>,
    /// Units that stop when this one stops, the other way round: `RequiredBy`, `RequisiteOf`, `BoundBy`, `ConsistsOf`.
    pub takes_along: BTreeSet<String>,
    /// Units that start this one whenever they start: `WantedBy`, `RequiredBy`, `BoundBy`, `UpheldBy`.
    pub pulled_in_by: BTreeSet<String>,
    /// Whether `UpheldBy` names a unit: one that starts this one again whenever it is down.
    pub upheld: bool,
    /// `TriggeredBy`: timers, paths, sockets and automounts that start this one.
    pub triggered_by: BTreeSet<String>,
    /// Whether the use of a name on the bus starts this one.
    pub bus_activated: bool,
    /// `Perpetual`: systemd never stops it.
    pub perpetual: bool,
    /// Whether a job of it is under way or waits.
    pub has_job: bool,
}

/// Where the file of a loaded unit lies, seen from the folder that the generation manages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Origin {
    /// In that folder.
    Ours,
    /// Where a file of that folder would win: the distro's, a generator's.
    #[default]
    Below,
    /// Where it wins over that folder (transient units, `~/.config`): it is never touched.
    Above,
    /// Nowhere: the unit never had a file, or has lost it while it runs. It is ours if the old generation had a file.
    Nowhere,
}

impl Origin {
    /// Tells the origin of a `FragmentPath`, for a managed folder such as `/etc/systemd/system`. Pure.
    #[must_use]
    pub fn of(fragment: &str, managed: &str) -> Self {
        if fragment.is_empty() {
            return Self::Nowhere;
        }
        let managed = managed.trim_end_matches('/');
        let inside = |path: &str| path.starts_with('/');
        if fragment.strip_prefix(managed).is_some_and(inside) {
            return Self::Ours;
        }
        // systemd.unit(5), "Unit File Load Path": what stands before the administrator's folder
        let winning = [
            ".control/",
            "/transient/",
            "/generator.early/",
            "/.config/systemd/user/",
        ];
        if winning.iter().any(|part| fragment.contains(part)) {
            Self::Above
        } else {
            Self::Below
        }
    }
}

/// What systemd said of the loaded units, by name; a unit that is not here is inactive.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Live {
    /// The loaded units.
    pub units: BTreeMap<String, LiveUnit>,
}

impl LiveUnit {
    /// Tells whether it is up, or on its way up.
    #[must_use]
    pub fn is_active(&self) -> bool {
        matches!(
            self.active_state.as_str(),
            "active" | "activating" | "reloading" | "refreshing"
        )
    }

    /// Whether it is neither up nor on its way up or down.
    #[must_use]
    pub fn is_down(&self) -> bool {
        matches!(self.active_state.as_str(), "" | "inactive" | "failed")
    }

    /// Whether it is on its way up, by a job that has not ended.
    #[must_use]
    pub fn is_coming(&self) -> bool {
        self.has_job && self.active_state == "activating" && self.sub_state != "auto-restart"
    }

    /// Tells whether it has failed, or is a service that systemd tries again and again.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.active_state == "failed"
            || (self.sub_state == "auto-restart" && self.exec_main_status != 0)
    }
}

impl Live {
    /// Finds a unit by any of its names.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<(&String, &LiveUnit)> {
        self.units.get_key_value(name).or_else(|| {
            self.units
                .iter()
                .find(|(_, unit)| unit.names.contains(name))
        })
    }

    /// Tells whether a unit is up, or on its way up.
    #[must_use]
    pub fn is_active(&self, unit: &str) -> bool {
        self.find(unit).is_some_and(|(_, unit)| unit.is_active())
    }

    /// Tells whether a unit is failing.
    #[must_use]
    pub fn is_failing(&self, unit: &str) -> bool {
        self.find(unit).is_some_and(|(_, unit)| unit.is_failing())
    }
}

impl UnitSet {
    /// Gives the name whose definition `name` has: its own, or that of the unit which it is an alias of.
    #[must_use]
    pub fn canonical<'a>(&'a self, name: &'a str) -> &'a str {
        if self.units.contains_key(name) {
            return name;
        }
        self.units
            .iter()
            .find(|(target, def)| {
                // systemd refuses an alias of another type
                def.aliases.contains(name) && suffix_of(target) == suffix_of(name)
            })
            .map_or(name, |(target, _)| target)
    }

    /// Tells whether a template's instance is defined by a drop-in of its own, not by a file of its own.
    #[must_use]
    pub fn is_dropin_instance(&self, name: &str) -> bool {
        template_of(name).is_some()
            && self.units.get(name).is_some_and(|def| {
                def.main.is_none() && def.dropins.values().any(|d| *d != UnitBody::Masked)
            })
    }

    /// Tells whether the generation has a file for exactly this name.
    #[must_use]
    pub fn has_own_file(&self, name: &str) -> bool {
        let name = self.canonical(name);
        self.units.get(name).is_some_and(|def| def.main.is_some())
    }
}

impl UnitDef {
    /// Returns the units whose `.wants`, `.requires` and `.upholds` folders link it.
    pub fn pullers(&self) -> impl Iterator<Item = &String> {
        let links = [&self.wanted_by, &self.required_by, &self.upheld_by];
        links.into_iter().flatten()
    }
}

impl UnitBody {
    /// Returns the bytes of a file.
    #[must_use]
    pub fn text(&self) -> Option<&[u8]> {
        match self {
            Self::Text(text) => Some(&text.0),
            Self::Masked => None,
        }
    }
}

/// Gives the template of an instance: `a@.service` for `a@b.service`.
#[must_use]
pub(crate) fn template_of(name: &str) -> Option<String> {
    let (stem, suffix) = name.rsplit_once('.')?;
    let (prefix, instance) = stem.split_once('@')?;
    (!instance.is_empty()).then(|| format!("{prefix}@.{suffix}"))
}

/// Gives the suffix of a unit name without its dot: `service`.
#[must_use]
pub(crate) fn suffix_of(name: &str) -> &str {
    name.rsplit_once('.').map_or("", |(_, suffix)| suffix)
}
