//! The record of accounts on disk: `ids.json`, and its predecessor.

use std::path::Path;

use anyhow::{Context, Result, bail};
use nix::fcntl::AtFlags;
use nix::unistd::linkat;

use crate::accounts::database::{AccountBytes, AccountFile};
use crate::accounts::observe::open_etc;
use crate::accounts::record::{AccountsRecord, VERSION};
use crate::host::fs::at::{self as io, NewMode};
use crate::store::checked;

/// Where the record lies, below the root.
pub(crate) const STATE_FOLDER: &str = "var/lib/system-manager";
pub(crate) const RECORD: &str = "ids.json";
const PREVIOUS_RECORD: &str = "ids.json.previous";

const ROOT_ONLY: NewMode = NewMode {
    mode: 0o600,
    uid: 0,
    gid: 0,
};

/// Reads what this tool remembers about accounts; a damaged record is replaced by its predecessor, or else rebuilt.
///
/// `expected` says that there must be one, since this tool has run here before. Gives a warning where that failed.
///
/// # Errors
/// When a record exists but can't be read at all, or a newer program wrote it: what that remembers must not be lost.
pub fn read_record(root: &Path, expected: bool) -> Result<(AccountsRecord, Option<String>)> {
    let root_fd = io::open_root(root)?;
    let mut problems = Vec::new();
    for name in [RECORD, PREVIOUS_RECORD] {
        let path = Path::new(STATE_FOLDER).join(name);
        let found = io::read_in_root(&root_fd, &path)
            .with_context(|| format!("reading {}", root.join(&path).display()))?;
        let path = root.join(path);
        if let Some(Ok(version)) = found.as_deref().map(checked::version)
            && version > VERSION
        {
            bail!(
                "{} has version {version}, written by a newer system-manager; this one reads version {VERSION}\nhint: use the `bin/system-manager` of the newest generation",
                path.display()
            );
        }
        match found {
            None => problems.push(format!("{} does not exist", path.display())),
            Some(bytes) => match AccountsRecord::parse(&bytes) {
                Ok(record) if problems.is_empty() => return Ok((record, None)),
                Ok(record) => {
                    let warning = format!("{}; its predecessor is used", problems.join("; "));
                    return Ok((record, Some(warning)));
                }
                Err(error) => problems.push(format!("{} is damaged: {error:#}", path.display())),
            },
        }
    }
    let damaged = problems.iter().any(|p| p.contains("damaged"));
    if !damaged && !expected {
        return Ok((AccountsRecord::default(), None));
    }
    let etc = open_etc(root)?;
    let mut files = AccountBytes::new();
    for file in [AccountFile::Passwd, AccountFile::Group, AccountFile::Subuid] {
        let read = io::read_at(&etc, file.name()).with_context(|| format!("reading {file}"))?;
        files.extend(read.map(|bytes| (file, bytes)));
    }
    let warning = format!(
        "{}; the ids are taken from /etc/passwd and /etc/group, and accounts that exist count as the host's own",
        problems.join("; ")
    );
    Ok((AccountsRecord::rebuild(&files), Some(warning)))
}

pub(crate) fn write_record(root: &Path, record: &AccountsRecord) -> Result<()> {
    let inner = || -> Result<()> {
        let folder = io::make_folders(&io::open_root(root)?, STATE_FOLDER)?;
        let text = record.render()?;
        let now = io::read_at(&folder, RECORD)?;
        if now.as_deref() == Some(text.as_slice()) {
            return Ok(());
        }
        // Only a record that can be read is worth keeping as the predecessor.
        if now.is_some_and(|now| AccountsRecord::parse(&now).is_ok()) {
            io::remove(&folder, PREVIOUS_RECORD)?;
            linkat(&folder, RECORD, &folder, PREVIOUS_RECORD, AtFlags::empty())?;
        }
        // It holds hashes of passwords that are to be put back.
        io::replace(&folder, RECORD, &text, None, ROOT_ONLY)
    };
    inner().with_context(|| format!("writing {}", root.join(STATE_FOLDER).join(RECORD).display()))
}
