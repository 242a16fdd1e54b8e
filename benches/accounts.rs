//! How long the decision about accounts takes on a host with many: `cargo bench --bench accounts`.
//!
//! The time per account must not grow with their number.
#![expect(clippy::disallowed_methods, reason = "a benchmark looks at the clock")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Instant;

use system_manager::face::accounts::{
    AccountBytes, AccountFile, AccountsPlan, AccountsRecord, Inputs, NoNss, Observed, Scripts,
    no_accounts, plan_accounts,
};
use system_manager::face::model::{Accounts, Group, User};
use system_manager::face::store::Record as _;

fn host(users: usize) -> AccountBytes {
    let mut files: BTreeMap<AccountFile, String> = BTreeMap::new();
    let mut add = |file, line: std::fmt::Arguments<'_>| {
        // Writing to a String can't fail.
        let _ = files.entry(file).or_default().write_fmt(line);
    };
    add(AccountFile::Group, format_args!("users:x:100:\n"));
    for n in 0..users {
        let id = 100_000 + n;
        add(
            AccountFile::Passwd,
            format_args!("old{n}:x:{id}:100::/home/old{n}:/bin/sh\n"),
        );
        add(
            AccountFile::Shadow,
            format_args!("old{n}:$6$salt$hash:19000:0:99999:7:::\n"),
        );
        add(AccountFile::Group, format_args!("old{n}:x:{id}:\n"));
        add(AccountFile::Gshadow, format_args!("old{n}:!::\n"));
        add(
            AccountFile::Subuid,
            format_args!("old{n}:{}:1000\n", 1_000_000 + n * 1000),
        );
        add(
            AccountFile::Subgid,
            format_args!("old{n}:{}:1000\n", 1_000_000 + n * 1000),
        );
    }
    files
        .into_iter()
        .map(|(file, text)| (file, text.into_bytes()))
        .collect()
}

fn desired(users: usize) -> Accounts {
    let user = User {
        uid: None,
        is_system_user: false,
        description: Some("New".to_owned()),
        group: Some("users".to_owned()),
        extra_groups: BTreeSet::from(["team".to_owned()]),
        home: None,
        home_mode: "700".to_owned(),
        create_home: false,
        shell: None,
        shell_fallback: None,
        hashed_password: Some("$6$salt$hash".to_owned()),
        password: None,
        hashed_password_file: None,
        initial_hashed_password: None,
        initial_password: None,
        expires: None,
        linger: None,
        auto_sub_uid_gid_range: users <= 1000,
        sub_uid_ranges: Vec::new(),
        sub_gid_ranges: Vec::new(),
    };
    let users: BTreeMap<String, User> = (0..users)
        .map(|n| (format!("new{n}"), user.clone()))
        .collect();
    let team = Group {
        gid: None,
        members: users.keys().cloned().collect(),
    };
    Accounts {
        users,
        groups: BTreeMap::from([("team".to_owned(), team)]),
        ..no_accounts()
    }
}

fn timed(
    what: &str,
    desired: &Accounts,
    record: &AccountsRecord,
    observed: &Observed,
) -> Option<AccountsPlan> {
    let start = Instant::now();
    let inputs = Inputs {
        desired,
        record,
        observed,
        nss: &NoNss,
        invoker: None,
        salt: &|| [7; 12],
        scripts: Scripts::None,
    };
    match plan_accounts(&inputs) {
        Ok(plan) => {
            println!("{what}: {:.3} s", start.elapsed().as_secs_f64());
            Some(plan)
        }
        Err(refusals) => {
            println!(
                "{what}: refused: {}",
                refusals
                    .first()
                    .map(ToString::to_string)
                    .unwrap_or_default()
            );
            None
        }
    }
}

fn main() {
    for (old, new) in [
        (1_000, 10),
        (10_000, 10),
        (100_000, 10),
        (10_000, 2_000),
        (100_000, 20_000),
    ] {
        let mut observed = Observed {
            files: host(old),
            nologin: "/bin/false".to_owned(),
            ..Observed::default()
        };
        let wanted = desired(new);
        let label = format!("{old} accounts of the host, {new} declared");
        let Some(plan) = timed(
            &format!("{label}, first run"),
            &wanted,
            &AccountsRecord::default(),
            &observed,
        ) else {
            continue;
        };
        for (file, change) in &plan.files {
            observed
                .files
                .insert(*file, change.after.clone().unwrap_or_default());
        }
        let mut record = plan.record.clone();
        record.commit(&plan);
        timed(
            &format!("{label}, nothing to do"),
            &wanted,
            &record,
            &observed,
        );
        timed(
            &format!("{label}, removal"),
            &no_accounts(),
            &record,
            &observed,
        );
    }
}
