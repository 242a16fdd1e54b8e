//! The only file that spawns processes.
#![expect(clippy::disallowed_methods, reason = "spawns and waits")]

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{
    Child, ChildStderr, ChildStdin, ChildStdout, Command as Process, ExitStatus, Stdio,
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use nix::sys::signal::{SigSet, Signal};

use crate::host::living::Living;

use super::{pipes, threads};

/// A program with its arguments, to be run once.
pub(crate) struct Command {
    program: OsString,
    arguments: Vec<OsString>,
    variables: Vec<(OsString, OsString)>,
    input: Option<Vec<u8>>,
    hint: Option<&'static str>,
    user: Option<(u32, u32)>,
    limit: Option<Duration>,
    stop: Option<Stop>,
}

/// What a program printed, and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Output {
    /// The exit status; none when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error; empty when it went to the terminal.
    pub stderr: Vec<u8>,
}

impl Command {
    /// Prepares a program.
    #[must_use]
    pub(crate) fn new(program: impl Into<OsString>) -> Self {
        Self {
            program: program.into(),
            arguments: Vec::new(),
            variables: Vec::new(),
            input: None,
            hint: None,
            user: None,
            limit: None,
            stop: None,
        }
    }

    /// Adds an argument.
    #[must_use]
    pub(crate) fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub(crate) fn args<T: Into<OsString>>(
        mut self,
        arguments: impl IntoIterator<Item = T>,
    ) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub(crate) fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    /// Says how to get the program, for the error when it is missing.
    #[must_use]
    pub(crate) fn hint(mut self, install: &'static str) -> Self {
        self.hint = Some(install);
        self
    }

    /// Runs the program as this user and group, with no other groups and none of our environment.
    #[must_use]
    pub(crate) fn by_user(mut self, uid: u32, gid: u32) -> Self {
        self.user = Some((uid, gid));
        self
    }

