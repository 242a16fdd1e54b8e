//! What links lead to in the Nix store: whether it is what was built, and the original where it is not.
//!
//! Whoever writes through a link of ours changes the store itself, and with it every generation that has the file. Nix
//! gives all that it builds the time 1 and takes the leave to write away, so one look tells what nobody has touched; the
//! content is read only on doubt.
#![expect(
    clippy::disallowed_methods,
    reason = "reads the Nix store, which is no part of the root"
)]

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::host::fs::open_source;
use crate::model::names::TargetPath;
use crate::model::node::sha256_of;

/// Where what Nix has built lies.
pub(crate) const STORE: &str = "/nix/store/";

/// The time of everything in the store, in seconds since 1970.
pub(crate) const BUILT_TIME: i64 = 1;

/// How many links a file of the store may be reached through.
const MOST_LINKS: usize = 40;

/// A file in the store, as it was built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Built {
    /// SHA-256 of the content, in hexadecimal.
    pub sha256: String,
    /// The size in bytes.
    pub size: u64,
}

/// Where a toplevel has the originals.
pub(crate) const ORIGINALS: &str = "originals";

/// What is wrong with a file in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Damage {
    /// It is gone.
    Missing,
    /// It has another content.
    Changed {
        /// SHA-256 of what it has now, in hexadecimal.
        sha256: String,
    },
}

/// What one look at a file shows.
enum Glance {
    /// It is gone, or leads nowhere.
    Missing,
    /// It is as Nix leaves what it builds, of this size.
    Untouched(u64),
    /// A folder: what is in it is not looked at.
    Folder,
    /// Someone has written to it, or it never was Nix's.
    Doubtful,
}

fn glance(path: &Path) -> Result<Glance> {
    let meta = match fs::metadata(path) {
        Ok(meta) => meta,
        Err(e) if matches!(e.raw_os_error(), Some(2 | 20)) => return Ok(Glance::Missing),
        Err(e) => return Err(e).with_context(|| format!("looking at {}", path.display())),
    };
    Ok(if meta.is_dir() {
        Glance::Folder
    } else if meta.mtime() == BUILT_TIME && meta.mode() & 0o222 == 0 {
        Glance::Untouched(meta.len())
    } else {
        Glance::Doubtful
    })
}

/// Reads what a file in the store is. None for what is no file there, or is gone; for one that someone has written to,
/// what `original` knows counts.
///
/// # Errors
/// When it can't be read.
pub(crate) fn read_built(
    path: &str,
    original: impl Fn() -> Result<Option<Built>>,
) -> Result<Option<Built>> {
    match glance(Path::new(path))? {
        Glance::Missing => original(),
        Glance::Folder => Ok(None),
        Glance::Untouched(size) => Ok(Some(Built {
            sha256: hash(path)?,
            size,
        })),
        Glance::Doubtful => {
            if let Some(built) = original()? {
                return Ok(Some(built));
            }
            let size = fs::metadata(path)
                .with_context(|| format!("looking at {path}"))?
                .len();
            Ok(Some(Built {
                sha256: hash(path)?,
                size,
            }))
        }
    }
}

/// Finds what is wrong with a file in the store; none when it is what was built, or nothing else is known of it.
///
/// # Errors
/// When it can't be read.
pub(crate) fn find_damage(path: &str, built: Option<&Built>) -> Result<Option<Damage>> {
    let glance = glance(Path::new(path))?;
    let built = match (glance, built) {
        (Glance::Missing, _) => return Ok(Some(Damage::Missing)),
        (Glance::Folder, _) | (_, None) => return Ok(None),
        (Glance::Untouched(size), Some(built)) if size == built.size => return Ok(None),
        (Glance::Untouched(_) | Glance::Doubtful, Some(built)) => built,
    };
    let sha256 = hash(path)?;
    Ok((sha256 != built.sha256).then_some(Damage::Changed { sha256 }))
}

fn hash(path: &str) -> Result<String> {
    open_source(path)
        .and_then(|file| Ok(sha256_of(file)?))
        .with_context(|| format!("reading {path}"))
}

/// The originals of small files that links of a generation lead to, once more: two files of its toplevel.
pub(crate) struct Originals {
    toplevel: String,
    index: OnceCell<BTreeMap<String, (u64, u64)>>,
}

impl Originals {
    /// Those of a toplevel, or of none with an empty path; nothing is read before it is asked for.
    #[must_use]
    pub(crate) fn of(toplevel: &str) -> Self {
        Self {
            toplevel: toplevel.to_owned(),
            index: OnceCell::new(),
        }
    }

    /// Whose they are.
    #[must_use]
    pub(crate) fn toplevel(&self) -> &str {
        &self.toplevel
    }

