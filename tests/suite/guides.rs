//! What the guides show is there: links lead somewhere, commands are commands, examples are tested, the map is true.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use system_manager::face::cli::Cli;
use walkdir::WalkDir;

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))
}

/// Lists the files of a folder, or of a tree of folders, by the end of their names.
fn files(folder: &str, end: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in WalkDir::new(project().join(folder)).sort_by_file_name() {
        let entry = entry?;
        if entry.file_type().is_file() && entry.file_name().to_string_lossy().ends_with(end) {
            found.push(entry.into_path());
        }
    }
    Ok(found)
}

/// The documents that people read.
fn documents() -> Result<Vec<PathBuf>> {
    let top = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(|name| project().join(name));
    Ok([top.to_vec(), files("docs", ".md")?].concat())
}

/// All texts of tests, by file.
fn tests() -> Result<Vec<(PathBuf, String)>> {
    let sources = [
        files("src", ".rs")?,
        files("tests", ".rs")?,
        files("vm-tests", ".py")?,
    ];
    sources
        .concat()
        .into_iter()
        .map(|path| Ok((path.clone(), read(&path)?)))
        .collect()
}

/// The words of a text that are written as code.
fn code_words(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The local links of a text, as path and fragment.
fn links(text: &str) -> Vec<(&str, &str)> {
    let targets = text
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'));
    targets
        .map(|(target, _)| target)
        .filter(|target| !target.contains("://"))
        .map(|target| target.split_once('#').unwrap_or((target, "")))
        .collect()
}

/// The anchors of a document's headings, as forges make them.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|l| l.starts_with('#'));
    headings
        .map(|line| {
            let title = line.trim_start_matches('#').trim().to_lowercase();
            let kept = title
                .chars()
                .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        })
        .collect()
}

#[test]
fn local_links_lead_somewhere() -> Result<()> {
    let mut dead = Vec::new();
    for document in documents()? {
        let text = read(&document)?;
        for (path, fragment) in links(&text) {
            let target = if path.is_empty() {
                document.clone()
            } else {
                document.with_file_name(path)
            };
            let leads = target.exists()
                && (fragment.is_empty() || anchors(&read(&target)?).contains(fragment));
            if !leads {
                dead.push(format!("{}: {path}#{fragment}", document.display()));
            }
        }
    }
    ensure!(dead.is_empty(), "dead links:\n{}", dead.join("\n"));
    Ok(())
}

#[test]
fn every_example_is_tested_and_shown() -> Result<()> {
    let tests = tests()?;
    let documents = documents()?;
    for example in files("examples", ".nix")? {
        let name = example.strip_prefix(project())?.display().to_string();
        let stem = example.file_stem().unwrap_or_default().to_string_lossy();
        let expected = project().join(format!("tests/eval/{}", name.replace(".nix", ".json")));
        let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
        let is_named =
            |text: &str| text.contains(&name) || folder != "examples" && text.contains(folder);
        ensure!(
            expected.exists() || tests.iter().any(|(_, text)| is_named(text)),
            "{name} has no test: neither {} nor a test that names it",
            expected.display()
        );
        let mut shown = false;
        for document in &documents {
            shown |= is_named(&read(document)?);
        }
        ensure!(shown, "no document shows {name} (`{stem}`)");
    }
    Ok(())
}

/// Takes the arguments of our program from a line of a shell, or none when it is another program's.
fn arguments(line: &str) -> Option<Vec<&str>> {
    let line = line.trim_start().trim_start_matches("$ ");
    let line = line.strip_prefix("sudo ").unwrap_or(line);
    let rest = line.strip_prefix("system-manager ")?;
    let ends = |word: &&str| {
        !matches!(*word, "|" | "&&" | "||" | ";" | "\\") && !word.starts_with(['#', '>', '<'])
    };
    Some(rest.split_whitespace().take_while(ends).collect())
}

#[test]
fn commands_that_are_shown_are_commands() -> Result<()> {
    let mut shown = 0;
    for document in documents()? {
        let mut in_code = false;
        for line in read(&document)?.lines() {
            in_code ^= line.starts_with("```");
            let Some(arguments) = arguments(line).filter(|_| in_code || line.starts_with("    "))
            else {
                continue;
            };
            shown += 1;
            let parsed = Cli::try_parse_from([&["system-manager"], &*arguments].concat());
            let informs = parsed.as_ref().is_err_and(|e| !e.use_stderr());
            ensure!(
                parsed.is_ok() || informs,
                "{}: `{}` is no command: {}",
                document.display(),
                line.trim(),
                parsed.err().map(|e| e.to_string()).unwrap_or_default()
            );
        }
    }
    ensure!(shown > 0, "no document shows a command");
    Ok(())
}

#[test]
fn the_code_map_names_every_room_and_what_is_there() -> Result<()> {
    let text = read(&project().join("CONTRIBUTING.md"))?;
    let map = text
        .split_once("<!-- map -->")
        .and_then(|(_, rest)| rest.split_once("<!-- /map -->"))
        .context("CONTRIBUTING.md has no code map between its markers")?
        .0;
    let (named, gone) = mapped(map);
    ensure!(
        gone.is_empty(),
        "CONTRIBUTING.md maps what is not there: {}",
        gone.join(", ")
    );

    let of_folder = |folder: &str, end: &str| -> Result<Vec<String>> {
        let top = project().join(folder);
        let found = files(folder, end)?.into_iter();
        found
            .map(|path| Ok(path.strip_prefix(&top)?.display().to_string()))
            .collect()
    };
    let rooms = [of_folder("src", ".rs")?, of_folder("vm-tests", ".py")?].concat();
    let unnamed: Vec<String> = rooms
        .into_iter()
        .filter(|room| {
            !room.ends_with("tests.rs") && !room.contains("/tests/") && !room.contains("/test_")
        })
        .filter(|room| !named.contains(room))
        .collect();
    ensure!(
        unnamed.is_empty(),
        "CONTRIBUTING.md does not map: {}",
        unnamed.join(", ")
    );
    Ok(())
}

