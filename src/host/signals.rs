//! Signals that would end a run half-way. A hang-up does nothing; who asks for the end gets it at the next safe step.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use nix::sys::signal::{SigSet, Signal};

use super::threads;

/// Whether someone has asked a run to end.
#[derive(Debug, Clone, Default)]
pub(crate) struct Signals(Arc<AtomicBool>);

impl Signals {
    /// Holds SIGINT, SIGTERM and SIGHUP back from now on. To be called before any other thread is there; programs that
    /// are started are not affected.
    ///
    /// # Errors
    /// When the signals can't be held, or no thread can be made.
    pub(crate) fn hold() -> Result<Self> {
        let mut held = SigSet::empty();
        held.extend([Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP]);
        held.thread_block().context("holding signals back")?;
        let signals = Self::default();
        let asked = signals.0.clone();
        threads::begin("for signals", move || {
            while let Ok(signal) = held.wait() {
                if signal == Signal::SIGHUP {
                    tracing::warn!("the terminal was closed; continuing");
                } else {
                    tracing::warn!("stopping at the next safe step ({signal})");
                    asked.store(true, Ordering::SeqCst);
                }
            }
        })?;
        Ok(signals)
    }

    /// Returns whether the run was asked to end.
    #[must_use]
    pub(crate) fn is_asked(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}
