//! Commands about generations: what they were, how they differ, back to one of them.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::anyhow;
use serde::Serialize;

use crate::activation::journal::{self, Interrupted};
use crate::activation::outcome::Outcome;
use crate::activation::plan::{Goal, Plan};
use crate::activation::prepare::Prepared;
use crate::activation::state::State;
use crate::activation::told::{self, Choice, Generation as Told};
use crate::activation::{compare, health, prepare};
use crate::cli::args::ApplyArgs;
use crate::cli::args::PlanPages;
use crate::cli::args_past::{BackArgs, DeleteArgs, DiffArgs};
use crate::cli::asked::ask;
use crate::cli::commands::{self, End, Failure, How};
use crate::cli::given::{Given, read_given};
use crate::cli::print::{print, print_json, print_text};
use crate::cli::session::Session;
use crate::closure;
use crate::host::clock::now;
use crate::host::signals::Signals;
use crate::model::names::AbsolutePath;
use crate::model::packages::Size;
use crate::model::style::{count, show_bytes};
use crate::nix::{self, BuildOptions};
use crate::store::generations::{self, Generation};
use crate::store::history::{self, History, Past};
use crate::store::lock::Patience;
use crate::store::pending::Pending;
use crate::store::secrets;

/// What `generations delete --json` prints.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Deleted {
    /// Format version.
    version: u32,
    generations: Vec<u64>,
    /// What only they needed; none where nobody knows.
    freed: Option<Size>,
    dry_run: bool,
}

/// One of the two that `diff` compares.
struct Named {
    name: String,
    toplevel: AbsolutePath,
}

impl Session {
    pub(crate) fn generations(&self) -> Result<End, Failure> {
        let told = told::read(&self.root)?;
        if self.json {
            print_json(&told)?;
        } else if told.generations.is_empty() {
            print("there are no generations; `system-manager switch` makes one")?;
        } else {
            print_text(&told::render(&told, self.style), self.style)?;
        }
        Ok(End::Done)
    }

    pub(crate) fn delete_generations(&self, args: &DeleteArgs) -> Result<End, Failure> {
        let _lock = commands::lock(&self.root, "generations delete", Patience::Refuse)?;
        let told = told::read(&self.root)?;
        let choice = Choice {
            numbers: args.numbers.clone(),
            keep: args.keep,
            before: args.older_than.map(|age| now().saturating_sub(age)),
        };
        let chosen = told::choose(&told, &choice)?;
        let freed = told::freed(&self.root, &told, &chosen);
        let numbers: Vec<u64> = chosen.iter().map(|g| g.number).collect();
        if !self.json {
            tell_chosen(&chosen, freed)?;
        }
        if !args.dry_run {
            for number in &numbers {
                generations::forget(&self.root, *number)?;
            }
            history::forget(&self.root, &numbers);
        }
        if self.json {
            print_json(&Deleted {
                version: 1,
                generations: numbers,
                freed,
                dry_run: args.dry_run,
            })?;
        } else if !numbers.is_empty() && !args.dry_run {
            let collector = if closure::is_of_nix(&self.root)? {
                "nix-collect-garbage"
            } else {
                "system-manager gc"
            };
            let gone = count(numbers.len(), "generation");
            print(&format!(
                "Forgotten: {gone}. Run `{collector}` to free the space that nothing else needs."
            ))?;
        }
        Ok(End::Done)
    }

