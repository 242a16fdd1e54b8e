//! Where a distribution keeps its basics, and what they look like there. Pure.
//!
//! | setting | Debian, Ubuntu | Fedora and others |
//! | --- | --- | --- |
//! | `networking.hostName` | `/etc/hostname` | the same |
//! | `time.timeZone` | `/etc/localtime`, and `/etc/timezone` where there is one | `/etc/localtime` |
//! | `i18n.defaultLocale` | `/etc/default/locale` | `/etc/locale.conf` |
//! | `console.keyMap` | `/etc/default/keyboard` | `/etc/vconsole.conf` |
//!
//! Newer releases of Debian link one of the last two pairs to the other: what is a file counts.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::manifest::Basics;

pub(crate) const HOSTNAME: &str = "hostname";
pub(crate) const LOCALTIME: &str = "localtime";
pub(crate) const TIMEZONE: &str = "timezone";
/// Where the locale may be, the distribution's choice before the others'.
pub(crate) const LOCALES: [&str; 2] = ["default/locale", "locale.conf"];
/// Where the keyboard may be.
pub(crate) const KEYBOARDS: [&str; 2] = ["default/keyboard", "vconsole.conf"];
/// All of them.
pub(crate) const ALL: [&str; 7] = [
    HOSTNAME,
    LOCALTIME,
    TIMEZONE,
    LOCALES[0],
    LOCALES[1],
    KEYBOARDS[0],
    KEYBOARDS[1],
];

pub(crate) const ZONES: &str = "/usr/share/zoneinfo/";

/// What is put at a place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub enum Form {
    /// A file with this text.
    Text(String),
    /// A link to this path.
    Link(String),
}

/// Returns the option by which a place is managed.
#[must_use]
pub(crate) fn option_of(target: &str) -> Option<&'static str> {
    Some(match target {
        HOSTNAME => "networking.hostName",
        LOCALTIME | TIMEZONE => "time.timeZone",
        _ if LOCALES.contains(&target) => "i18n.defaultLocale",
        _ if KEYBOARDS.contains(&target) => "console.keyMap",
        _ => return None,
    })
}

/// Returns what is set, by the options that set it.
#[must_use]
pub(crate) fn settings(wanted: &Basics) -> BTreeMap<String, String> {
    let one = |option: &str, value: &Option<String>| Some((option.to_owned(), value.clone()?));
    let locale = wanted.locale.iter().map(|(name, value)| {
        let option = match name.as_str() {
            "LANG" => "i18n.defaultLocale".to_owned(),
            _ => format!("i18n.extraLocaleSettings.{name}"),
        };
        (option, value.clone())
    });
    let named = [
        one("networking.hostName", &wanted.host_name),
        one("time.timeZone", &wanted.time_zone),
        one("console.keyMap", &wanted.key_map),
    ];
    named.into_iter().flatten().chain(locale).collect()
}

/// What is known of a place, to choose between two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Choice {
    /// Whether a file of ours or of others is there.
    pub is_file: bool,
    /// Whether its folder is there.
    pub has_folder: bool,
}

/// Returns the place that counts: where a file is; else the distribution's own.
#[must_use]
pub(crate) fn choose(
    places: [&'static str; 2],
    look: impl Fn(&str) -> Choice,
    is_debian: bool,
) -> &'static str {
    let [debian, other] = places;
    let found = places.into_iter().find(|place| look(place).is_file);
    found.unwrap_or(if is_debian && look(debian).has_folder {
        debian
    } else {
        other
    })
}

/// Returns what a place is to look like, made from what was there before; an error says what can't be.
pub(crate) fn render(target: &str, wanted: &Basics, before: &str) -> Option<Result<Form, String>> {
    let text = |text: String| Ok(Form::Text(text));
    Some(match target {
        HOSTNAME => text(format!("{}\n", wanted.host_name.as_ref()?)),
        LOCALTIME => Ok(Form::Link(format!("{ZONES}{}", wanted.time_zone.as_ref()?))),
        TIMEZONE => text(format!("{}\n", wanted.time_zone.as_ref()?)),
        _ if LOCALES.contains(&target) && !wanted.locale.is_empty() => {
            text(set_variables(before, &wanted.locale))
        }
        _ if KEYBOARDS.contains(&target) => {
            let key_map = wanted.key_map.as_ref()?;
            keyboard_variables(target, key_map).map(|v| Form::Text(set_variables(before, &v)))
        }
        _ => return None,
    })
}

fn keyboard_variables(target: &str, key_map: &str) -> Result<BTreeMap<String, String>, String> {
    let pairs = if target == KEYBOARDS[1] {
        vec![("KEYMAP", key_map)]
    } else {
        let (layout, variant) = layout_of(key_map).ok_or_else(|| {
            format!("the layout for `{key_map}`, which /etc/{target} needs, is not known")
        })?;
        vec![("XKBLAYOUT", layout), ("XKBVARIANT", variant)]
    };
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    Ok(pairs.into_iter().map(owned).collect())
}

