//! Which activation scripts run, for people.

use crate::model::style::{Color, Style, heading, line};
use crate::scripts::decide::ScriptsPlan;

/// Renders which scripts run, as a section of the plan. Pure.
pub(crate) fn render_scripts(out: &mut String, scripts: &ScriptsPlan, style: Style) {
    if scripts.run.is_empty() && scripts.later.is_empty() {
        return;
    }
    heading(out, "Activation scripts", style);
    for action in &scripts.run {
        let text = format!("    run     {}", action.name);
        let when = if action.before_accounts {
            "; before users and groups"
        } else {
            ""
        };
        let why = format!("({}{when})", action.why.text());
        let why = style.paint(Color::Dim, &why);
        line(out, &format!("{}  {why}", style.paint(Color::Green, &text)));
    }
    for name in &scripts.later {
        let text =
            format!("    {name} is not in the store of this root, and runs when that root boots");
        line(out, &style.paint(Color::Dim, &text));
    }
    if !scripts.run.is_empty() {
        let text = "    the effects of scripts can't be predicted, and are not undone";
        line(out, &style.paint(Color::Dim, text));
    }
}
