//! The only file that speaks D-Bus: the running systemd, its units and its jobs (org.freedesktop.systemd1(5)).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use zbus::blocking::connection::Builder;
use zbus::blocking::{Connection, MessageIterator, Proxy};
use zbus::zvariant::OwnedObjectPath;
use zbus::{MatchRule, message};

const SERVICE: &str = "org.freedesktop.systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const PATH: &str = "/org/freedesktop/systemd1";

/// A unit as `ListUnits` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// Its primary name.
    pub name: String,
    /// Load state, such as `loaded` or `not-found`.
    pub load_state: String,
    /// Active state, such as `active` or `failed`.
    pub active_state: String,
    /// Sub state, such as `running` or `auto-restart`.
    pub sub_state: String,
    /// The unit that it follows; empty for most.
    pub following: String,
    path: OwnedObjectPath,
}

/// What is asked of systemd for a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// `StopUnit`.
    Stop,
    /// `StartUnit`.
    Start,
    /// `RestartUnit`.
    Restart,
    /// `ReloadUnit`.
    Reload,
}

impl Verb {
    fn method(self) -> &'static str {
        match self {
            Self::Stop => "StopUnit",
            Self::Start => "StartUnit",
            Self::Restart => "RestartUnit",
            Self::Reload => "ReloadUnit",
        }
    }

    /// Gives the word for a job that is under way.
    #[must_use]
    pub fn progressive(self) -> &'static str {
        match self {
            Self::Stop => "stopping",
            Self::Start => "starting",
            Self::Restart => "restarting",
            Self::Reload => "reloading",
        }
    }
}

/// What is told while jobs are under way.
#[derive(Debug)]
pub enum Event<'a> {
    /// A job ended with this result (`done`, `failed`, `timeout`, `dependency`, ... or systemd's refusal).
    Ended {
        /// The unit.
        unit: &'a str,
        /// Its result.
        result: &'a str,
    },
    /// These units' jobs are still under way after this time.
    Waiting {
        /// The units.
        units: &'a BTreeSet<String>,
        /// Since the jobs began.
        since: Duration,
    },
}

/// The result that is recorded for a job that did not end in time.
pub const TIMED_OUT: &str = "timeout";

/// A connection to the running systemd.
pub struct Systemd {
    manager: Proxy<'static>,
    connection: Connection,
    removed: mpsc::Receiver<(String, String, String)>,
}

impl Systemd {
    /// Connects to the system's systemd; none when this system was not booted with it (sd_booted(3)).
    ///
    /// # Errors
    /// When it runs but can't be reached.
    pub fn connect() -> Result<Option<Self>> {
        if !Path::new("/run/systemd/system").is_dir() {
            return Ok(None);
        }
        let builder = Builder::system().context("finding the system bus")?;
        Self::open(builder).map(Some).context(
            "connecting to systemd on the system bus\nhint: is the package `dbus` installed, and dbus.socket running?",
        )
    }

    fn open(builder: Builder<'static>) -> Result<Self> {
        let connection = builder.build()?;
        let manager = Proxy::new(&connection, SERVICE, PATH, MANAGER)?;
        manager.call_method("Subscribe", &())?;
        let rule = MatchRule::builder()
            .msg_type(message::Type::Signal)
            .interface(MANAGER)?
            .member("JobRemoved")?
            .build();
        // The queue must take a burst of a thousand jobs without loss.
        let signals = MessageIterator::for_match_rule(rule, &connection, Some(65536))?;
        let (sender, removed) = mpsc::channel();
        std::thread::spawn(move || {
            for signal in signals.flatten() {
                let body = signal.body();
                let Ok((_id, job, unit, result)) = body.deserialize::<(u32, OwnedObjectPath, String, String)>() else {
                    tracing::warn!("a JobRemoved signal of an unknown form");
                    continue;
                };
                if sender.send((job.to_string(), unit, result)).is_err() {
                    return;
                }
            }
        });
        Ok(Self { manager, connection, removed })
    }

    /// Lists the units that are loaded.
    ///
    /// # Errors
    /// When systemd does not answer.
    pub fn list(&self) -> Result<Vec<Loaded>> {
        type Row = (
            String,
            String,
            String,
            String,
            String,
            String,
            OwnedObjectPath,
            u32,
            String,
            OwnedObjectPath,
        );
        let rows: Vec<Row> = self.manager.call("ListUnits", &()).context("listing units")?;
        Ok(rows
            .into_iter()
            .map(|(name, _, load_state, active_state, sub_state, following, path, ..)| Loaded {
                name,
                load_state,
                active_state,
                sub_state,
                following,
                path,
            })
            .collect())
    }

