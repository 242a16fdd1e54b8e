//! What each command does: reads, has the plan decided, prints it or applies it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};

use crate::apply::{self, Activation, Progress};
use crate::claims;
use crate::cli::{ApplyArgs, SourceArgs};
use crate::command::{Command, show_code};
use crate::desired::{Desired, read_desired};
use crate::diffs;
use crate::etc::{self, Conflict};
use crate::host_accounts;
use crate::journal::Interrupted;
use crate::live;
use crate::lock::Lock;
use crate::manifest::{Accounts, Manifest};
use crate::names::{AbsolutePath, TargetPath};
use crate::nix::{BuildOptions, Source};
use crate::observe::{self, Observed};
use crate::outcome::Outcome;
use crate::owners::Owners;
use crate::plan::{self, Goal, PackagesChange, Plan};
use crate::profile;
use crate::root::Root;
use crate::state::{Active, State};
use crate::switch_to_configuration;
use crate::systemd::Systemd;
use crate::tmpfiles::{self, Facts, TmpfilesPlan};
use crate::tmpfiles_host;
use crate::unit_files::{self, read_units};
use crate::unit_set::{Live, UnitSet};
use crate::units::{self, Seeds, UnitPlan};
use crate::user_managers;

/// A plan with what it takes to apply it.
pub struct Prepared {
    /// The plan.
    pub plan: Plan,
    state: State,
    accounts: Option<Accounts>,
    before: Live,
    new_units: UnitSet,
    systemd: Option<Systemd>,
    user_units: Option<(UnitSet, UnitSet)>,
    user_units_before: BTreeMap<TargetPath, String>,
}

/// How a command ended, for its exit code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// Everything was done, or there was nothing to do.
    Done,
    /// Refused, before anything was changed; what was in the way has been printed.
    Refused,
    /// Activated, but units or tmpfiles rules failed.
    Failed,
    /// Went back to the generation before.
    RolledBack,
    /// There are changes (`plan --detailed-exitcode`).
    Changes,
}

/// Gives the source that the command line names.
///
/// # Errors
/// When it names none and there is no default one.
pub fn source(args: &SourceArgs) -> Result<(Source, BuildOptions)> {
    let source = match (&args.file, &args.flake) {
        (Some(file), _) => Source::File(file.clone()),
        (None, Some(uri)) => Source::Flake(uri.clone()),
        (None, None) => Source::find()?,
    };
    let nix_options = args
        .nix_option
        .chunks(2)
        .filter_map(|pair| Some((pair.first()?.clone(), pair.get(1)?.clone())))
        .collect();
    Ok((
        source,
        BuildOptions {
            nixpkgs: args.nixpkgs.clone(),
            nix_options,
        },
    ))
}

