//! Reads what the decision about tmpfiles rules needs, and does what systemd-tmpfiles would not: undoing.
#![expect(
    clippy::disallowed_methods,
    reason = "reads rules and what specifiers stand for"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result};
use nix::errno::Errno;

use crate::files::record::FilesRecord;
use crate::files::wanted::Desired;
use crate::host::fs::{Root, read_source};
use crate::host::process::{Command, show_code};
use crate::model::names::{AbsolutePath, TargetPath};
use crate::model::node::{EMPTY, Kind, Node, Object};
use crate::model::owners::Owners;
use crate::tmpfiles::decide::{
    Facts, RulesFile, Source, TmpfilesPlan, Undo, plan_tmpfiles, verify,
};
use crate::tmpfiles::line::{Parsed, parse_line};
use crate::tmpfiles::record::{Applied, TmpfilesRecord};
use crate::tmpfiles::tree::Host;
use crate::tmpfiles::words::Specifiers;

const FOLDER: &str = "tmpfiles.d";

/// Says whether a target below `/etc` is a file of rules.
#[must_use]
pub(crate) fn is_rules(target: &TargetPath) -> bool {
    target
        .as_str()
        .strip_prefix(FOLDER)
        .and_then(|rest| rest.strip_prefix('/'))
        .is_some_and(|name| !name.contains('/') && is_conf(name))
}

fn is_conf(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|e| e == "conf")
}

/// Reads the files of rules that are wanted.
///
/// # Errors
/// When one can't be read.
pub(crate) fn read_ours(desired: &Desired) -> Result<Vec<RulesFile>> {
    let wanted = desired.iter().filter(|(target, _)| is_rules(target));
    wanted
        .map(|(target, want)| {
            let content = read_source(&want.source).with_context(|| {
                format!(
                    "reading {}, the source of /etc/{target}\nhint: it must exist when it is activated; build the configuration or copy its closure again",
                    want.source
                )
            })?;
            Ok(RulesFile {
                name: target.file_name().to_owned(),
                path: want.source.parse().context("reading the tmpfiles rules")?,
                content,
            })
        })
        .collect()
}

/// Reads the files of rules that are in place, by the record; what is gone from the store has no rules.
///
/// # Errors
/// When one can't be read.
pub(crate) fn read_placed(record: &FilesRecord) -> Result<Vec<RulesFile>> {
    let placed = record.entries.iter().filter(|(target, _)| is_rules(target));
    let mut files = Vec::new();
    for (target, source) in placed.filter_map(|(target, file)| Some((target, file.source()?))) {
        let content = match read_source(source) {
            Err(e) if e.downcast_ref() == Some(&Errno::ENOENT) => continue,
            other => other.with_context(|| format!("reading {source}"))?,
        };
        files.push(RulesFile {
            name: target.file_name().to_owned(),
            path: source.parse().context("reading the tmpfiles rules")?,
            content,
        });
    }
    Ok(files)
}

/// Finds what stands no more as rules of ours have made it, in sentences.
///
/// # Errors
/// When a rule or what it is about can't be read.
pub(crate) fn read_drift(
    root: &Root,
    record: &FilesRecord,
    recorded: &TmpfilesRecord,
    owners: &Owners,
) -> Result<Vec<String>> {
    let ours = read_placed(record)?;
    if ours.is_empty() {
        return Ok(Vec::new());
    }
    let (plan, _) = plan_tmpfiles(&Facts {
        ours: &ours,
        foreign: &read_foreign(root, &Desired::new(), record)?,
        recorded,
        specifiers: &read_specifiers(root)?,
        owners,
        host: root,
    })?;
    let drift = plan.changes.iter().filter_map(|change| {
        let (rule, after) = (change.rule.as_ref()?, change.after.as_ref()?);
        let now = change.before.as_ref().map_or("is gone".to_owned(), |o| format!("is {}", o.text()));
        let Source { file, line, .. } = rule;
        let after = after.text();
        Some(format!(
            "{} {now}, although {file}:{line} says {after}; `systemd-tmpfiles --create /etc/{FOLDER}/{file}` repairs it",
            change.path
        ))
    });
    Ok(drift.collect())
}

