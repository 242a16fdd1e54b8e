//! What the options of a configuration are, as its evaluation says.
#![expect(clippy::disallowed_methods, reason = "names files for Nix")]

use std::fs;

use anyhow::{Context, Result, bail};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    BuildOptions, NOTHING_BUILT, Source, evaluator, find_nixpkgs, hosts::find_host, nix,
    nix_string, real, source_folder,
};
use crate::host::process::{Command, Output};
use crate::model::fuzzy;
use crate::model::json;

/// The file that says it.
const CODE: &str = "modules/option.nix";

/// What there is under a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) enum Answer {
    /// An option of this name, or one in whose value it is.
    Option(Box<Details>),
    /// The options below this name.
    Below(Vec<String>),
    /// Options that have it in their names, or whose names are like it.
    Matching(Vec<String>),
}

/// An option.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Details {
    /// Its name.
    pub name: String,
    /// What its values are.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Its value where nothing sets it.
    pub default: Option<String>,
    /// Its value; none where it has none, or it can't be evaluated.
    pub value: Option<String>,
    /// Whether it has a value.
    pub is_defined: bool,
    /// Where it is declared.
    pub declared_in: Vec<String>,
    /// What sets it.
    pub definitions: Vec<Definition>,
    /// Whether it is set and nothing here acts on it.
    pub has_no_effect: bool,
}

/// A definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Definition {
    /// The file.
    pub file: String,
    /// What it sets.
    pub value: String,
}

/// Asks the evaluation of a configuration for an option. Nothing is built.
///
/// # Errors
/// When the configuration does not evaluate.
pub(crate) fn ask(source: &Source, options: &BuildOptions, name: &str) -> Result<Answer> {
    let mut output = evaluate(source, options, "answer", name, true)?;
    if output.code != Some(0) {
        // A value that can't be evaluated hides nothing else.
        output = evaluate(source, options, "answer", name, false)?;
    }
    Ok(match said(&output)? {
        Answer::Matching(names) => {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let meant = fuzzy::meant(name, &names).into_iter();
            Answer::Matching(meant.map(str::to_owned).collect())
        }
        answer => answer,
    })
}

/// Returns the names of all options of a configuration. Nothing is built.
///
/// # Errors
/// When the configuration does not evaluate.
pub(crate) fn names(source: &Source, options: &BuildOptions) -> Result<Vec<String>> {
    said(&evaluate(source, options, "names", "", false)?)
}

fn said<T: for<'a> Deserialize<'a>>(output: &Output) -> Result<T> {
    if output.code != Some(0) {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!(
            "the configuration does not evaluate: {}\nhint: correct it, and try again; `system-manager build --show-trace` shows what led to it",
            said.trim()
        );
    }
    json::from_bytes(&output.stdout).context("reading Nix's description of the option")
}

fn evaluate(
    source: &Source,
    options: &BuildOptions,
    what: &str,
    name: &str,
    values: bool,
) -> Result<Output> {
    let values = if values { "true" } else { "false" };
    match source {
        Source::File(_) => {
            let command = evaluator(options).args(["-A", what]);
            let command = command.arg(source_folder()?.join(CODE));
            with_file(command, source, options)?
                .args(["--argstr", "name", name, "--arg", "values", values])
                .output()
        }
        Source::Flake(_) => {
            let more = format!("name = {}; values = {values};", nix_string(name));
            nix("nix", false, options)
                .args(["--extra-experimental-features", "nix-command flakes"])
                .args(NOTHING_BUILT)
                .args(["eval", "--impure", "--json", "--expr"])
                .arg(format!("({}).{what}", expression(source, options, &more)?))
                .output()
        }
    }
}

fn with_file(command: Command, source: &Source, options: &BuildOptions) -> Result<Command> {
    let Source::File(file) = source else {
        return Ok(command);
    };
    let file = real(file)?;
    let command = command.args(["--argstr", "file"]).arg(file);
    Ok(match find_nixpkgs(options) {
        Some(nixpkgs) => command.args(["--argstr", "nixpkgs"]).arg(nixpkgs),
        None => command,
    })
}

/// The code with this configuration, as an expression.
fn expression(source: &Source, options: &BuildOptions, more: &str) -> Result<String> {
    let code = nix_string(&source_folder()?.join(CODE).display().to_string());
    let host = match source {
        Source::File(file) => {
            let file = nix_string(&real(file)?.display().to_string());
            let nixpkgs = find_nixpkgs(options).map_or_else(String::new, |path| {
                format!("nixpkgs = {};", nix_string(&path.display().to_string()))
            });
            format!("file = {file}; {nixpkgs}")
        }
        Source::Flake(uri) => {
            let (flake, attribute) = find_host(uri, options)?;
            // A flake in a folder has to be named from the root of the file system.
            let flake = fs::canonicalize(&flake).map_or(flake, |path| path.display().to_string());
            format!(
                "host = (builtins.getFlake {}).{attribute};",
                nix_string(&flake)
            )
        }
    };
    Ok(format!("import {code} {{ {host} {more} }}"))
}

/// Prepares Nix's read-eval-print loop with the configuration: `config`, `options`, `pkgs` and `lib`.
///
/// # Errors
/// When the file for it can't be written.
pub(crate) fn repl(source: &Source, options: &BuildOptions) -> Result<Command> {
    let file = super::cache_folder().join("repl.nix");
    let text = format!("({}).scope\n", expression(source, options, "")?);
    let written = fs::create_dir_all(super::cache_folder()).and_then(|()| fs::write(&file, text));
    written.with_context(|| format!("writing {}", file.display()))?;
    let version = nix("nix", true, options).arg("--version").stdout()?;
    let mut command = nix("nix", false, options)
        .args(["--extra-experimental-features", "nix-command flakes"])
        .arg("repl");
    if takes_flag(&version) {
        command = command.args(["--impure", "--file"]);
    }
    Ok(command.arg(file))
}

/// Whether this Nix wants the file of a loop by a flag: since 2.10, what stands alone is a flake.
fn takes_flag(version: &str) -> bool {
    let number = version.trim().rsplit(' ').next().unwrap_or_default();
    let mut parts = number.split('.').map(|part| {
        let end = part.find(|c: char| !c.is_ascii_digit());
        part[..end.unwrap_or(part.len())]
            .parse::<u32>()
            .unwrap_or_default()
    });
    let (major, minor) = (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
    );
    (major, minor) >= (2, 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_how_a_loop_is_told_its_file() {
        for (version, expected) in [
            ("nix (Nix) 2.8.0\n", false),
            ("nix (Nix) 2.9.2", false),
            ("nix (Nix) 2.10.0", true),
            ("nix (Lix, like Nix) 2.91.1", true),
            ("nix (Nix) 3.0pre2025", true),
        ] {
            assert_eq!(takes_flag(version), expected, "{version}");
        }
    }
}
