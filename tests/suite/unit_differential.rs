//! Compares the decision about units with the independent model in `tests/unit_model/`, on random pairs of generations.
//!
//! `UNIT_CASES` says how many, `UNIT_SEED` where to begin. A difference is shrunk before it is shown.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a broken model fails the test"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use system_manager::face::units::{
    Facts, Failures, Ground, Live, LiveUnit, Options, Seeds, Sight, UnitAction, UnitSet, complete,
    decide,
};

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Case {
    old: UnitSet,
    new: UnitSet,
    live: Live,
    seeds: Seeds,
    options: Options,
}

/// What is compared: who is in which set.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Answer {
    stop: Vec<String>,
    reload: Vec<String>,
    restart: Vec<String>,
    start: Vec<String>,
    hidden: Vec<String>,
    skip: Vec<String>,
    along: Vec<String>,
    daemon_reload: bool,
}

#[derive(Deserialize)]
struct Line {
    seed: u64,
    case: Case,
    answer: Answer,
}

impl Case {
    fn decide(&self) -> Answer {
        self.decide_on(&self.live)
    }

    fn decide_on(&self, live: &Live) -> Answer {
        // What a host has beneath is not in the model: it has tables of its own.
        let plan = decide(&Facts {
            old: &self.old,
            new: &self.new,
            beneath: &UnitSet::default(),
            live,
            seeds: &self.seeds,
            failed: &Failures::new(),
            ran: &BTreeSet::new(),
            ground: &Ground::default(),
            options: self.options,
        });
        let names = |actions: &[UnitAction], visible: bool| {
            let shown = actions.iter().filter(|a| a.visible == visible);
            let mut names: Vec<String> = shown.map(|a| a.unit.clone()).collect();
            names.sort();
            names
        };
        for actions in [&plan.stop, &plan.reload, &plan.restart, &plan.along] {
            assert!(names(actions, false).is_empty(), "only starts are hidden");
        }
        Answer {
            stop: names(&plan.stop, true),
            reload: names(&plan.reload, true),
            restart: names(&plan.restart, true),
            start: names(&plan.start, true),
            hidden: names(&plan.start, false),
            skip: plan.skipped.iter().map(|s| s.unit.clone()).collect(),
            along: names(&plan.along, true),
            daemon_reload: plan.daemon_reload,
        }
    }
}

/// What systemd says of each unit in its list, and of all names.
fn states(live: &Live, names: &BTreeSet<String>) -> Live {
    let state = |unit: &LiveUnit| LiveUnit {
        active_state: unit.active_state.clone(),
        sub_state: unit.sub_state.clone(),
        following: unit.following.clone(),
        has_job: unit.has_job,
        ..LiveUnit::default()
    };
    let mut states = Live::default();
    for (name, unit) in &live.units {
        let mut state = state(unit);
        let known = unit
            .names
            .iter()
            .filter(|n| names.contains(*n) && *n != name);
        state.names.extend(known.cloned());
        states.units.insert(name.clone(), state);
    }
    states
}

/// The live units as they are read: the details of what a decision looks at, and of nothing that is down.
fn read(case: &Case, reads: &mut usize) -> Live {
    let nothing = UnitSet::default();
    let sight = Sight::new(&case.old, &case.new, &nothing, case.seeds.units());
    let mut live = states(&case.live, &sight.names());
    let mut told = |name: &str, unit: &mut LiveUnit| -> Result<(), ()> {
        *reads += 1;
        let is_bound = |other: &LiveUnit| {
            let mut with = other.stops_with.iter().filter_map(|w| case.live.find(w));
            with.any(|(found, _)| found == name)
        };
        let bound = case.live.units.iter().filter(|(_, other)| is_bound(other));
        *unit = LiveUnit {
            takes_along: bound.map(|(name, _)| name.clone()).collect(),
            ..case.live.units[name].clone()
        };
        Ok(())
    };
    complete(&mut live, &sight, &mut told).unwrap();
    live
}

fn model(arguments: &[&str]) -> Child {
    Command::new("python3")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/unit_model"))
        .args(arguments)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 is needed for the model")
}

/// A model that answers case after case.
struct Answers {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Answers {
    fn start() -> Self {
        let mut child = model(&["answer"]);
        let (to, from) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let from = BufReader::new(from);
        Self { child, to, from }
    }

    fn differs(&mut self, case: &Case) -> bool {
        writeln!(self.to, "{}", serde_json::to_string(case).unwrap()).unwrap();
        let mut line = String::new();
        self.from.read_line(&mut line).unwrap();
        let answer: Answer = serde_json::from_str(&line).unwrap();
        answer != case.decide()
    }

    fn answer(&mut self, case: &Case) -> String {
        writeln!(self.to, "{}", serde_json::to_string(case).unwrap()).unwrap();
        let mut line = String::new();
        self.from.read_line(&mut line).unwrap();
        format!("{:#?}", serde_json::from_str::<Answer>(&line).unwrap())
    }

