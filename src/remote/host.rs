//! What is done with one host, from the first contact to its confirmation.

#![expect(clippy::disallowed_methods, reason = "waits for hosts")]

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};

use super::built::{Built, Program};
use super::connection::{Connection, Early, Ways};
use super::link::{self, Link, Outcome, Sending};
use super::message::{Request, Start};
use super::probe::{self, Allowed, Means};
use super::runs::{self, random_word};
use super::target::Target;
use crate::host::clock::now;
use crate::model::style::show_bytes;

/// How long after its deadline a host may take to be back.
const RETURN_LIMIT: u64 = 120;

/// A host that was reached and can be managed.
pub(crate) struct Reached {
    connection: Connection,
    means: Means,
}

impl Reached {
    /// Connects, and refuses a host on which nothing could be done. What is asked `early` must change nothing.
    ///
    /// # Errors
    /// When it can't be reached, or nothing could be done there.
    pub(crate) fn new(target: &Target, ways: &Ways, early: Option<&Early<'_>>) -> Result<Self> {
        let connection = Connection::open(target, ways, early)?;
        if connection.is_agent {
            // It was found to be managed when the program came there.
            return Ok(Self {
                connection,
                means: Means::Root,
            });
        }
        let allowed = Allowed {
            sudo: ways.sudo,
            password: ways.password.is_some(),
        };
        let means = probe::check(&connection.facts)
            .and_then(|()| probe::means(&connection.facts, allowed))
            .with_context(|| target.to_string())?;
        Ok(Self { connection, means })
    }

    /// Returns the name by which the host knows itself, and its system.
    #[must_use]
    pub(crate) fn identity(&self) -> (String, String) {
        let facts = &self.connection.facts;
        (facts.name.clone(), format!("{}-linux", facts.machine))
    }

    /// Starts a program there as the agent, with what it is asked first; it is brought when it is not there. One that was
    /// asked early was asked the same.
    ///
    /// # Errors
    /// When it can't be brought or started.
    pub(crate) fn link(
        mut self,
        program: &Program,
        ways: &Ways,
        first: &[Request],
        watch: &dyn Watch,
    ) -> Result<Link> {
        if self.connection.is_agent {
            return Link::new(self.connection);
        }
        let facts = &self.connection.facts;
        probe::check_program(facts, &program.head)
            .with_context(|| self.connection.target().to_string())?;
        let sha256 = program.sha256()?;
        let is_it = |path: &&String| path.ends_with(sha256);
        let path = match facts.programs.iter().find(is_it) {
            Some(path) => path.clone(),
            None => {
                watch.at(&Phase::SendingActivator);
                self.connection.put(sha256, &program.content()?)?
            }
        };
        let (password, words) = (ways.password.as_ref(), link::words(first)?);
        self.connection
            .become_agent(&path, self.means, password, &words)?;
        Link::new(self.connection)
    }
}

/// How it went with a host.
#[derive(Debug)]
pub(crate) struct Went {
    /// The exit code that this would be by itself.
    pub code: u8,
    /// What the program there printed.
    pub output: String,
    /// Why it did not end well, where that is not in the output.
    pub error: Option<anyhow::Error>,
}

/// Returned to what it was (exit code).
const RETURNED: u8 = 5;
/// Stopped part-way, or nobody knows (exit code).
const UNKNOWN: u8 = 3;

impl Went {
    /// Makes it of what a program has come to. Pure.
    #[must_use]
    pub(crate) fn of(outcome: Outcome) -> Self {
        let code = outcome.ended.code.and_then(|c| u8::try_from(c).ok());
        let error = match code {
            None => Some(anyhow!("the activation was killed")),
            Some(_) => None,
        };
        Self {
            code: code.unwrap_or(UNKNOWN),
            output: outcome.output,
            error,
        }
    }

    /// Makes it of something that went wrong before anything was changed.
    #[must_use]
    pub(crate) fn refused(error: anyhow::Error) -> Self {
        Self {
            code: 1,
            output: String::new(),
            error: Some(error),
        }
    }
}

/// What is done with a host just now.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Phase<'a> {
    /// It is reached for the first time.
    Connecting,
    /// What it gets is built.
    Building,
    /// The activator goes there.
    SendingActivator,
    /// Paths go there.
    Sending(Sending),
    /// They have gone, and so long did it take.
    Sent(Duration),
    /// The activation goes on, as this run.
    Activating(&'a str),
    /// It is reached anew.
    Confirming,
    /// It was, and stays as it is.
    Confirmed,
    /// It goes back by itself.
    Returning,
}

impl Phase<'_> {
    /// Whether it is worth a line where nothing is written anew.
    #[must_use]
    pub(crate) fn is_news(&self) -> bool {
        match self {
            Self::Connecting | Self::Building | Self::Confirming | Self::Returning => false,
            Self::Sending(sending) => sending.sent == 0,
            _ => true,
        }
    }
}

