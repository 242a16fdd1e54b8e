//! The house stands: arrows between the rooms of `src/` point down, and no two rooms know each other.
//!
//! Reads the paths that begin with `crate::` or `super::`, in `use` lines and elsewhere, and resolves each to the file
//! that it names. What is only compiled for tests is left out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The floors, from the top; a room may use those below its own floor.
const FLOORS: [&[&str]; 9] = [
    &["main", "lib", "face"],
    &["cli"],
    &["remote"],
    &["activation"],
    &[
        "files", "blocks", "basics", "accounts", "tmpfiles", "units", "scripts",
    ],
    &["nix", "compat", "closure", "nar"],
    &["store"],
    &["host"],
    &["model"],
];

/// Files of a kind's room that have effects, or are about reading what the host shows: no other kind knows them.
const EFFECTS: [&str; 6] = ["apply", "observe", "io", "lock", "users", "settle"];

/// One use of a file by another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Arrow {
    from: String,
    line: usize,
    to: String,
}

impl Arrow {
    fn rooms(&self) -> (&str, &str) {
        (room_of(&self.from), room_of(&self.to))
    }
}

/// A module's path as its file has it: `files::decide`.
fn module_of(relative: &str) -> String {
    let path = relative.trim_end_matches(".rs").replace('/', "::");
    path.strip_suffix("::mod").unwrap_or(&path).to_owned()
}

fn room_of(module: &str) -> &str {
    module.split("::").next().unwrap_or(module)
}

fn floor_of(room: &str) -> usize {
    FLOORS
        .iter()
        .position(|floor| floor.contains(&room))
        .unwrap_or_else(|| {
            panic!("the room `{room}` of src/ is on no floor; see tests/suite/layers.rs")
        })
}

/// The source of each module, without what is only for tests.
fn read_modules() -> BTreeMap<String, String> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = walkdir::WalkDir::new(&src).sort_by_file_name();
    let mut modules = BTreeMap::new();
    for file in files.into_iter().map(Result::unwrap) {
        let relative = file.path().strip_prefix(&src).unwrap().to_str().unwrap();
        let is_code = file.path().extension().is_some_and(|e| e == "rs");
        if is_code && !relative.ends_with("tests.rs") {
            let text = fs::read_to_string(file.path()).unwrap();
            let end = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
            modules.insert(module_of(relative), text[..end].to_owned());
        }
    }
    modules
}

/// Lists the paths in a source, with their lines; those of a `use` with braces one by one.
fn paths_in(source: &str) -> Vec<(usize, String)> {
    let mut paths = Vec::new();
    let code: String = source
        .split_inclusive('\n')
        .map(|line| match line.find("//") {
            Some(at) => format!("{}\n", &line[..at]),
            None => line.to_owned(),
        })
        .collect();
    for (at, _) in code
        .match_indices("crate::")
        .chain(code.match_indices("super::"))
    {
        let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == ':' || c == '$';
        if code[..at].ends_with(is_word) {
            continue;
        }
        let line = code[..at].matches('\n').count() + 1;
        expand(&code[at..], String::new(), line, &mut paths);
    }
    paths
}

/// Follows one path, and the list in braces at its end; gives what is after it.
fn expand<'a>(
    mut rest: &'a str,
    mut path: String,
    line: usize,
    paths: &mut Vec<(usize, String)>,
) -> &'a str {
    let end = rest
        .find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'))
        .unwrap_or(rest.len());
    path.push_str(&rest[..end]);
    rest = &rest[end..];
    let Some(mut inner) = rest.strip_prefix('{').filter(|_| path.ends_with("::")) else {
        paths.push((line, path));
        return rest;
    };
    loop {
        inner = inner.trim_start_matches([' ', '\n', ',']);
        if let Some(after) = inner.strip_prefix('}') {
            return after;
        }
        let before = inner.len();
        inner = expand(inner, path.clone(), line, paths);
        if inner.len() == before {
            return inner;
        }
    }
}

/// Resolves a path to the module that it names, or that has what it names.
fn resolve(from: &str, path: &str, modules: &BTreeMap<String, String>) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    let mut rest = path.split("::").peekable();
    if rest.next_if_eq(&"crate").is_none() {
        parts.extend(from.split("::"));
        while rest.next_if_eq(&"super").is_some() {
            parts.pop();
        }
    }
    parts.extend(rest);
    while !parts.is_empty() {
        let module = parts.join("::");
        if modules.contains_key(&module) {
            return Some(module);
        }
        parts.pop();
    }
    None
}