    /// Reads the original of what is at a target; none where the toplevel has none.
    ///
    /// # Errors
    /// When it can't be read.
    pub(crate) fn read(&self, target: &TargetPath) -> Result<Option<Vec<u8>>> {
        let index = match self.index.get() {
            Some(index) => index,
            None => {
                let index = self.read_index()?;
                self.index.get_or_init(|| index)
            }
        };
        let Some((start, size)) = index.get(target.as_str()) else {
            return Ok(None);
        };
        let path = Path::new(&self.toplevel).join(ORIGINALS);
        let inner = || -> Result<Vec<u8>> {
            let mut file = File::open(&path)?;
            file.seek(SeekFrom::Start(*start))?;
            let mut bytes = Vec::new();
            file.take(*size).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        inner()
            .map(Some)
            .with_context(|| format!("reading {}", path.display()))
    }

    /// Reads what the original of a target is.
    ///
    /// # Errors
    /// When it can't be read.
    pub(crate) fn built(&self, target: &TargetPath) -> Result<Option<Built>> {
        let Some(bytes) = self.read(target)? else {
            return Ok(None);
        };
        Ok(Some(Built {
            sha256: sha256_of(bytes.as_slice())?,
            size: bytes.len() as u64,
        }))
    }

    /// Lists the targets of which there are originals.
    ///
    /// # Errors
    /// When the list can't be read.
    pub(crate) fn targets(&self) -> Result<Vec<TargetPath>> {
        let index = self.read_index()?;
        Ok(index
            .keys()
            .filter_map(|target| target.parse().ok())
            .collect())
    }

    /// Lists targets and sizes in the order in which the contents follow each other.
    ///
    /// # Errors
    /// When the list can't be read.
    pub(crate) fn in_order(&self) -> Result<Vec<(String, u64)>> {
        let mut all: Vec<_> = self.read_index()?.into_iter().collect();
        all.sort_by_key(|(_, (start, size))| (*start, *size));
        let sized = all.into_iter().map(|(target, (_, size))| (target, size));
        Ok(sized.collect())
    }

    fn read_index(&self) -> Result<BTreeMap<String, (u64, u64)>> {
        if self.toplevel.is_empty() {
            return Ok(BTreeMap::new());
        }
        let path = Path::new(&self.toplevel).join("originals.index");
        match fs::read_to_string(&path) {
            Ok(text) => Ok(parse_index(&text)),
            // One from before there were originals.
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(BTreeMap::new()),
            Err(e) => Err(e).with_context(|| format!("reading {}", path.display())),
        }
    }
}

/// Reads lines of a size and a target, in the order of the contents. Pure.
fn parse_index(text: &str) -> BTreeMap<String, (u64, u64)> {
    let mut start = 0;
    let mut index = BTreeMap::new();
    for line in text.lines() {
        let Some((size, target)) = line.split_once(' ') else {
            break;
        };
        let Ok(size) = size.parse::<u64>() else { break };
        index.insert(target.to_owned(), (start, size));
        start += size;
    }
    index
}

/// Returns the path at which a file lies that may be reached through links of the store. It may be gone.
#[must_use]
pub(crate) fn place_of(path: &str) -> PathBuf {
    let mut at = PathBuf::from(path);
    for _ in 0..MOST_LINKS {
        let (Some(folder), Some(name)) = (at.parent(), at.file_name()) else {
            break;
        };
        // A folder that is gone has no links to be followed.
        let Ok(folder) = fs::canonicalize(folder) else {
            break;
        };
        let place = folder.join(name);
        match fs::read_link(&place) {
            Ok(to) => at = folder.join(to),
            Err(_) => return place,
        }
    }
    at
}

/// Returns the part of a path that is a path of the store: `/nix/store/NAME`. Pure.
#[must_use]
pub(crate) fn store_path(place: &Path) -> Option<PathBuf> {
    let name = place.strip_prefix(STORE).ok()?.components().next()?;
    Some(Path::new(STORE).join(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// Leaves a file as Nix does.
    fn build(path: &Path, text: &str) {
        if path.exists() {
            // Only root may write to it as it is.
            fs::remove_file(path).unwrap();
        }
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o444)).unwrap();
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1);
        File::open(path).unwrap().set_modified(time).unwrap();
    }

    #[test]
    fn what_was_written_through_a_link_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let name = path.to_str().unwrap();
        build(&path, "built\n");
        let built = read_built(name, || Ok(None)).unwrap().unwrap();
        let found = || find_damage(name, Some(&built)).unwrap();
        assert_eq!(found(), None);

        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(found(), None, "a doubt that the content removes");
        build(&path, "other\n");
        assert_eq!(
            found(),
            None,
            "the same size, the time of the store: nobody can tell without reading all"
        );
        build(&path, "longer than that\n");
        assert!(
            matches!(found(), Some(Damage::Changed { .. })),
            "another size"
        );
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        fs::write(&path, "by hand").unwrap();
        assert!(
            matches!(found(), Some(Damage::Changed { .. })),
            "another time"
        );
        fs::remove_file(&path).unwrap();
        assert_eq!(found(), Some(Damage::Missing));
        assert_eq!(
            find_damage(folder.path().to_str().unwrap(), Some(&built)).unwrap(),
            None,
            "a folder"
        );
    }

    #[test]
    fn the_original_counts_where_the_file_was_written_to_before_it_was_seen() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "by hand").unwrap();
        fs::write(folder.path().join("originals.index"), "2 a\n6 b/c\n").unwrap();
        fs::write(folder.path().join("originals"), "a\nbuilt\n").unwrap();
        let originals = Originals::of(folder.path().to_str().unwrap());
        let target: TargetPath = "b/c".parse().unwrap();
        assert_eq!(originals.read(&target).unwrap().unwrap(), b"built\n");
        assert_eq!(originals.read(&"none".parse().unwrap()).unwrap(), None);
        let built = read_built(path.to_str().unwrap(), || originals.built(&target)).unwrap();
        let found = find_damage(path.to_str().unwrap(), built.as_ref()).unwrap();
        assert!(matches!(found, Some(Damage::Changed { .. })));
    }

    #[test]
    fn a_path_of_the_store_is_found_in_a_path() {
        assert_eq!(
            store_path(Path::new("/nix/store/abc-x/etc/y")),
            Some(PathBuf::from("/nix/store/abc-x"))
        );
        assert_eq!(store_path(Path::new("/etc/x")), None);
    }
}
