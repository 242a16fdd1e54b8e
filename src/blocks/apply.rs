//! Carries out what was decided about lines in files of others.

use anyhow::{Context, Result};

use crate::blocks::decide::{BlockChange, BlockVerb, render};
use crate::blocks::report::render_blocks;
use crate::files::decide::kept;
use crate::host::fs::{Content, NewFile, Root};
use crate::model::style::Style;
use crate::store::kind::{Change, Makes, Planned, Size, Tally, Touch, check_unchanged};

impl Planned for Vec<BlockChange> {
    fn changes(&self) -> Vec<&dyn Change> {
        self.iter().map(|change| change as &dyn Change).collect()
    }

    fn tallies(&self) -> Vec<Tally> {
        let touched = self.iter().filter(|change| change.touch().is_some());
        touched.map(|_| Tally::Lines).collect()
    }

    fn render(&self, out: &mut String, style: Style) {
        render_blocks(out, self, style);
    }
}

impl Change for BlockChange {
    fn told(&self) -> (&'static str, String) {
        ("change lines in", format!("/etc/{}", self.target))
    }

    fn touch(&self) -> Option<Touch<'_>> {
        let is_done = !matches!(self.verb, BlockVerb::Adopt | BlockVerb::Forget);
        is_done.then(|| Touch {
            target: &self.target,
            makes: Some(Makes::File),
            size: Size::More(self.text.as_ref().map_or(0, |t| t.len() as u64)),
            kept: kept(self.keep.as_ref(), &self.before),
        })
    }

    fn apply(&self, root: &Root) -> Result<()> {
        apply(root, self)
    }
}

/// Writes a block, or takes it out. Mode, owner and extended attributes of the file stay.
///
/// # Errors
/// When the file has changed since the plan was made, or can't be written.
fn apply(root: &Root, change: &BlockChange) -> Result<()> {
    if matches!(change.verb, BlockVerb::Adopt | BlockVerb::Forget) {
        return Ok(());
    }
    check_unchanged(root, &change.target, &change.before)?;
    let path = change.target.in_etc();
    let content = root.read(&path)?;
    match (render(content.as_deref(), change), content) {
        (None, _) => {
            tracing::info!("removing /etc/{}", change.target);
            root.remove_file(&path)
        }
        (Some(new), Some(_)) => {
            tracing::info!("writing lines in /etc/{}", change.target);
            root.rewrite_file(&path, &new)
        }
        (Some(new), None) => {
            tracing::info!("writing /etc/{}", change.target);
            let (mode, uid, gid) = (0o644, 0, 0);
            let content = Content::Bytes(&new);
            root.write_file(
                &path,
                &NewFile {
                    content,
                    mode,
                    uid,
                    gid,
                },
            )
        }
    }
    .with_context(|| format!("changing the lines of ours in /etc/{}", change.target))
}
