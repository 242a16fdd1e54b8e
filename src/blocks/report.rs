//! Changes of blocks for people.

use crate::blocks::decide::{BlockChange, BlockVerb};
use crate::model::style::{Color, Style, heading, line, render_diff};

/// Renders what happens to the blocks, as a section of the plan. Pure.
pub(crate) fn render_blocks(out: &mut String, blocks: &[BlockChange], style: Style) {
    if blocks.is_empty() {
        return;
    }
    heading(out, "Lines in files of the distribution", style);
    for change in blocks {
        let (sign, color) = match change.verb {
            BlockVerb::Add => ("+", Color::Green),
            BlockVerb::Remove => ("-", Color::Red),
            BlockVerb::Change => ("~", Color::Yellow),
            BlockVerb::Adopt | BlockVerb::Forget => (" ", Color::Dim),
        };
        let note = match change.verb {
            BlockVerb::Adopt => " has them already",
            BlockVerb::Forget => " has lost them already",
            _ => "",
        };
        let text = format!("  {sign} /etc/{}{note}", change.target);
        line(out, &style.paint(color, &text));
        if change.drifted {
            let kept = change.keep.as_ref().map_or(String::new(), |keep| {
                format!(
                    "; the current file is backed up as /{}/{}",
                    crate::store::backups::FOLDER,
                    keep.backup
                )
            });
            let note = format!("      the managed lines were changed by hand{kept}");
            line(out, &style.paint(Color::Dim, &note));
        }
        render_diff(out, change.diff.as_ref(), style);
    }
}
