//! Commands on a root, from the plan to what is printed of it.
use crate::store::toplevel::read_manifest;
use std::path::Path;

use crate::activation::apply::Progress as Activation;
use crate::activation::outcome::Outcome;
use crate::activation::plan::{Goal, Plan, TellingPlan};
use crate::activation::prepare::{self, Prepared};
use crate::activation::report;
use crate::activation::state::State;
use crate::activation::{outcome_report, status, why};
use crate::cli::args::{ApplyArgs, PlanPages};
use crate::cli::commands::{self, End, Failure, How};
use crate::host::fs::Root;
use crate::host::signals::Signals;
use crate::host::systemd::Event;
use crate::model::names::AbsolutePath;
use crate::model::page;
use crate::model::style::Style;
use crate::nix::elsewhere::BuildHost;
use crate::scripts;
use crate::store::generations;
use crate::store::history::{self, Origin};
use crate::store::lock::Patience;
use crate::store::secrets;
use anyhow::{Context, Result, bail};
use serde::Serialize;

use crate::cli::asked::{ask, write_private};
use crate::cli::print::{
    print, print_error, print_failure, print_json, print_refusal, print_text, tell,
};
use crate::cli::progress::{Progress, describe_files};

/// A root, and how results are printed.
pub(crate) struct Session {
    pub(crate) root: Root,
    pub(crate) json: bool,
    pub(crate) style: Style,
    pub(crate) progress: Progress,
    /// The machine that builds, if it is another one.
    pub(crate) build_host: Option<BuildHost>,
}

/// What `why --json` prints.
#[derive(Serialize)]
struct Answers<'a> {
    /// Format version.
    version: u32,
    answers: &'a [why::Answer],
}

/// What `register --json` prints.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RegisteredGeneration<'a> {
    /// Format version.
    version: u32,
    generation: u64,
    toplevel: &'a AbsolutePath,
    is_new: bool,
}

impl Session {
    pub(crate) fn plan(
        &self,
        goal: Goal,
        how: prepare::How,
        out: Option<&Path>,
        detailed: bool,
        pages: PlanPages,
    ) -> Result<End, Failure> {
        self.progress.begin("plan");
        let plan = prepare::prepare(&self.root, goal, how)?.plan;
        if pages.page.is_wanted() {
            let text = report::render_plan(&plan, page::TEXT);
            print(&pages.page.render(&text, report::CONFLICTS, "plan"))?;
        } else if pages.summary && self.json {
            print_json(&plan.summary())?;
        } else if pages.summary {
            print_text(&report::render_summary(&plan, self.style), self.style)?;
        } else {
            self.print_plan(&plan)?;
        }
        if let Some(path) = out {
            let text = serde_json::to_vec_pretty(&plan).context("serialising the plan")?;
            write_private(path, &text)
                .with_context(|| format!("writing the plan {}", path.display()))?;
        }
        print_refusal(&plan.conflicts);
        let changes_nothing = plan.is_empty() || plan.changes_nothing();
        Ok(
            match (plan.conflicts.is_empty(), detailed && !changes_nothing) {
                (false, _) => End::Refused,
                (true, true) => End::Changes,
                (true, false) => End::Done,
            },
        )
    }

    pub(crate) fn register(
        &self,
        toplevel: &AbsolutePath,
        origin: &Origin,
    ) -> Result<End, Failure> {
        read_manifest(Path::new(toplevel.as_str()))?;
        let _lock = commands::lock(&self.root, "register", Patience::Refuse)?;
        let registered = generations::register(&self.root, toplevel)?;
        let number = registered.number;
        if registered.is_new || origin.message.is_some() {
            history::note_generation(&self.root, number, toplevel, origin);
        }
        if self.json {
            print_json(&RegisteredGeneration {
                version: 1,
                generation: number,
                toplevel,
                is_new: registered.is_new,
            })?;
        } else {
            print_text(&format!("generation {number}: {toplevel}"), self.style)?;
        }
        Ok(End::Done)
    }

    pub(crate) fn why(&self, name: &str) -> Result<End, Failure> {
        let state = State::read(&self.root)?;
        let answers = why::read(&self.root, &state, name)?;
        if answers.is_empty() {
            return Err(Failure::Before(anyhow::anyhow!(
                "{name}: the active configuration contains nothing of this name\nhint: a path begins with `/`, and a unit ends in .service, .timer and so on; `system-manager status -v` lists what is active"
            )));
        }
        if self.json {
            print_json(&Answers {
                version: 1,
                answers: &answers,
            })?;
        } else {
            print_text(&why::render(&answers, self.style), self.style)?;
        }
        Ok(End::Done)
    }

