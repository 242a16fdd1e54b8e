//! Packages of the distribution: installed before a switch where that is asked for, and removed after all is taken away.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, anyhow};

use crate::activation::plan::{Goal, Plan};
use crate::activation::prepare::{self, Prepared};
use crate::activation::{install, observe};
use crate::cli::args::ApplyArgs;
use crate::cli::args_past::DeactivateArgs;
use crate::cli::asked::ask;
use crate::cli::commands::{self, End, Failure, How};
use crate::cli::print::{print, tell};
use crate::cli::session::Session;
use crate::host::signals::Signals;

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
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    names.join(", ")
}
