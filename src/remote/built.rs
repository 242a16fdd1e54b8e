//! What was built for hosts, and the programs that work there.

#![expect(clippy::disallowed_methods, reason = "reads programs")]

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use anyhow::{Context, Result, bail};

use super::probe;
use crate::closure::info::{PathInfo, StorePath};
use crate::model::names::AbsolutePath;
use crate::model::node::sha256_of;

/// How much of a program says what it is for: its head and the table that follows it.
const HEAD: u64 = 4096;

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
        let sha256 = File::open(&self.path).and_then(sha256_of);
        let sha256 = sha256.with_context(|| format!("reading {}", self.path.display()))?;
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
                bail!("it has changed meanwhile\nhint: run the same command again");
            }
            Ok(bytes)
        };
        inner().with_context(|| format!("reading {}", self.path.display()))
    }
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
