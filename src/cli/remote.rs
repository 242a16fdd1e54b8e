//! Commands on other hosts: what each comes to there, and what is printed of it here.

#![expect(
    clippy::disallowed_methods,
    reason = "reads lists of hosts, and keeps which failed"
)]

use std::collections::BTreeMap;
use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::cli::args::Cli;
use crate::cli::args_global::Global;
use crate::cli::board::{Board, Line};
use crate::cli::commands::{End, Failure};
use crate::cli::print::{print, print_error, print_json, tell};
use crate::cli::remote_args::RemoteArgs;
use crate::cli::remote_jobs::Deployer;
use crate::cli::remote_tasks::{How, Task, Wants, task};
use crate::model::json;
use crate::nix::{self, BuildOptions, Source};
use crate::remote::connection::Ways;
use crate::remote::fleet::{self, LastRun, Pace, Recap};
use crate::remote::frame::escape;
use crate::remote::host::{Phase, Watch, Went};
use crate::remote::password::ask_password;
use crate::remote::target::{Target, parse_hosts};

/// Runs a command on other hosts.
///
/// # Errors
/// When it can't be done there, or no host is named.
pub(crate) fn run(cli: Cli) -> Result<End, Failure> {
    let global = cli.global;
    let task = task(cli.command, &global)?;
    let targets = targets(&global.remote, &task)?;
    let password = if global.remote.ask_sudo_password {
        Some(ask_password("password for sudo there")?)
    } else {
        None
    };
    let ways = Ways {
        ssh_options: global.remote.ssh_option.clone(),
        interactive: targets.len() == 1 && std::io::stderr().is_terminal(),
        sudo: global.remote.sudo || global.remote.ask_sudo_password,
        password,
        substitute: global.remote.substitute_on_destination,
    };
    let is_asked_only = task.how == How::Attended;
    let deployer = Deployer::new(&global.remote, task, ways)?;
    let (code, printed) = match &targets[..] {
        [target] => one(&deployer, target, &global)?,
        _ => many(&deployer, &targets, &global)?,
    };
    match printed {
        Err(error) if is_asked_only => Err(error.into()),
        // What was done is done, whether or not it can be printed.
        Err(error) => {
            print_error(&error);
            Ok(End::Code(code))
        }
        Ok(()) => Ok(End::Code(code)),
    }
}

/// How it went with all hosts, and whether that could be printed.
type Ended = (u8, Result<()>);

fn one(deployer: &Deployer, target: &Target, global: &Global) -> Result<Ended> {
    let went = deployer.work(target, &Plain { target, prefix: "" });
    let mut printed = Ok(());
    if !went.output.is_empty() {
        if global.json {
            // What comes from another host is JSON, or it is not printed as such.
            let _: serde_json::Value = serde_json::from_str(&went.output)
                .context("reading the JSON that the host printed")?;
        }
        printed = print(escape(&went.output).trim_end());
    }
    if let Some(error) = &went.error {
        print_error(error);
    }
    Ok((went.code, printed))
}

fn many(deployer: &Deployer, targets: &[Target], global: &Global) -> Result<Ended> {
    let args = &global.remote;
    let batch = args.batch.as_deref();
    let batch = batch
        .map(|text| fleet::parse_batch(text, targets.len()))
        .transpose()?;
    let canary = args.canary.map(usize::from);
    let careful = batch.is_some() || canary.is_some();
    let pace = Pace {
        parallel: usize::from(args.parallel),
        canary,
        batch,
        max_failures: args
            .max_failures
            .unwrap_or(if careful { 0 } else { usize::MAX }),
    };
    let is_live = std::io::stderr().is_terminal() && !global.quiet && global.verbose == 0;
    let board = is_live.then(|| Board::new(targets));
    let work = || {
        pace.run(targets.len(), &|index| {
            work_on(deployer, targets, index, board.as_ref())
        })
    };
    let all = match &board {
        Some(board) => board.during(work),
        None => work(),
    };
    let rows: Vec<fleet::Row> = targets
        .iter()
        .zip(&all)
        .map(|(target, went)| fleet::row(&target.to_string(), went))
        .collect();
    if let Err(error) = remember(targets, &rows) {
        tracing::warn!("`--retry-failed` will not know of this run: {error:#}");
    }
    let codes: Vec<u8> = rows.iter().map(|r| r.code).collect();
    let printed = print_all(targets, &all, rows, global.json);
    Ok((fleet::exit_code(&codes), printed))
}

fn print_all(targets: &[Target], all: &[Went], rows: Vec<fleet::Row>, json: bool) -> Result<()> {
    if json {
        return print_json(&Recap {
            version: 1,
            hosts: rows,
        });
    }
    for (target, went) in targets.iter().zip(all) {
        if !went.output.trim().is_empty() {
            print(&format!("== {target}\n{}", escape(went.output.trim_end())))?;
        }
    }
    print(&format!("== all\n{}", fleet::render(&rows).trim_end()))
}

