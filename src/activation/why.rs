//! Who set what: reads the provenance that a toplevel carries, and says whose a file is that is not ours.
//!
//! The provenance is written by `modules/provenance.nix`. No activation reads it.
#![expect(
    clippy::disallowed_methods,
    reason = "reads what the toplevel says of who set what"
)]

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::activation::owner::read_owner;
use crate::activation::state::State;
use crate::basics::places;
use crate::host::fs::Root;
use crate::model::names::TargetPath;
use crate::model::style::Style;

/// The format's version.
const VERSION: u32 = 1;

/// The file's name in a toplevel.
const FILE: &str = "provenance.json";

/// Things of one kind, with the definitions behind each.
type Things = BTreeMap<String, Vec<Setting>>;

/// The definitions behind each thing that a configuration manages.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Provenance {
    version: u32,
    #[serde(flatten)]
    kinds: BTreeMap<String, Things>,
}

/// What a line of `/etc/hosts` is called.
const HOSTS_LINE: &str = "hosts line";

/// Where secrets are placed.
const SECRETS: &str = "/run/system-manager/secrets/";

/// The kinds of things, as the file has them and as people call them.
const KINDS: [(&str, &str); 14] = [
    ("files", "file"),
    ("units", "unit"),
    ("userUnits", "user unit"),
    ("users", "user"),
    ("groups", "group"),
    ("variables", "variable"),
    ("packages", "package"),
    ("rules", "tmpfiles rule"),
    ("basics", "host basics"),
    ("lines", HOSTS_LINE),
    ("blocks", "lines in"),
    ("scripts", "activation script"),
    ("secrets", "secret"),
    ("healthChecks", "health check"),
];

/// One definition of an option.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Setting {
    /// The option, dotted.
    pub option: String,
    /// The file that defines it.
    pub file: String,
    /// The line of the definition, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// The priority: 100 unless `mkForce` (50), `mkDefault` (1000) or `mkOverride` gave it another; the lowest wins.
    pub priority: u32,
    /// Whether a definition of a lower priority wins over it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub loses: bool,
}

/// What is known of one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Answer {
    /// What it is, such as `file` or `unit`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// The definitions behind it; none when it is not ours.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub settings: Vec<Setting>,
    /// Whose it is, when it is not ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
}

impl Answer {
    fn ours(kind: &'static str, name: &str, settings: &[Setting]) -> Self {
        let name = match kind {
            "file" | "lines in" => format!("/etc/{name}"),
            _ => name.to_owned(),
        };
        Self {
            kind,
            name,
            settings: settings.to_vec(),
            owner: None,
        }
    }
}

