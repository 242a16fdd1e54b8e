//! Users and groups over generations, on the account files of real distributions.
#![expect(clippy::needless_raw_string_hashes, reason = "expect-test writes them")]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failing test may panic"
)]

mod generations;
mod others;
mod random;
mod refusals;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use expect_test::{Expect, expect};
use proptest::prelude::*;
use similar::{ChangeTag, TextDiff};
use system_manager::face::accounts::{
    AccountBytes, AccountFile, AccountsPlan, AccountsRecord, Home, Inputs, NoNss, Observed,
    Refusal, Scripts, find_drift, no_accounts, parse_login_defs, plan_accounts,
};
use system_manager::face::model::{Accounts, Group, SubIdRange, User};
use system_manager::face::store::Record as _;

/// A host in memory: its files, and what this tool remembers about it.
struct Host {
    start: AccountBytes,
    observed: Observed,
    record: AccountsRecord,
    invoker: Option<&'static str>,
}

impl Host {
    fn load(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures/accounts")
            .join(name);
        let read = |file: &str| std::fs::read(folder.join(file)).unwrap();
        let files: AccountBytes = AccountFile::ALL
            .iter()
            .map(|f| (*f, read(f.name())))
            .collect();
        Self::new(files, &read("login.defs"))
    }

    fn new(files: AccountBytes, login_defs: &[u8]) -> Self {
        let observed = Observed {
            files: files.clone(),
            ranges: parse_login_defs(login_defs),
            shells: ["/bin/bash", "/bin/sh", "/nix/store/x-zsh/bin/zsh"]
                .map(str::to_owned)
                .into(),
            nologin: "/usr/sbin/nologin".to_owned(),
            today: 20779,
            ..Observed::default()
        };
        Self {
            start: files,
            observed,
            record: AccountsRecord::default(),
            invoker: None,
        }
    }

    fn plan(&self, desired: &Accounts) -> Result<AccountsPlan, Vec<Refusal>> {
        plan_accounts(&Inputs {
            desired,
            record: &self.record,
            observed: &self.observed,
            nss: &NoNss,
            invoker: self.invoker,
            salt: &|| [7; 12],
            scripts: Scripts::None,
        })
    }

    /// Carries a plan out, checks that a second run has nothing to do, and gives the report.
    fn activate(&mut self, desired: &Accounts) -> String {
        let plan = self.plan(desired).unwrap();
        let mut report = String::new();
        for change in &plan.changes {
            writeln!(report, "{change}").unwrap();
        }
        for warning in &plan.warnings {
            writeln!(report, "warning: {warning}").unwrap();
        }
        self.carry_out(&plan);
        let again = self.plan(desired).unwrap();
        assert_eq!(
            again.record, self.record,
            "a second run remembers something else"
        );
        assert!(
            again.is_empty(),
            "a second run changes something: {:?} {:?}",
            again.files,
            again.changes
        );
        assert_eq!(find_drift(&self.record, &self.observed), []);
        report
    }

    fn carry_out(&mut self, plan: &AccountsPlan) {
        for (file, change) in &plan.files {
            assert_eq!(self.observed.files.get(file), change.before.as_ref());
            match &change.after {
                Some(bytes) => self.observed.files.insert(*file, bytes.clone()),
                None => self.observed.files.remove(file),
            };
        }
        for home in &plan.homes {
            let folder = Home::Folder {
                uid: home.uid,
                gid: home.gid,
                mode: home.mode,
            };
            self.observed.homes.insert(home.path.clone(), folder);
        }
        for (name, linger) in &plan.linger {
            if *linger {
                self.observed.lingering.insert(name.clone());
            } else {
                self.observed.lingering.remove(name);
            }
        }
        // The record goes through its file form on every run.
        let mut record = plan.record.clone();
        record.commit(plan);
        self.record = AccountsRecord::parse(&record.render().unwrap()).unwrap();
    }

    fn refusals(&self, desired: &Accounts) -> String {
        let refusals = self.plan(desired).err().expect("it should be refused");
        refusals
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n")
            + "\n"
    }

    fn file(&mut self, file: AccountFile) -> &mut Vec<u8> {
        self.observed.files.get_mut(&file).unwrap()
    }

