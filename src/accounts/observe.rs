//! Account databases on disk: what is there, and carrying out what was decided. Thin: the decision is in [`crate::accounts::decide`].
//!
//! Everything is below a root folder, `/` or another one. A run holds [`AccountsLock`], writes its claims first, then
//! each file by rename, and last the claims that hold from then on; stopped anywhere, the next run makes it whole.
#![expect(clippy::disallowed_methods, reason = "reads the account databases")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::sys::stat::SFlag;
use sha2::{Digest, Sha256};

use crate::accounts::database::{AccountBytes, AccountFile, Bytes, Table, passwd};
use crate::accounts::decide::{AccountsPlan, Home, Observed};
use crate::accounts::forsaken;
use crate::accounts::lock::AccountsLock;
use crate::accounts::login_defs::parse_login_defs;
use crate::accounts::password::SALT_BYTES;
use crate::accounts::record::AccountsRecord;
use crate::accounts::record_file::{read_record, write_record};
use crate::host::fs::at::{self as io, NewMode};
use crate::host::kernel;
use crate::model::manifest::Accounts;
use crate::store::owned::Record as _;

const LINGER_FOLDER: &str = "var/lib/systemd/linger";

const WORLD_READABLE: NewMode = NewMode {
    mode: 0o644,
    uid: 0,
    gid: 0,
};

/// Switches a user's lingering on a running system, where `loginctl` starts or stops the user's manager too.
pub(crate) type Linger<'a> = &'a dyn Fn(&str, bool) -> Result<()>;

/// Takes the locks of the account databases below `root`.
///
/// # Errors
/// When another program holds them for more than 15 seconds, or there is no `/etc`.
pub fn lock_accounts(root: &Path) -> Result<AccountsLock> {
    AccountsLock::take(open_etc(root)?)
}

/// Reads all that the decision needs to know about the host. Reads only. `takes_over` says whether the program goes whose
/// shells accounts may have.
///
/// # Errors
/// When something exists but can't be read: that is never taken for an empty file.
pub fn observe_accounts(
    root: &Path,
    desired: &Accounts,
    record: &AccountsRecord,
    takes_over: bool,
) -> Result<Observed> {
    let etc = open_etc(root)?;
    let mut files = AccountBytes::new();
    for file in AccountFile::ALL {
        if file == AccountFile::Shells && is_link(&etc, file.name())? {
            continue; // A distribution that links it to its own copy keeps it to itself.
        }
        let read = io::read_at(&etc, file.name()).with_context(|| format!("reading {file}"))?;
        if let Some(bytes) = read {
            files.insert(file, bytes);
        }
    }
    let root_fd = io::open_root(root)?;
    let mut defs = None;
    // A link is followed: it is only read.
    for place in ["etc/login.defs", "usr/etc/login.defs"] {
        if defs.is_none() {
            defs = io::read_in_root(&root_fd, Path::new(place))
                .with_context(|| format!("reading /{place}"))?;
        }
    }
    let nologin = ["/usr/sbin/nologin", "/sbin/nologin", "/usr/bin/nologin"]
        .into_iter()
        .find(|s| is_program(root, s))
        .unwrap_or("/bin/false");
    let forsaken = if takes_over {
        forsaken::find(&files, nologin, &|path| is_program(root, path))
    } else {
        BTreeMap::new()
    };
    let mut candidates = shells_in_play(desired, record);
    candidates.extend(forsaken.values().cloned());
    Ok(Observed {
        forsaken,
        homes: observe_homes(root, desired, &files)?,
        shells: candidates
            .into_iter()
            .filter(|s| is_program(root, s))
            .collect(),
        nologin: nologin.to_owned(),
        password_files: read_password_files(root, desired),
        lingering: list_lingering(root)?,
        ranges: parse_login_defs(&defs.unwrap_or_default()),
        today: SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| {
                i64::try_from(since.as_secs() / 86400).unwrap_or(i64::MAX)
            }),
        files,
    })
}

/// One part of carrying out a plan. Each can be repeated; they are made in the order of [`steps`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Remember what is about to be done.
    Claim,
    /// Replace a database.
    File(AccountFile),
    /// Make a home or put it right: its number in the plan.
    Home(usize),
    /// Switch a user's lingering.
    Linger(String, bool),
    /// Remember that it is done.
    Finish,
}

