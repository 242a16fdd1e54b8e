//! What the words of completions are taken from: generations, what is managed, hosts, options. What can't be read is left
//! out: there is nobody to tell.
#![expect(
    clippy::disallowed_methods,
    reason = "the door reads what names hosts: lists, and what ssh knows"
)]

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::Parser;

use crate::activation::state::State;
use crate::activation::why;
use crate::cli::args::{Cli, Command};
use crate::cli::complete::{Candidate, Line};
use crate::cli::{commands, defaults};
use crate::host::fs::Root;
use crate::model::time::render_time;
use crate::nix::{self, BuildOptions, Source, option};
use crate::remote::target::parse_hosts;
use crate::store::generations;
use crate::store::history::History;

fn root(line: &Line<'_>) -> Option<Root> {
    let named = line.given.get("root").and_then(|all| all.last());
    let path = named.map_or(Path::new("/"), Path::new);
    Root::open(path, named.is_none()).ok()
}

fn plain(words: impl IntoIterator<Item = String>) -> Vec<Candidate> {
    let words: BTreeSet<String> = words.into_iter().collect();
    words
        .into_iter()
        .map(|word| (word, String::new()))
        .collect()
}

/// Returns the generations, newest first, with when they came and why.
pub(super) fn generations(line: &Line<'_>) -> Vec<Candidate> {
    let Some(root) = root(line) else {
        return Vec::new();
    };
    let all = generations::read(&root).unwrap_or_default();
    let history = History::read(&root);
    let told = all.iter().rev().map(|g| {
        let origin = history.origin(g.number, &g.toplevel);
        let message = origin.and_then(|o| o.message.clone()).unwrap_or_default();
        let current = if g.current { "current " } else { "" };
        let what = format!("{} {current}{message}", render_time(g.time));
        (g.number.to_string(), what.trim_end().to_owned())
    });
    told.collect()
}

/// Returns what `why` can be asked for.
pub(super) fn things(line: &Line<'_>) -> Vec<Candidate> {
    let read = || {
        let root = root(line)?;
        why::names(&State::read(&root).ok()?).ok()
    };
    read().unwrap_or_default()
}

/// Returns units, users and groups of the host.
pub(super) fn adoptable(line: &Line<'_>) -> Vec<Candidate> {
    let Some(root) = root(line) else {
        return Vec::new();
    };
    let units = root
        .list(Path::new("etc/systemd/system"))
        .unwrap_or_default();
    let units = units.into_iter().filter(|name| name.contains('.'));
    let named = ["etc/passwd", "etc/group"].into_iter().flat_map(|file| {
        let text = root
            .read(Path::new(file))
            .ok()
            .flatten()
            .unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        let names = text
            .lines()
            .filter_map(|l| Some(l.split_once(':')?.0.to_owned()));
        names.collect::<Vec<_>>()
    });
    plain(units.chain(named))
}

/// Returns the options of the configuration that the line names, or of the default one.
pub(super) fn options(line: &Line<'_>) -> Vec<Candidate> {
    let read = || {
        let words = ["system-manager".to_owned()]
            .into_iter()
            .chain(line.before.iter().cloned());
        let words = defaults::add(words.map(OsString::from).collect()).ok()?;
        let Command::Option(args) = Cli::try_parse_from(words).ok()?.command else {
            return None;
        };
        let (source, options) = commands::source(&args.source).ok()?;
        option::names(&source, &options).ok()
    };
    plain(read().unwrap_or_default())
}

/// Returns hosts: of the list that the line names, of ssh's own files, and of a flake in a folder.
pub(super) fn hosts(line: &Line<'_>) -> Vec<Candidate> {
    let read = |path: &Path| std::fs::read_to_string(path).unwrap_or_default();
    let mut hosts: Vec<Candidate> = Vec::new();
    let mut add = |names: Vec<String>, from: &str| {
        for name in names {
            if !hosts.iter().any(|(known, _)| *known == name) {
                hosts.push((name, from.to_owned()));
            }
        }
    };
    for list in line.given.get("hosts").into_iter().flatten() {
        let listed = parse_hosts(&read(Path::new(list))).unwrap_or_default();
        add(listed.iter().map(ToString::to_string).collect(), list);
    }
    let home = std::env::var_os("HOME")
        .map(PathBuf::from)
        .unwrap_or_default();
    let config = home.join(".ssh/config");
    for path in [config.as_path(), Path::new("/etc/ssh/ssh_config")] {
        add(configured(&read(path)), "ssh's configuration");
    }
    add(of_flake(line), "the flake");
    add(known(&read(&home.join(".ssh/known_hosts"))), "known hosts");
    hosts
}

/// The hosts of the flake that the line names or that is the default, if it is in a folder: others would be fetched.
fn of_flake(line: &Line<'_>) -> Vec<String> {
    let read = || {
        let named = line.given.get("flake").and_then(|all| all.last().cloned());
        let uri = match named {
            Some(uri) => uri,
            None => match Source::find().ok()? {
                Source::Flake(uri) => uri,
                Source::File(_) => return None,
            },
        };
        let folder = uri.split('#').next().unwrap_or_default();
        Path::new(folder).join("flake.nix").exists().then_some(())?;
        nix::hosts::list(folder, &BuildOptions::default()).ok()
    };
    read().unwrap_or_default().into_keys().collect()
}

/// Returns the hosts that a configuration of ssh names, but for patterns. Pure.
fn configured(text: &str) -> Vec<String> {
    let words = text.lines().filter_map(|row| {
        let (keyword, rest) = row.trim().split_once([' ', '\t', '='])?;
        keyword.eq_ignore_ascii_case("host").then_some(rest)
    });
    let names = words.flat_map(|rest| rest.split([' ', '\t', '=', ',']));
    let names = names.filter(|name| !name.is_empty() && !name.contains(['*', '?', '!', '"']));
    names.map(str::to_owned).collect()
}

/// Returns the hosts whose keys ssh knows by their names. Pure.
fn known(text: &str) -> Vec<String> {
    let rows = text.lines().filter(|row| !row.starts_with(['#', '|', '@']));
    let names = rows.filter_map(|row| row.split_whitespace().next());
    let names = names.flat_map(|names| names.split(','));
    names
        .filter(|name| !name.starts_with('['))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ssh_knows_hosts_by_name_and_by_key() {
        let config = "Host web db-1\n  HostName 10.0.0.1\nhost *.example !bad\nHOST=eq\n";
        assert_eq!(configured(config), ["web", "db-1", "eq"]);
        let keys = "|1|x|y ssh-ed25519 A\nweb,10.0.0.1 ssh-rsa B\n[h]:22 ssh-rsa C\n# x\n";
        assert_eq!(known(keys), ["web", "10.0.0.1"]);
    }
}
