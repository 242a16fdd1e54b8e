//! What the documents say is true: the schema, the help text, and the tests that promises name.
//!
//! `UPDATE=1 cargo test --test suite docs::` writes the generated parts again.
use std::fs;
use std::path::{Path, PathBuf};

use clap::CommandFactory;
use system_manager::face::activation::{Difference, Outcome, Status, TellingPlan, Told};
use system_manager::face::cli::Cli;
use system_manager::face::compat::Survey;
use system_manager::face::model::Manifest;
use system_manager::face::remote::Recap;

fn project(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(relative)
}

/// The file must have this text; with UPDATE=1 it gets it.
#[track_caller]
fn check_file(relative: &str, expected: &str) {
    let path = project(relative);
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, expected).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == expected,
        "{relative} is out of date; run: UPDATE=1 cargo test --test suite docs::"
    );
}

/// Splits a text into what is before, inside and after `<!-- NAME -->` and `<!-- /NAME -->`.
fn marked<'a>(text: &'a str, name: &str) -> (&'a str, &'a str, &'a str) {
    let begin = format!("<!-- {name} -->\n");
    let end = format!("<!-- /{name} -->");
    let from = text.find(&begin).unwrap() + begin.len();
    let to = from + text[from..].find(&end).unwrap();
    (&text[..from], &text[from..to], &text[to..])
}

#[test]
fn the_schema_is_that_of_the_manifest() {
    let schema = schemars::schema_for!(Manifest);
    let text = serde_json::to_string_pretty(&schema).unwrap();
    check_file("docs/manifest.schema.json", &format!("{text}\n"));
}

/// The schema of what a command prints with `--json` must be that of its types.
#[track_caller]
fn check_schema<T: schemars::JsonSchema>(name: &str) {
    let schema = schemars::schema_for!(T);
    let text = serde_json::to_string_pretty(&schema).unwrap();
    check_file(&format!("docs/{name}.schema.json"), &format!("{text}\n"));
}

#[test]
fn the_schemas_of_what_is_printed_are_those_of_the_program() {
    check_schema::<TellingPlan>("plan");
    check_schema::<Outcome>("outcome");
    check_schema::<Status>("status");
    check_schema::<Told>("generations");
    check_schema::<Difference>("diff");
    check_schema::<Recap>("hosts");
}

#[test]
fn the_schema_of_a_survey_is_that_of_the_program() {
    let schema = schemars::schema_for!(Survey);
    let text = serde_json::to_string_pretty(&schema).unwrap();
    check_file("docs/compat.schema.json", &format!("{text}\n"));
}

#[test]
fn the_figures_of_the_guide_are_those_of_the_table_of_modules() {
    let [guide, table] = ["docs/compat-measurements.md", "docs/compat-modules.md"]
        .map(|f| fs::read_to_string(project(f)).unwrap());
    assert_eq!(marked(&guide, "figures").1, marked(&table, "figures").1);
}

#[test]
fn the_readme_has_the_help_text() {
    let readme = fs::read_to_string(project("README.md")).unwrap();
    let (before, _, after) = marked(&readme, "help");
    let help = Cli::command()
        .term_width(100)
        .render_long_help()
        .to_string();
    let lines: String = help
        .lines()
        .map(|l| format!("{}\n", l.trim_end()))
        .collect();
    check_file(
        "README.md",
        &format!("{before}```text\n{lines}```\n{after}"),
    );
}

#[test]
fn each_promise_names_a_test_that_is_there() {
    let page = fs::read_to_string(project("docs/promises.md")).unwrap();
    let tests = read_tests();
    let (_, promises, _) = marked(&page, "promises");
    let mut count = 0;
    for promise in promises
        .split("\n- ")
        .map(|p| p.trim_start_matches("- ").trim())
    {
        check_that_tests_are_there(promise, &tests);
        count += 1;
    }
    assert!(count > 0, "docs/promises.md makes no promises");
}

#[test]
fn each_situation_of_other_hosts_names_a_test_that_is_there() {
    let page = fs::read_to_string(project("docs/remote.md")).unwrap();
    let tests = read_tests();
    let (_, table) = page.split_once("| situation | test |\n").unwrap();
    let rows: Vec<&str> = table.lines().take_while(|l| l.starts_with('|')).collect();
    // The first one is the line below the head.
    assert!(
        rows.len() > 24,
        "docs/remote.md tells of {} situations",
        rows.len()
    );
    for row in &rows[1..] {
        check_that_tests_are_there(row, &tests);
    }
}

/// What is said must name tests, each of which is there.
#[track_caller]
fn check_that_tests_are_there(said: &str, tests: &str) {
    let words = said.split('`').skip(1).step_by(2);
    let named: Vec<&str> = words
        .filter(|w| w.contains('_') && w.chars().all(is_of_a_name))
        .collect();
    assert!(!named.is_empty(), "this names no test: {said}");
    for name in named {
        let found = ["fn", "def"]
            .iter()
            .any(|word| tests.contains(&format!("{word} {name}(")));
        assert!(found, "there is no test `{name}`, which proves: {said}");
    }
}

fn is_of_a_name(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'
}

/// The text of all tests, wherever they are.
fn read_tests() -> String {
    ["src", "tests", "vm-tests"]
        .iter()
        .flat_map(|folder| walkdir::WalkDir::new(project(folder)))
        .map(|entry| entry.unwrap().into_path())
        .filter(|path| path.extension().is_some_and(|e| e == "rs" || e == "py"))
        .map(|path| fs::read_to_string(path).unwrap())
        .collect()
}
