//! Confirm or return: on a host that others reach only over what a switch may break, a switch counts once somebody has
//! reached the host after it. Until then a service of its own waits, and one for the boot; each returns when the time is
//! over, when the machine was booted in between, and when the run was killed.

#![expect(clippy::disallowed_methods, reason = "waits")]

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::message::Ended;
use super::runs::{Changes, Run, State, detach, own_program};
use crate::activation::ephemeral;
use crate::activation::state::State as Active;
use crate::host::clock::now;
use crate::host::fs::{Content, NewFile, Root};
use crate::model::names::AbsolutePath;
use crate::model::node::Node;
use crate::store;
use crate::store::generations;
use crate::store::lock::Lock;
use crate::store::pending::{self, Lasting, Pending};

/// The hidden command that waits.
pub(crate) const COMMAND: &str = "await-confirmation";

/// The unit for the boot.
const BOOT_UNIT: &str = "etc/systemd/system/system-manager-return.service";

/// What pulls it in; configurations have no wants there, so that its folder is nobody's but ours or the distribution's.
const BOOT_WANTS: &str = "etc/systemd/system/getty.target.wants";

/// How often it is tried to return.
const ATTEMPTS: u32 = 10;

/// Writes down what to return to if nobody confirms, before anything is changed.
///
/// # Errors
/// When it can't be written, or another run waits.
pub(crate) fn arm(
    root: &Root,
    run: &str,
    by: Option<String>,
    window: u64,
    lasting: Lasting,
    program: &Path,
) -> Result<()> {
    pending::refuse_others(root)?;
    let before = Active::read(root)?.active.map(|a| a.toplevel);
    let generation = generations::read(root)?
        .into_iter()
        .find(|g| g.current)
        .map(|g| g.number);
    let pending = Pending::new(run, window, boot()?, before, generation);
    let before_is_ephemeral = ephemeral::is_in_force(root)?;
    Pending {
        by,
        before_is_ephemeral,
        lasting,
        ..pending
    }
    .write(root)?;
    let at_boot = match lasting {
        Lasting::Always => write_boot_unit(root, program),
        // A boot is the way back.
        Lasting::ThisBoot => Ok(()),
    };
    let begun = at_boot.and_then(|()| {
        let unit = format!("system-manager-await-{run}");
        detach(root, &unit, true, program, &[COMMAND])
    });
    if begun.is_err() {
        disarm(root)?;
    }
    begun
}

fn write_boot_unit(root: &Root, program: &Path) -> Result<()> {
    let text = format!(
        "[Unit]\nDescription=Return to what this host was before a switch that was not confirmed\n\
         After=dbus.socket basic.target\n\n\
         [Service]\nExecStart={} {COMMAND}\nRestart=on-failure\nRestartSec=1\n",
        program.display()
    );
    root.make_folders(Path::new(BOOT_WANTS))?;
    root.write_file(
        Path::new(BOOT_UNIT),
        &NewFile::of_root(Content::Bytes(text.as_bytes()), 0o644),
    )?;
    root.write_link(&boot_link(), "../system-manager-return.service")?;
    root.sync()
}

fn boot_link() -> std::path::PathBuf {
    Path::new(BOOT_WANTS).join("system-manager-return.service")
}

/// Forgets what to return to.
///
/// # Errors
/// When that can't be written.
pub(crate) fn disarm(root: &Root) -> Result<()> {
    // The record last: what stops this in between leaves something that disarms again.
    if root.node(&boot_link())? != Node::Absent {
        root.remove_file(&boot_link())?;
        root.remove_folder(Path::new(BOOT_WANTS))?;
    }
    root.remove_file(Path::new(BOOT_UNIT))?;
    root.sync()?;
    Pending::remove(root)
}

/// From now on, the time runs; there is none for a host that is not well. Returns what waits.
///
/// # Errors
/// When that can't be written.
pub(crate) fn open_window(root: &Root) -> Result<Option<Pending>> {
    let _deciding = decide(root)?;
    let Some(mut pending) = Pending::read(root)? else {
        return Ok(None);
    };
    let window = match pending.unhealthy {
        Some(_) => 0,
        None => pending.window,
    };
    pending.deadline = Some(now() + window);
    pending.write(root)?;
    Ok(Some(pending))
}

/// Confirms a run: the host stays as it is.
///
/// # Errors
/// When that run does not wait for it.
pub(crate) fn confirm(root: &Root, run: &str) -> Result<()> {
    let _deciding = decide(root)?;
    match Pending::read(root)? {
        Some(pending) if pending.run != run => bail!("{}", pending.describe()),
        Some(pending) if pending.returning > 0 => {
            bail!("it is too late: the host is returning to its previous state")
        }
        Some(Pending {
            unhealthy: Some(why),
            ..
        }) => bail!("{why}; the host is returning to its previous state"),
        // Who waits here may not have seen yet that it was killed.
        Some(_) => match Run::new(root, run)?.state()? {
            State::Ended(Ended { code: Some(_), .. }) => disarm(root),
            State::Waiting | State::Running => bail!("the run {run} is under way"),
            State::Ended(_) | State::Dead => {
                bail!("the activation was killed; the host is returning to its previous state")
            }
        },
        None => bail!("the run {run} is not waiting to be confirmed"),
    }
}

/// Gives a run that waits to be confirmed so many seconds more, whoever asks for it. Returns what waits.
///
/// # Errors
/// When none waits, or it is too late.
pub(crate) fn extend(root: &Root, seconds: u64) -> Result<Pending> {
    const NONE: &str = "no run from another machine is waiting to be confirmed\nhint: `system-manager status` shows what is unfinished";
    // The lock is for hosts that have a folder for it.
    Pending::read(root)?.context(NONE)?;
    let _deciding = decide(root)?;
    let mut pending = Pending::read(root)?.context(NONE)?;
    if pending.returning > 0 || pending.unhealthy.is_some() {
        bail!("{}", pending.describe());
    }
    pending.window += seconds;
    pending.deadline = pending.deadline.map(|deadline| deadline + seconds);
    pending.write(root)?;
    Ok(pending)
}

