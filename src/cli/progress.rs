//! How far a command is: one live line on a terminal, lines of JSON for tools, and how long each part took with `-v`.
#![expect(clippy::disallowed_methods, reason = "looks at the clock")]

use std::cell::RefCell;
use std::fs::{File, OpenOptions};
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::activation::apply::Progress as Activation;
use crate::activation::plan::Step;
use crate::cli::print::{end_live, tell, tell_live};
use crate::host::systemd::Event;
use crate::model::job::Verb;
use crate::model::style::{count, show_bytes};
use crate::nix::watch::{Standing, Work};

/// How many of the slowest units are told.
const SLOWEST: usize = 10;

/// How far a command is, for whoever wants to know.
pub(crate) struct Progress(RefCell<Inner>);

struct Inner {
    /// Whether one line on standard error is written anew and anew.
    is_live: bool,
    /// Whether the times are told at the end.
    has_times: bool,
    /// Where lines of JSON go.
    tool: Option<File>,
    phases: Vec<(&'static str, Duration)>,
    phase: Option<(&'static str, Instant)>,
    steps: usize,
    step: usize,
    units_since: Option<Instant>,
    units: Vec<(String, Duration)>,
    last_work: Standing,
}

/// How a command tells how far it is.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Telling {
    /// Whether it is quiet.
    pub quiet: bool,
    /// Whether the times are told at the end.
    pub times: bool,
    /// The file descriptor for tools.
    pub fd: Option<u16>,
}

impl Progress {
    /// Prepares it.
    ///
    /// # Errors
    /// When the descriptor for tools is not open for writing.
    pub(crate) fn new(telling: Telling) -> Result<Self> {
        let open = |fd: u16| {
            let path = format!("/proc/self/fd/{fd}");
            let file = OpenOptions::new().append(true).open(&path);
            file.with_context(|| {
                format!("`--progress-fd {fd}`: opening it\nhint: open it first, for example with `{fd}>progress.jsonl`")
            })
        };
        Ok(Self(RefCell::new(Inner {
            is_live: std::io::stderr().is_terminal() && !telling.quiet,
            has_times: telling.times,
            tool: telling.fd.map(open).transpose()?,
            phases: Vec::new(),
            phase: None,
            steps: 0,
            step: 0,
            units_since: None,
            units: Vec::new(),
            last_work: Standing::default(),
        })))
    }

    /// Whether anybody wants to know what Nix does.
    pub(crate) fn watches_nix(&self) -> bool {
        let inner = self.0.borrow();
        inner.is_live || inner.has_times || inner.tool.is_some()
    }

    /// A part begins, and the one before ends.
    pub(crate) fn begin(&self, phase: &'static str) {
        let mut inner = self.0.borrow_mut();
        if inner.phase.is_some_and(|(now, _)| now == phase) {
            return;
        }
        inner.end_phase();
        inner.phase = Some((phase, Instant::now()));
        inner.say(&json!({ "event": "phase", "phase": phase }));
        inner.live(&format!("{phase} ..."));
    }

    /// What Nix is at; nothing new may have been said.
    pub(crate) fn work(&self, work: &Work) {
        if work.is_building {
            self.begin("build");
        }
        let mut inner = self.0.borrow_mut();
        let standing = work.standing();
        let since = inner
            .phase
            .map_or(0, |(_, since)| since.elapsed().as_secs());
        let text = if work.is_building {
            describe_build(&standing, since)
        } else {
            format!("evaluation, {since} s")
        };
        inner.live(&text);
        if standing != inner.last_work {
            inner.say(&json!({
                "event": "build", "built": standing.built, "of": standing.builds, "building": standing.building,
                "fetched": standing.fetched, "toFetch": standing.to_fetch,
            }));
            inner.last_work = standing;
        }
    }

    /// An activation of so many steps begins.
    pub(crate) fn activation(&self, steps: usize) {
        self.begin("activation");
        let mut inner = self.0.borrow_mut();
        (inner.steps, inner.step) = (steps, 0);
    }

    /// What an activation tells.
    pub(crate) fn activate(&self, progress: &Activation<'_>) {
        let mut inner = self.0.borrow_mut();
        match progress {
            Activation::Step(step) => inner.begin_step(*step),
            Activation::Job(verb, event) => inner.job(*verb, event),
        }
    }

    /// The command has ended.
    pub(crate) fn end(&self, code: u8) {
        let mut inner = self.0.borrow_mut();
        inner.end_phase();
        inner.say(&json!({ "event": "end", "code": code }));
        end_live();
        if inner.has_times && !inner.phases.is_empty() {
            tell(&inner.times());
        }
    }
}

impl Inner {
    fn end_phase(&mut self) {
        if let Some((phase, since)) = self.phase.take() {
            let took = since.elapsed();
            self.phases.push((phase, took));
            let seconds = took.as_secs_f64();
            self.say(&json!({ "event": "phaseEnd", "phase": phase, "seconds": seconds }));
        }
        end_live();
    }

    fn live(&self, text: &str) {
        if self.is_live {
            tell_live(text);
        }
    }