    /// Gives the unit file that a loaded unit comes from; empty when it has none.
    ///
    /// # Errors
    /// When systemd does not answer.
    pub fn fragment_path(&self, unit: &Loaded) -> Result<String> {
        self.property(unit, "org.freedesktop.systemd1.Unit", "FragmentPath")
    }

    /// Gives the exit status of a service's main process.
    ///
    /// # Errors
    /// When systemd does not answer.
    pub fn main_status(&self, unit: &Loaded) -> Result<i32> {
        self.property(unit, "org.freedesktop.systemd1.Service", "ExecMainStatus")
    }

    fn property<T>(&self, unit: &Loaded, interface: &str, name: &str) -> Result<T>
    where
        T: TryFrom<zbus::zvariant::OwnedValue>,
        T::Error: Into<zbus::Error>,
    {
        let proxy = Proxy::new(&self.connection, SERVICE, unit.path.clone(), interface.to_owned())?;
        proxy.get_property(name).with_context(|| format!("asking for {name} of {}", unit.name))
    }

    /// Makes systemd read the unit files again (`daemon-reload`), and waits for it.
    ///
    /// # Errors
    /// When it fails.
    pub fn reload(&self) -> Result<()> {
        self.manager.call_method("Reload", &()).map(drop).context("reloading systemd (daemon-reload)")
    }

    /// Forgets that a unit has failed, so that its next start is not held against it.
    ///
    /// # Errors
    /// When systemd does not answer.
    pub fn reset_failed(&self, unit: &str) -> Result<()> {
        match self.manager.call_method("ResetFailedUnit", &(unit)) {
            // A unit that is not loaded has not failed.
            Ok(_) | Err(zbus::Error::MethodError(..)) => Ok(()),
            Err(e) => Err(anyhow!(e).context(format!("resetting the failed state of {unit}"))),
        }
    }

    /// Queues one job a unit and waits for all of them, `timeout` at most; gives each job's result.
    ///
    /// # Errors
    /// When systemd can't be reached any more.
    pub fn run(
        &self,
        verb: Verb,
        units: &[String],
        timeout: Duration,
        tell: &mut dyn FnMut(Event<'_>) -> Result<()>,
    ) -> Result<BTreeMap<String, String>> {
        let mut results = BTreeMap::new();
        let mut waiting: BTreeMap<String, String> = BTreeMap::new();
        for unit in units {
            match self.manager.call::<_, _, OwnedObjectPath>(verb.method(), &(unit, "replace")) {
                Ok(job) => {
                    waiting.insert(job.to_string(), unit.clone());
                }
                Err(zbus::Error::MethodError(name, text, _)) => {
                    let result = refusal(verb, name.as_str(), text.as_deref());
                    tell(Event::Ended { unit, result: &result })?;
                    results.insert(unit.clone(), result);
                }
                Err(e) => return Err(anyhow!(e).context(format!("{} {unit}", verb.progressive()))),
            }
        }
        let begun = Instant::now();
        while !waiting.is_empty() {
            let left = timeout.saturating_sub(begun.elapsed());
            match self.removed.recv_timeout(left.min(Duration::from_secs(1))) {
                Ok((job, _, result)) => {
                    if let Some(unit) = waiting.remove(&job) {
                        tell(Event::Ended { unit: &unit, result: &result })?;
                        results.insert(unit, result);
                    }
                }
                Err(RecvTimeoutError::Timeout) if left.is_zero() => {
                    for unit in std::mem::take(&mut waiting).into_values() {
                        tell(Event::Ended { unit: &unit, result: TIMED_OUT })?;
                        results.insert(unit, TIMED_OUT.to_owned());
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    let units = waiting.values().cloned().collect();
                    tell(Event::Waiting { units: &units, since: begun.elapsed() })?;
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(anyhow!("the connection to systemd was lost while {} units", verb.progressive()));
                }
            }
        }
        Ok(results)
    }
}

/// Turns systemd's refusal of a job into a result; stopping what is not loaded is done already.
fn refusal(verb: Verb, name: &str, text: Option<&str>) -> String {
    if verb == Verb::Stop && name.ends_with("NoSuchUnit") {
        return "done".to_owned();
    }
    text.unwrap_or(name).to_owned()
}
