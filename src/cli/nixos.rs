//! The toplevel's `bin/switch-to-configuration`: how tools and tests that drive NixOS profiles drive this one.
//!
//! The actions, messages and exit codes are those of NixOS: 0 done, 1 refused or used wrongly, 2 the activation or one of its scripts failed,
//! 4 units failed.
#![expect(
    clippy::disallowed_methods,
    reason = "the door reads where it was called from"
)]

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::host::syslog;
use crate::units::apply::list_visible;
use crate::units::decide::{UnitAction, UnitPlan};

/// The name under which the program behaves like this.
pub(crate) const NAME: &str = "switch-to-configuration";

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Says whether the configuration could be switched to.
    Check,
    /// Registers and activates it.
    Switch,
    /// Registers it, and puts its files in place for the next boot.
    Boot,
    /// Activates it without registering it.
    Test,
    /// Says what `test` would do to units.
    DryActivate,
}

/// Says whether the program was called by that name.
#[must_use]
pub(crate) fn is_called(program: Option<&OsString>) -> bool {
    program.is_some_and(|p| {
        Path::new(p)
            .file_name()
            .is_some_and(|n| n.as_bytes() == NAME.as_bytes())
    })
}

/// Reads the action from the arguments.
///
/// # Errors
/// When there is none or another one; the message says how to call it.
pub(crate) fn parse_action(arguments: &[OsString]) -> Result<Action> {
    match arguments {
        [action] => match action.as_bytes() {
            b"check" => Ok(Action::Check),
            b"switch" => Ok(Action::Switch),
            b"boot" => Ok(Action::Boot),
            b"test" => Ok(Action::Test),
            b"dry-activate" => Ok(Action::DryActivate),
            _ => bail!("there is no action `{}`\n{USAGE}", action.display()),
        },
        _ => bail!("it takes one action\n{USAGE}"),
    }
}

const USAGE: &str = "usage: switch-to-configuration ACTION
  check          say whether this configuration can be switched to
  switch         register it as a generation and activate it
  boot           register it as a generation, and put its files in place for the next boot; nothing is started
  test           activate it, without registering it
  dry-activate   say what would be done to units; runs the scripts that support it";

/// Gives the toplevel whose `bin` folder the program was called from.
///
/// # Errors
/// When it was called by a bare name, or from elsewhere.
pub(crate) fn own_toplevel(program: &OsString) -> Result<PathBuf> {
    let path = Path::new(program);
    let bin = path
        .parent()
        .filter(|p| !p.as_os_str().is_empty())
        .with_context(|| {
            format!("{NAME} was called without its path\nhint: call it as TOPLEVEL/bin/{NAME}")
        })?;
    let toplevel = std::fs::canonicalize(bin.join(".."))
        .with_context(|| format!("reading {}", bin.display()))?;
    if !toplevel.join("manifest.json").exists() {
        bail!(
            "{} is not a toplevel: it has no manifest.json",
            toplevel.display()
        );
    }
    Ok(toplevel)
}

/// Renders what an activation would do before its scripts run. Pure.
#[must_use]
pub(crate) fn render_dry_begin(units: &UnitPlan, toplevel: &Path) -> String {
    let mut lines = Vec::new();
    let mut list = |label: &str, actions: &[UnitAction]| {
        let names = list_visible(actions);
        if !names.is_empty() {
            lines.push(format!("would {label} the following units: {names}"));
        }
    };
    list("stop", &units.stop);
    if !units.skipped.is_empty() {
        let names: Vec<&str> = units.skipped.iter().map(|n| n.unit.as_str()).collect();
        lines.push(format!(
            "would NOT restart the following changed units: {}",
            names.join(", ")
        ));
    }
    lines.push(format!(
        "would activate the configuration {}",
        toplevel.display()
    ));
    lines.join("\n")
}

/// Renders what an activation would do after its scripts have run, those units included that they ask for. Pure.
#[must_use]
pub(crate) fn render_dry_end(units: &UnitPlan) -> String {
    let mut text = String::new();
    let mut list = |label: &str, actions: &[UnitAction]| {
        let names = list_visible(actions);
        if !names.is_empty() {
            text += &format!("would {label} the following units: {names}\n");
        }
    };
    list("reload", &units.reload);
    list("restart", &units.restart);
    list("start", &units.start);
    text
}

/// Says something in the system's log, where it has one.
pub(crate) fn log_to_system(text: &str) {
    if let Err(e) = syslog::send(text) {
        tracing::debug!("writing to the system's log: {e}");
    }
}
