//! Packages of the distribution: installed before a switch where that is asked for, and removed after all is taken away.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, anyhow};

use crate::activation::plan::{Goal, Plan};
use crate::activation::prepare::{self, Prepared};
use crate::activation::{install, observe};
use crate::cli::args::ApplyArgs;
use crate::cli::args_past::{BootstrapArgs, DeactivateArgs};
use crate::cli::asked::ask;
use crate::cli::commands::{self, End, Failure, How};
use crate::cli::print::{print, print_json, tell};
use crate::cli::session::Session;
use crate::closure::database;
use crate::host::signals::Signals;
use crate::model::node::Node;
use crate::model::style::{count, joined};
use crate::store::lock::Patience;

/// Where Nix is, on hosts that have it.
const NIX: [&str; 2] = ["usr/bin/nix-store", "nix/var/nix/profiles/default"];

impl Session {
    /// Plans; where it is asked for, what is missing is installed first.
    pub(super) fn prepare(
        &self,
        goal: Goal,
        planned: prepare::How,
        args: &ApplyArgs,
        how: &How,
        signals: &Signals,
    ) -> Result<Prepared, Failure> {
        self.progress.begin("plan");
        let prepared = prepare::prepare(&self.root, goal, planned)?;
        if how.install_missing {
            return self.install_missing(prepared, planned, args, how, signals);
        }
        Ok(prepared)
    }

    /// Installs what a plan lacks, if nothing else forbids it, and plans again.
    fn install_missing(
        &self,
        prepared: Prepared,
        planned: prepare::How,
        args: &ApplyArgs,
        how: &How,
        signals: &Signals,
    ) -> Result<Prepared, Failure> {
        let Plan {
            conflicts, goal, ..
        } = &prepared.plan;
        let Some(missing) = &prepared.plan.install else {
            return Ok(prepared);
        };
        // The rest is refused before anything is changed, packages too.
        if conflicts
            .iter()
            .any(|c| !missing.programs.contains(&c.subject))
        {
            return Ok(prepared);
        }
        if !self.root.is_live() {
            return Err(Failure::Before(anyhow!(
                "packages can be installed only on the running host\nhint: install them there with `{}`",
                missing.command()
            )));
        }
        let command = missing.command();
        if how.ask {
            ask(&format!("Run `{command}` first?"), signals)?;
        }
        self.progress.begin("packages");
        tracing::info!("installing missing packages: {command}");
        let limit = Duration::from_secs(args.unit_timeout);
        let new = missing.run(&self.root, limit).with_context(|| {
            format!(
                "installing missing packages\nhint: run `{command}` by hand to see what is wrong; if there is no such package, `apt-get update` or another repository may help"
            )
        })?;
        tracing::info!("installed {}", listed(&new));
        let goal = goal.clone();
        self.progress.begin("plan");
        Ok(prepare::prepare(&self.root, goal, planned)?)
    }

    /// Installs Nix, and says first what comes with it.
    pub(crate) fn bootstrap(&self, args: &BootstrapArgs) -> Result<End, Failure> {
        if !self.root.is_live() {
            return Err(Failure::Before(anyhow!(
                "Nix can be installed on the running host only\nhint: leave out --root"
            )));
        }
        let nodes = NIX.iter().map(|path| self.root.node(Path::new(path)));
        let nodes = nodes.collect::<anyhow::Result<Vec<_>>>()?;
        if nodes.iter().any(|node| *node != Node::Absent) {
            return self.tell_bootstrap("Nix is there already", &BTreeSet::new(), false);
        }
        let install = install::Install::nix(&observe::read_family(&self.root))?;
        let command = install.command();
        let coming = install
            .coming()
            .with_context(|| format!("planning `{command}`\nhint: `apt-get update` may help"))?;
        if args.dry_run {
            return self.tell_bootstrap(&format!("would run `{command}`"), &coming, false);
        }
        let _lock = commands::lock(&self.root, "bootstrap", Patience::Refuse)?;
        tracing::info!("{command}: {}", listed(&coming));
        let limit = Duration::from_secs(args.unit_timeout);
        let new = install.run(&self.root, limit).context("installing Nix")?;
        let known = database::hand_over(&self.root).map_err(Failure::PartWay)?;
        tracing::info!(
            "{} that came here before are known to it",
            count(known, "path")
        );
        self.tell_bootstrap("installed", &new, true)
    }

    fn tell_bootstrap(
        &self,
        what: &str,
        packages: &BTreeSet<String>,
        is_done: bool,
    ) -> Result<End, Failure> {
        if self.json {
            print_json(
                &serde_json::json!({ "version": 1, "packages": packages, "installed": is_done }),
            )?;
        } else {
            for package in packages {
                print(&format!("+ {package}"))?;
            }
            print(what)?;
        }
        Ok(End::Done)
    }

    /// Removes the packages that switches have installed, or says which these are.
    pub(super) fn after_deactivation(
        &self,
        args: &DeactivateArgs,
        end: End,
    ) -> Result<End, Failure> {
        if end != End::Done || !self.root.is_live() {
            return Ok(end);
        }
        let family = observe::read_family(&self.root);
        let told = if args.purge_installed {
            let _lock = commands::lock(&self.root, "deactivate", args.apply().patience())?;
            let limit = Duration::from_secs(args.unit_timeout);
            let gone = install::purge(&self.root, &family, limit)
                .context("removing the packages that a switch has installed\nhint: everything else has been removed; first remove what depends on these packages")
                .map_err(Failure::PartWay)?;
            if gone.is_empty() {
                return Ok(end);
            }
            format!("Removed packages of the distribution: {}", listed(&gone))
        } else {
            let there = install::read_installed(&self.root, &family)?;
            let names: BTreeSet<String> = there.all().cloned().collect();
            if names.is_empty() {
                return Ok(end);
            }
            format!(
                "Packages of the distribution that a switch has installed stay: {}\n`system-manager deactivate --purge-installed` removes them.",
                listed(&names)
            )
        };
        if self.json {
            tell(&format!("{told}\n"));
        } else {
            print(&told)?;
        }
        Ok(end)
    }
}

fn listed(names: &BTreeSet<String>) -> String {
    if names.is_empty() {
        return "nothing that was not there".to_owned();
    }
    joined(names)
}
