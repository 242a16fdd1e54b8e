//! Why evaluations fail: the line of an error that says it, and groups of like reasons. Pure.

use super::verdict::Step;

/// Longer reasons are cut: what comes after says where, not why.
const LONGEST: usize = 300;

/// Gives the line of an error of Nix that says what is wrong.
#[must_use]
pub(super) fn parse_reason(stderr: &str) -> String {
    let lines: Vec<&str> = stderr.lines().map(str::trim).collect();
    let said = lines
        .iter()
        .filter_map(|line| line.strip_prefix("error:"))
        .map(str::trim)
        .find(|line| !line.is_empty());
    let last = || lines.iter().rev().copied().find(|line| !line.is_empty());
    let reason = said.or_else(last).unwrap_or("no message");
    without_store_hashes(reason, "")
        .chars()
        .take(LONGEST)
        .collect()
}

/// Takes the hashes out of store paths, which then begin with `prefix`.
#[must_use]
pub(super) fn without_store_hashes(text: &str, prefix: &str) -> String {
    const STORE: &str = "/nix/store/";
    const HASH: usize = 32;
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(STORE) {
        let (before, path) = rest.split_at(at);
        out.push_str(before);
        let name = &path[STORE.len()..];
        let is_hash = name.len() > HASH
            && name.as_bytes()[HASH] == b'-'
            && name.as_bytes()[..HASH]
                .iter()
                .all(u8::is_ascii_alphanumeric);
        if is_hash {
            out.push_str(prefix);
            rest = &name[HASH + 1..];
        } else {
            out.push_str(STORE);
            rest = name;
        }
    }
    out.push_str(rest);
    out
}

/// What errors have in common, and what that means. The first that fits counts.
const GROUPS: [(&[&str], &str); 11] = [
    (
        &["has no value defined", "used but not defined"],
        "an option must be set, and has no case yet",
    ),
    (&["assertion: "], "an assertion of a module failed"),
    (
        &["No such file or directory"],
        "a file of the nixpkgs is missing",
    ),
    (
        &["is not of type", "The option `"],
        "a value has the wrong type, or the option does not exist",
    ),
    (
        &["is not supported on", "not available on"],
        "a package is not for this platform",
    ),
    (
        &["refusing to evaluate", "license", "accept", "unfree"],
        "a package requires accepting its licence, or is marked as broken",
    ),
    (
        &["unit name", "has no suffix", "is not the name of a unit"],
        "a unit is named without its suffix, which systemd ignores and system-manager refuses",
    ),
    (
        &["cannot build", "is not valid", "read-only", "readonly"],
        "a build's result is needed by the evaluation, which is not allowed",
    ),
    (&["no result after"], "it took too long"),
    (
        &["attribute '", "missing"],
        "an attribute that the module reads is missing",
    ),
    (&["infinite recursion"], "it refers to itself endlessly"),
];

/// Gives the group that a reason belongs to; a reason that fits none is one by itself.
#[must_use]
pub(super) fn group(step: Step, reason: &str) -> String {
    let known = GROUPS
        .iter()
        .find(|(signs, _)| signs.iter().any(|sign| reason.contains(sign)));
    match (known, step) {
        (Some((_, group)), _) => (*group).to_owned(),
        (None, Step::Declares) => format!("its options can't be declared: {reason}"),
        (None, _) => reason.to_owned(),
    }
}
