//! Carries out what was decided about the host's basics.

use anyhow::{Context, Result, bail};

use crate::basics::decide::{BasicsChange, BasicsPlan, NameChange};
use crate::basics::observe;
use crate::basics::places::Form;
use crate::basics::report::render_basics;
use crate::files::decide::{Verb, kept};
use crate::host::fs::{Content, NewFile, Root};
use crate::model::style::Style;
use crate::store::backups;
use crate::store::kind::{Change, Makes, Planned, Size, Tally, Touch, check_unchanged};

impl Planned for BasicsPlan {
    fn changes(&self) -> Vec<&dyn Change> {
        let places = self.changes.iter().map(|change| change as &dyn Change);
        let name = self.name.iter().map(|change| change as &dyn Change);
        places.chain(name).collect()
    }

    fn tallies(&self) -> Vec<Tally> {
        let places = self.changes.iter().filter_map(|c| c.verb.tally());
        // The name is one with the file that it stands in, unless that is right already.
        let name = self.name.iter().filter(|_| self.changes.is_empty());
        places.chain(name.map(|_| Tally::Change)).collect()
    }

    fn render(&self, out: &mut String, style: Style) {
        render_basics(out, self, style);
    }
}

impl Change for BasicsChange {
    fn told(&self) -> (&'static str, String) {
        ("set", format!("/etc/{}", self.target))
    }

    fn touch(&self) -> Option<Touch<'_>> {
        self.verb.tally().map(|_| Touch {
            target: &self.target,
            makes: Makes::of(&self.after),
            size: Size::Bytes(self.new.as_ref().map_or(0, |t| t.len() as u64)),
            kept: kept(self.keep.as_ref(), &self.before),
        })
    }

    fn apply(&self, root: &Root) -> Result<()> {
        set(root, self)
    }
}

impl Change for NameChange {
    fn told(&self) -> (&'static str, String) {
        ("name this host", self.to.clone())
    }

    fn touch(&self) -> Option<Touch<'_>> {
        None
    }

    fn apply(&self, _root: &Root) -> Result<()> {
        set_name(self)
    }
}

fn set(root: &Root, change: &BasicsChange) -> Result<()> {
    if matches!(change.verb, Verb::Adopt | Verb::Forget) {
        return Ok(());
    }
    check_unchanged(root, &change.target, &change.before)?;
    let path = change.target.in_etc();
    root.remove_leftover(&path)?;
    tracing::info!("setting {} in /etc/{}", change.option, change.target);
    match (&change.form, &change.backup) {
        (Some(Form::Link(to)), _) => root.write_link(&path, to),
        (Some(Form::Text(text)), _) => root.write_file(
            &path,
            &NewFile::of_root(Content::Bytes(text.as_bytes()), 0o644),
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
        bail!("the host has been renamed to `{now}` since the plan was made\nhint: run this again");
    }
    tracing::info!("naming this host {}", change.to);
    nix::unistd::sethostname(&change.to)
        .with_context(|| format!("naming this host `{}`", change.to))
}
