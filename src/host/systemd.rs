//! The only files that speak D-Bus: the running systemd, its units and its jobs (org.freedesktop.systemd1(5)).
#![expect(clippy::disallowed_methods, reason = "waits for jobs")]

mod calls;
mod properties;

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use zbus::blocking::connection::Builder;
use zbus::blocking::{Connection, MessageIterator};
use zbus::zvariant::{OwnedObjectPath, OwnedValue, Value};
use zbus::{MatchRule, message};

use self::properties::Properties;

use crate::host::threads;
use crate::model::job::{Verb, Waiting};

const SERVICE: &str = "org.freedesktop.systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const PATH: &str = "/org/freedesktop/systemd1";

/// A unit as `ListUnits` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Loaded {
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
    /// The type of its job that is queued, such as `start`; empty for most.
    pub job: String,
    path: OwnedObjectPath,
}

fn method(verb: Verb) -> &'static str {
    match verb {
        Verb::Stop => "StopUnit",
        Verb::Start => "StartUnit",
        Verb::Restart => "RestartUnit",
        Verb::Reload => "ReloadUnit",
    }
}

/// What is told while jobs are under way.
#[derive(Debug)]
pub enum Event<'a> {
    /// A job ended with this result: `done`, `failed`, `timeout`, `dependency`, ...
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
pub(crate) const TIMED_OUT: &str = "timeout";

/// A connection to the running systemd.
pub(crate) struct Systemd {
    connection: Connection,
    removed: mpsc::Receiver<(String, String, String)>,
}

impl Systemd {
    /// Connects to the system's systemd; none when this system was not booted with it (`sd_booted(3)`).
    ///
    /// # Errors
    /// When it runs but can't be reached.
    pub(crate) fn connect() -> Result<Option<Self>> {
        if !Path::new("/run/systemd/system").is_dir() {
            return Ok(None);
        }
        let builder = Builder::system().context("finding the system bus")?;
        Self::open(builder)
            .context(
                "connecting to systemd on the system bus\nhint: this needs root and a running dbus.socket (package `dbus`)",
            )
            .map(Some)
    }

    /// Connects to the systemd of the user who runs this, by the user's bus.
    ///
    /// # Errors
    /// When it can't be reached.
    pub(crate) fn connect_user(bus: &Path) -> Result<Self> {
        let connect = || -> Result<Self> {
            let address = format!("unix:path={}", bus.display());
            Self::open(Builder::address(address.as_str())?)
        };
        connect().with_context(|| {
            format!(
                "connecting to {}\nhint: it comes with the package `dbus-user-session`",
                bus.display()
            )
        })
    }

