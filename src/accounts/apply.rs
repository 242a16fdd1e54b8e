//! Users and groups of a host: reads what is there, has the decision made, and carries it out under the locks.
#![expect(
    clippy::disallowed_methods,
    reason = "looks into the environment for who runs it"
)]

use crate::accounts::decide::AccountsReport;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};

use crate::accounts;
use crate::accounts::database::AccountFile;
use crate::accounts::decide::{
    AccountsPlan, Drift, Inputs, Observed, Refusal, Scripts, find_drift, no_accounts, plan_accounts,
};
use crate::accounts::ids::{Getent, NoNss, Nss};
use crate::accounts::observe::Linger;
use crate::host::fs::Root;
use crate::host::getent;
use crate::host::process::Command;
use crate::model::conflict::Conflict;
use crate::model::manifest::Accounts;
use crate::model::node::Node;
use crate::model::owners::Owners;

/// How long programs may take that learn of changed accounts.
const LIMIT: Duration = Duration::from_secs(60);

/// What is true of the run in which accounts are decided on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Circumstances {
    /// Whether this tool has been active here before, so that it must remember something.
    pub expected: bool,
    /// Whether the program goes whose shells accounts may have.
    pub takes_over: bool,
    /// Whether scripts make the files of passwords first.
    pub scripts: Scripts,
}

/// A decision about accounts, with what it says of owners.
pub(crate) struct Decided {
    /// For the plan.
    pub report: AccountsReport,
    /// What forbids it.
    pub conflicts: Vec<Conflict>,
    /// The ids as they will be.
    pub owners: Owners,
    /// The passwd file as it is and as it will be; none where it was not looked at.
    pub passwd: Option<(Vec<u8>, Vec<u8>)>,
    plan: AccountsPlan,
}

/// Reads the ids that a root's passwd and group files give to names.
///
/// # Errors
/// When a file is there and can't be read.
pub fn read_owners(root: &Root) -> Result<Owners> {
    let read = |file: &str| root.read(Path::new(file)).map(Option::unwrap_or_default);
    Ok(Owners::parse(&read("etc/passwd")?, &read("etc/group")?))
}

/// Decides what the accounts of a host become. Reads only.
///
/// # Errors
/// When a database exists and can't be read.
pub(crate) fn decide(
    root: &Root,
    desired: Option<&Accounts>,
    about: Circumstances,
) -> Result<Decided> {
    let path = path_of(root);
    let (record, warning) = accounts::record_file::read_record(&path, about.expected)?;
    let nothing = no_accounts();
    let desired = desired.unwrap_or(&nothing);
    let idle = desired.users.is_empty() && desired.groups.is_empty() && record.owns_nothing();
    let mut report = AccountsReport {
        warnings: warning.into_iter().collect(),
        ..AccountsReport::default()
    };
    if idle && !about.takes_over {
        return Decided::nothing(root, report, Vec::new());
    }
    let observed = accounts::observe::observe_accounts(&path, desired, &record, about.takes_over)
        .with_context(|| privilege_hint("reading the account databases"))?;
    if idle && observed.forsaken.is_empty() {
        return Decided::nothing(root, report, Vec::new());
    }
    let nss: Box<dyn Nss> = if root.is_live() {
        Box::new(Getent(getent::look_up))
    } else {
        Box::new(NoNss)
    };
    let invoker = std::env::var("SUDO_USER").ok();
    let salt = accounts::observe::salts()?;
    let inputs = Inputs {
        desired,
        record: &record,
        observed: &observed,
        nss: &*nss,
        invoker: invoker.as_deref(),
        salt: &salt,
        scripts: about.scripts,
    };
    match plan_accounts(&inputs) {
        Ok(plan) => {
            report.take(&plan);
            let content = |file| plan.content(file, &observed).unwrap_or_default();
            let owners = Owners::parse(content(AccountFile::Passwd), content(AccountFile::Group));
            let before = observed.files.get(&AccountFile::Passwd);
            let passwd = before.map(|b| (b.clone(), content(AccountFile::Passwd).to_vec()));
            Ok(Decided {
                report,
                conflicts: Vec::new(),
                owners,
                passwd,
                plan,
            })
        }
        Err(refusals) => {
            let conflicts = refusals.into_iter().map(conflict).collect();
            Decided::nothing(root, report, conflicts)
        }
    }
}

impl Decided {
    /// No change of any account.
    fn nothing(root: &Root, report: AccountsReport, conflicts: Vec<Conflict>) -> Result<Self> {
        Ok(Self {
            report,
            conflicts,
            owners: read_owners(root)?,
            passwd: None,
            plan: AccountsPlan::default(),
        })
    }
}

impl AccountsReport {
    /// Takes over what a plan does.
    fn take(&mut self, plan: &AccountsPlan) {
        self.changes.clone_from(&plan.changes);
        self.homes.clone_from(&plan.homes);
        self.linger.clone_from(&plan.linger);
        self.warnings.extend(plan.warnings.iter().cloned());
        self.late_passwords.clone_from(&plan.late_passwords);
        self.is_due = !plan.is_empty() || !plan.late_passwords.is_empty();
    }
}

