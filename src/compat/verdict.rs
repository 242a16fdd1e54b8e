//! What is known about a NixOS module, as data: the shape of `compat --json`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Version of what `compat --json` prints.
pub(crate) const VERSION: u32 = 1;

/// What `compat --json` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Survey {
    /// Format version.
    pub version: u32,
    /// The version of system-manager.
    pub system_manager: String,
    /// What was looked at.
    pub nixpkgs: Nixpkgs,
    /// The figures.
    pub summary: Summary,
    /// Each module, by its path.
    pub modules: Vec<Module>,
}

/// Which nixpkgs it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Nixpkgs {
    /// Its folder.
    pub path: String,
    /// The release that it says it is.
    pub release: String,
    /// What tells it from another one: `git:` and a revision, or `content:` and a hash.
    pub identity: String,
}

/// How far a module gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// A test has run it on a machine.
    Runs,
    /// It evaluates when it is enabled.
    Evaluates,
    /// It evaluates, and has nothing to be enabled by.
    HasNoSwitch,
    /// When it is enabled, it names an option that the user has to set.
    NeedsSetting,
    /// It does not declare, or not evaluate.
    Fails,
}

/// A step that a module takes, or fails at.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Its options are declared.
    Declares,
    /// A host that imports it evaluates, with defaults.
    Defaults,
    /// A host that enables it evaluates.
    Enabled,
    /// Its units could be compared with those of NixOS.
    Compared,
}

/// What is known about a module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "the names are those of the JSON")]
pub struct Module {
    /// Its file, below `nixos/modules`.
    pub module: String,
    /// All in one word.
    pub verdict: Verdict,
    /// An option that has to be set besides, as its error names it.
    pub must_set: Option<String>,
    /// What an evaluation told.
    #[serde(flatten)]
    pub findings: Findings,
    /// What its units are beside those of NixOS; with `--compare` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compared: Option<Compared>,
    /// Tests that have run it on a machine.
    pub runs: Vec<Run>,
}

/// What evaluations of a module told. The cache keeps this.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Findings {
    /// How many options it declares.
    pub declares: Option<usize>,
    /// The units that it makes when it is imported only.
    pub defaults: Option<Vec<String>>,
    /// What it makes when it is enabled.
    pub enabled: Option<Enabled>,
    /// Why a step failed.
    pub errors: BTreeMap<Step, String>,
}

/// What a module makes when it is enabled.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Enabled {
    /// The options that enable it; the first one was set.
    pub switches: Vec<String>,
    /// Whether more was set, from `nixos-compat/report/cases`.
    pub cases: bool,
    /// Messages of assertions that do not hold.
    pub failed: Vec<String>,
    /// The options that are set and have no effect on a host that is not NixOS.
    pub no_effect: Vec<String>,
    /// The units.
    pub units: Vec<String>,
    /// The files in `/etc`.
    pub etc: Vec<String>,
}

/// Units beside those that NixOS's own evaluation makes of the same settings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Compared {
    /// The same there and here.
    pub equal: Vec<String>,
    /// Different, with the lines that differ.
    pub different: BTreeMap<String, Difference>,
    /// There only.
    pub missing: Vec<String>,
}

impl Compared {
    /// Says whether all units are the same.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.different.is_empty() && self.missing.is_empty()
    }
}

/// Lines that differ, after normalising.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Difference {
    /// Here only.
    pub ours: Vec<String>,
    /// On NixOS only.
    pub theirs: Vec<String>,
}

/// A test that has run a module on a machine.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Run {
    /// The module's file, below `nixos/modules`.
    #[serde(skip_serializing)]
    pub module: String,
    /// Where it ran, such as `debian-12`.
    pub distribution: String,
    /// The release of the nixpkgs.
    pub nixpkgs: String,
    /// The kind of machine.
    pub kind: String,
    /// The test.
    pub test: String,
}