/// Gives the steps of a plan, in order.
#[must_use]
pub fn steps(plan: &AccountsPlan) -> Vec<Step> {
    if plan.is_empty() {
        return Vec::new();
    }
    let linger = |wanted: bool| {
        let users = plan.linger.iter().filter(move |(_, on)| **on == wanted);
        users.map(|(name, on)| Step::Linger(name.clone(), *on))
    };
    let mut steps = vec![Step::Claim];
    // A user whose entry is gone is nobody to logind any more, and one without an entry is not yet somebody.
    steps.extend(linger(false));
    steps.extend(plan.files.keys().map(|&file| Step::File(file)));
    steps.extend((0..plan.homes.len()).map(Step::Home));
    steps.extend(linger(true));
    steps.push(Step::Finish);
    steps
}

/// Carries out a plan, holding the lock under which it was made.
///
/// # Errors
/// When a database is not what the plan was made from any more, or can't be written. Nothing is half-written.
pub fn apply_accounts(
    root: &Path,
    plan: &AccountsPlan,
    lock: &AccountsLock,
    linger: Option<Linger<'_>>,
) -> Result<()> {
    check_unchanged(root, plan)?;
    for step in steps(plan) {
        apply_step(root, plan, &step, lock, linger)?;
    }
    Ok(())
}

/// Carries out one step of a plan.
///
/// # Errors
/// As [`apply_accounts`].
pub fn apply_step(
    root: &Path,
    plan: &AccountsPlan,
    step: &Step,
    _lock: &AccountsLock,
    linger: Option<Linger<'_>>,
) -> Result<()> {
    match step {
        Step::Claim => write_record(root, &plan.record),
        Step::Finish => {
            let mut record = plan.record.clone();
            record.commit(plan);
            write_record(root, &record)
        }
        Step::File(file) => {
            write_database(root, plan, *file).with_context(|| format!("writing {file}"))
        }
        Step::Home(at) => apply_home(root, plan, *at),
        Step::Linger(name, on) => {
            let done = match linger {
                Some(linger) => linger(name, *on),
                None => write_linger(root, name, *on),
            };
            match done {
                // logind does not know somebody whom another program took out; the file is all that is left.
                Err(_) if !on => write_linger(root, name, false),
                done => done,
            }
            .with_context(|| format!("setting the lingering of {name} in /{LINGER_FOLDER}"))
        }
    }
}

fn check_unchanged(root: &Path, plan: &AccountsPlan) -> Result<()> {
    let etc = open_etc(root)?;
    for (file, change) in &plan.files {
        let now = io::read_at(&etc, file.name()).with_context(|| format!("reading {file}"))?;
        if now != change.before && now != change.after {
            bail!(
                "another program has changed {file} since the plan was made\nhint: run this again"
            );
        }
    }
    Ok(())
}

fn write_database(root: &Path, plan: &AccountsPlan, file: AccountFile) -> Result<()> {
    let Some(change) = plan.files.get(&file) else {
        return Ok(());
    };
    let etc = open_etc(root)?;
    let name = file.name();
    let now = io::read_at(&etc, name)?;
    if now == change.after {
        return Ok(());
    }
    if now != change.before {
        bail!("another program has changed it in the meantime\nhint: run this again");
    }
    if let Some(before) = now.filter(|_| file != AccountFile::Shells) {
        io::replace(
            &etc,
            &format!("{name}-"),
            &before,
            Some(name),
            WORLD_READABLE,
        )?;
    }
    match &change.after {
        Some(after) => io::replace(&etc, name, after, Some(name), WORLD_READABLE),
        None => io::remove(&etc, name),
    }
}

fn apply_home(root: &Path, plan: &AccountsPlan, at: usize) -> Result<()> {
    let Some(home) = plan.homes.get(at) else {
        return Ok(());
    };
    let inner = || -> Result<()> {
        let (parent, name) = io::open_parent(&io::open_root(root)?, &home.path, true)?
            .context("a folder on the way is missing")?;
        let mode = NewMode {
            mode: home.mode,
            uid: home.uid,
            gid: home.gid,
        };
        match io::stat_at(&parent, &name)? {
            None => io::make_folder(&parent, &name, mode),
            Some(_) => io::set_folder(&parent, &name, mode),
        }
    };
    inner().with_context(|| format!("making the home {} of {}", home.path, home.user))
}

