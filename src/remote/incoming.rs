//! An archive as it comes in frames, with pieces that are here already.

#![expect(clippy::disallowed_methods, reason = "reads the store")]

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use super::frame::{self, Kind};
use super::message::Piece;
use crate::closure::receive::Places;
use crate::model::json;

/// The bytes of an archive, so many as were announced.
pub(super) struct Archive<'a, R> {
    input: &'a mut R,
    places: Places,
    left: u64,
    now: Now,
    has_pieces: bool,
}

/// Where the next bytes come from.
enum Now {
    /// From a frame.
    Frame(io::Cursor<Vec<u8>>),
    /// From a file, if it is here; so many.
    File(Option<File>, u64),
}

impl<'a, R: Read> Archive<'a, R> {
    /// Makes one of what comes on a connection.
    pub(super) fn new(input: &'a mut R, places: Places, size: u64) -> Self {
        Self {
            input,
            places,
            left: size,
            now: Now::Frame(io::Cursor::default()),
            has_pieces: false,
        }
    }

    /// Whether any bytes were not sent.
    pub(super) fn has_pieces(&self) -> bool {
        self.has_pieces
    }

    fn next(&mut self) -> io::Result<()> {
        let frame = frame::read(self.input).map_err(io::Error::other)?;
        let frame = frame.filter(|frame| !frame.payload.is_empty());
        let frame = frame.ok_or(io::ErrorKind::UnexpectedEof)?;
        let size = match frame.kind {
            Kind::Archive => {
                let size = frame.payload.len() as u64;
                self.now = Now::Frame(io::Cursor::new(frame.payload));
                size
            }
            Kind::Piece => {
                let piece: Piece = json::from_bytes(&frame.payload).map_err(io::Error::other)?;
                self.has_pieces = true;
                self.now = Now::File(open(&self.places, &piece), piece.size);
                piece.size
            }
            _ => return Err(io::ErrorKind::UnexpectedEof.into()),
        };
        let left = self.left.checked_sub(size);
        self.left = left.ok_or_else(|| io::Error::other("an archive is longer than announced"))?;
        Ok(())
    }
}

impl<R: Read> Read for Archive<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = match &mut self.now {
                Now::Frame(bytes) => bytes.read(buffer)?,
                Now::File(file, left) => {
                    let most = usize::try_from(*left).map_or(buffer.len(), |l| l.min(buffer.len()));
                    let read = file.as_mut().map(|file| file.read(&mut buffer[..most]));
                    let count = match read {
                        Some(Ok(count @ 1..)) => count,
                        // It is not what it was. The hash tells; until then all has to be read past.
                        _ => {
                            buffer[..most].fill(0);
                            most
                        }
                    };
                    *left -= count as u64;
                    count
                }
            };
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            if self.left == 0 {
                return Ok(0);
            }
            self.next()?;
        }
    }
}

/// Opens the file of a piece, where it is one.
fn open(places: &Places, piece: &Piece) -> Option<File> {
    let inside = Path::new(&piece.file);
    let is_inside = |c| matches!(c, std::path::Component::Normal(_));
    if !inside.components().all(is_inside) {
        return None;
    }
    let places = places.of(&piece.path).into_iter();
    let mut files = places.map(|place| piece.within(&place));
    let file = files.find(|file| fs::symlink_metadata(file).is_ok_and(|m| m.is_file()))?;
    File::open(file).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "/nix/store/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-x";

    fn piece(file: &str, size: u64) -> Vec<u8> {
        let path = PATH.parse().unwrap();
        let file = file.to_owned();
        serde_json::to_vec(&Piece { path, file, size }).unwrap()
    }

    fn frames(all: &[(Kind, &[u8])]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (kind, payload) in all {
            frame::write(&mut bytes, *kind, payload).unwrap();
        }
        bytes
    }

    #[test]
    fn what_is_here_already_is_put_between_and_what_is_not_is_told_by_the_hash() {
        let store = tempfile::tempdir().unwrap();
        let folder = store.path().join(&PATH["/nix/store/".len()..]);
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("file"), "there").unwrap();
        fs::write(store.path().join("outside"), "shut!").unwrap();
        std::os::unix::fs::symlink("../outside", folder.join("link")).unwrap();
        for (file, expected) in [
            ("file", "a there b"),
            ("gone", "a \0\0\0\0\0 b"),
            ("", "a \0\0\0\0\0 b"),
            ("link", "a \0\0\0\0\0 b"),
            ("../outside", "a \0\0\0\0\0 b"),
            ("/etc/hostname", "a \0\0\0\0\0 b"),
        ] {
            let word = piece(file, 5);
            let bytes = frames(&[
                (Kind::Archive, b"a "),
                (Kind::Piece, &word),
                (Kind::Archive, b" b"),
                (Kind::Message, b"the next"),
            ]);
            let (mut input, mut text) = (&*bytes, String::new());
            let mut archive = Archive::new(&mut input, Places::at(store.path()), 9);
            archive.read_to_string(&mut text).unwrap();
            assert!(archive.has_pieces());
            assert_eq!(text, expected, "{file}");
            let next = frame::read(&mut input).unwrap().unwrap();
            assert_eq!(next.payload, b"the next");
        }
        // It became shorter.
        let (bytes, mut text) = (frames(&[(Kind::Piece, &piece("file", 8))]), Vec::new());
        let mut input = &*bytes;
        let mut archive = Archive::new(&mut input, Places::at(store.path()), 8);
        archive.read_to_end(&mut text).unwrap();
        assert_eq!(text, b"there\0\0\0");
    }

    #[test]
    fn no_archive_is_longer_than_announced_or_of_other_frames() {
        let store = tempfile::tempdir().unwrap();
        let long = piece("file", u64::MAX);
        for (kind, payload, why) in [
            (Kind::Piece, long.as_slice(), "longer than announced"),
            (Kind::Archive, b"0123456789", "longer than announced"),
            (Kind::Piece, b"{}", "missing field"),
            (Kind::Message, b"x", "unexpected end of file"),
        ] {
            let bytes = frames(&[(kind, payload)]);
            let mut input = &*bytes;
            let mut archive = Archive::new(&mut input, Places::at(store.path()), 9);
            let said = archive.read_to_end(&mut Vec::new()).unwrap_err();
            assert!(said.to_string().contains(why), "{said}");
        }
    }
}
