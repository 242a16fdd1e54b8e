//! Keeps what was built from Nix's garbage collector, until it is registered or the program ends.

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result};

/// The folder of links to what was built, once there is one. A build is asked for in many places, and what it gives is a
/// path that may be used until the program ends.
static FOLDER: Mutex<Option<PathBuf>> = Mutex::new(None);

/// Holds the links until it is dropped.
#[derive(Debug)]
#[must_use]
pub(crate) struct Kept(());

impl Kept {
    /// Begins to keep what is built; to be held until the program ends.
    pub(crate) fn begin() -> Self {
        Self(())
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let folder = FOLDER.lock().map(|mut folder| folder.take());
        if let Ok(Some(folder)) = folder
            && let Err(error) = std::fs::remove_dir_all(&folder)
        {
            tracing::debug!("removing {}: {error}", folder.display());
        }
    }
}

/// Returns a path for the link to what is built next. Nix makes a root of what it leads to.
///
/// # Errors
/// When there can be no folder for it.
pub(super) fn link() -> Result<PathBuf> {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let mut folder = FOLDER
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let folder = match &*folder {
        Some(folder) => folder.clone(),
        None => {
            let template = std::env::temp_dir().join("system-manager-XXXXXX");
            let made = nix::unistd::mkdtemp(&template).with_context(|| {
                format!("making a folder in {}", std::env::temp_dir().display())
            })?;
            folder.insert(made).clone()
        }
    };
    Ok(folder.join(COUNT.fetch_add(1, Ordering::Relaxed).to_string()))
}
