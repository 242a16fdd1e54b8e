//! Gives what a fuzzer makes up to one of the parsers: the one that `PARSER` names.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use system_manager::face::fuzz::{PARSERS, Parser};

static PARSER: LazyLock<Parser> = LazyLock::new(|| {
    let wanted = std::env::var("PARSER").unwrap_or_default();
    let found = PARSERS.iter().find(|(name, _)| *name == wanted);
    found.map(|(_, parser)| *parser).expect("PARSER names none of the parsers")
});

fuzz_target!(|bytes: &[u8]| PARSER(bytes));
