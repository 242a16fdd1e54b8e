//! Archives on their way to a host: content that the host has elsewhere in its store goes as a word about where that is.
//!
//! The host puts the archive together and compares its hash with what it must be, as of any other. Where its copy is not
//! what it was here, it asks for the path again, and gets it whole.

#![expect(clippy::disallowed_methods, reason = "reads the store")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::connection::Connection;
use super::frame::{self, CHUNK, Kind};
use super::message::Piece;
use crate::closure::info::{PathInfo, StorePath};
use crate::files::built::{ORIGINALS, Originals, STORE};
use crate::nar;

/// Fewer bytes are not worth a word of their own.
const PIECE_MIN: u64 = 512;

/// A smaller archive is not worth the question whether earlier ones are there.
const ARCHIVE_MIN: u64 = 64 << 10;

/// Of how many earlier paths of a name is asked.
const EARLIER_MAX: usize = 4;

/// Writes archives to a connection, and keeps why that failed.
pub(super) struct Outgoing<'a> {
    connection: &'a mut Connection,
    tell: &'a mut dyn FnMut(u64),
    trouble: Option<io::Error>,
}

impl Outgoing<'_> {
    fn frame(&mut self, kind: Kind, payload: &[u8]) -> io::Result<()> {
        frame::write(self.connection, kind, payload).inspect_err(|e| {
            self.trouble = Some(io::Error::new(e.kind(), e.to_string()));
        })
    }
}

impl Write for Outgoing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let piece = &bytes[..bytes.len().min(CHUNK)];
        (self.tell)(piece.len() as u64);
        self.frame(Kind::Archive, piece)?;
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Why an archive did not go.
pub(super) enum Unsent {
    /// It can't be read here.
    Unread(anyhow::Error),
    /// The connection does not take it.
    Broken(io::Error),
}

/// Sends the archive of a path; `tell` hears of the bytes. What `there` knows of goes as words.
///
/// # Errors
/// When it can't be read, or the connection breaks.
pub(super) fn send(
    connection: &mut Connection,
    path: &StorePath,
    there: Option<&There>,
    tell: &mut dyn FnMut(u64),
) -> Result<(), Unsent> {
    let outgoing = Outgoing {
        connection,
        tell,
        trouble: None,
    };
    let mut out = BufWriter::with_capacity(CHUNK, outgoing);
    let written = nar::write_with(
        Path::new(path.as_str()),
        &mut out,
        &mut |file, size, out| match there {
            Some(there) => there.content(path, file, size, out),
            None => Ok(false),
        },
    );
    let written = written.and_then(|()| out.flush().context("sending"));
    // It would try again.
    let (outgoing, _) = out.into_parts();
    match (written, outgoing.trouble) {
        (Ok(()), _) => Ok(()),
        (Err(_), Some(error)) => Err(Unsent::Broken(error)),
        (Err(error), None) => Err(Unsent::Unread(error)),
    }
}

/// What a host has of the content of paths that go to it.
pub(super) struct There {
    /// What it has, or gets before.
    pub(super) known: BTreeSet<StorePath>,
    /// By a path that goes, an earlier one of the same name, which the host has.
    pub(super) earlier: BTreeMap<StorePath, StorePath>,
}

impl There {
    /// Writes the content of a file of a path as words, where it is elsewhere; whether it has.
    fn content(
        &self,
        path: &StorePath,
        file: &Path,
        size: u64,
        out: &mut BufWriter<Outgoing>,
    ) -> Result<bool> {
        if size < PIECE_MIN {
            return Ok(false);
        }
        if file == Path::new(path.as_str()).join(ORIGINALS) {
            return self.originals(path, file, size, out);
        }
        let Some(piece) = self.earlier(path, file, size) else {
            return Ok(false);
        };
        say(&piece, out)?;
        Ok(true)
    }

    /// The same file of an earlier path, if it is the same.
    fn earlier(&self, path: &StorePath, file: &Path, size: u64) -> Option<Piece> {
        let earlier = self.earlier.get(path)?;
        let inside = file.strip_prefix(path.as_str()).ok()?.to_str()?;
        let piece = Piece {
            path: earlier.clone(),
            file: inside.to_owned(),
            size,
        };
        let place = place(&piece);
        // What can't be read is not the same; it may be going just now.
        let is_file = |m: fs::Metadata| m.is_file() && m.len() == size;
        let is_same = fs::symlink_metadata(&place).is_ok_and(is_file)
            && are_equal(
                &mut File::open(&place).ok()?,
                &mut File::open(file).ok()?,
                size,
            );
        is_same.then_some(piece)
    }

