//! What is told of each generation: when it came, from where, what it changed, how big it is, and what became of it.

use anyhow::Result;
use schemars::JsonSchema;
use serde::Serialize;

use crate::activation::compare::{self, Counts, Side};
use crate::activation::state::State;
use crate::closure;
use crate::host::clock::booted_at;
use crate::host::fs::Root;
use crate::model::names::AbsolutePath;
use crate::model::style::{Color, Style, count, line, show_bytes};
use crate::model::time::render_time;
use crate::store::generations;
use crate::store::history::{History, Origin};

/// How much of a revision is shown.
const REVISION: usize = 12;

/// What `generations --json` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Told {
    /// Format version.
    pub version: u32,
    /// All generations, oldest first.
    pub generations: Vec<Generation>,
}

/// A generation, with what is known of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Generation {
    /// Its number, from 1.
    pub number: u64,
    /// What it links to.
    pub toplevel: AbsolutePath,
    /// When it was registered, in seconds since 1970.
    pub time: u64,
    /// Whether the profile points at it.
    pub current: bool,
    /// Whether it is in force.
    pub active: bool,
    /// Whether it was in force when this host booted; never on another root.
    pub booted: bool,
    /// Whether its toplevel is gone.
    pub missing: bool,
    /// When it was last activated, in seconds since 1970.
    pub activated: Option<u64>,
    /// What failed then.
    pub failed: Vec<String>,
    /// Where it came from.
    pub origin: Origin,
    /// How much differs from the generation before; none for the first, and where one of them can't be read.
    pub changes: Option<Counts>,
    /// How many packages its closure has; none where nobody knows.
    pub packages: Option<usize>,
    /// How many bytes its closure has; none where nobody knows.
    pub bytes: Option<u64>,
}

/// Reads what is told of the generations.
///
/// # Errors
/// When the profile or the state can't be read.
pub(crate) fn read(root: &Root) -> Result<Told> {
    let all = generations::read(root)?;
    let active = State::read(root)?.active.map(|a| a.toplevel);
    let history = History::read(root);
    let boot = booted_at().filter(|_| root.is_live());
    let booted = boot.and_then(|time| history.active_at(time));
    let inside = closure::contents::read(root, all.iter().map(|g| &g.toplevel));
    // A toplevel can be registered more than once; the profile says which one it is now.
    let number_of = |toplevel: Option<&AbsolutePath>| {
        let same = all.iter().filter(|g| Some(&g.toplevel) == toplevel);
        same.max_by_key(|g| (g.current, g.number)).map(|g| g.number)
    };
    let (active, booted) = (number_of(active.as_ref()), number_of(booted));
    let mut told = Vec::new();
    let mut before: Option<Side> = None;
    for (index, g) in all.iter().enumerate() {
        let known = inside.get(&g.toplevel);
        let side = compare::read_built(root, &g.toplevel, known.cloned()).ok();
        let changes = match (&before, &side) {
            (Some(before), Some(side)) if index > 0 => Some(compare::count(before, side)),
            _ => None,
        };
        let last = history.last(&g.toplevel);
        told.push(Generation {
            number: g.number,
            toplevel: g.toplevel.clone(),
            time: g.time,
            current: g.current,
            active: active == Some(g.number),
            booted: booted == Some(g.number),
            missing: side.is_none(),
            activated: last.map(|past| past.time),
            failed: last.map(|past| past.failed.clone()).unwrap_or_default(),
            origin: history
                .origin(g.number, &g.toplevel)
                .cloned()
                .unwrap_or_default(),
            changes,
            packages: known.map(|(packages, _)| packages.len()),
            bytes: known.map(|(_, size)| size.bytes),
        });
        before = side;
    }
    Ok(Told {
        version: 1,
        generations: told,
    })
}

/// Renders the list. Pure.
#[must_use]
pub(crate) fn render(told: &Told, style: Style) -> String {
    let mut out = String::new();
    for g in &told.generations {
        let mark = if g.current { "*" } else { " " };
        let words = marks(g, style).join(", ");
        let words = if words.is_empty() {
            words
        } else {
            format!("  {words}")
        };
        line(
            &mut out,
            &format!("{mark} {:>4}  {}{words}", g.number, render_time(g.time)),
        );
        for text in details(g, style) {
            line(
                &mut out,
                &style.paint(Color::Dim, &format!("        {text}")),
            );
        }
    }
    out
}

