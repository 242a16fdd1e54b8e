//! What is of this boot only: overlays on `/etc` and on what is remembered, whose upper layers are in `/run`. The activation
//! above them is the same as any; a reboot drops it, and `deactivate` goes back to what was active and takes them off.
#![expect(
    clippy::disallowed_methods,
    reason = "reads, makes and removes what is in /run"
)]

use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::activation::plan::{Goal, Plan};
use crate::host::fs::Root;
use crate::host::overlay;
use crate::model::conflict::Conflict;
use crate::model::names::AbsolutePath;
use crate::store::{self, EPHEMERAL as FOLDER, EPHEMERAL_BEFORE as BEFORE};

/// The folders with an overlay, and where in `/run` that is.
const LAYERS: [(&str, &str); 2] = [("/var/lib/system-manager", "state"), ("/etc", "etc")];

/// What whoever changes accounts leaves beside the databases; of no use once these are what they were.
const OF_ACCOUNTS: [&str; 7] = [
    "passwd-",
    "shadow-",
    "group-",
    "gshadow-",
    "subuid-",
    "subgid-",
    ".pwd.lock",
];

/// How an activation is of this boot only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Ephemeral {
    /// The overlays come.
    Begins,
    /// They are there, and stay.
    Stays,
    /// What was active before becomes so again, and the overlays go.
    Ends,
}

