//! Random cases: the suite tries the same ones each time, so that it says the same of the same program; a hunt tries others.

use proptest::test_runner::{Config, FailurePersistence, FileFailurePersistence, RngSeed};

/// Where a hunt writes down what has failed, and what it tries first: what is printed may be lost.
const FOUND: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/found-by-chance.txt");

/// Returns how properties of the program are tried: so many cases, which are always the same ones; or, in a hunt, as many
/// others as `PROPTEST_CASES` says. `PROPTEST_RNG_SEED` repeats a hunt.
pub fn cases(few: u32) -> Config {
    let given = Config::default();
    let is_hunt = std::env::var_os("PROPTEST_CASES").is_some();
    Config {
        cases: if is_hunt { given.cases } else { few },
        rng_seed: if is_hunt {
            given.rng_seed
        } else {
            RngSeed::Fixed(1)
        },
        failure_persistence: is_hunt.then(|| {
            let found: Box<dyn FailurePersistence> =
                Box::new(FileFailurePersistence::Direct(FOUND));
            found
        }),
        ..given
    }
}