/// Every arrow between files; a module that is imported by name counts for what the code names in it.
fn read_arrows() -> BTreeSet<Arrow> {
    let modules = read_modules();
    let mut arrows = BTreeSet::new();
    for (from, source) in &modules {
        for (line, path) in paths_in(source) {
            let Some(to) = resolve(from, &path, &modules) else {
                continue;
            };
            let name = path.rsplit("::").next().unwrap_or_default();
            if to.ends_with(name) {
                for inner in uses_of(source, name) {
                    let below = resolve("", &format!("crate::{to}::{}", inner.1), &modules);
                    arrows.extend(below.map(|to| Arrow {
                        from: from.clone(),
                        line: inner.0,
                        to,
                    }));
                }
            }
            arrows.insert(Arrow {
                from: from.clone(),
                line,
                to,
            });
        }
    }
    arrows.retain(|arrow| arrow.from != arrow.to);
    arrows
}

/// What the code names in an imported module: `apply::run` of `scripts::apply::run`.
fn uses_of<'a>(source: &'a str, module: &str) -> Vec<(usize, &'a str)> {
    let start = format!("{module}::");
    source
        .match_indices(&start)
        .filter(|(at, _)| {
            !source[..*at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':')
        })
        .map(|(at, _)| {
            let rest = &source[at + start.len()..];
            let end = rest
                .find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'))
                .unwrap_or(rest.len());
            (source[..at].matches('\n').count() + 1, &rest[..end])
        })
        .collect()
}

#[track_caller]
fn assert_none(wrong: &[&Arrow], why: &str) {
    let lines: Vec<String> = wrong
        .iter()
        .map(|a| format!("  {} line {} uses {}", a.from, a.line, a.to))
        .collect();
    assert!(lines.is_empty(), "{why}:\n{}", lines.join("\n"));
}

#[test]
fn no_arrow_points_up() {
    let arrows = read_arrows();
    assert!(arrows.len() > 200, "only {} were found", arrows.len());
    let up: Vec<&Arrow> = arrows
        .iter()
        .filter(|a| {
            let (from, to) = a.rooms();
            floor_of(from) > floor_of(to)
        })
        .collect();
    assert_none(&up, "a room may only use those below it");
}

#[test]
fn rooms_are_in_no_circle() {
    let arrows = read_arrows();
    let mut below: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for arrow in &arrows {
        let (from, to) = arrow.rooms();
        if from != to {
            below.entry(from).or_default().insert(to);
        }
    }
    // Rooms from which nothing leads on, or to which nothing leads, are taken away until none is left, or a circle.
    loop {
        let is_end = |room: &str, to: &BTreeSet<&str>| {
            let leads_on = to.iter().any(|room| below.contains_key(room));
            !leads_on || !below.values().any(|to| to.contains(room))
        };
        let ends: Vec<&str> = below
            .iter()
            .filter(|(room, to)| is_end(room, to))
            .map(|(room, _)| *room)
            .collect();
        if ends.is_empty() {
            break;
        }
        below.retain(|room, _| !ends.contains(room));
    }
    let circle: Vec<&Arrow> = arrows
        .iter()
        .filter(|a| {
            let (from, to) = a.rooms();
            from != to && below.contains_key(from) && below.contains_key(to)
        })
        .collect();
    assert_none(&circle, "these rooms know each other");
}

#[test]
fn no_kind_knows_the_effects_of_another() {
    let kinds = FLOORS[floor_of("files")];
    let arrows = read_arrows();
    let wrong: Vec<&Arrow> = arrows
        .iter()
        .filter(|a| {
            let (from, to) = a.rooms();
            let file = a.to.split("::").nth(1).unwrap_or_default();
            from != to && kinds.contains(&from) && kinds.contains(&to) && EFFECTS.contains(&file)
        })
        .collect();
    assert_none(&wrong, "a kind may use another's data, not its effects");
}

/// How long a file may be.
const LINES: usize = 500;

