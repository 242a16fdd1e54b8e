//! The target's side of a connection: takes paths in, runs the program, tells what comes of it.

#![expect(clippy::disallowed_methods, reason = "keeps the program on the host")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufWriter, Read, Stdin, Write};
use std::os::fd::AsFd;
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
use crate::host::captured::{Said as Printed, captured};
use crate::host::fs::Root;
use crate::host::threads;
use crate::model::json;
use crate::model::node::{hex, sha256_of, unhex};
use crate::store::{self, pending, secrets};

/// The hidden command.
pub(crate) const COMMAND: &str = "agent";

/// Where the program stays on targets, relative to the root; each under the hash of its content.
pub(crate) const FOLDER: &str = "var/lib/system-manager/agent";

/// How many programs stay there: those of different deployers and toplevels.
const KEPT: usize = 3;

/// How often the other side hears that this one is there.
const ALIVE: Duration = Duration::from_secs(5);

/// What is written to, by all threads: standard output as it was at the start.
#[derive(Clone)]
struct Output(Arc<Mutex<Held>>);

/// Answers go together while more of them come at once: each is several processes' turn.
struct Held {
    out: BufWriter<fs::File>,
    is_held: bool,
}

impl Write for Held {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.is_held {
            return Ok(());
        }
        self.out.flush()
    }
}

impl Output {
    fn new() -> Result<Self> {
        let stdout = io::stdout().as_fd().try_clone_to_owned();
        let out = BufWriter::new(fs::File::from(stdout.context("keeping standard output")?));
        let is_held = true;
        Ok(Self(Arc::new(Mutex::new(Held { out, is_held }))))
    }

    /// Nothing is held back from now on.
    fn release(&self) -> Result<()> {
        let mut held = self.lock();
        held.is_held = false;
        held.flush().context("answering")
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
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

/// How it begins.
#[derive(Debug, Default)]
pub(crate) struct Beginning {
    /// What is asked first, as `words_of` writes it.
    pub asked: Option<String>,
    /// The word by which the other side knows that the agent speaks, if no shell says it before.
    pub mark: Option<String>,
    /// How many bytes that are for a shell come first.
    pub skip: u64,
}

/// Switches in this process if that changes nothing, and returns the exit code; none where something would change.
pub(crate) type Idle<'a> = &'a dyn Fn(&[String]) -> Result<Option<u8>>;

/// Answers what was asked with its start, and then until the other side has gone.
///
/// # Errors
/// When it says something that is no request, or can't be answered.
pub(crate) fn serve(root: &Root, beginning: &Beginning, idle: Idle<'_>) -> Result<()> {
    let output = Output::new()?;
    if let Some(mark) = &beginning.mark {
        write!(output.lock(), "\n{mark}\n{mark} {COMMAND}\n").context("answering")?;
    }
    output.answer(&Answer::Hello {
        protocol: frame::VERSION,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    })?;
    let alive = output.clone();
    threads::begin("that shows that this side is alive", move || {
        loop {
            std::thread::park_timeout(ALIVE);
            // Nobody to tell: the main thread is told the same by its end of input.
            if alive
                .release()
                .and_then(|()| alive.send(Kind::Alive, &[]))
                .is_err()
            {
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
        switch: idle,
        idle: None,
    };
    let asked = match &beginning.asked {
        Some(words) => read_words(words)?,
        None => Vec::new(),
    };
    for request in asked {
        if !agent.serve_one(request)? {
            return Ok(());
        }
    }
    agent.output.release()?;
    let skipped = io::copy(
        &mut (&mut agent.input).take(beginning.skip),
        &mut io::sink(),
    );
    skipped.context("reading past what was for a shell")?;
    while let Some(request) = agent.next()? {
        if !agent.serve_one(request)? {
            break;
        }
    }
    Ok(())
}

/// Writes requests as `Beginning` takes them: any shell leaves these characters alone. Pure.
///
/// # Errors
/// When they can't be written.
pub(crate) fn words_of(requests: &[Request]) -> Result<String> {
    Ok(hex(
        &serde_json::to_vec(requests).context("serialising requests")?
    ))
}

fn read_words(words: &str) -> Result<Vec<Request>> {
    let read = unhex(words).and_then(|text| Ok(json::from_bytes(&text)?));
    read.context("reading what was asked")
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
    /// How that is tried.
    switch: Idle<'a>,
    /// A run that changed nothing, and what it said.
    idle: Option<(String, Quiet)>,
}

/// What came of a switch that changed nothing.
struct Quiet {
    code: u8,
    said: Printed,
}

impl<'a> Agent<'a> {
    /// Answers one request. Returns whether another one may follow.
    fn serve_one(&mut self, request: Request) -> Result<bool> {
        let Err(error) = self.answer(request) else {
            return Ok(true);
        };
        let why = format!("{error:#}");
        self.output.release()?;
        self.output.answer(&Answer::Failed { why })?;
        // What follows may be the rest of an archive.
        Ok(false)
    }

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
                Some(quiet) => {
                    self.held = None;
                    self.tell_idle(&quiet)
                }
                None => self.output.answer(&Answer::NotIdle),
            },
            Request::Start(start) => self.start(start),
            Request::Follow { run } => match self.idle.take() {
                Some((idle, quiet)) if run.as_ref() == Some(&idle) => self.tell_idle(&quiet),
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
            Some(quiet) => self.idle = Some((start.run, quiet)),
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
    fn run_idle(&mut self, arguments: &[String]) -> Result<Option<Quiet>> {
        let is_tried = std::mem::replace(&mut self.tried, true);
        let installs = arguments.iter().any(|word| word == "--install-missing");
        let is_switch = arguments.first().is_some_and(|verb| verb == "switch");
        if is_tried || self.lacks || installs || !is_switch {
            return Ok(None);
        }
        let (code, said) = captured(|| (self.switch)(arguments))?;
        // What is refused says so as a run, and so does what can't be tried.
        let code = code.ok().flatten().filter(|code| matches!(code, 0 | 4));
        Ok(code.map(|code| Quiet { code, said }))
    }

    fn tell_idle(&self, Quiet { code, said }: &Quiet) -> Result<()> {
        for (kind, bytes) in [(Kind::Error, &said.stderr), (Kind::Output, &said.stdout)] {
            for piece in bytes.chunks(CHUNK) {
                self.output.send(kind, piece)?;
            }
        }
        let code = i32::from(*code);
        self.output.answer(&Answer::Ended(Ended::of(Some(code))))
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
        if run.is_of_earlier_boot()? {
            let ended = Ended {
                returned: true,
                unhealthy: Some("the machine was booted".to_owned()),
                ..Ended::of(None)
            };
            return self.output.answer(&Answer::Ended(ended));
        }
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