impl Provenance {
    /// Reads a toplevel's provenance; none when an older version built it.
    ///
    /// # Errors
    /// When it can't be read, or has another version's form.
    pub(crate) fn read(toplevel: &Path) -> Result<Option<Self>> {
        let path = toplevel.join(FILE);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e).with_context(|| format!("reading {}", path.display())),
        };
        Self::parse(&text)
            .with_context(|| format!("reading {}", path.display()))
            .map(Some)
    }

    fn parse(text: &str) -> Result<Self> {
        let parsed: Self = serde_json::from_str(text)?;
        anyhow::ensure!(
            parsed.version == VERSION,
            "its version is {}, but this program knows {VERSION}\nhint: use the toplevel's own bin/system-manager",
            parsed.version
        );
        let is_known = |kind: &&String| KINDS.iter().any(|(name, _)| name == kind);
        let unknown = parsed.kinds.keys().find(|kind| !is_known(kind));
        anyhow::ensure!(unknown.is_none(), "it has an unknown field {unknown:?}");
        Ok(parsed)
    }

    /// Returns all that is known of a name: a path, a unit, a user, a group, a variable, a package, or an option. Pure.
    #[must_use]
    pub(crate) fn explain(&self, name: &str) -> Vec<Answer> {
        let target = name.strip_prefix("/etc/");
        let unit = target.and_then(unit_of);
        let named = |kind: &str| match (kind, unit) {
            ("file", _) => target,
            ("lines in", _) => target,
            ("secret", _) => name.strip_prefix(SECRETS).or(Some(name)),
            ("host basics", _) => target.and_then(places::option_of),
            ("unit", Some(unit)) if !unit.of_users => Some(unit.name),
            ("user unit", Some(unit)) if unit.of_users => Some(unit.name),
            _ => Some(name),
        };
        let mut answers: Vec<Answer> = self
            .all()
            .filter_map(|(kind, things)| find(kind, things, named(kind)?))
            .collect();
        answers.extend(self.whose("rules", "tmpfiles rule", |rule| names_path(rule, name)));
        answers.extend(self.whose("lines", HOSTS_LINE, |line| {
            target == Some("hosts") || line.split_whitespace().any(|word| word == name)
        }));
        answers.extend(self.of_option(name));
        answers
    }

    /// Returns the names of all things and of the options behind them, each with what it is. Pure.
    fn names(&self) -> BTreeMap<String, &'static str> {
        let settings = self.all().flat_map(|(_, things)| things.values().flatten());
        let options = settings.map(|s| (s.option.clone(), "option"));
        let things = self.all().flat_map(|(kind, things)| {
            things.keys().filter_map(move |name| {
                let name = match kind {
                    "file" | "lines in" => format!("/etc/{name}"),
                    "tmpfiles rule" => name.split_whitespace().nth(1)?.to_owned(),
                    _ => name.clone(),
                };
                Some((name, kind))
            })
        });
        options.chain(things).collect()
    }

    /// The things of a kind whose names are of the right ones.
    fn whose<'a>(
        &'a self,
        field: &str,
        kind: &'static str,
        is: impl Fn(&str) -> bool + 'a,
    ) -> impl Iterator<Item = Answer> + 'a {
        let things = self.kinds.get(field).into_iter().flatten();
        let things = things.filter(move |(name, _)| is(name));
        things.map(move |(name, settings)| Answer::ours(kind, name, settings))
    }

    /// Returns all things, by what they are.
    fn all(&self) -> impl Iterator<Item = (&'static str, &Things)> {
        let kinds = KINDS.iter();
        kinds.filter_map(|(field, name)| Some((*name, self.kinds.get(*field)?)))
    }

    /// The definitions of an option, and of those below it.
    fn of_option(&self, name: &str) -> Option<Answer> {
        let inside = format!("{name}.");
        let all = self.all().flat_map(|(_, things)| things.values());
        let mut settings: Vec<Setting> = all
            .flatten()
            .filter(|s| s.option == name || s.option.starts_with(&inside))
            .cloned()
            .collect();
        settings.dedup();
        (!settings.is_empty()).then(|| Answer::ours("option", name, &settings))
    }
}

fn find(kind: &'static str, things: &Things, name: &str) -> Option<Answer> {
    let settings = things.get(name)?;
    Some(Answer::ours(kind, name, settings))
}

/// Whether a rule of tmpfiles.d(5) is about a path.
fn names_path(rule: &str, path: &str) -> bool {
    path.starts_with('/') && rule.split_whitespace().nth(1) == Some(path)
}

#[derive(Debug, Clone, Copy)]
struct UnitPath<'a> {
    name: &'a str,
    of_users: bool,
}

/// The unit that a file below `/etc/systemd` belongs to: its own file, a drop-in, or a link in a `.wants` folder.
fn unit_of(target: &str) -> Option<UnitPath<'_>> {
    let (rest, of_users) = match target.strip_prefix("systemd/system/") {
        Some(rest) => (rest, false),
        None => (target.strip_prefix("systemd/user/")?, true),
    };
    let name = match rest.split_once('/') {
        None => rest,
        Some((folder, file)) => folder.strip_suffix(".d").unwrap_or(file),
    };
    Some(UnitPath { name, of_users })
}

/// Explains a name on a host. Without an answer from the provenance, a path is looked up with the distribution.
///
/// # Errors
/// When the state, the provenance or the path can't be read.
pub(crate) fn read(root: &Root, state: &State, name: &str) -> Result<Vec<Answer>> {
    let toplevel = state.active.as_ref().map(|a| a.toplevel.clone());
    let provenance = match &toplevel {
        Some(toplevel) => Provenance::read(Path::new(toplevel.as_str()))?,
        None => None,
    };
    let answers = provenance
        .as_ref()
        .map_or_else(Vec::new, |p| p.explain(name));
    if !answers.is_empty() || !name.starts_with('/') {
        return Ok(answers);
    }
    let owner = if let Some(target) = name.strip_prefix("/etc/")
        && let Ok(target) = target.parse::<TargetPath>()
        && state.files.entries.contains_key(&target)
    {
        match provenance {
            Some(_) => "this program: a unit, an edge between units, or a package's file".to_owned(),
            None => "this program; the toplevel was built by an older version, which did not record what set it"
                .to_owned(),
        }
    } else {
        read_owner(root, name)?
    };
    Ok(vec![Answer {
        kind: "file",
        name: name.to_owned(),
        settings: Vec::new(),
        owner: Some(owner),
    }])
}

