//! The decision about tmpfiles.d(5) rules: what `systemd-tmpfiles --create` will do, and what goes with its rule.
//!
//! Pure, given the host. Only rules of ours are applied, and only `--create`: a `D` line makes its folder and never
//! empties it, `r` and `R` lines do nothing. systemd leaves behind what a rule has made when the rule goes; links,
//! empty folders, empty files, pipes and devices that rules of ours made are removed then. Content is never removed.

use crate::model::node::EMPTY;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::conflict::Conflict;
use crate::model::names::AbsolutePath;
use crate::model::node::{Id, Kind, Object, sha256_of};
use crate::model::owners::Owners;
use crate::tmpfiles::line::{Parsed, Rule, parse_line};
use crate::tmpfiles::order::{Item, arrange, overrides};
use crate::tmpfiles::record::{Made, TmpfilesRecord};
use crate::tmpfiles::rules::{Player, wanted_kind};
use crate::tmpfiles::tree::{Host, Last, Walk, World, parents};
use crate::tmpfiles::words::{Specifiers, Unread};

/// A file of rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RulesFile {
    /// Its name, by which it is ordered and overridden.
    pub name: String,
    /// Where it is read from.
    pub path: AbsolutePath,
    /// What is in it.
    pub content: Vec<u8>,
}

/// Everything that the decision is made from.
pub struct Facts<'a> {
    /// Files of ours.
    pub ours: &'a [RulesFile],
    /// Those of the distribution and of the administrator, which are not applied here, but at boot.
    pub foreign: &'a [RulesFile],
    /// What earlier rules of ours made, and could not do; settled.
    pub recorded: &'a TmpfilesRecord,
    /// What specifiers stand for.
    pub specifiers: &'a Specifiers,
    /// Ids by name.
    pub owners: &'a Owners,
    /// The file tree.
    pub host: &'a dyn Host,
}

/// Where a rule is from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Source {
    /// The name of its file.
    pub file: String,
    /// Its line, from 1.
    pub line: usize,
    /// Its text.
    pub text: String,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.text)
    }
}

/// Something that people should know about a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Remark {
    /// The path that it is about.
    pub path: String,
    /// What there is to say.
    pub text: String,
    /// The rule.
    pub rule: Source,
    /// Whether the rule can't do what it asks for.
    pub fails: bool,
}

/// One change of the file tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct TmpfilesChange {
    /// Where.
    pub path: String,
    /// What stands there now.
    pub before: Option<Object>,
    /// What will stand there.
    pub after: Option<Object>,
    /// The rule that asks for it; none when it goes with its rule.
    pub rule: Option<Source>,
}

/// Something that goes with its rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Undo {
    /// Where.
    pub path: String,
    /// What we made.
    pub made: Made,
}

/// What is done about tmpfiles rules.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct TmpfilesPlan {
    /// Whether the rules are looked at: one of their files changes, or an earlier run left them undone.
    pub considered: bool,
    /// What an earlier run could not do, and is tried again.
    pub again: Vec<String>,
    /// Files whose rules are applied.
    pub files: Vec<AbsolutePath>,
    /// Lines of these files, from 1, that a file which comes first overrides.
    pub left_out: BTreeMap<AbsolutePath, BTreeSet<usize>>,
    /// What goes with its rule, innermost first; this comes before the rules are applied.
    pub undo: Vec<Undo>,
    /// What is different afterwards.
    pub changes: Vec<TmpfilesChange>,
    /// What rules made and is not removed with them, since something is in it.
    pub stays: Vec<String>,
    /// What else there is to know.
    pub remarks: Vec<Remark>,
    /// What is recorded as made by rules afterwards.
    pub made: BTreeMap<String, Made>,
}

/// Decides what applying the rules takes, and what forbids it. Pure, given the host.
///
/// # Errors
/// When the host can't be read.
pub fn plan_tmpfiles(facts: &Facts<'_>) -> Result<(TmpfilesPlan, Vec<Conflict>)> {
    let mut player = Player {
        world: World::new(facts.host),
        owners: facts.owners,
        because: BTreeMap::new(),
        made: BTreeMap::new(),
        remarks: Vec::new(),
        conflicts: Vec::new(),
    };
    let (no_remarks, no_conflicts) = (&mut Vec::new(), &mut Vec::new());
    let foreign = read_items(facts.foreign, facts.specifiers, no_remarks, no_conflicts);
    let (remarks, conflicts) = (&mut player.remarks, &mut player.conflicts);
    let items = read_items(facts.ours, facts.specifiers, remarks, conflicts);
    let mut plan = TmpfilesPlan {
        considered: true,
        again: facts.recorded.failed.clone(),
        files: facts.ours.iter().map(|f| f.path.clone()).collect(),
        ..TmpfilesPlan::default()
    };
    let items = leave_out(facts, items, &foreign, &mut plan, &mut player.remarks);
    let kept = undo(facts, &items, &foreign, &mut player, &mut plan)?;
    for item in arrange(&items, &mut player.remarks) {
        for unknown in player.unknown_owners(&item.rule) {
            let text = format!(
                "belongs to {unknown}, which does not exist yet; systemd-tmpfiles skips the rule if it still does not exist then"
            );
            player.remark(&item.source, &item.rule.path, &text);
        }
        player.apply(&item.rule, &item.source)?;
    }
    player.world.show_what_went()?;
    for (path, now) in &player.world.changed {
        let before = facts.host.object(path)?;
        if before != *now {
            plan.changes.push(TmpfilesChange {
                path: path.clone(),
                before,
                after: now.clone(),
                rule: player.because.get(path).cloned(),
            });
        }
    }
    plan.made.clone_from(&kept);
    for (path, mut made) in player.made {
        // What stood there before ours is what comes back, not what came over ours meanwhile.
        if let Some(earlier) = kept.get(&path) {
            made.replaced.clone_from(&earlier.replaced);
        }
        plan.made.insert(path, made);
    }
    plan.remarks = player.remarks;
    plan.remarks.sort();
    plan.remarks.dedup();
    Ok((plan, player.conflicts))
}