/// Removes what a run that was killed has left of what it was making: locks, databases, homes. Reads only where there is
/// nothing of that.
///
/// # Errors
/// When something is there and can't be removed.
pub fn sweep(root: &Path) -> Result<()> {
    let root_fd = io::open_root(root)?;
    if let Some(etc) = io::open_folder(&root_fd, "etc")? {
        crate::accounts::lock::sweep(etc)
            .context("removing what an interrupted run has left in /etc")?;
    }
    // A record that can't be read is for the decision to tell of.
    let Ok((record, _)) = read_record(root, false) else {
        return Ok(());
    };
    for path in record
        .homes()
        .iter()
        .map(String::as_str)
        .chain([LINGER_FOLDER])
    {
        // Each folder on the way may have been missing, too.
        for above in Path::new(path).ancestors().filter_map(Path::to_str) {
            if let Ok(Some((parent, name))) = io::open_parent(&root_fd, above, false) {
                io::remove_unmade(&parent, &name).with_context(|| {
                    format!(
                        "removing what is left beside /{}",
                        above.trim_start_matches('/')
                    )
                })?;
            }
        }
    }
    Ok(())
}

fn write_linger(root: &Path, name: &str, on: bool) -> Result<()> {
    let folder = io::make_folders(&io::open_root(root)?, LINGER_FOLDER)?;
    if on {
        match io::make_file(&folder, name, WORLD_READABLE.mode, |_| Ok(())) {
            Ok(()) | Err(Errno::EEXIST) => Ok(nix::unistd::fsync(&folder)?),
            Err(e) => Err(e.into()),
        }
    } else {
        io::remove(&folder, name)
    }
}

/// Gives the commands that make running caches forget the old accounts, and label new homes, where there are such programs.
#[must_use]
pub(crate) fn after_commands(root: &Path, plan: &AccountsPlan) -> Vec<Vec<String>> {
    let command = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
    let mut commands = Vec::new();
    if !plan.files.is_empty() {
        if is_program(root, "/usr/sbin/nscd") {
            commands.push(command(&["/usr/sbin/nscd", "--invalidate", "passwd"]));
            commands.push(command(&["/usr/sbin/nscd", "--invalidate", "group"]));
        }
        if is_program(root, "/usr/sbin/sss_cache") {
            commands.push(command(&["/usr/sbin/sss_cache", "--users", "--groups"]));
        }
    }
    for home in plan.homes.iter().filter(|home| home.create) {
        if is_program(root, "/usr/sbin/restorecon") {
            commands.push(command(&["/usr/sbin/restorecon", &home.path]));
        }
    }
    commands
}

/// Gives a source of salts, from the kernel's random numbers.
///
/// # Errors
/// When `/dev/urandom` can't be read.
pub fn salts() -> Result<impl Fn() -> [u8; SALT_BYTES]> {
    let mut seed = [0; 32];
    File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut seed))
        .context("reading /dev/urandom")?;
    let count = std::cell::Cell::new(0_u64);
    Ok(move || {
        count.set(count.get() + 1);
        let digest = Sha256::new()
            .chain_update(seed)
            .chain_update(count.get().to_le_bytes())
            .finalize();
        std::array::from_fn(|at| digest[at])
    })
}

pub(crate) fn open_etc(root: &Path) -> Result<OwnedFd> {
    io::open_folder(&io::open_root(root)?, "etc")
        .and_then(|etc| etc.context("it does not exist"))
        .with_context(|| format!("opening {}", root.join("etc").display()))
}

fn is_link(etc: &OwnedFd, name: &str) -> Result<bool> {
    let stat = io::stat_at(etc, name).with_context(|| format!("looking at /etc/{name}"))?;
    Ok(stat.is_some_and(|s| io::kind(&s) == SFlag::S_IFLNK))
}