/// Returns the names that can be explained here, each with what it is.
///
/// # Errors
/// When the provenance can't be read.
pub(crate) fn names(state: &State) -> Result<Vec<(String, String)>> {
    let provenance = match &state.active {
        Some(active) => Provenance::read(Path::new(active.toplevel.as_str()))?,
        None => None,
    };
    let mut names = provenance
        .as_ref()
        .map_or_else(BTreeMap::new, Provenance::names);
    for target in state.files.entries.keys() {
        names.entry(format!("/etc/{target}")).or_insert("file");
    }
    Ok(names
        .into_iter()
        .map(|(name, kind)| (name, kind.to_owned()))
        .collect())
}

/// Renders answers for people. Pure.
#[must_use]
pub(crate) fn render(answers: &[Answer], style: Style) -> String {
    let mut text = String::new();
    for answer in answers {
        text.push_str(&format!("{} {}", answer.kind, answer.name));
        match &answer.owner {
            Some(owner) => text.push_str(&format!(": {owner}\n")),
            None => text.push('\n'),
        }
        for setting in &answer.settings {
            let line = setting.line.map_or_else(String::new, |l| format!(":{l}"));
            let note = match (setting.loses, setting.priority) {
                (true, priority) => format!("  (loses, priority {priority})"),
                (false, 100) => String::new(),
                (false, priority) => format!("  (priority {priority})"),
            };
            let place = style.link_to_file(&setting.file, &format!("{}{line}", setting.file));
            text.push_str(&format!("  {}  {place}{note}\n", setting.option));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    const TEXT: &str = r#"{"version":1,
      "files":{"motd":[
        {"option":"environment.etc.motd.mode","file":"/h/force.nix","line":2,"priority":50},
        {"option":"environment.etc.motd.mode","file":"/h/host.nix","line":3,"priority":100,"loses":true}]},
      "units":{"a.service":[{"option":"systemd.services.a.script","file":"/h/host.nix","line":5,"priority":100}]},
      "userUnits":{}, "groups":{}, "variables":{}, "packages":{},
      "users":{"a":[{"option":"users.users.a.isNormalUser","file":"/h/users.nix","priority":1000}]},
      "rules":{"d /srv/a 0755":[{"option":"systemd.tmpfiles.rules","file":"/h/host.nix","priority":100}]}}"#;

    fn explain(name: &str) -> String {
        render(
            &Provenance::parse(TEXT).unwrap().explain(name),
            Style::default(),
        )
    }

    #[test]
    fn says_who_set_a_file_and_what_lost() {
        expect![[r"
            file /etc/motd
              environment.etc.motd.mode  /h/force.nix:2  (priority 50)
              environment.etc.motd.mode  /h/host.nix:3  (loses, priority 100)
        "]]
        .assert_eq(&explain("/etc/motd"));
    }

    #[test]
    fn knows_units_by_name_by_file_by_drop_in_and_by_link() {
        let expected = explain("a.service");
        assert!(expected.contains("systemd.services.a.script  /h/host.nix:5"));
        for path in [
            "/etc/systemd/system/a.service",
            "/etc/systemd/system/a.service.d/overrides.conf",
            "/etc/systemd/system/multi-user.target.wants/a.service",
        ] {
            assert_eq!(explain(path), expected, "{path}");
        }
    }

    #[test]
    fn knows_accounts_rules_and_options() {
        for (name, part) in [
            (
                "a",
                "user a\n  users.users.a.isNormalUser  /h/users.nix  (priority 1000)",
            ),
            ("/srv/a", "tmpfiles rule d /srv/a 0755"),
            ("users.users.a", "option users.users.a"),
            (
                "systemd.services.a.script",
                "option systemd.services.a.script",
            ),
        ] {
            let text = explain(name);
            assert!(text.contains(part), "{name}: {text}");
        }
        assert_eq!(explain("users.users.b"), "");
    }

    #[test]
    fn another_versions_form_is_refused() {
        let newer = TEXT.replace(r#""version":1"#, r#""version":2"#);
        let error = Provenance::parse(&newer).unwrap_err().to_string();
        assert!(error.starts_with("its version is 2"), "{error}");
    }
}
