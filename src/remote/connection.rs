//! A connection by the user's own ssh, whose configuration, agent and known hosts all count. One connection for each
//! host and purpose, never over the user's own master, never waiting for ever.

#![expect(clippy::disallowed_methods, reason = "waits for what others say")]

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::built::Program;
use super::frame::escape;
use super::password::Password;
use super::probe::{self, Facts, Means, parse, script};
use super::runs::random_word;
use super::ssh_errors;
use super::target::{Target, split_options};
use crate::host::process::{Command, Piped};
use crate::host::threads;

/// How long a host may say nothing. Its agent says something each five seconds, and ssh asks the other end as often.
const SILENCE: Duration = Duration::from_secs(25);

/// How long what ssh has said may take to be heard.
const SAID: Duration = Duration::from_millis(20);

/// How much a login and the host's shell may print in all until the agent speaks, and how much ssh may say.
const NOISE: usize = 64 << 20;

/// How many lines a host says of itself at most.
const FACTS: usize = 1000;

/// How much of what ssh says is kept: its end, since a banner comes before what went wrong.
const ERRORS: usize = 64 << 10;

/// How much is read at once.
const PIECE: usize = 64 << 10;

/// How hosts are reached.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ways {
    /// More options for ssh, as `-o` takes them.
    pub ssh_options: Vec<String>,
    /// Whether ssh may ask the user.
    pub interactive: bool,
    /// Whether sudo or doas may be used.
    pub sudo: bool,
    /// The password for sudo.
    pub password: Option<Password>,
    /// Whether hosts with Nix fetch what they can by themselves.
    pub substitute: bool,
}

/// What is asked with the first word, of a program that is likely to be there.
pub(crate) struct Early<'a> {
    /// The program.
    pub program: &'a Program,
    /// The requests, as the agent takes them.
    pub asked: String,
}

enum Event {
    Output(Vec<u8>),
    Error(Vec<u8>),
    End,
}

/// A connection, and what it has said that nobody has read.
pub(crate) struct Connection {
    target: Target,
    ssh: Piped,
    events: Receiver<Event>,
    output: Vec<u8>,
    at: usize,
    errors: Vec<u8>,
    /// How much was read for lines, and how much was said on standard error.
    noise: [usize; 2],
    ends: usize,
    mark: String,
    prompt: String,
    /// What the host said of itself.
    pub facts: Facts,
    /// Whether it has become the agent's at once, and the host has said nothing of itself.
    pub is_agent: bool,
    key: Option<String>,
}

