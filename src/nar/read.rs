//! Reads an archive, and refuses each that Nix would not have written.

use std::fs::{File, Permissions};
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{Mode, UtimensatFlags, fchmodat, futimens, mkdirat, utimensat};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, fchown, fchownat, symlinkat};

use crate::host::kernel;

use super::{DEPTH_MAX, MAGIC, NAME_MAX, TARGET_MAX, padding};

/// Where something of an archive goes: its name in a folder.
#[derive(Debug)]
struct Place<'a, F> {
    /// The folder.
    folder: &'a F,
    /// The name; one component, and neither `.` nor `..`.
    name: &'a str,
}

// Derived, they would ask the same of the folder.
impl<F> Clone for Place<'_, F> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<F> Copy for Place<'_, F> {}

/// What becomes of the things in an archive, in their order.
trait Sink {
    /// An open folder.
    type Folder;

    /// Makes a folder and opens it.
    ///
    /// # Errors
    /// When it can't be made.
    fn folder(&mut self, at: Place<'_, Self::Folder>) -> Result<Self::Folder>;

    /// Is called when all of a folder is there.
    ///
    /// # Errors
    /// When it can't be finished.
    fn end_folder(&mut self, at: Place<'_, Self::Folder>, folder: Self::Folder) -> Result<()>;

    /// Makes a link.
    ///
    /// # Errors
    /// When it can't be made.
    fn link(&mut self, at: Place<'_, Self::Folder>, target: &str) -> Result<()>;

    /// Makes a file of all that `content` has.
    ///
    /// # Errors
    /// When it can't be made.
    fn file(
        &mut self,
        at: Place<'_, Self::Folder>,
        executable: bool,
        content: &mut dyn Read,
    ) -> Result<()>;
}

/// Reads one archive and nothing after it.
///
/// # Errors
/// When it is none, is cut short, or the sink fails.
fn read<S: Sink>(input: &mut dyn Read, sink: &mut S, at: Place<'_, S::Folder>) -> Result<()> {
    let mut reader = Reader { input };
    reader.expect(MAGIC)?;
    reader.node(sink, at, 0)
}

struct Reader<'a> {
    input: &'a mut dyn Read,
}

impl Reader<'_> {
    fn node<S: Sink>(
        &mut self,
        sink: &mut S,
        at: Place<'_, S::Folder>,
        depth: usize,
    ) -> Result<()> {
        if depth > DEPTH_MAX {
            bail!("the archive has more than {DEPTH_MAX} folders in each other");
        }
        self.expect(b"(")?;
        self.expect(b"type")?;
        match self.word()?.as_slice() {
            b"regular" => {
                self.file(sink, at)?;
                self.expect(b")")
            }
            b"symlink" => {
                self.expect(b"target")?;
                let target = self.text(TARGET_MAX)?;
                if target.is_empty() || target.contains('\0') {
                    bail!("the archive has a link to {target:?}");
                }
                sink.link(at, &target)?;
                self.expect(b")")
            }
            b"directory" => self.folder(sink, at, depth),
            other => bail!("the archive has a thing of the type {}", show(other)),
        }
    }

    fn file<S: Sink>(&mut self, sink: &mut S, at: Place<'_, S::Folder>) -> Result<()> {
        let mut word = self.word()?;
        let executable = word == b"executable";
        if executable {
            self.expect(b"")?;
            word = self.word()?;
        }
        if word != b"contents" {
            bail!(
                "the archive has {} where a file's content begins",
                show(&word)
            );
        }
        let size = self.length()?;
        let mut content = (&mut *self.input).take(size);
        sink.file(at, executable, &mut content)?;
        if content.limit() != 0 {
            // It ended early; or the sink has not read it.
            bail!("the archive ends within a file");
        }
        self.pad(size)
    }

    fn folder<S: Sink>(
        &mut self,
        sink: &mut S,
        at: Place<'_, S::Folder>,
        depth: usize,
    ) -> Result<()> {
        let folder = sink.folder(at)?;
        let mut last: Option<String> = None;
        loop {
            match self.word()?.as_slice() {
                b")" => return sink.end_folder(at, folder),
                b"entry" => {}
                other => bail!("the archive has {} in a folder", show(other)),
            }
            self.expect(b"(")?;
            self.expect(b"name")?;
            let name = self.text(NAME_MAX)?;
            check_name(&name)?;
            if last.as_ref().is_some_and(|last| *last >= name) {
                bail!("the archive's names are not in order: {name:?} comes late, or twice");
            }
            self.expect(b"node")?;
            let inside = Place {
                folder: &folder,
                name: &name,
            };
            self.node(sink, inside, depth + 1)?;
            self.expect(b")")?;
            last = Some(name);
        }
    }

    fn length(&mut self) -> Result<u64> {
        let mut bytes = [0; 8];
        self.fill(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn string(&mut self, most: u64) -> Result<Vec<u8>> {
        let length = self.length()?;
        if length > most {
            bail!("the archive has a string of {length} bytes where {most} are the most");
        }
        let mut bytes = vec![0; usize::try_from(length)?];
        self.fill(&mut bytes)?;
        self.pad(length)?;
        Ok(bytes)
    }

    /// A word of the format itself; none is as long as this.
    fn word(&mut self) -> Result<Vec<u8>> {
        self.string(16)
    }

    fn text(&mut self, most: u64) -> Result<String> {
        String::from_utf8(self.string(most)?)
            .map_err(|e| anyhow::anyhow!("the archive has a name that is not UTF-8: {e}"))
    }

    fn expect(&mut self, word: &[u8]) -> Result<()> {
        let found = self.word()?;
        if found != word {
            bail!(
                "the archive has {} in place of {}",
                show(&found),
                show(word)
            );
        }
        Ok(())
    }

    fn pad(&mut self, length: u64) -> Result<()> {
        let mut zeros = [0; 8];
        let count = usize::try_from(padding(length))?;
        self.fill(&mut zeros[..count])?;
        if zeros != [0; 8] {
            bail!("the archive has something else than zeros after a string");
        }
        Ok(())
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<()> {
        self.input.read_exact(bytes).map_err(|e| match e.kind() {
            io::ErrorKind::UnexpectedEof => anyhow::anyhow!("the archive is cut short"),
            _ => anyhow::Error::new(e).context("reading an archive"),
        })
    }
}

fn check_name(name: &str) -> Result<()> {
    if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\0']) {
        bail!("the archive has a file of the name {name:?}");
    }
    Ok(())
}

fn show(bytes: &[u8]) -> String {
    format!("{:?}", String::from_utf8_lossy(bytes))
}

/// Reads one archive, and keeps nothing of it.
///
/// # Errors
/// When it is none.
pub(crate) fn check(input: &mut dyn Read) -> Result<()> {
    let at = Place {
        folder: &(),
        name: "it",
    };
    read(input, &mut Nowhere, at)
}

/// Where an archive goes that nobody wants: all of it is read.
struct Nowhere;

impl Sink for Nowhere {
    type Folder = ();

    fn folder(&mut self, _: Place<'_, ()>) -> Result<()> {
        Ok(())
    }

    fn end_folder(&mut self, _: Place<'_, ()>, (): ()) -> Result<()> {
        Ok(())
    }

    fn link(&mut self, _: Place<'_, ()>, _: &str) -> Result<()> {
        Ok(())
    }

    fn file(&mut self, at: Place<'_, ()>, _: bool, content: &mut dyn Read) -> Result<()> {
        // Whoever tries any bytes is to hear of it.
        assert!(
            !matches!(at.name, "" | "." | "..") && !at.name.contains('/'),
            "a name leaves its folder"
        );
        io::copy(content, &mut io::sink()).context("reading an archive")?;
        Ok(())
    }
}

/// A sink on disk, with modes, owner and times as a store has them.
struct Unpack {
    /// For messages.
    path: PathBuf,
    /// Whether everything becomes root's; somebody else can't give files away.
    chown: bool,
}

const FOLDER_FLAGS: OFlag = OFlag::O_RDONLY
    .union(OFlag::O_DIRECTORY)
    .union(OFlag::O_NOFOLLOW)
    .union(OFlag::O_CLOEXEC);

/// Unpacks an archive to `path`, where nothing may be, and does not flush it to the disk.
///
/// # Errors
/// When the archive is not one, or something can't be made. What was made until then stays.
pub fn unpack(input: &mut dyn Read, path: &Path) -> Result<()> {
    let above = path.parent().unwrap_or(Path::new("/"));
    let name = path
        .file_name()
        .and_then(|n| n.to_str())
        .with_context(|| format!("unpacking to {}", path.display()))?;
    let mut sink = Unpack {
        path: path.to_owned(),
        chown: nix::unistd::geteuid().is_root(),
    };
    let mut inner = || -> Result<()> {
        let folder = openat(nix::fcntl::AT_FDCWD, above, FOLDER_FLAGS, Mode::empty())?;
        let at = Place {
            folder: &folder,
            name,
        };
        read(input, &mut sink, at)
    };
    inner().with_context(|| format!("unpacking to {}", path.display()))
}

/// Nix gives everything in a store this time.
const TIME: TimeSpec = TimeSpec::new(1, 0);

const FILE_MODE: u32 = 0o444;
const EXECUTABLE_MODE: u32 = 0o555;

impl Unpack {
    fn making(&self, name: &str) -> String {
        format!("making {name:?} in {}", self.path.display())
    }
}

impl Sink for Unpack {
    type Folder = OwnedFd;

    fn folder(&mut self, at: Place<'_, OwnedFd>) -> Result<OwnedFd> {
        let inner = || -> nix::Result<OwnedFd> {
            mkdirat(at.folder, at.name, Mode::S_IRWXU)?;
            openat(at.folder, at.name, FOLDER_FLAGS, Mode::empty())
        };
        inner().with_context(|| self.making(at.name))
    }

    fn end_folder(&mut self, at: Place<'_, OwnedFd>, folder: OwnedFd) -> Result<()> {
        let inner = || -> Result<()> {
            if self.chown {
                fchown(
                    folder.as_fd(),
                    Some(Uid::from_raw(0)),
                    Some(Gid::from_raw(0)),
                )?;
            }
            let mode = kernel::mode(EXECUTABLE_MODE);
            fchmodat(
                at.folder,
                at.name,
                mode,
                nix::sys::stat::FchmodatFlags::FollowSymlink,
            )?;
            futimens(folder.as_fd(), &TIME, &TIME)?;
            Ok(())
        };
        inner().with_context(|| self.making(at.name))
    }

    fn link(&mut self, at: Place<'_, OwnedFd>, target: &str) -> Result<()> {
        let inner = || -> nix::Result<()> {
            symlinkat(target, at.folder, at.name)?;
            if self.chown {
                let (uid, gid) = (Some(Uid::from_raw(0)), Some(Gid::from_raw(0)));
                fchownat(at.folder, at.name, uid, gid, AtFlags::AT_SYMLINK_NOFOLLOW)?;
            }
            let flags = UtimensatFlags::NoFollowSymlink;
            utimensat(at.folder, at.name, &TIME, &TIME, flags)
        };
        inner().with_context(|| self.making(at.name))
    }

    fn file(
        &mut self,
        at: Place<'_, OwnedFd>,
        executable: bool,
        content: &mut dyn Read,
    ) -> Result<()> {
        let mut inner = || -> Result<()> {
            let flags = OFlag::O_WRONLY
                | OFlag::O_CREAT
                | OFlag::O_EXCL
                | OFlag::O_NOFOLLOW
                | OFlag::O_CLOEXEC;
            let mode = Mode::S_IRUSR | Mode::S_IWUSR;
            let mut file = File::from(openat(at.folder, at.name, flags, mode)?);
            io::copy(content, &mut file)?;
            if self.chown {
                fchown(file.as_fd(), Some(Uid::from_raw(0)), Some(Gid::from_raw(0)))?;
            }
            let mode = if executable {
                EXECUTABLE_MODE
            } else {
                FILE_MODE
            };
            file.set_permissions(Permissions::from_mode(mode))?;
            futimens(file.as_fd(), &TIME, &TIME)?;
            Ok(())
        };
        inner().with_context(|| self.making(at.name))
    }
}
