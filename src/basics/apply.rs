//! Carries out what was decided about the host's basics.

use anyhow::{Context, Result, bail};

use crate::basics::decide::{BasicsChange, NameChange, Step};
use crate::basics::observe;
use crate::basics::places::Form;
use crate::files::decide::Verb;
use crate::host::fs::{Content, NewFile, Root};
use crate::store::backups;

/// Carries out one step.
///
/// # Errors
/// When what it changes has changed since the plan was made, or can't be changed.
pub(crate) fn apply(root: &Root, step: Step<'_>) -> Result<()> {
    match step {
        Step::Keep(change) => keep(root, change),
        Step::Set(change) => set(root, change),
        Step::Name(change) => set_name(change),
    }
}

fn keep(root: &Root, change: &BasicsChange) -> Result<()> {
    check_unchanged(root, change)?;
    match &change.keep {
        Some(keep) => backups::keep(root, &change.target, &keep.backup),
        None => Ok(()),
    }
}

fn set(root: &Root, change: &BasicsChange) -> Result<()> {
    if matches!(change.verb, Verb::Adopt | Verb::Forget) {
        return Ok(());
    }
    check_unchanged(root, change)?;
    let path = change.target.in_etc();
    root.remove_leftover(&path)?;
    tracing::info!("setting {} in /etc/{}", change.option, change.target);
    match (&change.form, &change.backup) {
        (Some(Form::Link(to)), _) => root.write_link(&path, to),
        (Some(Form::Text(text)), _) => root.write_file(
            &path,
            &NewFile {
                content: Content::Bytes(text.as_bytes()),
                mode: 0o644,
                uid: 0,
                gid: 0,
            },
        ),
        (None, Some(id)) => backups::restore(root, &change.target, id),
        (None, None) => root.remove_file(&path),
    }
}

fn set_name(change: &NameChange) -> Result<()> {
    if change.from == change.to {
        return Ok(());
    }
    let now = observe::name()?;
    if now != change.from {
        bail!("the host was named `{now}` since the plan was made\nhint: run this again");
    }
    tracing::info!("naming this host {}", change.to);
    nix::unistd::sethostname(&change.to)
        .with_context(|| format!("naming this host `{}`", change.to))
}

fn check_unchanged(root: &Root, change: &BasicsChange) -> Result<()> {
    if root.node(&change.target.in_etc())? != change.before {
        bail!(
            "/etc/{} has changed since the plan was made\nhint: run this again",
            change.target
        );
    }
    Ok(())
}
