//! Runs the command that was asked for, and sets the exit code.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use crate::activation::ephemeral;
use crate::activation::plan::Goal;
use crate::activation::prepare;
use crate::cli::args::{ApplyArgs, Cli, Command, PlanArgs, PlanPages, SwitchArgs};
use crate::cli::args_global::{ColorChoice, Global};
use crate::cli::args_hidden::{AgentArgs, Hidden};
use crate::cli::args_past::GenerationsAction;
use crate::cli::args_place::{ActivateArgs, InitArgs, PrePopulateArgs, RegisterArgs};
use crate::cli::build::{build, switch_goal};
use crate::cli::commands::{self, End, Failure, How};
use crate::cli::given::{Given, origin_of, read_given};
use crate::cli::line::{log_to_stderr, parse, session_on, switch_if_idle};
use crate::cli::nixos::Action;
use crate::cli::remote_args::RemoteArgs;
use crate::cli::{complete, defaults, look};
use crate::host::fs::Root;
use crate::host::tether;
use crate::model::names::AbsolutePath;
use crate::model::style::Style;
use crate::remote::agent::Beginning;
use crate::{cli, nix, remote, store, units};
use anyhow::{Result, anyhow};
use clap::error::{ContextKind, ContextValue};

use crate::cli::manual::{print_completions, print_manual};
use crate::cli::print::{
    print, print_error, print_json, print_refusal, print_refused, print_text, tell,
};
use crate::cli::progress::{Progress, Telling};
use crate::cli::session::Session;

const REFUSED: u8 = 1;
const USAGE: i32 = 2;
const PART_WAY: u8 = 3;
const UNITS_FAILED: u8 = 4;
const ROLLED_BACK: u8 = 5;
const CHANGES: u8 = 10;

pub(crate) fn main() -> ExitCode {
    let _kept = nix::keep::Kept::begin();
    let arguments: Vec<OsString> = std::env::args_os().collect();
    if cli::nixos::is_called(arguments.first()) {
        return run_as_nixos(&arguments);
    }
    if let Some(code) = complete::main(&arguments) {
        return code;
    }
    let arguments = match defaults::add(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            print_refused(&error);
            return ExitCode::from(REFUSED);
        }
    };
    let cli = parse(&arguments).unwrap_or_else(|error| refuse(&error));
    log_to_stderr(&cli.global);
    let way_on = match &cli.command {
        // The plan is of the host as it was before.
        Command::Switch(SwitchArgs {
            given: Some(given), ..
        }) if matches!(read_given(given), Given::Built(_)) => {
            "run `system-manager activate` to continue"
        }
        _ => "run the same command again to continue",
    };
    let ended = run(cli);
    let code = exit_code(&ended);
    match ended {
        Ok(End::RolledBack) => print_error(&anyhow!(
            "the switch failed, and what was active before is active again\nhint: fix what failed, as shown above, and switch again"
        )),
        Ok(_) => {}
        Err(Failure::Before(error)) => print_refused(&error),
        Err(Failure::PartWay(error)) => {
            print_error(&error);
            tell(&format!("hint: stopped part-way; {way_on}\n"));
        }
    }
    ExitCode::from(code)
}

pub(super) fn exit_code(ended: &Result<End, Failure>) -> u8 {
    match ended {
        Ok(End::Done) => 0,
        Ok(End::Refused) | Err(Failure::Before(_)) => REFUSED,
        Ok(End::Failed | End::ScriptsFailed) => UNITS_FAILED,
        Ok(End::RolledBack) => ROLLED_BACK,
        Ok(End::Changes) => CHANGES,
        Ok(End::Code(code)) => *code,
        Err(Failure::PartWay(_)) => PART_WAY,
    }
}

