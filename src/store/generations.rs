//! The profile: numbered links to toplevels, in the layout that `nix-env --profile` uses, so that Nix keeps them alive.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use serde::Serialize;

use crate::host::fs::Root;
use crate::model::names::AbsolutePath;
use crate::model::node::Node;

pub(crate) const FOLDER: &str = "nix/var/nix/profiles/system-manager-profiles";
const NAME: &str = "system-manager";
/// What toplevels of numtide/system-manager have, and ours have not.
const ENTRIES_OF_ANOTHER: &str = "etcFiles/etcFiles.json";

/// The profile's link, which points at the current generation.
pub(crate) const PROFILE: &str = "nix/var/nix/profiles/system-manager-profiles/system-manager";

/// A numbered toplevel of the profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Generation {
    /// Its number, from 1.
    pub number: u64,
    /// What it links to.
    pub toplevel: AbsolutePath,
    /// When it was registered, in seconds since 1970.
    pub time: u64,
    /// Whether the profile points at it.
    pub current: bool,
    /// Whether numtide/system-manager has made it, which uses the same profile.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub of_another: bool,
}

/// Where the link of a generation is.
pub(crate) fn link_path(number: u64) -> PathBuf {
    PathBuf::from(format!("{FOLDER}/{NAME}-{number}-link"))
}

fn profile_path() -> PathBuf {
    PathBuf::from(format!("{FOLDER}/{NAME}"))
}

/// Lists the generations, oldest first.
///
/// # Errors
/// When the profile can't be read.
pub(crate) fn read(root: &Root) -> Result<Vec<Generation>> {
    let current = current_number(root)?;
    let mut generations = Vec::new();
    for name in root.list(Path::new(FOLDER))? {
        let Some(number) = parse_link_name(&name) else {
            continue;
        };
        let Node::Link { to } = root.node(&link_path(number))? else {
            continue;
        };
        let toplevel = to
            .parse()
            .with_context(|| format!("reading generation {number}"))?;
        let time = root.link_time(&link_path(number))?;
        let of_another = root.stat_in_root(&Path::new(&to).join(ENTRIES_OF_ANOTHER))?;
        generations.push(Generation {
            of_another: of_another.is_some(),
            number,
            toplevel,
            time,
            current: current == Some(number),
        });
    }
    generations.sort_by_key(|g| g.number);
    Ok(generations)
}

/// Gives the number that the profile points at.
fn current_number(root: &Root) -> Result<Option<u64>> {
    Ok(match root.node(&profile_path())? {
        Node::Link { to } => parse_link_name(&to),
        _ => None,
    })
}

fn parse_link_name(name: &str) -> Option<u64> {
    name.strip_prefix(NAME)?
        .strip_prefix('-')?
        .strip_suffix("-link")?
        .parse()
        .ok()
}

/// What registering a toplevel has done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Registered {
    /// The generation's number.
    pub number: u64,
    /// Whether it was made; otherwise it was there already.
    pub is_new: bool,
    /// The generation that was current before.
    pub before: Option<u64>,
}

/// Registers a toplevel as the newest generation, unless it is the current one, or the newest already.
///
/// # Errors
/// When the links can't be written.
pub(crate) fn register(root: &Root, toplevel: &AbsolutePath) -> Result<Registered> {
    let generations = read(root)?;
    let current = generations.iter().find(|g| g.current);
    let before = current.map(|g| g.number);
    if let Some(same) = current.filter(|g| g.toplevel == *toplevel) {
        return Ok(Registered {
            number: same.number,
            is_new: false,
            before,
        });
    }
    // As Nix does. It may be the link of a run that was killed before the profile pointed at it.
    let newest = generations.last();
    let same = newest.filter(|g| g.toplevel == *toplevel);
    let number = same.map_or_else(|| newest.map_or(1, |g| g.number + 1), |g| g.number);
    if same.is_none() {
        root.make_folders(Path::new(FOLDER))?;
        root.write_link(&link_path(number), toplevel.as_str())?;
    }
    let registered = Registered {
        number,
        is_new: same.is_none(),
        before,
    };
    if let Err(error) = select(root, number) {
        // The first error is the one to report. A link that stays is taken for the next generation of this toplevel.
        let _ = withdraw(root, &registered);
        return Err(error);
    }
    Ok(registered)
}

/// Takes a registration back, when nothing came of it.
///
/// # Errors
/// When the links can't be written.
pub(crate) fn withdraw(root: &Root, registered: &Registered) -> Result<()> {
    match registered.before {
        Some(before) => select(root, before)?,
        None => root.remove_file(&profile_path())?,
    }
    if registered.is_new {
        root.remove_file(&link_path(registered.number))?;
    }
    root.sync()
}

/// Points the profile at a generation.
///
/// # Errors
/// When the link can't be written.
pub(crate) fn select(root: &Root, number: u64) -> Result<()> {
    root.write_link(&profile_path(), &format!("{NAME}-{number}-link"))?;
    root.sync()
}

/// Points the profile at no generation; the generations stay.
///
/// # Errors
/// When the link can't be removed.
pub(crate) fn deselect(root: &Root) -> Result<()> {
    root.remove_file(&profile_path())?;
    root.sync()
}

/// Removes a generation's link.
///
/// # Errors
/// When it can't be removed.
pub(crate) fn forget(root: &Root, number: u64) -> Result<()> {
    root.remove_file(&link_path(number))?;
    root.sync()
}

/// Finds the generation to roll back to: `to`, or the one before the active toplevel's.
///
/// # Errors
/// When there is none.
pub(crate) fn rollback_target(
    generations: &[Generation],
    active: Option<&AbsolutePath>,
    to: Option<u64>,
) -> Result<Generation> {
    let found = match to {
        Some(number) => generations.iter().find(|g| g.number == number),
        None => {
            // A toplevel can be registered more than once; the profile says which one it is now.
            let now = generations
                .iter()
                .filter(|g| active.is_none_or(|a| g.toplevel == *a))
                .max_by_key(|g| (g.current, g.number))
                .or_else(|| generations.iter().find(|g| g.current));
            now.and_then(|now| {
                // The same toplevel under an older number would be no way back.
                let before = |g: &&Generation| {
                    g.number < now.number && g.toplevel != now.toplevel && !g.of_another
                };
                generations.iter().rev().find(before)
            })
        }
    };
    if let Some(theirs) = found.filter(|g| g.of_another) {
        bail!(
            "generation {} belongs to numtide/system-manager, and can't be activated by this program\nhint: use `system-manager rollback` to go to another one, or `system-manager deactivate` to restore what was there before both programs",
            theirs.number
        );
    }
    found.cloned().ok_or_else(|| match to {
        Some(number) => anyhow!("there is no generation {number}\nhint: `system-manager generations` lists them"),
        None => anyhow!("there is no generation to roll back to\nhint: `system-manager generations` lists them; `system-manager deactivate` removes everything"),
    })
}