/// Reads the files of rules that are not ours: of one name, that in /etc counts before /run, and /run before /usr.
///
/// # Errors
/// When one can't be read.
pub(crate) fn read_foreign(
    root: &Root,
    desired: &Desired,
    record: &FilesRecord,
) -> Result<Vec<RulesFile>> {
    let mut files = BTreeMap::new();
    for place in ["etc", "run", "usr/local/lib", "usr/lib"] {
        let folder = Path::new(place).join(FOLDER);
        for name in root.list(&folder)? {
            if !is_conf(&name) || files.contains_key(&name) {
                continue;
            }
            let target: TargetPath = format!("{FOLDER}/{name}").parse()?;
            if place == "etc"
                && (desired.contains_key(&target) || record.entries.contains_key(&target))
            {
                continue;
            }
            let path = folder.join(&name);
            // A link, such as the one to /dev/null that masks a file, is followed by systemd; what it leads to may be
            // anywhere, so it only counts as the name that it takes.
            let content = match root.node(&path)? {
                Node::File { .. } => root.read(&path)?.unwrap_or_default(),
                _ => Vec::new(),
            };
            let path: AbsolutePath = format!("/{place}/{FOLDER}/{name}").parse()?;
            files.insert(
                name.clone(),
                RulesFile {
                    name,
                    path,
                    content,
                },
            );
        }
    }
    Ok(files.into_values().collect())
}

/// Reads what the specifiers stand for.
///
/// # Errors
/// When a file that says so is there and can't be read.
pub(crate) fn read_specifiers(root: &Root) -> Result<Specifiers> {
    let text = |path: &str| -> Result<Option<String>> {
        let bytes = root.read(Path::new(path))?;
        Ok(bytes.map(|b| String::from_utf8_lossy(&b).trim().to_owned()))
    };
    let release = match root.node(Path::new("etc/os-release"))? {
        Node::File { .. } => text("etc/os-release")?,
        _ => text("usr/lib/os-release")?,
    };
    let release = |key: &str| {
        let lines = release.as_deref().unwrap_or_default().lines();
        let value = lines.filter_map(|line| line.strip_prefix(key)).next_back();
        Some(
            value
                .unwrap_or_default()
                .trim_matches(['"', '\''])
                .to_owned(),
        )
    };
    // A link is followed by systemd; where it leads to is not ours to say.
    let machine = match root.node(Path::new("etc/machine-id"))? {
        Node::File { .. } => text("etc/machine-id")?.filter(|id| id.len() == 32),
        _ => None,
    };
    let names = nix::sys::utsname::uname().context("asking for the kernel's name")?;
    let of = |name: &std::ffi::OsStr| Some(name.to_string_lossy().into_owned());
    let host = of(names.nodename());
    let short = host
        .as_deref()
        .and_then(|h| h.split('.').next())
        .map(str::to_owned);
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .context("reading the boot id, /proc/sys/kernel/random/boot_id")?;
    let fixed = |text: &str| Some(text.to_owned());
    Ok(Specifiers(BTreeMap::from([
        ('A', release("IMAGE_VERSION=")),
        ('b', Some(boot.trim().replace('-', ""))),
        ('B', release("BUILD_ID=")),
        ('C', fixed("/var/cache")),
        ('g', fixed("root")),
        ('G', fixed("0")),
        ('h', fixed("/root")),
        ('H', host),
        ('l', short),
        ('L', fixed("/var/log")),
        ('m', machine),
        ('M', release("IMAGE_ID=")),
        ('o', release("ID=")),
        ('S', fixed("/var/lib")),
        ('t', fixed("/run")),
        ('T', temporary("/tmp")),
        ('u', fixed("root")),
        ('U', fixed("0")),
        ('v', of(names.release())),
        ('V', temporary("/var/tmp")),
        ('w', release("VERSION_ID=")),
        ('W', release("VARIANT_ID=")),
    ])))
}

/// The folder for temporary files is not known here when the environment moves it.
fn temporary(usual: &str) -> Option<String> {
    let moved = ["TMPDIR", "TEMP", "TMP"]
        .iter()
        .any(|name| std::env::var_os(name).is_some());
    (!moved).then(|| usual.to_owned())
}

impl Host for Root {
    fn object(&self, path: &str) -> Result<Option<Object>> {
        self.object_at(below(path))
    }

    fn names(&self, path: &str) -> Result<Vec<String>> {
        self.list(below(path))
    }

    fn content(&self, path: &str) -> Result<Vec<u8>> {
        Ok(self.read(below(path))?.unwrap_or_default())
    }
}

fn below(path: &str) -> &Path {
    Path::new(path.trim_start_matches('/'))
}

