//! One activation at a time: a kernel lock on `/var/lib/system-manager/lock`, which names its holder.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::Path;

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};

use crate::root::Root;
use crate::state;

const FILE: &str = "var/lib/system-manager/lock";

/// Holds the lock until it is dropped; the kernel releases it when the process ends, however it ends.
pub struct Lock(#[expect(dead_code, reason = "held for its lock")] Flock<File>);

impl Lock {
    /// Takes the lock, or says who holds it.
    ///
    /// # Errors
    /// When it is held by another process, or can't be made.
    pub fn take(root: &Root, purpose: &str) -> Result<Self> {
        root.make_folders(Path::new("var/lib"))?;
        root.make_folder(Path::new(state::FOLDER), 0o700)?;
        let path = root.show(Path::new(FILE));
        let file = root.open_file(Path::new(FILE), OFlag::O_RDWR | OFlag::O_CREAT)?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(mut held) => {
                let holder = format!("{purpose}, process {}\n", std::process::id());
                held.set_len(0)
                    .and_then(|()| held.rewind())
                    .and_then(|()| held.write_all(holder.as_bytes()))
                    .with_context(|| format!("writing {}", path.display()))?;
                Ok(Self(held))
            }
            Err((mut file, Errno::EWOULDBLOCK)) => {
                let mut holder = String::new();
                // Only for the message: the lock itself is the kernel's.
                if file.read_to_string(&mut holder).is_err() || holder.trim().is_empty() {
                    "an unnamed process".clone_into(&mut holder);
                }
                bail!(
                    "another activation is running: {} holds {}\nhint: wait for it to end, then run this again",
                    holder.trim(),
                    path.display()
                )
            }
            Err((_, e)) => Err(e).with_context(|| format!("locking {}", path.display())),
        }
    }
}
