//! Commands on other hosts: what each comes to there, and what is printed of it here.

#![expect(
    clippy::disallowed_methods,
    reason = "reads lists of hosts, and keeps which failed"
)]

use std::collections::BTreeMap;
use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, anyhow, bail};

use crate::cli::args::{
    ApplyArgs, Cli, ColorChoice, Command, Global, PlanArgs, SourceArgs, StatusArgs,
};
use crate::cli::args_past::{BackArgs, GenerationsArgs};
use crate::cli::commands::{self, End, Failure};
use crate::cli::given::{Given, origin_of, read_given};
use crate::cli::print::{print, print_error, print_json};
use crate::cli::remote_args::RemoteArgs;
use crate::nix::{self, BuildOptions, Source};
use crate::remote::connection::{Ways, ask_password};
use crate::remote::fleet::{self, LastRun, Pace, Recap};
use crate::remote::frame::escape;
use crate::remote::host::{Built, Host, Program, Reached, Went};
use crate::remote::target::{Target, parse_hosts};
use crate::store::history::Origin;

/// How long a host waits to be confirmed after a `switch`, in seconds.
const CONFIRM: u64 = 60;

/// What a command does on a host.
struct Task {
    /// The arguments there; the toplevel comes after the first one.
    arguments: Vec<String>,
    wants: Wants,
    how: How,
}

/// What has to be brought to the host for it.
enum Wants {
    Nothing,
    Built(PathBuf),
    Source(Source, BuildOptions),
}

/// How it runs there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    /// As long as the connection lives.
    Attended,
    /// Whatever becomes of the connection.
    Apart {
        /// Whether it is confirmed unless somebody says otherwise.
        confirmed: bool,
    },
    /// It runs already, or has ended.
    Attach,
}

