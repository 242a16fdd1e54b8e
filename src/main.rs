//! Parses the command line, runs the command, sets the exit code.

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use ::nix::errno::Errno;
use anyhow::{Context, Result, bail};
use clap::{CommandFactory, Parser};
use serde::Serialize;
use system_manager::apply::Progress;
use system_manager::cli::{ApplyArgs, Cli, ColorChoice, Command, CompatArgs, Global, SourceArgs};
use system_manager::commands::{self, End, Failure};
use system_manager::compat;
use system_manager::manifest::Manifest;
use system_manager::names::AbsolutePath;
use system_manager::outcome::Outcome;
use system_manager::outcome_report;
use system_manager::plan::{Goal, Plan};
use system_manager::prepare::{self, Prepared};
use system_manager::report::{self, Style};
use system_manager::root::Root;
use system_manager::switch_to_configuration::{self, Action};
use system_manager::systemd::Event;
use system_manager::unit_switch::progressive;
use system_manager::{journal, leash, nix, profile, scripts, status, user_managers};

const REFUSED: u8 = 1;
const PART_WAY: u8 = 3;
const UNITS_FAILED: u8 = 4;
const ROLLED_BACK: u8 = 5;
const CHANGES: u8 = 10;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    if switch_to_configuration::is_called(arguments.first()) {
        return run_as_nixos(&arguments);
    }
    let cli = Cli::parse();
    log_to_stderr(&cli.global);
    let way_on = match &cli.command {
        // The plan is of the host as it was before.
        Command::Switch { plan: Some(_), .. } => "run `system-manager activate` to go on",
        _ => "run the same command again to go on",
    };
    match run(cli) {
        Ok(End::Done) => ExitCode::SUCCESS,
        Ok(End::Refused) => ExitCode::from(REFUSED),
        Ok(End::Failed | End::ScriptsFailed) => ExitCode::from(UNITS_FAILED),
        Ok(End::RolledBack) => ExitCode::from(ROLLED_BACK),
        Ok(End::Changes) => ExitCode::from(CHANGES),
        Err(Failure::Before(error)) => {
            print_error(&error);
            ExitCode::from(REFUSED)
        }
        Err(Failure::PartWay(error)) => {
            print_error(&error);
            eprintln!("stopped part-way; {way_on}");
            ExitCode::from(PART_WAY)
        }
    }
}

/// Behaves as the `bin/switch-to-configuration` of a NixOS toplevel.
fn run_as_nixos(arguments: &[OsString]) -> ExitCode {
    const ACTIVATION_FAILED: u8 = 2;
    log_to_stderr(&Global {
        root: None,
        json: false,
        color: ColorChoice::Auto,
        verbose: 0,
        quiet: false,
    });
    let ended = switch_to_configuration::parse_action(arguments.get(1..).unwrap_or_default())
        .and_then(|action| {
            Ok((
                action,
                switch_to_configuration::own_toplevel(&arguments[0])?,
            ))
        })
        .map_err(Failure::Before)
        .and_then(|(action, toplevel)| switch_as_nixos(action, &toplevel));
    match ended {
        Ok(End::Done | End::Changes) => ExitCode::SUCCESS,
        Ok(End::Refused | End::RolledBack) => ExitCode::from(REFUSED),
        Ok(End::ScriptsFailed) => ExitCode::from(ACTIVATION_FAILED),
        Ok(End::Failed) => ExitCode::from(UNITS_FAILED),
        Err(Failure::Before(error)) => {
            print_error(&error);
            ExitCode::from(REFUSED)
        }
        Err(Failure::PartWay(error)) => {
            print_error(&error);
            ExitCode::from(ACTIVATION_FAILED)
        }
    }
}

fn switch_as_nixos(action: Action, toplevel: &Path) -> Result<End, Failure> {
    let session = Session {
        root: Root::open(Path::new("/"), true)?,
        json: false,
        style: Style { color: false },
    };
    let goal = commands::toplevel_path(toplevel)?;
    // On NixOS, scripts run whenever the program does; tools rely on it.
    let args = ApplyArgs {
        all_scripts: true,
        ..ApplyArgs::default()
    };
    match action {
        Action::Switch | Action::Test => {
            let how = How {
                register: action == Action::Switch,
                rollback_on_failure: false,
            };
            session.switch(Goal::Activate(goal), None, &args, how)
        }
        Action::Boot => session.register(&goal),
        Action::Check | Action::DryActivate => {
            let prepared = prepare::prepare(&session.root, Goal::Activate(goal), args.how())?;
            let plan = &prepared.plan;
            if !plan.conflicts.is_empty() {
                session.print_plan(plan)?;
                return Ok(End::Refused);
            }
            if action == Action::Check {
                commands::run_checks(plan)?;
                return Ok(End::Done);
            }
            let begin = switch_to_configuration::render_dry_begin(&plan.units, toplevel);
            eprintln!("{begin}");
            let units = commands::dry_activate(&session.root, &prepared, &args)?;
            eprint!("{}", switch_to_configuration::render_dry_end(&units));
            Ok(End::Done)
        }
    }
}

