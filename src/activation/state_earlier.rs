//! The state as versions 1 and 2 of its format have it, which are read and not written any more. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::activation::state::{Active, State};
use crate::blocks::record::{BlocksRecord, Origin, OwnedBlock};
use crate::files::built::Built;
use crate::files::record::{FilesRecord, OwnedFile, OwnedFolder, Placed};
use crate::model::json;
use crate::model::names::{FileName, TargetPath};
use crate::model::node::{Kind, Node, sha256_of};
use crate::model::text::Text;
use crate::scripts::record::ScriptRecord;
use crate::store::backups::{Backups, SavedEdit};
use crate::store::checked;
use crate::store::owned::Owned;
use crate::tmpfiles::record::{Made, TmpfilesRecord};
use crate::units::decide::Seeds;
use crate::units::failures::Failures;
use crate::units::record::UnitsRecord;

/// Parses and checks the text of a state of version 2. Pure.
///
/// # Errors
/// When it was cut or altered.
pub(super) fn parse_v2(text: &[u8]) -> Result<State> {
    let state: StateV2 = checked::parse(2, text)?.record()?;
    Ok(state.into())
}

/// Parses and checks the text of a state of version 1. Pure.
///
/// # Errors
/// When it was altered.
pub(super) fn parse_v1(text: &[u8]) -> Result<State> {
    let state: StateV1 = json::from_bytes(text).context("it is malformed")?;
    if checksum_of(text)? != state.checksum {
        bail!("its checksum is wrong: it was truncated or altered");
    }
    Ok(state.into())
}

/// The field that is left out of the checksum; it comes second, after the version.
const CHECKSUM_FIELD: &[u8] = b"\"checksum\":\"";

/// Hashes a state's text without the value of its checksum.
fn checksum_of(text: &[u8]) -> Result<String> {
    let at = text
        .windows(CHECKSUM_FIELD.len())
        .take(256)
        .position(|w| w == CHECKSUM_FIELD)
        .context("the state has no checksum")?
        + CHECKSUM_FIELD.len();
    let end = text[at..]
        .iter()
        .position(|b| *b == b'"')
        .context("the state's checksum is cut")?;
    Ok(sha256_of(text[..at].chain(&text[at + end..]))?)
}

/// The form in which version 1 was written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct StateV1 {
    #[expect(dead_code, reason = "looked at before")]
    version: u32,
    checksum: String,
    active: Option<Active>,
    files: BTreeMap<TargetPath, FileV2>,
    folders: BTreeMap<TargetPath, OwnedFolder>,
    #[serde(default)]
    tmpfiles: BTreeMap<String, MadeV2>,
    #[serde(default)]
    blocks: BTreeMap<TargetPath, BlockV2>,
    saved: Vec<SavedEdit>,
    next_backup: u64,
    #[serde(default)]
    accounts: bool,
    #[serde(default)]
    pending_user_units: Option<BTreeMap<TargetPath, Text>>,
    #[serde(default)]
    scripts: ScriptRecord,
    pending: Seeds,
}

