//! What a unit file says, and what a change of it asks for.
//!
//! Reads the syntax of systemd.syntax(7) from bytes, so that a file in any encoding can be compared, and never fails:
//! lines that systemd would ignore are ignored. Pure.

use std::collections::{BTreeMap, BTreeSet};

#[cfg(test)]
#[rustfmt::skip] // a row of a table is one line
mod tests;

type Values = Vec<Vec<u8>>;
type Section = BTreeMap<Vec<u8>, Values>;

/// Keys of `[Unit]` whose change asks for nothing, because systemd reads them anew at a daemon-reload.
const QUIET_UNIT_KEYS: [&str; 12] = [
    "Description",
    "Documentation",
    "OnFailure",
    "OnSuccess",
    "OnFailureJobMode",
    "IgnoreOnIsolate",
    "StopWhenUnneeded",
    "RefuseManualStart",
    "RefuseManualStop",
    "AllowIsolate",
    "CollectMode",
    "SourcePath",
];

/// How many changed keys a reason names.
const NAMED_CHANGES: usize = 3;

/// A unit file with its drop-ins, as sections of keys with all their values in order.
///
/// An empty assignment clears what was assigned before; a key whose last assignment is empty keeps one empty value,
/// because `CapabilityBoundingSet=` says something else than no such line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnitFile {
    sections: BTreeMap<Vec<u8>, Section>,
    /// Whether a text of it empties the list of what is started, which says something of other files only.
    empties_start: bool,
}

/// What the difference of two unit files asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Comparison {
    /// Nothing that a running unit would notice.
    Equal,
    /// The unit has to read its configuration again.
    Reload {
        /// The keys that changed: `[Unit] X-Reload-Triggers changed`.
        why: String,
    },
    /// The unit has to be started anew.
    Restart {
        /// The keys that changed: `[Service] ExecStart changed`.
        why: String,
    },
}

/// How a changed unit is switched, by its own word (`[Unit] X-SwitchMethod=`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SwitchMethod {
    /// Reload it.
    Reload,
    /// Restart it in one job, under the new definition.
    Restart,
    /// Stop it under the old definition, start it under the new one.
    StopStart,
    /// Leave it running as it is.
    KeepOld,
}

