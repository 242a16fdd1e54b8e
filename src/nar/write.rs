//! Writes what is on disk as an archive.
#![expect(clippy::disallowed_methods, reason = "reads what it packs")]

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::{DEPTH_MAX, MAGIC, padding};

/// Whoever may execute a file as its owner may do so in the archive.
const EXECUTABLE: u32 = 0o100;

/// Writes the archive of what is at `path`; a link is not followed.
///
/// # Errors
/// When it can't be read whole, or can't be written.
pub fn write(path: &Path, out: &mut impl Write) -> Result<()> {
    write_with(path, out, &mut |_, _, _| Ok(false))
}

/// Writes the content of a file of so many bytes in a way of its own; whether it has.
pub(crate) type Content<'a, W> = &'a mut dyn FnMut(&Path, u64, &mut W) -> Result<bool>;

/// Writes an archive as `write`; each file's content is offered to `content` first.
///
/// # Errors
/// When it can't be read whole, or can't be written.
pub(crate) fn write_with<W: Write>(
    path: &Path,
    out: &mut W,
    content: Content<'_, W>,
) -> Result<()> {
    string(out, MAGIC).context("writing an archive")?;
    node(path, out, content, 0)
}

fn node<W: Write>(path: &Path, out: &mut W, content: Content<'_, W>, depth: usize) -> Result<()> {
    let reading = || format!("reading {}", path.display());
    if depth > DEPTH_MAX {
        bail!("{} lies in more than {DEPTH_MAX} folders", path.display());
    }
    let metadata = fs::symlink_metadata(path).with_context(reading)?;
    let kind = metadata.file_type();
    strings(out, &[b"(", b"type"])?;
    if kind.is_symlink() {
        let target = fs::read_link(path).with_context(reading)?;
        strings(out, &[b"symlink", b"target", target.as_os_str().as_bytes()])?;
    } else if kind.is_dir() {
        strings(out, &[b"directory"])?;
        let mut names: Vec<Vec<u8>> = fs::read_dir(path)
            .and_then(|entries| entries.map(|e| Ok(e?.file_name().into_vec())).collect())
            .with_context(reading)?;
        names.sort();
        for name in names {
            strings(out, &[b"entry", b"(", b"name", &name, b"node"])?;
            node(
                &path.join(OsString::from_vec(name)),
                out,
                content,
                depth + 1,
            )?;
            strings(out, &[b")"])?;
        }
    } else if kind.is_file() {
        strings(out, &[b"regular"])?;
        if metadata.permissions().mode() & EXECUTABLE != 0 {
            strings(out, &[b"executable", b""])?;
        }
        strings(out, &[b"contents"])?;
        contents(path, metadata.len(), out, content)?;
    } else {
        bail!(
            "{} is a device, a socket or a pipe, which no archive holds",
            path.display()
        );
    }
    strings(out, &[b")"])
}

fn contents<W: Write>(path: &Path, size: u64, out: &mut W, content: Content<'_, W>) -> Result<()> {
    out.write_all(&size.to_le_bytes())
        .context("writing an archive")?;
    if content(path, size, out)? {
        return pad(out, size).context("writing an archive");
    }
    let mut file = File::open(path)
        .with_context(|| format!("reading {}", path.display()))?
        .take(size);
    let copied =
        io::copy(&mut file, out).with_context(|| format!("archiving {}", path.display()))?;
    if copied != size {
        bail!("{} became shorter while it was read", path.display());
    }
    pad(out, size).context("writing an archive")
}

fn strings(out: &mut impl Write, all: &[&[u8]]) -> Result<()> {
    all.iter()
        .try_for_each(|bytes| string(out, bytes))
        .context("writing an archive")
}

fn string(out: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    out.write_all(&(bytes.len() as u64).to_le_bytes())?;
    out.write_all(bytes)?;
    pad(out, bytes.len() as u64)
}

fn pad(out: &mut impl Write, length: u64) -> io::Result<()> {
    let zeros = [0; 7];
    // Less than a word.
    let count = usize::try_from(padding(length)).unwrap_or_default();
    out.write_all(&zeros[..count])
}
