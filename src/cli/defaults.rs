//! Flags that are set once for all: in a configuration file, and in the environment.
//!
//! Each is put on the command line, unless it is there already or goes with nothing that is: so there is one meaning of
//! each, and one check.
#![expect(
    clippy::disallowed_methods,
    reason = "the door reads the files and variables that set flags"
)]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Command, CommandFactory};

use crate::activation::admission;
use crate::cli::args::Cli;
use crate::cli::print::tell;
use crate::store::pending;

/// The file of the host.
const HOST_FILE: &str = "/etc/system-manager.toml";

/// How variables that set flags begin; the flag follows, in capital letters and with `_` for `-`.
const PREFIX: &str = "SYSTEM_MANAGER_";

/// Variables that begin so and set no flag.
const OTHERS: [&str; 3] = ["SYSTEM_MANAGER_SOURCE", pending::RUN, admission::CAME];

/// The values of a flag: one, several where it may be repeated, or none where it takes none.
type Values = Vec<String>;

/// Flags with their values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Settings {
    /// For each command that has them.
    all: BTreeMap<String, Values>,
    /// For one command.
    of: BTreeMap<String, BTreeMap<String, Values>>,
}

/// Adds what files and the environment set to a command line.
///
/// # Errors
/// When a file can't be read, or sets what no command has.
pub(crate) fn add(arguments: Vec<OsString>) -> Result<Vec<OsString>> {
    let mut sources = Vec::new();
    for path in files() {
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
            Err(e) => return Err(e).with_context(|| format!("reading {}", path.display())),
        };
        let read = parse(&text).and_then(|settings| check(settings, &Cli::command()));
        sources.push(read.with_context(|| format!("reading {}", path.display()))?);
    }
    let set = from_environment(std::env::vars_os());
    for variable in unknown(&set) {
        tell(&format!(
            "warning: the variable {variable} sets no flag of any command, and has no effect\n"
        ));
    }
    sources.push(set);
    // The last one said stands: the environment, then the user's file, then the host's.
    Ok(sources.iter().rev().fold(arguments, |line, settings| {
        extend(line, settings, Cli::command)
    }))
}

fn files() -> Vec<PathBuf> {
    let config = std::env::var_os("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|h| Path::new(&h).join(".config")));
    let user = config.map(|c| c.join("system-manager/config.toml"));
    [Some(PathBuf::from(HOST_FILE)), user]
        .into_iter()
        .flatten()
        .collect()
}

/// Reads a file: flags at its top are for all commands, a table is for the command of its name. Pure.
fn parse(text: &str) -> Result<Settings> {
    let table: toml::Table = text.parse()?;
    let mut settings = Settings::default();
    for (name, value) in &table {
        match value {
            toml::Value::Table(table) => {
                let flags = table
                    .iter()
                    .map(|(flag, v)| Ok((flag.clone(), values(flag, v)?)));
                settings
                    .of
                    .insert(name.clone(), flags.collect::<Result<_>>()?);
            }
            value => {
                settings.all.insert(name.clone(), values(name, value)?);
            }
        }
    }
    // `false` sets nothing.
    settings.all.retain(|_, values| *values != ["false"]);
    for flags in settings.of.values_mut() {
        flags.retain(|_, values| *values != ["false"]);
    }
    Ok(settings)
}

fn values(flag: &str, value: &toml::Value) -> Result<Values> {
    Ok(match value {
        toml::Value::String(text) => vec![text.clone()],
        toml::Value::Integer(number) => vec![number.to_string()],
        toml::Value::Boolean(true) => Vec::new(),
        toml::Value::Boolean(false) => vec!["false".to_owned()],
        toml::Value::Array(all) => {
            let all: Result<Vec<Values>> = all.iter().map(|v| values(flag, v)).collect();
            all?.concat()
        }
        _ => bail!("`{flag}` must be a string, a number, true or false, or a list of strings"),
    })
}

/// Refuses what no command has.
fn check(settings: Settings, cli: &Command) -> Result<Settings> {
    let commands: Vec<&Command> = cli.get_subcommands().collect();
    let has = |command: &Command, flag: &str| find(command, flag).is_some();
    for flag in settings.all.keys() {
        if !has(cli, flag) && !commands.iter().any(|c| has(c, flag)) {
            bail!(
                "no command has the flag `--{flag}`\nhint: `system-manager help COMMAND` lists the flags of a command"
            );
        }
    }
    for (name, flags) in &settings.of {
        let Some(command) = commands.iter().find(|c| c.get_name() == name) else {
            bail!(
                "there is no command `{name}`, and a flag can't be a table\nhint: `system-manager --help` lists the commands"
            );
        };
        if let Some(flag) = flags
            .keys()
            .find(|flag| !has(command, flag) && !has(cli, flag))
        {
            bail!(
                "`system-manager {name}` has no flag `--{flag}`\nhint: `system-manager help {name}` lists them"
            );
        }
    }
    Ok(settings)
}

fn find<'a>(command: &'a Command, flag: &str) -> Option<&'a clap::Arg> {
    command.get_arguments().find(|a| a.get_long() == Some(flag))
}

/// Reads the environment.
fn from_environment(variables: impl Iterator<Item = (OsString, OsString)>) -> Settings {
    let set = variables.filter_map(|(name, value)| {
        let (name, value) = (name.into_string().ok()?, value.into_string().ok()?);
        let flag = name
            .strip_prefix(PREFIX)
            .filter(|_| !OTHERS.contains(&name.as_str()))?;
        let values = match value.as_str() {
            "" | "0" | "false" | "no" => return None,
            "1" | "true" | "yes" => Vec::new(),
            text => vec![text.to_owned()],
        };
        Some((flag.to_lowercase().replace('_', "-"), values))
    });
    Settings {
        all: set.collect(),
        of: BTreeMap::new(),
    }
}