/// Prints an error on one line, and its hints on lines of their own.
fn print_error(error: &anyhow::Error) {
    let mut hints = Vec::new();
    let mut causes = Vec::new();
    for cause in error.chain() {
        let text = cause.to_string();
        let (rows, found): (Vec<_>, Vec<_>) = text
            .lines()
            .map(str::to_owned)
            .partition(|l| !l.starts_with("hint: "));
        causes.push(rows.join("\n"));
        hints.extend(found);
    }
    if hints.is_empty() {
        hints.extend(remedy(error).map(str::to_owned));
    }
    eprintln!("error: {}", causes.join(": "));
    for hint in hints {
        eprintln!("{hint}");
    }
}

/// Gives the remedy for what the operating system refuses, whatever it was asked for.
fn remedy(error: &anyhow::Error) -> Option<&'static str> {
    let errno = error.chain().find_map(|cause| {
        let io = || cause.downcast_ref::<std::io::Error>()?.raw_os_error();
        cause
            .downcast_ref::<Errno>()
            .copied()
            .or_else(|| io().map(Errno::from_raw))
    })?;
    match errno {
        Errno::EROFS => Some("hint: remount that file system read-write"),
        Errno::ENOSPC | Errno::EDQUOT => Some("hint: free some space on that file system"),
        Errno::EACCES | Errno::EPERM => Some("hint: this must run as root, for example with sudo"),
        _ => None,
    }
}

fn log_to_stderr(global: &Global) {
    let level = match (global.quiet, global.verbose) {
        (true, _) => "warn",
        (_, 0) => "system_manager=info,warn",
        (_, 1) => "system_manager=debug,warn",
        _ => "trace",
    };
    tracing_subscriber::fmt()
        .with_env_filter(level)
        .with_writer(std::io::stderr)
        .without_time()
        .with_target(false)
        .with_level(global.verbose > 0)
        .with_ansi(false)
        .init();
}

fn use_color(choice: ColorChoice, terminal: bool) -> bool {
    match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => terminal && std::env::var_os("NO_COLOR").is_none(),
    }
}

/// What `generations --json` prints.
#[derive(Serialize)]
struct Generations<'a> {
    /// Format version.
    version: u32,
    generations: &'a [profile::Generation],
}

struct Session {
    root: Root,
    json: bool,
    style: Style,
}

