//! Commands on other hosts: what each comes to there, and what is printed of it here.

#![expect(
    clippy::disallowed_methods,
    reason = "reads lists of hosts, and keeps which failed"
)]

use std::collections::BTreeMap;
use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, bail};

use crate::cli::args::{Cli, Global};
use crate::cli::commands::{self, End, Failure};
use crate::cli::print::{print, print_error, print_json, tell};
use crate::cli::remote_args::RemoteArgs;
use crate::cli::remote_tasks::{How, Task, Wants, task};
use crate::nix::{self, BuildOptions, Source};
use crate::remote::connection::{Ways, ask_password};
use crate::remote::fleet::{self, LastRun, Pace, Recap};
use crate::remote::frame::escape;
use crate::remote::host::{Built, Host, Program, Reached, Went};
use crate::remote::target::{Target, parse_hosts};

/// How long a host waits to be confirmed after a `switch`, in seconds.
const CONFIRM: u64 = 60;

/// Runs a command on other hosts.
///
/// # Errors
/// When it can't be done there, or no host is named.
pub(crate) fn run(cli: Cli) -> Result<End, Failure> {
    let global = cli.global;
    let task = task(cli.command, &global)?;
    if task.arguments.iter().any(|word| word == "--ephemeral") {
        return Err(anyhow::anyhow!(
            "--ephemeral is for the machine itself: what a run from here leaves on a host outlives its boot\nhint: run it there, as `ssh HOST sudo system-manager switch --ephemeral`; a switch from here returns by itself unless it is confirmed"
        )
        .into());
    }
    let targets = targets(&global.remote)?;
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
    };
    let deployer = Deployer {
        own: Program::read(&std::env::current_exe().context("finding this program's own file")?)?,
        built: Mutex::default(),
        confirm: confirm(&global.remote, task.how),
        task,
        ways,
    };
    match &targets[..] {
        [target] => one(&deployer, target, &global),
        _ => many(&deployer, &targets, &global),
    }
}

fn confirm(args: &RemoteArgs, how: How) -> Option<u64> {
    match (args.no_confirm, args.confirm_timeout, how) {
        (true, _, _) => None,
        (_, Some(seconds), _) => Some(seconds),
        (_, None, How::Apart { confirmed: true }) => Some(CONFIRM),
        _ => None,
    }
}

fn one(deployer: &Deployer, target: &Target, global: &Global) -> Result<End, Failure> {
    let went = deployer.work(target, &|line| tell(&format!("{line}\n")));
    if global.json {
        print_checked_json(&went.output)?;
    } else if !went.output.is_empty() {
        print(escape(&went.output).trim_end())?;
    }
    if let Some(error) = &went.error {
        print_error(error);
    }
    Ok(End::Code(went.code))
}

/// What comes from another host is JSON, or it is not printed as such.
fn print_checked_json(text: &str) -> Result<()> {
    if text.is_empty() {
        return Ok(());
    }
    let _: serde_json::Value =
        serde_json::from_str(text).context("reading the JSON that the host printed")?;
    print(escape(text).trim_end())
}

fn many(deployer: &Deployer, targets: &[Target], global: &Global) -> Result<End, Failure> {
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
    let all = pace.run(targets.len(), &|index| {
        let target = &targets[index];
        let went = deployer.work(target, &|line| tell(&format!("{target}: {line}\n")));
        if let Some(error) = &went.error {
            let error = fleet::show_error(&target.to_string(), error);
            tell(&format!("{target}: {error}\n"));
        }
        went
    });
    let rows: Vec<fleet::Row> = targets
        .iter()
        .zip(&all)
        .map(|(target, went)| fleet::row(&target.to_string(), went))
        .collect();
    remember(&rows)?;
    let codes: Vec<u8> = rows.iter().map(|r| r.code).collect();
    if global.json {
        print_json(&Recap {
            version: 1,
            hosts: rows,
        })?;
    } else {
        for (target, went) in targets.iter().zip(&all) {
            if !went.output.trim().is_empty() {
                print(&format!("== {target}\n{}", escape(went.output.trim_end())))?;
            }
        }
        print(&format!("== all\n{}", fleet::render(&rows).trim_end()))?;
    }
    Ok(End::Code(fleet::exit_code(&codes)))
}