/// Works on one of many hosts.
fn work_on(deployer: &Deployer, targets: &[Target], index: usize, board: Option<&Board>) -> Went {
    let target = &targets[index];
    let went = match board {
        Some(board) => deployer.work(
            target,
            &Line {
                board,
                index,
                target,
            },
        ),
        None => {
            let prefix = format!("{target}: ");
            deployer.work(
                target,
                &Plain {
                    target,
                    prefix: &prefix,
                },
            )
        }
    };
    if let Some(board) = board {
        board.ended(index, went.code);
    }
    if let Some(error) = &went.error {
        let error = fleet::show_error(&target.to_string(), error);
        tell(&format!("{target}: {error}\n"));
    }
    went
}

/// Tells of a host in lines that stay.
struct Plain<'a> {
    target: &'a Target,
    /// What stands before what its programs say.
    prefix: &'a str,
}

impl Watch for Plain<'_> {
    fn line(&self, line: &str) {
        tell(&format!("{}{line}\n", self.prefix));
    }

    fn at(&self, phase: &Phase<'_>) {
        if phase.is_news() {
            tracing::info!("{}: {phase}", self.target);
        }
    }
}

fn last_run_file() -> PathBuf {
    nix::cache_folder().join("last-run.json")
}

fn remember(targets: &[Target], rows: &[fleet::Row]) -> Result<()> {
    let lines = targets.iter().map(|t| (t.to_string(), t.line()));
    let lines: BTreeMap<String, String> = lines.collect();
    let failed = rows.iter().filter(|r| !matches!(r.code, 0 | 10));
    let last = LastRun {
        version: 1,
        failed: failed.map(|r| lines[&r.host].clone()).collect(),
    };
    let path = last_run_file();
    let inner = || -> Result<()> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        Ok(std::fs::write(&path, serde_json::to_vec(&last)?)?)
    };
    inner().with_context(|| format!("writing {}", path.display()))
}

/// Returns the hosts to work on.
fn targets(args: &RemoteArgs, task: &Task) -> Result<Vec<Target>> {
    let mut targets: Vec<Target> = Vec::new();
    for text in &args.target_host {
        targets.push(text.parse()?);
    }
    if let Some(path) = &args.hosts {
        targets.extend(listed(path)?);
    }
    if let Some(flake) = &args.all {
        targets.extend(of_flake(flake, task)?);
    }
    if args.retry_failed {
        let last = failed_last()?;
        if targets.is_empty() {
            targets = last;
        } else {
            let is_failed = |t: &Target| last.iter().any(|l| l.to_string() == t.to_string());
            targets.retain(is_failed);
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    targets.retain(|target| seen.insert(target.to_string()));
    if targets.is_empty() {
        bail!("there is no host to work on");
    }
    Ok(targets)
}

fn listed(path: &Path) -> Result<Vec<Target>> {
    let mut text = String::new();
    let read = if path == Path::new("-") {
        std::io::stdin().read_to_string(&mut text)
    } else {
        std::fs::File::open(path).and_then(|mut f| f.read_to_string(&mut text))
    };
    read.map_err(anyhow::Error::from)
        .and_then(|_| parse_hosts(&text))
        .with_context(|| format!("reading the hosts of {}", path.display()))
}

/// Lists the hosts of the flake that is named, or that the command builds, or that would be built here.
fn of_flake(named: &str, task: &Task) -> Result<Vec<Target>> {
    let wanted = task.wants.first().map(|(_, wants)| wants);
    let (source, options) = match wanted {
        _ if !named.is_empty() => (Source::Flake(named.to_owned()), BuildOptions::default()),
        Some(Wants::Source(source, options)) => (source.clone(), options.clone()),
        Some(Wants::Built(path)) => bail!(
            "{} was built for one host, but `--all` needs a flake\nhint: name the flake instead",
            path.display()
        ),
        None => (Source::find()?, BuildOptions::default()),
    };
    let Source::Flake(flake) = source else {
        bail!("`--all` needs a flake\nhint: name one with `--flake` or `--all=URI`");
    };
    let hosts = nix::hosts::list(&flake, &options)?.into_iter();
    hosts
        .map(|(host, attribute)| {
            let target: Target = host.parse()?;
            let attribute = Some(attribute);
            Ok(Target {
                attribute,
                ..target
            })
        })
        .collect()
}

fn failed_last() -> Result<Vec<Target>> {
    let path = last_run_file();
    let text = std::fs::read(&path).with_context(|| {
        format!(
            "reading {}\nhint: there is no record of a run on several hosts",
            path.display()
        )
    })?;
    let inner = || parse_hosts(&json::from_bytes::<LastRun>(&text)?.failed.join("\n"));
    inner().with_context(|| format!("reading {}", path.display()))
}
