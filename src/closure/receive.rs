//! Paths arrive: each is unpacked beside, compared with what it must be, flushed, and only then put in place and
//! registered. Whatever stops it, nothing half done is visible, and what has arrived need not come again.

#![expect(clippy::disallowed_methods, reason = "unpacks into the store")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};

use super::database::{Database, register, substitute, unknown_to_nix};
use super::info::{PathInfo, StorePath, TAG};
use super::{Hold, Holding, RECEIVING, STORE, folder, hold, is_of_nix, lock};
use crate::host::fs::Root;
use crate::host::fs::writable::lift_read_only;
use crate::host::held::{Held, How};
use crate::host::kernel;
use crate::host::threads;
use crate::nar;

/// What a path that has not arrived is called in the store; no store path begins so.
const PARTIAL: &str = ".system-manager-";

/// How many bytes arrive before they are flushed and put in place.
const BATCH: u64 = 64 << 20;

/// What collecting garbage takes on a host with Nix; whoever holds it shared keeps it waiting.
const NIX_GC_LOCK: &str = "nix/var/nix/gc.lock";

/// A store that paths arrive in. No path goes while it is there.
pub(crate) struct Receiver<'a> {
    root: &'a Root,
    nix: bool,
    ready: Vec<PathInfo>,
    bytes: u64,
    _held: [Hold; 2],
    _nix_held: Option<Held>,
}

impl<'a> Receiver<'a> {
    /// Opens the store, and makes it where there is none.
    ///
    /// # Errors
    /// When it can't be made, or somebody is removing paths from it.
    pub(crate) fn open(root: &'a Root) -> Result<Self> {
        root.make_folders(Path::new(STORE))?;
        if root.is_live() {
            lift_read_only(&folder(root))?;
        }
        let nix = root.is_live() && is_of_nix(root)?;
        let held = [
            hold(root, Holding::Shared)?,
            lock(root, RECEIVING, How::Alone)?,
        ];
        remove_partial(root)?;
        Ok(Self {
            root,
            nix,
            ready: Vec::new(),
            bytes: 0,
            _held: held,
            _nix_held: if nix { Some(hold_nix(root)?) } else { None },
        })
    }

    /// Returns the numbers of those paths that are not known here with all that they need, each asked for by the
    /// beginning of its hash.
    ///
    /// # Errors
    /// When the store can't be read.
    pub(crate) fn lacking(&self, tags: &str) -> Result<Vec<usize>> {
        let names = self.root.list(Path::new(STORE))?.into_iter();
        let there: BTreeSet<StorePath> = names
            .filter_map(|name| StorePath::of(&format!("/{STORE}/{name}")))
            .collect();
        let by_tag: BTreeMap<&str, &StorePath> = there.iter().map(|p| (p.tag(), p)).collect();
        let asked = (0..tags.len())
            .step_by(TAG)
            .map(|at| tags.get(at..at + TAG));
        let asked: Vec<Option<&StorePath>> = asked
            .map(|tag| by_tag.get(tag.unwrap_or_default()).copied())
            .collect();
        let found: Vec<StorePath> = asked.iter().flatten().copied().cloned().collect();
        let lacking: BTreeSet<StorePath> = if self.nix {
            unknown_to_nix(&found)?
        } else {
            // Somebody may have removed by hand what one of them needs.
            let database = Database::read(self.root)?;
            database.unfounded(found, &there)
        };
        let is_lacking = |path: Option<&StorePath>| path.is_none_or(|p| lacking.contains(p));
        let numbers = (0..asked.len()).filter(|number| is_lacking(asked[*number]));
        Ok(numbers.collect())
    }

    /// Returns which of the paths have to be sent. One that is there and that nothing vouches for is compared with what
    /// it must be, and then known.
    ///
    /// # Errors
    /// When the store can't be read, or there is too little space for what is missing.
    pub(crate) fn missing(&self, infos: &[PathInfo]) -> Result<Vec<StorePath>> {
        let known = self.known(infos)?;
        let (mut missing, mut adopted, mut ourselves) = (Vec::new(), Vec::new(), Vec::new());
        let mut bytes = 0;
        for info in infos.iter().filter(|i| !known.contains(&i.path)) {
            if self.is_whole(info)? {
                adopted.push(info.clone());
                continue;
            }
            bytes += info.nar_size;
            if is_ourselves(info)? {
                ourselves.push(info.clone());
            } else {
                missing.push(info.path.clone());
            }
        }
        if bytes > 0 {
            self.check_space(bytes)?;
        }
        for info in ourselves {
            self.copy_ourselves(&info)?;
            adopted.push(info);
        }
        if !adopted.is_empty() {
            self.flush()?;
            register(self.root, &adopted)?;
        }
        Ok(missing)
    }