impl fmt::Display for Phase<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connecting => out.write_str("connecting"),
            Self::Building => out.write_str("building"),
            Self::SendingActivator => out.write_str("sending the activator"),
            Self::Sending(Sending { paths, bytes, sent }) => {
                let sent = Some(*sent).filter(|sent| *sent > 0);
                let sent = sent.map(|sent| format!("{} of ", show_bytes(sent)));
                let (sent, bytes) = (sent.unwrap_or_default(), show_bytes(*bytes));
                write!(out, "sending {paths} paths, {sent}{bytes}")
            }
            Self::Sent(took) => write!(out, "sent in {:.1} s", took.as_secs_f64()),
            Self::Activating(run) => write!(out, "activating, as run {run}"),
            Self::Confirming => out.write_str("reaching it again"),
            Self::Confirmed => out.write_str("reached again, and confirmed"),
            Self::Returning => out.write_str("returning to its previous state"),
        }
    }
}

/// Who is told how far a host is.
pub(crate) trait Watch: Sync {
    /// A program there says a line.
    fn line(&self, line: &str);
    /// This is done now.
    fn at(&self, phase: &Phase<'_>);
}

/// A host, and how it is reached: again, if need be.
pub(crate) struct Host<'a> {
    /// Where it is.
    pub target: &'a Target,
    /// How it is reached.
    pub ways: &'a Ways,
    /// Who is told of it.
    pub watch: &'a dyn Watch,
}

