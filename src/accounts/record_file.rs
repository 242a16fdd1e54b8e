//! The record of accounts on disk: `ids.json`, and its predecessor.

use std::path::Path;

use anyhow::{Context, Result, bail};
use nix::fcntl::AtFlags;
use nix::unistd::linkat;

use crate::accounts::database::{AccountBytes, AccountFile};
use crate::accounts::observe::open_etc;
use crate::accounts::record::AccountsRecord;
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

/// Reads what this tool remembers about accounts. A record that is lost with its predecessor is rebuilt.
///
/// `expected` says that there must be one, since this tool has run here before. Returns a warning where it was rebuilt.
///
/// # Errors
/// When a record can't be read or trusted: what it remembers must not be lost. The message says what to do.
pub fn read_record(root: &Path, expected: bool) -> Result<(AccountsRecord, Option<String>)> {
    let root_fd = io::open_root(root)?;
    let read = |name| -> Result<Option<Vec<u8>>> {
        let path = Path::new(STATE_FOLDER).join(name);
        io::read_in_root(&root_fd, &path)
            .with_context(|| format!("reading {}", root.join(&path).display()))
    };
    let path = |name| root.join(STATE_FOLDER).join(name).display().to_string();
    let found = read(RECORD)?.map(|bytes| AccountsRecord::parse(&bytes));
    if let Some(Ok(record)) = found {
        return Ok((record, None));
    }
    let previous = read(PREVIOUS_RECORD)?.map(|bytes| AccountsRecord::parse(&bytes));
    let remedy = matches!(previous, Some(Ok(_))).then(|| {
        format!(
            "hint: restore the previous version with `cp -a {} {}`, then run `system-manager status`",
            path(PREVIOUS_RECORD),
            path(RECORD)
        )
    });
    if let Some(Err(error)) = found {
        let remedy = remedy.unwrap_or_else(|| {
            let record = path(RECORD);
            format!(
                "hint: move it away (`mv {record} {record}.damaged`) and run this again: {REBUILT}"
            )
        });
        return Err(checked::in_file(error, &path(RECORD), &remedy));
    }
    if let Some(remedy) = remedy {
        bail!(
            "{} is missing, although its previous version exists\n{remedy}",
            path(RECORD)
        );
    }
    if !expected {
        return Ok((AccountsRecord::default(), None));
    }
    let etc = open_etc(root)?;
    let mut files = AccountBytes::new();
    for file in [AccountFile::Passwd, AccountFile::Group, AccountFile::Subuid] {
        let read = io::read_at(&etc, file.name()).with_context(|| format!("reading {file}"))?;
        files.extend(read.map(|bytes| (file, bytes)));
    }
    let warning = format!("{} does not exist; {REBUILT}", path(RECORD));
    Ok((AccountsRecord::rebuild(&files), Some(warning)))
}

/// What becomes of accounts whose record is lost.
const REBUILT: &str = "ids are then read from /etc/passwd and /etc/group, and existing accounts count as the host's own";

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