/// Prints why a command line is wrong, with the command that other tools have under that name, and exits with 2.
fn refuse(error: &clap::Error) -> ! {
    let word = match error.get(ContextKind::InvalidSubcommand) {
        Some(ContextValue::String(word)) => word.as_str(),
        _ => "",
    };
    let ours = match word {
        "apply" | "install" | "update" | "upgrade" => "switch",
        "boot" => "register",
        "dry-activate" | "dry-run" => "plan",
        "history" | "list" | "list-generations" => "generations",
        "remove" | "uninstall" => "deactivate",
        "test" => "activate",
        _ => error.exit(),
    };
    print_error(&anyhow::anyhow!(
        "there is no command `{word}`\nhint: use `system-manager {ours}`; `system-manager --help` lists all commands"
    ));
    std::process::exit(USAGE)
}

/// Behaves as the `bin/switch-to-configuration` of a NixOS toplevel.
fn run_as_nixos(arguments: &[OsString]) -> ExitCode {
    const ACTIVATION_FAILED: u8 = 2;
    log_to_stderr(&Global {
        root: None,
        json: false,
        color: ColorChoice::Auto,
        verbose: 0,
        progress_fd: None,
        quiet: false,
        remote: RemoteArgs::default(),
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
        Ok(End::Code(code)) => ExitCode::from(code),
        Err(Failure::Before(error)) => {
            print_refused(&error);
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
        style: Style::default(),
        progress: Progress::new(Telling::default())?,
        build_host: None,
    };
    let goal = commands::toplevel_path(toplevel)?;
    // On NixOS, scripts run whenever the program does; tools rely on it. A boot runs them by itself.
    let args = ApplyArgs {
        all_scripts: action != Action::Boot,
        ..ApplyArgs::default()
    };
    match action {
        Action::Switch | Action::Test | Action::Boot => {
            let how = How {
                register: action != Action::Test,
                pre_populate: action == Action::Boot,
                ..How::default()
            };
            session.switch(Goal::Activate(goal), None, &args, &how)
        }
        Action::Check | Action::DryActivate => {
            let prepared = prepare::prepare(&session.root, Goal::Activate(goal), args.how())?;
            let plan = &prepared.plan;
            if !plan.conflicts.is_empty() {
                session.print_plan(plan)?;
                print_refusal(&plan.conflicts);
                return Ok(End::Refused);
            }
            if action == Action::Check {
                commands::run_checks(plan, "check", Duration::from_secs(args.unit_timeout))?;
                return Ok(End::Done);
            }
            let begin = cli::nixos::render_dry_begin(&plan.units, toplevel);
            tell(&format!("{begin}\n"));
            let units = commands::dry_activate(&session.root, &prepared, &args)?;
            tell(&cli::nixos::render_dry_end(&units));
            Ok(End::Done)
        }
    }
}

fn run(cli: Cli) -> Result<End, Failure> {
    if cli.global.remote.is_given() {
        return cli::remote::run(cli);
    }
    if let Some(option) = cli.global.remote.without_host() {
        return Err(anyhow::anyhow!(
            "{option} is for other hosts\nhint: name one with --target-host"
        )
        .into());
    }
    if !cfg!(target_os = "linux") {
        cli::elsewhere::refuse(&cli.command)?;
    }
    if cli.global.remote.wants_sudo() && !::nix::unistd::geteuid().is_root() {
        return cli::as_root::run(cli);
    }
    let path = cli.global.root.as_deref().unwrap_or(Path::new("/"));
    let root = Root::open(path, cli.global.root.is_none())?;
    let session = session_on(root, &cli.global)?;
    let ended = refuse_json(&cli.command, session.json)
        .map_err(Failure::Before)
        .and_then(|()| run_here(&session, cli.command));
    session.progress.end(exit_code(&ended));
    ended
}

/// Commands that are for people or a shell print no JSON, and say so.
fn refuse_json(command: &Command, json: bool) -> Result<()> {
    let name = match command {
        Command::Repl(_) => "repl",
        Command::Edit(_) => "edit",
        Command::Completions { .. } => "completions",
        Command::Man { .. } => "man",
        _ => return Ok(()),
    };
    anyhow::ensure!(
        !json,
        "`{name}` has no JSON output\nhint: leave out `--json`; for a configuration's options, use `system-manager option --json`"
    );
    Ok(())
}

fn run_here(session: &Session, command: Command) -> Result<End, Failure> {
    match command {
        Command::Build { given, source } => {
            print_toplevel(session, &build(session, given.as_deref(), &source)?)
        }
        Command::Plan(args) => plan(session, &args),
        Command::Switch(args) => switch(session, &args),
        Command::Register(args) => register(session, args),
        Command::PrePopulate(args) => pre_populate(session, args),
        Command::Activate(args) => activate(session, args),
        Command::Deactivate(args) => {
            let end = session.switch(Goal::Deactivate, None, &args.apply(), &How::default())?;
            session.after_deactivation(&args, end)
        }
        Command::Rollback { to, back } => session.rollback(to, &back),
        Command::Undo(back) => session.undo(&back),
        Command::Extend { seconds } => session.extend(seconds),
        Command::Generations(args) => match args.action {
            None => session.generations(),
            Some(GenerationsAction::Delete(args)) => session.delete_generations(&args),
        },
        Command::Diff(args) => session.diff(&args),
        Command::Status(args) => session.status(&args),
        Command::Gc { dry_run, keep } => session.gc(dry_run, keep),
        Command::Bootstrap(args) => session.bootstrap(&args),
        Command::Why { name } => session.why(&name),
        Command::Adopt(args) => session.adopt(&args),
        Command::Option(args) => session.option(&args),
        Command::Repl(args) => look::repl(&args),
        Command::Edit(args) => look::edit(&args),
        Command::Compat(args) => session.compat(&args),
        Command::Init(args) => init(session, &args),
        Command::Completions { shell } => {
            print_completions(shell)?;
            Ok(End::Done)
        }
        Command::Hidden(hidden) => run_hidden(session, hidden),
        Command::Man { command } => {
            print_manual(command.as_deref())?;
            Ok(End::Done)
        }
    }
}

fn print_toplevel(session: &Session, toplevel: &AbsolutePath) -> Result<End, Failure> {
    if session.json {
        print_json(&serde_json::json!({ "version": 1, "toplevel": toplevel }))?;
    } else {
        print_text(toplevel.as_str(), session.style)?;
    }
    Ok(End::Done)
}

/// Goes on with what a run could not do to the unit that it was a part of; that run is about to end.
fn finish(
    session: &Session,
    toplevel: Option<&Path>,
    mut apply: ApplyArgs,
) -> Result<End, Failure> {
    apply.wait = true;
    let toplevel = toplevel.map(commands::toplevel_path).transpose()?;
    let how = How {
        ephemeral: toplevel.is_some() && ephemeral::is_in_force(&session.root)?,
        ..How::default()
    };
    let goal = toplevel.map_or(Goal::Deactivate, Goal::Activate);
    session.switch(goal, None, &apply, &how)
}

fn register(session: &Session, args: RegisterArgs) -> Result<End, Failure> {
    let given = args.given.or(args.store_path);
    let origin = origin_of(given.as_deref(), &args.source, &args.origin);
    session.register(&build(session, given.as_deref(), &args.source)?, &origin)
}

fn activate(session: &Session, args: ActivateArgs) -> Result<End, Failure> {
    let toplevel = match args.toplevel.or(args.store_path) {
        Some(path) => commands::toplevel_path(&path)?,
        None => commands::current_toplevel(&session.root)?,
    };
    let how = How {
        ephemeral: args.ephemeral,
        ..How::default()
    };
    session.switch(Goal::Activate(toplevel), None, &args.apply, &how)
}

fn pre_populate(session: &Session, args: PrePopulateArgs) -> Result<End, Failure> {
    if args.ephemeral {
        return Err(anyhow!(
            "--ephemeral can't be combined with the next boot\nhint: leave out --ephemeral, or use `switch --ephemeral`"
        )
        .into());
    }
    let given = args.given.or(args.store_path);
    let is_named = given.is_some() || args.source.file.is_some() || args.source.flake.is_some();
    let toplevel = if is_named {
        build(session, given.as_deref(), &args.source)?
    } else {
        commands::current_toplevel(&session.root)?
    };
    let goal = Goal::Activate(toplevel);
    if args.dry_run {
        let how = prepare::How {
            pre_populate: true,
            ..args.apply.how()
        };
        return session.plan(goal, how, None, false, PlanPages::default());
    }
    let how = How {
        register: true,
        pre_populate: true,
        origin: origin_of(given.as_deref(), &args.source, &args.origin),
        ..How::default()
    };
    session.switch(goal, None, &args.apply, &how)
}

fn run_hidden(session: &Session, command: Hidden) -> Result<End, Failure> {
    let root = &session.root;
    match command {
        Hidden::FinishSwitch { toplevel, apply } => {
            return finish(session, toplevel.as_deref(), apply);
        }
        Hidden::RunActivationScripts { apply } => {
            return commands::run_scripts_of_boot(root, &apply);
        }
        Hidden::RunTethered { root, program } => std::process::exit(tether::hold(&root, &program)?),
        Hidden::PlaceSecrets { for_users } => commands::place_secrets(root, for_users)?,
        Hidden::SwitchUserManager => units::users::serve()?,
        Hidden::Agent(AgentArgs { asked, mark, skip }) => {
            let beginning = Beginning { asked, mark, skip };
            remote::agent::serve(root, &beginning, &|words| switch_if_idle(session, words))?;
        }
        Hidden::CarryOutRun { run } => remote::agent::carry_out(root, &run)?,
        Hidden::AwaitConfirmation => remote::confirm::await_confirmation(root)?,
    }
    Ok(End::Done)
}

fn init(session: &Session, args: &InitArgs) -> Result<End, Failure> {
    let folder = args.path.as_deref().unwrap_or(&args.folder);
    let flake = args.flake || (!args.no_flake && cli::init::has_flakes());
    let written = cli::init::init(&session.root, folder, flake)?;
    if session.json {
        print_json(&serde_json::json!({ "version": 1, "files": written }))?;
        return Ok(End::Done);
    }
    for path in &written {
        print(&format!("wrote {}", path.display()))?;
    }
    let first = written.first().map(|path| path.display().to_string());
    let first = first.unwrap_or_default();
    print(&format!("`system-manager plan {first}` shows what it does"))?;
    if let Some(hint) = flake.then(|| cli::init::missing_sources(&session.root)) {
        tell(&hint.map_or_else(String::new, |hint| format!("hint: {hint}\n")));
    }
    Ok(End::Done)
}

fn plan(session: &Session, args: &PlanArgs) -> Result<End, Failure> {
    let how = prepare::How {
        strict: args.strict,
        all_scripts: args.all_scripts,
        ephemeral: args.ephemeral,
        ..prepare::How::default()
    };
    let goal = if args.deactivate {
        Goal::Deactivate
    } else {
        Goal::Activate(build(session, args.given.as_deref(), &args.source)?)
    };
    let out = args.out.as_deref();
    session.plan(goal, how, out, args.detailed_exitcode, args.pages)
}

fn switch(session: &Session, args: &SwitchArgs) -> Result<End, Failure> {
    let (goal, saved) = switch_goal(session, args.given.as_deref(), &args.source)?;
    if args.dry_run {
        let how = prepare::How {
            ephemeral: args.ephemeral,
            ..args.apply.how()
        };
        return session.plan(goal, how, None, false, PlanPages::default());
    }
    let how = How {
        register: true,
        ephemeral: args.ephemeral,
        pre_populate: false,
        rollback_on_failure: args.rollback_on_failure,
        ask: args.ask,
        only_idle: false,
        // A run from another machine has brought them.
        brings_secrets: !store::pending::is_run(),
        install_missing: args.install_missing && saved.is_none(),
        origin: origin_of(args.given.as_deref(), &args.source, &args.origin),
    };
    session.switch(goal, saved.as_ref(), &args.apply, &how)
}