    pub(crate) fn gc(&self, dry_run: bool, keep: Option<usize>) -> Result<End, Failure> {
        let mut outdated = Vec::new();
        if keep.is_some() {
            let _lock = commands::lock(&self.root, "gc", Patience::Refuse)?;
            let choice = Choice {
                keep,
                ..Choice::default()
            };
            let told = told::read(&self.root)?;
            let chosen = told::choose(&told, &choice)?;
            outdated = chosen.iter().map(|g| g.number).collect();
            if !self.json && !chosen.is_empty() {
                tell_chosen(&chosen, told::freed(&self.root, &told, &chosen))?;
            }
            if !dry_run {
                for number in &outdated {
                    generations::forget(&self.root, *number)?;
                }
                history::forget(&self.root, &outdated);
            }
        }
        let active = State::read(&self.root)?.active.map(|a| a.toplevel);
        let asked = closure::gc::Asked {
            dry_run,
            without: if dry_run { &outdated } else { &[] },
        };
        let mut collected = closure::gc::collect(&self.root, active.as_ref(), asked)?;
        collected.generations = outdated;
        if self.json {
            print_json(&collected)?;
            return Ok(End::Done);
        }
        for path in &collected.paths {
            print_text(&format!("- {path}"), self.style)?;
        }
        let paths = count(collected.paths.len(), "path");
        let verb = match (dry_run, collected.paths.len()) {
            (true, _) => "would be removed",
            (false, 1) => "has been removed",
            (false, _) => "have been removed",
        };
        print(&format!("{paths} {verb}, {}", show_bytes(collected.bytes)))?;
        Ok(End::Done)
    }

    pub(crate) fn diff(&self, args: &DiffArgs) -> Result<End, Failure> {
        let from = match &args.from {
            Some(text) => self.named(text)?,
            None => self.before_active()?,
        };
        let to = args.to.as_ref().map(|text| self.named(text)).transpose()?;
        let active = State::read(&self.root)?.active.map(|a| a.toplevel);
        let second = to.as_ref().map(|named| &named.toplevel).or(active.as_ref());
        let known = closure::contents::read(&self.root, [&from.toplevel].into_iter().chain(second));
        let inside = |toplevel: &AbsolutePath| known.get(toplevel).cloned();
        let read = |of: &AbsolutePath| compare::read_built(&self.root, of, inside(of));
        let one = read(&from.toplevel)?;
        let other = match &to {
            Some(named) => read(&named.toplevel)?,
            None => compare::read_live(&self.root, active.as_ref().and_then(inside))?,
        };
        let difference = compare::compare(&one, &other, to.is_none())?;
        if self.json {
            print_json(&difference)?;
        } else {
            let live = "the live host".to_owned();
            let names = [from.name, to.map_or(live, |named| named.name)];
            let names = [names[0].as_str(), names[1].as_str()];
            print_text(&compare::render(&difference, names, self.style), self.style)?;
        }
        Ok(End::Done)
    }

    /// Finds what an argument of `diff` names.
    fn named(&self, text: &str) -> anyhow::Result<Named> {
        if let Ok(number) = text.parse() {
            let all = generations::read(&self.root)?;
            let found = generations::rollback_target(&all, None, Some(number))?;
            return Ok(Named {
                name: format!("generation {number}"),
                toplevel: found.toplevel,
            });
        }
        let toplevel = match read_given(Path::new(text)) {
            Given::Built(path) => commands::toplevel_path(&path)?,
            Given::Source(source) => nix::build(
                &source,
                &BuildOptions {
                    build_host: self.build_host.clone(),
                    ..BuildOptions::default()
                },
            )?,
        };
        Ok(Named {
            name: text.to_owned(),
            toplevel,
        })
    }

    fn before_active(&self) -> anyhow::Result<Named> {
        let all = generations::read(&self.root)?;
        let active = State::read(&self.root)?.active.map(|a| a.toplevel);
        if let Some(past) = History::read(&self.root).before(active.as_ref())
            && let Some(toplevel) = past.toplevel.clone()
        {
            let own = all.iter().rev().find(|g| g.toplevel == toplevel);
            return Ok(Named {
                name: own.map_or_else(
                    || toplevel.to_string(),
                    |g| format!("generation {}", g.number),
                ),
                toplevel,
            });
        }
        let found = generations::rollback_target(&all, active.as_ref(), None).map_err(|_| {
            anyhow!("it is not known what was active before\nhint: name a generation from `system-manager generations`")
        })?;
        Ok(Named {
            name: format!("generation {}", found.number),
            toplevel: found.toplevel,
        })
    }

