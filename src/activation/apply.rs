//! The only loop with effects: walks a plan's steps, each of which may be the last one that happens.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::accounts::apply::Circumstances;
use crate::accounts::decide::Scripts;
use crate::activation::ephemeral::{self, Ephemeral};
use crate::activation::journal::{Journal, Record};
use crate::activation::mend;
use crate::activation::observe;
use crate::activation::outcome::{self, Outcome};
use crate::activation::plan::{Goal, Plan, Step};
use crate::activation::state::State;
use crate::activation::takeover;
use crate::host::clock::now;
use crate::host::fs::Root;
use crate::host::selinux;
use crate::host::systemd::{Event, Systemd};
use crate::model::job::Verb;
use crate::model::manifest::Accounts;
use crate::model::names::TargetPath;
use crate::model::text::Text;
use crate::scripts::decide::{Action, FailedScript, ScriptAction};
use crate::store::lock::{Lock, Patience};
use crate::units::apply::{Tell, UnitSwitch, is_final, read_logs};
use crate::units::decide::{Ground, UnitAction};
use crate::units::layers::Layers;
use crate::units::outcome::UnitOutcome;
use crate::units::requests::Requests;
use crate::units::set::{Live, UnitSet};
use crate::units::settle::Watch;
use crate::units::users::UserOutcome;
use crate::{accounts, files, scripts, tmpfiles, units};

mod record;

/// The link to the active toplevel, which keeps it alive and shows tools what is active.
pub(crate) const CURRENT: &str = "var/lib/system-manager/current";
/// Where Nix looks for what it has to keep.
pub(crate) const GC_ROOTS: &str = "nix/var/nix/gcroots";

/// An activation that ended before its end.
#[derive(Debug)]
pub(crate) struct Stopped {
    /// Whether anything had been changed.
    pub begun: bool,
    /// Why.
    pub error: anyhow::Error,
}

/// What is told about an activation under way.
pub enum Progress<'a> {
    /// A step begins. An error ends the activation here, as a kill would.
    Step(Step<'a>),
    /// Jobs are under way.
    Job(Verb, Event<'a>),
}

/// Everything that an activation works with.
pub(crate) struct Activation<'a> {
    /// Where.
    pub root: &'a Root,
    /// What to do.
    pub plan: &'a Plan,
    /// The settled state that the plan was made from.
    pub state: State,
    /// The running systemd; none on another root.
    pub systemd: Option<&'a Systemd>,
    /// The units before.
    pub before: &'a Live,
    /// What this process stands on.
    pub ground: &'a Ground,
    /// The units of the new generation.
    pub new_units: Layers<'a>,
    /// The accounts that are wanted.
    pub accounts: Option<&'a Accounts>,
    /// Whether accounts were managed here before.
    pub accounts_expected: bool,
    /// The user managers' units before and after, when they change.
    pub user_units: Option<(&'a UnitSet, &'a UnitSet)>,
    /// The sources of the user managers' units before.
    pub user_units_before: &'a BTreeMap<TargetPath, Text>,
    /// What activation scripts are told that is being done.
    pub action: Action,
    /// The generation that a rollback goes to.
    pub back_to: Option<u64>,
    /// How long to wait for a job, or for an activation script.
    pub unit_timeout: Duration,
}

