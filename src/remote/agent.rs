//! The target's side of a connection: takes paths in, runs the program, tells what comes of it.

#![expect(clippy::disallowed_methods, reason = "keeps the program on the host")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read, Stdin, Stdout};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};

use super::frame::{self, CHUNK, Kind};
use super::incoming::Archive;
use super::message::{Answer, Ended, Request, Start};
use super::runs::{Run, Said, own_program};
use super::{confirm, runs};
use crate::activation::admission;
use crate::closure::info::{PathInfo, StorePath};
use crate::closure::receive::{Damaged, Receiver};
use crate::closure::{self, Hold, Holding};
use crate::host::fs::Root;
use crate::host::process;
use crate::host::threads;
use crate::model::json;
use crate::model::node::sha256_of;
use crate::store::{self, pending, secrets};

/// The hidden command.
pub(crate) const COMMAND: &str = "agent";

/// Where the program stays on targets, relative to the root; each under the hash of its content.
pub(crate) const FOLDER: &str = "var/lib/system-manager/agent";

/// How many programs stay there: those of different deployers and toplevels.
const KEPT: usize = 3;

/// How often the other side hears that this one is there.
const ALIVE: Duration = Duration::from_secs(5);

/// What is written to, by all threads.
#[derive(Clone)]
struct Output(Arc<Mutex<Stdout>>);

impl Output {
    fn lock(&self) -> MutexGuard<'_, Stdout> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(&self, kind: Kind, payload: &[u8]) -> Result<()> {
        frame::write(&mut *self.lock(), kind, payload).context("answering")
    }

    fn answer(&self, answer: &Answer) -> Result<()> {
        let text = serde_json::to_vec(answer).context("serialising an answer")?;
        self.send(Kind::Message, &text)
    }
}

/// Answers what was asked with its start, as JSON, and then until the other side has gone.
///
/// # Errors
/// When it says something that is no request, or can't be answered.
pub(crate) fn serve(root: &Root, asked: Option<&str>) -> Result<()> {
    let output = Output(Arc::new(Mutex::new(io::stdout())));
    output.answer(&Answer::Hello {
        protocol: frame::VERSION,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    })?;
    let alive = output.clone();
    threads::begin("that shows that this side is alive", move || {
        loop {
            std::thread::park_timeout(ALIVE);
            // Nobody to tell: the main thread is told the same by its end of input.
            if alive.send(Kind::Alive, &[]).is_err() {
                return;
            }
        }
    })?;
    let mut agent = Agent {
        root,
        input: io::stdin(),
        output,
        receiver: None,
        missing: BTreeMap::new(),
        again: Vec::new(),
        held: None,
        came_by: None,
        differs: false,
        lacks: false,
        tried: false,
        idle: None,
    };
    let asked: Vec<Request> =
        serde_json::from_str(asked.unwrap_or("[]")).context("reading what was asked")?;
    let mut asked = asked.into_iter();
    while let Some(request) = asked
        .next()
        .map_or_else(|| agent.next(), |first| Ok(Some(first)))?
    {
        let answered = agent.answer(request);
        if let Err(error) = &answered {
            agent.output.answer(&Answer::Failed {
                why: format!("{error:#}"),
            })?;
            // What follows may be the rest of an archive.
            return Ok(());
        }
    }
    Ok(())
}

struct Agent<'a> {
    root: &'a Root,
    input: Stdin,
    output: Output,
    receiver: Option<Receiver<'a>>,
    /// What has to be sent.
    missing: BTreeMap<StorePath, PathInfo>,
    /// What has to be sent once more.
    again: Vec<StorePath>,
    /// The store, while nothing comes to it.
    held: Option<Hold>,
    /// Who came, and by which key.
    came_by: Option<String>,
    /// Whether secrets came that services do not read yet.
    differs: bool,
    /// Whether paths were lacking when that was asked.
    lacks: bool,
    /// Whether it was tried to do what changes nothing.
    tried: bool,
    /// A run that changed nothing, and what it said.
    idle: Option<(String, process::Output)>,
}

impl<'a> Agent<'a> {
    fn next(&mut self) -> Result<Option<Request>> {
        let Some(frame) = frame::read(&mut self.input)? else {
            return Ok(None);
        };
        if frame.kind != Kind::Message {
            bail!("the other side did not send a request");
        }
        json::from_bytes(&frame.payload)
            .map(Some)
            .context("reading a request")
    }

