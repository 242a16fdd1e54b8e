//! How two configurations differ, or one from the live host: files with their content, units, accounts, packages.

mod read;
mod report;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use schemars::JsonSchema;
use serde::Serialize;

use crate::model::in_etc;
use crate::model::names::{AbsolutePath, TargetPath};
use crate::model::packages::{self, Contents, PackagesChange};
use crate::model::{style, text_diff};

pub(crate) use read::{read_built, read_live};
pub(crate) use report::render;

/// The version of the format of `diff --json`.
pub(crate) const VERSION: u32 = 1;

/// One of the two that are compared.
#[derive(Debug, Clone, Default)]
pub(crate) struct Side {
    toplevel: Option<AbsolutePath>,
    files: BTreeMap<TargetPath, Entry>,
    accounts: BTreeMap<String, BTreeMap<String, String>>,
    lines: BTreeMap<TargetPath, String>,
    scripts: BTreeMap<String, String>,
    settings: BTreeMap<String, String>,
    contents: Contents,
}

/// A file of a side.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    /// How it is placed, for people.
    placed: String,
    /// Whether everybody may read it.
    is_public: bool,
    found: Found,
}

/// Where the content of a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Found {
    /// In a file, or in what it leads to.
    At(String),
    /// It was read already; none when it is no file.
    Read(Option<Vec<u8>>),
}

/// How something differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Change {
    /// Only the second has it.
    Added,
    /// Only the first has it.
    Removed,
    /// Both have it, and it is not the same.
    Changed,
}

/// How a text differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TextChange {
    /// What happened to it.
    pub change: Change,
    /// How it is placed otherwise, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub placed: Option<String>,
    /// The lines that differ, or a remark on why they are not shown.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub diff: String,
}

/// How an account differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccountChange {
    /// What happened to it.
    pub change: Change,
    /// Its fields before and after, where they differ; what is secret is not shown.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, (String, String)>,
}

/// How two sides differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// Format version.
    pub version: u32,
    /// The first; none when nothing is active.
    pub from: Option<AbsolutePath>,
    /// The second.
    pub to: Option<AbsolutePath>,
    /// Whether the second is what stands on the disk now.
    pub is_live: bool,
    /// Files below `/etc`, but for units.
    #[serde(serialize_with = "in_etc::serialize")]
    #[schemars(with = "BTreeMap<String, TextChange>")]
    pub files: BTreeMap<TargetPath, TextChange>,
    /// Unit files, with what belongs to them.
    #[serde(serialize_with = "in_etc::serialize")]
    #[schemars(with = "BTreeMap<String, TextChange>")]
    pub units: BTreeMap<TargetPath, TextChange>,
    /// Users and groups.
    pub accounts: BTreeMap<String, AccountChange>,
    /// Lines in files of others, by file below `/etc`.
    #[serde(serialize_with = "in_etc::serialize")]
    #[schemars(with = "BTreeMap<String, TextChange>")]
    pub lines: BTreeMap<TargetPath, TextChange>,
    /// Activation scripts.
    pub scripts: BTreeMap<String, TextChange>,
    /// The host's name, time zone, locale and keyboard before and after, by option, where they differ.
    pub settings: BTreeMap<String, (String, String)>,
    /// Packages.
    pub packages: PackagesChange,
}

/// How much differs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Files, lines in files of others, and activation scripts.
    pub files: usize,
    /// Files of units.
    pub units: usize,
    /// Users and groups.
    pub accounts: usize,
    /// Settings that a host has one of.
    pub settings: usize,
    /// Packages.
    pub packages: usize,
}

impl Counts {
    /// Returns what there is of it, for people; empty where nothing differs.
    pub(crate) fn text(&self) -> String {
        let parts = [
            (self.files, "file"),
            (self.units, "unit file"),
            (self.accounts, "account"),
            (self.settings, "host setting"),
            (self.packages, "package"),
        ];
        let there = parts.into_iter().filter(|(n, _)| *n > 0);
        let parts: Vec<String> = there.map(|(n, one)| style::count(n, one)).collect();
        parts.join(", ")
    }
}

/// Which of two maps has what.
fn pairs<'a, K: Ord, V>(
    from: &'a BTreeMap<K, V>,
    to: &'a BTreeMap<K, V>,
) -> impl Iterator<Item = (&'a K, Option<&'a V>, Option<&'a V>)> {
    let names: BTreeSet<&K> = from.keys().chain(to.keys()).collect();
    names.into_iter().map(|n| (n, from.get(n), to.get(n)))
}

