//! A survey of modules as text for people, and as Markdown for documents. Pure.

use std::fmt::Write as _;

use super::verdict::{Enabled, Module, Step, Summary, Survey, Verdict};
use crate::model::style::{Color, Style};

/// How many options without effect a line of text names.
const NAMED: usize = 3;

/// Renders a survey as text; with details of each module when they are few and were asked for by name.
#[must_use]
pub(crate) fn render_text(survey: &Survey, details: bool, style: Style) -> String {
    let mut out = format!(
        "NixOS {} at {}, system-manager {}\n\n",
        survey.nixpkgs.release, survey.nixpkgs.path, survey.system_manager
    );
    if details {
        for module in &survey.modules {
            out += &render_details(module, style);
        }
    } else {
        out += &render_table(&survey.modules, style);
        out.push('\n');
    }
    out += &render_summary(&survey.summary, style);
    out
}

fn render_table(modules: &[Module], style: Style) -> String {
    let width = |cells: &dyn Fn(&Module) -> usize| modules.iter().map(cells).max().unwrap_or(0);
    let name = width(&|m| m.module.len());
    let word = width(&|m| show_verdict(m.verdict).len());
    let mut out = String::new();
    for m in modules {
        let verdict = style.paint(
            color(m.verdict),
            &format!("{:word$}", show_verdict(m.verdict)),
        );
        let line = format!(
            "{:name$}  {verdict}  {}",
            m.module,
            notes(m, NAMED).join("; ")
        );
        out += line.trim_end();
        out.push('\n');
    }
    out
}

/// What a line says about a module besides the verdict; of options without effect it names so many.
pub(super) fn notes(module: &Module, most: usize) -> Vec<String> {
    let mut notes = Vec::new();
    if module.verdict == Verdict::Runs {
        notes.push(show_runs(module));
    }
    if let Some(option) = needed(module) {
        notes.push(format!("set {option}"));
    } else if let Some((step, error)) = module.failure() {
        notes.push(format!("{}: {}", show_step(step), one_line(error)));
    }
    if let Some(enabled) = &module.findings.enabled {
        notes.extend(show_no_effect(enabled, most));
    }
    notes.extend(show_compared(module));
    notes
}

fn render_details(module: &Module, style: Style) -> String {
    let mut out = format!(
        "{}  {}\n",
        module.module,
        style.paint(color(module.verdict), show_verdict(module.verdict))
    );
    let mut line = |name: &str, value: &str| {
        if !value.is_empty() {
            // What a row has goes on below its beginning.
            let value = value.replace('\n', &format!("\n{:18}", ""));
            _ = writeln!(out, "  {name:16}{value}");
        }
    };
    if let Some(count) = module.findings.declares {
        line("declares", &format!("{count} options"));
    }
    if let Some(enabled) = &module.findings.enabled {
        let case = if enabled.cases { ", with its case" } else { "" };
        let switch = enabled.switches.first();
        line(
            "enabled by",
            &switch.map_or_else(String::new, |s| format!("{s}{case}")),
        );
        line("units", &enabled.units.join("\n"));
        line("files in /etc", &enabled.etc.join("\n"));
        line("without effect", &enabled.no_effect.join("\n"));
    }
    line(
        "must be set",
        module.must_set.as_deref().unwrap_or_default(),
    );
    for (step, error) in &module.findings.errors {
        line(show_step(*step), error);
    }
    line("runs on", &show_runs(module));
    if let Some(compared) = &module.compared {
        line("as on NixOS", &compared.equal.join("\n"));
        line("on NixOS only", &compared.missing.join("\n"));
        for (unit, difference) in &compared.different {
            let ours = difference.ours.iter().map(|l| format!("\n- here     {l}"));
            let theirs = difference
                .theirs
                .iter()
                .map(|l| format!("\n- on NixOS {l}"));
            let lines: String = ours.chain(theirs).collect();
            line("differs", &format!("{unit}{lines}"));
        }
    }
    out.push('\n');
    out
}

fn render_summary(summary: &Summary, style: Style) -> String {
    let rows = figures(summary);
    let width = rows.iter().map(|r| r.0.len()).max().unwrap_or(0);
    let count = rows.iter().map(|r| r.1.len()).max().unwrap_or(0);
    let mut out = String::new();
    for (what, modules, share) in &rows {
        _ = writeln!(out, "{what:width$}  {modules:>count$}  {share:>7}");
    }
    if !summary.reasons.is_empty() {
        out += &style.paint(Color::Bold, "\nWhy modules fail:");
        out.push('\n');
    }
    for reason in &summary.reasons {
        _ = writeln!(
            out,
            "{:5}  {}",
            reason.modules.len(),
            one_line(&reason.reason)
        );
    }
    out
}

/// The figures of a summary: what, how many of how many, and the share.
pub(super) fn figures(summary: &Summary) -> Vec<(&'static str, String, String)> {
    let s = summary;
    let mut rows = vec![
        ("declares", s.declare, s.modules),
        (
            "evaluates when imported, with defaults",
            s.defaults,
            s.modules,
        ),
        ("evaluates when enabled", s.enabled, s.switchable),
        (
            "asks for an option that must be set",
            s.need_setting,
            s.switchable,
        ),
        (
            "sets something that has no effect",
            s.with_no_effect,
            s.switchable,
        ),
        // Some have no switch, and run once they are imported.
        ("ran on a machine, as recorded by tests", s.run, s.modules),
    ];
    if s.compared > 0 {
        rows.push(("units are the same as on NixOS", s.same, s.compared));
    }
    rows.into_iter()
        .map(|(what, count, of)| (what, format!("{count} of {of}"), share(count, of)))
        .collect()
}

