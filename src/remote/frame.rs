//! What goes over a connection: a kind, a length of four bytes (little-endian), as many bytes.

use std::io::{self, Read, Write};

use anyhow::{Context, Result, bail};

/// The version of frames and messages. It changes when either does; both sides must have the same.
pub(crate) const VERSION: u32 = 4;

/// No frame is longer, whoever sends it.
const LENGTH_MAX: usize = 8 << 20;

/// How much of an archive goes into one frame.
pub(crate) const CHUNK: usize = 128 << 10;

/// What a frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A message, as JSON.
    Message = b'm' as isize,
    /// A piece of an archive.
    Archive = b'n' as isize,
    /// A piece of an archive that the other side has already: where, as JSON.
    Piece = b'p' as isize,
    /// What a program prints.
    Output = b'o' as isize,
    /// What a program says on standard error.
    Error = b'e' as isize,
    /// Nothing; that it comes says that the other side is there.
    Alive = b'a' as isize,
}

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    /// What it holds.
    pub kind: Kind,
    /// What it says.
    pub payload: Vec<u8>,
}

/// Writes a frame and flushes it.
///
/// # Errors
/// When it can't be written, or is too long.
pub(crate) fn write(out: &mut impl Write, kind: Kind, payload: &[u8]) -> io::Result<()> {
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    if payload.len() > LENGTH_MAX {
        return Err(io::Error::other("a message is too long to be sent"));
    }
    out.write_all(&[kind as u8])?;
    out.write_all(&length.to_le_bytes())?;
    out.write_all(payload)?;
    out.flush()
}

/// Reads a frame; none at the end.
///
/// # Errors
/// When it is cut, too long, or none.
pub(crate) fn read(input: &mut impl Read) -> Result<Option<Frame>> {
    let mut kind = [0];
    if input.read(&mut kind).context("reading a frame")? == 0 {
        return Ok(None);
    }
    let kind = match kind[0] {
        b'm' => Kind::Message,
        b'n' => Kind::Archive,
        b'p' => Kind::Piece,
        b'o' => Kind::Output,
        b'e' => Kind::Error,
        b'a' => Kind::Alive,
        other => bail!("the other side sent {other:#04x} where a frame begins"),
    };
    let mut length = [0; 4];
    input.read_exact(&mut length).context("reading a frame")?;
    let length = usize::try_from(u32::from_le_bytes(length))?;
    if length > LENGTH_MAX {
        bail!("the other side sent a frame of {length} bytes, where {LENGTH_MAX} are the most");
    }
    let mut payload = vec![0; length];
    input.read_exact(&mut payload).context("reading a frame")?;
    Ok(Some(Frame { kind, payload }))
}

/// Makes text that a host sent harmless to a terminal: control characters are shown, not sent. Line ends, tabs and the
/// sequences that set colours stay. Pure.
#[must_use]
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if let Some(length) = color_length(rest) {
            out += &rest[..length];
            rest = &rest[length..];
            continue;
        }
        match c {
            '\n' | '\t' => out.push(c),
            // Also those that change the direction of text.
            c if c.is_control()
                || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') =>
            {
                out.extend(c.escape_unicode());
            }
            c => out.push(c),
        }
        rest = &rest[c.len_utf8()..];
    }
    out
}

/// Takes the sequences that set colours out of text. Pure.
#[must_use]
pub(crate) fn without_colors(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let length = color_length(rest);
        if length.is_none() {
            out.push(c);
        }
        rest = &rest[length.unwrap_or(c.len_utf8())..];
    }
    out
}

/// The length of the sequence at the beginning that sets colours (ECMA-48, SGR), if there is one.
fn color_length(text: &str) -> Option<usize> {
    let rest = text.strip_prefix("\x1b[")?;
    let end = rest.find(|c: char| !(c.is_ascii_digit() || c == ';'))?;
    (end <= 16 && rest[end..].starts_with('m')).then_some(end + 3)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_terminal_is_told_colours_and_nothing_else() {
        for (text, expected) in [
            ("a\n\tb é", "a\n\tb é"),
            ("\x1b[1;31mred\x1b[0m", "\x1b[1;31mred\x1b[0m"),
            ("\x1b[2J\x1b]0;title\x07", "\\u{1b}[2J\\u{1b}]0;title\\u{7}"),
            ("\x1b[31", "\\u{1b}[31"),
            (
                "a\rb\x08\u{9b}2J\u{202e}",
                "a\\u{d}b\\u{8}\\u{9b}2J\\u{202e}",
            ),
        ] {
            assert_eq!(escape(text), expected);
        }
    }

    #[test]
    fn colours_go_and_nothing_else() {
        assert_eq!(
            without_colors("\x1b[1;31mrèd\x1b[0m\x1b[2J\x1b[31"),
            "rèd\x1b[2J\x1b[31"
        );
    }

    #[test]
    fn a_frame_that_is_none_is_refused() {
        let mut long = vec![b'm'];
        long.extend(u32::MAX.to_le_bytes());
        for (bytes, why) in [
            (b"x\0\0\0\0".to_vec(), "where a frame begins"),
            (long, "are the most"),
            (b"m\x05\0\0\0ab".to_vec(), "reading a frame"),
            (b"m\x05".to_vec(), "reading a frame"),
        ] {
            let said = format!("{:#}", read(&mut &*bytes).unwrap_err());
            assert!(said.contains(why), "{said}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(payload in prop::collection::vec(any::<u8>(), 0..99)) {
            let mut bytes = Vec::new();
            write(&mut bytes, Kind::Archive, &payload).unwrap();
            let mut rest = &*bytes;
            let frame = read(&mut rest).unwrap();
            prop_assert_eq!(frame, Some(Frame { kind: Kind::Archive, payload }));
            prop_assert_eq!(read(&mut rest).unwrap(), None);
        }
    }
}