    fn open(builder: Builder<'static>) -> Result<Self> {
        let connection = builder.build()?;
        // Without a subscription: the end of a job is told to who asked for it, and systemd need not tell all else, which
        // costs it more than the jobs themselves.
        let rule = MatchRule::builder()
            .msg_type(message::Type::Signal)
            .interface(MANAGER)?
            .member("JobRemoved")?
            .build();
        // The queue must take a burst of a thousand jobs without loss.
        let signals = MessageIterator::for_match_rule(rule, &connection, Some(65536))?;
        let (sender, removed) = mpsc::channel();
        threads::begin("that listens to systemd", move || {
            for signal in signals.flatten() {
                let body = signal.body();
                let Ok((_id, job, unit, result)) =
                    body.deserialize::<(u32, OwnedObjectPath, String, String)>()
                else {
                    tracing::warn!("a JobRemoved signal of an unknown form");
                    continue;
                };
                if sender.send((job.to_string(), unit, result)).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self {
            connection,
            removed,
        })
    }

    /// Returns the control group that systemd itself is in, and all its units with it.
    ///
    /// # Errors
    /// When systemd does not answer.
    pub(crate) fn own_group(&self) -> Result<String> {
        let path = OwnedObjectPath::try_from(PATH)?;
        self.get(&path, MANAGER, "ControlGroup")
            .context("asking for the control group of systemd")
    }

    /// Returns the control group of a service; empty when nothing of it runs.
    ///
    /// # Errors
    /// When systemd does not answer.
    pub(crate) fn group_of(&self, service: &str) -> Result<String> {
        let asking = || format!("asking for the control group of {service}");
        let path: OwnedObjectPath = match self.call("GetUnit", &(service)) {
            Ok(reply) => reply.body().deserialize()?,
            Err(zbus::Error::MethodError(..)) => return Ok(String::new()),
            Err(e) => return Err(anyhow!(e).context(asking())),
        };
        let interface = "org.freedesktop.systemd1.Service";
        self.get(&path, interface, "ControlGroup")
            .with_context(asking)
    }

    /// Reads one property that is a text.
    fn get(&self, path: &OwnedObjectPath, interface: &str, name: &str) -> Result<String> {
        let reply = self.connection.call_method(
            Some(SERVICE),
            path,
            Some("org.freedesktop.DBus.Properties"),
            "Get",
            &(interface, name),
        )?;
        let value: OwnedValue = reply.body().deserialize()?;
        Ok(String::try_from(value)?)
    }

    /// Lists the units that are loaded.
    ///
    /// # Errors
    /// When systemd does not answer.
    pub(crate) fn list(&self) -> Result<Vec<Loaded>> {
        self.listed("ListUnits", &())
    }

    /// Lists the units that have failed.
    ///
    /// # Errors
    /// When systemd does not answer.
    pub(crate) fn list_failed(&self) -> Result<Vec<Loaded>> {
        self.listed("ListUnitsFiltered", &(["failed"].as_slice(),))
    }

    fn listed(
        &self,
        method: &'static str,
        body: &(impl serde::Serialize + zbus::zvariant::DynamicType),
    ) -> Result<Vec<Loaded>> {
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
        let reply = self.call(method, body).context("listing units")?;
        let rows: Vec<Row> = reply.body().deserialize().context("listing units")?;
        Ok(rows
            .into_iter()
            .map(
                |(name, _, load_state, active_state, sub_state, following, path, _, job, _)| {
                    Loaded {
                        name,
                        load_state,
                        active_state,
                        sub_state,
                        following,
                        job,
                        path,
                    }
                },
            )
            .collect())
    }

    /// Finds the unit that has each of these names among those loaded, by any of its names.
    ///
    /// # Errors
    /// When systemd does not answer.
    pub(crate) fn find<'l>(
        &self,
        names: &[&str],
        loaded: impl Iterator<Item = &'l Loaded>,
    ) -> Result<Vec<Option<&'l Loaded>>> {
        let asking = "checking which units are loaded";
        let answers = self.call_each("GetUnit", names).context(asking)?;
        let by_path: HashMap<_, _> = loaded.map(|unit| (&unit.path, unit)).collect();
        let found = answers.into_iter().map(|answer| match answer {
            Ok(path) => Ok(by_path.get(&path).copied()),
            Err(zbus::Error::MethodError(..)) => Ok(None),
            Err(e) => Err(anyhow!(e).context(asking)),
        });
        found.collect()
    }

    /// Gives a unit's general properties; none when it is not loaded any more.
    ///
    /// # Errors
    /// When systemd does not answer.
    pub(crate) fn properties(&self, unit: &Loaded) -> Result<Option<Properties>> {
        self.all(unit, "org.freedesktop.systemd1.Unit")
    }

    /// Gives a service's own properties; none when it is not loaded any more.
    ///
    /// # Errors
    /// When systemd does not answer.
    pub(crate) fn service_properties(&self, unit: &Loaded) -> Result<Option<Properties>> {
        self.all(unit, "org.freedesktop.systemd1.Service")
    }

    /// Reads the properties that timers have.
    ///
    /// # Errors
    /// When systemd can't be asked.
    pub(crate) fn timer_properties(&self, unit: &Loaded) -> Result<Option<Properties>> {
        self.all(unit, "org.freedesktop.systemd1.Timer")
    }

    fn all(&self, unit: &Loaded, interface: &str) -> Result<Option<Properties>> {
        let reply = self.connection.call_method(
            Some(SERVICE),
            &unit.path,
            Some("org.freedesktop.DBus.Properties"),
            "GetAll",
            &(interface),
        );
        match reply {
            Ok(message) => Ok(Some(Properties(message.body().deserialize()?))),
            Err(zbus::Error::MethodError(..)) => Ok(None),
            Err(e) => {
                Err(anyhow!(e).context(format!("asking for the properties of {}", unit.name)))
            }
        }
    }

    /// Returns the name of the unit that this process runs in; none when systemd does not know it.
    ///
    /// # Errors
    /// When systemd does not answer.
    pub(crate) fn own_unit(&self) -> Result<Option<String>> {
        let path: OwnedObjectPath = match self.call("GetUnitByPID", &(std::process::id())) {
            Ok(reply) => reply.body().deserialize()?,
            Err(zbus::Error::MethodError(..)) => return Ok(None),
            Err(e) => return Err(anyhow!(e).context("asking which unit this runs in")),
        };
        self.get(&path, "org.freedesktop.systemd1.Unit", "Id")
            .context("asking which unit this runs in")
            .map(Some)
    }