    pub(crate) fn rollback(&self, to: Option<u64>, args: &BackArgs) -> Result<End, Failure> {
        let signals = Signals::hold()?;
        let _lock = commands::lock(&self.root, "rollback", args.apply.patience())?;
        let generations = generations::read(&self.root)?;
        let interrupted = journal::read(&self.root)?;
        let target = match interrupted {
            Some(run) if to.is_none() => after_interruption(&generations, &run)?,
            _ => {
                let active = State::read(&self.root)?.active.map(|a| a.toplevel);
                generations::rollback_target(&generations, active.as_ref(), to)?
            }
        };
        self.go_back_to(&target, &generations, args, &signals)
    }

    /// Goes to what was active before, whether or not it is a generation.
    pub(crate) fn undo(&self, args: &BackArgs) -> Result<End, Failure> {
        if journal::read(&self.root)?.is_some() {
            return self.rollback(None, args);
        }
        let active = State::read(&self.root)?.active.map(|a| a.toplevel);
        let history = History::read(&self.root);
        let Some(Past { toplevel, .. }) = history.before(active.as_ref()) else {
            // Activations of before there was a history.
            return self.rollback(None, args);
        };
        let Some(toplevel) = toplevel.clone() else {
            return Err(Failure::Before(anyhow!(
                "nothing was active before\nhint: `system-manager deactivate` removes everything"
            )));
        };
        let own = generations::read(&self.root)?;
        match own.iter().rev().find(|g| g.toplevel == toplevel) {
            Some(own) => self.rollback(Some(own.number), args),
            None if args.dry_run => self.plan_back(Goal::Activate(toplevel), args),
            None => {
                let how = How {
                    ask: args.ask,
                    ..How::default()
                };
                self.switch(Goal::Activate(toplevel), None, &args.apply, &how)
            }
        }
    }

    fn plan_back(&self, goal: Goal, args: &BackArgs) -> Result<End, Failure> {
        self.plan(goal, args.apply.how(), None, false, PlanPages::default())
    }

    fn go_back_to(
        &self,
        target: &Generation,
        generations: &[Generation],
        args: &BackArgs,
        signals: &Signals,
    ) -> Result<End, Failure> {
        let goal = Goal::Activate(target.toplevel.clone());
        if args.dry_run {
            return self.plan_back(goal, args);
        }
        tracing::info!("going to generation {}, {}", target.number, target.toplevel);
        self.progress.begin("plan");
        let mut prepared = prepare::prepare(&self.root, goal, args.apply.how())?;
        if !prepared.plan.conflicts.is_empty() {
            self.print_untouched(&prepared.plan)?;
            return Ok(End::Refused);
        }
        if args.ask && !prepared.plan.is_empty() {
            self.print_plan(&prepared.plan)?;
            ask("Apply this plan?", signals)?;
        }
        prepared.back_to = Some(target.number);
        let current = generations.iter().find(|g| g.current).map(|g| g.number);
        let ended = generations::select(&self.root, target.number)
            .map_err(Failure::Before)
            .and_then(|()| self.apply(prepared, &args.apply, signals));
        if let (Err(Failure::Before(_)), Some(current)) = (&ended, current) {
            generations::select(&self.root, current)?;
        }
        ended.map(|outcome| {
            self.end(
                &outcome,
                Some(&format!("Rolled back to generation {}", target.number)),
            )
        })
    }