fn marks(g: &Generation, style: Style) -> Vec<String> {
    let all = [
        (g.active, "active", Color::Green),
        (g.booted, "booted", Color::Bold),
        (!g.failed.is_empty(), "failed", Color::Red),
        (g.missing, "its toplevel is gone", Color::Red),
    ];
    all.into_iter()
        .filter(|(is, ..)| *is)
        .map(|(_, word, color)| style.paint(color, word))
        .collect()
}

fn details(g: &Generation, style: Style) -> Vec<String> {
    let mut details = Vec::new();
    let Origin {
        source,
        revision,
        message,
    } = &g.origin;
    details.extend(message.as_ref().map(|m| format!("\"{m}\"")));
    let revision = revision.as_ref().map(|r| {
        let short = r.get(..REVISION).filter(|_| !style.full).unwrap_or(r);
        format!("revision {short}")
    });
    let from = source.as_ref().map(|s| format!("from {s}"));
    let from: Vec<String> = [from, revision].into_iter().flatten().collect();
    details.extend((!from.is_empty()).then(|| from.join(", ")));
    let size = g.packages.zip(g.bytes);
    let size = size.map(|(n, bytes)| match n {
        0 => show_bytes(bytes),
        n => format!("{}, {}", count(n, "package"), show_bytes(bytes)),
    });
    let parts: Vec<String> = [g.changes.map(changed), size]
        .into_iter()
        .flatten()
        .collect();
    details.extend((!parts.is_empty()).then(|| parts.join("; ")));
    details.extend(g.failed.iter().map(|text| format!("failed: {text}")));
    if style.full || g.missing {
        details.push(g.toplevel.to_string());
    }
    details
}

fn changed(counts: Counts) -> String {
    match counts.text() {
        text if text.is_empty() => "nothing changed".to_owned(),
        text => format!("changed: {text}"),
    }
}

/// Which generations are removed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Choice {
    /// These.
    pub numbers: Vec<u64>,
    /// All but the last so many.
    pub keep: Option<usize>,
    /// Those that were registered before this time.
    pub before: Option<u64>,
}

/// Returns the generations that are chosen; what is active, booted or current stays. Pure.
///
/// # Errors
/// When a number is of none, or of one that stays.
pub(crate) fn choose<'a>(told: &'a Told, choice: &Choice) -> Result<Vec<&'a Generation>> {
    let all = &told.generations;
    for number in &choice.numbers {
        let Some(named) = all.iter().find(|g| g.number == *number) else {
            anyhow::bail!(
                "there is no generation {number}\nhint: `system-manager generations` lists them"
            );
        };
        if let Some(why) = why_it_stays(named) {
            anyhow::bail!(
                "generation {number} {why}, so it is kept\nhint: first switch to another one, for example with `system-manager rollback`"
            );
        }
    }
    let is_old = choice.keep.map(|keep| all.len().saturating_sub(keep));
    let mut chosen = Vec::new();
    for (index, g) in all.iter().enumerate() {
        let by_rule = (choice.keep.is_some() || choice.before.is_some())
            && is_old.is_none_or(|old| index < old)
            && choice.before.is_none_or(|time| g.time < time);
        if choice.numbers.contains(&g.number) || by_rule && why_it_stays(g).is_none() {
            chosen.push(g);
        }
    }
    Ok(chosen)
}

fn why_it_stays(g: &Generation) -> Option<&'static str> {
    match g {
        Generation { active: true, .. } => Some("is active"),
        Generation { current: true, .. } => Some("is the profile's current one"),
        Generation { booted: true, .. } => Some("was booted"),
        _ => None,
    }
}

/// Returns what only these toplevels need: how many store paths and bytes; none where nobody knows.
#[must_use]
pub(crate) fn freed(
    root: &Root,
    told: &Told,
    chosen: &[&Generation],
) -> Option<crate::model::packages::Size> {
    let is_chosen = |g: &Generation| chosen.iter().any(|c| c.number == g.number);
    let (gone, kept): (Vec<_>, Vec<_>) = told.generations.iter().partition(|g| is_chosen(g));
    let paths = |of: Vec<&Generation>| {
        of.into_iter()
            .map(|g| g.toplevel.clone())
            .collect::<Vec<_>>()
    };
    closure::contents::only_in(root, &paths(gone), &paths(kept))
}
