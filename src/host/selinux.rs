//! Asks the host's security policy which label belongs to what is written, and has the kernel create it with that label.
#![expect(clippy::disallowed_methods, reason = "asks the kernel and the policy")]

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use nix::sys::statvfs::{FsFlags, statvfs};

use crate::host::process::Command;

/// Are there where a policy is loaded, enforced or not. A kernel alone may have the first, and then does nothing.
const LOADED: [&str; 2] = ["/sys/fs/selinux/enforce", "/etc/selinux/config"];
const TELLER: [&str; 3] = [
    "/usr/sbin/matchpathcon",
    "/usr/bin/matchpathcon",
    "/sbin/matchpathcon",
];
/// What the next file gets that this thread creates: `proc_pid_attr(5)`.
const NEXT: &str = "/proc/thread-self/attr/fscreate";
const ATTRIBUTE: &str = "security.selinux";
const STORE: &str = "/nix/store";
/// Paths a call; arguments are limited.
const BATCH: usize = 500;

/// The labels of what a run writes.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Labels {
    /// Of what is made, by its path below the root.
    pub own: BTreeMap<PathBuf, String>,
    /// Of files in the store, by the path below the root of the link that leads there: what the file would have in
    /// the link's place, since that is where others read it.
    pub targets: BTreeMap<PathBuf, String>,
}

/// What a run makes, by what it is; paths below the root.
#[derive(Debug, Default)]
pub struct Paths {
    /// Regular files.
    pub files: Vec<PathBuf>,
    /// Symbolic links.
    pub links: Vec<PathBuf>,
    /// Folders.
    pub folders: Vec<PathBuf>,
}

/// Asks the policy for the labels of all that a run makes on the running system. None where there is no policy.
///
/// # Errors
/// When the policy can't be asked.
pub(crate) fn read_labels(paths: &Paths) -> Result<Labels> {
    let mut labels = Labels::default();
    if !is_in_force() {
        return Ok(labels);
    }
    let Some(teller) = TELLER.into_iter().find(|path| Path::new(path).exists()) else {
        tracing::warn!(
            "SELinux is enabled, but matchpathcon is missing (package libselinux-utils or selinux-utils), so new files get the label of their folder"
        );
        return Ok(labels);
    };
    for (kind, paths) in [
        ("file", &paths.files),
        ("lnk_file", &paths.links),
        ("dir", &paths.folders),
    ] {
        labels.own.append(&mut ask(teller, kind, paths)?);
    }
    labels.targets = ask(teller, "file", &paths.links)?;
    Ok(labels)
}

/// Whether a policy is loaded, and ours to ask. A container sees its host's, read-only, and labels nothing.
fn is_in_force() -> bool {
    let flags = statvfs(LOADED[0]).map(|vfs| vfs.flags()).ok();
    LOADED.iter().all(|path| Path::new(path).exists()) && is_ours(flags)
}

/// Whether a policy whose file system is mounted with these flags can be told what to do. Pure.
fn is_ours(flags: Option<FsFlags>) -> bool {
    flags.is_some_and(|flags| !flags.contains(FsFlags::ST_RDONLY))
}

fn ask(teller: &str, kind: &str, paths: &[PathBuf]) -> Result<BTreeMap<PathBuf, String>> {
    let mut found = BTreeMap::new();
    for batch in paths.chunks(BATCH) {
        let output = Command::new(teller)
            .args(["-n", "-m", kind])
            .args(batch.iter().map(|path| Path::new("/").join(path)))
            .stdout()
            .context("asking SELinux's policy for labels")?;
        found.append(&mut parse_labels(batch, &output)?);
    }
    Ok(found)
}

