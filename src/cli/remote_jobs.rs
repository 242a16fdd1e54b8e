//! What is to be done with each of other hosts, and what is the same for all of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};

use crate::cli::commands;
use crate::cli::remote_args::RemoteArgs;
use crate::cli::remote_tasks::{How, Task, Wants};
use crate::model::names::AbsolutePath;
use crate::nix::elsewhere::BuildHost;
use crate::nix::{self, BuildOptions, Source};
use crate::remote::agent::words_of;
use crate::remote::built::{Built, Program};
use crate::remote::connection::{Early, Ways};
use crate::remote::host::{Host, Phase, Reached, Watch, Went};
use crate::remote::message::{Request, SecretValues};
use crate::remote::target::Target;
use crate::store::secrets::{self, Values};
use crate::store::toplevel::read_manifest;

/// How long a host waits to be confirmed after a `switch`, in seconds.
const CONFIRM: u64 = 60;

/// How long it may be what is asked with the first word: it is one argument of programs, which may have 128 kB (execve(2)).
const ASKED_MAX: usize = 64 << 10;

/// What tells what is built from other things that are.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    /// It is built already.
    Built(PathBuf),
    /// A configuration, for hosts of a name and a system or for any.
    Source(String, Option<(String, String)>),
}

/// What is to be done with one host.
struct Job {
    /// The arguments of the program there.
    arguments: Vec<String>,
    /// What it needs there.
    built: Vec<Arc<Built>>,
    /// The secrets that go with it.
    secrets: Option<Request>,
    /// What the program is asked when it starts.
    first: Vec<Request>,
}

/// What is the same for all hosts.
pub(super) struct Deployer {
    task: Task,
    ways: Ways,
    /// This program, where nothing is built that has one.
    own: Option<Program>,
    confirm: Option<u64>,
    build_host: Option<BuildHost>,
    built: Mutex<BTreeMap<Key, Arc<Built>>>,
    secrets: Mutex<BTreeMap<AbsolutePath, Values>>,
}

impl Deployer {
    /// Makes it of a task.
    ///
    /// # Errors
    /// When this program can't be read, or what builds is no host.
    pub(super) fn new(args: &RemoteArgs, task: Task, ways: Ways) -> Result<Self> {
        Ok(Self {
            own: own_program(&task)?,
            built: Mutex::default(),
            secrets: Mutex::default(),
            build_host: args.build_host()?,
            confirm: confirm(args, task.how),
            task,
            ways,
        })
    }

    /// Does with a host what is to be done.
    pub(super) fn work(&self, target: &Target, watch: &dyn Watch) -> Went {
        let host = Host {
            target,
            ways: &self.ways,
            watch,
        };
        self.work_on(&host).unwrap_or_else(Went::refused)
    }

    fn work_on(&self, host: &Host<'_>) -> Result<Went> {
        host.watch.at(&Phase::Connecting);
        // What is known already is asked with the first word.
        let known = self.job(host.target, None)?;
        let early = known.as_ref().map(|job| self.early(job)).transpose()?;
        let early = early.flatten();
        let reached = Reached::new(host.target, &self.ways, early.as_ref())?;
        host.watch.at(&Phase::Building);
        let job = match known {
            Some(job) => job,
            None => (self.job(host.target, Some(&reached))?).context("what to do is not known")?,
        };
        let program = self.program(&job)?;
        let (link, idle) = host.bring(reached, program, &job.built, &job.first)?;
        match (self.task.how, idle) {
            (_, Some(outcome)) => Ok(Went::of(outcome)),
            (How::Attended, _) => host.run(link, &job.arguments),
            (How::Apart { .. }, _) => {
                let secrets = job.secrets.as_ref();
                let arguments = job.arguments.clone();
                host.activate(link, program, arguments, self.confirm, secrets)
            }
            (How::Attach, _) => host.attach(link),
        }
    }

