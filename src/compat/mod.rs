//! Which NixOS modules work: looks at each module of a nixpkgs, in parallel, and keeps what it finds.

pub(crate) mod both_ways;
mod cache;
mod nixpkgs;
pub(crate) mod page;
mod probe;
mod reasons;
pub(crate) mod report;
mod runs;
mod units;
pub(crate) mod verdict;

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use serde::Serialize;
use serde::de::DeserializeOwned;

use self::cache::Cache;
use self::probe::{Answer, Failure, Index, Probe};
use self::verdict::{Compared, Findings, Module, Nixpkgs, Run, Step, Survey};
use crate::host::process::{Command, Stop};
use crate::host::threads;
use crate::nix::BuildOptions;

/// What to look at, and how.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// The nixpkgs, and settings for Nix.
    pub build: BuildOptions,
    /// Modules by their path below `nixos/modules`; none means all below `under`.
    pub modules: Vec<String>,
    /// How the paths of modules begin.
    pub under: String,
    /// How many processes of Nix run at the same time.
    pub jobs: usize,
    /// How long one may take.
    pub limit: Duration,
    /// Whether units are compared with those of NixOS.
    pub compare: bool,
    /// Whether nothing that was found before counts.
    pub fresh: bool,
}

/// How far a survey is.
#[derive(Debug)]
pub(crate) struct Progress<'a> {
    /// Modules that are done.
    pub done: usize,
    /// All modules.
    pub of: usize,
    /// The one that was done last.
    pub module: &'a str,
}

/// What a survey came to.
#[derive(Debug)]
pub(crate) enum Ended {
    /// All modules were looked at.
    Done(Box<Survey>),
    /// The user interrupted it.
    Stopped {
        /// Modules that were done.
        done: usize,
        /// All modules.
        of: usize,
    },
}

/// Looks at modules and tells how far it is.
///
/// # Errors
/// When there is no nixpkgs or no Nix, a module is not there, or the cache can't be written.
pub(crate) fn survey(request: &Request, tell: &mut dyn FnMut(&Progress<'_>)) -> Result<Ended> {
    // Before any other thread is there.
    let stop = Stop::on_interrupt()?;
    let nixpkgs = nixpkgs::find(&request.build)?;
    let identity = nixpkgs::read_identity(&nixpkgs)?;
    let depends = [
        identity.as_str(),
        &read_nix_version()?,
        std::env::consts::ARCH,
    ];
    let cache = Mutex::new(Cache::open(&depends, request.fresh)?);
    let probe = Probe::new(&nixpkgs, request.build.clone(), request.limit, &stop)?;

    let index = known(&cache, "index", || probe.list())?;
    let Some(index) = needed(index, &stop, "listing the modules of the nixpkgs")? else {
        return Ok(Ended::Stopped { done: 0, of: 0 });
    };
    let modules = choose(&index, request, &nixpkgs)?;
    let base = if request.compare {
        let base = known(&cache, "base", || probe.base())?;
        needed(
            base,
            &stop,
            "listing the units of a NixOS without any module",
        )?
    } else {
        None
    };

    let looking = Looking {
        cache: &cache,
        probe: &probe,
        base: base.as_deref(),
        runs: runs::parse_runs()?,
        stop: &stop,
    };
    let look = |name: &str| looking.at(name);
    let of = modules.len();
    let together = |names: &[String]| look_together(&cache, &probe, names, base.as_deref());
    let mut found = in_parallel(
        request.jobs,
        modules,
        together,
        look,
        &mut |done, module| {
            tell(&Progress { done, of, module });
        },
    )?;
    if stop.is_stopped() || found.len() < of {
        let done = found.len();
        return Ok(Ended::Stopped { done, of });
    }
    found.sort_by(|a, b| a.module.cmp(&b.module));
    Ok(Ended::Done(Box::new(Survey {
        version: verdict::VERSION,
        system_manager: env!("CARGO_PKG_VERSION").to_owned(),
        nixpkgs: Nixpkgs {
            path: nixpkgs.display().to_string(),
            release: index.release,
            identity,
        },
        summary: verdict::summarise(&found),
        modules: found,
    })))
}

/// What it takes to look at a module.
struct Looking<'a> {
    cache: &'a Mutex<Cache>,
    probe: &'a Probe,
    /// The units of a NixOS without any module, where units are compared.
    base: Option<&'a [String]>,
    runs: Vec<Run>,
    stop: &'a Stop,
}

