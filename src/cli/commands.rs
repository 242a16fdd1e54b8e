//! What each command does around the plan: finds the configuration, checks, locks, applies.
#![expect(
    clippy::disallowed_methods,
    reason = "the door reads and writes what is named on the command line"
)]

use crate::store::toplevel::read_manifest;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};

use crate::activation::apply::{self, Activation, Progress};
use crate::activation::journal;
use crate::activation::outcome::Outcome;
use crate::activation::plan::{Goal, Plan};
use crate::activation::prepare::Prepared;
use crate::activation::state::State;
use crate::activation::sweep;
use crate::cli::args::{ApplyArgs, SourceArgs};
use crate::cli::args_compat::CompatArgs;
use crate::cli::print::print_error;
use crate::compat::both_ways::{self, BothWays};
use crate::host::fs::Root;
use crate::host::process::{Command, show_code};
use crate::host::signals::Signals;
use crate::model::names::AbsolutePath;
use crate::nix::{BuildOptions, Source};
use crate::scripts::decide::{Action, FailedScript};
use crate::store::history::Origin;
use crate::store::lock::{Lock, Patience};
use crate::units::decide::UnitPlan;
use crate::units::layers::Layers;
use crate::{accounts, cli, compat, nix, scripts, store, units};

/// How a command ended, for its exit code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// Everything was done, or there was nothing to do.
    Done,
    /// Refused, before anything was changed; what was in the way has been printed.
    Refused,
    /// Activated, but units, tmpfiles rules or activation scripts failed.
    Failed,
    /// Activated, but activation scripts failed; nothing else did.
    ScriptsFailed,
    /// Went back to the generation before.
    RolledBack,
    /// There are changes (`plan --detailed-exitcode`).
    Changes,
    /// As it ended on another host.
    Code(u8),
}

/// How a switch treats the profile.
#[derive(Debug, Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub(crate) struct How {
    /// Whether what is activated becomes a generation.
    pub(crate) register: bool,
    /// Whether a switch that fails goes back.
    pub(crate) rollback_on_failure: bool,
    /// Whether the plan is shown, and a person on the terminal is asked.
    pub(crate) ask: bool,
    /// Whether its secrets are read on this machine.
    pub(crate) brings_secrets: bool,
    /// Whether packages of the distribution that are missing are installed first.
    pub(crate) install_missing: bool,
    /// Where what is activated comes from.
    pub(crate) origin: Origin,
    /// Whether it is of this boot only.
    pub(crate) ephemeral: bool,
    /// Whether files are placed only, and all else is left to the next boot.
    pub(crate) pre_populate: bool,
    /// Whether nothing is done where something would change.
    pub(crate) only_idle: bool,
}

impl How {
    /// Holds signals back that would end it half-way; there are no steps to stop between where nothing is done.
    ///
    /// # Errors
    /// When they can't be held.
    pub(crate) fn signals(&self) -> Result<Signals> {
        if self.only_idle {
            return Ok(Signals::default());
        }
        Signals::hold()
    }
}

/// Gives the source that the command line names.
///
/// # Errors
/// When it names none and there is no default one.
pub(crate) fn source(args: &SourceArgs) -> Result<(Source, BuildOptions)> {
    let source = find_source(args.file.as_ref(), args.flake.as_ref())?;
    Ok((source, build_options_of(args)?))
}

/// Returns how the configuration that the command line names is built.
///
/// # Errors
/// When the nixpkgs that it names is none.
pub(crate) fn build_options_of(args: &SourceArgs) -> Result<BuildOptions> {
    if let Some(nixpkgs) = &args.nixpkgs {
        nix::check_nixpkgs(nixpkgs)?;
    }
    Ok(BuildOptions {
        refresh: args.refresh,
        show_trace: args.show_trace,
        ..build_options(args.nixpkgs.as_deref(), &args.nix_option)
    })
}

fn find_source(file: Option<&PathBuf>, flake: Option<&String>) -> Result<Source> {
    match (file, flake) {
        (Some(file), _) => Ok(Source::File(file.clone())),
        (None, Some(uri)) => Ok(Source::Flake(uri.clone())),
        (None, None) => Source::find(),
    }
}

/// Evaluates the configuration that is named here and on NixOS.
///
/// # Errors
/// When there is none, or it does not evaluate.
pub(crate) fn evaluate_both_ways(args: &CompatArgs) -> Result<BothWays> {
    let source = find_source(args.file.as_ref(), args.flake.as_ref())?;
    let options = build_options(args.nixpkgs.as_deref(), &args.nix_option);
    both_ways::evaluate(&source, &options)
}