    /// Has the host's own Nix fetch what it can of the paths, by its own rules of whom it trusts.
    ///
    /// # Errors
    /// When the host has no Nix.
    pub(crate) fn substitute(&self, infos: &[PathInfo]) -> Result<()> {
        if !self.nix {
            bail!(
                "there is no Nix that could fetch paths\nhint: leave out `--substitute-on-destination`; everything is then sent"
            );
        }
        let paths: Vec<StorePath> = infos.iter().map(|i| i.path.clone()).collect();
        substitute(&unknown_to_nix(&paths)?)
    }

    fn known(&self, infos: &[PathInfo]) -> Result<BTreeSet<StorePath>> {
        let paths: Vec<StorePath> = infos.iter().map(|i| i.path.clone()).collect();
        if self.nix {
            let unknown = unknown_to_nix(&paths)?;
            return Ok(paths.into_iter().filter(|p| !unknown.contains(p)).collect());
        }
        let database = Database::read(self.root)?;
        let is_there = |info: &&PathInfo| {
            database.paths.get(&info.path).is_some_and(|k| k.nar_sha256 == info.nar_sha256)
                // Somebody may have removed it by hand.
                && fs::symlink_metadata(self.place(&info.path)).is_ok()
        };
        Ok(infos
            .iter()
            .filter(is_there)
            .map(|i| i.path.clone())
            .collect())
    }

    fn is_whole(&self, info: &PathInfo) -> Result<bool> {
        let place = self.place(&info.path);
        if fs::symlink_metadata(&place).is_err() {
            return Ok(false);
        }
        Ok(nar::hash(&place)?.sha256 == info.nar_sha256)
    }

    fn copy_ourselves(&self, info: &PathInfo) -> Result<()> {
        let partial = self.partial(&info.path);
        let (mut archive, writer) = io::pipe().context("copying this program")?;
        let writing = threads::begin("that reads this program", move || {
            nar::write(&own_program(), &mut io::BufWriter::new(writer))
        })?;
        let unpacked = nar::unpack(&mut archive, &partial);
        drop(archive);
        let written = writing.join();
        let written = written.map_err(|_| anyhow!("a thread has panicked"));
        let copied = unpacked.and_then(|()| written?);
        if copied.is_err() {
            remove_tree(&partial)?;
        }
        copied?;
        self.flush()?;
        put_in_place(&partial, &self.place(&info.path))
    }

    /// Refuses what would not fit, with numbers.
    fn check_space(&self, bytes: u64) -> Result<()> {
        let room = self.root.room_at(&Path::new(STORE).join("x"))?;
        let (free, inodes) = (room.bytes, room.files);
        // Room to breathe: for the database, the log, and blocks that are not full.
        let needed = bytes + bytes / 20 + (4 << 20);
        if free < needed {
            bail!(
                "{bytes} bytes must be copied to {}, but only {free} are free\nhint: free some space; on a host without Nix, `system-manager gc` removes what is no longer needed",
                folder(self.root).display()
            );
        }
        // Files of a closure are 16 kB on average or more.
        let files = bytes / 16384 + 100;
        if inodes < files {
            bail!(
                "about {files} files must be copied to {}, but only {inodes} inodes are free",
                folder(self.root).display()
            );
        }
        Ok(())
    }

    /// Takes a path's archive in. It is in place after the next `settle`, or when enough has come together.
    ///
    /// # Errors
    /// When it is not what it must be; nothing of it stays.
    pub(crate) fn receive(&mut self, info: &PathInfo, archive: &mut dyn Read) -> Result<()> {
        let partial = self.partial(&info.path);
        remove_tree(&partial)?;
        let mut hashing = nar::Hashing::new(archive.take(info.nar_size));
        let taken = nar::unpack(&mut hashing, &partial);
        let counted = hashing.finish();
        let is_right = counted.sha256 == info.nar_sha256 && counted.size == info.nar_size;
        if let Err(error) = taken {
            remove_tree(&partial)?;
            return Err(error.context(format!("receiving {}", info.path)));
        }
        if !is_right {
            remove_tree(&partial)?;
            let (path, wanted) = (info.path.clone(), info.nar_sha256.clone());
            let found = counted.sha256;
            return Err(anyhow::Error::new(Damaged {
                path,
                found,
                wanted,
            }));
        }
        self.ready.push(info.clone());
        self.bytes += info.nar_size;
        if self.bytes >= BATCH {
            self.settle()?;
        }
        Ok(())
    }

    /// Flushes what has arrived, puts it in place and registers it.
    ///
    /// # Errors
    /// When that can't be done.
    pub(crate) fn settle(&mut self) -> Result<()> {
        if self.ready.is_empty() {
            return Ok(());
        }
        self.flush()?;
        for info in &self.ready {
            put_in_place(&self.partial(&info.path), &self.place(&info.path))?;
        }
        self.flush()?;
        register(self.root, &self.ready)?;
        self.ready.clear();
        self.bytes = 0;
        Ok(())
    }

