//! The deployer's side of a connection to an agent.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use anyhow::{Context, Result, anyhow, bail};

use super::connection::Connection;
use super::frame::{self, Frame, Kind, escape};
use super::message::{Answer, Ended, Request, Start};
use super::outgoing::{self, There, Unsent};
use crate::closure::info::{PathInfo, StorePath};
use crate::model::json;

/// How much a program on a host may print.
const OUTPUT: usize = 64 << 20;

/// A connection to an agent that runs as root.
pub(crate) struct Link {
    connection: Connection,
}

/// What came of a program on the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// How it ended.
    pub ended: Ended,
    /// What it printed; not yet harmless to a terminal.
    pub output: String,
}

impl Link {
    /// Speaks with the agent that a connection has become; the answer to what it was asked with its start is next.
    ///
    /// # Errors
    /// When it speaks another version.
    pub(crate) fn new(connection: Connection) -> Result<Self> {
        let mut link = Self { connection };
        match link.answer("starting the agent")? {
            Answer::Hello { protocol, .. } if protocol == frame::VERSION => Ok(link),
            Answer::Hello { protocol, version } => bail!(
                "{}: the system-manager there has version {} and uses version {protocol} of the protocol, but this one uses version {}\nhint: use the same version on both sides",
                link.connection.target(),
                escape(&version),
                frame::VERSION
            ),
            other => Err(link.unexpected(&other)),
        }
    }

    fn unexpected(&self, answer: &Answer) -> anyhow::Error {
        let shown = escape(&format!("{answer:?}").chars().take(200).collect::<String>());
        anyhow!("{}: unexpected answer: {shown}", self.connection.target())
    }

    fn ask(&mut self, request: &Request) -> Result<()> {
        let text = serde_json::to_vec(request).context("serialising a request")?;
        frame::write(&mut self.connection, Kind::Message, &text)
            .map_err(|e| self.broken("asking", e))
    }

    /// Says why nothing can be sent: the agent has said so, or the connection is gone.
    fn broken(&mut self, phase: &str, error: io::Error) -> anyhow::Error {
        if error.kind() == io::ErrorKind::TimedOut {
            let target = self.connection.target();
            return anyhow::Error::new(error).context(format!("{target}: {phase}"));
        }
        match self.frame(phase) {
            Ok(Frame {
                kind: Kind::Message,
                payload,
            }) => match json::from_bytes(&payload) {
                Ok(Answer::Failed { why }) => self.failed(&why),
                _ => anyhow::Error::new(error).context(phase.to_owned()),
            },
            Ok(_) => anyhow::Error::new(error).context(phase.to_owned()),
            Err(why) => why,
        }
    }

    fn failed(&self, why: &str) -> anyhow::Error {
        let text = escape(&why.chars().take(4000).collect::<String>());
        anyhow!("{}: {text}", self.connection.target())
    }

    /// Reads the next frame that says something.
    fn frame(&mut self, phase: &str) -> Result<Frame> {
        loop {
            match frame::read(&mut self.connection).with_context(|| phase.to_owned())? {
                Some(Frame {
                    kind: Kind::Alive, ..
                }) => {}
                Some(frame) => return Ok(frame),
                None => return Err(self.connection.gone().context(phase.to_owned())),
            }
        }
    }

    fn answer(&mut self, phase: &str) -> Result<Answer> {
        let frame = self.frame(phase)?;
        if frame.kind != Kind::Message {
            bail!(
                "{phase}: {} did not send an answer",
                self.connection.target()
            );
        }
        let answer = json::from_bytes(&frame.payload).with_context(|| {
            format!(
                "{phase}: reading the answer of {}",
                self.connection.target()
            )
        })?;
        match answer {
            Answer::Failed { why } => Err(self.failed(&why)),
            answer => Ok(answer),
        }
    }

    fn done(&mut self, phase: &str) -> Result<()> {
        match self.answer(phase)? {
            Answer::Done => Ok(()),
            other => Err(self.unexpected(&other)),
        }
    }

    /// Returns what came of a switch for which was asked first, if it changed nothing.
    ///
    /// # Errors
    /// When the connection breaks.
    pub(crate) fn idle(&mut self, tell: &mut dyn FnMut(&str)) -> Result<Option<Outcome>> {
        self.outcome_if("trying whether it changes anything", tell)
    }

    /// Returns the numbers of the paths that the host lacks, for which was asked first.
    ///
    /// # Errors
    /// When the host does not say.
    pub(crate) fn lacking(&mut self) -> Result<Vec<usize>> {
        match self.answer("asking which paths are there")? {
            Answer::Lacking { numbers } => Ok(numbers),
            other => Err(self.unexpected(&other)),
        }
    }