fn build_options(nixpkgs: Option<&str>, nix_option: &[String]) -> BuildOptions {
    let pair = |pair: &[String]| Some((pair.first()?.clone(), pair.get(1)?.clone()));
    BuildOptions {
        nixpkgs: nixpkgs.map(str::to_owned),
        nix_options: nix_option.chunks(2).filter_map(pair).collect(),
        ..BuildOptions::default()
    }
}

/// Gives what is to be looked at.
#[must_use]
pub(crate) fn survey_request(args: &CompatArgs) -> compat::Request {
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    compat::Request {
        build: build_options(args.nixpkgs.as_deref(), &args.nix_option),
        modules: args.modules.clone(),
        under: args.under.clone(),
        jobs: args.jobs.map_or_else(cores, usize::from),
        limit: Duration::from_secs(args.timeout),
        compare: args.compare,
        fresh: args.no_cache,
    }
}

/// Turns a path that was given, or a link such as the profile, into the store path of a toplevel.
///
/// # Errors
/// When it does not exist.
pub(crate) fn toplevel_path(path: &Path) -> Result<AbsolutePath> {
    let real = std::fs::canonicalize(path).with_context(|| {
        format!(
            "reading the toplevel {}\nhint: name a path printed by `system-manager build`",
            path.display()
        )
    })?;
    let text = real
        .to_str()
        .ok_or_else(|| anyhow!("{} is not UTF-8", real.display()))?;
    Ok(text.parse()?)
}

/// Gives the toplevel of the profile's current generation.
///
/// # Errors
/// When there is none.
pub(crate) fn current_toplevel(root: &Root) -> Result<AbsolutePath> {
    store::generations::read(root)?
        .into_iter()
        .find(|g| g.current)
        .map(|g| g.toplevel)
        .ok_or_else(|| {
            anyhow!(
                "no generation is registered\nhint: name a toplevel, or run `system-manager switch`"
            )
        })
}

/// Runs the configuration's own checks, which get its path and NixOS's word for what is done.
///
/// # Errors
/// When one can't be run, or says that this host must not be activated.
pub(crate) fn run_checks(plan: &Plan, doing: &str, limit: Duration) -> Result<()> {
    let Goal::Activate(toplevel) = &plan.goal else {
        return Ok(());
    };
    for check in &plan.checks {
        tracing::info!("running the check {}", check.name);
        let command = Command::new(check.script.as_str())
            .args([toplevel.as_str(), doing])
            .limit(limit);
        let output = command
            .output()
            .with_context(|| {
                format!(
                    "running the check `{}`\nhint: the configuration has it; see `system-manager.preActivationAssertions`",
                    check.name
                )
            })?;
        if output.code != Some(0) {
            let text = [output.stdout, output.stderr].concat();
            return Err(anyhow!(
                "the check `{name}` refused this host ({}): {}\nhint: put right what it says; the check is part of the configuration",
                show_code(output.code),
                String::from_utf8_lossy(&text).trim(),
                name = check.name
            ));
        }
    }
    Ok(())
}

/// An activation that ended before its end.
#[derive(Debug)]
pub enum Failure {
    /// Nothing had been changed.
    Before(anyhow::Error),
    /// It stopped part-way; the next run goes on.
    PartWay(anyhow::Error),
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Before(error)
    }
}

