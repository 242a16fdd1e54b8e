//! A survey of modules as one HTML file: a table that can be searched and sorted. Pure.
//!
//! Without scripts it is all there, by module, and a choice of verdicts works; a script adds search and order.

use std::fmt::Write as _;

use super::report::{figures, notes, short, show_verdict};
use super::verdict::{Module, Survey, Verdict};
use crate::model::page::{HTML_END, html_head, html_text};

/// Each verdict with its name in the style sheet.
const VERDICTS: [(Verdict, &str); 5] = [
    (Verdict::Runs, "runs"),
    (Verdict::Evaluates, "evaluates"),
    (Verdict::NeedsSetting, "needs"),
    (Verdict::HasNoSwitch, "none"),
    (Verdict::Fails, "fails"),
];

const STYLE: &str = "\
table { width: 100%; border-collapse: collapse; margin: 0 0 1rem; }
th, td { text-align: left; vertical-align: top; padding: 0.3rem 0.9rem 0.3rem 0; border-bottom: 1px solid var(--line); }
th button { all: unset; cursor: pointer; font-weight: 600; } th button:focus-visible { outline: 2px solid var(--change); }
th[aria-sort=ascending] button::after { content: ' \\2191'; } th[aria-sort=descending] button::after { content: ' \\2193'; }
#modules td:first-child { font: 13px/1.7 ui-monospace, monospace; } .figures { width: auto; }
@media (min-width: 40rem) { #modules td:nth-child(-n+2) { white-space: nowrap; } }
.runs, .evaluates { color: var(--add); } .needs { color: var(--change); } .fails { color: var(--remove); } .none { color: var(--dim); }
fieldset { border: 0; padding: 0; margin: 0 0 0.8rem; display: flex; flex-wrap: wrap; gap: 0.3rem 1rem; }
input[type=search] { font: inherit; color: inherit; background: var(--box); border: 1px solid var(--dim); border-radius: 6px;
  padding: 0.3rem 0.6rem; width: 100%; max-width: 30rem; margin: 0 0 0.8rem; }
@media (max-width: 40rem) { #modules thead { display: none; } #modules tr, #modules td { display: block; border: 0; padding: 0; }
  #modules tr { border-bottom: 1px solid var(--line); padding: 0.5rem 0; } }
#modules tr[hidden] { display: none; }
";

const SCRIPT: &str = "\
const table = document.getElementById('modules'), body = table.tBodies[0], search = document.getElementById('search');
search.hidden = false;
search.addEventListener('input', () => {
  const words = search.value.toLowerCase().split(/\\s+/);
  for (const row of body.rows) row.hidden = !words.every((word) => row.textContent.toLowerCase().includes(word));
});
table.tHead.querySelectorAll('th').forEach((head, column) => head.querySelector('button').addEventListener('click', () => {
  const down = head.ariaSort === 'ascending';
  for (const other of table.tHead.querySelectorAll('th')) other.ariaSort = null;
  head.ariaSort = down ? 'descending' : 'ascending';
  const text = (row) => row.cells[column].textContent;
  const rows = [...body.rows].sort((a, b) => text(a).localeCompare(text(b)) * (down ? -1 : 1));
  body.append(...rows);
}));
";

/// Renders a survey as one HTML file.
#[must_use]
pub(crate) fn render_html(survey: &Survey) -> String {
    let title = format!("NixOS {}: which modules work here", survey.nixpkgs.release);
    let mut out = html_head(&title, &format!("{STYLE}{}", choices_style()));
    _ = write!(
        out,
        "<h1>{}</h1>\n<table class=\"figures\">\n",
        html_text(&title)
    );
    for (what, modules, share) in figures(&survey.summary) {
        _ = writeln!(
            out,
            "<tr><td>{what}</td><td>{modules}</td><td>{share}</td></tr>"
        );
    }
    out += "</table>\n";
    out += &reasons(survey);
    out += "<h2>Each module</h2>\n<input type=\"search\" id=\"search\" placeholder=\"Search: words of a row\" aria-label=\"Search\" hidden>\n";
    out += &choices(survey);
    out += "<table id=\"modules\">\n<thead><tr>";
    for column in ["module", "verdict", "notes"] {
        _ = write!(out, "<th scope=\"col\"><button>{column}</button></th>");
    }
    out += "</tr></thead>\n<tbody>\n";
    for module in &survey.modules {
        out += &row(module);
    }
    _ = write!(
        out,
        "</tbody>\n</table>\n<script>\n{SCRIPT}</script>\n{HTML_END}"
    );
    out
}

fn row(module: &Module) -> String {
    let class = class(module.verdict);
    format!(
        "<tr data-verdict=\"{class}\"><td>{}</td><td class=\"{class}\">{}</td><td>{}</td></tr>\n",
        html_text(short(&module.module)),
        show_verdict(module.verdict),
        html_text(&notes(module, usize::MAX).join("; "))
    )
}

fn class(verdict: Verdict) -> &'static str {
    let found = VERDICTS.iter().find(|(v, _)| *v == verdict);
    found.map_or("none", |(_, class)| class)
}

/// Buttons that choose a verdict; the style sheet does the work.
fn choices(survey: &Survey) -> String {
    let mut out = format!(
        "<fieldset>\n<label><input type=\"radio\" name=\"verdict\" checked> all ({})</label>\n",
        survey.modules.len()
    );
    for (verdict, class) in VERDICTS {
        let count = survey
            .modules
            .iter()
            .filter(|m| m.verdict == verdict)
            .count();
        if count > 0 {
            _ = writeln!(
                out,
                "<label><input type=\"radio\" name=\"verdict\" id=\"only-{class}\"> {} ({count})</label>",
                show_verdict(verdict)
            );
        }
    }
    out + "</fieldset>\n"
}

fn choices_style() -> String {
    let rule = |class: &str| {
        format!(
            "main:has(#only-{class}:checked) #modules tbody tr:not([data-verdict={class}]) {{ display: none; }}\n"
        )
    };
    VERDICTS.iter().map(|(_, class)| rule(class)).collect()
}

fn reasons(survey: &Survey) -> String {
    if survey.summary.reasons.is_empty() {
        return String::new();
    }
    let mut out = String::from("<details>\n<summary>Why modules fail</summary>\n<table>\n");
    for reason in &survey.summary.reasons {
        let modules: Vec<&str> = reason.modules.iter().map(|m| short(m)).collect();
        _ = writeln!(
            out,
            "<tr><td>{}</td><td>{}</td></tr>",
            html_text(&reason.reason),
            html_text(&modules.join(", "))
        );
    }
    out + "</table>\n</details>\n"
}