/// Returns the layout and variant of XKB for a map of the console, which has other names for some.
fn layout_of(key_map: &str) -> Option<(&str, &str)> {
    Some(match key_map {
        "uk" => ("gb", ""),
        "dvorak" => ("us", "dvorak"),
        "colemak" => ("us", "colemak"),
        "us-acentos" => ("us", "intl"),
        "de-latin1" => ("de", ""),
        "de-latin1-nodeadkeys" | "de-nodeadkeys" => ("de", "nodeadkeys"),
        "fr-latin1" | "fr-latin9" => ("fr", ""),
        "fr-bepo" => ("fr", "bepo"),
        "sv-latin1" => ("se", ""),
        "dk-latin1" => ("dk", ""),
        "no-latin1" => ("no", ""),
        "fi-latin1" => ("fi", ""),
        "pt-latin1" => ("pt", ""),
        "la-latin1" => ("latam", ""),
        "be-latin1" => ("be", ""),
        "cz-lat2" => ("cz", ""),
        "br-abnt2" => ("br", ""),
        "jp106" => ("jp", ""),
        "pl2" => ("pl", ""),
        "trq" => ("tr", ""),
        "slovene" => ("si", ""),
        "croat" => ("hr", ""),
        // These maps and layouts have the same names.
        "at" | "be" | "ca" | "ch" | "cz" | "de" | "dk" | "ee" | "es" | "fi" | "fr" | "gr"
        | "hu" | "ie" | "il" | "is" | "it" | "jp" | "lt" | "lv" | "nl" | "no" | "pl" | "pt"
        | "ro" | "ru" | "se" | "si" | "sk" | "tr" | "ua" | "us" => (key_map, ""),
        _ => return None,
    })
}

/// Sets variables in lines `NAME=value`, where these stand or else at the end; all else stays.
fn set_variables(before: &str, variables: &BTreeMap<String, String>) -> String {
    let mut left = variables.clone();
    let mut lines = Vec::new();
    for line in before.lines() {
        let name = line.trim_start().split_once('=').map(|(name, _)| name);
        match name.filter(|name| variables.contains_key(*name)) {
            None => lines.push(line.to_owned()),
            // Of several lines for one, the last would win.
            Some(name) => lines.extend(left.remove(name).map(|v| format!("{name}={v}"))),
        }
    }
    lines.extend(left.iter().map(|(name, value)| format!("{name}={value}")));
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// Returns what a place says, for people: one line.
#[must_use]
pub(crate) fn show(form: &Form) -> String {
    match form {
        Form::Link(to) => to
            .split_once("zoneinfo/")
            .map_or(to.as_str(), |z| z.1)
            .to_owned(),
        Form::Text(text) => {
            let said = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
            text.lines().filter(said).collect::<Vec<_>>().join(", ")
        }
    }
}

/// Returns the line for `/etc/hosts` by which the host still finds itself, where the distribution has such a line for its
/// old name.
#[must_use]
pub(crate) fn own_line(name: &str, hosts: &str) -> Option<String> {
    let words = |line: &str| -> Vec<String> {
        let line = line.split('#').next().unwrap_or_default();
        line.split_whitespace().map(str::to_owned).collect()
    };
    let own: Vec<Vec<String>> = hosts
        .lines()
        .map(words)
        .filter(|w| w.first().is_some_and(|address| address == "127.0.1.1"))
        .collect();
    let is_named = own.iter().any(|w| w.iter().skip(1).any(|n| n == name));
    (!own.is_empty() && !is_named).then(|| format!("127.0.1.1 {name}\n"))
}

/// Finds what can't stand in the files that have it: what is no name, no zone, no plain word.
pub(crate) fn check(wanted: &Basics) -> Vec<(&'static str, String)> {
    let inside = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let is_name = |name: &str| {
        let ends = name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && name.ends_with(|c: char| c.is_ascii_alphanumeric());
        ends && name.len() <= 63 && name.chars().all(inside)
    };
    let is_zone = |zone: &str| {
        let part = |p: &str| !p.is_empty() && p.chars().all(|c| inside(c) || c == '+');
        zone.split('/').all(part)
    };
    let is_word =
        |word: &str| !word.is_empty() && word.chars().all(|c| inside(c) || ".@:,/+".contains(c));
    let is_variable = |(name, value): (&String, &String)| {
        !name.is_empty()
            && name.chars().all(|c| c.is_ascii_uppercase() || c == '_')
            && is_word(value)
    };
    let mut wrong = Vec::new();
    for (option, value, is_right) in [
        (
            "networking.hostName",
            &wanted.host_name,
            &is_name as &dyn Fn(&str) -> bool,
        ),
        ("time.timeZone", &wanted.time_zone, &is_zone),
        ("console.keyMap", &wanted.key_map, &is_word),
    ] {
        if let Some(value) = value.as_ref().filter(|value| !is_right(value)) {
            wrong.push((option, value.clone()));
        }
    }
    for (name, value) in wanted.locale.iter().filter(|l| !is_variable(*l)) {
        wrong.push(("i18n.defaultLocale", format!("{name}={value}")));
    }
    wrong
}

/// Returns the locales that are wanted and not among those of the host, which may be spelled otherwise there.
#[must_use]
pub(crate) fn missing_locales(wanted: &Basics, there: &[String]) -> Vec<String> {
    let plain = |name: &str| name.to_lowercase().replace("utf-8", "utf8");
    let known = |name: &str| there.iter().any(|t| plain(t) == plain(name));
    let mut missing: Vec<String> = wanted
        .locale
        .iter()
        // A list of languages, which are no locales.
        .filter(|(name, value)| *name != "LANGUAGE" && !known(value))
        .map(|(_, value)| value.clone())
        .collect();
    missing.sort();
    missing.dedup();
    missing
}