/// Gives the shells that a plan may set: declared ones, and those that it may put back.
fn shells_in_play(desired: &Accounts, record: &AccountsRecord) -> BTreeSet<String> {
    let declared = desired
        .users
        .values()
        .flat_map(|u| [&u.shell, &u.shell_fallback])
        .flatten()
        .map(|path| path.as_str().to_owned());
    let recorded = record
        .claims
        .values()
        .filter_map(|claims| claims.rows.get(&AccountFile::Passwd))
        .flat_map(BTreeMap::values)
        .filter_map(|row| row.cells.get(&passwd::SHELL))
        .map(|edit: &crate::accounts::record::Edit| Bytes::text(&edit.before).into_owned());
    declared.chain(recorded).collect()
}

/// Says whether a program exists; store paths are also looked for in the store of the running system.
fn is_program(root: &Path, path: &str) -> bool {
    let is_program = |m: &std::fs::Metadata| m.is_file() && m.mode() & 0o111 != 0;
    // What can't be looked at can't be run either.
    let below = io::open_root(root)
        .and_then(|root| io::stat_in_root(&root, Path::new(path)))
        .is_ok_and(|found| {
            found.is_some_and(|s| io::kind(&s) == SFlag::S_IFREG && s.st_mode & 0o111 != 0)
        });
    let in_store = || std::fs::metadata(path).is_ok_and(|m| is_program(&m));
    below || path.starts_with("/nix/store/") && in_store()
}

fn observe_homes(
    root: &Path,
    desired: &Accounts,
    files: &AccountBytes,
) -> Result<BTreeMap<String, Home>> {
    let bytes = files
        .get(&AccountFile::Passwd)
        .map_or(&[][..], Vec::as_slice);
    let table = Table::parse(AccountFile::Passwd, bytes);
    let root_fd = io::open_root(root)?;
    let mut homes = BTreeMap::new();
    for (name, user) in desired.users.iter().filter(|(_, u)| u.create_home) {
        let there = || {
            let row = table.row(name.as_bytes())?;
            std::str::from_utf8(table.field(row, passwd::HOME)).ok()
        };
        let declared = user
            .home
            .as_ref()
            .map(crate::model::names::AbsolutePath::as_str);
        let Some(path) = declared
            .or_else(there)
            .filter(|p| !p.trim_matches('/').is_empty())
        else {
            continue;
        };
        let home = match io::open_parent(&root_fd, path, false)
            .with_context(|| format!("looking at the home {path} of {name}"))?
        {
            None => Home::Missing,
            Some((parent, last)) => match io::stat_at(&parent, &last)
                .with_context(|| format!("looking at the home {path} of {name}"))?
            {
                None => Home::Missing,
                Some(s) if io::kind(&s) == SFlag::S_IFDIR => Home::Folder {
                    uid: s.st_uid,
                    gid: s.st_gid,
                    mode: kernel::bits_of(&s),
                },
                Some(_) => Home::Other,
            },
        };
        homes.insert(path.to_owned(), home);
    }
    Ok(homes)
}

fn read_password_files(
    root: &Path,
    desired: &Accounts,
) -> BTreeMap<String, Result<String, String>> {
    let paths = desired
        .users
        .values()
        .filter_map(|u| u.hashed_password_file.as_ref());
    let read = |path: &str| -> Result<String, String> {
        let bytes = io::open_root(root)
            .and_then(|root| io::read_in_root(&root, Path::new(path)))
            .map_err(|error| format!("{error:#}"))?
            .ok_or_else(|| "it does not exist".to_owned())?;
        // Only the first line counts, and what is no text there is no hash.
        let line = bytes.split(|b| *b == b'\n').next().unwrap_or_default();
        Ok(String::from_utf8_lossy(line)
            .trim_end_matches('\r')
            .to_owned())
    };
    paths
        .map(|path| (path.as_str().to_owned(), read(path.as_str())))
        .collect()
}

fn list_lingering(root: &Path) -> Result<BTreeSet<String>> {
    let path = root.join(LINGER_FOLDER);
    let entries = match std::fs::read_dir(&path) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        Err(e) => return Err(e).with_context(|| format!("listing {}", path.display())),
    };
    entries
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<std::io::Result<_>>()
        .with_context(|| format!("listing {}", path.display()))
}
