//! What was built for hosts, and the programs that work there.

#![expect(clippy::disallowed_methods, reason = "reads programs")]

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::probe;
use crate::closure::info::{PathInfo, StorePath};
use crate::model::json;
use crate::model::names::AbsolutePath;
use crate::model::node::sha256_of;
use crate::nix::cache_folder;

/// How much of a program says what it is for: its head and the table that follows it.
const HEAD: u64 = 4096;

/// Of how many programs the hash is kept.
const KNOWN_MAX: usize = 64;

/// A program that may run on hosts.
pub(crate) struct Program {
    path: PathBuf,
    /// How it begins.
    pub(super) head: Vec<u8>,
    sha256: OnceLock<String>,
}

impl Program {
    /// Looks at one.
    ///
    /// # Errors
    /// When it can't be read.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let mut head = Vec::new();
        File::open(path)
            .and_then(|file| file.take(HEAD).read_to_end(&mut head))
            .with_context(|| format!("reading {}", path.display()))?;
        if probe::wants_libraries(&head) {
            tracing::warn!(
                "{} is not static, so it runs only on hosts with the libraries of this machine\nhint: build it with `cargo static`",
                path.display()
            );
        }
        Ok(Self {
            path: path.to_owned(),
            head,
            sha256: OnceLock::new(),
        })
    }

    /// Returns its hash, under which hosts keep it. Read when it is asked for first: while a host is being reached.
    ///
    /// # Errors
    /// When it can't be read.
    pub(crate) fn sha256(&self) -> Result<&str> {
        if let Some(known) = self.sha256.get() {
            return Ok(known);
        }
        let inner = || -> Result<String> {
            let file = File::open(&self.path)?;
            let key = key(&file.metadata()?);
            let mut known = Hashes::read();
            if let Some(known) = known.0.get(&key) {
                return Ok(known.clone());
            }
            let sha256 = sha256_of(file)?;
            if known.0.len() >= KNOWN_MAX {
                known.0.clear();
            }
            known.0.insert(key, sha256.clone());
            known.write();
            Ok(sha256)
        };
        let sha256 = inner().with_context(|| format!("reading {}", self.path.display()))?;
        Ok(self.sha256.get_or_init(|| sha256))
    }

    /// Reads its content.
    ///
    /// # Errors
    /// When it can't be read, or is another one by now.
    pub(super) fn content(&self) -> Result<Vec<u8>> {
        let inner = || -> Result<Vec<u8>> {
            let bytes = std::fs::read(&self.path)?;
            if sha256_of(&*bytes)? != self.sha256()? {
                Hashes::default().write();
                bail!("it has changed meanwhile\nhint: run the same command again");
            }
            Ok(bytes)
        };
        inner().with_context(|| format!("reading {}", self.path.display()))
    }
}

/// The hashes of programs, by what tells whether they are the same still. To read one is most of what a switch takes that
/// changes nothing.
#[derive(Default, Serialize, Deserialize)]
struct Hashes(BTreeMap<String, String>);

impl Hashes {
    fn file() -> PathBuf {
        cache_folder().join("programs.json")
    }

    /// Reads them; what can't be read is not known.
    fn read() -> Self {
        let bytes = std::fs::read(Self::file()).unwrap_or_default();
        json::from_bytes(&bytes).unwrap_or_default()
    }

    /// Keeps them, where that can be done.
    fn write(&self) {
        let inner = || -> Result<()> {
            let (file, new) = (Self::file(), Self::file().with_extension("new"));
            std::fs::create_dir_all(cache_folder())?;
            std::fs::write(&new, serde_json::to_vec(self)?)?;
            Ok(std::fs::rename(new, file)?)
        };
        if let Err(error) = inner() {
            tracing::debug!("keeping the hashes of programs: {error:#}");
        }
    }
}

/// What is another when a file is another: whoever writes to one changes the time of that (ctime).
fn key(file: &Metadata) -> String {
    let time = (file.ctime(), file.ctime_nsec());
    let (device, inode, size) = (file.dev(), file.ino(), file.size());
    format!("{device} {inode} {size} {}.{}", time.0, time.1)
}

/// A toplevel that was built for some hosts, with all that it needs.
pub(crate) struct Built {
    /// The toplevel.
    pub toplevel: AbsolutePath,
    program: Program,
    needs: Mutex<Option<Arc<[PathInfo]>>>,
}

impl Built {
    /// Reads the activator of a toplevel.
    ///
    /// # Errors
    /// When it can't be read.
    pub(crate) fn read(toplevel: AbsolutePath) -> Result<Self> {
        let activator = Path::new(toplevel.as_str()).join("bin/system-manager");
        Ok(Self {
            program: Program::read(&activator)?,
            toplevel,
            needs: Mutex::default(),
        })
    }

    /// Returns what is known of all that it needs. Nix is asked once, and not where all hosts have it.
    ///
    /// # Errors
    /// When Nix can't be asked.
    pub(super) fn needs(&self) -> Result<Arc<[PathInfo]>> {
        let mut known = self.needs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(infos) = &*known {
            return Ok(infos.clone());
        }
        let infos: Arc<[PathInfo]> = super::closure::of(&self.toplevel)?.into();
        *known = Some(infos.clone());
        Ok(infos)
    }

    /// Returns its path in the store.
    ///
    /// # Errors
    /// When it is elsewhere.
    pub(crate) fn path(&self) -> Result<StorePath> {
        let path = StorePath::of(self.toplevel.as_str());
        path.with_context(|| format!("{} is not in the store", self.toplevel))
    }

    /// Returns its activator.
    #[must_use]
    pub(crate) fn program(&self) -> &Program {
        &self.program
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_was_written_to_is_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("program");
        std::fs::write(&path, "one").unwrap();
        let key_now = || key(&std::fs::metadata(&path).unwrap());
        let before = key_now();
        assert_eq!(before, key_now());
        // The same size, and the time that it had. Clocks of file systems are coarse.
        let modified = std::fs::metadata(&path).unwrap().modified().unwrap();
        let begun = std::time::Instant::now();
        while key_now() == before && begun.elapsed().as_secs() < 5 {
            std::fs::write(&path, "two").unwrap();
            let file = File::options().write(true).open(&path).unwrap();
            file.set_modified(modified).unwrap();
        }
        assert_ne!(before, key_now());
    }
}
