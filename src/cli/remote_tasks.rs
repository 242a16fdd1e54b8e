//! What a command comes to on other hosts: its arguments there, what it needs, how it runs.
#![expect(
    clippy::disallowed_methods,
    reason = "the door looks at what is named on the command line"
)]

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow, bail};

use crate::cli::args::{ApplyArgs, Command, PlanArgs, SourceArgs, SwitchArgs};
use crate::cli::args_global::{ColorChoice, Global};
use crate::cli::args_past::{BackArgs, DiffArgs, GenerationsArgs, OriginArgs, StatusArgs};
use crate::cli::args_place::PrePopulateArgs;
use crate::cli::commands;
use crate::cli::given::{Given, origin_of, read_given};
use crate::nix::{BuildOptions, Source};
use crate::store::history::Origin;

/// What a command does on a host.
pub(super) struct Task {
    /// The arguments there.
    pub(super) arguments: Vec<String>,
    /// What it needs there, with where among the arguments it goes.
    pub(super) wants: Vec<(usize, Wants)>,
    /// How it runs.
    pub(super) how: How,
}

/// What has to be brought to the host for it.
pub(super) enum Wants {
    /// A toplevel that is built.
    Built(PathBuf),
    /// One that has to be built, for each host by its own name and system.
    Source(Source, BuildOptions),
}

/// How it runs there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
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

/// Returns what a command comes to on other hosts.
///
/// # Errors
/// When it is for this machine only.
pub(super) fn task(command: Command, global: &Global) -> Result<Task> {
    if global.root.is_some() {
        bail!("--root is about this machine, and can't be used with another host");
    }
    if global.remote.attach {
        return Ok(Task {
            arguments: Vec::new(),
            wants: Vec::new(),
            how: How::Attach,
        });
    }
    let mut task = match command {
        Command::Diff(args) => diff_task(&args)?,
        command => task_of(command)?,
    };
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
        bail!("a plan can be saved only on the host that it is for");
    }
    let mut words = vec!["plan".to_owned()];
    words.extend(flags(&[
        (args.deactivate, "--deactivate"),
        (args.detailed_exitcode, "--detailed-exitcode"),
        (args.pages.page.markdown, "--markdown"),
        (args.pages.page.html, "--html"),
        (args.pages.summary, "--summary"),
        (args.strict, "--strict"),
        (args.all_scripts, "--all-scripts"),
        (args.ephemeral, "--ephemeral"),
    ]));
    Ok(words)
}

/// The arguments there, what they need, and how they run.
type Parts = (Vec<String>, Option<Wants>, How);

fn task_of(command: Command) -> Result<Task> {
    let attended = |words: Vec<String>| (words, None, How::Attended);
    let apart = |words: Vec<String>, wants| (words, wants, How::Apart { confirmed: false });
    let (arguments, wants, how) = match command {
        Command::Plan(args) => plan_task(&args)?,
        Command::Switch(args) => switch_task(&args)?,
        Command::Register(args) => {
            let given = args.given.or(args.store_path);
            let (arguments, wants) =
                place_parts("register", given.as_deref(), &args.source, &args.origin)?;
            (arguments, Some(wants), How::Attended)
        }
        Command::PrePopulate(args) => pre_populate_task(args)?,
        Command::Activate(args) => {
            let wants = args.toplevel.or(args.store_path);
            let wants = wants.map(Wants::Built);
            let ephemeral = flags(&[(args.ephemeral, "--ephemeral")]);
            let arguments = [words(&["activate"]), ephemeral, apply_words(&args.apply)];
            apart(arguments.concat(), wants)
        }
        Command::Deactivate(args) => {
            let mut arguments = [words(&["deactivate"]), apply_words(&args.apply())].concat();
            arguments.extend(flags(&[(args.purge_installed, "--purge-installed")]));
            apart(arguments, None)
        }
        Command::Rollback { to, back } => {
            let to = to.map(|to| ["--to".to_owned(), to.to_string()]);
            let to = to.into_iter().flatten();
            back_task(words(&["rollback"]).into_iter().chain(to).collect(), &back)?
        }
        Command::Undo(back) => back_task(words(&["undo"]), &back)?,
        Command::Extend { seconds } => attended(vec!["extend".to_owned(), seconds.to_string()]),
        Command::Gc { dry_run, keep } => {
            let mut arguments = words(&["gc"]);
            arguments.extend(flags(&[(dry_run, "--dry-run")]));
            let keep = keep.map(|keep| ["--keep".to_owned(), keep.to_string()]);
            arguments.extend(keep.into_iter().flatten());
            attended(arguments)
        }
        Command::Bootstrap(args) => {
            let timeout = ["--unit-timeout".to_owned(), args.unit_timeout.to_string()];
            let dry_run = flags(&[(args.dry_run, "--dry-run")]);
            attended([words(&["bootstrap"]), timeout.into(), dry_run].concat())
        }
        Command::Status(args) => attended(status_words(&args)?),
        Command::Generations(GenerationsArgs { action: None }) => attended(words(&["generations"])),
        _ => {
            return Err(anyhow!(
                "this command works only on this machine\nhint: leave out --target-host and --hosts"
            ));
        }
    };
    Ok(Task {
        arguments,
        // After the command's name.
        wants: wants.map(|wants| (1, wants)).into_iter().collect(),
        how,
    })
}