fn run(cli: Cli) -> Result<End, Failure> {
    let global = cli.global;
    let path = global.root.as_deref().unwrap_or(Path::new("/"));
    let session = Session {
        root: Root::open(path, global.root.is_none())?,
        json: global.json,
        style: Style {
            color: use_color(global.color, std::io::stdout().is_terminal()),
        },
    };
    match cli.command {
        Command::Build { source } => {
            print(build(&source)?.as_str())?;
            Ok(End::Done)
        }
        Command::Plan {
            toplevel,
            source,
            deactivate,
            out,
            detailed_exitcode,
            strict,
            all_scripts,
        } => {
            let how = prepare::How {
                strict,
                all_scripts,
            };
            let goal = match (deactivate, toplevel) {
                (true, _) => Goal::Deactivate,
                (_, Some(path)) => Goal::Activate(commands::toplevel_path(&path)?),
                _ => Goal::Activate(build(&source)?),
            };
            session.plan(goal, how, out.as_deref(), detailed_exitcode)
        }
        Command::Switch {
            plan,
            source,
            apply,
            rollback_on_failure,
        } => {
            let saved = plan.as_deref().map(read_plan).transpose()?;
            let goal = match &saved {
                Some(plan) => plan.goal.clone(),
                None => Goal::Activate(build(&source)?),
            };
            let how = How {
                register: true,
                rollback_on_failure,
            };
            session.switch(goal, saved.as_ref(), &apply, how)
        }
        Command::Register { toplevel, source } => {
            let toplevel = match toplevel {
                Some(path) => commands::toplevel_path(&path)?,
                None => build(&source)?,
            };
            session.register(&toplevel)
        }
        Command::Activate { toplevel, apply } => {
            let toplevel = match toplevel {
                Some(path) => commands::toplevel_path(&path)?,
                None => commands::current_toplevel(&session.root)?,
            };
            session.switch(Goal::Activate(toplevel), None, &apply, How::default())
        }
        Command::Deactivate { apply } => {
            session.switch(Goal::Deactivate, None, &apply, How::default())
        }
        Command::Rollback { to, apply } => session.rollback(to, &apply),
        Command::Generations => session.generations(),
        Command::Status => session.status(),
        Command::Compat(args) => session.compat(&args),
        Command::Init { folder } => init(&folder),
        Command::Completions { shell } => {
            clap_complete::generate(
                shell,
                &mut Cli::command(),
                "system-manager",
                &mut std::io::stdout(),
            );
            Ok(End::Done)
        }
        Command::SwitchUserManager => {
            user_managers::serve()?;
            Ok(End::Done)
        }
        Command::RunActivationScripts { apply } => {
            commands::run_scripts_of_boot(&session.root, &apply)
        }
        Command::RunOnLeash { root, program } => std::process::exit(leash::hold(&root, &program)?),
        Command::Man { command } => {
            print_manual(command.as_deref())?;
            Ok(End::Done)
        }
    }
}

fn init(folder: &Path) -> Result<End, Failure> {
    let path = commands::init(folder)?;
    print(&format!(
        "wrote {0}; see what it does with `system-manager plan --file {0}`",
        path.display()
    ))?;
    Ok(End::Done)
}

fn print_manual(command: Option<&str>) -> Result<()> {
    let mut page = Cli::command();
    // Gives the commands their full names and the options of every command.
    page.build();
    if let Some(name) = command {
        page = page
            .find_subcommand(name)
            .filter(|c| !c.is_hide_set())
            .cloned()
            .with_context(|| {
                format!("there is no command `{name}`\nhint: `system-manager --help` lists them")
            })?;
    }
    let mut text = Vec::new();
    clap_mangen::Man::new(page)
        .render(&mut text)
        .context("rendering the manual page")?;
    print(String::from_utf8_lossy(&text).trim_end())
}

fn build(source: &SourceArgs) -> Result<AbsolutePath> {
    let (source, options) = commands::source(source)?;
    nix::build(&source, &options)
}

/// How a switch treats the profile.
#[derive(Debug, Clone, Copy, Default)]
struct How {
    register: bool,
    rollback_on_failure: bool,
}

impl Session {
    fn plan(
        &self,
        goal: Goal,
        how: prepare::How,
        out: Option<&Path>,
        detailed: bool,
    ) -> Result<End, Failure> {
        let plan = prepare::prepare(&self.root, goal, how)?.plan;
        self.print_plan(&plan)?;
        if let Some(path) = out {
            let text = serde_json::to_vec_pretty(&plan).context("serialising the plan")?;
            std::fs::write(path, text)
                .with_context(|| format!("writing the plan {}", path.display()))?;
        }
        Ok(
            match (plan.conflicts.is_empty(), detailed && !plan.is_empty()) {
                (false, _) => End::Refused,
                (true, true) => End::Changes,
                (true, false) => End::Done,
            },
        )
    }

    fn register(&self, toplevel: &AbsolutePath) -> Result<End, Failure> {
        Manifest::read(Path::new(toplevel.as_str()))?;
        let _lock = commands::lock(&self.root, "register")?;
        let number = profile::register(&self.root, toplevel)?.number;
        print(&format!("generation {number}: {toplevel}"))?;
        Ok(End::Done)
    }

