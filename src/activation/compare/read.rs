//! Reads what is compared: a configuration that was built, and what stands on the disk now.
#![expect(clippy::disallowed_methods, reason = "reads what the store has")]

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use super::{Change, Entry, Found, Side, TextChange, change_of};
use crate::accounts::apply::read_overview;
use crate::activation::state::State;
use crate::activation::{described, observe, prepare};
use crate::closure::contents::Inside;
use crate::files::diff::render_behind;
use crate::files::wanted::{Desired, Want};
use crate::host::fs::Root;
use crate::model::manifest::{Accounts, EtcMode, Manifest};
use crate::model::names::{AbsolutePath, TargetPath};
use crate::model::node::Node;
use crate::model::packages::Contents;
use crate::model::text_diff::{self, HIDDEN};
use crate::store::toplevel::read_manifest;
use crate::{basics, blocks};

/// Reads a configuration that was built; `inside` is what is known of its closure.
///
/// # Errors
/// When it is none, or what it names is missing.
pub(crate) fn read_built(
    root: &Root,
    toplevel: &AbsolutePath,
    inside: Option<Inside>,
) -> Result<Side> {
    let manifest = read_manifest(Path::new(toplevel.as_str()))?;
    let desired = prepare::desired(root, &State::read(root)?, &manifest)?;
    side_of(toplevel, &manifest, &desired, inside)
}

fn side_of(
    toplevel: &AbsolutePath,
    manifest: &Manifest,
    desired: &Desired,
    inside: Option<Inside>,
) -> Result<Side> {
    let files = desired.iter().map(|(t, w)| (t.clone(), entry(w)));
    Ok(Side {
        toplevel: Some(toplevel.clone()),
        files: files.collect(),
        accounts: read_accounts(&manifest.accounts)?,
        scripts: read_scripts(manifest),
        settings: basics::places::settings(&manifest.basics),
        lines: manifest.blocks.clone(),
        contents: Contents {
            named: manifest.packages.names.clone(),
            all: inside,
        },
    })
}

fn entry(want: &Want) -> Entry {
    let (placed, is_public) = match want.mode {
        EtcMode::Symlink | EtcMode::DirectSymlink => ("a link".to_owned(), true),
        EtcMode::Copy(mode) => {
            let placed = format!("mode {mode:04o}, owner {}:{}", want.user, want.group);
            (placed, mode & 0o004 != 0)
        }
    };
    Entry {
        placed,
        is_public,
        found: Found::At(want.source.to_string()),
    }
}

/// The script is what counts, not where it is; one that can't be read is told by its place.
fn read_scripts(manifest: &Manifest) -> BTreeMap<String, String> {
    let scripts = manifest.activation_scripts.iter();
    scripts
        .map(|s| {
            let text = std::fs::read_to_string(s.script.as_str());
            (
                s.name.clone(),
                text.unwrap_or_else(|_| s.script.to_string()),
            )
        })
        .collect()
}

/// The fields of each account that are set.
fn read_accounts(accounts: &Accounts) -> Result<BTreeMap<String, BTreeMap<String, String>>> {
    let users = accounts.users.iter();
    let users = users.map(|(n, u)| Ok((format!("user {n}"), serde_json::to_value(u)?)));
    let groups = accounts.groups.iter();
    let groups = groups.map(|(n, g)| Ok((format!("group {n}"), serde_json::to_value(g)?)));
    let all: Result<Vec<(String, Value)>> = users.chain(groups).collect();
    Ok(all?
        .into_iter()
        .map(|(n, value)| (n, fields(&value)))
        .collect())
}

fn fields(value: &Value) -> BTreeMap<String, String> {
    let set = value.as_object().into_iter().flatten();
    set.filter(|(_, v)| !v.is_null())
        .map(|(name, value)| {
            let text = match value {
                Value::String(text) => text.clone(),
                Value::Array(items) => {
                    let items = items
                        .iter()
                        .map(|i| i.as_str().map_or_else(|| i.to_string(), str::to_owned));
                    items.collect::<Vec<_>>().join(" ")
                }
                other => other.to_string(),
            };
            (name.clone(), text)
        })
        .collect()
}