    /// Returns those of the paths that the host lacks. With all that is said of each, the question would be longer than
    /// many a change.
    ///
    /// # Errors
    /// When the host does not say.
    pub(crate) fn select_lacking(&mut self, infos: Vec<PathInfo>) -> Result<Vec<PathInfo>> {
        self.ask(&Request::lacking(infos.iter().map(|info| &info.path)))?;
        let numbers: BTreeSet<usize> = self.lacking()?.into_iter().collect();
        let infos = infos.into_iter().enumerate();
        let lacking = infos.filter(|(number, _)| numbers.contains(number));
        Ok(lacking.map(|(_, info)| info).collect())
    }

    /// Sends those of the paths that the host lacks, and has all that are `known` then; `tell` hears of the bytes before and while they go. Returns how many
    /// paths these were.
    ///
    /// # Errors
    /// When the host refuses them, or the connection breaks; what had arrived stays there.
    pub(crate) fn send(
        &mut self,
        infos: &[PathInfo],
        known: BTreeSet<StorePath>,
        substitute: bool,
        tell: &mut dyn FnMut(Sending),
    ) -> Result<usize> {
        self.ask(&Request::Paths {
            infos: infos.to_vec(),
            substitute,
        })?;
        let missing = self.missing("asking which paths exist there")?;
        if missing.is_empty() {
            return Ok(0);
        }
        let missing: Vec<&PathInfo> = infos.iter().filter(|i| missing.contains(&i.path)).collect();
        let mut sending = Sending {
            paths: missing.len(),
            bytes: missing.iter().map(|i| i.nar_size).sum(),
            sent: 0,
        };
        tell(sending);
        let earlier = self.earlier(&missing, &known)?;
        let there = There { known, earlier };
        let mut tell_more = |bytes| {
            sending.sent += bytes;
            tell(sending);
        };
        for info in &missing {
            self.archive(&info.path, Some(&there), &mut tell_more)?;
        }
        let again = self.settle()?;
        // Somebody has written to what was there. Nothing else is sent, whatever it asks for.
        for info in missing.iter().filter(|info| again.contains(&info.path)) {
            self.archive(&info.path, None, &mut |_| {})?;
        }
        if !again.is_empty() && !self.settle()?.is_empty() {
            bail!(
                "{}: it asks for paths again and again",
                self.connection.target()
            );
        }
        Ok(missing.len())
    }

    /// Returns for paths that go what the host has of earlier ones.
    fn earlier(
        &mut self,
        missing: &[&PathInfo],
        known: &BTreeSet<StorePath>,
    ) -> Result<BTreeMap<StorePath, StorePath>> {
        let mut earlier = outgoing::find_earlier(missing, known)?;
        let asked: BTreeSet<StorePath> = earlier.values().flatten().cloned().collect();
        if asked.is_empty() {
            return Ok(BTreeMap::new());
        }
        self.ask(&Request::there(&asked))?;
        let lacking = self.lacking()?;
        let numbers: BTreeSet<usize> = lacking.into_iter().collect();
        let there: BTreeSet<&StorePath> = (asked.iter().enumerate())
            .filter(|(number, _)| !numbers.contains(number))
            .map(|(_, path)| path)
            .collect();
        let mut first = BTreeMap::new();
        while let Some((path, candidates)) = earlier.pop_first() {
            let found = candidates.into_iter().find(|c| there.contains(c));
            first.extend(found.map(|found| (path, found)));
        }
        Ok(first)
    }

    fn missing(&mut self, phase: &str) -> Result<Vec<StorePath>> {
        match self.answer(phase)? {
            Answer::Missing { paths } => Ok(paths),
            other => Err(self.unexpected(&other)),
        }
    }

    fn settle(&mut self) -> Result<Vec<StorePath>> {
        self.ask(&Request::Settle)?;
        self.missing("waiting until the paths are in place")
    }

    fn archive(
        &mut self,
        path: &StorePath,
        there: Option<&There>,
        tell: &mut dyn FnMut(u64),
    ) -> Result<()> {
        self.ask(&Request::Nar { path: path.clone() })?;
        match outgoing::send(&mut self.connection, path, there, tell) {
            Ok(()) => Ok(()),
            Err(Unsent::Broken(error)) => Err(self.broken(&format!("sending {path}"), error)),
            Err(Unsent::Unread(error)) => Err(error),
        }
    }

    /// Runs the program on the host with these arguments; `tell` hears what it says on standard error.
    ///
    /// # Errors
    /// When it can't be run, or the connection breaks.
    pub(crate) fn run(
        &mut self,
        arguments: &[String],
        tell: &mut dyn FnMut(&str),
    ) -> Result<Outcome> {
        self.say_key()?;
        self.ask(&Request::Run {
            arguments: arguments.to_vec(),
        })?;
        self.outcome("waiting for the program there", tell)
    }

    /// Says by which key ssh came, where that is known: it must do so again.
    fn say_key(&mut self) -> Result<()> {
        match self.connection.key()? {
            Some(fingerprint) => self.ask(&Request::Key { fingerprint }),
            None => Ok(()),
        }
    }