impl UnitFile {
    /// Reads a unit file and its drop-ins, in the order in which systemd reads them. Pure.
    #[must_use]
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut file = Self::default();
        for text in texts {
            file.append(text);
        }
        file
    }

    fn append(&mut self, text: &[u8]) {
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        let mut section: Option<Vec<u8>> = None;
        for line in logical_lines(text) {
            let line = trim(&line);
            if let Some(header) = line.strip_prefix(b"[") {
                // systemd refuses what follows a broken header; assigning it to no section does the same
                section = header.strip_suffix(b"]").map(<[u8]>::to_vec);
            } else if let (Some(section), Some(at)) =
                (&section, line.iter().position(|b| *b == b'='))
            {
                let (key, value) = (trim(&line[..at]), trim(&line[at + 1..]));
                if !key.is_empty() {
                    self.empties_start |=
                        section == b"Service" && key == b"ExecStart" && value.is_empty();
                    let keys = self.sections.entry(section.clone()).or_default();
                    assign(keys.entry(key.to_vec()).or_default(), value);
                }
            }
        }
    }

    /// Gives the values of a key in order; none when it is absent or cleared.
    #[must_use]
    pub fn values(&self, section: &str, key: &str) -> Vec<String> {
        self.raw(section, key)
            .iter()
            .filter(|v| !v.is_empty())
            .map(|v| String::from_utf8_lossy(v).into_owned())
            .collect()
    }

    fn raw(&self, section: &str, key: &str) -> &[Vec<u8>] {
        self.sections
            .get(section.as_bytes())
            .and_then(|keys| keys.get(key.as_bytes()))
            .map_or(&[], Vec::as_slice)
    }

    /// Whether what is started replaces what another file has: the list is emptied, and is not left empty.
    #[must_use]
    pub(crate) fn replaces_start(&self) -> bool {
        self.empties_start && !self.values("Service", "ExecStart").is_empty()
    }

    /// Gives the last value of a key.
    #[must_use]
    pub fn last(&self, section: &str, key: &str) -> Option<String> {
        self.values(section, key).pop()
    }

    /// Gives the words of all values of a key, for keys that hold lists of units.
    #[must_use]
    pub fn words(&self, section: &str, key: &str) -> BTreeSet<String> {
        self.values(section, key)
            .iter()
            .flat_map(|v| v.split([' ', '\t', '\r', '\n']))
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect()
    }

    /// Reads a boolean as systemd does; absent or neither true nor false gives `default`.
    #[must_use]
    pub fn flag(&self, section: &str, key: &str, default: bool) -> bool {
        let Some(word) = self.last(section, key) else {
            return default;
        };
        match word.to_ascii_lowercase().as_str() {
            "1" | "yes" | "y" | "true" | "t" | "on" => true,
            "0" | "no" | "n" | "false" | "f" | "off" => false,
            _ => default,
        }
    }

    /// Tells whether systemd refuses to start it on request.
    #[must_use]
    pub fn refuses_manual_start(&self) -> bool {
        self.flag("Unit", "RefuseManualStart", false)
    }

    /// Tells whether systemd refuses to stop it on request.
    #[must_use]
    pub fn refuses_manual_stop(&self) -> bool {
        self.flag("Unit", "RefuseManualStop", false)
    }

    /// Tells whether only a person may start it (`X-OnlyManualStart`).
    #[must_use]
    pub fn only_manual_start(&self) -> bool {
        self.flag("Unit", "X-OnlyManualStart", false)
    }

    /// Tells whether it is stopped when its file goes (`X-StopOnRemoval`).
    #[must_use]
    pub fn stops_on_removal(&self) -> bool {
        self.flag("Unit", "X-StopOnRemoval", true)
    }

    /// Tells whether this target is stopped before it is started in a switch (`X-StopOnReconfiguration`).
    #[must_use]
    pub fn stops_on_reconfiguration(&self) -> bool {
        self.flag("Unit", "X-StopOnReconfiguration", false)
    }

    /// Gives the switch method that the unit names itself; none when it names none that exists.
    #[must_use]
    pub fn switch_method(&self) -> Option<SwitchMethod> {
        match self.last("Unit", "X-SwitchMethod")?.as_str() {
            "reload" => Some(SwitchMethod::Reload),
            "restart" => Some(SwitchMethod::Restart),
            "stop-start" => Some(SwitchMethod::StopStart),
            "keep-old" | "keep" => Some(SwitchMethod::KeepOld),
            _ => None,
        }
    }

    /// Whether it is a oneshot that is inactive again once it has done its work.
    #[must_use]
    pub fn is_passing_oneshot(&self) -> bool {
        let kind = self.last("Service", "Type");
        // systemd takes a service without ExecStart= and Type= for a oneshot
        let oneshot = match kind.as_deref() {
            Some(kind) => kind == "oneshot",
            None => {
                self.sections.contains_key(b"Service".as_slice())
                    && self.values("Service", "ExecStart").is_empty()
            }
        };
        oneshot && !self.flag("Service", "RemainAfterExit", false)
    }

    /// Tells whether a service of this definition can be reloaded.
    #[must_use]
    pub fn can_reload(&self) -> bool {
        !self.values("Service", "ExecReload").is_empty()
            || self.last("Service", "Type").as_deref() == Some("notify-reload")
    }

    /// Gives the sockets that the service names itself.
    #[must_use]
    pub fn sockets(&self) -> BTreeSet<String> {
        self.words("Service", "Sockets")
    }

    /// Gives the units that it pulls in when it starts.
    #[must_use]
    pub fn pulls_in(&self) -> BTreeSet<String> {
        ["Wants", "Requires", "Upholds", "BindsTo"]
            .iter()
            .flat_map(|key| self.words("Unit", key))
            .collect()
    }

    /// Gives the units whose stop stops it too.
    #[must_use]
    pub fn stops_with(&self) -> BTreeSet<String> {
        ["Requires", "Requisite", "BindsTo", "PartOf"]
            .iter()
            .flat_map(|key| self.words("Unit", key))
            .collect()
    }

    /// Gives the units that `[Install]` names under a key such as `WantedBy`.
    #[must_use]
    pub fn install(&self, key: &str) -> BTreeSet<String> {
        self.words("Install", key)
    }

    /// Compares with the definition that follows this one. Pure.
    #[must_use]
    pub fn compare(&self, new: &Self) -> Comparison {
        let mut reloads = Vec::new();
        let mut restarts = Vec::new();
        let sections: BTreeSet<_> = self.sections.keys().chain(new.sections.keys()).collect();
        for section in sections {
            if section == b"Install" {
                continue;
            }
            let none = Section::new();
            let before = self.sections.get(section).unwrap_or(&none);
            let after = new.sections.get(section).unwrap_or(&none);
            let keys: BTreeSet<_> = before.keys().chain(after.keys()).collect();
            for key in keys {
                let change = match (before.get(key), after.get(key)) {
                    (Some(a), Some(b)) if a == b => continue,
                    (Some(_), Some(_)) => Change::Changed,
                    (Some(_), None) => Change::Removed,
                    (None, _) => Change::Added,
                };
                let why = format!("[{}] {} {}", lossy(section), lossy(key), change.word());
                match weigh(section, key, change) {
                    Weight::Nothing => {}
                    Weight::Reload => reloads.push(why),
                    Weight::Restart => restarts.push(why),
                }
            }
        }
        if !restarts.is_empty() {
            Comparison::Restart {
                why: name_changes(&restarts),
            }
        } else if !reloads.is_empty() {
            Comparison::Reload {
                why: name_changes(&reloads),
            }
        } else {
            Comparison::Equal
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    Added,
    Changed,
    Removed,
}

impl Change {
    fn word(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Changed => "changed",
            Self::Removed => "removed",
        }
    }
}

