//! What is done with one host, from the first contact to its confirmation.

#![expect(
    clippy::disallowed_methods,
    reason = "reads programs, and waits for hosts"
)]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

use super::connection::{Connection, Ways, random_word};
use super::link::{Link, Outcome, Sending};
use super::message::Start;
use super::probe::{self, Allowed, Means};
use super::target::Target;
use crate::closure::info::PathInfo;
use crate::host::clock::now;
use crate::model::names::AbsolutePath;
use crate::model::node::sha256_of;
use crate::model::style::show_bytes;

/// How long after its deadline a host may take to be back.
const RETURN_LIMIT: u64 = 120;

/// A program that may run on hosts.
pub(crate) struct Program {
    sha256: String,
    bytes: Vec<u8>,
}

impl Program {
    /// Reads one.
    ///
    /// # Errors
    /// When it can't be read.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let inner = || -> Result<Self> {
            let bytes = std::fs::read(path)?;
            let sha256 = sha256_of(&*bytes)?;
            Ok(Self { sha256, bytes })
        };
        let program = inner().with_context(|| format!("reading {}", path.display()))?;
        if probe::wants_libraries(&program.bytes) {
            tracing::warn!(
                "{} is not static, so it runs only on hosts with the libraries of this machine\nhint: build it with `cargo static`",
                path.display()
            );
        }
        Ok(program)
    }
}

/// A toplevel that was built for some hosts, with all that it needs.
pub(crate) struct Built {
    /// The toplevel.
    pub toplevel: AbsolutePath,
    infos: Vec<PathInfo>,
    program: Program,
}

impl Built {
    /// Reads what a toplevel needs.
    ///
    /// # Errors
    /// When that can't be told.
    pub(crate) fn read(toplevel: AbsolutePath) -> Result<Self> {
        let activator = Path::new(toplevel.as_str()).join("bin/system-manager");
        Ok(Self {
            infos: super::closure::of(&toplevel)?,
            program: Program::read(&activator)?,
            toplevel,
        })
    }

    /// Returns its activator.
    #[must_use]
    pub(crate) fn program(&self) -> &Program {
        &self.program
    }
}

/// A host that was reached and can be managed.
pub(crate) struct Reached {
    connection: Connection,
    means: Means,
}

impl Reached {
    /// Connects, and refuses a host on which nothing could be done.
    ///
    /// # Errors
    /// When it can't be reached, or nothing could be done there.
    pub(crate) fn new(target: &Target, ways: &Ways) -> Result<Self> {
        let connection = Connection::open(target, ways)?;
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

    /// Starts a program there as the agent; it is brought when it is not there.
    ///
    /// # Errors
    /// When it can't be brought or started.
    pub(crate) fn link(mut self, program: &Program, ways: &Ways) -> Result<Link> {
        let target = self.connection.target().to_string();
        let facts = &self.connection.facts;
        probe::check_program(facts, &program.bytes).with_context(|| target.clone())?;
        let is_it = |path: &&String| path.ends_with(&program.sha256);
        let path = match facts.programs.iter().find(is_it) {
            Some(path) => path.clone(),
            None => {
                tracing::info!("{target}: sending the activator");
                self.connection.put(&program.sha256, &program.bytes)?
            }
        };
        Link::new(self.connection, &path, self.means, ways.password.as_ref())
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
    fn of(outcome: Outcome) -> Self {
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

/// A host, and how it is reached: again, if need be.
pub(crate) struct Host<'a> {
    /// Where it is.
    pub target: &'a Target,
    /// How it is reached.
    pub ways: &'a Ways,
    /// Hears what is said, a line at a time.
    pub tell: &'a (dyn Fn(&str) + Sync),
}

impl Host<'_> {
    /// Starts the program there as the agent, and brings the closures of toplevels.
    ///
    /// # Errors
    /// When that can't be done; nothing has been changed there but the store.
    pub(crate) fn bring(
        &self,
        reached: Reached,
        program: &Program,
        built: &[Arc<Built>],
    ) -> Result<Link> {
        let mut link = reached.link(program, self.ways)?;
        let mut seen = BTreeSet::new();
        let all = built.iter().flat_map(|built| &built.infos);
        let infos: Vec<PathInfo> = all
            .filter(|info| seen.insert(&info.path))
            .cloned()
            .collect();
        if infos.is_empty() {
            return Ok(link);
        }
        let begin = Instant::now();
        let mut first = true;
        let substitute = self.ways.substitute;
        link.send(&infos, substitute, &mut |Sending { paths, bytes, sent }| {
            if first {
                tracing::info!(
                    "{}: sending {paths} paths, {}",
                    self.target,
                    show_bytes(bytes)
                );
                first = false;
            } else if sent == bytes {
                tracing::info!(
                    "{}: sent in {:.1} s",
                    self.target,
                    begin.elapsed().as_secs_f64()
                );
            }
        })?;
        Ok(link)
    }

    /// Runs the program there, as long as the connection lives.
    ///
    /// # Errors
    /// When it can't be run.
    pub(crate) fn run(&self, mut link: Link, arguments: &[String]) -> Result<Went> {
        link.run(arguments, &mut |line| (self.tell)(line))
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
    ) -> Result<Went> {
        let run = format!("{:010}-{}", now(), &random_word()?[1..9]);
        link.start(Start {
            run: run.clone(),
            arguments,
            confirm,
        })?;
        tracing::info!("{}: activating, as run {run}", self.target);
        let followed = link.followed(&mut |line| (self.tell)(line));
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
        let outcome = link.follow(None, &mut |line| (self.tell)(line))?;
        Ok(if outcome.ended.returned {
            returned(outcome)
        } else {
            Went::of(outcome)
        })
    }

    fn anew(&self, program: &Program) -> Result<Link> {
        Reached::new(self.target, self.ways)?.link(program, self.ways)
    }

    fn follow_anew(&self, run: &str, program: &Program, window: u64) -> Result<Outcome> {
        let until = now() + window + RETURN_LIMIT;
        self.again_until(until, || {
            self.anew(program)?
                .follow(Some(run), &mut |line| (self.tell)(line))
        })
    }

    /// Confirms over a new connection: what the switch may have broken is proven by use.
    fn confirm(&self, run: &str, program: &Program, deadline: u64, outcome: Outcome) -> Went {
        let confirmed = self.again_until(deadline, || {
            let left = deadline.saturating_sub(now());
            self.anew(program)
                .and_then(|mut link| link.confirm(run))
                .inspect_err(|error| {
                    tracing::warn!("{error:#}; {left} s left to confirm");
                })
        });
        match confirmed {
            Ok(()) => {
                tracing::info!("{}: reached again, and confirmed", self.target);
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
        let back = self.again_until(deadline + RETURN_LIMIT, || {
            let outcome = self.anew(program)?.follow(Some(run), &mut |_| {})?;
            if !outcome.ended.returned {
                bail!("{} has not returned yet", self.target);
            }
            Ok(outcome)
        });
        match back {
            Ok(outcome) => returned(outcome),
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
