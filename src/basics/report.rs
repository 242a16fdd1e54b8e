//! Changes of the host's basics for people.

use crate::basics::decide::BasicsPlan;
use crate::files::decide::Verb;
use crate::model::style::{Color, Style, heading, line};

/// Renders what happens to the basics, as a section of the plan. Pure.
pub(crate) fn render_basics(out: &mut String, plan: &BasicsPlan, style: Style) {
    if plan.is_empty() {
        return;
    }
    heading(out, "Host basics", style);
    let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
    for change in &plan.changes {
        let (sign, color) = match change.verb {
            Verb::Add => ("+", Color::Green),
            Verb::Change => ("~", Color::Yellow),
            Verb::Remove | Verb::Restore => ("-", Color::Red),
            Verb::Adopt | Verb::Forget => (" ", Color::Dim),
        };
        let what = match change.verb {
            Verb::Adopt => "is already as configured".to_owned(),
            Verb::Forget => "is already as it was before".to_owned(),
            _ => format!("{} -> {}", shown(&change.old), shown(&change.new)),
        };
        let text = format!("  {sign} {}: {what}", change.option);
        let place = style.paint(Color::Dim, &format!("(/etc/{})", change.target));
        line(out, &format!("{}  {place}", style.paint(color, &text)));
        if change.drifted {
            let kept = change.keep.as_ref().map_or(String::new(), |keep| {
                let folder = crate::store::backups::FOLDER;
                format!(
                    "; the current state is backed up as /{folder}/{}",
                    keep.backup
                )
            });
            let note = format!("      it was changed by hand{kept}");
            line(out, &style.paint(Color::Dim, &note));
        }
    }
    if let Some(change) = plan.name.as_ref().filter(|change| change.from != change.to) {
        let text = format!("  ~ networking.hostName: {} -> {}", change.from, change.to);
        let place = style.paint(Color::Dim, "(the running host)");
        line(
            out,
            &format!("{}  {place}", style.paint(Color::Yellow, &text)),
        );
    }
    for warning in &plan.warnings {
        let text = format!("    warning: {warning}");
        line(out, &style.paint(Color::Yellow, &text));
    }
}