    /// A generation of a run that has changed nothing goes again; of another one it is noted where it came from.
    fn settle_generation(
        &self,
        registered: &generations::Registered,
        toplevel: Option<&AbsolutePath>,
        ended: &Result<Outcome, Failure>,
        origin: &Origin,
    ) -> Result<()> {
        match (ended, toplevel) {
            (Err(Failure::Before(_)), _) => generations::withdraw(&self.root, registered)?,
            (_, Some(toplevel)) if registered.is_new || origin.message.is_some() => {
                history::note_generation(&self.root, registered.number, toplevel, origin);
            }
            _ => {}
        }
        Ok(())
    }

    pub(crate) fn switch(
        &self,
        goal: Goal,
        saved: Option<&Plan>,
        args: &ApplyArgs,
        how: &How,
    ) -> Result<End, Failure> {
        let signals = how.signals()?;
        let _lock = commands::lock(&self.root, "switch", args.patience())?;
        let planned = self.planned(&goal, saved, args, how)?;
        let mut prepared = self.prepare(goal, planned, args, how, &signals)?;
        if !how.register {
            prepared.action = scripts::decide::Action::Test;
        }
        if let Some(saved) = saved
            && *saved != prepared.plan
        {
            return Err(Failure::Before(anyhow::anyhow!(
                "the plan is stale: the host or its state has changed since it was made\nhint: make a new one with `system-manager plan --out FILE`"
            )));
        }
        if !prepared.plan.conflicts.is_empty() {
            self.print_untouched(&prepared.plan)?;
            return Ok(End::Refused);
        }
        if how.only_idle && !prepared.plan.is_empty() {
            return Ok(End::Changes);
        }
        if how.ask && !prepared.plan.is_empty() {
            self.print_plan(&prepared.plan)?;
            ask("Apply this plan?", &signals)?;
        }
        let before = prepared.plan.from.clone();
        let registered = match &prepared.plan.goal {
            Goal::Activate(toplevel) if how.register && prepared.plan.ephemeral.is_none() => {
                Some(generations::register(&self.root, toplevel)?)
            }
            _ => None,
        };
        let goal = prepared.plan.becomes.as_ref().map(|a| a.toplevel.clone());
        let plan = prepared.plan.clone();
        let ended = self.apply(prepared, args, &signals);
        if let Some(registered) = &registered {
            self.settle_generation(registered, goal.as_ref(), &ended, &how.origin)?;
        }
        let failed = match &ended {
            Ok(outcome) => !outcome.is_success(),
            Err(Failure::PartWay(_)) => true,
            Err(Failure::Before(_)) => false,
        };
        let way_back = before.filter(|before| Some(before) != goal.as_ref());
        match way_back.filter(|_| failed && how.rollback_on_failure && !signals.is_asked()) {
            Some(before) => {
                self.tell_why_back(&ended);
                tell(&format!("rolling back to {before}\n"));
                self.go_back(before, args, &signals)
                    .map_err(|failure| match failure {
                        // The activation before it has changed something.
                        Failure::Before(error) | Failure::PartWay(error) => {
                            Failure::PartWay(error.context("rolling back"))
                        }
                    })
            }
            None => ended.map(|outcome| self.end(&outcome, self.last_word(&plan).as_deref())),
        }
    }

    /// Returns how a switch is planned. Secrets that differ are a change, also where nothing else is.
    fn planned(
        &self,
        goal: &Goal,
        saved: Option<&Plan>,
        args: &ApplyArgs,
        how: &How,
    ) -> Result<prepare::How> {
        let differs = match goal {
            Goal::Activate(toplevel) if how.brings_secrets => self.bring_secrets(toplevel)?,
            _ => false,
        };
        let is_asked = saved.is_some_and(|plan| plan.scripts.is_asked());
        Ok(prepare::How {
            all_scripts: args.all_scripts || is_asked || differs,
            ephemeral: how.ephemeral || saved.is_some_and(|plan| plan.ephemeral.is_some()),
            pre_populate: how.pre_populate || saved.is_some_and(|plan| plan.pre_populates),
            ..args.how()
        })
    }

    /// Reads the secrets of a toplevel on this machine and keeps them. Returns whether one is new to services.
    fn bring_secrets(&self, toplevel: &AbsolutePath) -> Result<bool> {
        let wanted = read_manifest(Path::new(toplevel.as_str()))?.secrets;
        secrets::keep(&self.root, toplevel, &secrets::gather(&wanted)?)
    }