    fn flush(&self) -> Result<()> {
        let store = folder(self.root);
        File::open(&store)
            .map_err(anyhow::Error::from)
            .and_then(|file| Ok(kernel::sync_file_system(file)?))
            .with_context(|| format!("flushing {}", store.display()))
    }

    /// Returns where paths are to be found.
    #[must_use]
    pub(crate) fn places(&self) -> Places {
        Places(folder(self.root))
    }

    fn place(&self, path: &StorePath) -> PathBuf {
        folder(self.root).join(path.name())
    }

    fn partial(&self, path: &StorePath) -> PathBuf {
        let [_, partial] = self.places().of(path);
        partial
    }
}

/// Where paths of a store are, or are until they are in place.
pub(crate) struct Places(PathBuf);

impl Places {
    #[cfg(test)]
    pub(crate) fn at(store: &Path) -> Self {
        Self(store.to_owned())
    }

    /// Returns both places of a path.
    #[must_use]
    pub(crate) fn of(&self, path: &StorePath) -> [PathBuf; 2] {
        // A name may have 255 bytes; the hash tells paths apart.
        let partial = format!("{PARTIAL}{}", &path.name()[..32]);
        [self.0.join(path.name()), self.0.join(partial)]
    }
}

/// What arrived is not what it must be.
#[derive(Debug)]
pub(crate) struct Damaged {
    path: StorePath,
    found: String,
    wanted: String,
}

impl fmt::Display for Damaged {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            path,
            found,
            wanted,
        } = self;
        write!(
            out,
            "{path} arrived damaged: its archive has the hash {found}, not {wanted}"
        )
    }
}

impl std::error::Error for Damaged {}

impl Drop for Receiver<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.settle() {
            tracing::warn!(
                "the received paths could not be protected from garbage collection: {error:#}"
            );
        }
    }
}

fn own_program() -> PathBuf {
    let program = Path::new("/proc/self/exe");
    fs::read_link(program).unwrap_or_else(|_| program.to_owned())
}

/// Whether a path is nothing but this program, which has come before all others.
fn is_ourselves(info: &PathInfo) -> Result<bool> {
    let program = own_program();
    let Ok(metadata) = fs::metadata(&program) else {
        return Ok(false);
    };
    // An archive of one file is larger by less than this.
    Ok(info.nar_size.abs_diff(metadata.size()) <= 256
        && nar::hash(&program)?.sha256 == info.nar_sha256)
}

fn hold_nix(root: &Root) -> Result<Held> {
    let path = root.show(Path::new(NIX_GC_LOCK));
    let inner = || -> Result<Held> {
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)?;
        Ok(Held::wait(file, How::Shared)?)
    };
    inner().with_context(|| format!("locking {}", path.display()))
}

/// Puts what was unpacked beside where it belongs; what stood there, which nobody vouches for, goes.
fn put_in_place(partial: &Path, place: &Path) -> Result<()> {
    let moving = || format!("putting {} in place", place.display());
    match fs::rename(partial, place) {
        Err(e)
            if matches!(
                e.kind(),
                io::ErrorKind::DirectoryNotEmpty
                    | io::ErrorKind::AlreadyExists
                    | io::ErrorKind::NotADirectory
                    | io::ErrorKind::IsADirectory
            ) =>
        {
            remove_tree(place)?;
            fs::rename(partial, place).with_context(moving)
        }
        other => other.with_context(moving),
    }
}

/// Removes what interrupted runs have left. Only one run at a time unpacks.
fn remove_partial(root: &Root) -> Result<()> {
    for name in root.list(Path::new(STORE))? {
        if name.starts_with(PARTIAL) {
            remove_tree(&folder(root).join(name))?;
        }
    }
    Ok(())
}

/// Removes a file or a folder of the store, whatever its modes. Nothing there is fine.
pub(super) fn remove_tree(path: &Path) -> Result<()> {
    let metadata = match fs::symlink_metadata(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other.with_context(|| format!("reading {}", path.display()))?,
    };
    if metadata.is_dir() {
        // Who is not root can't remove from folders that can't be written to.
        make_writable(path)?;
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    }
    .with_context(|| format!("removing {}", path.display()))
}

fn make_writable(folder: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    if nix::unistd::geteuid().is_root() {
        return Ok(());
    }
    for entry in walkdir::WalkDir::new(folder) {
        let entry = entry?;
        if entry.file_type().is_dir() {
            fs::set_permissions(entry.path(), fs::Permissions::from_mode(0o700))
                .with_context(|| format!("removing {}", entry.path().display()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