    fn answer(&mut self, request: Request) -> Result<()> {
        match request {
            Request::Lacking { tags } => {
                let numbers = self.receiver()?.lacking(&tags)?;
                self.lacks = !numbers.is_empty();
                if !self.lacks {
                    // Nothing comes: others may bring paths meanwhile, but take none away.
                    self.receiver = None;
                    self.held = Some(closure::hold(self.root, Holding::Shared)?);
                }
                self.output.answer(&Answer::Lacking { numbers })
            }
            Request::Paths { infos, substitute } => self.paths(infos, substitute),
            Request::There { tags } => {
                let numbers = self.receiver()?.lacking(&tags)?;
                self.output.answer(&Answer::Lacking { numbers })
            }
            Request::Nar { path } => self.nar(&path),
            Request::Settle => self.settle(),
            Request::Secrets { toplevel, values } => {
                pending::refuse_others(self.root)?;
                self.differs = secrets::keep(self.root, &toplevel, &values.values()?)?;
                self.output.answer(&Answer::Done)
            }
            Request::Key { fingerprint } => {
                // Of sudo and doas, what they became root for.
                let user = ["SUDO_USER", "DOAS_USER"]
                    .iter()
                    .find_map(|name| std::env::var(name).ok());
                let user = user.unwrap_or_else(|| "root".to_owned());
                self.came_by = Some(format!("{user} {fingerprint}"));
                Ok(())
            }
            Request::Run { arguments } => self.run(&arguments),
            Request::Idle { arguments } => match self.run_idle(&arguments)? {
                Some(said) => {
                    self.held = None;
                    self.tell_idle(&said)
                }
                None => self.output.answer(&Answer::NotIdle),
            },
            Request::Start(start) => self.start(start),
            Request::Follow { run } => match self.idle.take() {
                Some((idle, said)) if run.as_ref() == Some(&idle) => self.tell_idle(&said),
                _ => self.follow(run.as_deref()),
            },
            Request::Confirm { run } => {
                confirm::confirm(self.root, &run)?;
                self.output.answer(&Answer::Done)
            }
        }
    }

    fn receiver(&mut self) -> Result<&mut Receiver<'a>> {
        let receiver = match self.receiver.take() {
            Some(receiver) => receiver,
            None => Receiver::open(self.root)?,
        };
        Ok(self.receiver.insert(receiver))
    }

    fn paths(&mut self, infos: Vec<PathInfo>, substitute: bool) -> Result<()> {
        let receiver = self.receiver()?;
        if substitute {
            receiver.substitute(&infos)?;
        }
        let paths = receiver.missing(&infos)?;
        let by_path = infos.into_iter().map(|info| (info.path.clone(), info));
        self.missing = by_path.filter(|(path, _)| paths.contains(path)).collect();
        self.output.answer(&Answer::Missing { paths })
    }

    fn start(&mut self, mut start: Start) -> Result<()> {
        start.came_by.clone_from(&self.came_by);
        if self.differs {
            // Where nothing else changes, they are a change.
            start.arguments.push("--all-scripts".to_owned());
        }
        match self.run_idle(&start.arguments)? {
            Some(said) => self.idle = Some((start.run, said)),
            None => {
                let program = install(self.root)?;
                Run::start(self.root, &start, &program)?;
            }
        }
        // Others may bring paths; the run keeps its own.
        self.receiver = None;
        self.held = None;
        self.output.answer(&Answer::Done)
    }

    /// Runs a switch at once, and to its end, if it changes nothing: nothing has to outlive the connection then, and
    /// there is nothing to return to.
    fn run_idle(&mut self, arguments: &[String]) -> Result<Option<process::Output>> {
        let is_tried = std::mem::replace(&mut self.tried, true);
        let installs = arguments.iter().any(|word| word == "--install-missing");
        let is_switch = arguments.first().is_some_and(|verb| verb == "switch");
        if is_tried || self.lacks || installs || !is_switch {
            return Ok(None);
        }
        let said = own_program(self.root)
            .args(arguments)
            .env(pending::RUN, pending::IDLE)
            .output()?;
        // What is refused says so as a run.
        Ok(matches!(said.code, Some(0 | 4)).then_some(said))
    }

    fn tell_idle(&self, said: &process::Output) -> Result<()> {
        for (kind, bytes) in [(Kind::Error, &said.stderr), (Kind::Output, &said.stdout)] {
            for piece in bytes.chunks(CHUNK) {
                self.output.send(kind, piece)?;
            }
        }
        self.output.answer(&Answer::Ended(Ended::of(said.code)))
    }

    fn nar(&mut self, path: &StorePath) -> Result<()> {
        let inner = (self.receiver.as_mut()).zip(self.missing.get(path));
        let (receiver, info) = inner.context("a path arrived before it was requested")?;
        let mut archive = Archive::new(&mut self.input, receiver.places(), info.nar_size);
        match receiver.receive(info, &mut archive) {
            // Where what is here is not what it was, nobody can put it together.
            Err(error) if archive.has_pieces() && error.is::<Damaged>() => {
                tracing::debug!("{error:#}; it is asked for again");
                self.again.push(path.clone());
                Ok(())
            }
            other => other,
        }
    }

    fn settle(&mut self) -> Result<()> {
        if let Some(receiver) = &mut self.receiver {
            receiver.settle()?;
        }
        let paths = std::mem::take(&mut self.again);
        self.output.answer(&Answer::Missing { paths })
    }

    fn run(&mut self, arguments: &[String]) -> Result<()> {
        let mut program = own_program(self.root).args(arguments);
        if let Some(came_by) = &self.came_by {
            program = program.env(admission::CAME, came_by);
        }
        let mut child = program.piped()?;
        child.stdin = None;
        let errors = child.stderr.take();
        let output = self.output.clone();
        let teller = threads::begin("that forwards messages", move || {
            forward(errors, Kind::Error, &output)
        })?;
        forward(child.stdout.take(), Kind::Output, &self.output)?;
        teller
            .join()
            .map_err(|_| anyhow!("a thread has panicked"))??;
        let code = child.wait()?;
        self.output.answer(&Answer::Ended(Ended::of(code)))
    }

    fn follow(&mut self, run: Option<&str>) -> Result<()> {
        let run = match run {
            Some(name) => Some(Run::new(self.root, name)?),
            None => Run::last(self.root)?,
        };
        let run = run.context("no run from another machine is known here")?;
        let ended = run.follow(&mut |said| match said {
            Said::Output(bytes) => self.output.send(Kind::Output, bytes),
            Said::Error(bytes) => self.output.send(Kind::Error, bytes),
        })?;
        self.output.answer(&Answer::Ended(ended))
    }
}