    /// What a toplevel has of other files once more.
    fn originals(
        &self,
        path: &StorePath,
        file: &Path,
        size: u64,
        out: &mut BufWriter<Outgoing>,
    ) -> Result<bool> {
        let parts = Originals::of(path.as_str()).in_order()?;
        if parts.iter().map(|(_, size)| size).sum::<u64>() != size {
            return Ok(false);
        }
        let reading = || format!("reading {}", file.display());
        let mut all = File::open(file).with_context(reading)?;
        let mut start = 0;
        for (target, size) in parts {
            let piece = self.original(path, &target, size).filter(|piece| {
                let place = place(piece);
                all.seek(SeekFrom::Start(start)).is_ok()
                    && File::open(place)
                        .is_ok_and(|mut other| are_equal(&mut other, &mut all, size))
            });
            if let Some(piece) = piece {
                say(&piece, out)?;
            } else {
                all.seek(SeekFrom::Start(start)).with_context(reading)?;
                io::copy(&mut (&all).take(size), out).with_context(reading)?;
            }
            start += size;
        }
        Ok(true)
    }

    /// The file to which a link of a toplevel leads.
    fn original(&self, toplevel: &StorePath, target: &str, size: u64) -> Option<Piece> {
        if size < PIECE_MIN {
            return None;
        }
        let link = Path::new(toplevel.as_str()).join("etc").join(target);
        let place = fs::canonicalize(link).ok()?;
        let path = StorePath::of(place.to_str()?)?;
        let file = place.strip_prefix(path.as_str()).ok()?.to_str()?.to_owned();
        let is_there = path != *toplevel && self.known.contains(&path);
        is_there.then_some(Piece { path, file, size })
    }
}

/// Returns where the file of a piece is.
fn place(piece: &Piece) -> PathBuf {
    piece.within(Path::new(piece.path.as_str()))
}

fn say(piece: &Piece, out: &mut BufWriter<Outgoing>) -> Result<()> {
    out.flush().context("sending")?;
    let text = serde_json::to_vec(piece).context("serialising a piece")?;
    let outgoing = out.get_mut();
    outgoing.frame(Kind::Piece, &text).context("sending")?;
    (outgoing.tell)(piece.size);
    Ok(())
}

/// Whether the next bytes of two are the same; so many must be there.
fn are_equal(one: &mut File, other: &mut File, size: u64) -> bool {
    let (mut a, mut b) = (vec![0; CHUNK], vec![0; CHUNK]);
    let mut left = size;
    while left > 0 {
        let count = usize::try_from(left).map_or(CHUNK, |left| left.min(CHUNK));
        let (a, b) = (&mut a[..count], &mut b[..count]);
        if one.read_exact(a).is_err() || other.read_exact(b).is_err() || a != b {
            return false;
        }
        left -= count as u64;
    }
    true
}

/// Lists paths of this machine that may be earlier ones of those that go, for each the youngest first.
///
/// # Errors
/// When the store can't be read.
pub(super) fn find_earlier(
    missing: &[&PathInfo],
    known: &BTreeSet<StorePath>,
) -> Result<BTreeMap<StorePath, Vec<StorePath>>> {
    let large = missing.iter().filter(|info| info.nar_size >= ARCHIVE_MIN);
    let mut by_name: BTreeMap<&str, Vec<&StorePath>> = BTreeMap::new();
    for info in large {
        by_name
            .entry(name(&info.path))
            .or_default()
            .push(&info.path);
    }
    if by_name.is_empty() {
        return Ok(BTreeMap::new());
    }
    let mut found: BTreeMap<&str, Vec<(i64, StorePath)>> = BTreeMap::new();
    for entry in fs::read_dir(STORE).with_context(|| format!("reading {STORE}"))? {
        let entry = entry.with_context(|| format!("reading {STORE}"))?;
        let path = entry.path().to_str().and_then(StorePath::of);
        let Some(path) = path.filter(|path| !known.contains(path)) else {
            continue;
        };
        if let Some((name, _)) = by_name.get_key_value(name(&path)) {
            // One that goes just now is none.
            let Ok(metadata) = entry.metadata() else {
                continue;
            };
            found
                .entry(name)
                .or_default()
                .push((-metadata.ctime(), path));
        }
    }
    let mut earlier = BTreeMap::new();
    for (name, mut paths) in found {
        paths.sort();
        let youngest = paths.into_iter().map(|(_, path)| path).take(EARLIER_MAX);
        let youngest: Vec<StorePath> = youngest.collect();
        for path in by_name.remove(name).unwrap_or_default() {
            earlier.insert(path.clone(), youngest.clone());
        }
    }
    Ok(earlier)
}

/// What a path is called after its hash.
fn name(path: &StorePath) -> &str {
    path.name().split_once('-').map_or("", |(_, name)| name)
}
