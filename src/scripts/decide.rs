//! Which activation scripts run, and why: a pure decision, and the record of those that have run.
//!
//! | the activation | what runs |
//! | --- | --- |
//! | changes files or accounts, or activates another configuration than the scripts last ran for | all of them, as on NixOS |
//! | finds that one has not ended well, or resumes an interrupted run in which one has not | all of them: they may share variables |
//! | is asked to run them (`--all-scripts`), or comes through `switch-to-configuration` | all of them |
//! | has nothing else to do | none |
//!
//! What a script does is its own: it can't be predicted, and is not undone.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::manifest::ActivationScript;
use crate::model::names::AbsolutePath;
use crate::scripts::record::{KnownScript, ScriptRecord};

/// What is being done, as scripts see it in `NIXOS_ACTION`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// A generation is activated.
    Switch,
    /// A toplevel is activated that is not registered as a generation.
    Test,
    /// Nothing may be changed.
    DryActivate,
    /// The host boots.
    Boot,
}

impl Action {
    /// Gives NixOS's word; at boot it has none.
    #[must_use]
    pub fn word(self) -> Option<&'static str> {
        match self {
            Self::Switch => Some("switch"),
            Self::Test => Some("test"),
            Self::DryActivate => Some("dry-activate"),
            Self::Boot => None,
        }
    }
}

/// What else an activation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Occasion {
    /// All scripts are asked for.
    Asked,
    /// Files or accounts change.
    Changes,
    /// Neither.
    Nothing,
}

/// Why a script runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Why {
    /// It is new.
    New,
    /// It is another one than before.
    Changed,
    /// It failed, or was interrupted, or could not be run.
    Unfinished,
    /// It is the same, but what it looks at may be another.
    Again,
    /// It is the same, and was asked for.
    Asked,
    /// It is the same, but another one runs, which may need it.
    Along,
}

impl Why {
    /// Gives the reason for people.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Changed => "changed",
            Self::Unfinished => "it has not ended well before",
            Self::Again => "as in each activation that changes something",
            Self::Asked => "all were asked for",
            Self::Along => "together with the others",
        }
    }
}

/// A script that will run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ScriptAction {
    /// Its name.
    pub name: String,
    /// The executable.
    pub script: AbsolutePath,
    /// Why it runs.
    pub why: Why,
    /// Whether a dry activation runs it too.
    pub supports_dry_activation: bool,
    /// Whether it runs before users and groups are changed.
    pub before_accounts: bool,
}

/// What an activation does with scripts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ScriptsPlan {
    /// Those that run, in order.
    pub run: Vec<ScriptAction>,
    /// Those that are not in the store of this root, and run when it boots or is activated.
    pub later: Vec<String>,
    /// What is recorded before the first one runs.
    pub record: ScriptRecord,
}

impl ScriptsPlan {
    /// Says whether scripts run only because they were asked for.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        self.run.iter().any(|script| script.why == Why::Asked)
    }
}

/// Decides which scripts run. Pure.
///
/// `is_there` says whether a script can be run in this root.
#[must_use]
pub(crate) fn decide(
    wanted: &[ActivationScript],
    toplevel: &AbsolutePath,
    record: &ScriptRecord,
    occasion: Occasion,
    is_there: impl Fn(&AbsolutePath) -> bool,
) -> ScriptsPlan {
    let mut plan = ScriptsPlan::default();
    if wanted.is_empty() {
        return plan;
    }
    let reason = |script: &ActivationScript| match record.scripts.get(&script.name) {
        None => Some(Why::New),
        Some(known) if known.script != script.script => Some(Why::Changed),
        Some(known) if !known.finished => Some(Why::Unfinished),
        Some(_) => None,
    };
    let otherwise = match occasion {
        _ if record.toplevel.as_ref() != Some(toplevel) => Some(Why::Again),
        Occasion::Changes => Some(Why::Again),
        Occasion::Asked => Some(Why::Asked),
        Occasion::Nothing => {
            let due = |s: &ActivationScript| is_there(&s.script) && reason(s).is_some();
            wanted.iter().any(due).then_some(Why::Along)
        }
    };
    plan.record.toplevel = Some(toplevel.clone());
    for script in wanted {
        let there = is_there(&script.script);
        let due = reason(script);
        let why = otherwise.map(|otherwise| due.unwrap_or(otherwise));
        let known = KnownScript {
            script: script.script.clone(),
            finished: due.is_none() && why.is_none(),
        };
        plan.record.scripts.insert(script.name.clone(), known);
        if let (Some(why), true) = (why, there) {
            plan.run.push(ScriptAction {
                name: script.name.clone(),
                script: script.script.clone(),
                why,
                supports_dry_activation: script.supports_dry_activation,
                before_accounts: script.before_accounts,
            });
        } else if !there && (due.is_some() || why.is_some()) {
            plan.later.push(script.name.clone());
        }
    }
    plan.run.sort_by_key(|script| !script.before_accounts);
    plan
}

/// A script that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FailedScript {
    /// Its name.
    pub name: String,
    /// Why.
    pub why: String,
    /// The last lines that it printed.
    pub log: Vec<String>,
}

#[cfg(test)]
#[rustfmt::skip] // a row of a table is one line
mod tests {
    use super::*;