/// Turns a path that was given, or a link such as the profile, into the store path of a toplevel.
///
/// # Errors
/// When it does not exist.
pub fn toplevel_path(path: &Path) -> Result<AbsolutePath> {
    let real = std::fs::canonicalize(path).with_context(|| {
        format!(
            "reading the toplevel {}\nhint: name a folder that `system-manager build` has made",
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
pub fn current_toplevel(root: &Root) -> Result<AbsolutePath> {
    profile::read(root)?
        .into_iter()
        .find(|g| g.current)
        .map(|g| g.toplevel)
        .ok_or_else(|| {
            anyhow!(
                "no generation is registered\nhint: name a toplevel, or run `system-manager switch`"
            )
        })
}

/// Reads the host and decides what reaching `goal` takes. Changes nothing.
///
/// # Errors
/// When the manifest, the state or the host can't be read.
pub fn prepare(root: &Root, goal: Goal, strict: bool) -> Result<Prepared> {
    let manifest = match &goal {
        Goal::Activate(toplevel) => Some(Manifest::read(Path::new(toplevel.as_str()))?),
        Goal::Deactivate => None,
    };
    let desired = manifest
        .as_ref()
        .map(read_desired)
        .transpose()?
        .unwrap_or_default();
    let observed = observe::read_host(root, &desired)?;
    let expected = observed.state.accounts;
    let accounts = host_accounts::decide(root, manifest.as_ref().map(|m| &m.accounts), expected)?;
    let (wanted, mut conflicts) =
        observe::resolve_wanted(&desired, &accounts.owners, &observed.state)?;
    let mut files = etc::plan_files(&wanted, &observed.state, &observed.seen);
    conflicts.extend(accounts.conflicts);
    conflicts.append(&mut files.conflicts);
    let (tmpfiles_plan, tmpfiles_conflicts) =
        plan_tmpfiles(root, &desired, &files, &observed, &accounts.owners)?;
    conflicts.extend(tmpfiles_conflicts);
    if let Some(manifest) = &manifest {
        conflicts.extend(observe::missing_programs(root, manifest, &observed.family));
        if strict {
            conflicts.extend(manifest.no_effect.iter().map(|item| Conflict {
                subject: format!("the option `{}`", item.option),
                cause: format!(
                    "has no effect on this host, and is set by {}",
                    item.defined_in.join(", ")
                ),
                remedy: "remove it, or leave out --strict".to_owned(),
            }));
        }
    }
    let becomes = match (&goal, &manifest) {
        (Goal::Activate(toplevel), Some(manifest)) => Some(Active {
            toplevel: toplevel.clone(),
            packages: manifest.packages.names.clone(),
        }),
        _ => None,
    };
    let from = observed.state.active.clone();
    let mut plan = Plan {
        version: plan::VERSION,
        goal,
        from: from.as_ref().map(|a| a.toplevel.clone()),
        state: observed.state.digest()?,
        resumes: observed.interrupted.as_ref().map(|i| i.purpose.clone()),
        conflicts,
        checks: manifest
            .as_ref()
            .map(|m| m.pre_activation_checks.clone())
            .unwrap_or_default(),
        diffs: BTreeMap::new(),
        tmpfiles: tmpfiles_plan,
        files,
        accounts: accounts.report,
        user_managers: Vec::new(),
        units: UnitPlan::default(),
        packages: packages_change(from.as_ref(), becomes.as_ref()),
        becomes,
        no_effect: manifest
            .as_ref()
            .map(|m| m.no_effect.clone())
            .unwrap_or_default(),
    };
    for change in plan.files.changes() {
        if let Some(diff) = diffs::read_diff(root, change)? {
            plan.diffs.insert(change.target.clone(), diff);
        }
    }
    let mut prepared = Prepared {
        plan,
        state: observed.state,
        accounts: manifest.map(|m| m.accounts),
        before: Live::default(),
        new_units: UnitSet::default(),
        systemd: None,
        user_units: None,
        user_units_before: BTreeMap::new(),
    };
    if root.is_live() {
        plan_units(&mut prepared, observed.interrupted)?;
    }
    if !prepared.plan.is_empty() {
        let (bytes, count) = prepared.plan.room(root)?;
        prepared
            .plan
            .conflicts
            .extend(observe::obstacles(root, bytes, count)?);
    }
    Ok(prepared)
}

/// Decides about units; asks systemd only when unit files change or an earlier run left something to do.
fn plan_units(prepared: &mut Prepared, interrupted: Option<Interrupted>) -> Result<()> {
    let mut after = prepared.state.clone();
    claims::commit(&mut after, &prepared.plan.files);
    let changes = |folder| {
        prepared
            .plan
            .files
            .changes()
            .any(|c| unit_files::is_below(folder, &c.target))
    };
    let (system_changes, user_changes) = (changes(unit_files::SYSTEM), changes(unit_files::USER));
    let interrupted = interrupted.unwrap_or_default();
    if user_changes || interrupted.user_units.is_some() {
        let before = interrupted
            .user_units
            .unwrap_or_else(|| unit_sources(unit_files::USER, &prepared.state));
        let new = read_units(unit_files::USER, &unit_sources(unit_files::USER, &after));
        prepared.user_units = Some((read_units(unit_files::USER, &before), new));
        prepared.user_units_before = before;
        prepared.plan.user_managers = user_managers::running()?;
    }
    let mut seeds = interrupted.due;
    let pending = &prepared.state.pending;
    seeds.start.extend(pending.start.iter().cloned());
    seeds.restart.extend(pending.restart.iter().cloned());
    seeds.reload.extend(pending.reload.iter().cloned());
    if !system_changes && seeds == Seeds::default() {
        return Ok(());
    }
    let old = read_units(
        unit_files::SYSTEM,
        &unit_sources(unit_files::SYSTEM, &prepared.state),
    );
    prepared.new_units = read_units(
        unit_files::SYSTEM,
        &unit_sources(unit_files::SYSTEM, &after),
    );
    let Some(systemd) = Systemd::connect()? else {
        prepared.plan.conflicts.push(Conflict {
            subject: "systemd".to_owned(),
            cause: "is not running here, but units are to be switched".to_owned(),
            remedy: "boot this host with systemd, or place the files only, with `--root /`"
                .to_owned(),
        });
        return Ok(());
    };
    prepared.before = live::read_live(&systemd, apply::MANAGED)?;
    prepared.plan.units = units::decide(
        &old,
        &prepared.new_units,
        &prepared.before,
        &seeds,
        units::Options::default(),
    );
    prepared.plan.units.daemon_reload |= system_changes;
    prepared.systemd = Some(systemd);
    Ok(())
}

/// Gives the sources of a folder's unit files, as a state has them.
fn unit_sources(folder: &str, state: &State) -> BTreeMap<TargetPath, String> {
    let units = state
        .files
        .iter()
        .filter(|(target, _)| unit_files::is_below(folder, target));
    units
        .map(|(target, file)| (target.clone(), file.source.clone()))
        .collect()
}

/// The rules are looked at when one of their files changes, and again after an interruption.
fn plan_tmpfiles(
    root: &Root,
    desired: &Desired,
    files: &etc::FilesPlan,
    observed: &Observed,
    owners: &Owners,
) -> Result<(TmpfilesPlan, Vec<Conflict>)> {
    let recorded = &observed.state.tmpfiles;
    let changed = files.changes().any(|c| tmpfiles_host::is_rules(&c.target));
    if !changed && observed.interrupted.is_none() {
        return Ok(<_>::default());
    }
    let ours = tmpfiles_host::read_ours(desired)?;
    if ours.is_empty() && recorded.is_empty() {
        return Ok(<_>::default());
    }
    tmpfiles::plan_tmpfiles(&Facts {
        ours: &ours,
        foreign: &tmpfiles_host::read_foreign(root, desired, &observed.state)?,
        recorded,
        specifiers: &tmpfiles_host::read_specifiers(root)?,
        owners,
        host: root,
    })
}

fn packages_change(from: Option<&Active>, to: Option<&Active>) -> PackagesChange {
    let old = from.map(|a| a.packages.clone()).unwrap_or_default();
    let new = to.map(|a| a.packages.clone()).unwrap_or_default();
    PackagesChange {
        added: new.difference(&old).cloned().collect(),
        removed: old.difference(&new).cloned().collect(),
    }
}

/// Runs the configuration's own checks.
///
/// # Errors
/// When one can't be run, or says that this host must not be activated.
pub fn run_checks(plan: &Plan) -> Result<()> {
    for check in &plan.checks {
        tracing::info!("running the check {}", check.name);
        let output = Command::new(check.script.as_str()).output()?;
        if output.code != Some(0) {
            let text = [output.stdout, output.stderr].concat();
            return Err(anyhow!(
                "the check `{}` refused this host ({}): {}",
                check.name,
                show_code(output.code),
                String::from_utf8_lossy(&text).trim()
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
    run_checks(&prepared.plan)?;
    let activation = Activation {
        root,
        plan: &prepared.plan,
        systemd: prepared.systemd.as_ref(),
        before: &prepared.before,
        new_units: &prepared.new_units,
        accounts: prepared.accounts.as_ref(),
        accounts_expected: prepared.state.accounts,
        state: prepared.state,
        user_units: prepared.user_units.as_ref().map(|(old, new)| (old, new)),
        user_units_before: &prepared.user_units_before,
        unit_timeout: Duration::from_secs(args.unit_timeout),
    };
    let toplevel = match &prepared.plan.goal {
        Goal::Activate(toplevel) => toplevel.to_string(),
        Goal::Deactivate => "(none)".to_owned(),
    };
    let log = |text: &str| {
        if root.is_live() {
            switch_to_configuration::log_to_system(&format!(
                "{text} system configuration {toplevel}"
            ));
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

/// Takes the lock of a host.
///
/// # Errors
/// When another activation holds it.
pub fn lock(root: &Root, purpose: &str) -> Result<Lock> {
    Lock::take(root, purpose).with_context(|| {
        if nix::unistd::geteuid().is_root() {
            "locking this host".to_owned()
        } else {
            "locking this host\nhint: this must run as root, for example with sudo".to_owned()
        }
    })
}

/// Writes a first configuration.
///
/// # Errors
/// When one is there already, or it can't be written.
pub fn init(folder: &Path) -> Result<PathBuf> {
    use std::io::Write;
    std::fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
    let path = folder.join("system.nix");
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&path)
        .with_context(|| {
            let hint = if path.exists() {
                "\nhint: edit it, or name another folder"
            } else {
                ""
            };
            format!("creating {}{hint}", path.display())
        })?;
    file.write_all(TEMPLATE.as_bytes())
        .with_context(|| format!("writing {}", path.display()))?;
    Ok(path)
}

const TEMPLATE: &str = include_str!("../examples/hello.nix");
