//! Parses the command line, runs the command, sets the exit code.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;

use crate::activation::plan::{Goal, Plan};
use crate::activation::prepare;
use crate::activation::report::Style;
use crate::cli;
use crate::cli::args::{ApplyArgs, Cli, ColorChoice, Command, Global, SourceArgs};
use crate::cli::commands::{self, End, Failure};
use crate::cli::nixos::Action;
use crate::host::fs::Root;
use crate::host::tether;
use crate::model::names::AbsolutePath;
use crate::store::lock::Lock;
use crate::{nix, units};
use anyhow::{Context, Result, bail};
use clap::{CommandFactory, Parser};

use crate::cli::print::{print, print_error};
use crate::cli::session::{How, Session};

const REFUSED: u8 = 1;
const PART_WAY: u8 = 3;
const UNITS_FAILED: u8 = 4;
const ROLLED_BACK: u8 = 5;
const CHANGES: u8 = 10;

pub(crate) fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    if cli::nixos::is_called(arguments.first()) {
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
    let ended = cli::nixos::parse_action(arguments.get(1..).unwrap_or_default())
        .and_then(|action| Ok((action, cli::nixos::own_toplevel(&arguments[0])?)))
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
            let begin = cli::nixos::render_dry_begin(&plan.units, toplevel);
            eprintln!("{begin}");
            let units = commands::dry_activate(&session.root, &prepared, &args)?;
            eprint!("{}", cli::nixos::render_dry_end(&units));
            Ok(End::Done)
        }
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
        Command::FinishSwitch { toplevel, apply } => {
            Lock::wait(&session.root)?;
            let toplevel = toplevel
                .as_deref()
                .map(commands::toplevel_path)
                .transpose()?;
            let goal = toplevel.map_or(Goal::Deactivate, Goal::Activate);
            session.switch(goal, None, &apply, How::default())
        }
        Command::SwitchUserManager => {
            units::users::serve()?;
            Ok(End::Done)
        }
        Command::RunActivationScripts { apply } => {
            commands::run_scripts_of_boot(&session.root, &apply)
        }
        Command::RunOnLeash { root, program } => std::process::exit(tether::hold(&root, &program)?),
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

fn read_plan(path: &Path) -> Result<Plan> {
    let inner = || -> Result<Plan> {
        let text = std::fs::read(path)?;
        let plan: Plan = serde_json::from_slice(&text)?;
        if plan.version != crate::activation::plan::VERSION {
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
