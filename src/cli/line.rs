//! From a command line to what its command works with: how it is read, who logs, and a session.
#![expect(
    clippy::disallowed_methods,
    reason = "the door asks the environment what the terminal has"
)]

use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::Path;

use anyhow::Result;
use clap::Parser;
use tracing::Subscriber;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::cli::alone;
use crate::cli::args::{Cli, Command};
use crate::cli::args_global::{ColorChoice, Global};
use crate::cli::build::switch_goal;
use crate::cli::commands::How;
use crate::cli::defaults;
use crate::cli::given::origin_of;
use crate::cli::print::Told;
use crate::cli::progress::{Progress, Telling};
use crate::cli::run::exit_code;
use crate::cli::session::Session;
use crate::host::fs::Root;
use crate::model::links::are_known;
use crate::model::style::Style;

/// Reads a command line.
pub(super) fn parse(arguments: &[OsString]) -> Result<Cli, clap::Error> {
    let alone = alone::parse(arguments);
    let mut cli = alone.map_or_else(|| Cli::try_parse_from(arguments), Ok)?;
    cli.settle();
    Ok(cli)
}

pub(super) fn log_to_stderr(global: &Global) {
    logging(global).init();
}

/// Returns who writes what is logged to standard error.
fn logging(global: &Global) -> impl Subscriber + Send + Sync + use<> {
    let (ours, others) = match (global.quiet, global.verbose) {
        (true, _) => (LevelFilter::WARN, LevelFilter::WARN),
        (_, 0) => (LevelFilter::INFO, LevelFilter::WARN),
        (_, 1) => (LevelFilter::DEBUG, LevelFilter::WARN),
        _ => (LevelFilter::TRACE, LevelFilter::TRACE),
    };
    let levels = Targets::new()
        .with_default(others)
        .with_target("system_manager", ours);
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(|| Told)
        .without_time()
        .with_target(false)
        .with_level(global.verbose > 0)
        .with_ansi(false);
    tracing_subscriber::registry().with(levels).with(lines)
}

fn use_color(choice: ColorChoice, terminal: bool) -> bool {
    match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => terminal && std::env::var_os("NO_COLOR").is_none(),
    }
}

/// Returns the name of this host for links, where the terminal has any.
fn links(choice: ColorChoice, terminal: bool) -> Option<&'static str> {
    let is_plain = choice == ColorChoice::Never || std::env::var_os("NO_COLOR").is_some();
    if !terminal || is_plain || !are_known(|name| std::env::var(name).ok()) {
        return None;
    }
    let host = ::nix::unistd::gethostname().unwrap_or_default();
    Some(host.to_string_lossy().into_owned().leak())
}

/// Returns what commands on a root need to know of the command line.
pub(super) fn session_on(root: Root, global: &Global) -> Result<Session> {
    Ok(Session {
        root,
        json: global.json,
        style: Style {
            color: use_color(global.color, std::io::stdout().is_terminal()),
            full: global.verbose > 0,
            links: links(global.color, std::io::stdout().is_terminal()),
        },
        progress: Progress::new(Telling {
            quiet: global.quiet,
            times: global.verbose > 0,
            fd: global.progress_fd,
        })?,
        build_host: global.remote.build_host()?,
    })
}

/// Switches as another machine asks for it, if that changes nothing; returns the exit code then.
pub(super) fn switch_if_idle(agent: &Session, words: &[String]) -> Result<Option<u8>> {
    let line = ["system-manager"]
        .into_iter()
        .chain(words.iter().map(String::as_str));
    let cli = parse(&defaults::add(line.map(OsString::from).collect())?)?;
    let Command::Switch(args) = &cli.command else {
        return Ok(None);
    };
    let root = Root::open(&agent.root.show(Path::new("")), agent.root.is_live())?;
    tracing::subscriber::with_default(logging(&cli.global), || {
        let session = session_on(root, &cli.global)?;
        let (goal, _) = switch_goal(&session, args.given.as_deref(), &args.source)?;
        let how = How {
            register: true,
            only_idle: true,
            ephemeral: args.ephemeral,
            rollback_on_failure: args.rollback_on_failure,
            origin: origin_of(args.given.as_deref(), &args.source, &args.origin),
            ..How::default()
        };
        let ended = session.switch(goal, None, &args.apply, &how);
        let code = exit_code(&ended);
        session.progress.end(code);
        Ok((ended.is_ok()).then_some(code))
    })
}