    /// Ends the program when it takes longer than this.
    #[must_use]
    pub(crate) fn limit(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Ends the program when this says so, and does not start it after that.
    #[must_use]
    pub(crate) fn until(mut self, stop: &Stop) -> Self {
        self.stop = Some(stop.clone());
        self
    }

    /// Gives the program something to read; without it, its standard input is empty.
    #[must_use]
    pub(crate) fn input(mut self, bytes: Vec<u8>) -> Self {
        self.input = Some(bytes);
        self
    }

    /// Runs the program and gives what it printed, whatever its exit status.
    ///
    /// # Errors
    /// When it can't be started.
    pub(crate) fn output(&self) -> Result<Output> {
        self.run(Stdio::piped())
    }

    /// Runs the program, its standard error going to ours, and gives its standard output.
    ///
    /// # Errors
    /// When it can't be started, or its exit status is not 0.
    pub(crate) fn stdout(&self) -> Result<String> {
        let output = self.run(Stdio::inherit())?;
        if output.code != Some(0) {
            bail!("`{}` failed ({})", self.name(), show_code(output.code));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Puts the program in place of this one. Returns only when that can't be done.
    pub(crate) fn replace(&self) -> anyhow::Error {
        let error = Process::new(&self.program)
            .args(&self.arguments)
            .envs(self.variables.iter().map(|(k, v)| (k, v)))
            .exec();
        let hint = self
            .hint
            .map(|hint| format!("\nhint: if it is not installed: `{hint}`"));
        let text = format!("running `{}`{}", self.name(), hint.unwrap_or_default());
        anyhow::Error::from(error).context(text)
    }

    /// Runs the program and gives its standard output; each line that it says on standard error is heard as it comes, and
    /// nothing, when nothing was said for this long.
    ///
    /// # Errors
    /// When it can't be started, or its exit status is not 0.
    pub(crate) fn stdout_heard(
        &self,
        pause: Duration,
        hear: &mut dyn FnMut(Option<&str>),
    ) -> Result<String> {
        let mut piped = self.piped()?;
        piped.stdin = None;
        let (out, err) = (piped.stdout.take(), piped.stderr.take());
        let (Some(mut out), Some(err)) = (out, err) else {
            bail!("the streams of `{}` are gone", self.name());
        };
        let reader = threads::begin("that reads its output", move || {
            let mut text = Vec::new();
            out.read_to_end(&mut text).map(|_| text)
        })?;
        let (sender, lines) = mpsc::channel();
        threads::begin("that reads its messages", move || {
            for line in BufReader::new(err)
                .split(b'\n')
                .map_while(std::io::Result::ok)
            {
                if sender.send(line).is_err() {
                    break;
                }
            }
        })?;
        loop {
            match lines.recv_timeout(pause) {
                Ok(line) => hear(Some(&String::from_utf8_lossy(&line))),
                Err(mpsc::RecvTimeoutError::Timeout) => hear(None),
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
            }
        }
        let code = piped.wait()?;
        let text = reader
            .join()
            .map_err(|_| anyhow!("reading its output failed"))?;
        if code != Some(0) {
            bail!("`{}` failed ({})", self.name(), show_code(code));
        }
        let text = text.with_context(|| format!("reading what `{}` prints", self.name()))?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    fn run(&self, stderr: Stdio) -> Result<Output> {
        tracing::trace!(program = ?self.program, arguments = ?self.arguments, "running");
        let mut process = Process::new(&self.program);
        if let Some((uid, gid)) = self.user {
            process.env_clear().uid(uid).gid(gid).current_dir("/");
        }
        let child = process
            .args(&self.arguments)
            .envs(self.variables.iter().map(|(k, v)| (k, v)))
            .stdin(if self.input.is_some() {
                Stdio::piped()
            } else {
                Stdio::null()
            })
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .with_context(|| match self.hint {
                Some(hint) => format!(
                    "running `{}`\nhint: if it is not installed: `{hint}`",
                    self.name()
                ),
                None => format!("running `{}`", self.name()),
            })?;
        let living = Living::of(&child).context("reading a process id")?;
        let running = self.stop.as_ref().map(|stop| stop.watch(&living));
        let running = running.transpose()?;
        let output = self.attend(child, &living);
        if output.is_err() {
            // The first error is the one to report.
            let _ = living.end();
        }
        drop(running);
        output
    }

    /// Gives a program its input, and returns what it printed and how it ended.
    fn attend(&self, mut child: Child, living: &Living) -> Result<Output> {
        let begun = Instant::now();
        let waiting = || format!("waiting for `{}`", self.name());
        let input = self.input.as_deref().unwrap_or_default();
        let printed = pipes::talk(&mut child, input, self.limit).with_context(waiting)?;
        let left = self
            .limit
            .map(|limit| limit.saturating_sub(begun.elapsed()));
        let status = match &printed {
            Some(_) => wait(child, living, left).with_context(waiting)?,
            None => None,
        };
        let (Some(printed), Some(status)) = (printed, status) else {
            return Err(TookTooLong {
                program: self.name(),
                limit: self.limit.unwrap_or_default(),
            }
            .into());
        };
        Ok(Output {
            code: status.code(),
            stdout: printed.stdout,
            stderr: printed.stderr,
        })
    }

    fn name(&self) -> String {
        self.program.to_string_lossy().into_owned()
    }
}

/// Waits until a program ends, or the time is over: then there is no status.
fn wait(mut child: Child, living: &Living, limit: Option<Duration>) -> Result<Option<ExitStatus>> {
    let Some(limit) = limit else {
        return Ok(Some(living.wait(&mut child, |_, _| ())?));
    };
    // Mostly it ends as it closes its streams.
    if let Some(status) = living.try_wait(&mut child)? {
        return Ok(Some(status));
    }
    let theirs = living.clone();
    let (sender, ended) = mpsc::channel();
    threads::begin("that waits for it", move || {
        sender.send(theirs.wait(&mut child, |_, _| ())).is_ok()
    })?;
    match ended.recv_timeout(limit) {
        Ok(status) => Ok(Some(status?)),
        Err(_) => Ok(None),
    }
}

/// A program that was ended at its limit.
#[derive(Debug)]
pub(crate) struct TookTooLong {
    program: String,
    limit: Duration,
}

impl std::fmt::Display for TookTooLong {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            out,
            "`{}` took longer than {} s and was killed",
            self.program,
            self.limit.as_secs()
        )
    }
}

impl std::error::Error for TookTooLong {}

/// Ends programs that run when the user interrupts this one.
#[derive(Clone, Default)]
pub(crate) struct Stop(Arc<Mutex<Running>>);

#[derive(Default)]
struct Running {
    stopped: bool,
    programs: Vec<Living>,
}

/// A program among those that a `Stop` ends, until it has ended by itself.
struct Watched<'a> {
    stop: &'a Stop,
    program: Living,
}

impl Stop {
    /// Makes interrupts (SIGINT, SIGTERM, SIGHUP) stop the programs instead of this process. To be called before any
    /// other thread is there.
    ///
    /// # Errors
    /// When the signals can't be blocked, or no thread can be made.
    pub(crate) fn on_interrupt() -> Result<Self> {
        let mut signals = SigSet::empty();
        signals.extend([Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP]);
        signals.thread_block().context("blocking signals")?;
        let stop = Self::default();
        let ours = stop.clone();
        threads::begin("for signals", move || {
            while signals.wait().is_ok() {
                ours.stop();
            }
        })?;
        Ok(stop)
    }

