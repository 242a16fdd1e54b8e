//! Asks Nix about one module at a time, each question in a process of its own: some errors of Nix can't be caught.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::reasons::parse_reason;
use super::units::{self, Texts};
use super::verdict::{Compared, Enabled, Findings, Step};
use crate::host::process::{Stop, TookTooLong};
use crate::model::json;
use crate::nix::{self, BuildOptions};

/// What is asked, and how long it may take.
#[derive(Clone)]
pub(super) struct Probe {
    nixpkgs: PathBuf,
    source: PathBuf,
    options: BuildOptions,
    limit: Duration,
    stop: Stop,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// Nix says so: it will say the same again.
    Says(String),
    /// Another time it may be different: it took too long, or was ended.
    Broke(String),
}

/// The modules of a nixpkgs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Index {
    /// The release that it says it is.
    pub release: String,
    /// Each module's file, below `nixos/modules`.
    pub modules: Vec<String>,
}

#[derive(Deserialize)]
struct All {
    declares: usize,
    defaults: Vec<String>,
    enabled: Enabled,
}

impl From<All> for Findings {
    fn from(all: All) -> Self {
        Self {
            declares: Some(all.declares),
            defaults: Some(all.defaults),
            errors: assertions(&all.enabled),
            enabled: Some(all.enabled),
        }
    }
}

#[derive(Deserialize)]
struct BothWays {
    ours: Texts,
    theirs: Texts,
    names: Vec<String>,
}

impl BothWays {
    fn compare(&self, base: &[String]) -> Compared {
        units::compare(&self.ours, &self.theirs, &self.names, base)
    }
}

/// NixOS knows no programs of a distribution.
const WITH_NIXPKGS: [&str; 3] = ["--arg", "hostPackages", "false"];

/// An answer, or why there is none.
pub(super) type Answer<T> = std::result::Result<T, Failure>;

impl Probe {
    /// Prepares to ask about a nixpkgs.
    ///
    /// # Errors
    /// When the program's Nix files can't be unpacked.
    pub(super) fn new(
        nixpkgs: &Path,
        options: BuildOptions,
        limit: Duration,
        stop: &Stop,
    ) -> Result<Self> {
        Ok(Self {
            nixpkgs: nixpkgs.to_owned(),
            source: nix::source_folder()?,
            options,
            limit,
            stop: stop.clone(),
        })
    }

    /// Says whether the user has interrupted it: what failed since then says nothing.
    #[must_use]
    pub(super) fn is_stopped(&self) -> bool {
        self.stop.is_stopped()
    }

    /// Evaluates an attribute of one of our files, with arguments for `nix-instantiate`. Nothing is written to the store.
    ///
    /// # Errors
    /// When Nix is not there, or gives what was not asked for.
    pub(super) fn ask<T: DeserializeOwned>(
        &self,
        file: &str,
        attribute: &str,
        arguments: &[&str],
    ) -> Result<Answer<T>> {
        let mut command = nix::evaluator(&self.options)
            .arg("-A")
            .arg(attribute)
            .arg(self.source.join(file))
            .args(["--argstr", "nixpkgs"])
            .arg(&self.nixpkgs)
            .args(arguments.iter().copied())
            .env("NIX_PATH", format!("nixpkgs={}", self.nixpkgs.display()));
        // The question is whether modules evaluate, not whether their packages are wanted.
        for kind in ["BROKEN", "INSECURE", "UNFREE"] {
            command = command.env(format!("NIXPKGS_ALLOW_{kind}"), "1");
        }
        let output = match command.limit(self.limit).until(&self.stop).output() {
            Ok(output) => output,
            Err(error) if error.is::<TookTooLong>() => {
                let text = format!("no result after {} s", self.limit.as_secs());
                return Ok(Err(Failure::Broke(text)));
            }
            Err(error) => return Err(error),
        };
        match output.code {
            Some(0) => json::from_bytes(&output.stdout)
                .map(Ok)
                .with_context(|| format!("reading Nix's result for `{attribute}`")),
            Some(_) => {
                let text = String::from_utf8_lossy(&output.stderr);
                let own = format!("{}/", self.nixpkgs.display());
                Ok(Err(Failure::Says(parse_reason(&text.replace(&own, "")))))
            }
            None => Ok(Err(Failure::Broke("Nix was killed by a signal".to_owned()))),
        }
    }

    fn ask_module<T: DeserializeOwned>(
        &self,
        attribute: &str,
        arguments: &[&str],
    ) -> Result<Answer<T>> {
        self.ask("nixos-compat/report/sweep/module.nix", attribute, arguments)
    }