    fn edit(&mut self, file: AccountFile, from: &str, to: &str) {
        let text = String::from_utf8(self.file(file).clone()).unwrap();
        assert!(text.contains(from), "{file} has no {from:?}");
        *self.file(file) = text.replace(from, to).into_bytes();
    }

    /// Checks every line of every file that is not as it was at the start, hashes cut short.
    fn check(&self, expect: &Expect) {
        let mut text = String::new();
        for file in AccountFile::ALL {
            let lossy = |files: &AccountBytes| {
                String::from_utf8_lossy(files.get(&file).map_or(&[][..], Vec::as_slice))
                    .into_owned()
            };
            let (before, after) = (lossy(&self.start), lossy(&self.observed.files));
            for change in TextDiff::from_lines(&before, &after).iter_all_changes() {
                let sign = match change.tag() {
                    ChangeTag::Equal => continue,
                    ChangeTag::Delete => '-',
                    ChangeTag::Insert => '+',
                };
                writeln!(text, "{}: {sign}{}", file.name(), change.value().trim_end()).unwrap();
            }
        }
        expect.assert_eq(&text);
    }

    fn assert_as_at_the_start(&self) {
        self.check(&expect![""]);
        assert!(self.observed.files == self.start, "the bytes differ");
        assert!(self.record.owns_nothing());
    }
}

fn normal() -> User {
    User {
        uid: None,
        is_system_user: false,
        description: None,
        group: Some("users".to_owned()),
        extra_groups: BTreeSet::new(),
        home: None,
        home_mode: "700".to_owned(),
        create_home: false,
        shell: None,
        shell_fallback: None,
        hashed_password: None,
        password: None,
        hashed_password_file: None,
        initial_hashed_password: None,
        initial_password: None,
        expires: None,
        linger: None,
        auto_sub_uid_gid_range: false,
        sub_uid_ranges: Vec::new(),
        sub_gid_ranges: Vec::new(),
    }
}

fn person(name: &str) -> User {
    User {
        home: Some(format!("/home/{name}").parse().unwrap()),
        create_home: true,
        shell: Some("/bin/bash".parse().unwrap()),
        auto_sub_uid_gid_range: true,
        ..normal()
    }
}

fn service(name: &str) -> User {
    User {
        is_system_user: true,
        group: Some(name.to_owned()),
        ..normal()
    }
}

fn names(list: &[&str]) -> BTreeSet<String> {
    list.iter().map(|s| (*s).to_owned()).collect()
}

fn group(gid: Option<u32>, members: &[&str]) -> Group {
    Group {
        gid,
        members: names(members),
    }
}

fn accounts<const U: usize, const G: usize>(
    users: [(&str, User); U],
    groups: [(&str, Group); G],
) -> Accounts {
    Accounts {
        users: users.map(|(n, u)| (n.to_owned(), u)).into(),
        groups: groups.map(|(n, g)| (n.to_owned(), g)).into(),
        ..no_accounts()
    }
}

fn immutable(mut accounts: Accounts) -> Accounts {
    accounts.mutable_users = false;
    accounts
}

/// The walk that every distribution goes through: services, a person, a change, removal and return.
fn walk(host: &mut Host, admin_group: &str, expects: [&Expect; 2]) {
    let alice = User {
        description: Some("Alice".to_owned()),
        extra_groups: names(&[admin_group]),
        hashed_password: Some("$6$salt$hash".to_owned()),
        ..person("alice")
    };
    let first = accounts(
        [("alice", alice.clone()), ("web", service("web"))],
        [
            ("web", group(None, &["alice"])),
            ("users", group(Some(100), &[])),
        ],
    );
    host.activate(&first);
    host.check(expects[0]);
    let bob = User {
        expires: Some("2030-01-01".to_owned()),
        ..person("bob")
    };
    let changed = User {
        shell: Some("/nix/store/x-zsh/bin/zsh".parse().unwrap()),
        extra_groups: BTreeSet::new(),
        ..alice
    };
    let second = accounts(
        [("alice", changed), ("bob", bob)],
        [("users", group(Some(100), &[]))],
    );
    host.activate(&second);
    host.check(expects[1]);
    // Back to the first: the same ids and lines again.
    host.activate(&first);
    host.check(expects[0]);
    host.activate(&no_accounts());
    host.assert_as_at_the_start();
}