    fn end(self) {
        let Self {
            mut child,
            to,
            from,
        } = self;
        drop((to, from));
        child.wait().unwrap();
    }
}

/// Gives the case with one part taken away, in every way there is.
fn smaller(case: &Case) -> Vec<Case> {
    let json = serde_json::to_value(case).unwrap();
    let mut found = Vec::new();
    cut(&json, &mut |cut| {
        // a member that is missing has its default: the same case again would never end
        let smaller = serde_json::from_value::<Case>(cut).ok();
        found.extend(smaller.filter(|c| serde_json::to_value(c).unwrap() != json));
    });
    found
}

/// Calls back with each value that lacks one member, element or line of `value`.
fn cut(value: &Value, each: &mut dyn FnMut(Value)) {
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                let mut rest = members.clone();
                rest.remove(key);
                each(Value::Object(rest));
                cut(member, &mut |smaller| {
                    let mut rest = members.clone();
                    rest.insert(key.clone(), smaller);
                    each(Value::Object(rest));
                });
            }
        }
        Value::Array(elements) => {
            for at in 0..elements.len() {
                let mut rest = elements.clone();
                rest.remove(at);
                each(Value::Array(rest));
            }
        }
        Value::String(text) if text.contains('\n') => {
            let lines: Vec<&str> = text.split('\n').collect();
            for at in 0..lines.len() {
                let mut rest = lines.clone();
                rest.remove(at);
                each(Value::String(rest.join("\n")));
            }
        }
        _ => {}
    }
}

fn shrink(mut case: Case) -> String {
    let mut answers = Answers::start();
    while let Some(next) = smaller(&case).into_iter().find(|c| answers.differs(c)) {
        case = next;
    }
    let told = format!(
        "{}\nmodel: {}\nprogram: {:#?}",
        serde_json::to_string_pretty(&case).unwrap(),
        answers.answer(&case),
        case.decide()
    );
    answers.end();
    told
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |value| value.parse().unwrap())
}

#[test]
fn what_is_not_read_changes_no_decision() {
    let (count, seed) = (number("UNIT_CASES", 5000), number("UNIT_SEED", 0));
    let mut child = model(&["generate", &count.to_string(), &seed.to_string()]);
    let output = BufReader::new(child.stdout.take().unwrap());
    let (mut reads, mut units) = (0, 0);
    for line in output.lines() {
        let Line { seed, mut case, .. } = serde_json::from_str(&line.unwrap()).unwrap();
        // Of what is down systemd is not asked more than its state.
        let down = case
            .live
            .units
            .values_mut()
            .filter(|u| u.active_state == "inactive");
        for unit in down {
            *unit = LiveUnit {
                active_state: std::mem::take(&mut unit.active_state),
                sub_state: std::mem::take(&mut unit.sub_state),
                names: std::mem::take(&mut unit.names),
                following: std::mem::take(&mut unit.following),
                has_job: unit.has_job,
                ..LiveUnit::default()
            };
        }
        let narrow = read(&case, &mut reads);
        units += case
            .live
            .units
            .values()
            .filter(|u| u.active_state != "inactive")
            .count();
        assert_eq!(
            case.decide_on(&narrow),
            case.decide(),
            "seed {seed}: {}",
            serde_json::to_string_pretty(&case).unwrap()
        );
    }
    assert!(child.wait().unwrap().success(), "the model failed");
    println!("{reads} of {units} units were looked at");
    assert!(reads < units, "nothing was spared");
}

#[test]
fn decides_as_the_model_does() {
    let (count, seed) = (number("UNIT_CASES", 5000), number("UNIT_SEED", 0));
    let mut child = model(&["generate", &count.to_string(), &seed.to_string()]);
    let output = BufReader::new(child.stdout.take().unwrap());
    let mut count_read = 0;
    let mut met: BTreeMap<&str, usize> = BTreeMap::new();
    let mut differences = Vec::new();
    for line in output.lines() {
        let line: Line = serde_json::from_str(&line.unwrap()).unwrap();
        count_read += 1;
        let answer = line.case.decide();
        let sets = [
            ("stop", &answer.stop),
            ("reload", &answer.reload),
            ("restart", &answer.restart),
            ("start", &answer.start),
            ("hidden", &answer.hidden),
            ("skip", &answer.skip),
            ("along", &answer.along),
        ];
        for (name, set) in sets {
            *met.entry(name).or_default() += usize::from(!set.is_empty());
        }
        if answer != line.answer {
            differences.push((line.seed, line.case));
        }
    }
    assert!(child.wait().unwrap().success(), "the model failed");
    assert_eq!(count_read, count, "the model stopped early");
    println!("{count_read} cases; with each kind of action: {met:?}");
    if let Some((seed, case)) = differences.first() {
        let total = differences.len();
        panic!(
            "{total} of {count} differ; seed {seed}: {}",
            shrink(case.clone())
        );
    }
    // a generator that no longer reaches a rule would prove nothing about it
    for (name, times) in met {
        assert!(
            times * 500 > usize::try_from(count_read).unwrap(),
            "only {times} of {count_read} cases {name}"
        );
    }
}