    /// Makes systemd read the unit files again (`daemon-reload`), and waits for it.
    ///
    /// # Errors
    /// When it fails.
    pub(crate) fn reload(&self) -> Result<()> {
        self.call("Reload", &())
            .map(drop)
            .context("reloading systemd (daemon-reload)")
    }

    /// Forgets that a unit has failed, so that its next start is not held against it.
    ///
    /// # Errors
    /// When systemd does not answer.
    pub(crate) fn reset_failed(&self, unit: &str) -> Result<()> {
        match self.call("ResetFailedUnit", &(unit)) {
            // A unit that is not loaded has not failed.
            Ok(_) | Err(zbus::Error::MethodError(..)) => Ok(()),
            Err(e) => Err(anyhow!(e).context(format!("resetting the failed state of {unit}"))),
        }
    }

    /// Starts a program in a unit of its own, which outlives this process.
    ///
    /// # Errors
    /// When systemd refuses.
    pub(crate) fn start_transient(
        &self,
        unit: &str,
        description: &str,
        command: &[String],
    ) -> Result<()> {
        let program = command.first().cloned().unwrap_or_default();
        let exec = vec![(program, command.to_vec(), false)];
        let properties = vec![
            ("Description", Value::from(description)),
            ("Type", Value::from("oneshot")),
            ("ExecStart", Value::from(exec)),
        ];
        let none: Vec<(String, Vec<(String, OwnedValue)>)> = Vec::new();
        self.reset_failed(unit)?;
        self.call("StartTransientUnit", &(unit, "replace", properties, none))
            .map(drop)
            .with_context(|| format!("starting {unit}"))
    }

    /// Queues one job a unit and waits for all of them, `timeout` at most, telling how each ends; what systemd
    /// refuses has failed.
    ///
    /// # Errors
    /// When systemd can't be reached any more.
    pub(crate) fn run(
        &self,
        verb: Verb,
        units: &[String],
        timeout: Duration,
        tell: &mut dyn FnMut(Event<'_>) -> Result<()>,
    ) -> Result<()> {
        let mut waiting = self.queue(verb, units, tell)?;
        let begun = Instant::now();
        while !waiting.is_empty() {
            let left = timeout.saturating_sub(begun.elapsed());
            match self.removed.recv_timeout(left.min(Duration::from_secs(1))) {
                Ok((job, _, result)) => {
                    for unit in waiting.end(job.as_str()) {
                        tell(Event::Ended {
                            unit: &unit,
                            result: &result,
                        })?;
                    }
                }
                Err(RecvTimeoutError::Timeout) if left.is_zero() => {
                    for unit in std::mem::take(&mut waiting).units() {
                        tell(Event::Ended {
                            unit: &unit,
                            result: TIMED_OUT,
                        })?;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    let units = waiting.units();
                    tell(Event::Waiting {
                        units: &units,
                        since: begun.elapsed(),
                    })?;
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(anyhow!(
                        "the connection to systemd was lost while {} units",
                        verb.progressive()
                    ));
                }
            }
        }
        Ok(())
    }

    /// Queues one job a unit, and tells at once of those that have ended with that.
    fn queue(
        &self,
        verb: Verb,
        units: &[String],
        tell: &mut dyn FnMut(Event<'_>) -> Result<()>,
    ) -> Result<Waiting> {
        let mut waiting = Waiting::default();
        let bodies = units.iter().map(|unit| (unit, "replace"));
        let queued = self
            .call_each(method(verb), bodies)
            .with_context(|| format!("{} units", verb.progressive()))?;
        for (unit, queued) in units.iter().zip(queued) {
            let (name, text) = match queued {
                Ok(job) => {
                    waiting.add(job.to_string(), unit.clone());
                    continue;
                }
                Err(zbus::Error::MethodError(name, text, _)) => (name, text),
                Err(e) => return Err(anyhow!(e).context(format!("{} {unit}", verb.progressive()))),
            };
            let gone = verb == Verb::Stop && name.ends_with("NoSuchUnit");
            if !gone {
                let why = text.as_deref().unwrap_or(&name);
                tracing::warn!("{} {unit}: {why}", verb.progressive());
            }
            let result = if gone { "done" } else { "failed" };
            tell(Event::Ended { unit, result })?;
        }
        Ok(waiting)
    }
}