/// The figures of a survey.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// All modules that were looked at.
    pub modules: usize,
    /// Those that declare.
    pub declare: usize,
    /// Those that evaluate with defaults.
    pub defaults: usize,
    /// Those that can be enabled.
    pub switchable: usize,
    /// Those that evaluate when they are enabled.
    pub enabled: usize,
    /// Those that name an option which has to be set.
    pub need_setting: usize,
    /// Those that set something without effect.
    pub with_no_effect: usize,
    /// Those that a test has run.
    pub run: usize,
    /// Those of which units were compared; with `--compare` only.
    pub compared: usize,
    /// Those of which all units are the same on NixOS.
    pub same: usize,
    /// Why modules fail: the most frequent reason first.
    pub reasons: Vec<Reason>,
}

/// A reason, and the modules that fail for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Reason {
    /// The reason.
    pub reason: String,
    /// The modules.
    pub modules: Vec<String>,
}

impl Module {
    /// Judges what was found. Pure.
    #[must_use]
    pub fn judge(
        module: String,
        findings: Findings,
        compared: Option<Compared>,
        runs: Vec<Run>,
    ) -> Self {
        let errors = &findings.errors;
        let must_set = errors.get(&Step::Enabled).and_then(|e| missing_option(e));
        let failed = |step| errors.contains_key(&step);
        let verdict = if failed(Step::Declares) || failed(Step::Defaults) {
            Verdict::Fails
        } else if must_set.is_some() {
            Verdict::NeedsSetting
        } else if failed(Step::Enabled) {
            Verdict::Fails
        } else if !runs.is_empty() {
            Verdict::Runs
        } else if findings.has_switch() {
            Verdict::Evaluates
        } else {
            Verdict::HasNoSwitch
        };
        Self {
            module,
            verdict,
            must_set,
            findings,
            compared,
            runs,
        }
    }

    /// Gives the first step that failed, with its error. That units can't be compared is no failure of the module.
    #[must_use]
    pub fn failure(&self) -> Option<(Step, &str)> {
        self.findings
            .errors
            .iter()
            .find(|(step, _)| **step != Step::Compared)
            .map(|(step, error)| (*step, error.as_str()))
    }
}

impl Findings {
    /// Says whether the module can be enabled. Where it is not known, there was something to fail.
    #[must_use]
    pub fn has_switch(&self) -> bool {
        self.enabled.as_ref().is_none_or(|e| !e.switches.is_empty())
    }
}

/// Gives the option that an error of the module system says has no value.
fn missing_option(error: &str) -> Option<String> {
    let says = error.contains("has no value defined") || error.contains("used but not defined");
    let (_, rest) = error.split_once("The option `").filter(|_| says)?;
    rest.split_once('\'').map(|(name, _)| name.to_owned())
}

/// Adds modules up. Pure.
#[must_use]
pub(crate) fn summarise(modules: &[Module]) -> Summary {
    let failed = |m: &Module, step| m.findings.errors.contains_key(&step);
    let count = |holds: &dyn Fn(&&Module) -> bool| modules.iter().filter(holds).count();
    let made_units = |c: &Compared| !c.equal.is_empty() || !c.is_same();
    let compared = |m: &&Module| m.compared.as_ref().is_some_and(made_units);
    let has_no_effect = |m: &&Module| {
        let enabled = m.findings.enabled.as_ref();
        enabled.is_some_and(|e| !e.no_effect.is_empty())
    };
    let mut reasons: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (module, (step, error)) in modules.iter().filter_map(|m| Some((m, m.failure()?))) {
        reasons
            .entry(super::reasons::group(step, error))
            .or_default()
            .push(module.module.clone());
    }
    let mut reasons: Vec<Reason> = reasons
        .into_iter()
        .map(|(reason, modules)| Reason { reason, modules })
        .collect();
    reasons.sort_by_key(|r| std::cmp::Reverse(r.modules.len()));
    Summary {
        modules: modules.len(),
        declare: count(&|m| !failed(m, Step::Declares)),
        defaults: count(&|m| !failed(m, Step::Defaults)),
        switchable: count(&|m| m.findings.has_switch()),
        enabled: count(&|m| m.findings.has_switch() && !failed(m, Step::Enabled)),
        need_setting: count(&|m| m.must_set.is_some()),
        with_no_effect: count(&has_no_effect),
        run: count(&|m| !m.runs.is_empty()),
        compared: count(&compared),
        same: count(&|m| compared(m) && m.compared.as_ref().is_some_and(Compared::is_same)),
        reasons,
    }
}