/// Applies what was prepared. The caller holds the lock and has had the conflicts refused.
///
/// # Errors
/// With whether anything had been changed.
pub fn activate(
    root: &Root,
    prepared: Prepared,
    args: &ApplyArgs,
    tell: &mut dyn FnMut(Progress<'_>) -> Result<()>,
) -> Result<Outcome, Failure> {
    let unit_timeout = Duration::from_secs(args.unit_timeout);
    run_checks(&prepared.plan, "switch", unit_timeout)?;
    let activation = Activation {
        root,
        plan: &prepared.plan,
        systemd: prepared
            .systemd
            .as_ref()
            .filter(|_| !prepared.plan.pre_populates),
        before: &prepared.before,
        ground: &prepared.ground,
        new_units: Layers {
            ours: &prepared.new_units,
            beneath: &prepared.beneath,
        },
        accounts: prepared.accounts.as_ref(),
        accounts_expected: prepared.state.accounts,
        state: prepared.state,
        user_units: prepared.user_units.as_ref().map(|(old, new)| (old, new)),
        user_units_before: &prepared.user_units_before,
        action: prepared.action,
        back_to: prepared.back_to,
        unit_timeout,
    };
    let toplevel = match &prepared.plan.goal {
        Goal::Activate(toplevel) => toplevel.to_string(),
        Goal::Deactivate => "(none)".to_owned(),
    };
    let log = |text: &str| {
        if root.is_live() {
            cli::nixos::log_to_system(&format!("{text} system configuration {toplevel}"));
        }
    };
    log("switching to");
    let applied = apply::apply(activation, tell);
    if applied.as_ref().is_ok_and(Outcome::is_success) {
        log("finished switching to");
    } else {
        log("failed switching to");
    }
    applied.map_err(|stopped| {
        if stopped.begun {
            Failure::PartWay(stopped.error)
        } else {
            Failure::Before(stopped.error)
        }
    })
}

/// Runs the activation scripts that support it, changing nothing, and gives what would be done to units with what they
/// ask for.
///
/// # Errors
/// When the lists that they leave can't be read.
pub(crate) fn dry_activate(root: &Root, prepared: &Prepared, args: &ApplyArgs) -> Result<UnitPlan> {
    let Goal::Activate(toplevel) = &prepared.plan.goal else {
        return Ok(prepared.plan.units.clone());
    };
    let limit = Duration::from_secs(args.unit_timeout);
    // A run under way has its own shell and lists.
    let _lock = lock(root, "dry activation", args.patience())?;
    scripts::apply::forget_shell(root)?;
    for script in &prepared.plan.scripts.run {
        if script.supports_dry_activation {
            let (name, path) = (&script.name, &script.script);
            if let Some(failed) =
                scripts::apply::run(root, name, path, toplevel, Action::DryActivate, limit)
            {
                warn_of_script(&failed);
            }
        } else {
            tracing::info!(
                "the activation script {} does not support dry activation",
                script.name
            );
        }
    }
    let mut units = prepared.plan.units.clone();
    let requests = scripts::apply::read_requests(root, Action::DryActivate)?;
    units::requests::add(
        &mut units,
        &requests,
        prepared.layers(),
        &prepared.before,
        &prepared.ground,
    );
    scripts::apply::drop_requests(root, Action::DryActivate)?;
    Ok(units)
}

/// Runs all activation scripts of what is active: at boot, when `/run` is empty. The state stays as it is.
///
/// # Errors
/// When the state or the manifest can't be read.
pub(crate) fn run_scripts_of_boot(root: &Root, args: &ApplyArgs) -> Result<End, Failure> {
    let _lock = lock(root, "the scripts of the boot", args.patience())?;
    let state = State::read(root)?;
    if let Some(interrupted) = journal::read(root)? {
        tracing::warn!(
            "an activation was interrupted ({}); the scripts of the previously active configuration run",
            interrupted.purpose
        );
    }
    let Some(active) = state.active else {
        return Ok(End::Done);
    };
    let manifest = read_manifest(Path::new(active.toplevel.as_str()))?;
    let limit = Duration::from_secs(args.unit_timeout);
    let mut failed = Vec::new();
    scripts::apply::forget_shell(root)?;
    for script in &manifest.activation_scripts {
        let (name, path) = (&script.name, &script.script);
        if let Some(why) =
            scripts::apply::run(root, name, path, &active.toplevel, Action::Boot, limit)
        {
            failed.push(why.name.clone());
            warn_of_script(&why);
        }
    }
    // No unit is up that could be restarted.
    scripts::apply::drop_requests(root, Action::Boot)?;
    if failed.is_empty() {
        return Ok(End::Done);
    }
    print_error(&anyhow!(
        "activation scripts failed: {}\nhint: correct what they say; `system-manager activate --all-scripts` runs them again",
        failed.join(", ")
    ));
    Ok(End::ScriptsFailed)
}

fn warn_of_script(failed: &FailedScript) {
    tracing::warn!(
        "the activation script {} failed: {}",
        failed.name,
        failed.why
    );
    for line in &failed.log {
        tracing::warn!("{}: {line}", failed.name);
    }
}

/// Places secrets; called by an activation script, which knows its toplevel, and asks as it does for what comes of it.
///
/// # Errors
/// When one can't be placed.
pub(crate) fn place_secrets(root: &Root, for_users: bool) -> Result<()> {
    let toplevel = std::env::var("systemConfig")
        .context("only activation scripts run this, with `systemConfig` set")?;
    let owners = accounts::apply::read_owners(root)?;
    let [restart, reload] = store::secrets::place(root, &toplevel.parse()?, for_users, &owners)?;
    // At boot nothing runs that has read them.
    match std::env::var("NIXOS_ACTION") {
        Ok(_) => scripts::apply::request(root, &restart, &reload),
        Err(_) => Ok(()),
    }
}

/// Takes the lock of a host, and removes what runs that were killed have left there.
///
/// # Errors
/// When another activation holds it, or a run from another machine waits to be confirmed.
pub(crate) fn lock(root: &Root, purpose: &str, patience: Patience) -> Result<Lock> {
    let lock = Lock::take(root, purpose, patience).with_context(|| {
        if ::nix::unistd::geteuid().is_root() {
            "locking this host".to_owned()
        } else {
            "locking this host\nhint: this must run as root, for example with sudo".to_owned()
        }
    })?;
    store::pending::refuse_others(root)?;
    sweep::sweep(root)?;
    Ok(lock)
}
