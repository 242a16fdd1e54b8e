//! Which nixpkgs is looked at, and what tells it from another one.
#![expect(clippy::disallowed_methods, reason = "reads a nixpkgs")]

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use walkdir::WalkDir;

use crate::host::process::Command;
use crate::nix::{self, BuildOptions};

/// Finds the nixpkgs that was named, or that `NIX_PATH` has.
///
/// # Errors
/// When there is none, or it has no modules of NixOS.
pub(super) fn find(options: &BuildOptions) -> Result<PathBuf> {
    let Some(path) = nix::find_nixpkgs(options) else {
        bail!(
            "there is no nixpkgs to look at\nhint: name one with `--nixpkgs PATH`, or set NIX_PATH=nixpkgs=PATH"
        );
    };
    let list = path.join("nixos/modules/module-list.nix");
    fs::metadata(&list).with_context(|| {
        format!(
            "reading {}\nhint: `--nixpkgs` names the folder of a whole nixpkgs",
            list.display()
        )
    })?;
    Ok(path)
}

/// Gives what changes when the nixpkgs changes: its path in the store, its revision, or a hash of its content.
///
/// # Errors
/// When its files can't be read.
pub(super) fn read_identity(nixpkgs: &Path) -> Result<String> {
    if nixpkgs.starts_with("/nix/store") {
        return Ok(format!("store:{}", nixpkgs.display()));
    }
    match read_revision(nixpkgs) {
        Some(revision) => Ok(format!("git:{revision}")),
        None => read_hash(nixpkgs),
    }
}

/// Gives the revision of a clean working tree; none when it is not clean, or there is no git to ask.
fn read_revision(nixpkgs: &Path) -> Option<String> {
    // A folder of somebody else's repository has no revision of its own.
    if !nixpkgs.join(".git").exists() {
        return None;
    }
    let git = |arguments: &[&str]| {
        let output = Command::new("git")
            .arg("-C")
            .arg(nixpkgs)
            .args(arguments.iter().copied())
            .output();
        // Without git, the content is read instead.
        let output = output.ok().filter(|o| o.code == Some(0))?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let revision = git(&["rev-parse", "HEAD"])?;
    git(&["status", "--porcelain"])?
        .is_empty()
        .then_some(revision)
}

/// Hashes the content of what modules are made of. Of the packages, which are many, size and time are enough.
fn read_hash(nixpkgs: &Path) -> Result<String> {
    let mut digest = Sha256::new();
    let mut read = |path: &Path, whole: bool| -> Result<()> {
        let name = path.strip_prefix(nixpkgs).unwrap_or(path);
        digest.update(name.as_os_str().as_encoded_bytes());
        if whole {
            let content = fs::read(path)?;
            digest.update((content.len() as u64).to_le_bytes());
            digest.update(content);
        } else {
            let metadata = fs::symlink_metadata(path)?;
            digest.update(metadata.size().to_le_bytes());
            digest.update(metadata.mtime().to_le_bytes());
            digest.update(metadata.mtime_nsec().to_le_bytes());
        }
        Ok(())
    };
    let files = WalkDir::new(nixpkgs)
        .sort_by_file_name()
        .into_iter()
        .filter_entry(|entry| entry.file_name() != ".git");
    for entry in files {
        let entry = entry.with_context(|| format!("reading {}", nixpkgs.display()))?;
        if entry.file_type().is_file() {
            let path = entry.path();
            let few = !path.starts_with(nixpkgs.join("pkgs"));
            read(path, few).with_context(|| format!("reading {}", path.display()))?;
        }
    }
    let hash: String = digest
        .finalize()
        .iter()
        .take(16)
        .map(|b| format!("{b:02x}"))
        .collect();
    Ok(format!("content:{hash}"))
}