impl Host<'_> {
    /// Starts the program there as the agent, and brings the closures of toplevels. Returns also what came of it where it
    /// was asked `first` for a switch that changes nothing.
    ///
    /// # Errors
    /// When that can't be done; nothing has been changed there but the store.
    pub(crate) fn bring(
        &self,
        reached: Reached,
        program: &Program,
        built: &[Arc<Built>],
        first: &[Request],
    ) -> Result<(Link, Option<Outcome>)> {
        let mut link = reached.link(program, self.ways, first, self.watch)?;
        let lacks = !built.is_empty() && !link.lacking()?.is_empty();
        let mut idle = None;
        if first.iter().any(|r| matches!(r, Request::Idle { .. })) {
            idle = link.idle(&mut |line| self.watch.line(line))?;
        }
        if lacks {
            self.send(&mut link, built)?;
        }
        Ok((link, idle))
    }

    fn send(&self, link: &mut Link, built: &[Arc<Built>]) -> Result<()> {
        let mut seen = BTreeSet::new();
        let mut infos = Vec::new();
        for built in built {
            let new = built.needs()?;
            let new = new.iter().filter(|info| seen.insert(info.path.clone()));
            infos.extend(new.cloned());
        }
        let known = seen;
        let substitute = self.ways.substitute;
        if !substitute {
            infos = link.select_lacking(infos)?;
        }
        let begin = Instant::now();
        let missing = link.send(&infos, known, substitute, &mut |sending| {
            self.watch.at(&Phase::Sending(sending));
        })?;
        if missing > 0 {
            self.watch.at(&Phase::Sent(begin.elapsed()));
        }
        Ok(())
    }

    /// Runs the program there, as long as the connection lives.
    ///
    /// # Errors
    /// When it can't be run.
    pub(crate) fn run(&self, mut link: Link, arguments: &[String]) -> Result<Went> {
        link.run(arguments, &mut |line| self.watch.line(line))
            .map(Went::of)
    }

    /// Runs the program there, whatever becomes of the connection; with `confirm`, the host returns to what it was unless
    /// it is reached anew after that.
    ///
    /// # Errors
    /// When it was not begun.
    pub(crate) fn activate(
        &self,
        mut link: Link,
        program: &Program,
        arguments: Vec<String>,
        confirm: Option<u64>,
        secrets: Option<&Request>,
    ) -> Result<Went> {
        let is_of_this_boot = arguments.iter().any(|word| word == runs::EPHEMERAL);
        let suffix = if is_of_this_boot {
            runs::OF_THIS_BOOT
        } else {
            ""
        };
        let run = format!("{:010}-{}{suffix}", now(), &random_word()?[1..9]);
        let start = Start {
            run: run.clone(),
            arguments,
            confirm,
            by: Some(own_name()),
            came_by: None,
        };
        link.start(start, secrets)?;
        self.watch.at(&Phase::Activating(&run));
        let followed = link.followed(&mut |line| self.watch.line(line));
        drop(link);
        let outcome = match followed {
            Ok(outcome) => outcome,
            Err(error) => {
                tracing::warn!("{error:#}; the activation continues there");
                match self.follow_anew(&run, program, confirm.unwrap_or(0)) {
                    Ok(outcome) => outcome,
                    Err(error) => return Ok(self.unknown(error, None)),
                }
            }
        };
        if let (Some(why), false) = (&outcome.ended.unhealthy, outcome.ended.returned) {
            tracing::warn!("{}: {why}", self.target);
            return Ok(self.await_return(&run, program, now()));
        }
        Ok(match outcome.ended.deadline {
            Some(deadline) if !outcome.ended.returned => {
                self.confirm(&run, program, deadline, outcome)
            }
            _ if outcome.ended.returned => returned(outcome),
            _ if outcome.ended.code.is_none() && confirm.is_some() => {
                // It returns at once.
                self.await_return(&run, program, now())
            }
            _ => Went::of(outcome),
        })
    }

    /// Follows the last run from another machine, and confirms nothing.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn attach(&self, mut link: Link) -> Result<Went> {
        let outcome = link.follow(None, &mut |line| self.watch.line(line))?;
        Ok(if outcome.ended.returned {
            returned(outcome)
        } else {
            Went::of(outcome)
        })
    }

    fn anew(&self, program: &Program, first: &[Request]) -> Result<Link> {
        let reached = Reached::new(self.target, self.ways, None)?;
        reached.link(program, self.ways, first, self.watch)
    }

    fn follow_anew(&self, run: &str, program: &Program, window: u64) -> Result<Outcome> {
        let until = now() + window + RETURN_LIMIT;
        self.again_until(until, || {
            self.anew(program, &[])?
                .follow(Some(run), &mut |line| self.watch.line(line))
        })
    }

    /// Confirms over a new connection: what the switch may have broken is proven by use.
    fn confirm(&self, run: &str, program: &Program, deadline: u64, outcome: Outcome) -> Went {
        self.watch.at(&Phase::Confirming);
        let ask = Request::Confirm {
            run: run.to_owned(),
        };
        let confirmed = self.again_until(deadline, || {
            let left = deadline.saturating_sub(now());
            self.anew(program, std::slice::from_ref(&ask))
                .and_then(|mut link| link.confirmed())
                .inspect_err(|error| {
                    tracing::warn!("{error:#}; {left} s left to confirm");
                })
        });
        match confirmed {
            Ok(()) => {
                self.watch.at(&Phase::Confirmed);
                Went::of(outcome)
            }
            Err(_) => self.await_return(run, program, deadline),
        }
    }

    fn await_return(&self, run: &str, program: &Program, deadline: u64) -> Went {
        tracing::warn!(
            "{}: it returns to its previous state by itself",
            self.target
        );
        self.watch.at(&Phase::Returning);
        let back = self.again_until(deadline + RETURN_LIMIT, || {
            let mut link = self.anew(program, &[])?;
            let outcome = link.follow(Some(run), &mut |_| {})?;
            if outcome.ended.returned {
                return Ok(returned(outcome));
            }
            // Somebody has given it more time, and it can be reached.
            link.confirm(run)
                .with_context(|| format!("{} has not returned yet", self.target))?;
            self.watch.at(&Phase::Confirmed);
            Ok(Went::of(outcome))
        });
        match back {
            Ok(went) => went,
            Err(error) => self.unknown(error, Some(deadline)),
        }
    }

    fn unknown(&self, error: anyhow::Error, deadline: Option<u64>) -> Went {
        let returns = deadline.map_or_else(String::new, |deadline| {
            format!(
                "; it returns by itself at {}",
                crate::model::time::render_time(deadline)
            )
        });
        Went {
            code: UNKNOWN,
            output: String::new(),
            error: Some(error.context(format!(
                "unknown: {} did not answer{returns}\nhint: `system-manager switch --attach --target-host {0}` tells how it ended",
                self.target
            ))),
        }
    }

    /// Tries until it works or the time is over; at least once, and not more than once a second.
    fn again_until<T>(&self, until: u64, mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
        loop {
            let begin = Instant::now();
            match attempt() {
                Ok(done) => return Ok(done),
                Err(error) if now() >= until => return Err(error),
                Err(error) => tracing::debug!("{}: {error:#}", self.target),
            }
            // There is nothing to wait for but a host that may be back.
            std::thread::sleep(Duration::from_secs(1).saturating_sub(begin.elapsed()));
        }
    }
}

/// Who this is, for those who find the host waiting.
fn own_name() -> String {
    let user = std::env::var("USER").unwrap_or_else(|_| nix::unistd::getuid().to_string());
    let machine = nix::unistd::gethostname().unwrap_or_default();
    format!("{user}@{}", machine.to_string_lossy())
}

fn returned(outcome: Outcome) -> Went {
    let why = outcome.ended.unhealthy;
    let why = why
        .as_deref()
        .unwrap_or("the host could not be reached again in time");
    Went {
        code: RETURNED,
        output: outcome.output,
        error: Some(anyhow!(
            "{why}, and the host has returned to its previous state"
        )),
    }
}