impl Looking<'_> {
    /// Looks at one; none when that was stopped.
    fn at(&self, name: &str) -> Result<Option<Module>> {
        let Some(mut findings) = find_out(self.cache, self.probe, name)? else {
            return Ok(None);
        };
        let compared = self.compare(name, &mut findings)?;
        if self.stop.is_stopped() {
            return Ok(None);
        }
        let runs = self.runs.iter().filter(|r| r.module == name);
        let runs = runs.cloned().collect();
        Ok(Some(Module::judge(
            name.to_owned(),
            findings,
            compared,
            runs,
        )))
    }

    fn compare(&self, name: &str, findings: &mut Findings) -> Result<Option<Compared>> {
        let Some(base) = self.base else {
            return Ok(None);
        };
        if findings.errors.contains_key(&Step::Enabled) {
            return Ok(None);
        }
        let ask = || self.probe.compare(name, base);
        match known(self.cache, &format!("compared {name}"), ask)? {
            Ok(compared) => Ok(Some(compared)),
            Err(Failure::Says(error) | Failure::Broke(error)) => {
                findings.errors.insert(Step::Compared, error);
                Ok(None)
            }
        }
    }
}

/// Another Nix may say something else.
fn read_nix_version() -> Result<String> {
    let output = Command::new("nix-instantiate")
        .arg("--version")
        .hint("apt-get install nix-bin")
        .output()?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Gives the modules that were asked for.
#[expect(clippy::disallowed_methods, reason = "looks which file a name means")]
fn choose(index: &Index, request: &Request, nixpkgs: &Path) -> Result<Vec<String>> {
    if request.modules.is_empty() {
        let all = index.modules.iter();
        let chosen: Vec<String> = all
            .filter(|m| m.starts_with(&request.under))
            .cloned()
            .collect();
        if chosen.is_empty() {
            bail!(
                "{} has no modules below `{}`\nhint: the paths of modules begin below nixos/modules, such as `services/`",
                nixpkgs.display(),
                request.under
            );
        }
        return Ok(chosen);
    }
    let root = nixpkgs.join("nixos/modules");
    let mut chosen = Vec::new();
    for name in &request.modules {
        let name = name.trim_end_matches('/');
        let file = [name.to_owned(), format!("{name}/default.nix"), format!("{name}.nix")]
            .into_iter()
            .find(|file| root.join(file).is_file())
            .ok_or_else(|| {
                anyhow!(
                    "there is no module `{name}` in {}\nhint: name its path below that folder, such as `services/web-servers/nginx`",
                    root.display()
                )
            })?;
        chosen.push(file);
    }
    chosen.sort();
    chosen.dedup();
    Ok(chosen)
}

/// What is known about a module, found out where it is not known yet; none when the user stopped it.
fn find_out(cache: &Mutex<Cache>, probe: &Probe, name: &str) -> Result<Option<Findings>> {
    let key = format!("findings {name}");
    if let Some(findings) = lock(cache).get(&key) {
        return Ok(Some(findings));
    }
    let (findings, lasting) = probe.try_module(name)?;
    if probe.is_stopped() {
        return Ok(None);
    }
    if lasting {
        lock(cache).put(&key, &findings)?;
    }
    Ok(Some(findings))
}

/// Finds out about several modules at once what is not known yet, and keeps it. What fails is left to `find_out`.
fn look_together(
    cache: &Mutex<Cache>,
    probe: &Probe,
    names: &[String],
    base: Option<&[String]>,
) -> Result<()> {
    let findings_of = |name: &String| lock(cache).get::<Findings>(&format!("findings {name}"));
    let unknown: Vec<String> = names
        .iter()
        .filter(|name| findings_of(name).is_none())
        .cloned()
        .collect();
    for (name, findings) in probe.try_together(&unknown)? {
        lock(cache).put(&format!("findings {name}"), &findings)?;
    }
    let Some(base) = base else { return Ok(()) };
    let key = |name: &str| format!("compared {name}");
    let works = |name: &String| {
        findings_of(name).is_some_and(|found| !found.errors.contains_key(&Step::Enabled))
    };
    let asked = |name: &String| {
        lock(cache)
            .get::<Result<Compared, String>>(&key(name))
            .is_some()
    };
    let left: Vec<String> = names
        .iter()
        .filter(|name| works(name) && !asked(name))
        .cloned()
        .collect();
    for (name, compared) in probe.compare_together(&left, base)? {
        lock(cache).put(&key(&name), &Ok::<_, String>(compared))?;
    }
    Ok(())
}

/// Gives an answer from the cache, or asks and keeps the answer.
fn known<T: Serialize + DeserializeOwned>(
    cache: &Mutex<Cache>,
    key: &str,
    ask: impl FnOnce() -> Result<Answer<T>>,
) -> Result<Answer<T>> {
    if let Some(answer) = lock(cache).get::<Result<T, String>>(key) {
        return Ok(answer.map_err(Failure::Says));
    }
    let answer = ask()?;
    match &answer {
        Ok(value) => lock(cache).put(key, &Ok::<_, String>(value))?,
        Err(Failure::Says(error)) => lock(cache).put(key, &Err::<(), _>(error))?,
        Err(Failure::Broke(_)) => {}
    }
    Ok(answer)
}

/// Gives what everything else needs; none when the user stopped it.
fn needed<T>(answer: Answer<T>, stop: &Stop, doing: &'static str) -> Result<Option<T>> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(_) if stop.is_stopped() => Ok(None),
        Err(Failure::Says(error) | Failure::Broke(error)) => Err(anyhow!(error)).context(doing),
    }
}