    /// Returns what is to be done with a host, and builds what it takes; none where the host must have been reached first.
    fn job(&self, target: &Target, reached: Option<&Reached>) -> Result<Option<Job>> {
        let mut arguments = self.task.arguments.clone();
        let mut built = Vec::new();
        for (place, wants) in &self.task.wants {
            let Some(one) = self.built_for(wants, reached, target)? else {
                return Ok(None);
            };
            arguments.insert(*place, one.toplevel.to_string());
            built.push(one);
        }
        let switches = self.task.how == How::Apart { confirmed: true };
        let secrets = match built.first().filter(|_| switches) {
            Some(built) => self.secrets_of(&built.toplevel)?,
            None => None,
        };
        let mut first = Vec::new();
        if !built.is_empty() {
            let tops = built.iter().map(|one| one.path());
            first.push(Request::lacking(&tops.collect::<Result<Vec<_>>>()?));
        }
        // Secrets come before, and may be a change.
        if switches && secrets.is_none() {
            let arguments = arguments.clone();
            first.push(Request::Idle { arguments });
        }
        Ok(Some(Job {
            arguments,
            built,
            secrets,
            first,
        }))
    }

    /// Returns what is asked with the first word; none where it is too long for that.
    fn early<'a>(&'a self, job: &'a Job) -> Result<Option<Early<'a>>> {
        let (program, asked) = (self.program(job)?, words_of(&job.first)?);
        Ok((asked.len() <= ASKED_MAX).then_some(Early { program, asked }))
    }

    /// Returns the program that works on the host.
    fn program<'a>(&'a self, job: &'a Job) -> Result<&'a Program> {
        let program = job.built.first().map(|built| built.program());
        let program = program.or(self.own.as_ref());
        program.context("there is no program to bring")
    }

    /// Reads the secrets of what is switched to, once for all hosts that get the same; none where it has none.
    fn secrets_of(&self, toplevel: &AbsolutePath) -> Result<Option<Request>> {
        let mut known = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.contains_key(toplevel) {
            let wanted = read_manifest(Path::new(toplevel.as_str()))?.secrets;
            known.insert(toplevel.clone(), secrets::gather(&wanted)?);
        }
        let values = known.get(toplevel).filter(|values| !values.is_empty());
        Ok(values.map(|values| Request::Secrets {
            toplevel: toplevel.clone(),
            values: SecretValues::of(values),
        }))
    }

    /// Builds what a host gets, once for all hosts that get the same. Before the host was reached, it is only looked at
    /// whether it is built already.
    fn built_for(
        &self,
        wants: &Wants,
        reached: Option<&Reached>,
        target: &Target,
    ) -> Result<Option<Arc<Built>>> {
        let (source, options) = match wants {
            Wants::Built(path) => {
                let key = Key::Built(path.clone());
                return self.once(key, || commands::toplevel_path(path)).map(Some);
            }
            Wants::Source(source, options) => (source, options),
        };
        let (source, identity) = match (source, &target.attribute) {
            (Source::Flake(uri), Some(attribute)) if !uri.contains('#') => {
                (Source::Flake(format!("{uri}#{attribute}")), None)
            }
            (Source::Flake(uri), None) if !uri.contains('#') => {
                let Some(reached) = reached else {
                    return Ok(None);
                };
                (source.clone(), Some(reached.identity()))
            }
            _ => (source.clone(), None),
        };
        let key = Key::Source(format!("{source:?}"), identity.clone());
        if reached.is_none() {
            // It is held while something is built, and the host can be reached meanwhile.
            let known = self.built.try_lock();
            return Ok(known.ok().and_then(|known| known.get(&key).cloned()));
        }
        self.once(key, || {
            let options = options.clone();
            nix::build(
                &source,
                &BuildOptions {
                    identity,
                    build_host: self.build_host.clone(),
                    ..options
                },
            )
        })
        .map(Some)
    }

    fn once(&self, key: Key, build: impl FnOnce() -> Result<AbsolutePath>) -> Result<Arc<Built>> {
        // Held while it is built: Nix would build it once, too, but evaluate it for each.
        let mut known = self.built.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(built) = known.get(&key) {
            return Ok(built.clone());
        }
        let new = Arc::new(Built::read(build()?)?);
        known.insert(key, new.clone());
        Ok(new)
    }
}

fn own_program(task: &Task) -> Result<Option<Program>> {
    if !task.wants.is_empty() {
        return Ok(None);
    }
    let path = std::env::current_exe().context("finding this program's own file")?;
    Program::read(&path).map(Some)
}

fn confirm(args: &RemoteArgs, how: How) -> Option<u64> {
    match (args.no_confirm, args.confirm_timeout, how) {
        (true, _, _) => None,
        (_, Some(seconds), _) => Some(seconds),
        (_, None, How::Apart { confirmed: true }) => Some(CONFIRM),
        _ => None,
    }
}