    /// Applies what was prepared, looks whether the host is well then, and remembers how it ended.
    pub(crate) fn apply(
        &self,
        prepared: Prepared,
        args: &ApplyArgs,
        signals: &Signals,
    ) -> Result<Outcome, Failure> {
        let checks = prepared.plan.health_checks.clone();
        let goal = prepared.plan.goal.clone();
        let mut ended = self.carry_out(prepared, args, signals);
        if let (Ok(outcome), Goal::Activate(toplevel)) = (&mut ended, &goal) {
            let is_asked = || signals.is_asked();
            outcome.failed_checks = health::run(&self.root, &checks, toplevel, &is_asked);
            if let Some(why) = health::sentence(&outcome.failed_checks) {
                Pending::note_unhealthy(&self.root, &why).map_err(Failure::PartWay)?;
            }
        }
        if ended.is_ok() {
            let active = match &goal {
                Goal::Activate(toplevel) => Some(toplevel),
                Goal::Deactivate => None,
            };
            if let Err(error) = secrets::sweep(&self.root, active) {
                tracing::warn!("secrets that are no longer needed could not be removed: {error:#}");
            }
        }
        self.remember(goal, &ended);
        ended
    }

    /// Remembers how an activation ended. What had changed nothing is nothing to remember.
    pub(crate) fn remember(&self, goal: Goal, ended: &Result<Outcome, Failure>) {
        let toplevel = match goal {
            Goal::Activate(toplevel) => Some(toplevel),
            Goal::Deactivate => None,
        };
        let (failed, unhealthy) = match ended {
            Ok(outcome) => {
                let failures = outcome.failures().into_iter();
                let unhealthy = health::reasons(&outcome.failed_checks);
                (failures.map(|(text, _)| text).collect(), unhealthy)
            }
            Err(Failure::Before(_)) => return,
            Err(Failure::PartWay(error)) => (
                vec![format!("stopped part-way: {error:#}")],
                BTreeMap::new(),
            ),
        };
        if ended.as_ref().is_ok_and(|outcome| outcome.is_untouched) {
            if let Some(toplevel) = toplevel {
                history::note_health(&self.root, &toplevel, failed, unhealthy);
            }
            return;
        }
        let past = Past {
            time: now(),
            toplevel,
            failed,
            unhealthy,
        };
        history::note_activation(&self.root, past);
    }

    /// The last word of an activation: what is in force now.
    pub(crate) fn last_word(&self, plan: &Plan) -> Option<String> {
        let Goal::Activate(toplevel) = &plan.goal else {
            return None;
        };
        let all = generations::read(&self.root).ok()?;
        let own = all.iter().filter(|g| g.toplevel == *toplevel);
        let own = own.max_by_key(|g| (g.current, g.number));
        Some(match own {
            _ if plan.ephemeral.is_some() => {
                "It is active until the next boot, and is not a generation".to_owned()
            }
            Some(own) if plan.pre_populates => {
                format!(
                    "Generation {} is in place, and starts with the next boot",
                    own.number
                )
            }
            Some(own) => format!("Generation {} is active", own.number),
            None => "It is active, but not a generation".to_owned(),
        })
    }
}

/// Says which generations go, and what only they need.
///
/// # Errors
/// When it can't be printed.
fn tell_chosen(chosen: &[&Told], freed: Option<Size>) -> anyhow::Result<()> {
    if chosen.is_empty() {
        return print("No generation would be deleted.");
    }
    for g in chosen {
        let time = crate::model::time::render_time(g.time);
        print(&format!("- generation {}, of {time}", g.number))?;
    }
    match freed {
        Some(freed) => print(&format!(
            "Only these generations need {}, {}.",
            count(freed.paths, "store path"),
            show_bytes(freed.bytes)
        )),
        None => Ok(()),
    }
}

/// Where `rollback` goes when a run was interrupted: where that one was going when it went back itself; otherwise it goes
/// back from what that one was going to.
fn after_interruption(generations: &[Generation], run: &Interrupted) -> anyhow::Result<Generation> {
    let goal = match &run.goal {
        Some(Goal::Activate(toplevel)) => Some(toplevel),
        // The profile says so already.
        Some(Goal::Deactivate) | None => None,
    };
    generations::rollback_target(generations, goal, run.back_to)
}
