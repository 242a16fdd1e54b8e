//! Packages of the distribution that a configuration relies on: what is missing, the command that installs it, and its way back.
//!
//! Nothing is installed unasked. What is removed is what was recorded and nothing depends on: dpkg and rpm refuse the rest by
//! themselves, where apt and dnf would take it along.
#![expect(clippy::disallowed_methods, reason = "waits for a lock")]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::activation::observe;
use crate::host::fs::Root;
use crate::host::process::{Command, Output};
use crate::model::manifest::{HostRequirement, Manifest};
use crate::store::installed::Installed;

/// How soon to look again whether a lock is free.
const PAUSE: Duration = Duration::from_secs(1);

/// What dnf exits with when another one runs, as it is asked to.
const DNF_IS_LOCKED: i32 = 200;

/// How many of its last lines are told of a package manager that fails.
const LAST_LINES: usize = 8;

/// A package manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Manager {
    /// Debian's.
    AptGet,
    /// Fedora's.
    Dnf,
}

/// What is to be installed first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Install {
    /// By whom.
    pub manager: Manager,
    /// The packages.
    pub packages: BTreeSet<String>,
    /// The programs that are missing for want of them.
    pub programs: BTreeSet<String>,
}

impl Manager {
    /// Returns the package manager of a family of distributions, where it is known here.
    #[must_use]
    pub(crate) fn of(family: &str) -> Option<Self> {
        match family {
            "debian" => Some(Self::AptGet),
            "fedora" => Some(Self::Dnf),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::AptGet => "apt-get",
            Self::Dnf => "dnf",
        }
    }

    /// Returns the command that installs packages.
    #[must_use]
    pub(crate) fn command<'a>(self, packages: impl IntoIterator<Item = &'a str>) -> String {
        let packages: Vec<&str> = packages.into_iter().collect();
        format!("{} install {}", self.name(), packages.join(" "))
    }

    /// Installs packages, waiting no longer than `limit` for another run of the package manager to end.
    fn install(self, packages: &BTreeSet<String>, limit: Duration) -> Result<()> {
        let names = || packages.iter().cloned();
        let output = match self {
            Self::AptGet => Command::new("apt-get")
                .env("DEBIAN_FRONTEND", "noninteractive")
                .args(["-o", &format!("DPkg::Lock::Timeout={}", limit.as_secs())])
                .args(["-o", "Dpkg::Options::=--force-confdef"])
                .args(["-o", "Dpkg::Options::=--force-confold"])
                .args(["install", "--yes", "--"])
                .args(names())
                .output()?,
            Self::Dnf => unlocked(limit, || {
                let command =
                    Command::new("dnf").args(["--setopt=exit_on_lock=True", "--assumeyes"]);
                command.arg("install").args(names()).output()
            })?,
        };
        succeeded(self.name(), &output)
    }

    /// Returns the package that is Nix.
    fn nix(self) -> &'static str {
        match self {
            Self::AptGet => "nix-bin",
            Self::Dnf => "nix",
        }
    }

    /// Returns what would come with packages; only themselves where the package manager does not say.
    fn coming(self, packages: &BTreeSet<String>) -> Result<BTreeSet<String>> {
        if self == Self::Dnf {
            return Ok(packages.clone());
        }
        let output = Command::new("apt-get")
            .args(["--simulate", "install", "--"])
            .args(packages.iter().cloned())
            .output()?;
        succeeded(self.name(), &output)?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let new = text.lines().filter_map(|line| line.strip_prefix("Inst "));
        let names = new.filter_map(|line| line.split_whitespace().next());
        Ok(names.map(str::to_owned).collect())
    }

    /// Removes packages with their configuration, if nothing else depends on them; `only_say` finds out whether that is so.
    fn purge(self, packages: &BTreeSet<String>, limit: Duration, only_say: bool) -> Result<()> {
        let (program, arguments) = match (self, only_say) {
            (Self::AptGet, true) => ("dpkg", ["--simulate", "--purge"].as_slice()),
            (Self::AptGet, false) => ("dpkg", ["--purge"].as_slice()),
            (Self::Dnf, true) => ("rpm", ["--erase", "--test"].as_slice()),
            (Self::Dnf, false) => ("rpm", ["--erase"].as_slice()),
        };
        let output = unlocked(limit, || {
            Command::new(program)
                .env("DEBIAN_FRONTEND", "noninteractive")
                .args(arguments.iter().copied())
                .args(packages.iter().cloned())
                .output()
        })?;
        succeeded(program, &output)
    }

    /// Lists what is installed.
    fn installed(self) -> Result<BTreeSet<String>> {
        let (program, arguments) = match self {
            Self::AptGet => (
                "dpkg-query",
                ["--show", "--showformat=${db:Status-Status} ${Package}\\n"].as_slice(),
            ),
            Self::Dnf => (
                "rpm",
                ["--query", "--all", "--queryformat=installed %{NAME}\\n"].as_slice(),
            ),
        };
        let output = Command::new(program)
            .args(arguments.iter().copied())
            .output()?;
        succeeded(program, &output)?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let names = text.lines().filter_map(|l| l.strip_prefix("installed "));
        Ok(names.map(str::to_owned).collect())
    }
}