fn last_run_file() -> PathBuf {
    nix::cache_folder().join("last-run.json")
}

fn remember(rows: &[fleet::Row]) -> Result<()> {
    let failed = rows.iter().filter(|r| !matches!(r.code, 0 | 10));
    let last = LastRun {
        version: 1,
        failed: failed.map(|r| r.host.clone()).collect(),
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

fn targets(args: &RemoteArgs) -> Result<Vec<Target>> {
    let mut targets: Vec<Target> = Vec::new();
    for text in &args.target_host {
        targets.push(text.parse()?);
    }
    if let Some(path) = &args.hosts {
        let mut text = String::new();
        let read = if path == Path::new("-") {
            std::io::stdin().read_to_string(&mut text)
        } else {
            std::fs::File::open(path).and_then(|mut f| f.read_to_string(&mut text))
        };
        let listed = read
            .map_err(anyhow::Error::from)
            .and_then(|_| parse_hosts(&text))
            .with_context(|| format!("reading the hosts of {}", path.display()))?;
        targets.extend(listed);
    }
    if args.retry_failed {
        let path = last_run_file();
        let text = std::fs::read(&path).with_context(|| {
            format!(
                "reading {}\nhint: no run on many hosts is known here",
                path.display()
            )
        })?;
        let last: LastRun =
            serde_json::from_slice(&text).with_context(|| format!("reading {}", path.display()))?;
        if targets.is_empty() {
            let failed = last.failed.iter().map(|host| host.parse());
            targets = failed.collect::<Result<_>>()?;
        } else {
            targets.retain(|t| last.failed.contains(&t.to_string()));
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    targets.retain(|target| seen.insert(target.clone()));
    if targets.is_empty() {
        bail!("there is no host to work on");
    }
    Ok(targets)
}

/// The name of a host, and its system.
type Identity = (String, String);

/// What is the same for all hosts.
struct Deployer {
    task: Task,
    ways: Ways,
    own: Program,
    confirm: Option<u64>,
    /// What was built for hosts of a name and a system, or for any.
    built: Mutex<BTreeMap<Option<Identity>, Arc<Built>>>,
}

impl Deployer {
    fn work(&self, target: &Target, tell: &(dyn Fn(&str) + Sync)) -> Went {
        let host = Host {
            target,
            ways: &self.ways,
            tell,
        };
        self.work_on(&host).unwrap_or_else(Went::refused)
    }

    fn work_on(&self, host: &Host<'_>) -> Result<Went> {
        let reached = Reached::new(host.target, &self.ways)?;
        let built = self.built_for(&reached)?;
        let mut arguments = self.task.arguments.clone();
        let (link, program) = match &built {
            Some(built) => {
                arguments.insert(1, built.toplevel.to_string());
                (host.bring(reached, built)?, built.program())
            }
            None => (reached.link(&self.own, &self.ways)?, &self.own),
        };
        match self.task.how {
            How::Attended => host.run(link, &arguments),
            How::Apart { .. } => host.activate(link, program, arguments, self.confirm),
            How::Attach => host.attach(link),
        }
    }

    /// Builds what a host gets, once for all hosts that get the same.
    fn built_for(&self, reached: &Reached) -> Result<Option<Arc<Built>>> {
        let key = match &self.task.wants {
            Wants::Nothing => return Ok(None),
            Wants::Source(Source::Flake(uri), _) if !uri.contains('#') => Some(reached.identity()),
            _ => None,
        };
        // Held while it is built: Nix would build it once, too, but evaluate it for each.
        let mut built = self.built.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(built) = built.get(&key) {
            return Ok(Some(built.clone()));
        }
        let toplevel = match &self.task.wants {
            Wants::Nothing => return Ok(None),
            Wants::Built(path) => commands::toplevel_path(path)?,
            Wants::Source(source, options) => {
                let identity = Some(reached.identity());
                let options = options.clone();
                nix::build(
                    source,
                    &BuildOptions {
                        identity,
                        ..options
                    },
                )?
            }
        };
        let new = Arc::new(Built::read(toplevel)?);
        built.insert(key, new.clone());
        Ok(Some(new))
    }
}