impl Connection {
    /// Connects and asks what the host is; `early` is asked of the program at once where it is there already.
    ///
    /// # Errors
    /// When it can't be reached, or is not understood; the message says which of the two, and why.
    pub(crate) fn open(target: &Target, ways: &Ways, early: Option<&Early<'_>>) -> Result<Self> {
        let (mark, prompt) = (random_word()?, random_word()?);
        let program = early.map(|early| early.program.sha256()).transpose()?;
        let asked = early.map_or("", |early| &early.asked);
        let script = format!(
            "MARK={mark} PROMPT={prompt} USE_SUDO={} EARLY={} ASKED={asked}\n{}",
            if ways.sudo { "yes" } else { "no" },
            program.unwrap_or_default(),
            script(),
        );
        let words = match program {
            Some(program) => probe::first_words(program, asked, &mark, script.len()),
            // What any login shell understands.
            None => "/bin/sh".to_owned(),
        };
        let mut ssh = command(target, ways).arg(words).piped()?;
        if let Some(stdin) = &ssh.stdin {
            fcntl(stdin, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))
                .context("preparing a pipe to ssh")?;
        }
        let (sender, events) = sync_channel(64);
        forward(ssh.stdout.take(), sender.clone(), Event::Output)?;
        forward(ssh.stderr.take(), sender, Event::Error)?;
        let mut connection = Self {
            target: target.clone(),
            ssh,
            events,
            output: Vec::new(),
            at: 0,
            errors: Vec::new(),
            noise: [0, 0],
            ends: 0,
            mark,
            prompt,
            facts: Facts::default(),
            is_agent: false,
            key: None,
        };
        // Where it can't be written, ssh has ended and says why.
        let _ = connection.write_all(script.as_bytes());
        connection.facts = connection.first_words(early.is_some())?;
        Ok(connection)
    }

    fn first_words(&mut self, is_early: bool) -> Result<Facts> {
        let mark = self.mark.clone();
        let mut noise = Vec::new();
        loop {
            let Some(line) = self.line("connecting")? else {
                return Err(self.explain(&noise));
            };
            if line == mark {
                break;
            }
            // Enough to see what a login shell that refuses says.
            if noise.len() < 5 {
                noise.push(line);
            }
        }
        let agent = format!("{mark} agent");
        let mut lines = Vec::new();
        while let Some(line) = self.line("asking what the host is")? {
            if line == agent && is_early {
                self.is_agent = true;
                return Ok(Facts::default());
            }
            if line == mark {
                return parse(&lines).with_context(|| format!("asking {} what it is", self.target));
            }
            lines.push(line);
            if lines.len() > FACTS {
                bail!("{} says more of itself than was asked", self.target);
            }
        }
        Err(self.explain(&lines))
    }

    /// Brings a program to the host, under its hash. Returns where it is there.
    ///
    /// # Errors
    /// When it does not arrive.
    pub(crate) fn put(&mut self, sha256: &str, program: &[u8]) -> Result<String> {
        let sending = format!("sending the activator to {}", self.target);
        writeln!(self, "put {sha256} {}", program.len()).with_context(|| sending.clone())?;
        match self.write_all(program).and_then(|()| self.flush()) {
            Err(e) if e.kind() == io::ErrorKind::TimedOut => {
                return Err(anyhow::Error::from(e).context(sending));
            }
            Err(_) => return Err(self.gone().context(sending)),
            Ok(()) => {}
        }
        match self.reply("put ")? {
            Some(path) => Ok(path),
            None => {
                let said = self.said();
                bail!("{sending}: it could not be written there{said}")
            }
        }
    }

    /// Becomes the agent's connection. What comes `first` is for the agent, and need not wait for its first word.
    ///
    /// # Errors
    /// When the program is not there, does not run, or can't become root.
    pub(crate) fn become_agent(
        &mut self,
        program: &str,
        means: Means,
        password: Option<&Password>,
        first: &[u8],
    ) -> Result<()> {
        let starting = format!("starting {program} on {}", self.target);
        let asks = means == Means::SudoWithPassword;
        let mut words = format!("agent {} {program}\n", means.word()).into_bytes();
        words.extend(if asks { &[] } else { first });
        self.write_all(&words).with_context(|| starting.clone())?;
        if self.reply("agent")?.is_none() {
            bail!("{starting}: it is not there");
        }
        if !asks {
            return Ok(());
        }
        let password = password.context("there is no password for sudo")?;
        // sudo asks on standard error, and again when the password is wrong; it gets one attempt.
        self.await_prompt(&starting)?;
        let given = [password.as_bytes(), b"\n"].concat();
        self.write_all(&given)
            .and_then(|()| self.flush())
            .with_context(|| starting.clone())?;
        while self.output.len() == self.at {
            if self.has_prompt() || self.is_over() {
                self.ssh.stdin = None;
                bail!("{starting}: sudo rejected the password");
            }
            self.pump("waiting for sudo")?;
        }
        self.write_all(first).context(starting)
    }

    fn await_prompt(&mut self, starting: &str) -> Result<()> {
        while !self.has_prompt() {
            if self.is_over() {
                let said = self.said();
                bail!("{starting}: sudo ended without asking for a password{said}");
            }
            self.pump("waiting for sudo to ask for a password")?;
        }
        Ok(())
    }

    /// Takes sudo's question out of what was said; whether it was there.
    fn has_prompt(&mut self) -> bool {
        let prompt = self.prompt.as_bytes();
        let at = self.errors.windows(prompt.len()).position(|w| w == prompt);
        if let Some(at) = at {
            self.errors.drain(..at + prompt.len());
        }
        at.is_some()
    }

    fn reply(&mut self, what: &str) -> Result<Option<String>> {
        let mark = format!("{} ", self.mark);
        while let Some(line) = self.line("waiting for the host's shell")? {
            if let Some(said) = line.strip_prefix(&mark) {
                return Ok(said.strip_prefix(what).map(str::to_owned));
            }
        }
        Err(self.explain(&[]))
    }

    /// Reads a line; none at the end.
    fn line(&mut self, phase: &str) -> Result<Option<String>> {
        let mut seen = 0;
        loop {
            let rest = &self.output[self.at + seen..];
            if let Some(end) = rest.iter().position(|b| *b == b'\n') {
                let end = self.at + seen + end;
                let line = String::from_utf8_lossy(&self.output[self.at..end]).into_owned();
                self.at = end + 1;
                return Ok(Some(line.trim_end_matches('\r').to_owned()));
            }
            seen += rest.len();
            if self.is_over() {
                return Ok(None);
            }
            self.noise[0] += self.pump(phase)?;
            if self.noise[0] > NOISE {
                let target = &self.target;
                bail!("{target} printed more than {NOISE} bytes before its answer");
            }
            // A line that never ends is kept to no more than this.
            if self.output.len() > PIECE * 2 {
                self.output.drain(..self.output.len() - PIECE);
                seen = PIECE;
            }
        }
    }

    fn is_over(&self) -> bool {
        self.ends >= 2
    }

    /// Waits for something to be said. Returns how much of it is output. What was read goes: `at` is 0 then.
    fn pump(&mut self, phase: &str) -> Result<usize> {
        self.output.drain(..self.at);
        self.at = 0;
        match self.events.recv_timeout(SILENCE) {
            Ok(event) => self.take(event, phase),
            Err(RecvTimeoutError::Disconnected) => self.take(Event::End, phase),
            Err(RecvTimeoutError::Timeout) => {
                let (target, seconds) = (&self.target, SILENCE.as_secs());
                bail!("{phase}: {target} has not answered for {seconds} s")
            }
        }
    }

    fn take(&mut self, event: Event, phase: &str) -> Result<usize> {
        match event {
            Event::Output(bytes) => {
                self.output.extend(&bytes);
                return Ok(bytes.len());
            }
            Event::Error(bytes) => {
                self.errors.extend(&bytes);
                self.noise[1] += bytes.len();
                if self.noise[1] > NOISE {
                    bail!("{phase}: {} says more than {NOISE} bytes", self.target);
                }
                let beyond = self.errors.len().saturating_sub(ERRORS);
                self.errors.drain(..beyond);
                let key = ssh_errors::take_verbose(&mut self.errors);
                self.key = key.or(self.key.take());
            }
            Event::End => self.ends += 1,
        }
        Ok(0)
    }

    /// Returns the fingerprint of the key that the host took, if it took one: ssh has said so before the host spoke.
    ///
    /// # Errors
    /// When more is said than is listened to.
    pub(crate) fn key(&mut self) -> Result<Option<String>> {
        while self.key.is_none()
            && let Ok(event) = self.events.recv_timeout(SAID)
        {
            self.take(event, "listening to ssh")?;
        }
        Ok(self.key.clone())
    }

    /// What ssh and the host's programs have said, as the end of a message.
    fn said(&mut self) -> String {
        let text = String::from_utf8_lossy(&self.errors);
        let lines = text.lines().map(str::trim);
        let lines: Vec<&str> = lines.filter(|l| !l.is_empty()).collect();
        let last = &lines[lines.len().saturating_sub(3)..];
        if last.is_empty() {
            String::new()
        } else {
            format!(": {}", escape(&last.join("; ")))
        }
    }

    /// Says why the connection has ended.
    fn explain(&mut self, noise: &[String]) -> anyhow::Error {
        // It has ended, or nobody reads what it says.
        let begin = Instant::now();
        while !self.is_over() && begin.elapsed() < Duration::from_secs(2) {
            if self.pump("ending").is_err() {
                break;
            }
        }
        let errors = String::from_utf8_lossy(&self.errors).into_owned();
        match ssh_errors::why(&errors) {
            Some((what, hint)) => {
                let said = self.said();
                anyhow!("{}: {what}{said}\nhint: {hint}", self.target)
            }
            None if noise.is_empty() => {
                let said = self.said();
                anyhow!("{}: the connection has ended{said}", self.target)
            }
            None => anyhow!(
                "{}: its login shell does not run commands; it printed: {}",
                self.target,
                escape(&noise.join(" ").trim().chars().take(300).collect::<String>())
            ),
        }
    }

    /// Returns the host.
    #[must_use]
    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    /// Returns what was said when the other side has gone.
    pub(crate) fn gone(&mut self) -> anyhow::Error {
        self.explain(&[])
    }
}