impl Install {
    /// Returns what a host lacks of what a manifest relies on.
    ///
    /// # Errors
    /// When it can't be told whether something is there.
    pub(crate) fn missing(
        root: &Root,
        manifest: Option<&Manifest>,
        family: &str,
    ) -> Result<Option<Self>> {
        let missing = manifest.map(|manifest| observe::missing(root, manifest));
        Ok(Self::of(missing.transpose()?.unwrap_or_default(), family))
    }

    /// Returns what these requirements come to; none where nothing is missing, or no package is known that has it.
    #[must_use]
    pub(crate) fn of<'a>(
        missing: impl IntoIterator<Item = &'a HostRequirement>,
        family: &str,
    ) -> Option<Self> {
        let mut install = Self {
            manager: Manager::of(family)?,
            packages: BTreeSet::new(),
            programs: BTreeSet::new(),
        };
        for requirement in missing {
            let Some(packages) = requirement.install.get(family) else {
                continue;
            };
            if packages.split_whitespace().all(is_name) {
                let names = packages.split_whitespace().map(str::to_owned);
                install.packages.extend(names);
                install.programs.insert(requirement.path.to_string());
            }
        }
        (!install.packages.is_empty()).then_some(install)
    }

    /// Returns what brings Nix to a host.
    ///
    /// # Errors
    /// When no package is known that has it.
    pub(crate) fn nix(family: &str) -> Result<Self> {
        let Some(manager) = Manager::of(family) else {
            bail!(
                "no package of this distribution is known that has Nix\nhint: install it as https://nixos.org/download says; a host that others build for needs none"
            );
        };
        Ok(Self {
            manager,
            packages: [manager.nix().to_owned()].into(),
            programs: BTreeSet::new(),
        })
    }

    /// Returns all packages that would come.
    ///
    /// # Errors
    /// When the package manager can't say.
    pub(crate) fn coming(&self) -> Result<BTreeSet<String>> {
        self.manager.coming(&self.packages)
    }

    /// Returns the command that a person would give.
    #[must_use]
    pub fn command(&self) -> String {
        self.manager
            .command(self.packages.iter().map(String::as_str))
    }

    /// Installs it, and remembers what came.
    ///
    /// # Errors
    /// When it can't be installed; what has come all the same is remembered.
    pub(crate) fn run(&self, root: &Root, limit: Duration) -> Result<BTreeSet<String>> {
        let before = self.manager.installed()?;
        let mut record = Installed::read(root)?;
        record.keep_only(&before);
        let asked = self.packages.iter().filter(|name| !before.contains(*name));
        record.asked.extend(asked.cloned());
        record.write(root)?;
        let ended = self.manager.install(&self.packages, limit);
        let after = self.manager.installed()?;
        let new: BTreeSet<String> = after.difference(&before).cloned().collect();
        let along = new.iter().filter(|name| !record.asked.contains(*name));
        record.along.extend(along.cloned());
        record.keep_only(&after);
        record.write(root)?;
        ended.map(|()| new)
    }
}