/// Waits until a run is confirmed, or returns to what was before. Ends at once where nothing waits.
///
/// # Errors
/// When it could not return; it is called again then.
pub(crate) fn await_confirmation(root: &Root) -> Result<()> {
    let Some(pending) = Pending::read(root)? else {
        // A boot unit that was left behind goes, too.
        return disarm(root);
    };
    let run = Run::new(root, &pending.run)?;
    let (deciding, mut pending) = loop {
        let Some(seen) = wait(root, &pending, &run)? else {
            return Ok(());
        };
        let deciding = decide(root)?;
        match Pending::read(root)? {
            None => return Ok(()),
            // It got more time in the last moment.
            Some(now) if now.window > seen.window => {}
            Some(now) => break (deciding, now),
        }
    };
    pending.returning += 1;
    if pending.returning > ATTEMPTS {
        tracing::error!(
            "returning to what was before the run {} failed {ATTEMPTS} times; see {}",
            pending.run,
            root.show(Path::new(store::FOLDER)).display()
        );
        // Whoever looks after the host must be able to change it.
        return disarm(root);
    }
    pending.write(root)?;
    drop(deciding);
    go_back(root, &pending)?;
    let mut ended = match run.state()? {
        State::Ended(ended) => ended,
        _ => Ended::of(None),
    };
    ended.returned = true;
    ended.unhealthy = pending.unhealthy;
    run.end(&ended)?;
    disarm(root)
}

/// Returns what waited when the host has to return; none when the run was confirmed.
fn wait(root: &Root, pending: &Pending, run: &Run<'_>) -> Result<Option<Pending>> {
    if pending.boot != boot()? || pending.returning > 0 {
        return Ok(Some(pending.clone()));
    }
    let changes = Changes::of(&[root.show(pending.lasting.folder())])?;
    // By a clock that nobody sets.
    let mut over: Option<Instant> = None;
    let mut window = pending.window;
    let begin = Instant::now();
    loop {
        let Some(pending) = Pending::read(root)? else {
            return Ok(None);
        };
        let more = Duration::from_secs(pending.window.saturating_sub(window));
        over = over.map(|over| over + more);
        window = pending.window;
        if let (None, Some(deadline)) = (over, pending.deadline) {
            let left = deadline.saturating_sub(now()).min(pending.window);
            over = Some(Instant::now() + Duration::from_secs(left));
        }
        let is_over = over.is_some_and(|over| Instant::now() >= over);
        let never_began = begin.elapsed() > Duration::from_secs(60);
        match run.state()? {
            State::Dead => return Ok(Some(pending)),
            State::Waiting if never_began => return Ok(Some(pending)),
            State::Ended(ended) if ended.code.is_none() => return Ok(Some(pending)),
            // It is about to write its end.
            State::Running if pending.unhealthy.is_some() => {}
            _ if is_over => return Ok(Some(pending)),
            _ => {}
        }
        let left = over.map_or(Duration::MAX, |over| over - Instant::now());
        changes.wait(left.min(Duration::from_secs(1)))?;
    }
}

fn go_back(root: &Root, pending: &Pending) -> Result<()> {
    let why = pending.unhealthy.as_deref().unwrap_or("nobody confirmed");
    tracing::info!("the run {}: {why}: returning", pending.run);
    let arguments = match &pending.before {
        Some(toplevel) if pending.before_is_ephemeral => {
            vec![
                "activate".into(),
                toplevel.to_string(),
                "--ephemeral".into(),
            ]
        }
        // That goes back to what was active before it.
        _ if ephemeral::is_in_force(root)? => vec!["deactivate".to_owned()],
        Some(toplevel) => match generation_of(root, toplevel, pending.generation)? {
            Some(number) => vec!["rollback".into(), "--to".into(), number.to_string()],
            None => vec!["activate".into(), toplevel.to_string()],
        },
        None => vec!["deactivate".to_owned()],
    };
    let output = own_program(root)
        .args(&arguments)
        .env(pending::RUN, &pending.run)
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    match output.code {
        Some(0 | 4) => {}
        code => bail!(
            "`system-manager {}`: {}: {}",
            arguments.join(" "),
            crate::host::process::show_code(code),
            said.trim()
        ),
    }
    // The profile, too, is what it was.
    match pending.generation {
        Some(number) => generations::select(root, number),
        None => generations::deselect(root),
    }
    .context("resetting the profile")
}

/// Returns the generation of a toplevel: this one if it is, else the last.
fn generation_of(
    root: &Root,
    toplevel: &AbsolutePath,
    preferred: Option<u64>,
) -> Result<Option<u64>> {
    let all = generations::read(root)?.into_iter();
    let numbers: Vec<u64> = all
        .filter(|g| g.toplevel == *toplevel)
        .map(|g| g.number)
        .collect();
    let preferred = preferred.filter(|number| numbers.contains(number));
    Ok(preferred.or(numbers.last().copied()))
}

/// Between waiting and confirming, one decides.
fn decide(root: &Root) -> Result<Lock> {
    let lasting = Pending::read(root)?.map_or(Lasting::Always, |pending| pending.lasting);
    Lock::wait(root, &lasting.folder().join("confirm.lock"))
}

fn boot() -> Result<String> {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map(|id| id.trim().to_owned())
        .context("reading /proc/sys/kernel/random/boot_id")
}