#[test]
fn no_file_is_too_long() {
    let folders = ["src", "tests", "benches"];
    let files = folders.iter().flat_map(|folder| {
        walkdir::WalkDir::new(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder))
            .sort_by_file_name()
    });
    let mut count = 0;
    let mut long = Vec::new();
    for file in files.map(Result::unwrap) {
        if file.path().extension().is_none_or(|e| e != "rs") {
            continue;
        }
        count += 1;
        let lines = fs::read_to_string(file.path()).unwrap().lines().count();
        if lines > LINES {
            long.push(format!("  {} has {lines} lines", file.path().display()));
        }
    }
    assert!(count > 100, "only {count} were found");
    assert!(
        long.is_empty(),
        "more than {LINES} lines:\n{}",
        long.join("\n")
    );
}

/// The verbs of a kind, each in a file of its name, with what that file must have one of; and the kinds that need none, with
/// why.
type Verb = (
    &'static str,
    &'static [&'static str],
    &'static [(&'static str, &'static str)],
);

const VERBS: [Verb; 5] = [
    (
        "observe",
        &["pub(crate) fn ", "pub fn "],
        &[("scripts", "a script is there or not, which the caller sees")],
    ),
    ("decide", &["pub(crate) fn ", "pub fn "], &[]),
    (
        "record",
        &["impl Record for "],
        &[
            ("units", "they are started and stopped, not owned"),
            ("scripts", "what they do is their own, and not undone"),
        ],
    ),
    (
        "apply",
        &["pub(crate) fn ", "pub fn ", "impl Planned for "],
        &[],
    ),
    ("report", &["pub(crate) fn render_"], &[]),
];

#[test]
fn each_kind_has_the_same_verbs_in_the_same_files() {
    let modules = read_modules();
    let mut missing = Vec::new();
    for kind in FLOORS[floor_of("files")] {
        for (file, has, exempt) in VERBS {
            let source = modules.get(&format!("{kind}::{file}"));
            let is_exempt = exempt.iter().any(|(exempt, _)| exempt == kind);
            // What is exempt from a form may have the file all the same.
            let is_there = source.is_some_and(|source| has.iter().any(|has| source.contains(has)));
            if is_there == is_exempt {
                let not = if is_exempt {
                    " and is said to have none"
                } else {
                    ""
                };
                let has = has.join("` or `");
                missing.push(format!("  src/{kind}/{file}: `{has}`{not}"));
            }
        }
    }
    assert!(
        missing.is_empty(),
        "each kind has its verbs:\n{}",
        missing.join("\n")
    );
}

/// How many lines a kind may cost outside of its room.
const KIND_LINES: usize = 41;

#[test]
fn a_kind_costs_a_few_lines_in_the_places_that_contributing_names() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let contributing = fs::read_to_string(folder.join("CONTRIBUTING.md")).unwrap();
    let section = contributing
        .split("\n## ")
        .find(|s| s.starts_with("Adding a kind"));
    let paths = section
        .unwrap()
        .split('`')
        .filter_map(|word| word.strip_prefix("src/"));
    let named: BTreeSet<String> = paths
        .filter(|p| Path::new(p).extension().is_some_and(|e| e == "rs"))
        .map(module_of)
        .collect();
    // The kind that was added to measure it.
    let mut found = BTreeMap::new();
    for (module, source) in read_modules() {
        let lines = source
            .lines()
            .map(|line| line.split("//").next().unwrap_or(line));
        let knows =
            |line: &&str| !line.starts_with("use ") && line.to_lowercase().contains("basics");
        let count = lines.filter(knows).count();
        if room_of(&module) != "basics" && count > 0 {
            found.insert(module, count);
        }
    }
    let files: BTreeSet<String> = found.keys().cloned().collect();
    assert_eq!(
        files, named,
        "what knows of host basics, and what CONTRIBUTING names"
    );
    let lines: usize = found.values().sum();
    assert!(
        lines <= KIND_LINES,
        "{lines} lines know of host basics: {found:?}"
    );
}

#[test]
fn arrows_are_found_however_they_are_written() {
    let source =
        "use crate::a::{b::{C, d}, e};\nfn f() { crate::g::h(); } // crate::no::i\nuse super::j;\n";
    let found: Vec<(usize, String)> = paths_in(source);
    let expected = [
        (1, "crate::a::b::C"),
        (1, "crate::a::b::d"),
        (1, "crate::a::e"),
        (2, "crate::g::h"),
        (3, "super::j"),
    ];
    assert_eq!(found, expected.map(|(n, p)| (n, p.to_owned())));
}
