//! Runs activation scripts on a host, and reads which units they want restarted or reloaded.
#![expect(clippy::disallowed_methods, reason = "runs scripts")]

use crate::scripts::decide::FailedScript;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::host;
use crate::host::fs::{Content, NewFile, Root};
use crate::model::names::AbsolutePath;
use crate::scripts::decide::Action;
use crate::units::requests::Requests;

/// NixOS's folder for what scripts leave to whoever activates.
const FOLDER: &str = "run/nixos";

/// What the shells of scripts leave for those after them.
const SHELL: &str = "/run/nixos/activation-shell";

/// How many lines of a script that failed are told.
const LINES: usize = 10;

/// Runs a script, and tells what it prints; gives its failure, if it fails.
#[must_use]
pub(crate) fn run(
    root: &Root,
    name: &str,
    script: &AbsolutePath,
    toplevel: &AbsolutePath,
    action: Action,
    limit: Duration,
) -> Option<FailedScript> {
    tracing::info!("running the activation script {name}");
    let mut variables = vec![
        ("PATH", host::tether::PATH),
        ("HOME", "/root"),
        ("systemConfig", toplevel.as_str()),
        ("_activationShell", SHELL),
    ];
    variables.extend(action.word().map(|word| ("NIXOS_ACTION", word)));
    let inner = || -> Result<host::tether::Ended> {
        root.make_folders(Path::new(FOLDER))?;
        let place = root.show(Path::new(""));
        let place = std::fs::canonicalize(&place)
            .with_context(|| format!("reading {}", place.display()))?;
        host::tether::run(&place, script.as_str(), &variables, limit)
    };
    let failed = |why: String, log: Vec<String>| {
        Some(FailedScript {
            name: name.to_owned(),
            why,
            log,
        })
    };
    match inner() {
        Ok(ended) => {
            let lines: Vec<String> = ended.output.lines().map(str::to_owned).collect();
            match ended.failure {
                None => {
                    for line in &lines {
                        tracing::info!("{name}: {line}");
                    }
                    None
                }
                Some(why) => {
                    for line in &lines {
                        tracing::debug!("{name}: {line}");
                    }
                    failed(why, lines[lines.len().saturating_sub(LINES)..].to_vec())
                }
            }
        }
        Err(error) => failed(format!("{error:#}"), Vec::new()),
    }
}

/// Forgets what the shells of an earlier run have left.
///
/// # Errors
/// When it can't be removed.
pub(crate) fn forget_shell(root: &Root) -> Result<()> {
    root.remove_file(Path::new(SHELL.trim_start_matches('/')))
}

fn lists(action: Action) -> [String; 2] {
    let prefix = if action == Action::DryActivate {
        "dry-activation"
    } else {
        "activation"
    };
    ["restart", "reload"].map(|verb| format!("{FOLDER}/{prefix}-{verb}-list"))
}

/// Asks as a script does for units to be restarted or reloaded.
///
/// # Errors
/// When a list can't be written.
pub(crate) fn request(
    root: &Root,
    restart: &BTreeSet<String>,
    reload: &BTreeSet<String>,
) -> Result<()> {
    for (path, more) in lists(Action::Switch).iter().zip([restart, reload]) {
        if more.is_empty() {
            continue;
        }
        root.make_folders(Path::new(FOLDER))?;
        let mut text = root.read(Path::new(path))?.unwrap_or_default();
        for unit in more {
            text.extend(unit.as_bytes());
            text.push(b'\n');
        }
        let new = NewFile::of_root(Content::Bytes(&text), 0o644);
        root.write_file(Path::new(path), &new)?;
    }
    Ok(())
}

/// Reads which units scripts want restarted or reloaded.
///
/// # Errors
/// When a list is there and can't be read.
pub(crate) fn read_requests(root: &Root, action: Action) -> Result<Requests> {
    let read = |path: &String| -> Result<BTreeSet<String>> {
        let bytes = root.read(Path::new(path))?.unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let names = text.lines().map(str::trim).filter(|l| !l.is_empty());
        Ok(names.map(str::to_owned).collect())
    };
    let [restart, reload] = lists(action);
    Ok(Requests {
        restart: read(&restart)?,
        reload: read(&reload)?,
    })
}

/// Removes the lists, of which what they ask for has been done, what the shells have left, and their folder.
///
/// # Errors
/// When one can't be removed.
pub(crate) fn drop_requests(root: &Root, action: Action) -> Result<()> {
    for path in lists(action) {
        root.remove_file(Path::new(&path))?;
    }
    forget_shell(root)?;
    // It stays where somebody else has something in it.
    root.remove_folder(Path::new(FOLDER)).map(|_| ())
}