/// Returns what switches have installed here and is still there.
///
/// # Errors
/// When the record or the package manager can't be read.
pub(crate) fn read_installed(root: &Root, family: &str) -> Result<Installed> {
    let mut record = Installed::read(root)?;
    if let Some(manager) = Manager::of(family).filter(|_| record.all().next().is_some()) {
        record.keep_only(&manager.installed()?);
    }
    Ok(record)
}

/// Removes what switches have installed, as far as nothing else depends on it, and returns it.
///
/// # Errors
/// When something depends on what was asked for, or the package manager fails.
pub(crate) fn purge(root: &Root, family: &str, limit: Duration) -> Result<BTreeSet<String>> {
    let mut record = read_installed(root, family)?;
    let (Some(manager), Some(_)) = (Manager::of(family), record.all().next()) else {
        record.write(root)?;
        return Ok(BTreeSet::new());
    };
    let mut packages: BTreeSet<String> = record.all().cloned().collect();
    // What came along may serve others by now.
    if manager.purge(&packages, limit, true).is_err() && !record.asked.is_empty() {
        packages.clone_from(&record.asked);
        manager.purge(&packages, limit, true)?;
    }
    let ended = manager.purge(&packages, limit, false);
    record.keep_only(&manager.installed()?);
    if ended.is_ok() {
        // What stays serves others, and is theirs.
        record = Installed::default();
    }
    record.write(root)?;
    ended.map(|()| packages)
}

/// Whether a text can only be the name of a package.
fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "+-._:".contains(c))
}

/// Runs a package manager until no other one holds its lock, or the time is over.
fn unlocked(limit: Duration, run: impl Fn() -> Result<Output>) -> Result<Output> {
    let begun = Instant::now();
    loop {
        let output = run()?;
        let said = String::from_utf8_lossy(&output.stderr);
        let is_locked =
            output.code == Some(DNF_IS_LOCKED) || (output.code != Some(0) && said.contains("lock"));
        if !is_locked || begun.elapsed() >= limit {
            return Ok(output);
        }
        std::thread::sleep(PAUSE);
    }
}

fn succeeded(program: &str, output: &Output) -> Result<()> {
    if output.code == Some(0) {
        return Ok(());
    }
    let text = [output.stdout.as_slice(), &output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let rows: Vec<&str> = text.lines().filter(|row| !row.trim().is_empty()).collect();
    let rows = rows[rows.len().saturating_sub(LAST_LINES)..].join("\n  ");
    if rows.is_empty() {
        bail!("`{program}` failed");
    }
    Err(anyhow!("`{program}` failed:\n  {rows}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requirement(path: &str, debian: &str) -> HostRequirement {
        HostRequirement {
            path: path.parse().unwrap(),
            package: "x".to_owned(),
            install: [("debian".to_owned(), debian.to_owned())].into(),
        }
    }

    #[test]
    fn one_command_installs_all_that_is_missing() {
        let missing = [
            requirement("/usr/sbin/nginx", "nginx-light"),
            requirement("/usr/bin/psql", "postgresql postgresql-client"),
            requirement("/usr/bin/odd", "--purge x"),
        ];
        let install = Install::of(&missing, "debian").unwrap();
        assert_eq!(
            install.command(),
            "apt-get install nginx-light postgresql postgresql-client"
        );
        assert!(!install.programs.contains("/usr/bin/odd"), "no name");
        assert_eq!(Install::of(&missing, "fedora"), None, "no package is known");
        assert_eq!(Install::of(&missing, "arch"), None, "nor is the manager");
        assert_eq!(Install::of(&[], "debian"), None);
    }

    #[test]
    fn a_lock_is_waited_for_no_longer_than_that() {
        let locked = || {
            Ok(Output {
                code: Some(2),
                stdout: Vec::new(),
                stderr: b"dpkg frontend lock is locked by another process".to_vec(),
            })
        };
        let output = unlocked(Duration::ZERO, locked).unwrap();
        let error = succeeded("dpkg", &output).unwrap_err().to_string();
        assert!(
            error.starts_with("`dpkg` failed:\n  dpkg frontend lock"),
            "{error}"
        );
    }
}