fn change_of<T>(from: Option<&T>, to: Option<&T>) -> Change {
    match (from.is_some(), to.is_some()) {
        (false, _) => Change::Added,
        (_, false) => Change::Removed,
        _ => Change::Changed,
    }
}

/// Compares two sides. Reads the files that may differ.
///
/// # Errors
/// When one can't be read.
pub(crate) fn compare(from: &Side, to: &Side, is_live: bool) -> Result<Difference> {
    let (mut files, mut units) = (BTreeMap::new(), BTreeMap::new());
    for (target, old, new) in pairs(&from.files, &to.files) {
        if old == new {
            continue;
        }
        if let Some(change) = read::compare_files(old, new)? {
            let place = if target.as_str().starts_with("systemd/") {
                &mut units
            } else {
                &mut files
            };
            place.insert(target.clone(), change);
        }
    }
    let texts = pairs(&from.lines, &to.lines).filter(|(_, old, new)| old != new);
    Ok(Difference {
        version: VERSION,
        from: from.toplevel.clone(),
        to: to.toplevel.clone(),
        is_live,
        files,
        units,
        accounts: compare_accounts(from, to),
        lines: texts
            .map(|(target, old, new)| (target.clone(), compare_texts(old, new)))
            .collect(),
        scripts: pairs(&from.scripts, &to.scripts)
            .filter(|(_, old, new)| old != new)
            .map(|(name, old, new)| (name.clone(), compare_texts(old, new)))
            .collect(),
        settings: compare_fields(&from.settings, &to.settings),
        packages: packages::compare(&from.contents, &to.contents),
    })
}

fn compare_texts(old: Option<&String>, new: Option<&String>) -> TextChange {
    let bytes = |text: Option<&String>| text.map(String::as_bytes).unwrap_or_default().to_vec();
    TextChange {
        change: change_of(old, new),
        placed: None,
        diff: text_diff::render(&bytes(old), &bytes(new)),
    }
}

fn compare_accounts(from: &Side, to: &Side) -> BTreeMap<String, AccountChange> {
    let differing = pairs(&from.accounts, &to.accounts).filter(|(_, old, new)| old != new);
    let changes = differing.map(|(name, old, new)| {
        let change = change_of(old, new);
        let fields = match (old, new) {
            (Some(old), Some(new)) => compare_fields(old, new),
            _ => BTreeMap::new(),
        };
        (name.clone(), AccountChange { change, fields })
    });
    changes.collect()
}

/// The fields that differ, before and after.
fn compare_fields(
    from: &BTreeMap<String, String>,
    to: &BTreeMap<String, String>,
) -> BTreeMap<String, (String, String)> {
    let differing = pairs(from, to).filter(|(_, old, new)| old != new);
    let shown = differing.map(|(field, old, new)| {
        let show = |value: Option<&String>| shown(field, value);
        (field.clone(), (show(old), show(new)))
    });
    shown.collect()
}

/// What is shown of an account's field: nothing of passwords.
fn shown(field: &str, value: Option<&String>) -> String {
    let is_secret = field.to_lowercase().ends_with("password");
    match value {
        None => "unset".to_owned(),
        Some(_) if is_secret => "(not shown)".to_owned(),
        Some(value) => value.clone(),
    }
}

impl Difference {
    /// Counts what differs.
    #[must_use]
    pub(crate) fn counts(&self) -> Counts {
        Counts {
            files: self.files.len() + self.lines.len() + self.scripts.len(),
            units: self.units.len(),
            accounts: self.accounts.len(),
            settings: self.settings.len(),
            packages: self.packages.count(),
        }
    }
}

/// Counts how much differs by where the files are, without reading them.
#[must_use]
pub(crate) fn count(from: &Side, to: &Side) -> Counts {
    let differing = |is_unit: bool| {
        pairs(&from.files, &to.files)
            .filter(|(_, old, new)| old != new)
            .filter(|(target, ..)| target.as_str().starts_with("systemd/") == is_unit)
            .count()
    };
    let lines = pairs(&from.lines, &to.lines).filter(|(_, old, new)| old != new);
    let scripts = pairs(&from.scripts, &to.scripts).filter(|(_, old, new)| old != new);
    Counts {
        files: differing(false) + lines.count() + scripts.count(),
        units: differing(true),
        accounts: compare_accounts(from, to).len(),
        settings: compare_fields(&from.settings, &to.settings).len(),
        packages: packages::compare(&from.contents, &to.contents).count(),
    }
}