/// A thread that panicked has left a whole cache behind.
fn lock(cache: &Mutex<Cache>) -> std::sync::MutexGuard<'_, Cache> {
    cache.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many modules are looked at in one process, at most: it needs memory for each.
const TOGETHER: usize = 8;

/// Does work on several threads, until there is none left, or one fails or gives nothing. `prepare` gets several of
/// the modules before `look` gets each of them.
fn in_parallel(
    jobs: usize,
    modules: Vec<String>,
    prepare: impl Fn(&[String]) -> Result<()> + Sync,
    look: impl Fn(&str) -> Result<Option<Module>> + Sync,
    tell: &mut dyn FnMut(usize, &str),
) -> Result<Vec<Module>> {
    let jobs = jobs.max(1);
    // Few are spread over the threads, each several times.
    let size = (modules.len() / (4 * jobs)).clamp(1, TOGETHER);
    let left = Mutex::new(VecDeque::from(modules));
    let next = || {
        let mut left = left.lock().unwrap_or_else(PoisonError::into_inner);
        let size = size.min(left.len());
        let names: Vec<String> = left.drain(..size).collect();
        (!names.is_empty()).then_some(names)
    };
    let look_at = |names: Vec<String>, send: &dyn Fn(Result<Module>) -> bool| {
        if let Err(error) = prepare(&names) {
            send(Err(error));
            return false;
        }
        names.iter().all(|name| match look(name).transpose() {
            Some(result) => {
                let goes_on = result.is_ok();
                // The receiver only goes away after an error, when there is no more to do.
                send(result) && goes_on
            }
            None => false,
        })
    };
    let (sender, results) = mpsc::channel();
    std::thread::scope(|scope| {
        let mut threads = 0;
        for _ in 0..jobs {
            let (sender, next, look_at) = (sender.clone(), &next, &look_at);
            let begun = threads::begin_in(scope, "that asks Nix", move || {
                while let Some(names) = next() {
                    if !look_at(names, &|result| sender.send(result).is_ok()) {
                        break;
                    }
                }
            });
            match begun {
                Ok(_) => threads += 1,
                Err(error) if threads == 0 => return Err(error),
                Err(error) => {
                    tracing::warn!("fewer modules at the same time: {error:#}");
                    break;
                }
            }
        }
        drop(sender);
        let mut found = Vec::new();
        for result in results {
            let module: Module = result?;
            tell(found.len() + 1, &module.module);
            found.push(module);
        }
        Ok(found)
    })
}