    fn compat(&self, args: &CompatArgs) -> Result<End, Failure> {
        if args.nixos {
            let both = commands::evaluate_both_ways(args)?;
            if self.json {
                print_json(&both)?;
            } else {
                print(compat::both_ways::render_text(&both).trim_end())?;
            }
            return Ok(End::Done);
        }
        let terminal = std::io::stderr().is_terminal();
        let ended = compat::survey(&commands::survey_request(args), &mut |p| {
            if terminal {
                eprint!("\r\x1b[K{}/{} {}", p.done, p.of, p.module);
            }
        });
        if terminal {
            eprint!("\r\x1b[K");
        }
        let survey = match ended? {
            compat::Ended::Done(survey) => survey,
            compat::Ended::Stopped { done, of } => {
                return Err(Failure::PartWay(anyhow::anyhow!(
                    "interrupted; {done} of {of} modules are in the cache"
                )));
            }
        };
        if self.json {
            print_json(&survey)?;
        } else if args.markdown {
            print(compat::report::render_markdown(&survey).trim_end())?;
        } else {
            let details = !args.modules.is_empty();
            print(compat::report::render_text(&survey, details, self.style).trim_end())?;
        }
        let (enabled, of) = (survey.summary.enabled, survey.summary.switchable);
        match args.min_enabled.map(usize::from) {
            Some(least) if enabled * 100 < least * of => Err(Failure::Before(anyhow::anyhow!(
                "{enabled} of {of} modules evaluate when they are enabled, which is less than {least} %"
            ))),
            _ => Ok(End::Done),
        }
    }

    fn status(&self) -> Result<End, Failure> {
        let status = status::read(&self.root)?;
        if self.json {
            print_json(&status)?;
        } else {
            print(status::render(&status).trim_end())?;
        }
        Ok(End::Done)
    }