/// The form in which version 2 was written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct StateV2 {
    active: Option<Active>,
    files: FilesV2,
    blocks: BTreeMap<TargetPath, BlockV2>,
    tmpfiles: TmpfilesV2,
    backups: Backups,
    accounts: bool,
    scripts: ScriptRecord,
    units: UnitsRecord,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FilesV2 {
    entries: BTreeMap<TargetPath, FileV2>,
    folders: BTreeMap<TargetPath, OwnedFolder>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TmpfilesV2 {
    made: BTreeMap<String, MadeV2>,
    failed: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileV2 {
    /// `Absent` while it is being made.
    is: Node,
    becoming: Option<BecomingV2>,
    source: String,
    backup: Option<FileName>,
    package: Option<String>,
    built: Option<Built>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
enum BecomingV2 {
    Ours {
        from: Node,
        to: Node,
        source: String,
        built: Option<Built>,
    },
    Gone {
        from: Node,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BlockV2 {
    /// What the lines are, or none; more than one while an activation changes them.
    texts: Vec<Option<String>>,
    origin: Origin,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MadeV2 {
    kind: Kind,
    replaced: Option<String>,
    /// What it was under an earlier rule, while an activation that has begun replaces it.
    was: Option<Kind>,
}

impl From<FileV2> for OwnedFile {
    fn from(old: FileV2) -> Self {
        let (becomes, from) = match old.becoming {
            None => (None, None),
            Some(BecomingV2::Gone { from }) => (Some(None), Some(from)),
            Some(BecomingV2::Ours {
                from,
                to: node,
                source,
                built,
            }) => {
                let placed = Placed {
                    node,
                    source: source.into(),
                    built,
                };
                (Some(Some(placed)), Some(from))
            }
        };
        let is = (old.is != Node::Absent).then_some(Placed {
            node: old.is,
            source: old.source.into(),
            built: old.built,
        });
        Self {
            placed: Owned { is, becomes },
            from,
            backup: old.backup,
            package: old.package,
        }
    }
}

impl From<BlockV2> for OwnedBlock {
    fn from(mut old: BlockV2) -> Self {
        // Of more than two, the oldest count as changed by hand, so that a copy is kept.
        let last = old.texts.pop().flatten();
        let text = match old.texts.pop() {
            None => Owned::at_rest(last),
            Some(is) => Owned {
                is,
                becomes: Some(last),
            },
        };
        Self {
            text,
            origin: old.origin,
        }
    }
}

impl From<MadeV2> for Owned<Option<Made>> {
    fn from(old: MadeV2) -> Self {
        let replaced = old.replaced;
        let made = |kind| Made {
            kind,
            replaced: replaced.clone(),
        };
        match old.was {
            None => Self::at_rest(Some(made(old.kind))),
            Some(was) => Self {
                is: Some(made(was)),
                becomes: Some(Some(made(old.kind))),
            },
        }
    }
}

/// Brings what each name stands for to the form of today.
fn renew<K: Ord, A, B: From<A>>(old: BTreeMap<K, A>) -> BTreeMap<K, B> {
    old.into_iter().map(|(k, v)| (k, v.into())).collect()
}

impl From<StateV2> for State {
    fn from(old: StateV2) -> Self {
        Self {
            active: old.active,
            files: FilesRecord {
                entries: renew(old.files.entries),
                folders: old.files.folders,
            },
            blocks: BlocksRecord(renew(old.blocks)),
            tmpfiles: TmpfilesRecord {
                made: renew(old.tmpfiles.made),
                failed: old.tmpfiles.failed,
            },
            backups: old.backups,
            accounts: old.accounts,
            scripts: old.scripts,
            units: old.units,
            // Its checksum is of another form, so that it is written anew; what else there is came later.
            ..Self::default()
        }
    }
}

impl From<StateV1> for State {
    fn from(old: StateV1) -> Self {
        StateV2 {
            active: old.active,
            files: FilesV2 {
                entries: old.files,
                folders: old.folders,
            },
            blocks: old.blocks,
            tmpfiles: TmpfilesV2 {
                made: old.tmpfiles,
                failed: Vec::new(),
            },
            backups: Backups {
                saved: old.saved,
                next: old.next_backup,
            },
            accounts: old.accounts,
            scripts: old.scripts,
            units: UnitsRecord {
                until_boot_after: None,
                pending: old.pending,
                pending_users: old.pending_user_units,
                ran_beneath: BTreeSet::new(),
                failed: Failures::new(),
                failed_of_users: BTreeMap::new(),
            },
        }
        .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(name: &str) -> String {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/states");
        std::fs::read_to_string(format!("{folder}/state-{name}.json")).unwrap()
    }

    fn read(name: &str) -> State {
        State::parse(text(name).as_bytes()).unwrap()
    }

    fn names(state: &State) -> Vec<&str> {
        state.files.entries.keys().map(TargetPath::as_str).collect()
    }

    #[test]
    fn states_of_versions_1_and_2_are_read() {
        let first = read("v1");
        assert_eq!(
            names(&first),
            [
                "carried",
                "changed",
                "edited",
                "folder/inside",
                "goes/away",
                "replaced",
                "tmpfiles.d/t.conf"
            ]
        );
        assert_eq!(first, read("v2"), "the second had the same");
        assert!(first.accounts && first.tmpfiles.made.contains_key("/srv/made"));
        let block = first.blocks.0.values().next().unwrap();
        assert_eq!(block.text, Owned::at_rest(Some("old\n".to_owned())));
        assert_eq!(first.active.unwrap().toplevel.as_str(), "/tmp/fixture/1");
        assert_eq!(read("v1-edited").backups.saved.len(), 1);
        let edited = read("v2-edited");
        assert!(edited.units.ran_beneath.contains("cron.service"));
        assert_eq!(edited.tmpfiles.failed, ["/run/x is missing"]);
    }

    #[test]
    fn what_was_begun_is_known_in_the_form_of_today() {
        for name in ["v1-interrupted", "v2-interrupted"] {
            let state = read(name);
            let files = &state.files;
            let begun = files.entries.values().filter(|f| f.placed.is_begun());
            assert_eq!(begun.count(), 9, "{name}");
            let of = |target: &str| &files.entries[&target.parse::<TargetPath>().unwrap()];
            assert_eq!(
                of("carried").node(),
                &Node::Absent,
                "{name}: not placed yet"
            );
            assert_eq!(of("carried").from, Some(Node::Folder), "{name}");
            assert_eq!(of("folder").placed.becomes, Some(None), "{name}: it goes");
            assert!(
                matches!(&of("changed").placed.becomes, Some(Some(_))),
                "{name}"
            );
            let folder = &files.folders[&"carried".parse::<TargetPath>().unwrap()];
            assert_eq!(folder.backup.as_ref().unwrap().as_str(), "1-carried");
        }
        let state = read("v2-interrupted");
        let block = state.blocks.0.values().next().unwrap();
        assert!(block.text.is_begun() && block.text.is != Some("old\n".to_owned()));
        assert_eq!(block.text.becomes, Some(Some("old\n".to_owned())));
        let made = state.tmpfiles.made.values().next().unwrap();
        let old = Kind::Link {
            to: "/old".to_owned(),
        };
        assert_eq!(made.is.as_ref().unwrap().kind, old);
        assert!(made.is_begun());
    }

    #[test]
    fn one_that_was_altered_is_refused() {
        for version in ["v1", "v2"] {
            let good = text(version);
            for (text, why) in [
                (good.replace("\"mode\":420", "\"mode\":438"), "checksum"),
                (good[..good.len() / 2].to_owned(), "truncated"),
            ] {
                assert_ne!(text, good, "{why}");
                let error = format!("{:#}", State::parse(text.as_bytes()).unwrap_err());
                assert!(error.contains(why), "{why}: {error}");
            }
        }
    }
}