/// Returns the variables that set what no command has. Pure.
fn unknown(set: &Settings) -> Vec<String> {
    if set.all.is_empty() {
        return Vec::new();
    }
    let cli = Cli::command();
    let has = |flag: &str| {
        let mut commands = cli.get_subcommands().chain([&cli]);
        commands.any(|command| find(command, flag).is_some())
    };
    let unknown = set.all.keys().filter(|flag| !has(flag));
    let names = unknown.map(|flag| format!("{PREFIX}{}", flag.to_uppercase().replace('-', "_")));
    names.collect()
}

/// Adds to a command line the flags that its command has and that are not on it. Pure.
fn extend(line: Vec<OsString>, settings: &Settings, cli: impl Fn() -> Command) -> Vec<OsString> {
    if *settings == Settings::default() {
        return line;
    }
    // What is wrong by itself is told when it is parsed in the end.
    let Ok(matches) = cli().try_get_matches_from(&line) else {
        return line;
    };
    let mut command = cli();
    command.build();
    let (mut inner, mut at) = (&command, &matches);
    while let Some((name, below)) = at.subcommand() {
        let Some(next) = inner.find_subcommand(name) else {
            break;
        };
        (inner, at) = (next, below);
    }
    let own = settings.of.get(inner.get_name()).into_iter().flatten();
    let mut line = line;
    for (flag, values) in own.chain(&settings.all) {
        let Some(argument) = find(inner, flag) else {
            continue;
        };
        let given = at.value_source(argument.get_id().as_str());
        if given == Some(ValueSource::CommandLine) {
            continue;
        }
        let longer = with_flag(&line, argument, flag, values);
        match cli().try_get_matches_from(&longer) {
            // It goes with something else that was said.
            Err(e) if e.kind() == ErrorKind::ArgumentConflict => {}
            _ => line = longer,
        }
    }
    line
}

fn with_flag(
    line: &[OsString],
    argument: &clap::Arg,
    flag: &str,
    values: &Values,
) -> Vec<OsString> {
    let takes_value = argument.get_action().takes_values();
    // Before what follows `--`, if anything does.
    let end = line
        .iter()
        .position(|word| word == "--")
        .unwrap_or(line.len());
    let mut longer = line[..end].to_vec();
    if takes_value && values.is_empty() {
        longer.push(format!("--{flag}=true").into());
    } else if takes_value && argument.get_num_args().is_some_and(|n| n.min_values() > 1) {
        longer.push(format!("--{flag}").into());
        longer.extend(values.iter().map(OsString::from));
    } else if takes_value {
        longer.extend(values.iter().map(|v| format!("--{flag}={v}").into()));
    } else {
        longer.push(format!("--{flag}").into());
    }
    longer.extend_from_slice(&line[end..]);
    longer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Vec<OsString> {
        text.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn flags_are_added_where_they_fit_and_are_not_said() {
        let text = "nixpkgs = \"/n\"\nwait = true\nstrict = false\nssh-option = [\"A\", \"B\"]\n[switch]\nunit-timeout = 7\n[plan]\nstrict = true\n";
        let settings = check(parse(text).unwrap(), &Cli::command()).unwrap();
        for (given, expected) in [
            (
                "sm switch a.nix",
                "sm switch a.nix --unit-timeout=7 --nixpkgs=/n --ssh-option=A --ssh-option=B --wait",
            ),
            (
                "sm switch a.nix --nixpkgs embedded --unit-timeout 1",
                "sm switch a.nix --nixpkgs embedded --unit-timeout 1 --ssh-option=A --ssh-option=B --wait",
            ),
            (
                "sm plan --deactivate",
                "sm plan --deactivate --strict --ssh-option=A --ssh-option=B",
            ),
            ("sm no-such-command", "sm no-such-command"),
            (
                "sm generations delete 1",
                "sm generations delete 1 --ssh-option=A --ssh-option=B",
            ),
        ] {
            assert_eq!(
                extend(line(given), &settings, Cli::command),
                line(expected),
                "{given}"
            );
        }
    }

    #[test]
    fn what_nothing_has_is_refused() {
        for (text, why) in [
            ("nixpkg = \"/n\"", "no command has the flag `--nixpkg`"),
            ("[swich]\nwait = true", "there is no command `swich`"),
            (
                "[status]\nwait = true",
                "`system-manager status` has no flag `--wait`",
            ),
            ("wait = 1.5", "must be a string"),
            ("wait =", ""),
        ] {
            let read = parse(text).and_then(|s| check(s, &Cli::command()));
            let error = format!("{:#}", read.unwrap_err());
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn variables_set_flags() {
        let set = [
            ("SYSTEM_MANAGER_UNIT_TIMEOUT", "9"),
            ("SYSTEM_MANAGER_WAIT", "yes"),
            ("SYSTEM_MANAGER_STRICT", "0"),
            ("SYSTEM_MANAGER_SOURCE", "/src"),
            ("SYSTEM_MANAGER_UNKNOWN", "x"),
            ("WAIT", "1"),
        ];
        let settings = from_environment(set.map(|(n, v)| (n.into(), v.into())).into_iter());
        assert_eq!(
            extend(line("sm activate"), &settings, Cli::command),
            line("sm activate --unit-timeout=9 --wait")
        );
        assert_eq!(unknown(&settings), ["SYSTEM_MANAGER_UNKNOWN"]);
        assert_eq!(unknown(&Settings::default()), [""; 0]);
    }
}