/// Turns a refusal into a conflict of the plan.
#[must_use]
pub(crate) fn conflict(refusal: Refusal) -> Conflict {
    let change = || "change the configuration".to_owned();
    Conflict {
        subject: refusal.subject,
        cause: refusal.reason,
        remedy: refusal.hint.unwrap_or_else(change),
    }
}

/// Carries out what was decided: under the locks, decides again, and goes on only if that comes to the same. Returns what
/// is odd, or not done as asked.
///
/// # Errors
/// When the accounts changed meanwhile, are locked by another program, or can't be written.
pub(crate) fn apply(
    root: &Root,
    desired: Option<&Accounts>,
    about: Circumstances,
    report: &AccountsReport,
) -> Result<Vec<String>> {
    let path = path_of(root);
    let lock = accounts::observe::lock_accounts(&path)?;
    let scripts = if report.late_passwords.is_empty() {
        Scripts::None
    } else {
        Scripts::Have
    };
    let decided = decide(root, desired, Circumstances { scripts, ..about })?;
    if !decided.conflicts.is_empty() || !decided.report.does_the_same(report) {
        bail!("the accounts have changed since the plan was made\nhint: run this again");
    }
    for change in &report.changes {
        tracing::info!("{change}");
    }
    let loginctl: Linger<'_> = &set_linger;
    accounts::observe::apply_accounts(
        &path,
        &decided.plan,
        &lock,
        root.is_live().then_some(loginctl),
    )?;
    drop(lock);
    if root.is_live() {
        for words in accounts::observe::after_commands(&path, &decided.plan) {
            let command = Command::new(&words[0]).args(&words[1..]).limit(LIMIT);
            let output = command.output();
            if !output.as_ref().is_ok_and(|o| o.code == Some(0)) {
                tracing::warn!(
                    "`{}` failed: caches may show the accounts as they were for a while",
                    words.join(" ")
                );
            }
        }
    }
    Ok(decided.report.warnings)
}

/// Makes sure that no other program holds the account databases, before anything that depends on them is begun.
///
/// # Errors
/// When one holds them for more than 15 seconds.
pub(crate) fn check_unlocked(root: &Root) -> Result<()> {
    accounts::observe::lock_accounts(&path_of(root)).map(drop)
}

/// Removes what a run that was killed has left of what it was making.
///
/// # Errors
/// When something is there and can't be removed.
pub(crate) fn sweep(root: &Root) -> Result<()> {
    accounts::observe::sweep(&path_of(root))
}

/// Whether accounts were ever given here.
///
/// # Errors
/// When that can't be read.
pub(crate) fn is_recorded(root: &Root) -> Result<bool> {
    let record = Path::new(accounts::record_file::STATE_FOLDER).join(accounts::record_file::RECORD);
    Ok(root.node(&record)? != Node::Absent)
}

/// What `status` says of accounts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Overview {
    /// How many users and groups are ours, or have fields that are.
    pub managed: usize,
    /// What somebody else changed in entries of this tool.
    pub drift: Vec<Drift>,
    /// What is not as the configuration says, and why.
    pub warnings: Vec<String>,
}

/// Reads what became of the accounts that a configuration wants.
///
/// # Errors
/// When a database exists and can't be read.
pub(crate) fn read_overview(
    root: &Root,
    wanted: Option<&Accounts>,
    expected: bool,
) -> Result<Overview> {
    let path = path_of(root);
    let (record, _) = accounts::record_file::read_record(&path, expected)?;
    let drift = if record.owns_nothing() {
        Vec::new()
    } else {
        let observed: Observed =
            accounts::observe::observe_accounts(&path, &no_accounts(), &record, false)
                .with_context(|| privilege_hint("reading the account databases"))?;
        find_drift(&record, &observed)
    };
    let about = Circumstances {
        expected,
        takes_over: false,
        scripts: Scripts::None,
    };
    let decided = decide(root, wanted, about)?;
    let mut warnings = decided.report.warnings;
    let refused = decided.conflicts.iter();
    warnings.extend(refused.map(|c| format!("{}: {}", c.subject, c.cause)));
    Ok(Overview {
        managed: record.count(),
        drift,
        warnings,
    })
}

fn path_of(root: &Root) -> PathBuf {
    root.show(Path::new(""))
}

fn privilege_hint(what: &str) -> String {
    if nix::unistd::geteuid().is_root() {
        what.to_owned()
    } else {
        format!("{what}\nhint: this must run as root, for example with sudo")
    }
}

fn set_linger(user: &str, on: bool) -> Result<()> {
    let verb = if on {
        "enable-linger"
    } else {
        "disable-linger"
    };
    // The locks are held meanwhile.
    let command = Command::new("loginctl").args([verb, user]).limit(LIMIT);
    let output = command.output()?;
    if output.code == Some(0) {
        return Ok(());
    }
    Err(anyhow!(
        "`loginctl {verb} {user}`: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    ))
}