    fn switch(
        &self,
        goal: Goal,
        saved: Option<&Plan>,
        args: &ApplyArgs,
        how: How,
    ) -> Result<End, Failure> {
        let _lock = commands::lock(&self.root, "switch")?;
        let mut planned = args.how();
        planned.all_scripts |= saved.is_some_and(|plan| plan.scripts.is_asked());
        let mut prepared = prepare::prepare(&self.root, goal, planned)?;
        if !how.register {
            prepared.action = scripts::Action::Test;
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
        let before = prepared.plan.from.clone();
        let registered = match &prepared.plan.goal {
            Goal::Activate(toplevel) if how.register => {
                Some(profile::register(&self.root, toplevel)?)
            }
            _ => None,
        };
        let goal = prepared.plan.becomes.as_ref().map(|a| a.toplevel.clone());
        let ended = self.apply(prepared, args);
        if let (Err(Failure::Before(_)), Some(registered)) = (&ended, &registered) {
            profile::withdraw(&self.root, registered)?;
        }
        let failed = match &ended {
            Ok(outcome) => !outcome.is_success(),
            Err(Failure::PartWay(_)) => true,
            Err(Failure::Before(_)) => false,
        };
        let way_back = before.filter(|before| Some(before) != goal.as_ref());
        match way_back.filter(|_| failed && how.rollback_on_failure) {
            Some(before) => {
                self.tell_why_back(&ended);
                eprintln!("rolling back to {before}");
                self.go_back(before, args).map_err(|failure| match failure {
                    // The activation before it has changed something.
                    Failure::Before(error) | Failure::PartWay(error) => {
                        Failure::PartWay(error.context("rolling back"))
                    }
                })
            }
            None => ended.map(|outcome| self.end(&outcome)),
        }
    }

    /// Tells on standard error what the activation came to that is undone now; the result is that of the way back.
    fn tell_why_back(&self, ended: &Result<Outcome, Failure>) {
        match ended {
            Ok(outcome) => eprint!("{}", outcome_report::render_outcome(outcome, self.style)),
            Err(Failure::Before(error) | Failure::PartWay(error)) => print_error(error),
        }
    }

    /// Activates the toplevel that was in force before a switch that failed.
    fn go_back(&self, before: AbsolutePath, args: &ApplyArgs) -> Result<End, Failure> {
        let generations = profile::read(&self.root)?;
        // Its own generation, so that a later rollback goes on from there.
        match generations.iter().rev().find(|g| g.toplevel == before) {
            Some(own) => profile::select(&self.root, own.number)?,
            None => {
                profile::register(&self.root, &before)?;
            }
        }
        let prepared =
            prepare::prepare(&self.root, Goal::Activate(before), prepare::How::default())?;
        if !prepared.plan.conflicts.is_empty() {
            self.print_plan(&prepared.plan)?;
            return Err(Failure::Before(anyhow::anyhow!(
                "something stands in the way"
            )));
        }
        let outcome = self.apply(prepared, args)?;
        Ok(match self.end(&outcome) {
            End::Done => End::RolledBack,
            other => other,
        })
    }

    fn apply(&self, prepared: Prepared, args: &ApplyArgs) -> Result<Outcome, Failure> {
        if prepared.plan.is_empty() {
            return Ok(Outcome::untouched(&prepared.plan));
        }
        let terminal = std::io::stderr().is_terminal();
        commands::activate(&self.root, prepared, args, &mut |progress| {
            tell(&progress, terminal);
            Ok(())
        })
    }

    /// Prints an outcome and gives how the command ended. What was done is done, whether or not it can be printed.
    fn end(&self, outcome: &Outcome) -> End {
        if let Err(error) = self.print_outcome(outcome) {
            print_error(&error);
        }
        if outcome.is_success() {
            End::Done
        } else if outcome.is_success_but_for_scripts() {
            End::ScriptsFailed
        } else {
            End::Failed
        }
    }

    fn rollback(&self, to: Option<u64>, args: &ApplyArgs) -> Result<End, Failure> {
        let _lock = commands::lock(&self.root, "rollback")?;
        let generations = profile::read(&self.root)?;
        let status = status::read(&self.root)?;
        // What an interrupted switch was going to is what one goes back from: the profile says so already.
        let interrupted = journal::read(&self.root)?.is_some();
        let active = status.active.filter(|_| !interrupted);
        let target = profile::rollback_target(&generations, active.as_ref(), to)?;
        let prepared = prepare::prepare(&self.root, Goal::Activate(target.toplevel), args.how())?;
        if !prepared.plan.conflicts.is_empty() {
            self.print_untouched(&prepared.plan)?;
            return Ok(End::Refused);
        }
        let current = generations.iter().find(|g| g.current).map(|g| g.number);
        profile::select(&self.root, target.number)?;
        let ended = self.apply(prepared, args);
        if let (Err(Failure::Before(_)), Some(current)) = (&ended, current) {
            profile::select(&self.root, current)?;
        }
        ended.map(|outcome| self.end(&outcome))
    }

    fn generations(&self) -> Result<End, Failure> {
        let generations = profile::read(&self.root)?;
        if self.json {
            print_json(&Generations {
                version: 1,
                generations: &generations,
            })?;
            return Ok(End::Done);
        }
        for g in generations {
            let mark = if g.current { "*" } else { " " };
            print(&format!(
                "{mark} {:>4}  {}  {}",
                g.number,
                report::render_time(g.time),
                g.toplevel
            ))?;
        }
        Ok(End::Done)
    }

    fn print_plan(&self, plan: &Plan) -> Result<()> {
        if self.json {
            print_json(plan)
        } else {
            print(report::render_plan(plan, self.style).trim_end())
        }
    }

    /// Prints why a plan was not applied.
    fn print_untouched(&self, plan: &Plan) -> Result<()> {
        if self.json {
            print_json(&Outcome::untouched(plan))
        } else {
            self.print_plan(plan)
        }
    }

    fn print_outcome(&self, outcome: &Outcome) -> Result<()> {
        if self.json {
            print_json(outcome)
        } else {
            print(outcome_report::render_outcome(outcome, self.style).trim_end())
        }
    }
}

fn tell(progress: &Progress<'_>, terminal: bool) {
    if let Progress::Job(verb, Event::Waiting { units, since }) = progress
        && terminal
    {
        let names: Vec<&str> = units.iter().map(String::as_str).collect();
        eprint!(
            "\r\x1b[K{} {}, {} s",
            progressive(*verb),
            names.join(", "),
            since.as_secs()
        );
    } else if let Progress::Job(_, Event::Ended { .. }) = progress
        && terminal
    {
        eprint!("\r\x1b[K");
    }
}

fn read_plan(path: &Path) -> Result<Plan> {
    let inner = || -> Result<Plan> {
        let text = std::fs::read(path)?;
        let plan: Plan = serde_json::from_slice(&text)?;
        if plan.version != system_manager::plan::VERSION {
            bail!("it has version {}", plan.version);
        }
        Ok(plan)
    };
    inner().with_context(|| {
        format!(
            "reading the plan {}\nhint: make one with `system-manager plan --out FILE`",
            path.display()
        )
    })
}

/// Prints a result; a reader that has gone away is no error.
fn print(text: &str) -> Result<()> {
    match writeln!(std::io::stdout(), "{text}") {
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context("printing the result"),
    }
}

fn print_json(value: &impl serde::Serialize) -> Result<()> {
    print(&serde_json::to_string_pretty(value).context("serialising the result")?)
}