impl Read for Connection {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.output.len() {
            if self.is_over() {
                return Ok(0);
            }
            self.pump("waiting for an answer")
                .map_err(|e| io::Error::new(io::ErrorKind::TimedOut, e))?;
        }
        let count = buffer.len().min(self.output.len() - self.at);
        buffer[..count].copy_from_slice(&self.output[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(stdin) = &mut self.ssh.stdin else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        // A host that takes nothing more, though its end of the connection lives, would keep this waiting for ever.
        let timeout = PollTimeout::try_from(SILENCE).unwrap_or(PollTimeout::MAX);
        loop {
            match stdin.write(bytes) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                other => return other,
            }
            let mut ready = [PollFd::new(stdin.as_fd(), PollFlags::POLLOUT)];
            match poll(&mut ready, timeout) {
                Ok(0) => {
                    let silence = format!("it has accepted no data for {} s", SILENCE.as_secs());
                    return Err(io::Error::new(io::ErrorKind::TimedOut, silence));
                }
                Ok(_) | Err(Errno::EINTR) => {}
                Err(e) => return Err(e.into()),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.ssh.stdin.as_mut().map_or(Ok(()), Write::flush)
    }
}

fn forward(
    from: Option<impl Read + Send + 'static>,
    to: SyncSender<Event>,
    event: fn(Vec<u8>) -> Event,
) -> Result<()> {
    let Some(mut from) = from else { return Ok(()) };
    threads::begin("that listens to the host", move || {
        let mut buffer = vec![0; PIECE];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            // Nobody listens any more: the connection is being dropped.
            if to.send(event(buffer[..count].to_vec())).is_err() {
                return;
            }
        }
        let _ = to.send(Event::End);
    })?;
    Ok(())
}

fn command(target: &Target, ways: &Ways) -> Command {
    // The first value of an option counts: those of the user come first.
    let (words, mut options): (Vec<&str>, Vec<String>) = split_options(&ways.ssh_options);
    let own = [
        "ControlMaster=no",
        "ControlPath=none",
        "ConnectTimeout=10",
        "ServerAliveInterval=5",
        "ServerAliveCountMax=3",
        "RequestTTY=no",
        "RemoteCommand=none",
        "ClearAllForwardings=yes",
        "ForwardX11=no",
        "EscapeChar=none",
    ];
    options.extend(own.map(str::to_owned));
    if !ways.interactive {
        options.push("BatchMode=yes".to_owned());
    }
    // It says then by which key it came.
    let mut command = Command::new("ssh")
        .hint("apt-get install openssh-client")
        .args(words)
        .arg("-v");
    for option in options {
        command = command.arg("-o").arg(option);
    }
    if let Some(user) = &target.user {
        command = command.arg("-l").arg(user);
    }
    if let Some(port) = target.port {
        command = command.arg("-p").arg(port.to_string());
    }
    command.arg("--").arg(&target.host)
}
