//! What was built for hosts, and the programs that work there.

#![expect(clippy::disallowed_methods, reason = "reads programs")]

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};

use super::probe;
use crate::closure::info::{PathInfo, StorePath};
use crate::model::names::AbsolutePath;
use crate::model::node::sha256_of;

/// A program that may run on hosts.
pub(crate) struct Program {
    /// Its hash, under which hosts keep it.
    pub sha256: String,
    /// Its content.
    pub(super) bytes: Vec<u8>,
}

impl Program {
    /// Reads one.
    ///
    /// # Errors
    /// When it can't be read.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let inner = || -> Result<Self> {
            let bytes = std::fs::read(path)?;
            let sha256 = sha256_of(&*bytes)?;
            Ok(Self { sha256, bytes })
        };
        let program = inner().with_context(|| format!("reading {}", path.display()))?;
        if probe::wants_libraries(&program.bytes) {
            tracing::warn!(
                "{} is not static, so it runs only on hosts with the libraries of this machine\nhint: build it with `cargo static`",
                path.display()
            );
        }
        Ok(program)
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
