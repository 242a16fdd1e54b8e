//! Completions and manual pages. What is hidden is in neither.

use anyhow::{Context, Result};
use clap::{Command, CommandFactory};

use crate::cli::args::Cli;
use crate::cli::args_global::Shell;
use crate::cli::print::print;

/// What a section of the help is called in a manual page.
const SECTIONS: [(&str, &str); 4] = [
    ("Examples:", "EXAMPLES"),
    ("Files:", "FILES"),
    ("Environment:", "ENVIRONMENT"),
    ("Exit codes:", "EXIT STATUS"),
];

/// The command line without what only this program itself calls.
fn visible() -> Command {
    let all = Cli::command();
    let shown = all.get_subcommands().filter(|c| !c.is_hide_set()).cloned();
    let mut visible = Command::new("system-manager")
        .args(all.get_arguments().cloned())
        .subcommands(shown)
        .after_long_help(all.get_after_long_help().cloned().unwrap_or_default())
        .version(env!("CARGO_PKG_VERSION"));
    if let Some(about) = all.get_about() {
        visible = visible.about(about.clone());
    }
    if let Some(about) = all.get_long_about() {
        visible = visible.long_about(about.clone());
    }
    visible
}

/// Prints a shell's completions, which ask this program what may stand at the cursor.
///
/// # Errors
/// When they can't be printed.
pub(crate) fn print_completions(shell: Shell) -> Result<()> {
    let script = match shell {
        Shell::Bash => include_str!("completions/system-manager.bash"),
        Shell::Zsh => include_str!("completions/system-manager.zsh"),
        Shell::Fish => include_str!("completions/system-manager.fish"),
    };
    print(script.trim_end())
}

/// Prints the manual page of the program, or of one command.
///
/// # Errors
/// When there is no such command.
pub(crate) fn print_manual(command: Option<&str>) -> Result<()> {
    let mut page = visible();
    let general = after(&page);
    // Gives the commands their full names and the options of every command.
    page.build();
    if let Some(name) = command {
        let found = page.find_subcommand(name).cloned();
        page = found.with_context(|| {
            format!("there is no command `{name}`\nhint: `system-manager --help` lists them")
        })?;
    }
    let own = after(&page);
    let man = clap_mangen::Man::new(page.after_long_help("").after_help(""));
    let mut text = Vec::new();
    man.render(&mut text).context("rendering the manual page")?;
    // The sections below take its place.
    let mut text = String::from_utf8_lossy(&text).replace(".SH EXTRA\n", "");
    text.truncate(text.trim_end().len());
    for (title, name) in SECTIONS {
        // What a command does not say of itself holds for all.
        let rows = section(&own, title).or_else(|| {
            let is_of_one = title == "Examples:";
            section(&general, title).filter(|_| !is_of_one)
        });
        if let Some(rows) = rows {
            text.push_str(&format!("\n.SH \"{name}\"\n.nf\n{}.fi", escape(&rows)));
        }
    }
    print(&text)
}

fn after(command: &Command) -> String {
    let help = command.get_after_long_help().or(command.get_after_help());
    help.map(ToString::to_string).unwrap_or_default()
}

/// The rows of a text below a title, up to the next one.
fn section(text: &str, title: &str) -> Option<String> {
    let mut rows = text.lines().skip_while(|row| *row != title);
    rows.next()?;
    let is_title = |row: &&str| SECTIONS.iter().any(|(title, _)| row == title);
    let rows: Vec<&str> = rows.take_while(|row| !is_title(row)).collect();
    let rows = rows.join("\n");
    Some(format!("{}\n", rows.trim_end()))
}

/// Writes rows so that troff shows them as they are.
fn escape(rows: &str) -> String {
    let rows = rows.lines().map(|row| {
        let row = row.replace('\\', "\\e").replace('-', "\\-");
        let is_request = row.starts_with(['.', '\'']);
        let start = if is_request { "\\&" } else { "" };
        format!("{start}{row}\n")
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_ends_where_the_next_begins() {
        let text = "Examples:\n  a\n\nExit codes:\n  0  b\n";
        assert_eq!(section(text, "Examples:").as_deref(), Some("  a\n"));
        assert_eq!(section(text, "Exit codes:").as_deref(), Some("  0  b\n"));
        assert_eq!(section(text, "Files:"), None);
        assert_eq!(escape(".x\n  --a \\ b\n"), "\\&.x\n  \\-\\-a \\e b\n");
    }
}