/// Whether what is active is of this boot only.
///
/// # Errors
/// When the mounts can't be read.
pub(crate) fn is_in_force(root: &Root) -> Result<bool> {
    if !root.is_live() {
        return Ok(false);
    }
    for (folder, name) in LAYERS {
        if overlay::find(Path::new(folder), &Path::new(FOLDER).join(name))?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Returns what reaching `goal` comes to here, and how that is of this boot only.
///
/// # Errors
/// When what was active before can't be read.
pub(crate) fn resolve(
    root: &Root,
    goal: Goal,
    is_asked: bool,
) -> Result<(Goal, Option<Ephemeral>)> {
    Ok(match (is_in_force(root)?, goal) {
        (true, Goal::Deactivate) => (before()?, Some(Ephemeral::Ends)),
        (true, goal) if is_asked => (goal, Some(Ephemeral::Stays)),
        (false, goal) if is_asked => (goal, Some(Ephemeral::Begins)),
        (_, goal) => (goal, None),
    })
}

fn before() -> Result<Goal> {
    let path = Path::new(FOLDER).join(BEFORE);
    let inner = || -> Result<Goal> {
        let text = fs::read_to_string(&path)?;
        Ok(match text.trim() {
            "" => Goal::Deactivate,
            toplevel => Goal::Activate(toplevel.parse::<AbsolutePath>()?),
        })
    };
    inner().with_context(|| {
        format!(
            "reading {}, which says what was active before\nhint: a reboot undoes a switch with --ephemeral",
            path.display()
        )
    })
}

/// Finds what forbids an activation that is, or is not, of this boot only.
///
/// # Errors
/// When the mounts can't be read.
pub(crate) fn find_conflicts(root: &Root, plan: &Plan) -> Result<Vec<Conflict>> {
    let conflict = |subject: &str, cause: &str, remedy: &str| Conflict {
        subject: subject.to_owned(),
        cause: cause.to_owned(),
        remedy: remedy.to_owned(),
    };
    let mut found = Vec::new();
    match plan.ephemeral {
        Some(Ephemeral::Ends) => return Ok(found),
        None if is_in_force(root)? => found.push(conflict(
            "/etc",
            "is temporary: a switch with --ephemeral is active, so anything written now would be lost with it",
            "go back to what was active before with `system-manager deactivate`, or use --ephemeral again",
        )),
        None => return Ok(found),
        Some(Ephemeral::Begins) if !root.is_live() => found.push(conflict(
            "--ephemeral",
            "is only for the running system",
            "leave out --root or --ephemeral",
        )),
        Some(Ephemeral::Begins) => {
            if plan.takeover.is_some() {
                found.push(conflict(
                    "numtide/system-manager",
                    "manages this host, and can't be taken over with --ephemeral",
                    "switch without --ephemeral, or deactivate first",
                ));
            }
            if plan.resumes.is_some() {
                found.push(conflict(
                    "an interrupted activation",
                    "must be finished first",
                    "switch or deactivate without --ephemeral",
                ));
            }
            if !overlay::is_shared()? {
                found.push(conflict(
                    "this process",
                    "has a mount namespace of its own, so nobody else would see its mounts",
                    "run it outside whatever created that namespace, such as a service with PrivateMounts=",
                ));
            }
            for at in overlay::mounts_below(Path::new("/etc"))? {
                found.push(conflict(
                    &at.display().to_string(),
                    "is a mount point, which an overlay on /etc would hide",
                    "unmount it, or switch without --ephemeral",
                ));
            }
        }
        Some(Ephemeral::Stays) => {}
    }
    found.extend(outside(plan));
    Ok(found)
}

/// What a plan would leave behind: what is neither in `/etc` nor in a folder that the next boot finds empty.
fn outside(plan: &Plan) -> impl Iterator<Item = Conflict> {
    let is_outside = |path: &str| {
        let path = Path::new(path);
        !["/etc", "/run", "/dev", "/proc", "/sys"]
            .iter()
            .any(|place| path.starts_with(place))
    };
    let made = plan.tmpfiles.changes.iter().map(|change| &change.path);
    let homes = plan.accounts.homes.iter().map(|home| &home.path);
    let linger = plan.accounts.linger.keys();
    let linger = linger.map(|user| format!("/var/lib/systemd/linger/{user}"));
    let paths = made.chain(homes).cloned().chain(linger);
    let paths = paths.filter(move |path| is_outside(path));
    paths.map(|path| Conflict {
        subject: path,
        cause: "is outside /run and /etc, so it would remain after the next boot".to_owned(),
        remedy: "remove it from the configuration, or switch without --ephemeral".to_owned(),
    })
}

/// Puts the overlays on.
///
/// # Errors
/// When the kernel can't do that; then none is left.
pub(crate) fn begin(root: &Root, plan: &Plan) -> Result<()> {
    store::make_folder(root)?;
    let before = plan.from.as_ref().map_or("", AbsolutePath::as_str);
    let path = Path::new(FOLDER).join(BEFORE);
    fs::create_dir_all(FOLDER)
        .and_then(|()| fs::write(&path, before))
        .with_context(|| format!("writing {}", path.display()))?;
    for (number, (folder, name)) in LAYERS.iter().enumerate() {
        // Of a run that was killed here.
        let place = Path::new(FOLDER).join(name);
        if overlay::find(Path::new(folder), &place)?.is_some() {
            continue;
        }
        if let Err(error) = overlay::put_on(Path::new(folder), &place) {
            for (folder, _) in &LAYERS[..number] {
                overlay::take_off(Path::new(folder))?;
            }
            return Err(error);
        }
    }
    root.forget_last();
    Ok(())
}

/// Takes the overlays off, and returns what others have written to `/etc` since, which goes with them.
///
/// # Errors
/// When that can't be done.
pub(crate) fn end(root: &Root) -> Result<Vec<PathBuf>> {
    for (folder, name) in LAYERS {
        let place = Path::new(FOLDER).join(name);
        while overlay::find(Path::new(folder), &place)?.is_some() {
            overlay::take_off(Path::new(folder))?;
        }
    }
    root.forget_last();
    let upper = Path::new(FOLDER).join("etc/upper");
    let mut left = Vec::new();
    find_left(&upper, Path::new("/etc"), &mut left)
        .with_context(|| format!("reading what is left in {}", upper.display()))?;
    if left.is_empty() {
        fs::remove_dir_all(FOLDER).with_context(|| format!("removing {FOLDER}"))?;
    } else {
        // For whoever misses it; until the next boot.
        let kept = (1..).map(|n| PathBuf::from(format!("{FOLDER}-left-{n}")));
        let free = kept.into_iter().find(|path| !path.exists());
        let free = free.unwrap_or_default();
        fs::rename(FOLDER, &free).with_context(|| format!("keeping {}", free.display()))?;
        left.insert(0, free.join("etc/upper"));
    }
    Ok(left)
}

/// Adds what of a layer is not what is beneath it.
fn find_left(upper: &Path, beneath: &Path, left: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(upper)? {
        let entry = entry?;
        let (above, below) = (entry.path(), beneath.join(entry.file_name()));
        let kind = entry.file_type()?;
        // A character device stands for what was removed.
        let is_same = if kind.is_char_device() {
            below.symlink_metadata().is_err()
        } else if kind.is_dir() {
            if below.is_dir() {
                find_left(&above, &below, left)?;
                continue;
            }
            false
        } else if kind.is_symlink() {
            fs::read_link(&above).ok() == fs::read_link(&below).ok()
        } else {
            fs::read(&above).ok() == fs::read(&below).ok()
        };
        let is_of_accounts = OF_ACCOUNTS
            .iter()
            .any(|name| below == Path::new("/etc").join(name));
        if !is_same && !is_of_accounts {
            left.push(below);
        }
    }
    Ok(())
}