/// Gives a share in percent, cut and not rounded: not all is never 100 %.
fn share(count: usize, of: usize) -> String {
    let tenths = count * 1000 / of.max(1);
    format!("{}.{} %", tenths / 10, tenths % 10)
}

/// Renders a survey as tables for a document: the figures, the reasons, each module.
#[must_use]
pub(crate) fn render_markdown(survey: &Survey) -> String {
    let mut out = format!(
        "<!-- Made by system-manager compat --markdown. -->\n\n# NixOS modules, one by one\n\nNixOS {}, the modules that were looked at: {}.\n\n<!-- figures -->\n| what | modules | share |\n| --- | --- | --- |\n",
        survey.nixpkgs.release, survey.summary.modules
    );
    for (what, modules, share) in figures(&survey.summary) {
        _ = writeln!(out, "| {what} | {modules} | {share} |");
    }
    out += "<!-- /figures -->\n";
    if !survey.summary.reasons.is_empty() {
        out += "\n## Why modules fail\n\n| why | modules |\n| --- | --- |\n";
    }
    for reason in &survey.summary.reasons {
        let modules: Vec<String> = reason.modules.iter().map(|m| code(short(m))).collect();
        _ = writeln!(out, "| {} | {} |", cell(&reason.reason), modules.join(", "));
    }
    out += "\n## Each module\n\n| module | verdict | notes |\n| --- | --- | --- |\n";
    for m in &survey.modules {
        _ = writeln!(
            out,
            "| {} | {} | {} |",
            code(short(&m.module)),
            show_verdict(m.verdict),
            markdown_notes(m).join("; ")
        );
    }
    out
}

fn markdown_notes(module: &Module) -> Vec<String> {
    let mut notes = Vec::new();
    if module.verdict == Verdict::Runs {
        notes.push(show_runs(module));
    }
    if let Some(option) = needed(module) {
        notes.push(format!("set {}", code(option)));
    } else if let Some((step, error)) = module.failure() {
        notes.push(format!("{}: {}", show_step(step), cell(error)));
    }
    if let Some(enabled) = module
        .findings
        .enabled
        .as_ref()
        .filter(|e| !e.no_effect.is_empty())
    {
        let options: Vec<String> = enabled.no_effect.iter().map(|o| code(o)).collect();
        notes.push(format!("no effect: {}", options.join(", ")));
    }
    notes.extend(show_compared(module));
    notes
}

/// The option that has to be set, where nothing else is in the way.
fn needed(module: &Module) -> Option<&str> {
    let option = module.must_set.as_deref();
    option.filter(|_| module.verdict == Verdict::NeedsSetting)
}

pub(super) fn show_verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Runs => "runs",
        Verdict::Evaluates => "evaluates",
        Verdict::HasNoSwitch => "has no switch",
        Verdict::NeedsSetting => "needs a setting",
        Verdict::Fails => "fails",
    }
}

fn color(verdict: Verdict) -> Color {
    match verdict {
        Verdict::Runs | Verdict::Evaluates => Color::Green,
        Verdict::HasNoSwitch => Color::Dim,
        Verdict::NeedsSetting => Color::Yellow,
        Verdict::Fails => Color::Red,
    }
}

fn show_step(step: Step) -> &'static str {
    match step {
        Step::Declares => "declaring",
        Step::Defaults => "with defaults",
        Step::Enabled => "when enabled",
        Step::Compared => "comparing",
    }
}

fn show_runs(module: &Module) -> String {
    let mut runs: Vec<String> = module
        .runs
        .iter()
        .map(|r| format!("{} ({}, NixOS {})", r.distribution, r.kind, r.nixpkgs))
        .collect();
    runs.dedup();
    runs.join(", ")
}

fn show_no_effect(enabled: &Enabled, most: usize) -> Option<String> {
    let all = &enabled.no_effect;
    if all.is_empty() {
        return None;
    }
    let named = all
        .iter()
        .take(most)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    let more = all.len().saturating_sub(most);
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    Some(format!("no effect: {named}{more}"))
}

fn show_compared(module: &Module) -> Option<String> {
    let compared = module.compared.as_ref().filter(|c| !c.is_same())?;
    let names = compared.different.keys().chain(&compared.missing);
    let names: Vec<&str> = names.map(String::as_str).collect();
    Some(format!("not as on NixOS: {}", names.join(", ")))
}

/// A module of one folder is known by the folder.
pub(super) fn short(module: &str) -> &str {
    module.strip_suffix("/default.nix").unwrap_or(module)
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn cell(text: &str) -> String {
    let plain = one_line(text).replace('|', "\\|");
    plain.replace('<', "&lt;").replace('`', "'")
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ran_without_a_switch_is_a_share_of_all_modules() {
        let summary = Summary {
            modules: 4,
            declare: 4,
            defaults: 4,
            switchable: 2,
            enabled: 2,
            need_setting: 0,
            with_no_effect: 0,
            run: 3,
            compared: 0,
            same: 0,
            reasons: Vec::new(),
        };
        let ran = figures(&summary).pop().unwrap();
        assert_eq!((ran.1.as_str(), ran.2.as_str()), ("3 of 4", "75.0 %"));
    }
}
