//! Commands that look at a configuration: its options, a loop with it, an editor.
#![expect(
    clippy::disallowed_methods,
    reason = "the door asks the environment for the editor"
)]

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow, bail};
use serde::Serialize;

use crate::activation::adopt;
use crate::activation::state::State;
use crate::cli::args_look::{AdoptArgs, LookArgs, OptionArgs};
use crate::cli::commands::{self, End, Failure};
use crate::cli::given::{Given, read_given};
use crate::cli::print::{print, print_json, print_text, tell};
use crate::cli::session::Session;
use crate::host::process::Command;
use crate::model::style::{Color, Style, line};
use crate::nix::option::{self, Answer, Details};
use crate::nix::{BuildOptions, Source};

/// Where the packages of this program have its list of options.
const OPTIONS: &str = "/usr/share/doc/system-manager/docs/options.md";

/// How many names are listed unless all are asked for.
const SHOWN: usize = 60;

/// What `option --json` prints.
#[derive(Serialize)]
struct Told<'a> {
    /// Format version.
    version: u32,
    #[serde(flatten)]
    answer: &'a Answer,
}

impl Session {
    pub(crate) fn adopt(&self, args: &AdoptArgs) -> Result<End, Failure> {
        let state = State::read(&self.root)?;
        let adopted = adopt::read(&self.root, &state, &args.names)?;
        if self.json {
            print_json(&adopted)?;
        } else {
            print(adopted.nix.trim_end())?;
        }
        // Where the text goes to a file, its comments are not seen.
        if !adopted.left.is_empty() {
            tell(&format!(
                "note: {} not described; comments in the output say why\n",
                match adopted.left.len() {
                    1 => "1 thing is".to_owned(),
                    n => format!("{n} things are"),
                }
            ));
        }
        Ok(End::Done)
    }

    pub(crate) fn option(&self, args: &OptionArgs) -> Result<End, Failure> {
        let (source, options) = commands::source(&args.source)?;
        let name = args.name.as_deref().unwrap_or_default();
        self.progress.begin("evaluation");
        let answer = option::ask(&source, &options, name)?;
        if matches!(&answer, Answer::Matching(names) if names.is_empty()) {
            return Err(Failure::Before(anyhow!(
                "no option has `{name}` in its name\nhint: `system-manager option` lists the options; with `--nixpkgs`, these include NixOS's"
            )));
        }
        if self.json {
            print_json(&Told {
                version: 1,
                answer: &answer,
            })?;
        } else {
            print_text(&render(&answer, name, self.style), self.style)?;
        }
        Ok(End::Done)
    }
}

/// Gives the terminal to Nix's loop.
pub(crate) fn repl(args: &LookArgs) -> Result<End, Failure> {
    let (source, options) = source_of(args)?;
    Err(Failure::Before(option::repl(&source, &options)?.replace()))
}

/// Gives the terminal to the editor.
pub(crate) fn edit(args: &LookArgs) -> Result<End, Failure> {
    let file = match source_of(args)?.0 {
        Source::File(file) => file,
        Source::Flake(uri) => flake_file(&uri)?,
    };
    let editor = ["VISUAL", "EDITOR"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|v| !v.trim().is_empty()));
    let editor = editor.ok_or_else(|| {
        anyhow!("no editor is set\nhint: set EDITOR, for example `EDITOR=nano system-manager edit`")
    })?;
    // An editor may come with arguments, as for Git.
    let command = Command::new("sh")
        .args(["-c", &format!("exec {editor} \"$1\""), "sh"])
        .arg(file);
    Err(Failure::Before(command.replace()))
}

fn flake_file(uri: &str) -> Result<PathBuf> {
    let folder = uri.split(['#', '?']).next().unwrap_or_default();
    let file = Path::new(folder.strip_prefix("path:").unwrap_or(folder)).join("flake.nix");
    if !file.exists() {
        bail!(
            "the flake {uri} is not a folder on this machine\nhint: fetch it, and edit that copy"
        );
    }
    Ok(file)
}

fn source_of(args: &LookArgs) -> Result<(Source, BuildOptions)> {
    match args.given.as_deref().map(read_given) {
        None => commands::source(&args.source),
        Some(Given::Source(source)) => Ok((source, commands::build_options_of(&args.source)?)),
        Some(Given::Built(path)) => bail!(
            "{} is not a configuration\nhint: name a file that ends in .nix, or a folder with a flake.nix",
            path.display()
        ),
    }
}