/// Pictures and pages come of looking at what the program makes; what is added as a whole takes them along.
#[test]
fn nothing_that_somebody_looked_at_is_left_in_the_root() -> Result<()> {
    let is_left = |name: &str| {
        [".png", ".html", ".log"]
            .iter()
            .any(|end| name.ends_with(end))
    };
    for entry in std::fs::read_dir(project())? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        ensure!(
            !is_left(&name),
            "{name} is left in the project's root: remove it"
        );
    }
    Ok(())
}

/// The files and folders that a map names, and the names of what is not there. Below an item of the first level, names after
/// a folder are in it; the name of a folder stands for its `mod.rs` too.
fn mapped(map: &str) -> (BTreeSet<String>, Vec<String>) {
    let (mut named, mut gone) = (BTreeSet::new(), Vec::new());
    let mut inside = vec![String::new()];
    for row in map.lines() {
        if row.starts_with("- ") {
            inside = vec![String::new()];
        }
        for word in code_words(row).filter(|w| w.contains('.') || w.ends_with('/')) {
            let is_there = |path: &str| {
                let tops = ["", "src", "vm-tests"].map(|top| project().join(top).join(path));
                tops.iter().any(|place| place.exists())
            };
            while let Some(folder) = inside.last() {
                let path = format!("{folder}{word}");
                if !is_there(&path) {
                    inside.pop();
                    continue;
                }
                if word.ends_with('/') {
                    named.insert(format!("{path}mod.rs"));
                    named.insert(format!("{path}__init__.py"));
                    inside.push(path.clone());
                }
                named.insert(path);
                break;
            }
            if inside.is_empty() {
                gone.push(word.to_owned());
                inside.push(String::new());
            }
        }
    }
    (named, gone)
}

/// The sources in which messages are written: the program's, and those of the modules.
fn sources_of_messages() -> Result<String> {
    let folders = [
        ("src", ".rs"),
        ("modules", ".nix"),
        ("nixos-compat", ".nix"),
        ("nixos-compat", ".sh"),
    ];
    let mut all = String::new();
    for (folder, end) in folders {
        for path in files(folder, end)? {
            all.push_str(&read(&path)?);
        }
    }
    // A long text goes on in the next line.
    let mut lines = all.split("\\\n");
    let first = lines.next().unwrap_or_default().to_owned();
    Ok(lines.fold(first, |text, line| text + line.trim_start()))
}

#[test]
fn messages_that_troubleshooting_explains_are_those_of_the_program() -> Result<()> {
    let page = read(&project().join("docs/troubleshooting.md"))?;
    let sources = sources_of_messages()?;
    let (mut seen, mut unknown) = (0, Vec::new());
    for part in page.split("<!-- messages -->").skip(1) {
        let part = part.split("<!-- /messages -->").next().unwrap_or_default();
        let rows = part.lines().filter_map(|line| line.strip_prefix("| `"));
        for row in rows {
            let cell = row.split(" | ").next().unwrap_or_default();
            for message in format!("`{cell}").split('`').skip(1).step_by(2) {
                seen += 1;
                let is_written = |piece: &str| sources.contains(piece.trim());
                if !message.split("...").all(is_written) {
                    unknown.push(message.to_owned());
                }
            }
        }
    }
    ensure!(seen > 40, "only {seen} messages are explained");
    ensure!(
        unknown.is_empty(),
        "nothing says this any more:\n{}",
        unknown.join("\n")
    );
    Ok(())
}

/// The names of the dependencies in a manifest of Cargo.
fn dependencies(manifest: &str) -> BTreeSet<&str> {
    let mut inside = false;
    let mut names = BTreeSet::new();
    for line in manifest.lines() {
        if let Some(section) = line.strip_prefix('[') {
            let (section, of) = section.split_once("dependencies").unwrap_or((section, ""));
            inside = matches!(section, "" | "dev-") && of.starts_with(']');
            // A section of its own: `[dependencies.nix]`.
            names.extend(of.strip_prefix('.').map(|name| name.trim_end_matches(']')));
        } else if let Some((name, _)) = line.split_once('=').filter(|_| inside) {
            let name = name.trim();
            let is_name = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
            names.extend(name.chars().all(is_name).then_some(name));
        }
    }
    names
}

#[test]
fn each_dependency_has_its_reason_and_no_other_has() -> Result<()> {
    let manifest = read(&project().join("Cargo.toml"))?;
    let text = read(&project().join("CONTRIBUTING.md"))?;
    let table = text
        .split_once("\n## Dependencies\n")
        .and_then(|(_, rest)| rest.split_once("\n## "))
        .context("CONTRIBUTING.md has no section about dependencies")?
        .0;
    let first = |line: &'_ str| line.split('|').nth(1).unwrap_or_default().to_owned();
    let cells: Vec<String> = table
        .lines()
        .filter(|l| l.starts_with("| `"))
        .map(first)
        .collect();
    let named: BTreeSet<&str> = cells.iter().flat_map(|cell| code_words(cell)).collect();
    let used = dependencies(&manifest);
    ensure!(
        named == used,
        "CONTRIBUTING.md explains {named:?}, and Cargo.toml has {used:?}"
    );
    Ok(())
}