fn forward(from: Option<impl Read>, kind: Kind, output: &Output) -> Result<()> {
    let Some(mut from) = from else { return Ok(()) };
    let mut buffer = vec![0; CHUNK];
    loop {
        match from
            .read(&mut buffer)
            .context("reading what a program says")?
        {
            0 => return Ok(()),
            count => output.send(kind, &buffer[..count])?,
        }
    }
}

/// Puts this program where it stays, for runs and the boot, and returns where that is. Others of it that are old go.
fn install(root: &Root) -> Result<PathBuf> {
    let own = fs::read_link("/proc/self/exe").context("finding this program's own file")?;
    let inner = || -> Result<PathBuf> {
        let sha256 = sha256_of(fs::File::open("/proc/self/exe")?)?;
        store::make_folder(root)?;
        root.make_folder(Path::new(FOLDER), 0o755)?;
        let folder = root.show(Path::new(FOLDER));
        let path = folder.join(&sha256);
        if !path.exists() {
            let partial = folder.join(format!("{sha256}.partial"));
            fs::copy("/proc/self/exe", &partial)?;
            fs::set_permissions(&partial, fs::Permissions::from_mode(0o755))?;
            fs::File::open(&partial)?.sync_all()?;
            fs::rename(&partial, &path)?;
            fs::File::open(&folder)?.sync_all()?;
        }
        // The youngest is the one that is used now, wherever it came from.
        fs::File::open(&path)?.set_modified(std::time::SystemTime::now())?;
        let mut others = Vec::new();
        for name in root.list(Path::new(FOLDER))? {
            let other = folder.join(name);
            others.push((fs::metadata(&other)?.modified()?, other));
        }
        others.sort();
        for (_, old) in others.iter().rev().skip(KEPT) {
            fs::remove_file(old)?;
        }
        Ok(path)
    };
    inner().with_context(|| format!("keeping {}", own.display()))
}

/// Carries a run out.
///
/// # Errors
/// When it can't be.
pub(crate) fn carry_out(root: &Root, run: &str) -> Result<()> {
    runs::Run::new(root, run)?.carry_out()
}
