//! From what is named on the command line to a toplevel: a configuration that is built first, a toplevel, a saved plan.
#![expect(
    clippy::disallowed_methods,
    reason = "the door reads what is named on the command line"
)]

use std::io::IsTerminal;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::activation::mend;
use crate::activation::plan::{Goal, Plan};
use crate::cli::args::SourceArgs;
use crate::cli::commands;
use crate::cli::given::{Given, read_given};
use crate::cli::print::tell;
use crate::cli::session::Session;
use crate::host::fs::Root;
use crate::model::json;
use crate::model::names::AbsolutePath;
use crate::nix;
use crate::nix::watch::Work;
use crate::nix::{BuildOptions, Source};

/// Returns what a switch goes to, with the saved plan that it is given.
pub(super) fn switch_goal(
    session: &Session,
    given: Option<&Path>,
    args: &SourceArgs,
) -> Result<(Goal, Option<Plan>)> {
    if let Some(Given::Built(path)) = given.map(read_given)
        && !path.is_dir()
    {
        let saved = read_plan(&path)?;
        return Ok((saved.goal.clone(), Some(saved)));
    }
    Ok((Goal::Activate(build(session, given, args)?), None))
}

/// Returns the toplevel that is given, or builds the configuration that is given or named by the flags.
pub(super) fn build(
    session: &Session,
    given: Option<&Path>,
    args: &SourceArgs,
) -> Result<AbsolutePath> {
    match given.map(read_given) {
        Some(Given::Built(path)) => {
            if args.nixpkgs.is_some() {
                bail!(
                    "{} has already been built, so `--nixpkgs` would have no effect\nhint: leave it out, or name the configuration's file",
                    path.display()
                );
            }
            commands::toplevel_path(&path)
        }
        Some(Given::Source(source)) => {
            build_source(session, &source, &commands::build_options_of(args)?)
        }
        None => {
            let (source, options) = commands::source(args)?;
            build_source(session, &source, &options)
        }
    }
}

fn build_source(
    session: &Session,
    source: &Source,
    options: &BuildOptions,
) -> Result<AbsolutePath> {
    session.progress.begin("evaluation");
    let options = &BuildOptions {
        build_host: session.build_host.clone(),
        ..options.clone()
    };
    let build = || {
        let mut watch = |work: &Work, said: Option<&str>| {
            if let Some(said) = said {
                tell(&format!("{}\n", for_stderr(said)));
            }
            session.progress.work(work);
        };
        let watch: Option<&mut nix::Watch<'_>> = if session.progress.watches_nix() {
            Some(&mut watch)
        } else {
            None
        };
        nix::build_watched(source, options, watch)
    };
    build().or_else(|error| {
        // What was deleted from the store through a link of ours is still there for Nix, and fails what needs it.
        let mended =
            Root::open(Path::new("/"), false).and_then(|root| mend::put_back_missing(&root));
        match mended {
            Ok(count) if count > 0 => {
                tracing::warn!(
                    "{count} files were missing in the store and have been restored; building again"
                );
                build()
            }
            _ => Err(error),
        }
    })
}

/// What Nix says has colours, wherever it goes.
fn for_stderr(text: &str) -> String {
    if std::io::stderr().is_terminal() {
        return text.to_owned();
    }
    let mut parts = text.split("\x1b[");
    let first = parts.next().unwrap_or_default().to_owned();
    let rest = parts.map(|part| part.split_once('m').map_or(part, |(_, rest)| rest));
    rest.fold(first, |text, part| text + part)
}

/// Reads a saved plan's text. Pure.
///
/// # Errors
/// When it is none of this version.
pub(crate) fn parse_plan(text: &[u8]) -> Result<Plan> {
    let mut saved: serde_json::Value = json::from_bytes(text)?;
    // `plan --json` has it for people; it follows from the rest.
    saved
        .as_object_mut()
        .and_then(|plan| plan.remove("summary"));
    let plan: Plan = serde_json::from_str(&saved.to_string())?;
    if plan.version != crate::activation::plan::VERSION {
        bail!("it has version {}", plan.version);
    }
    Ok(plan)
}

fn read_plan(path: &Path) -> Result<Plan> {
    let inner = || parse_plan(&std::fs::read(path)?);
    inner().with_context(|| {
        format!(
            "reading the plan {}\nhint: make one with `system-manager plan --out FILE`",
            path.display()
        )
    })
}