/// What is no number of a generation there is built here.
fn diff_task(args: &DiffArgs) -> Result<Task> {
    let mut task = Task {
        arguments: words(&["diff"]),
        wants: Vec::new(),
        how: How::Attended,
    };
    for text in [&args.from, &args.to].into_iter().flatten() {
        if text.parse::<u64>().is_err() {
            let given = Some(Path::new(text));
            let wanted = wants(given, &SourceArgs::default())?;
            let place = task.arguments.len() + task.wants.len();
            task.wants.push((place, wanted));
        } else {
            task.arguments.push(text.clone());
        }
    }
    Ok(task)
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|w| (*w).to_owned()).collect()
}

/// What a command comes to that registers what it is given, or what is named.
fn place_parts(
    command: &str,
    given: Option<&Path>,
    source: &SourceArgs,
    origin: &OriginArgs,
) -> Result<(Vec<String>, Wants)> {
    let mut arguments = words(&[command]);
    arguments.extend(origin_words(origin_of(given, source, origin)));
    Ok((arguments, wants(given, source)?))
}

fn pre_populate_task(args: PrePopulateArgs) -> Result<Parts> {
    let given = args.given.or(args.store_path);
    let is_named = given.is_some() || args.source.file.is_some() || args.source.flake.is_some();
    let (mut arguments, wants) = if is_named {
        let (arguments, wants) =
            place_parts("pre-populate", given.as_deref(), &args.source, &args.origin)?;
        (arguments, Some(wants))
    } else {
        (words(&["pre-populate"]), None)
    };
    arguments.extend(flags(&[
        (args.dry_run, "--dry-run"),
        (args.ephemeral, "--ephemeral"),
    ]));
    arguments.extend(apply_words(&args.apply));
    Ok((arguments, wants, How::Attended))
}

fn plan_task(args: &PlanArgs) -> Result<Parts> {
    let words = plan_words(args)?;
    let wants = if args.deactivate {
        None
    } else {
        Some(wants(args.given.as_deref(), &args.source)?)
    };
    Ok((words, wants, How::Attended))
}

fn switch_task(args: &SwitchArgs) -> Result<Parts> {
    let wants = Some(wants(args.given.as_deref(), &args.source)?);
    if args.ask {
        bail!(
            "`--ask` works only on this machine\nhint: look at `plan --target-host` first; a switch of another host goes back unless it is confirmed"
        );
    }
    let ephemeral = flags(&[(args.ephemeral, "--ephemeral")]);
    if args.dry_run {
        return Ok(([words(&["plan"]), ephemeral].concat(), wants, How::Attended));
    }
    let mut arguments = [words(&["switch"]), ephemeral].concat();
    let rollback = args.rollback_on_failure;
    let install = args.install_missing;
    arguments.extend(flags(&[
        (rollback, "--rollback-on-failure"),
        (install, "--install-missing"),
    ]));
    arguments.extend(apply_words(&args.apply));
    let origin = origin_of(args.given.as_deref(), &args.source, &args.origin);
    arguments.extend(origin_words(origin));
    Ok((arguments, wants, How::Apart { confirmed: true }))
}

fn status_words(args: &StatusArgs) -> Result<Vec<String>> {
    if args.watch.is_some() {
        bail!("`--watch` works only on this machine\nhint: leave it out");
    }
    let mut words = vec!["status".to_owned()];
    words.extend(flags(&[
        (args.diff, "--diff"),
        (args.page.markdown, "--markdown"),
        (args.page.html, "--html"),
        (args.detailed_exitcode, "--detailed-exitcode"),
    ]));
    Ok(words)
}

fn back_task(mut arguments: Vec<String>, back: &BackArgs) -> Result<Parts> {
    if back.ask {
        bail!("`--ask` works only on this machine\nhint: use `--dry-run` first");
    }
    arguments.extend(flags(&[(back.dry_run, "--dry-run")]));
    arguments.extend(apply_words(&back.apply));
    let how = if back.dry_run {
        How::Attended
    } else {
        How::Apart { confirmed: false }
    };
    Ok((arguments, None, how))
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
            "{} is a plan, which can be applied only on the host that it is for",
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
