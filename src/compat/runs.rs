//! Modules that tests have run on machines, as `nixos-compat/report/runs.json` records it.

use anyhow::{Context, Result};

use super::verdict::Run;

const RECORDED: &str = include_str!("../../nixos-compat/report/runs.json");

/// Gives all recorded runs.
///
/// # Errors
/// When the record is not what it must be.
pub(super) fn parse_runs() -> Result<Vec<Run>> {
    let mut runs: Vec<Run> =
        serde_json::from_str(RECORDED).context("reading nixos-compat/report/runs.json")?;
    runs.sort();
    runs.dedup();
    Ok(runs)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    #[test]
    fn recorded_runs_name_tests_that_are_there() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("vm-tests/tests");
        let runs = super::parse_runs().unwrap();
        assert!(!runs.is_empty());
        for run in runs {
            let (file, test) = run.test.split_once("::").unwrap();
            let name = test.split('[').next().unwrap();
            let source = std::fs::read_to_string(folder.join(file)).unwrap();
            assert!(source.contains(&format!("def {name}(")), "{}", run.test);
            assert!(!run.module.starts_with('/'), "{}", run.module);
        }
    }
}