/// Undoes what goes with its rule, applies the rules and compares. Returns what is not as planned.
///
/// # Errors
/// When systemd-tmpfiles can't be run, or a path can't be read.
pub fn apply(root: &Root, plan: &TmpfilesPlan) -> Result<Applied> {
    let mut applied = Applied::default();
    let problems = &mut applied.problems;
    for one in &plan.undo {
        tracing::info!("removing {}", one.path);
        // A mount point, for example, can't be removed; that is no reason to stop here.
        let problem = undo(root, one).unwrap_or_else(|error| Some(format!("{error:#}")));
        if let Some(problem) = problem {
            problems.push(problem);
            applied.left.insert(one.path.clone(), one.made.clone());
        }
    }
    root.sync()?;
    if !plan.files.is_empty() {
        create(root, plan, problems)?;
        root.forget_last();
    }
    problems.extend(verify(plan, root)?);
    Ok(applied)
}

fn create(root: &Root, plan: &TmpfilesPlan, problems: &mut Vec<String>) -> Result<()> {
    let none = BTreeSet::new();
    let mut rules = Vec::new();
    for file in &plan.files {
        let content = read_source(file.as_str()).with_context(|| format!("reading {file}"))?;
        let left_out = plan.left_out.get(file).unwrap_or(&none);
        for (n, line) in content.split(|c| *c == b'\n').enumerate() {
            if !left_out.contains(&(n + 1)) {
                rules.extend(line);
                rules.push(b'\n');
            }
        }
    }
    // `--remove` and `--clean` are never asked for: they empty folders that are in use.
    let mut command = Command::new("systemd-tmpfiles").args(["--create", "--exclude-prefix=/dev"]);
    if !root.is_live() {
        command = command.arg(format!("--root={}", root.show(Path::new("")).display()));
    }
    let output = command.arg("-").input(rules).output()?;
    let messages = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    if output.code != Some(0) {
        problems.push(format!(
            "systemd-tmpfiles: {}\n{messages}",
            show_code(output.code)
        ));
    } else if !messages.is_empty() {
        tracing::warn!("systemd-tmpfiles: {messages}");
    }
    Ok(())
}

/// Makes the folders below /run that the distribution's rules make at boot, where they are missing. systemd removes a
/// folder with the service that has it as its `RuntimeDirectory`, and one of the distribution may rely on a rule instead.
///
/// # Errors
/// When rules can't be read, or systemd-tmpfiles can't be run.
pub(crate) fn make_missing(root: &Root, record: &FilesRecord) -> Result<()> {
    let specifiers = read_specifiers(root)?;
    let mut missing = BTreeSet::new();
    for file in read_foreign(root, &Desired::new(), record)? {
        for line in file.content.split(|c| *c == b'\n') {
            let Parsed::Rule(rule) = parse_line(line, &specifiers) else {
                continue;
            };
            let is_folder = matches!(rule.letter, 'd' | 'D') && rule.path.starts_with("/run/");
            if is_folder && root.object_at(below(&rule.path))?.is_none() {
                missing.insert(rule.path);
            }
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let prefixes = missing.iter().map(|path| format!("--prefix={path}"));
    let output = Command::new("systemd-tmpfiles")
        .arg("--create")
        .args(prefixes)
        .output()?;
    root.forget_last();
    if output.code != Some(0) {
        tracing::warn!(
            "systemd-tmpfiles, for {missing:?}: {}\n{}",
            show_code(output.code),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(())
}

/// Removes what goes with its rule, if it is still what the rule made; gives a sentence when it is not.
///
/// # Errors
/// When it can't be removed.
fn undo(root: &Root, undo: &Undo) -> Result<Option<String>> {
    let path = below(&undo.path);
    let Some(now) = root.object_at(path)? else {
        return Ok(None);
    };
    let changed = || Ok(Some(format!("{} has changed and is left", undo.path)));
    match (&undo.made.kind, &now.kind) {
        (Kind::Folder, Kind::Folder) => {
            return if root.remove_folder(path)? {
                Ok(None)
            } else {
                changed()
            };
        }
        (Kind::File { .. }, Kind::File { content }) if content.as_deref() == Some(EMPTY) => {}
        // What has content by now is never removed.
        (Kind::File { .. }, Kind::File { .. }) => return changed(),
        (made, now) if made != now => return changed(),
        _ => {}
    }
    match &undo.made.replaced {
        Some(to) => root.write_link(path, to)?,
        None => root.remove_file(path)?,
    }
    Ok(None)
}