enum Weight {
    Nothing,
    Reload,
    Restart,
}

fn weigh(section: &[u8], key: &[u8], change: Change) -> Weight {
    match (section, key) {
        (b"Unit", b"X-Reload-Triggers") | (b"Service", b"ExecReload") => match change {
            // the running process does not care, and there is nothing left to reload it with
            Change::Removed => Weight::Nothing,
            Change::Added | Change::Changed => Weight::Reload,
        },
        (b"Unit", key) if QUIET_UNIT_KEYS.iter().any(|quiet| quiet.as_bytes() == key) => {
            Weight::Nothing
        }
        (b"Mount", b"Options") if change == Change::Changed => Weight::Reload,
        _ => Weight::Restart,
    }
}

fn name_changes(changes: &[String]) -> String {
    let named = changes[..changes.len().min(NAMED_CHANGES)].join(", ");
    match changes.len().saturating_sub(NAMED_CHANGES) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

fn assign(values: &mut Values, value: &[u8]) {
    if value.is_empty() || values.iter().all(Vec::is_empty) {
        values.clear();
    }
    values.push(value.to_vec());
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

fn trim(bytes: &[u8]) -> &[u8] {
    let start = bytes
        .iter()
        .position(|b| !is_blank(*b))
        .unwrap_or(bytes.len());
    let end = bytes
        .iter()
        .rposition(|b| !is_blank(*b))
        .map_or(start, |at| at + 1);
    &bytes[start..end]
}

/// Joins continued lines and drops comments, also those between continued lines, as systemd's `config_parse` does.
fn logical_lines(text: &[u8]) -> Vec<Vec<u8>> {
    let mut lines = Vec::new();
    let mut pending: Option<Vec<u8>> = None;
    for raw in text.split(|b| *b == b'\n') {
        let raw = raw.strip_suffix(b"\r").unwrap_or(raw);
        let blank = raw.iter().take_while(|b| is_blank(**b)).count();
        let line = &raw[blank..];
        if matches!(line.first(), Some(b'#' | b';')) {
            continue;
        }
        let mut whole = pending.take().unwrap_or_default();
        whole.extend_from_slice(line);
        if ends_escaped(&whole) {
            whole.pop();
            whole.push(b' ');
            pending = Some(whole);
        } else {
            lines.push(whole);
        }
    }
    lines.extend(pending);
    lines
}

fn ends_escaped(line: &[u8]) -> bool {
    line.iter().rev().take_while(|b| **b == b'\\').count() % 2 == 1
}