/// Runs a command on other hosts.
///
/// # Errors
/// When it can't be done there, or no host is named.
pub(crate) fn run(cli: Cli) -> Result<End, Failure> {
    let global = cli.global;
    let task = task(cli.command, &global)?;
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
    let went = deployer.work(target, &|line| eprintln!("{line}"));
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
        let went = deployer.work(target, &|line| eprintln!("{target}: {line}"));
        if let Some(error) = &went.error {
            eprintln!(
                "{target}: {}",
                fleet::show_error(&target.to_string(), error)
            );
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

fn task(command: Command, global: &Global) -> Result<Task> {
    if global.root.is_some() {
        bail!("--root is of this machine, and can't be used with another host");
    }
    if global.remote.attach {
        return Ok(Task {
            arguments: Vec::new(),
            wants: Wants::Nothing,
            how: How::Attach,
        });
    }
    let mut task = task_of(command)?;
    task.arguments.extend(global_words(global));
    Ok(task)
}

/// Returns the flags that are set.
fn flags(given: &[(bool, &str)]) -> Vec<String> {
    let set = given.iter().filter(|(is_set, _)| *is_set);
    set.map(|(_, flag)| (*flag).to_owned()).collect()
}

fn plan_words(args: &PlanArgs) -> Result<Vec<String>> {
    if args.out.is_some() {
        bail!("a plan can only be saved on the host that it is for");
    }
    let mut words = vec!["plan".to_owned()];
    words.extend(flags(&[
        (args.deactivate, "--deactivate"),
        (args.detailed_exitcode, "--detailed-exitcode"),
        (args.pages.markdown, "--markdown"),
        (args.pages.html, "--html"),
        (args.pages.summary, "--summary"),
        (args.strict, "--strict"),
        (args.all_scripts, "--all-scripts"),
    ]));
    Ok(words)
}

fn task_of(command: Command) -> Result<Task> {
    let apart = How::Apart { confirmed: false };
    let words = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
    let (arguments, wants, how) = match command {
        Command::Plan(args) => (
            plan_words(&args)?,
            if args.deactivate {
                Wants::Nothing
            } else {
                wants(args.given.as_deref(), &args.source)?
            },
            How::Attended,
        ),
        Command::Switch(args) => {
            let wants = wants(args.given.as_deref(), &args.source)?;
            if args.ask {
                bail!(
                    "`--ask` is for this machine\nhint: look at `plan --target-host` first; a switch of another host returns unless it is confirmed"
                );
            }
            if args.dry_run {
                (words(&["plan"]), wants, How::Attended)
            } else {
                let mut arguments = words(&["switch"]);
                arguments.extend(flags(&[(
                    args.rollback_on_failure,
                    "--rollback-on-failure",
                )]));
                arguments.extend(apply_words(&args.apply));
                let origin = origin_of(args.given.as_deref(), &args.source, &args.origin);
                arguments.extend(origin_words(origin));
                (arguments, wants, How::Apart { confirmed: true })
            }
        }
        Command::Register {
            given,
            store_path,
            source,
            origin,
        } => {
            let given = store_path.or(given);
            let mut arguments = words(&["register"]);
            arguments.extend(origin_words(origin_of(given.as_deref(), &source, &origin)));
            (arguments, wants(given.as_deref(), &source)?, How::Attended)
        }
        Command::Activate {
            toplevel,
            store_path,
            apply,
        } => {
            let wants = toplevel.or(store_path).map_or(Wants::Nothing, Wants::Built);
            (
                [words(&["activate"]), apply_words(&apply)].concat(),
                wants,
                apart,
            )
        }
        Command::Deactivate(args) => (
            [words(&["deactivate"]), apply_words(&args.apply())].concat(),
            Wants::Nothing,
            apart,
        ),
        Command::Rollback { to, back } => {
            let mut arguments = words(&["rollback"]);
            if let Some(to) = to {
                arguments.extend(["--to".to_owned(), to.to_string()]);
            }
            back_task(arguments, &back)?
        }
        Command::Undo(back) => back_task(words(&["undo"]), &back)?,
        Command::Gc { dry_run, keep } => {
            let mut arguments = words(&["gc"]);
            arguments.extend(dry_run.then(|| "--dry-run".to_owned()));
            if let Some(keep) = keep {
                arguments.extend(["--keep".to_owned(), keep.to_string()]);
            }
            (arguments, Wants::Nothing, How::Attended)
        }
        Command::Status(args) => (status_words(&args)?, Wants::Nothing, How::Attended),
        Command::Generations(GenerationsArgs { action: None }) => {
            (words(&["generations"]), Wants::Nothing, How::Attended)
        }
        _ => {
            return Err(anyhow!(
                "this command works on this machine only\nhint: leave out --target-host and --hosts"
            ));
        }
    };
    Ok(Task {
        arguments,
        wants,
        how,
    })
}

fn status_words(args: &StatusArgs) -> Result<Vec<String>> {
    if args.watch.is_some() {
        bail!("`--watch` is for this machine\nhint: leave it out");
    }
    let mut words = vec!["status".to_owned()];
    words.extend(flags(&[
        (args.diff, "--diff"),
        (args.detailed_exitcode, "--detailed-exitcode"),
    ]));
    Ok(words)
}

fn back_task(mut arguments: Vec<String>, back: &BackArgs) -> Result<(Vec<String>, Wants, How)> {
    if back.ask {
        bail!("`--ask` is for this machine\nhint: look at it with `--dry-run` first");
    }
    arguments.extend(flags(&[(back.dry_run, "--dry-run")]));
    arguments.extend(apply_words(&back.apply));
    let how = if back.dry_run {
        How::Attended
    } else {
        How::Apart { confirmed: false }
    };
    Ok((arguments, Wants::Nothing, how))
}

/// What the host is told of where its configuration comes from.
fn origin_words(origin: Origin) -> Vec<String> {
    let said = [
        ("--message", origin.message),
        ("--made-from", origin.source),
        ("--made-at", origin.revision),
    ];
    // In one word, whatever the text begins with.
    let said = said
        .into_iter()
        .filter_map(|(flag, text)| Some(format!("{flag}={}", text?)));
    said.collect()
}

fn wants(given: Option<&Path>, args: &SourceArgs) -> Result<Wants> {
    let (source, options) = match given.map(read_given) {
        Some(Given::Built(path)) if path.is_dir() => return Ok(Wants::Built(path)),
        Some(Given::Built(path)) => bail!(
            "{} is a plan, which can only be applied on the host that it is of",
            path.display()
        ),
        Some(Given::Source(source)) => (source, commands::build_options_of(args)?),
        None => commands::source(args)?,
    };
    Ok(Wants::Source(source, options))
}

fn apply_words(apply: &ApplyArgs) -> Vec<String> {
    let mut words = vec!["--unit-timeout".to_owned(), apply.unit_timeout.to_string()];
    words.extend(apply.strict.then(|| "--strict".to_owned()));
    words.extend(apply.all_scripts.then(|| "--all-scripts".to_owned()));
    words.extend(apply.wait.then(|| "--wait".to_owned()));
    words
}

fn global_words(global: &Global) -> Vec<String> {
    let terminal = std::io::stdout().is_terminal();
    let color = match global.color {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => terminal && std::env::var_os("NO_COLOR").is_none(),
    };
    let mut words = vec![
        "--color".to_owned(),
        if color { "always" } else { "never" }.to_owned(),
    ];
    words.extend(global.json.then(|| "--json".to_owned()));
    words.extend(global.quiet.then(|| "-q".to_owned()));
    words.extend((0..global.verbose).map(|_| "-v".to_owned()));
    words
}