    /// Tells on standard error what the activation came to that is undone now; the result is that of the way back.
    fn tell_why_back(&self, ended: &Result<Outcome, Failure>) {
        match ended {
            Ok(outcome) => tell(&outcome_report::render_outcome(outcome, self.style)),
            Err(Failure::Before(error) | Failure::PartWay(error)) => print_error(error),
        }
    }

    /// Activates the toplevel that was in force before a switch that failed.
    fn go_back(
        &self,
        before: AbsolutePath,
        args: &ApplyArgs,
        signals: &Signals,
    ) -> Result<End, Failure> {
        let generations = generations::read(&self.root)?;
        // Its own generation, so that a later rollback goes on from there.
        match generations.iter().rev().find(|g| g.toplevel == before) {
            Some(own) => generations::select(&self.root, own.number)?,
            None => {
                generations::register(&self.root, &before)?;
            }
        }
        let prepared =
            prepare::prepare(&self.root, Goal::Activate(before), prepare::How::default())?;
        if !prepared.plan.conflicts.is_empty() {
            self.print_plan(&prepared.plan)?;
            return Err(Failure::Before(anyhow::anyhow!("there are conflicts")));
        }
        let plan = prepared.plan.clone();
        let outcome = self.apply(prepared, args, signals)?;
        let word = self
            .last_word(&plan)
            .map(|word| format!("Rolled back: {word}"));
        Ok(match self.end(&outcome, word.as_deref()) {
            End::Done => End::RolledBack,
            other => other,
        })
    }

    pub(super) fn carry_out(
        &self,
        prepared: Prepared,
        args: &ApplyArgs,
        signals: &Signals,
    ) -> Result<Outcome, Failure> {
        if prepared.plan.is_empty() {
            let mut untouched = Outcome::untouched(&prepared.plan);
            let failed = status::failed_since(&self.root, &prepared.state.files);
            untouched.warnings.extend(failed);
            return Ok(untouched);
        }
        let (steps, mut begun) = (prepared.plan.steps().len(), 0);
        if let Some(files) = describe_files(&prepared.plan.steps()) {
            tracing::info!("{files}");
        }
        self.progress.activation(steps);
        commands::activate(&self.root, prepared, args, &mut |progress| {
            self.progress.activate(&progress);
            if matches!(progress, Activation::Job(_, Event::Ended { .. })) {
                // What has ended is written down first.
                return Ok(());
            }
            if signals.is_asked() {
                bail!("interrupted after step {begun} of {steps}; run again to resume");
            }
            begun += usize::from(matches!(progress, Activation::Step(_)));
            Ok(())
        })
    }

    /// Prints an outcome with a last word, and returns how the command ended. What was done is done, whether or not it can
    /// be printed.
    pub(crate) fn end(&self, outcome: &Outcome, last: Option<&str>) -> End {
        let printed = self.print_outcome(outcome).and_then(|()| match last {
            Some(last) if !self.json && !outcome.is_untouched => {
                let place = if self.root.is_live() {
                    String::new()
                } else {
                    let path = self.root.show(Path::new(""));
                    let path = path.display().to_string();
                    let below = |path: &str| format!(" below {path}");
                    (Some(path.trim_end_matches('/')).filter(|path| !path.is_empty()))
                        .map_or_else(String::new, below)
                };
                print_text(&format!("{last}{place}."), self.style)
            }
            _ => Ok(()),
        });
        if let Err(error) = printed {
            print_error(&error);
        }
        print_failure(outcome);
        if outcome.is_success() {
            End::Done
        } else if outcome.is_success_but_for_scripts() {
            End::ScriptsFailed
        } else {
            End::Failed
        }
    }

    pub(crate) fn print_plan(&self, plan: &Plan) -> Result<()> {
        if self.json {
            print_json(&TellingPlan::of(plan))
        } else {
            print_text(&report::render_plan(plan, self.style), self.style)
        }
    }

    /// Prints why a plan was not applied.
    pub(crate) fn print_untouched(&self, plan: &Plan) -> Result<()> {
        if self.json {
            print_json(&Outcome::untouched(plan))?;
        } else {
            self.print_plan(plan)?;
        }
        print_refusal(&plan.conflicts);
        Ok(())
    }

    fn print_outcome(&self, outcome: &Outcome) -> Result<()> {
        if self.json {
            print_json(outcome)
        } else {
            print_text(
                &outcome_report::render_outcome(outcome, self.style),
                self.style,
            )
        }
    }
}