/// Reads the lines of files in the order of their names.
fn read_items(
    files: &[RulesFile],
    specifiers: &Specifiers,
    remarks: &mut Vec<Remark>,
    conflicts: &mut Vec<Conflict>,
) -> Vec<Item> {
    let mut sorted: Vec<&RulesFile> = files.iter().collect();
    sorted.sort_by(|a, b| a.name.cmp(&b.name));
    let mut items = Vec::new();
    for file in sorted {
        for (n, line) in file.content.split(|c| *c == b'\n').enumerate() {
            let source = Source {
                file: file.name.clone(),
                line: n + 1,
                text: String::from_utf8_lossy(line).trim().to_owned(),
            };
            let (text, fails) = match parse_line(line, specifiers) {
                Parsed::Nothing => continue,
                Parsed::Rule(rule) if is_below("/dev", &rule.path) => (
                    format!("{} is below /dev: only done at boot", rule.path),
                    false,
                ),
                Parsed::Rule(rule) => {
                    items.push(Item {
                        rule: *rule,
                        source,
                        path: file.path.clone(),
                    });
                    continue;
                }
                Parsed::Unread(Unread::Invalid(why)) => (format!("can't be read: {why}"), true),
                Parsed::Unread(Unread::Stops(why)) => {
                    conflicts.push(Conflict {
                        subject: format!("the tmpfiles rule {source}"),
                        cause: format!("can't be read: {why}; systemd-tmpfiles would end there, and apply no rule of any file, also at boot"),
                        remedy: "correct it, or take it out".to_owned(),
                    });
                    continue;
                }
                Parsed::Unread(Unread::Unknown(what)) => (
                    format!("what it does is not predicted: it depends on {what}"),
                    false,
                ),
            };
            remarks.push(Remark {
                path: String::new(),
                text,
                rule: source,
                fails,
            });
        }
    }
    items
}

/// Drops rules that the distribution's files override, and says which of theirs are overridden.
fn leave_out(
    facts: &Facts<'_>,
    items: Vec<Item>,
    foreign: &[Item],
    plan: &mut TmpfilesPlan,
    remarks: &mut Vec<Remark>,
) -> Vec<Item> {
    for file in facts.ours {
        for other in facts.foreign.iter().filter(|f| f.name == file.name) {
            remarks.push(Remark {
                path: other.path.to_string(),
                text: "is replaced entirely by this configuration's file of the same name"
                    .to_owned(),
                rule: Source {
                    file: file.name.clone(),
                    line: 0,
                    text: String::new(),
                },
                fails: false,
            });
        }
    }
    let ours: BTreeSet<&str> = facts.ours.iter().map(|f| f.name.as_str()).collect();
    let mut kept = Vec::new();
    for item in items {
        let mut remark = |text: String| {
            remarks.push(Remark {
                path: item.rule.path.clone(),
                text,
                rule: item.source.clone(),
                fails: false,
            });
        };
        let others = || {
            foreign
                .iter()
                .filter(|f| !ours.contains(f.source.file.as_str()))
        };
        if let Some(first) = others().find(|f| overrides(f, &item)) {
            remark(format!(
                "has no effect: {} comes first and has a rule for the same path; rename the file of this rule so that it sorts before",
                first.path
            ));
            plan.left_out
                .entry(item.path.clone())
                .or_default()
                .insert(item.source.line);
            continue;
        }
        if let Some(later) = others().find(|f| overrides(&item, f)) {
            remark(format!(
                "overrides the rule of {}: {}",
                later.path, later.source.text
            ));
        }
        kept.push(item);
    }
    kept
}

