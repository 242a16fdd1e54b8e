//! The record as version 1 of its format has it, which is read and not written any more.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::accounts::record::{AccountsRecord, Claims};
use crate::model::json;
use crate::model::node::sha256_of;
use crate::store::owned::Owned;

/// The form in which version 1 was written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope {
    #[expect(dead_code, reason = "looked at before")]
    version: u32,
    sha256: String,
    record: serde_json::Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RecordV1 {
    uids: BTreeMap<String, Vec<u32>>,
    gids: BTreeMap<String, Vec<u32>>,
    sub_ids: BTreeMap<String, u32>,
    claims: Claims,
    homes: BTreeMap<String, String>,
    #[serde(default)]
    without_password: BTreeSet<String>,
    /// The claims before the run that wrote this, for as long as that run is not over.
    unfinished: Option<Claims>,
}

/// Parses and checks a record's text. Pure.
///
/// # Errors
/// When it was cut or altered.
pub(super) fn parse(text: &[u8]) -> Result<AccountsRecord> {
    let envelope: Envelope = json::from_bytes(text).context("it is malformed")?;
    // The checksum is of the shortest text with sorted keys, as serde_json writes a value.
    let plain = envelope.record.to_string();
    if sha256_of(plain.as_bytes())? != envelope.sha256 {
        bail!("its checksum is wrong: it was truncated or altered");
    }
    let old: RecordV1 = serde_json::from_str(&plain).context("it is malformed")?;
    Ok(AccountsRecord {
        uids: old.uids,
        gids: old.gids,
        sub_ids: old.sub_ids,
        claims: match old.unfinished {
            Some(is) => Owned {
                is,
                becomes: Some(old.claims),
            },
            None => Owned::at_rest(old.claims),
        },
        homes: old.homes,
        without_password: old.without_password,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::database::AccountFile;

    const FIXTURE: &str = include_str!("../../tests/fixtures/states/ids-v1.json");
    const INTERRUPTED: &str = include_str!("../../tests/fixtures/states/ids-v1-interrupted.json");

    #[test]
    fn records_of_version_1_are_read() {
        let read = AccountsRecord::parse(FIXTURE.as_bytes()).unwrap();
        assert_eq!(read.gids["team"], [999]);
        assert!(
            read.claims
                .is
                .row(AccountFile::Group, "team")
                .unwrap()
                .created
        );
        assert!(!read.claims.is_begun() && read.count() == 1);
        let read = AccountsRecord::parse(INTERRUPTED.as_bytes()).unwrap();
        let next = read.claims.becomes.as_ref().unwrap();
        assert!(next.row(AccountFile::Group, "team").is_none());
        assert!(read.claims.is.row(AccountFile::Group, "team").is_some());
        let again = AccountsRecord::parse(&read.render().unwrap()).unwrap();
        assert_eq!(again, read, "and written in the form of today");
    }

    #[test]
    fn one_that_was_altered_is_refused() {
        for (text, why) in [
            (FIXTURE.replace("999", "998"), "checksum"),
            (FIXTURE.replace("\"sha256\"", "\"sha\""), "malformed"),
            (FIXTURE[..FIXTURE.len() / 2].to_owned(), "truncated"),
        ] {
            assert_ne!(text, FIXTURE, "{why}");
            let error = AccountsRecord::parse(text.as_bytes()).unwrap_err();
            assert!(format!("{error:#}").contains(why), "{why}: {error:#}");
        }
    }
}
