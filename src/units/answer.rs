//! What a user's own process says of the user's units: it is not trusted. Pure.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail};

use crate::model::json;
use crate::model::names::UnitName;
use crate::model::style::printable;
use crate::units::users::UserOutcome;

/// How many units an answer may name, and how many lines it may tell of each.
const MOST_UNITS: usize = 10_000;
const MOST_LINES: usize = 10;

/// Reads an answer. Names must be those of units; what is text for people has nothing in it that a terminal obeys.
///
/// # Errors
/// When it is not of the form of an answer.
pub(crate) fn parse(bytes: &[u8]) -> Result<UserOutcome> {
    let mut answer: UserOutcome = json::from_bytes(bytes).context("reading its answer")?;
    check_names(&answer).context("reading its answer")?;
    for job in &mut answer.jobs {
        job.result = printable(&job.result);
    }
    for why in answer.units.failed.values_mut() {
        *why = printable(why);
    }
    for note in &mut answer.not_restarted {
        note.reason = printable(&note.reason);
    }
    for lines in answer.logs.values_mut() {
        lines.truncate(MOST_LINES);
        for line in lines {
            *line = printable(line);
        }
    }
    Ok(answer)
}

fn check_names(answer: &UserOutcome) -> Result<()> {
    let units = &answer.units;
    let sets: [&BTreeSet<String>; 3] = [
        &units.failing_before,
        &units.failing_elsewhere,
        &units.newly_active,
    ];
    let maps = units.failed.keys().chain(answer.logs.keys());
    let lists = answer.jobs.iter().map(|job| &job.unit);
    let lists = lists.chain(answer.not_restarted.iter().map(|note| &note.unit));
    let names: Vec<&String> = sets
        .into_iter()
        .flatten()
        .chain(maps)
        .chain(lists)
        .collect();
    if names.len() > MOST_UNITS {
        bail!("it names {} units", names.len());
    }
    for name in names {
        if name.parse::<UnitName>().is_err() {
            bail!("{} is not the name of a unit", printable(name));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn answer(edit: impl Fn(&mut serde_json::Value)) -> Result<UserOutcome> {
        let mut answer = json!({
            "jobs": [{"unit": "a.service", "verb": "start", "result": "done"}],
            "units": {
                "failed": {"b@x\\x2dy.service": "exit code 1"},
                "failingBefore": [], "failingElsewhere": [], "newlyActive": ["a.service"],
            },
            "notRestarted": [],
            "logs": {"b@x\\x2dy.service": ["line"]},
        });
        edit(&mut answer);
        parse(&serde_json::to_vec(&answer).unwrap())
    }

    #[test]
    fn an_answer_is_read() {
        let read = answer(|_| ()).unwrap();
        assert_eq!(read.units.failed["b@x\\x2dy.service"], "exit code 1");
        assert_eq!(read.logs["b@x\\x2dy.service"], ["line"]);
    }

    #[test]
    fn what_a_terminal_would_obey_is_shown_instead() {
        let read = answer(|a| {
            a["units"]["failed"]["b@x\\x2dy.service"] = json!("a\u{1b}]0;title\u{7}b");
            a["jobs"][0]["result"] = json!("\u{9b}31m");
            a["logs"]["b@x\\x2dy.service"] = json!([
                "\rover\ttab",
                "2",
                "3",
                "4",
                "5",
                "6",
                "7",
                "8",
                "9",
                "10",
                "11"
            ]);
        })
        .unwrap();
        assert_eq!(
            read.units.failed["b@x\\x2dy.service"],
            "a\\u{1b}]0;title\\u{7}b"
        );
        assert_eq!(read.jobs[0].result, "\\u{9b}31m");
        let log = &read.logs["b@x\\x2dy.service"];
        assert_eq!((log.len(), log[0].as_str()), (10, "\\rover\ttab"));
    }

    #[test]
    fn what_is_not_the_name_of_a_unit_is_refused() {
        for (path, name) in [
            ("/units/newlyActive", "\u{1b}[31m.service"),
            ("/units/failingBefore", "../x.service"),
            ("/units/failingElsewhere", "no suffix"),
        ] {
            let read = answer(|a| *a.pointer_mut(path).unwrap() = json!([name]));
            let error = format!("{:#}", read.unwrap_err());
            assert!(error.contains("is not the name of a unit"), "{error}");
            assert!(!error.contains('\u{1b}'), "{error}");
        }
        let many: Vec<String> = (0..=MOST_UNITS).map(|n| format!("u{n}.service")).collect();
        let read = answer(|a| a["units"]["newlyActive"] = json!(many));
        assert!(
            format!("{:#}", read.unwrap_err()).contains("it names"),
            "too many"
        );
    }
}