    /// Begins a run that outlives this connection, brings its secrets, and asks to follow it in the same breath;
    /// `followed` is next.
    ///
    /// # Errors
    /// When it can't be begun.
    pub(crate) fn start(&mut self, start: Start, secrets: Option<&Request>) -> Result<()> {
        let run = Some(start.run.clone());
        self.say_key()?;
        if let Some(secrets) = secrets {
            self.ask(secrets)?;
        }
        self.ask(&Request::Start(start))?;
        self.ask(&Request::Follow { run })?;
        if secrets.is_some() {
            self.done("bringing secrets")?;
        }
        self.done("starting the activation")
    }

    /// Follows the run that was begun to its end.
    ///
    /// # Errors
    /// When the connection breaks; the run goes on.
    pub(crate) fn followed(&mut self, tell: &mut dyn FnMut(&str)) -> Result<Outcome> {
        self.outcome("following the activation", tell)
    }

    /// Follows a run, or the last one, to its end.
    ///
    /// # Errors
    /// When there is none, or the connection breaks; the run goes on.
    pub(crate) fn follow(
        &mut self,
        run: Option<&str>,
        tell: &mut dyn FnMut(&str),
    ) -> Result<Outcome> {
        self.ask(&Request::Follow {
            run: run.map(str::to_owned),
        })?;
        self.followed(tell)
    }

    /// Confirms a run.
    ///
    /// # Errors
    /// When it does not wait to be confirmed.
    pub(crate) fn confirm(&mut self, run: &str) -> Result<()> {
        self.ask(&Request::Confirm {
            run: run.to_owned(),
        })?;
        self.confirmed()
    }

    /// Whether the run is confirmed for which was asked first.
    ///
    /// # Errors
    /// When it does not wait to be confirmed.
    pub(crate) fn confirmed(&mut self) -> Result<()> {
        self.done("confirming")
    }

    fn outcome(&mut self, phase: &str, tell: &mut dyn FnMut(&str)) -> Result<Outcome> {
        let outcome = self.outcome_if(phase, tell)?;
        outcome.ok_or_else(|| self.unexpected(&Answer::NotIdle))
    }

    fn outcome_if(&mut self, phase: &str, tell: &mut dyn FnMut(&str)) -> Result<Option<Outcome>> {
        let (mut output, mut errors) = (Vec::new(), Vec::new());
        let mut told = 0;
        loop {
            let frame = self.frame(phase)?;
            match frame.kind {
                Kind::Output => output.extend(frame.payload),
                Kind::Error => {
                    told += frame.payload.len();
                    errors.extend(frame.payload);
                    tell_lines(&mut errors, tell);
                }
                Kind::Message => break self.end(&frame.payload, &output, &errors, tell),
                Kind::Archive | Kind::Piece | Kind::Alive => {
                    bail!("{phase}: {} sent an archive", self.connection.target())
                }
            }
            if output.len() + told > OUTPUT {
                bail!(
                    "{phase}: {} printed more than {OUTPUT} bytes",
                    self.connection.target()
                );
            }
        }
    }

    fn end(
        &self,
        payload: &[u8],
        output: &[u8],
        errors: &[u8],
        tell: &mut dyn FnMut(&str),
    ) -> Result<Option<Outcome>> {
        if !errors.is_empty() {
            tell(&escape(&String::from_utf8_lossy(errors)));
        }
        match json::from_bytes(payload).context("reading an answer")? {
            Answer::Ended(ended) => Ok(Some(Outcome {
                ended,
                output: String::from_utf8_lossy(output).into_owned(),
            })),
            Answer::NotIdle => Ok(None),
            Answer::Failed { why } => Err(self.failed(&why)),
            other => Err(self.unexpected(&other)),
        }
    }
}

/// Tells the lines that are whole, and leaves the rest.
fn tell_lines(bytes: &mut Vec<u8>, tell: &mut dyn FnMut(&str)) {
    while let Some(end) = bytes.iter().position(|b| *b == b'\n') {
        let line: Vec<u8> = bytes.drain(..=end).collect();
        tell(escape(&String::from_utf8_lossy(&line)).trim_end_matches('\n'));
    }
}

/// Returns requests as they go over a connection.
///
/// # Errors
/// When one is too long.
pub(crate) fn words(requests: &[Request]) -> Result<Vec<u8>> {
    let mut words = Vec::new();
    for request in requests {
        let text = serde_json::to_vec(request).context("serialising a request")?;
        frame::write(&mut words, Kind::Message, &text).context("serialising a request")?;
    }
    Ok(words)
}

/// How far the sending is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sending {
    /// How many paths go.
    pub paths: usize,
    /// How many bytes these are.
    pub bytes: u64,
    /// How many of them have gone.
    pub sent: u64,
}