/// Pairs paths with the lines that matchpathcon has for them. Pure.
fn parse_labels(paths: &[PathBuf], output: &str) -> Result<BTreeMap<PathBuf, String>> {
    let lines: Vec<_> = output.lines().map(str::trim).collect();
    if lines.len() != paths.len() {
        bail!(
            "matchpathcon has {} labels for {} paths",
            lines.len(),
            paths.len()
        );
    }
    let pairs = paths.iter().zip(lines);
    Ok(pairs
        .filter(|(_, label)| !label.starts_with("<<"))
        .map(|(path, label)| (path.clone(), label.to_owned()))
        .collect())
}

/// Runs `make`, and has the kernel label what it creates.
///
/// # Errors
/// Those of `make`; and when the kernel does not take the label.
pub(crate) fn creating<T>(label: &str, make: impl FnOnce() -> Result<T>) -> Result<T> {
    // Opened without leave to create it, which a policy denies.
    let next = |text: &[u8]| {
        let file = std::fs::OpenOptions::new().write(true).open(NEXT);
        file.and_then(|mut file| file.write_all(text))
            .with_context(|| format!("writing {NEXT}"))
    };
    next(label.as_bytes())?;
    let result = make();
    // An empty label is the policy's own choice again.
    next(b"\n")?;
    result
}

/// Labels the file in the store that a link leads to. What is no file of the store is left alone.
pub(crate) fn label_target(to: &str, label: &str) {
    let inner = || -> std::io::Result<()> {
        let file = std::fs::canonicalize(to)?;
        if !file.starts_with(STORE) || !file.is_file() {
            return Ok(());
        }
        label_file(&file, label)
    };
    if let Err(error) = inner() {
        tracing::warn!("labelling {to} as {label}: {error}");
    }
}

fn label_file(file: &Path, label: &str) -> std::io::Result<()> {
    let value = [label.as_bytes(), b"\0"].concat();
    if xattr::get(file, ATTRIBUTE)?.as_ref() == Some(&value) {
        return Ok(());
    }
    if file.metadata()?.nlink() > 1 {
        // The label is the file's, whatever its name: others that share its content would get it too.
        return Err(std::io::Error::other(
            "it is hard-linked to other files in the store (`nix-store --optimise`), and keeps its label; a copy (a `mode` such as \"0644\") would get the right one",
        ));
    }
    xattr::set(file, ATTRIBUTE, &value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_that_only_shows_is_none_to_ask() {
        assert!(is_ours(Some(FsFlags::empty())));
        assert!(!is_ours(Some(FsFlags::ST_RDONLY | FsFlags::ST_NOSUID)));
        assert!(!is_ours(None));
    }

    #[test]
    fn a_file_that_others_share_keeps_its_label() {
        let folder = tempfile::tempdir().unwrap();
        let [one, two] = ["one", "two"].map(|name| folder.path().join(name));
        std::fs::write(&one, "").unwrap();
        std::fs::hard_link(&one, &two).unwrap();
        let error = label_file(&one, "system_u:object_r:etc_t:s0").unwrap_err();
        assert!(error.to_string().contains("hard-linked"), "{error}");
        assert_eq!(xattr::get(&two, ATTRIBUTE).unwrap(), None);
    }

    #[test]
    fn pairs_each_path_with_its_label() {
        let paths = ["etc/a", "etc/b"].map(PathBuf::from);
        let cases = [
            (
                "system_u:object_r:etc_t:s0\nsystem_u:object_r:shadow_t:s0\n",
                Some(2),
                "a label each",
            ),
            (
                "<<none>>\nsystem_u:object_r:etc_t:s0\n",
                Some(1),
                "the policy has none for one",
            ),
            (
                "system_u:object_r:etc_t:s0\n",
                None,
                "a line is missing: which is unknown",
            ),
            ("", None, "nothing"),
        ];
        for (output, expected, why) in cases {
            let found = parse_labels(&paths, output).ok();
            assert_eq!(found.as_ref().map(BTreeMap::len), expected, "{why}");
        }
        let one = parse_labels(&paths, "<<none>>\nx:y:z:s0\n").unwrap();
        assert_eq!(one[Path::new("etc/b")], "x:y:z:s0");
    }
}
