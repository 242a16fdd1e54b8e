//! Whether a host that is managed from elsewhere still admits the key by which somebody came. What sshd is told by other
//! means than files of users' keys is not seen here: then the host returns unless it is reached anew.
#![expect(
    clippy::disallowed_methods,
    reason = "is told who came by the environment, and reads keys in the store"
)]

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::files::wanted::Desired;
use crate::host::fs::Root;
use crate::model::base64;
use crate::model::conflict::Conflict;
use crate::model::names::TargetPath;
use crate::model::node::{hex, sha256_of};

/// The variable that says who came: the user, and the fingerprint of the key as ssh prints it.
pub(crate) const CAME: &str = "SYSTEM_MANAGER_CAME_BY";

/// Returns why nothing may be changed: the file of ours that admits the key now would not any more, and no other does.
///
/// # Errors
/// When files of keys can't be read.
pub(super) fn conflict(root: &Root, desired: &Desired) -> Result<Option<Conflict>> {
    let Ok(came) = std::env::var(CAME) else {
        return Ok(None);
    };
    let Some((user, fingerprint)) = came.split_once(' ') else {
        return Ok(None);
    };
    let managed: TargetPath = format!("ssh/authorized_keys.d/{user}").parse()?;
    let admits = |keys: Option<Vec<u8>>| keys.map_or(Ok(false), |keys| has(&keys, fingerprint));
    if !admits(root.read_in_root(&managed.in_etc())?)? {
        return Ok(None);
    }
    let next = match desired.get(&managed) {
        Some(want) => {
            Some(fs::read(&want.source).with_context(|| format!("reading {}", want.source))?)
        }
        None => None,
    };
    for own in own_files(root, user)? {
        if admits(root.read_in_root(&own)?)? {
            return Ok(None);
        }
    }
    Ok((!admits(next)?).then(|| Conflict {
        subject: format!("/etc/{managed}"),
        cause: format!("would no longer admit the key by which {user} came, {fingerprint}"),
        remedy: format!(
            "keep that key in users.users.{user}.openssh.authorizedKeys.keys, or come with one that stays"
        ),
    }))
}

/// Where sshd looks by itself.
fn own_files(root: &Root, user: &str) -> Result<Vec<PathBuf>> {
    let users = root.read(Path::new("etc/passwd"))?.unwrap_or_default();
    let users = String::from_utf8_lossy(&users).into_owned();
    let mut rows = users.lines().map(|row| row.split(':').collect::<Vec<_>>());
    let home = rows
        .find(|row| row.first() == Some(&user))
        .and_then(|row| row.get(5).copied());
    let files = ["authorized_keys", "authorized_keys2"];
    let files = home.map(|home| files.map(|file| Path::new(home).join(".ssh").join(file)));
    Ok(files.into_iter().flatten().collect())
}

/// Whether a file of keys has the one with this fingerprint.
fn has(keys: &[u8], fingerprint: &str) -> Result<bool> {
    let Some(wanted) = fingerprint
        .strip_prefix("SHA256:")
        .map(str::as_bytes)
        .and_then(base64::decode)
    else {
        return Ok(false);
    };
    let wanted = hex(&wanted);
    for line in String::from_utf8_lossy(keys)
        .lines()
        .filter(|line| !line.starts_with('#'))
    {
        // Options may come before; what is no key has another hash.
        let words = line.split_whitespace().map(str::as_bytes);
        for blob in words.filter_map(base64::decode) {
            if sha256_of(&*blob)? == wanted {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    // Made with ssh-keygen for this test; nobody has the other half.
    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEFIqUsrAkX0c3PVSyfagHsZQcVppmMfQ0Esxhr6fzFo";
    const FINGERPRINT: &str = "SHA256:x1YEiYnlJyPggPxpgTD5lAysYhOcjPXAQxOVldYELQ0";

    #[test]
    fn a_key_is_found_by_its_fingerprint_whatever_stands_around_it() {
        for (keys, expected, why) in [
            (KEY.to_owned(), true, "alone"),
            (
                format!("# first\n\nfrom=\"10.0.0.0/8\",no-pty {KEY} alice\n"),
                true,
                "with options",
            ),
            (format!("#{KEY}\n"), false, "a comment"),
            (KEY.replace('3', "4"), false, "another key"),
            (String::new(), false, "nothing"),
        ] {
            assert_eq!(
                has(keys.as_bytes(), FINGERPRINT).unwrap(),
                expected,
                "{why}"
            );
        }
        for other in ["", "SHA256:", "MD5:00:11", "SHA256:!"] {
            assert!(!has(KEY.as_bytes(), other).unwrap(), "{other}");
        }
    }
}