/// Reads what is active, with what was changed by hand since.
///
/// # Errors
/// When the state, or a file, can't be read.
pub(crate) fn read_live(root: &Root, inside: Option<Inside>) -> Result<Side> {
    let state = State::read(root)?;
    let (Some(active), Some(manifest)) = (&state.active, described::read_active(root, &state)?)
    else {
        return Ok(Side::default());
    };
    let desired = prepare::desired(root, &state, &manifest)?;
    let mut side = side_of(&active.toplevel, &manifest, &desired, inside)?;
    let observed = observe::read_host(root, state, &desired)?;
    for (target, changed) in described::find(root, &manifest, &desired, &observed)?.changed {
        let described::Changed { now, wanted } = changed;
        if now == Node::Absent {
            side.files.remove(&target);
        } else if desired.contains_key(&target) {
            place(root, &mut side, &target, &now, wanted.as_ref())?;
        } else if let Some(option) = basics::places::option_of(target.as_str()) {
            let changed = "(changed by hand)".to_owned();
            side.settings.insert(option.to_owned(), changed);
        }
    }
    let state: State = observed.state;
    for (target, file) in &state.files.entries {
        match observed.seen.files.nodes.get(target) {
            Some(now) if now == file.node() => {}
            Some(Node::Absent) | None => {
                side.files.remove(target);
            }
            Some(now) => place(root, &mut side, target, now, Some(file.node()))?,
        }
    }
    for (target, is_gone) in blocks::decide::find_drift(&state.blocks, &observed.seen.blocks) {
        let text = if is_gone { "" } else { "(changed by hand)\n" };
        side.lines.insert(target, text.to_owned());
    }
    let by_hand = basics::decide::settings_by_hand(&state.basics, &observed.seen.basics);
    side.settings.extend(by_hand);
    for drift in read_overview(root, None, state.accounts)?.drift {
        let kind = if drift.file.name().contains("group") {
            "group"
        } else {
            "user"
        };
        let name = format!("{kind} {}", drift.name);
        let Some(field) = &drift.field else {
            side.accounts.remove(&name);
            continue;
        };
        let found = drift
            .found
            .as_ref()
            .map_or("(not shown)".into(), |v| v.text());
        let fields = side.accounts.entry(name).or_default();
        fields.insert(field.clone(), format!("{found} (set by hand)"));
    }
    Ok(side)
}

/// Puts what stands on the disk in the place of what was built. It is told how it is placed only if that differs.
fn place(
    root: &Root,
    side: &mut Side,
    target: &TargetPath,
    now: &Node,
    then: Option<&Node>,
) -> Result<()> {
    let mut entry = on_disk(root, target, now)?;
    if let Some(built) = side.files.get(target)
        && then.is_some_and(|then| is_placed_alike(now, then))
    {
        entry.placed.clone_from(&built.placed);
    }
    side.files.insert(target.clone(), entry);
    Ok(())
}

fn is_placed_alike(now: &Node, then: &Node) -> bool {
    let bits = |node: &Node| match node {
        Node::File { mode, uid, gid, .. } => Some((*mode, *uid, *gid)),
        _ => None,
    };
    bits(now).is_some() && bits(now) == bits(then)
}

fn on_disk(root: &Root, target: &TargetPath, node: &Node) -> Result<Entry> {
    let (placed, is_public, found) = match node {
        Node::File { mode, uid, gid, .. } => (
            format!("mode {mode:04o}, owner {uid}:{gid}"),
            mode & 0o004 != 0,
            Found::Read(root.read(&target.in_etc())?),
        ),
        Node::Link { to } => (format!("a link to {to}"), true, Found::At(to.to_string())),
        _ => ("no file".to_owned(), true, Found::Read(None)),
    };
    Ok(Entry {
        placed,
        is_public,
        found,
    })
}

impl Entry {
    /// What is in it; none when it is a folder, or leads nowhere.
    fn read(&self) -> Result<Option<Vec<u8>>> {
        let path = match &self.found {
            Found::Read(content) => return Ok(content.clone()),
            Found::At(path) => Path::new(path),
        };
        // A link whose text is relative stays in its folder, and is told by its text.
        if !path.is_absolute() || !path.is_file() {
            return Ok(None);
        }
        std::fs::read(path)
            .with_context(|| format!("reading {}", path.display()))
            .map(Some)
    }

    fn place(&self) -> &str {
        match &self.found {
            Found::At(path) => path,
            Found::Read(_) => "",
        }
    }
}

/// Compares two files; none when they only come from different places.
pub(super) fn compare_files(
    old: Option<&Entry>,
    new: Option<&Entry>,
) -> Result<Option<TextChange>> {
    let content = |entry: Option<&Entry>| entry.map_or(Ok(None), Entry::read);
    let (before, after) = (content(old)?, content(new)?);
    let change = change_of(old, new);
    let placed = match (old, new) {
        (Some(old), Some(new)) if old.placed != new.placed => {
            Some(format!("{} -> {}", old.placed, new.placed))
        }
        _ => None,
    };
    let is_public = old.into_iter().chain(new).all(|e| e.is_public);
    let diff = match (&before, &after) {
        (Some(a), Some(b)) if a == b => String::new(),
        (None, None) => match (old, new) {
            (Some(a), Some(b)) if a.place() != b.place() => {
                format!("-{}\n+{}\n", a.place(), b.place())
            }
            _ => String::new(),
        },
        _ if !is_public => HIDDEN.to_owned(),
        (Some(before), Some(after)) => {
            text_diff::render(before, after) + &render_behind(before, after)
        }
        (before, after) => text_diff::render(
            before.as_deref().unwrap_or_default(),
            after.as_deref().unwrap_or_default(),
        ),
    };
    let same = change == Change::Changed && placed.is_none() && diff.is_empty();
    Ok((!same).then_some(TextChange {
        change,
        placed,
        diff,
    }))
}
