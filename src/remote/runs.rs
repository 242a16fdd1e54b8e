//! Runs that outlive the connection that asked for them: `/var/lib/system-manager/runs/NAME`, or the same in `/run` for one
//! of this boot only. What a run prints goes to files, how it ended to another; whoever asks is told, then or later.

#![expect(clippy::disallowed_methods, reason = "waits for runs")]

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::os::fd::AsFd;

use super::confirm;
use super::frame::CHUNK;
use super::message::{Ended, Start};
use crate::activation::{admission, ephemeral};
use crate::closure;
use crate::host::fs::{Content, NewFile, Root};
use crate::host::held::{Held, How};
use crate::host::kernel;
use crate::host::process::Command;
use crate::model::json;
use crate::model::node::{Node, hex};
use crate::store::pending::{self, Lasting};

/// The hidden command that carries a run out.
pub(crate) const COMMAND: &str = "carry-out-run";

/// The folder of all of them.
fn folder(lasting: Lasting) -> PathBuf {
    lasting.folder().join("runs")
}

/// The flag of what is of this boot only.
pub(super) const EPHEMERAL: &str = "--ephemeral";

/// How the name of a run ends that is of one boot only.
pub(super) const OF_THIS_BOOT: &str = "-boot";

/// How many runs are remembered.
const KEPT: usize = 20;

/// How long the host's service manager may take to start a run.
const START_LIMIT: Duration = Duration::from_secs(30);

/// A run on this host.
pub(crate) struct Run<'a> {
    root: &'a Root,
    name: String,
    lasting: Lasting,
}

/// What has become of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    /// It has not begun yet.
    Waiting,
    /// It goes on.
    Running,
    /// It has ended.
    Ended(Ended),
    /// It was killed.
    Dead,
}