    /// The scripts, the toplevel that they ran for, which of them, what else is done, what runs, why.
    type Row = (
        &'static [&'static str],
        &'static str,
        &'static [&'static str],
        Occasion,
        &'static [(&'static str, Why)],
        &'static str,
    );
    /// The record, the journal, whether it is of this boot, what has not ended well, why.
    type JournalRow = (
        &'static [&'static str],
        &'static [&'static str],
        bool,
        &'static [&'static str],
        &'static str,
    );

    fn path(name: &str) -> AbsolutePath {
        format!("/nix/store/{name}").parse().unwrap()
    }

    fn wanted(scripts: &[&str]) -> Vec<ActivationScript> {
        let one = |name: &&str| ActivationScript {
            name: name[..1].to_owned(),
            script: path(name),
            supports_dry_activation: false,
            before_accounts: false,
        };
        scripts.iter().map(one).collect()
    }

    /// `a1+` is the script `a` in its first version, which has ended well.
    fn record(toplevel: &str, scripts: &[&str]) -> ScriptRecord {
        let one = |text: &&str| {
            let known = KnownScript { script: path(&text[..2]), finished: text.ends_with('+') };
            (text[..1].to_owned(), known)
        };
        ScriptRecord { toplevel: Some(path(toplevel)), scripts: scripts.iter().map(one).collect() }
    }

    #[test]
    fn runs_all_when_something_changes_and_else_what_has_not_ended_well() {
        use Why::{Again, Along, Asked, Changed, New, Unfinished};
        let table: &[Row] = &[
            (&["b1", "a1"], "other", &[], Occasion::Changes, &[("b", New), ("a", New)], "in the order of the manifest"),
            (&["a1", "b1"], "now", &["a1+", "b1+"], Occasion::Nothing, &[], "a second switch"),
            (&["a1", "b1"], "now", &["a1+", "b1+"], Occasion::Changes, &[("a", Again), ("b", Again)], "a file was put right"),
            (&["a1", "b1"], "other", &["a1+", "b1+"], Occasion::Nothing, &[("a", Again), ("b", Again)], "another configuration"),
            (&["a2", "b1"], "other", &["a1+", "b1+"], Occasion::Changes, &[("a", Changed), ("b", Again)], "one is another"),
            (&["a1", "b1"], "now", &["a1+", "b1-"], Occasion::Nothing, &[("a", Along), ("b", Unfinished)], "one has failed"),
            (&["a1", "b1"], "now", &["a1-", "b1+"], Occasion::Changes, &[("a", Unfinished), ("b", Again)], "one has failed, and a file changes"),
            (&["a2", "b1"], "other", &["a1-", "b1+"], Occasion::Changes, &[("a", Changed), ("b", Again)], "one has failed, and was corrected"),
            (&["a1", "c1"], "now", &["a1+"], Occasion::Nothing, &[("a", Along), ("c", New)], "a state from before there was a record"),
            (&["a1", "b1"], "now", &["a1+", "b1-"], Occasion::Asked, &[("a", Asked), ("b", Unfinished)], "all were asked for"),
            (&["a1"], "other", &["a1+", "b1+"], Occasion::Changes, &[("a", Again)], "one is gone"),
        ];
        for (scripts, toplevel, before, occasion, expected, why) in table {
            let plan = decide(&wanted(scripts), &path("now"), &record(toplevel, before), *occasion, |_| true);
            let run: Vec<_> = plan.run.iter().map(|a| (a.name.as_str(), a.why)).collect();
            assert_eq!(run, *expected, "{why}");
            assert_eq!(plan.record.toplevel, Some(path("now")), "{why}");
            for name in plan.record.scripts.keys() {
                let due = expected.iter().any(|(n, _)| n == name);
                assert_eq!(plan.record.scripts[name].finished, !due, "{why}: {name}");
            }
            assert_eq!(plan.record.scripts.len(), scripts.len(), "{why}");
        }
    }

    #[test]
    fn without_scripts_nothing_is_recorded() {
        let plan = decide(&[], &path("now"), &record("now", &["a1+"]), Occasion::Changes, |_| true);
        assert_eq!(plan, ScriptsPlan::default());
    }

    #[test]
    fn what_is_not_in_the_root_stays_due() {
        let plan = decide(&wanted(&["a1", "b1"]), &path("now"), &ScriptRecord::default(), Occasion::Changes, |p| *p == path("b1"));
        assert_eq!(plan.later, ["a"]);
        assert_eq!(plan.run.len(), 1);
        assert_eq!(plan.record.unfinished().collect::<Vec<_>>(), ["a", "b"]);
        // That alone is no reason for the others to run again.
        let again = decide(&wanted(&["a1", "b1"]), &path("now"), &record("now", &["a1-", "b1+"]), Occasion::Nothing, |p| *p == path("b1"));
        assert!(again.run.is_empty(), "{again:?}");
        assert_eq!(again.later, ["a"]);
    }

    #[test]
    fn the_journal_says_what_has_ended_well_until_a_reboot() {
        let ended = |names: &[&str]| names.iter().map(|n| (n[..1].to_owned(), path(n))).collect();
        let table: &[JournalRow] = &[
            (&["a1-", "b1-"], &["a1"], true, &["b"], "killed in the second"),
            (&["a1+", "b1-"], &[], true, &["b"], "killed twice"),
            (&["a1-"], &["a2"], true, &["a"], "the journal is of another version"),
            (&["a1+", "b1-"], &["b1"], false, &["a", "b"], "power cut"),
        ];
        for (before, journal, same, left, why) in table {
            let mut record = record("now", before);
            record.settle(&ended(journal), *same);
            assert_eq!(record.unfinished().collect::<Vec<_>>(), *left, "{why}");
        }
    }
}
