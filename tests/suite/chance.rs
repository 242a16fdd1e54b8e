//! Random cases: the suite tries the same ones each time, so that it says the same of the same program; a hunt tries others.

use proptest::test_runner::{Config, RngSeed};

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
        failure_persistence: None,
        ..given
    }
}