/// One piece of what a run says.
pub(crate) enum Said<'a> {
    /// On standard output.
    Output(&'a [u8]),
    /// On standard error.
    Error(&'a [u8]),
}

impl<'a> Run<'a> {
    /// Names a run.
    ///
    /// # Errors
    /// When no run can have that name.
    pub(crate) fn new(root: &'a Root, name: &str) -> Result<Self> {
        let is_name = (1..=40).contains(&name.len())
            && !name.starts_with('-')
            && name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !is_name {
            bail!("{name:?} is not the name of a run");
        }
        let of_this_boot = folder(Lasting::ThisBoot).join(name);
        Ok(Self {
            root,
            name: name.to_owned(),
            lasting: match root.node(&of_this_boot)? {
                Node::Absent => Lasting::Always,
                _ => Lasting::ThisBoot,
            },
        })
    }

    /// Returns the run that began last, if there is one.
    ///
    /// # Errors
    /// When the runs can't be listed.
    pub(crate) fn last(root: &'a Root) -> Result<Option<Self>> {
        let mut names = Vec::new();
        for lasting in Lasting::ALL {
            names.extend(root.list(&folder(lasting))?);
        }
        let last = names.into_iter().max();
        last.map(|name| Self::new(root, &name)).transpose()
    }

    fn path(&self, file: &str) -> PathBuf {
        folder(self.lasting).join(&self.name).join(file)
    }

    fn write(&self, file: &str, content: &[u8]) -> Result<()> {
        self.root.write_file(
            &self.path(file),
            &NewFile::of_root(Content::Bytes(content), 0o600),
        )?;
        self.root.sync()
    }

    /// Begins a run that nothing ends but its own end.
    ///
    /// # Errors
    /// When it can't be begun; nothing has been changed then.
    pub(crate) fn start(root: &'a Root, start: &Start, program: &Path) -> Result<Self> {
        let is_asked = start.arguments.iter().any(|word| word == EPHEMERAL);
        let lasting = if is_asked || ephemeral::is_in_force(root)? {
            Lasting::ThisBoot
        } else {
            Lasting::Always
        };
        let run = Self {
            lasting,
            ..Self::new(root, &start.run)?
        };
        lasting.make_folder(root)?;
        root.make_folder(&folder(lasting), 0o700)?;
        forget_old(root, lasting)?;
        if root.node(&run.path(""))? != Node::Absent {
            bail!("there is a run {} already", run.name);
        }
        let begun = run.begin(start, program);
        if begun.is_err() {
            // Nobody shall ask how it went.
            let folder = root.show(&run.path(""));
            fs::remove_dir_all(&folder)
                .with_context(|| format!("removing {}", folder.display()))?;
            root.forget_last();
        }
        begun.map(|()| run)
    }

    fn begin(&self, start: &Start, program: &Path) -> Result<()> {
        let root = self.root;
        root.make_folder(&self.path(""), 0o700)?;
        let request = serde_json::to_vec(start).context("serialising a run")?;
        self.write("request.json", &request)?;
        if let Some(window) = start.confirm {
            let by = start.by.clone();
            confirm::arm(root, &self.name, by, window, self.lasting, program)?;
        }
        let unit = format!("system-manager-run-{}", self.name);
        let begun = detach(root, &unit, false, program, &[COMMAND, &self.name]);
        if begun.is_err() && start.confirm.is_some() {
            confirm::disarm(root)?;
        }
        begun
    }

    /// Carries it out; called in a process of its own.
    ///
    /// # Errors
    /// When it can't be.
    pub(crate) fn carry_out(&self) -> Result<()> {
        let lock = self.root.open_file(&self.path("lock"), APPEND)?;
        let Ok(_held) = Held::try_take(lock, How::Alone)
            .with_context(|| format!("locking the run {}", self.name))?
        else {
            bail!("the run {} is under way", self.name);
        };
        // No path goes in the meantime.
        let _store = closure::hold(self.root, closure::Holding::Shared)?;
        let request = self.root.read(&self.path("request.json"))?;
        let request: Start = json::from_bytes(&request.context("it has no request")?)
            .with_context(|| format!("reading the request of the run {}", self.name))?;
        let stdout = self.root.open_file(&self.path("stdout"), APPEND)?;
        let stderr = self.root.open_file(&self.path("stderr"), APPEND)?;
        self.write("started", b"")?;
        let mut program = own_program(self.root)
            .args(&request.arguments)
            .env(pending::RUN, &self.name);
        if let Some(came_by) = &request.came_by {
            program = program.env(admission::CAME, came_by);
        }
        let code = program.to_files(stdout, stderr)?;
        // Before the end is told: whoever reads it sees how long there is.
        let window = match code {
            Some(0 | 3 | 4) if request.confirm.is_some() => confirm::open_window(self.root)?,
            // Nothing was changed, or it is as it was.
            Some(_) if request.confirm.is_some() => {
                confirm::disarm(self.root)?;
                None
            }
            _ => None,
        };
        self.end(&Ended {
            code,
            returned: false,
            deadline: window.as_ref().and_then(|pending| pending.deadline),
            unhealthy: window.and_then(|pending| pending.unhealthy),
        })
    }

    /// Writes down how it ended.
    ///
    /// # Errors
    /// When that can't be written.
    pub(crate) fn end(&self, ended: &Ended) -> Result<()> {
        let text = serde_json::to_vec(ended).context("serialising the end of a run")?;
        self.write("ended.json", &text)
    }

    /// Returns what has become of it.
    ///
    /// # Errors
    /// When that can't be read.
    pub(crate) fn state(&self) -> Result<State> {
        // In this order: it writes its end while it holds the lock.
        let begun = self.root.node(&self.path("started"))? != Node::Absent;
        let held = begun && self.is_held()?;
        if let Some(bytes) = self.root.read(&self.path("ended.json"))? {
            let ended = json::from_bytes(&bytes)
                .with_context(|| format!("reading the end of the run {}", self.name))?;
            return Ok(State::Ended(ended));
        }
        Ok(match (begun, held) {
            (false, _) => State::Waiting,
            (true, true) => State::Running,
            (true, false) => State::Dead,
        })
    }

    fn is_held(&self) -> Result<bool> {
        let file = self.root.open_file(&self.path("lock"), OFlag::O_RDONLY)?;
        let taken = Held::try_take(file, How::Shared)
            .with_context(|| format!("looking at the run {}", self.name))?;
        Ok(taken.is_err())
    }

    /// Whether it was of one boot only, and that is over.
    ///
    /// # Errors
    /// When that can't be told.
    pub(crate) fn is_of_earlier_boot(&self) -> Result<bool> {
        Ok(self.name.ends_with(OF_THIS_BOOT) && self.root.node(&self.path(""))? == Node::Absent)
    }

    /// Tells what it says from its beginning on, until it has ended.
    ///
    /// # Errors
    /// When it can't be read, or nobody listens any more.
    pub(crate) fn follow(&self, tell: &mut dyn FnMut(Said<'_>) -> Result<()>) -> Result<Ended> {
        let changes = Changes::of(&[self.root.show(&self.path(""))])?;
        let begin = Instant::now();
        let mut errors = 0;
        loop {
            let state = self.state()?;
            errors = self.tell_from("stderr", errors, &mut |bytes| tell(Said::Error(bytes)))?;
            let ended = match state {
                State::Ended(ended) => ended,
                State::Dead => Ended::of(None),
                State::Waiting if begin.elapsed() > START_LIMIT => bail!(
                    "the run {} did not start within {} s",
                    self.name,
                    START_LIMIT.as_secs()
                ),
                State::Waiting | State::Running => {
                    changes.wait(Duration::from_secs(1))?;
                    continue;
                }
            };
            self.tell_from("stdout", 0, &mut |bytes| tell(Said::Output(bytes)))?;
            return Ok(ended);
        }
    }

    fn tell_from(
        &self,
        file: &str,
        from: u64,
        tell: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<u64> {
        if self.root.node(&self.path(file))? == Node::Absent {
            return Ok(from);
        }
        let mut opened = self.root.open_file(&self.path(file), OFlag::O_RDONLY)?;
        opened.seek(SeekFrom::Start(from))?;
        let (mut at, mut buffer) = (from, vec![0; CHUNK]);
        loop {
            let count = opened.read(&mut buffer)?;
            if count == 0 {
                return Ok(at);
            }
            tell(&buffer[..count])?;
            at += count as u64;
        }
    }
}

/// Returns a word that nobody guesses.
///
/// # Errors
/// When the kernel gives no random bytes.
pub(super) fn random_word() -> Result<String> {
    let mut bytes = [0; 12];
    File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .context("reading /dev/urandom")?;
    Ok(format!("m{}", hex(&bytes)))
}

const APPEND: OFlag = OFlag::O_WRONLY.union(OFlag::O_CREAT).union(OFlag::O_APPEND);

fn forget_old(root: &Root, lasting: Lasting) -> Result<()> {
    let all = folder(lasting);
    let mut names = root.list(&all)?;
    names.sort();
    let waiting = pending::Pending::read(root)?.map(|p| p.run);
    for name in names.iter().rev().skip(KEPT) {
        if waiting.as_ref() != Some(name) {
            let folder = root.show(&all.join(name));
            fs::remove_dir_all(&folder)
                .with_context(|| format!("removing {}", folder.display()))?;
        }
    }
    root.forget_last();
    Ok(())
}

/// This program, on this root.
pub(super) fn own_program(root: &Root) -> Command {
    let command = Command::new("/proc/self/exe");
    if root.is_live() {
        command
    } else {
        command.arg("--root").arg(root.show(Path::new("")))
    }
}

/// Runs the program apart from this process: as a service where systemd runs, else in a session of its own.
pub(super) fn detach(
    root: &Root,
    unit: &str,
    again_if_killed: bool,
    program: &Path,
    arguments: &[&str],
) -> Result<()> {
    let nothing = || File::options().read(true).write(true).open("/dev/null");
    if !root.is_live() || !Path::new("/run/systemd/system").is_dir() {
        let code = Command::new("setsid")
            .arg("--fork")
            .arg(program)
            .arg("--root")
            .arg(root.show(Path::new("")))
            .args(arguments)
            .to_files(nothing()?, nothing()?)?;
        if code != Some(0) {
            bail!("a process of its own can't be started for {unit}");
        }
        return Ok(());
    }
    let mut command = Command::new("systemd-run").args(["--quiet", "--collect", "--unit", unit]);
    if again_if_killed {
        for property in [
            "Restart=on-failure",
            "RestartSec=1",
            "StartLimitIntervalSec=0",
        ] {
            command = command.args(["--property", property]);
        }
    }
    let output = command.arg("--").arg(program).args(arguments).output()?;
    if output.code != Some(0) {
        bail!(
            "starting {unit}: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(())
}

/// Waits for changes in folders.
pub(super) struct Changes(kernel::Watch);

impl Changes {
    pub(super) fn of(folders: &[PathBuf]) -> Result<Self> {
        let watch = kernel::watch(folders);
        watch.map(Self).context("watching the folder of runs")
    }

    /// Returns at a change, or after this time: a process that is killed changes no folder.
    pub(super) fn wait(&self, most: Duration) -> Result<()> {
        let timeout = PollTimeout::try_from(most).unwrap_or(PollTimeout::MAX);
        let mut ready = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        match poll(&mut ready, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(e) => return Err(e).context("waiting for a run"),
        }
        match kernel::forget_changes(&self.0) {
            Ok(()) | Err(Errno::EAGAIN) => Ok(()),
            Err(e) => Err(e).context("waiting for a run"),
        }
    }
}