fn is_below(folder: &str, path: &str) -> bool {
    path.strip_prefix(folder)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Removes what earlier rules made and no rule asks for any more; gives the records that stay.
fn undo(
    facts: &Facts<'_>,
    items: &[Item],
    foreign: &[Item],
    player: &mut Player<'_>,
    plan: &mut TmpfilesPlan,
) -> Result<BTreeMap<String, Made>> {
    let mut kept = BTreeMap::new();
    if facts.recorded.made.is_empty() {
        return Ok(kept);
    }
    let asked = asked_for(items, foreign, &player.world)?;
    for (path, made) in facts.recorded.made.iter().rev() {
        let now = player.world.look(path)?;
        let Some(made) = &made.is else { continue };
        match asked.get(path) {
            Some(None) => {
                kept.insert(path.clone(), made.clone());
                continue;
            }
            Some(Some(kind)) if Made::of(kind, None).kind == made.kind => {
                kept.insert(path.clone(), made.clone());
                continue;
            }
            _ => {}
        }
        let Some(now) = now else {
            continue;
        };
        let goes = match (&made.kind, &now.kind) {
            (Kind::Folder, Kind::Folder) => player.world.names(path)?.is_empty(),
            (Kind::File { .. }, Kind::File { content }) => content.as_deref() == Some(EMPTY),
            // Something else stands there: it is not ours.
            (made, now) if made != now => continue,
            _ => true,
        };
        if !goes {
            plan.stays.push(path.clone());
            continue;
        }
        player.world.remove(path);
        if let Some(to) = &made.replaced {
            let kind = Kind::Link { to: to.clone() };
            player.world.place(path, Object { kind, ..now })?;
        }
        plan.undo.push(Undo {
            path: path.clone(),
            made: made.clone(),
        });
    }
    plan.stays.sort();
    Ok(kept)
}

/// Lists the paths that rules ask for, with what they want there; none for what a copy or another's rule wants.
fn asked_for(
    items: &[Item],
    foreign: &[Item],
    world: &World<'_>,
) -> Result<BTreeMap<String, Option<Kind>>> {
    let (mut asked, mut folders) = (BTreeMap::new(), BTreeSet::new());
    let creates = |item: &&Item| "dDvqQfFLpcbC".contains(item.rule.letter);
    let ours = items.iter().filter(creates).map(|item| (item, true));
    let theirs = foreign.iter().filter(creates).map(|item| (item, false));
    for (Item { rule, .. }, is_ours) in ours.chain(theirs) {
        for above in parents(&rule.path) {
            folders.insert(above.to_owned());
            folders.extend(real(world, above, Last::Followed)?);
        }
        let path = real(world, &rule.path, Last::Itself)?.unwrap_or_else(|| rule.path.clone());
        let kind = if is_ours { wanted(rule)? } else { None };
        // Of two rules for one path that want different things, either may have made what is there.
        let of_all = asked.entry(path).or_insert_with(|| kind.clone());
        if *of_all != kind {
            *of_all = None;
        }
    }
    for folder in folders {
        asked.entry(folder).or_insert(Some(Kind::Folder));
    }
    Ok(asked)
}

fn wanted(rule: &Rule) -> Result<Option<Kind>> {
    Ok(match rule.letter {
        'C' => None,
        _ => Some(wanted_kind(rule)?),
    })
}

fn real(world: &World<'_>, path: &str, last: Last) -> Result<Option<String>> {
    Ok(match world.walk(path, last)? {
        Walk::At(path) => Some(path),
        _ => None,
    })
}

/// Compares what is there with what was predicted and gives each difference in a sentence.
///
/// # Errors
/// When the host can't be read.
pub fn verify(plan: &TmpfilesPlan, host: &dyn Host) -> Result<Vec<String>> {
    let mut problems: Vec<String> = plan
        .remarks
        .iter()
        .filter(|r| r.fails)
        .map(|r| {
            format!("{} {} ({})", r.path, r.text, r.rule)
                .trim()
                .to_owned()
        })
        .collect();
    for change in &plan.changes {
        let now = host.object(&change.path)?;
        let problem = match (&change.after, &now) {
            (None, None) => None,
            (None, Some(_)) => Some("is still there".to_owned()),
            (Some(after), None) => Some(format!("is missing; it should be {}", after.kind.name())),
            (Some(after), Some(now)) => difference(&change.path, after, now, host)?,
        };
        problems.extend(problem.map(|p| match &change.rule {
            Some(rule) => format!("{} {p} ({rule})", change.path),
            None => format!("{} {p}", change.path),
        }));
    }
    Ok(problems)
}

fn difference(path: &str, after: &Object, now: &Object, host: &dyn Host) -> Result<Option<String>> {
    let same_kind = match (&after.kind, &now.kind) {
        (Kind::File { content }, Kind::File { .. }) => match content {
            Some(content) => sha256_of(host.content(path)?.as_slice())? == *content,
            None => true,
        },
        (a, b) => a == b,
    };
    let same_id = |a: &Id, b: &Id| a == b || matches!(a, Id::Name(_));
    Ok(if !same_kind && after.kind.is_like(&now.kind) {
        Some("is not as its rule says".to_owned())
    } else if !same_kind {
        Some(format!("is {}, not {}", now.kind.name(), after.kind.name()))
    } else if after.mode != now.mode {
        Some(format!("has mode {:04o}, not {:04o}", now.mode, after.mode))
    } else if !same_id(&after.user, &now.user) || !same_id(&after.group, &now.group) {
        Some(format!(
            "belongs to {}:{}, not to {}:{}",
            now.user, now.group, after.user, after.group
        ))
    } else {
        None
    })
}
