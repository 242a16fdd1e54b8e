//! What an activation asks of the plans of all kinds alike: what they change below `/etc`, and what becomes of each change.

use std::fmt;

use anyhow::{Result, bail};

use crate::host::fs::Root;
use crate::model::names::{FileName, TargetPath};
use crate::model::node::Node;
use crate::model::style::Style;
use crate::store::backups;

/// The plan of a kind whose changes need no place of their own among those of other kinds.
pub(crate) trait Planned {
    /// Returns what it changes, in order.
    fn changes(&self) -> Vec<&dyn Change>;

    /// Returns what that comes to, one for each that counts.
    fn tallies(&self) -> Vec<Tally>;

    /// Renders it as a section of the plan; nothing where there is nothing to do. Pure.
    fn render(&self, out: &mut String, style: Style);
}

/// One change, after which the host may stop.
pub trait Change: fmt::Debug {
    /// Returns what it is in a word, and what it is about, for who watches.
    fn told(&self) -> (&'static str, String);

    /// Returns the path that it touches, if it touches one.
    fn touch(&self) -> Option<Touch<'_>>;

    /// Makes it.
    ///
    /// # Errors
    /// When what it changes has changed since the plan was made, or can't be changed.
    fn apply(&self, root: &Root) -> Result<()>;
}

/// What a change counts as, in the summary of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tally {
    /// A file is added.
    Add,
    /// A file is changed.
    Change,
    /// A file is removed.
    Remove,
    /// A file is put back.
    PutBack,
    /// Lines in a file of others are changed.
    Lines,
}

/// One path that a plan touches.
#[derive(Debug, Clone, Copy)]
pub struct Touch<'a> {
    /// Where.
    pub target: &'a TargetPath,
    /// What is made there; none where it is removed, put back, or only its mode changes.
    pub makes: Option<Makes>,
    /// How much is written.
    pub size: Size<'a>,
    /// The copy that is made first of what stands there.
    pub kept: Option<Kept<'a>>,
}

/// A copy that is made of what stands somewhere.
#[derive(Debug, Clone, Copy)]
pub struct Kept<'a> {
    /// What that is.
    pub before: &'a Node,
    /// Its name in the folder of backups.
    pub backup: &'a FileName,
    /// Whether it is ours, changed by hand.
    pub is_edit: bool,
}

impl Touch<'_> {
    /// Copies what stands there to the backups, where that is to be kept.
    ///
    /// # Errors
    /// When it has changed since the plan was made, or can't be copied.
    pub(crate) fn keep(&self, root: &Root) -> Result<()> {
        let Some(Kept { before, backup, .. }) = self.kept else {
            return Ok(());
        };
        check_unchanged(root, self.target, before)?;
        backups::keep(root, self.target, backup)
    }
}

/// What is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Makes {
    /// A file.
    File,
    /// A link.
    Link,
    /// A folder.
    Folder,
}

impl Makes {
    /// Returns what is made where this will stand.
    pub(crate) fn of(node: &Node) -> Option<Self> {
        match node {
            Node::File { .. } => Some(Self::File),
            Node::Link { .. } => Some(Self::Link),
            _ => None,
        }
    }
}

/// How much is written to a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size<'a> {
    /// So many bytes.
    Bytes(u64),
    /// As many as this file has.
    Of(&'a str),
    /// So many more than what stands there has.
    More(u64),
}

/// Own twice: what is changed must still be what the plan was made from.
///
/// # Errors
/// When it is not.
pub(crate) fn check_unchanged(root: &Root, target: &TargetPath, before: &Node) -> Result<()> {
    if root.node(&target.in_etc())? != *before {
        bail!("/etc/{target} has changed since the plan was made\nhint: run this again");
    }
    Ok(())
}