    /// Whoever reads on the other side may have gone: that ends no run.
    fn say(&mut self, event: &Value) {
        if let Some(tool) = &mut self.tool {
            let mut event = event.clone();
            event["version"] = json!(1);
            if writeln!(tool, "{event}").is_err() {
                self.tool = None;
            }
        }
    }

    fn begin_step(&mut self, step: Step<'_>) {
        self.step += 1;
        let (what, about) = describe(step);
        self.units_since = Some(Instant::now());
        let about_text = about.as_deref().unwrap_or_default();
        let text = format!("step {} of {}: {what} {about_text}", self.step, self.steps);
        self.live(text.trim_end());
        self.say(&json!({
            "event": "step", "number": self.step, "of": self.steps, "step": what, "subject": about,
        }));
    }

    fn job(&mut self, verb: Verb, event: &Event<'_>) {
        match event {
            Event::Waiting { units, since } => {
                let names: Vec<&str> = units.iter().map(String::as_str).collect();
                let text = format!(
                    "step {} of {}: {} {}, {} s",
                    self.step,
                    self.steps,
                    verb.progressive(),
                    names.join(", "),
                    since.as_secs()
                );
                self.live(&text);
            }
            Event::Ended { unit, result } => {
                let took = self
                    .units_since
                    .map_or(Duration::ZERO, |since| since.elapsed());
                self.units.push((format!("{} {unit}", verb.word()), took));
                self.say(&json!({
                    "event": "unit", "unit": unit, "verb": verb.word(), "result": result,
                    "seconds": took.as_secs_f64(),
                }));
            }
        }
    }

    /// How long each part took, and the slowest units.
    fn times(&self) -> String {
        let mut text = String::from("times:");
        for (phase, took) in &self.phases {
            text.push_str(&format!(" {phase} {:.1} s,", took.as_secs_f64()));
        }
        let mut text = text.trim_end_matches(',').to_owned() + "\n";
        let mut units: Vec<&(String, Duration)> = self.units.iter().collect();
        units.sort_by_key(|(_, took)| std::cmp::Reverse(*took));
        for (unit, took) in units.into_iter().take(SLOWEST) {
            text.push_str(&format!("{:>8.1} s  {unit}\n", took.as_secs_f64()));
        }
        text
    }
}

fn describe_build(standing: &Standing, since: u64) -> String {
    let mut parts = Vec::new();
    if standing.builds > 0 {
        let building = standing.building.join(", ");
        let building = if building.is_empty() {
            building
        } else {
            format!(": {building}")
        };
        parts.push(format!(
            "{} of {} built{building}",
            standing.built, standing.builds
        ));
    }
    if standing.to_fetch > 0 {
        let speed = standing.fetched / since.max(1);
        parts.push(format!(
            "{} of {} fetched, {}/s",
            show_bytes(standing.fetched),
            show_bytes(standing.to_fetch),
            show_bytes(speed)
        ));
    }
    format!("build, {since} s: {}", parts.join("; "))
}

/// A step in a word, and what it is about.
fn describe(step: Step<'_>) -> (&'static str, Option<String>) {
    let file = |target: &crate::model::names::TargetPath| Some(format!("/etc/{target}"));
    match step {
        Step::RemoveLeftover(target) => ("clean", file(target)),
        Step::Keep(change) => ("back up", file(&change.target)),
        Step::KeepEdit(edit) => ("back up", Some(edit.path.clone())),
        Step::KeepFirst(touch) => ("back up", file(touch.target)),
        Step::KeepAside(aside) => ("back up", file(&aside.from)),
        Step::Claim => ("record what will happen", None),
        Step::Retire => ("set the other record aside", None),
        Step::Mend(edit) => ("mend", Some(edit.path.clone())),
        Step::StopUnits => ("stop units", None),
        Step::Remove(change) => ("remove", file(&change.target)),
        Step::RemoveFolder(folder) => ("remove", file(folder)),
        Step::Restore(change) => ("put back", file(&change.target)),
        Step::Accounts => ("change accounts", None),
        Step::MakeFolder(folder) => ("make", file(folder)),
        Step::MendFolder(mend) => ("give its mode to", file(&mend.target)),
        Step::Write(change) => ("write", file(&change.target)),
        Step::Change(change) => {
            let (word, what) = change.told();
            (word, Some(what))
        }
        Step::Script(script) => ("run script", Some(script.name.clone())),
        Step::DaemonReload => ("reload systemd", None),
        Step::Tmpfiles => ("apply tmpfiles rules", None),
        Step::UserManagers => ("switch user managers", None),
        Step::StartUnits => ("start units", None),
        Step::Commit => ("record what is active", None),
        Step::EndEphemeral => ("end the temporary configuration", None),
    }
}

/// What the files of an activation come to, where nobody watches: one line and not one for each.
pub(crate) fn describe_files(steps: &[Step<'_>]) -> Option<String> {
    let of = |is: fn(&Step<'_>) -> bool| steps.iter().filter(|step| is(step)).count();
    let parts = [
        (of(|s| matches!(s, Step::Write(_))), "writing"),
        (of(|s| matches!(s, Step::Remove(_))), "removing"),
        (of(|s| matches!(s, Step::Restore(_))), "putting back"),
    ];
    let parts: Vec<String> = parts
        .into_iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, verb)| format!("{verb} {}", count(n, "file")))
        .collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}