    /// Ends the programs that run; no other one is started.
    pub(crate) fn stop(&self) {
        let mut running = self.running();
        running.stopped = true;
        for program in &running.programs {
            // One that can't be ended may go on; there is nobody to tell.
            let _ = program.end();
        }
    }

    /// Says whether programs were stopped.
    #[must_use]
    pub(crate) fn is_stopped(&self) -> bool {
        self.running().stopped
    }

    fn watch(&self, program: &Living) -> Result<Watched<'_>> {
        let mut running = self.running();
        running.programs.push(program.clone());
        if running.stopped {
            program.end().context("ending a program")?;
        }
        Ok(Watched {
            stop: self,
            program: program.clone(),
        })
    }

    /// A thread that panicked has left nothing half done here.
    fn running(&self) -> MutexGuard<'_, Running> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        let mut running = self.stop.running();
        running
            .programs
            .retain(|program| !program.is(&self.program));
    }
}

/// Describes how a program ended.
#[must_use]
pub(crate) fn show_code(code: Option<i32>) -> String {
    code.map_or_else(
        || "killed by a signal".to_owned(),
        |c| format!("exit status {c}"),
    )
}

/// A program that runs, with all three of its streams in our hands. It is ended when this goes.
pub(crate) struct Piped {
    child: Child,
    /// What it reads; none when it was closed.
    pub stdin: Option<ChildStdin>,
    /// What it prints; none when it was taken.
    pub stdout: Option<ChildStdout>,
    /// Its messages; none when they were taken.
    pub stderr: Option<ChildStderr>,
}

impl Piped {
    /// Waits for its end. Returns its exit status; none when a signal ended it.
    ///
    /// # Errors
    /// When it can't be waited for.
    pub(crate) fn wait(&mut self) -> Result<Option<i32>> {
        self.stdin = None;
        Ok(self.child.wait().context("waiting for a program")?.code())
    }

    /// Ends it, if it has not ended.
    pub(crate) fn end(&mut self) {
        // One that has just ended by itself is what was wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Piped {
    fn drop(&mut self) {
        self.end();
    }
}

impl Command {
    /// Starts the program with pipes to all of its streams.
    ///
    /// # Errors
    /// When it can't be started.
    pub(crate) fn piped(&self) -> Result<Piped> {
        tracing::trace!(program = ?self.program, arguments = ?self.arguments, "starting");
        let mut child = Process::new(&self.program)
            .args(&self.arguments)
            .envs(self.variables.iter().map(|(k, v)| (k, v)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| match self.hint {
                Some(hint) => format!(
                    "running `{}`\nhint: if it is not installed: `{hint}`",
                    self.name()
                ),
                None => format!("running `{}`", self.name()),
            })?;
        Ok(Piped {
            stdin: child.stdin.take(),
            stdout: child.stdout.take(),
            stderr: child.stderr.take(),
            child,
        })
    }

    /// Runs the program with nothing to read, its streams going to files. Returns its exit status; none when a signal
    /// ended it.
    ///
    /// # Errors
    /// When it can't be started.
    pub(crate) fn to_files(&self, stdout: File, stderr: File) -> Result<Option<i32>> {
        let mut child = Process::new(&self.program)
            .args(&self.arguments)
            .envs(self.variables.iter().map(|(k, v)| (k, v)))
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(stderr)
            .spawn()
            .with_context(|| format!("running `{}`", self.name()))?;
        let status = child
            .wait()
            .with_context(|| format!("waiting for `{}`", self.name()))?;
        Ok(status.code())
    }
}