fn render(answer: &Answer, name: &str, style: Style) -> String {
    match answer {
        Answer::Option(details) => render_option(details, name, style),
        Answer::Below(names) | Answer::Matching(names) => {
            let shown = if style.full { names.len() } else { SHOWN };
            let has = |n: &String| n.to_lowercase().contains(&name.to_lowercase());
            let mut out = String::new();
            if !names.iter().any(has) {
                line(
                    &mut out,
                    &format!("No option has `{name}` in its name. Like it are:"),
                );
            }
            out.extend(names.iter().take(shown).map(|n| format!("{n}\n")));
            if names.len() > shown {
                line(
                    &mut out,
                    &format!("and {} more (-v lists them)", names.len() - shown),
                );
            }
            out
        }
    }
}

/// Returns the page that documents an option: NixOS's for those that it declares, else the one that the packages of this
/// program bring, where it is there.
fn documentation(details: &Details) -> Option<String> {
    let of_nixos = |place: &String| place.contains("/nixos/modules/");
    if details.declared_in.iter().any(of_nixos) {
        return Some(format!(
            "https://search.nixos.org/options?query={}",
            details.name
        ));
    }
    let page = Path::new(OPTIONS);
    page.exists().then(|| format!("file://{OPTIONS}"))
}

/// Joins the lines of each paragraph, which a terminal breaks where it is narrow; lists and code stay as they are. Pure.
fn paragraphs(text: &str) -> Vec<String> {
    let mut rows: Vec<String> = Vec::new();
    let (mut is_code, mut goes_on) = (false, false);
    for row in text.lines() {
        let is_fence = row.trim_start().starts_with("```");
        is_code ^= is_fence;
        let is_plain = !is_code
            && !is_fence
            && !row.is_empty()
            && !row.starts_with([' ', '-', '*', '#', '|', ':', '>'])
            && !row.starts_with(|c: char| c.is_ascii_digit());
        match rows.last_mut().filter(|_| goes_on && is_plain) {
            Some(last) => {
                last.push(' ');
                last.push_str(row);
            }
            None => rows.push(row.to_owned()),
        }
        goes_on = is_plain;
    }
    rows
}

/// Returns the file of a place, without its line.
fn file_of(place: &str) -> &str {
    match place.rsplit_once(':') {
        Some((file, line)) if line.bytes().all(|b| b.is_ascii_digit()) => file,
        _ => place,
    }
}

fn render_option(details: &Details, name: &str, style: Style) -> String {
    let mut out = String::new();
    let title = style.paint(Color::Bold, &details.name);
    let title = match documentation(details) {
        Some(page) => style.link(&page, &title),
        None => title,
    };
    line(&mut out, &title);
    if name != details.name {
        line(&mut out, &format!("  (has `{name}` in its value)"));
    }
    let description = details.description.as_deref().unwrap_or_default();
    for row in paragraphs(description.trim()) {
        line(&mut out, format!("  {row}").trim_end());
    }
    out.push('\n');
    let mut field = |name: &str, value: &str| line(&mut out, &format!("  {name:<10}{value}"));
    field("type", details.kind.as_deref().unwrap_or("any"));
    if let Some(default) = &details.default {
        field("default", default.trim());
    }
    match (&details.value, details.is_defined) {
        (Some(value), _) => field("value", value),
        (None, true) => field(
            "value",
            "(it can't be evaluated; `system-manager build` says why)",
        ),
        (None, false) => field("value", "(none: nothing sets it)"),
    }
    let place = |text: &str| style.link_to_file(file_of(text), text);
    for declared in &details.declared_in {
        field("declared", &place(declared));
    }
    for definition in &details.definitions {
        let (file, value) = (place(&definition.file), &definition.value);
        field("set", &format!("{file}: {value}"));
    }
    if details.has_no_effect {
        let text = "  It has no effect on this host.";
        line(&mut out, &style.paint(Color::Yellow, text));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_are_one_row_and_lists_and_code_stay() {
        let text =
            "One\ntwo `x`\nthree.\n\n- a\n- b\n\nLike:\n```\nx = 1;\ny = 2;\n```\nEnd\nof it.";
        let rows = [
            "One two `x` three.",
            "",
            "- a",
            "- b",
            "",
            "Like:",
            "```",
            "x = 1;",
            "y = 2;",
            "```",
            "End of it.",
        ];
        assert_eq!(paragraphs(text), rows);
    }
}
