//! What is parsed, for those who try it with any bytes: `fuzz/`, and the suite with what a fuzzer begins with.
//!
//! Each ends with a value or an error, in no time; what has a form of its own is the same when it is written and read again.

use std::hint::black_box;

use anyhow::Result;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::accounts::database::{AccountFile, Table};
use crate::accounts::login_defs::parse_login_defs;
use crate::accounts::record::AccountsRecord;
use crate::activation::journal;
use crate::activation::state::State;
use crate::cli::build::parse_plan;
use crate::model::json;
use crate::model::manifest::Manifest;
use crate::nar;
use crate::store::checked;
use crate::tmpfiles::glob;
use crate::tmpfiles::line::{Parsed, parse_line};
use crate::tmpfiles::words::Specifiers;
use crate::units::file::{Comparison, UnitFile};

/// What takes any bytes.
pub type Parser = fn(&[u8]);

/// All of them, by name.
pub const PARSERS: [(&str, Parser); 9] = [
    ("manifest", |text| {
        if let Ok(text) = std::str::from_utf8(text) {
            comes_back(Manifest::parse(text).ok());
        }
    }),
    ("state", |text| {
        each_form(text, |text| comes_back(State::parse(text).ok()));
    }),
    ("ids", |text| {
        each_form(text, |text| comes_back(AccountsRecord::parse(text).ok()));
    }),
    ("journal", |text| {
        each_form(text, |text| {
            let read = journal::parse(text);
            // A line that is cut at the end counts as not written.
            let longer = [text, b"{"].concat();
            assert!(read.is_err() || journal::parse(&longer).is_ok());
        });
    }),
    ("plan", |text| comes_back(parse_plan(text).ok())),
    ("accounts", accounts),
    ("tmpfiles", tmpfiles),
    ("units", units),
    ("nar", |mut bytes| drop(nar::check(&mut bytes))),
];

/// Tries a text as it is, and as the records of a file whose checksums are right: else damage would never get further.
fn each_form(text: &[u8], parse: impl Fn(&[u8])) {
    parse(text);
    let Some((version, records)) = text.split_first() else {
        return;
    };
    let lines = records.split(|byte| *byte == b'\n');
    let whole = lines.map(|line| {
        let record: Box<RawValue> = json::from_bytes(line)?;
        checked::render(u32::from(version % 4), &record)
    });
    if let Ok(whole) = whole.collect::<Result<Vec<_>>>() {
        parse(&whole.concat());
    }
}

/// What is written and read again must be the same.
fn comes_back<T: Serialize + DeserializeOwned>(read: Option<T>) {
    if let Some(value) = read {
        let text = serde_json::to_vec(&value).unwrap_or_default();
        let again = json::from_bytes::<T>(&text)
            .map(|again| serde_json::to_vec(&again).unwrap_or_default());
        assert!(
            again.is_ok_and(|again| again == text),
            "it is another when it is read again"
        );
    }
}

/// Every byte of a database stays where it was; the first byte says which it is.
fn accounts(bytes: &[u8]) {
    let Some((which, text)) = bytes.split_first() else {
        return;
    };
    let file = AccountFile::ALL[usize::from(*which) % AccountFile::ALL.len()];
    let database = Table::parse(file, text);
    for (name, row) in database.entries() {
        assert!(database.rows_of(name).contains(&row));
        assert!(database.fields(row).count() <= database.line(row).len() + 1);
    }
    assert!(
        database.render() == text,
        "a database is another without a change"
    );
    black_box(parse_login_defs(text));
}

fn tmpfiles(text: &[u8]) {
    for line in text.split(|byte| *byte == b'\n') {
        if let Parsed::Rule(rule) = parse_line(line, &Specifiers::default()) {
            black_box(rule.is_about("/a/bb/ccc"));
            black_box(rule.device());
            black_box(rule.source());
            for one in glob::expand_braces(&rule.path).into_iter().flatten() {
                black_box(glob::matches(&one, "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
            }
        }
    }
}

/// A unit and another one, with a zero between them.
fn units(text: &[u8]) {
    let mut parts = text.splitn(2, |byte| *byte == 0);
    let (old, new) = (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
    );
    let (old, new) = (UnitFile::parse([old]), UnitFile::parse([new]));
    black_box(old.compare(&new));
    for unit in [&old, &new] {
        assert!(
            unit.compare(unit) == Comparison::Equal,
            "a unit is not what it is"
        );
        black_box(unit.sockets());
        black_box(unit.pulls_in());
        black_box(unit.stops_with());
        black_box(unit.switch_method());
        black_box(unit.install("WantedBy"));
    }
}