/// Applies a plan. Writes everything that the plan names, and the state.
///
/// # Errors
/// With where it stopped; run again, it goes on.
pub(crate) fn apply(
    activation: Activation<'_>,
    tell: &mut dyn FnMut(Progress<'_>) -> Result<()>,
) -> Result<Outcome, Stopped> {
    let (root, plan) = (activation.root, activation.plan);
    let applied = carry_out(activation, tell);
    let is_untouched = applied.as_ref().is_err_and(|stopped| !stopped.begun);
    if is_untouched && plan.ephemeral == Some(Ephemeral::Begins) {
        // Nothing is above; where it stays, `deactivate` takes it away. The first error is the one to report.
        let _ = ephemeral::end(root);
    }
    applied
}

fn carry_out(
    activation: Activation<'_>,
    tell: &mut dyn FnMut(Progress<'_>) -> Result<()>,
) -> Result<Outcome, Stopped> {
    let untouched = |error| Stopped {
        begun: false,
        error,
    };
    let units = activation.systemd.map(|systemd| UnitSwitch {
        systemd,
        plan: activation.plan.units.clone(),
        new_units: activation.new_units,
        before: activation.before,
        ground: activation.ground,
        managed: units::observe::MANAGED,
        timeout: activation.unit_timeout,
        jobs: Vec::new(),
        reloaded: 0,
        watch: Watch::default(),
    });
    let warnings = activation.plan.accounts.warnings.clone();
    let mut run = Run {
        a: activation,
        begun: now(),
        journal: None,
        is_claimed: false,
        units,
        users: BTreeMap::new(),
        judged: UnitOutcome::default(),
        problems: Vec::new(),
        // What is decided again, when they are changed, may warn of something else.
        warnings,
        tmpfiles: tmpfiles::record::Applied::default(),
        failed_scripts: Vec::new(),
    };
    if run.a.plan.accounts.is_due {
        accounts::apply::check_unlocked(run.a.root).map_err(untouched)?;
    }
    if run.a.root.is_live() {
        let labels = selinux::read_labels(&run.a.plan.made()).map_err(untouched)?;
        run.a.root.set_labels(labels);
    }
    observe::try_room(run.a.root, run.a.plan).map_err(untouched)?;
    let _lock = begin_ephemeral(run.a.root, run.a.plan)
        .and_then(|lock| reserve_backups(run.a.root, &run.a.state, run.a.plan).map(|()| lock))
        .map_err(untouched)?;
    for step in run.a.plan.steps() {
        let done = tell(Progress::Step(step)).and_then(|()| run.step(step, tell));
        if step.is_of_others() {
            // They may have replaced the folder that was opened last.
            run.a.root.forget_last();
        }
        if let Err(error) = done {
            let begun = run.is_claimed;
            if !begun {
                // What was copied is of no use. What stays is removed by the next run; the first error is the one to report.
                let _ = State::read(run.a.root).and_then(|state| state.sweep_backups(run.a.root));
            }
            return Err(Stopped { begun, error });
        }
    }
    Ok(run.outcome())
}

/// Has all that follows be of this boot only, where it is to be. The lock that the run has is beneath then; this is the one
/// that others find.
fn begin_ephemeral(root: &Root, plan: &Plan) -> Result<Option<Lock>> {
    if plan.ephemeral != Some(Ephemeral::Begins) {
        return Ok(None);
    }
    ephemeral::begin(root, plan)?;
    Lock::take(root, "switch", Patience::Refuse).map(Some)
}

/// Writes down which numbers the copies get that are made before anything is claimed: so that the next run knows them, if
/// this one is killed there.
fn reserve_backups(root: &Root, settled: &State, plan: &Plan) -> Result<()> {
    let count = plan.count_kept();
    // The settled state has counted what was put aside.
    let asides = plan.takeover.iter().any(|t| !t.backups.is_empty());
    if count == 0 && !asides {
        return Ok(());
    }
    let mut state = State::read(root)?;
    state.backups.next = settled.backups.next + count;
    state.write(root)
}

struct Run<'a> {
    a: Activation<'a>,
    begun: u64,
    journal: Option<Journal>,
    /// Whether the state says what is about to happen, so that what happens from then on is told as begun.
    is_claimed: bool,
    units: Option<UnitSwitch<'a>>,
    users: BTreeMap<String, UserOutcome>,
    /// What became of the units.
    judged: UnitOutcome,
    problems: Vec<String>,
    warnings: Vec<String>,
    tmpfiles: tmpfiles::record::Applied,
    failed_scripts: Vec<FailedScript>,
}

impl Run<'_> {
    fn step(
        &mut self,
        step: Step<'_>,
        tell: &mut dyn FnMut(Progress<'_>) -> Result<()>,
    ) -> Result<()> {
        let root = self.a.root;
        match step {
            Step::RemoveLeftover(target) => root.remove_leftover(&target.in_etc()),
            Step::Keep(change) => files::apply::keep(root, change),
            Step::KeepEdit(edit) => mend::keep(root, edit),
            Step::Mend(edit) => mend::apply(edit),
            Step::KeepFirst(touch) => touch.keep(root),
            Step::KeepAside(aside) => takeover::keep(root, aside),
            Step::Claim => self.claim(),
            Step::Retire => takeover::retire(root),
            Step::StopUnits => self.stop_units(tell),
            Step::Remove(change) => files::apply::remove(root, change),
            Step::RemoveFolder(folder) => files::apply::remove_folder(root, folder),
            Step::Restore(change) => files::apply::restore(root, change),
            Step::Accounts => self.apply_accounts(),
            Step::MakeFolder(folder) => root.make_folder(&folder.in_etc(), 0o755),
            Step::MendFolder(mend) => files::apply::mend_folder(root, mend),
            Step::Write(change) => files::apply::write(root, change),
            Step::Change(change) => change.apply(root),
            Step::Script(script) => self.run_script(script),
            Step::DaemonReload => {
                root.sync()?;
                if root.is_live() {
                    units::hold::release(root)?;
                }
                self.a.systemd.map_or(Ok(()), Systemd::reload)?;
                self.note(&Record::DaemonReloadDone)
            }
            Step::Tmpfiles => self.apply_tmpfiles(),
            Step::UserManagers => self.switch_user_managers(),
            Step::StartUnits => self.start_units(tell),
            Step::Commit => self.commit(),
            Step::EndEphemeral => self.end_ephemeral(),
        }
    }

    /// Stops units, and holds back those that somebody could start before systemd has read their new definitions.
    fn stop_units(&mut self, tell: &mut dyn FnMut(Progress<'_>) -> Result<()>) -> Result<()> {
        let hold = &self.a.plan.units.hold;
        if let (Some(systemd), false) = (self.a.systemd, hold.is_empty()) {
            units::hold::hold(self.a.root, hold)?;
            systemd.reload()?;
        }
        self.with_units(tell, |units, tell| units.stop(tell))
    }

    /// A script that fails is no reason to leave the host half-way, as on NixOS; it runs again next time.
    fn run_script(&mut self, script: &ScriptAction) -> Result<()> {
        let Goal::Activate(toplevel) = &self.a.plan.goal else {
            return Ok(());
        };
        if self.a.plan.scripts.run.first() == Some(script) {
            scripts::apply::forget_shell(self.a.root)?;
        }
        let failed = scripts::apply::run(
            self.a.root,
            &script.name,
            &script.script,
            toplevel,
            self.a.action,
            self.a.unit_timeout,
        );
        if let Some(failed) = failed {
            self.failed_scripts.push(failed);
            return Ok(());
        }
        self.a.state.scripts.finish(&script.name);
        self.note(&Record::ScriptDone {
            name: script.name.clone(),
            script: script.script.clone(),
        })
    }

    /// Starts units, those among them that scripts ask for. The lists stay until that is done.
    fn start_units(&mut self, tell: &mut dyn FnMut(Progress<'_>) -> Result<()>) -> Result<()> {
        let (root, action) = (self.a.root, self.a.action);
        if !root.is_live() {
            // Its boot will start them all.
            return scripts::apply::drop_requests(root, action);
        }
        let requests = match self.a.plan.goal {
            Goal::Activate(_) => scripts::apply::read_requests(root, action)?,
            // An interrupted run left them, for what goes now.
            Goal::Deactivate => Requests::default(),
        };
        match &mut self.units {
            Some(units) => units.add_requests(&requests),
            None if requests.is_empty() => {}
            // Nothing runs that could be restarted; its boot starts what is new.
            None => tracing::warn!(
                "activation scripts ask for restarts of units, but systemd is not running here"
            ),
        }
        let is_ours =
            |units: &UnitSwitch<'_>, unit: &str| units.new_units.ours.units.contains_key(unit);
        let gives_back =
            |units: &UnitSwitch<'_>| units.plan.start.iter().any(|a| !is_ours(units, &a.unit));
        if self.units.as_ref().is_some_and(gives_back) {
            tmpfiles::apply::make_missing(root, &self.a.state.files)?;
        }
        self.with_units(tell, |units, tell| units.start(tell))?;
        scripts::apply::drop_requests(root, action)
    }

    fn apply_accounts(&mut self) -> Result<()> {
        let root = self.a.root;
        root.sync()?;
        let plan = self.a.plan;
        let (takes_over, resumes) = (plan.takeover.is_some(), plan.resumes.is_some());
        let about = Circumstances {
            expected: self.a.accounts_expected,
            takes_over: takeover::is_under_way(root, takes_over, resumes)?,
            scripts: Scripts::None,
        };
        self.warnings = accounts::apply::apply(root, self.a.accounts, about, &plan.accounts)?;
        Ok(())
    }

    /// Goes back to the files beneath, which what was done so far has made the same again.
    fn end_ephemeral(&mut self) -> Result<()> {
        self.a.root.sync()?;
        let left = ephemeral::end(self.a.root)?;
        if let Some((kept, left)) = left.split_first() {
            let left: Vec<String> = left.iter().map(|p| p.display().to_string()).collect();
            self.warnings.push(format!(
                "others have written to /etc, which was of this boot only, and that is gone from there: {}; until the next boot it is in {}",
                left.join(", "),
                kept.display()
            ));
        }
        self.a.systemd.map_or(Ok(()), Systemd::reload)
    }

    fn apply_tmpfiles(&mut self) -> Result<()> {
        self.a.root.sync()?;
        self.tmpfiles = tmpfiles::apply::apply(self.a.root, &self.a.plan.tmpfiles)?;
        self.note(&Record::TmpfilesDone)
    }

    fn switch_user_managers(&mut self) -> Result<()> {
        let Some((old, new)) = self.a.user_units else {
            return Ok(());
        };
        let managers = &self.a.plan.user_managers;
        let switched = units::users::switch_all(managers, old, new, self.a.unit_timeout);
        for (manager, switched) in managers.iter().zip(switched) {
            match switched {
                Ok(outcome) => {
                    self.users.insert(manager.name.clone(), outcome);
                }
                Err(e) => self.problems.push(format!("{e:#}")),
            }
        }
        self.note(&Record::UserManagersDone)
    }

    fn with_units(
        &mut self,
        tell: &mut dyn FnMut(Progress<'_>) -> Result<()>,
        act: impl FnOnce(&mut UnitSwitch<'_>, &mut Tell<'_>) -> Result<()>,
    ) -> Result<()> {
        let (Some(units), journal) = (&mut self.units, &mut self.journal) else {
            return Ok(());
        };
        act(units, &mut |verb, event| {
            if let (Event::Ended { unit, result }, Some(journal)) = (&event, journal.as_mut())
                && is_final(verb, result)
            {
                journal.add(&Record::Done {
                    unit: (*unit).to_owned(),
                })?;
            }
            tell(Progress::Job(verb, event))
        })
    }

    /// Returns what is left for a run of its own, with what scripts have asked for.
    fn after(&self) -> &[UnitAction] {
        let planned = &self.a.plan.units.after;
        self.units
            .as_ref()
            .map_or(planned, |units| &units.plan.after)
    }

    /// Starts the run that goes on when this one has ended, with what this one is a part of.
    fn hand_over(&mut self) {
        let Some(systemd) = self.a.systemd else {
            return;
        };
        if self.after().is_empty() {
            return;
        }
        let start = || -> Result<()> {
            let program = std::env::current_exe().context("finding this program")?;
            let mut command = vec![program.to_string_lossy().into_owned(), FINISH.to_owned()];
            if let Goal::Activate(toplevel) = &self.a.plan.goal {
                command.push(toplevel.to_string());
            }
            systemd.start_transient(FINISHER, "what a switch left to be done after it", &command)
        };
        if let Err(error) = start() {
            let why =
                format!("the unit that this run is part of is left for the next run: {error:#}");
            self.problems.push(why);
        }
    }

    fn note(&mut self, record: &Record) -> Result<()> {
        self.journal
            .as_mut()
            .map_or(Ok(()), |journal| journal.add(record))
    }

    /// Judges what has been done; by now it is, so nothing here ends the activation.
    fn outcome(mut self) -> Outcome {
        let plan = self.a.plan;
        let pending = self.pending();
        let after = self.after().to_vec();
        self.hand_over();
        let (jobs, not_restarted) = match self.units {
            Some(switch) => (switch.jobs, switch.plan.skipped),
            None => <_>::default(),
        };
        let units = self.judged;
        Outcome {
            version: outcome::VERSION,
            goal: plan.goal.clone(),
            conflicts: Vec::new(),
            is_untouched: false,
            summary: plan.summary(),
            pending,
            after,
            logs: read_logs(units.failed.keys(), "unit", self.begun),
            jobs,
            units,
            not_restarted,
            failed_scripts: self.failed_scripts,
            failed_checks: Vec::new(),
            users: self.users,
            problems: self.problems,
            warnings: self.warnings,
            tmpfiles: self.tmpfiles.problems,
        }
    }
}

/// The hidden command that waits for a run to end and does what that one could not do to itself.
pub(crate) const FINISH: &str = "finish-switch";

/// The unit in which that runs.
const FINISHER: &str = "system-manager-finish.service";