    /// Lists the modules.
    ///
    /// # Errors
    /// When Nix is not there.
    pub(super) fn list(&self) -> Result<Answer<Index>> {
        self.ask_module("index", &[])
    }

    /// Lists the units of a NixOS without any module.
    ///
    /// # Errors
    /// When Nix is not there.
    pub(super) fn base(&self) -> Result<Answer<Vec<String>>> {
        self.ask_module("base", &[])
    }

    /// Tries a module; whether what failed would fail again is the second part.
    ///
    /// # Errors
    /// When Nix is not there.
    pub(super) fn try_module(&self, module: &str) -> Result<(Findings, bool)> {
        let arguments = ["--argstr", "module", module];
        // All at once is faster where nothing fails.
        if let Ok(all) = self.ask_module::<All>("all", &arguments)? {
            return Ok((all.into(), true));
        }
        let mut failures = Vec::new();
        let mut failed = |step, failure| failures.push((step, failure));
        let findings = Findings {
            declares: self
                .ask_module("declares", &arguments)?
                .map_err(|f| failed(Step::Declares, f))
                .ok(),
            defaults: self
                .ask_module("defaults", &arguments)?
                .map_err(|f| failed(Step::Defaults, f))
                .ok(),
            enabled: self
                .ask_module("enabled", &arguments)?
                .map_err(|f| failed(Step::Enabled, f))
                .ok(),
            ..Findings::default()
        };
        let mut errors = findings
            .enabled
            .as_ref()
            .map(assertions)
            .unwrap_or_default();
        let mut lasting = true;
        for (step, failure) in failures {
            lasting &= matches!(failure, Failure::Says(_));
            let (Failure::Says(text) | Failure::Broke(text)) = failure;
            errors.insert(step, text);
        }
        Ok((Findings { errors, ..findings }, lasting))
    }

    /// Looks at several modules at once, which spares to read the tree and the packages for each. Those whose answer
    /// is an error are left out: they are to be asked about by themselves.
    ///
    /// # Errors
    /// When Nix is not there.
    pub(super) fn try_together(&self, modules: &[String]) -> Result<BTreeMap<String, Findings>> {
        let found = self.ask_together::<All>("each.all", modules, &[])?;
        let findings = found.into_iter().map(|(name, all)| (name, all.into()));
        Ok(findings.collect())
    }

    /// Compares several modules at once, likewise.
    ///
    /// # Errors
    /// When Nix is not there.
    pub(super) fn compare_together(
        &self,
        modules: &[String],
        base: &[String],
    ) -> Result<BTreeMap<String, Compared>> {
        let found = self.ask_together::<BothWays>("each.compared", modules, &WITH_NIXPKGS)?;
        let compared = found
            .into_iter()
            .map(|(name, both)| (name, both.compare(base)));
        Ok(compared.collect())
    }

    /// Asks about all, and where that fails, about each half.
    fn ask_together<T: DeserializeOwned>(
        &self,
        attribute: &str,
        modules: &[String],
        arguments: &[&str],
    ) -> Result<BTreeMap<String, T>> {
        if modules.len() < 2 || self.is_stopped() {
            return Ok(BTreeMap::new());
        }
        let together = modules.join(" ");
        let all = [&["--argstr", "together", &together], arguments].concat();
        if let Ok(found) = self.ask_module(attribute, &all)? {
            return Ok(found);
        }
        let (first, second) = modules.split_at(modules.len() / 2);
        let mut found = self.ask_together(attribute, first, arguments)?;
        found.extend(self.ask_together(attribute, second, arguments)?);
        Ok(found)
    }

    /// Compares a module's units with those of NixOS's own evaluation.
    ///
    /// # Errors
    /// When Nix is not there.
    pub(super) fn compare(&self, module: &str, base: &[String]) -> Result<Answer<Compared>> {
        let arguments = [&["--argstr", "module", module], &WITH_NIXPKGS[..]].concat();
        let answer = self.ask_module::<BothWays>("compared", &arguments)?;
        Ok(answer.map(|both| both.compare(base)))
    }
}

/// Gives the assertion that does not hold, as an error.
fn assertions(enabled: &Enabled) -> BTreeMap<Step, String> {
    let first = enabled.failed.first();
    first
        .map(|message| (Step::Enabled, format!("assertion: {}", message.trim())))
        .into_iter()
        .collect()
}
