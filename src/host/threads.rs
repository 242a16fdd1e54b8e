//! Threads: a machine may have no room for one more, which is an error like others.

use std::thread::{Builder, JoinHandle, Scope, ScopedJoinHandle};

use anyhow::{Context, Result};

/// Begins a thread; `what` ends the sentence "making a thread".
///
/// # Errors
/// When none can be made.
pub(crate) fn begin<T: Send + 'static>(
    what: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>> {
    Builder::new()
        .spawn(work)
        .with_context(|| format!("making a thread {what}"))
}

/// Begins a thread that ends within `scope`.
///
/// # Errors
/// When none can be made.
pub(crate) fn begin_in<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    what: &str,
    work: impl FnOnce() -> T + Send + 'scope,
) -> Result<ScopedJoinHandle<'scope, T>> {
    Builder::new()
        .spawn_scoped(scope, work)
        .with_context(|| format!("making a thread {what}"))
}
