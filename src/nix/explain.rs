//! What to write instead, for the mistakes that people make most. Nix says what is wrong, in its own words and those of
//! the module library; neither says what to do about it.

/// The names below which NixOS has its own options, and a host's own are rarely found.
const NIXOS: [&str; 8] = [
    "boot",
    "console",
    "fonts",
    "hardware",
    "networking",
    "programs",
    "services",
    "virtualisation",
];

/// Returns what to do about an error of an evaluation, if it is a common one. Pure.
///
/// `said` is what Nix printed, with a trace; `folder` is where the configuration is, so that its files are told from
/// those of libraries.
#[must_use]
pub(super) fn remedy(said: &str, folder: &str, has_nixpkgs: bool) -> Option<String> {
    let (error, trace) = match said.find("\n       … ") {
        Some(end) => said.split_at(end),
        None => (said, ""),
    };
    circle(error, trace, folder)
        .or_else(|| unknown_argument(error, trace))
        .or_else(|| without_nixpkgs(error, has_nixpkgs))
        .or_else(|| wrong_type(error))
        .or_else(|| other(error))
}

/// The text between two others.
fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    rest.split_once(after).map(|(found, _)| found)
}

fn circle(error: &str, trace: &str, folder: &str) -> Option<String> {
    if !error.contains("infinite recursion encountered") {
        return None;
    }
    let all = format!("{error}{trace}");
    let place = all.lines().find_map(|line| {
        let place = line.trim().strip_prefix("at ")?.trim_end_matches(':');
        place.starts_with(folder).then(|| place.to_owned())
    })?;
    Some(format!(
        "at {place}, an import or a definition depends on `config` or `pkgs`, which in turn depend on it: always import, and put `lib.mkIf` around the values"
    ))
}

fn unknown_argument(error: &str, trace: &str) -> Option<String> {
    let name = between(error, "error: attribute '", "' missing")?;
    let asks = format!("while evaluating the module argument `{name}' in \"");
    let file = between(trace, &asks, "\"")?;
    Some(format!(
        "{file} uses the module argument `{name}`, which does not exist: add it to `specialArgs`, or remove it"
    ))
}

fn without_nixpkgs(error: &str, has_nixpkgs: bool) -> Option<String> {
    if has_nixpkgs {
        return None;
    }
    let give = "pass --nixpkgs PATH, or set NIX_PATH=nixpkgs=PATH";
    if let Some(option) = between(error, "The option `", "' does not exist") {
        let top = option.split('.').next().unwrap_or_default();
        return NIXOS
            .contains(&top)
            .then(|| format!("`{option}` is an option of NixOS, which needs a nixpkgs: {give}"));
    }
    let name = between(error, "error: attribute '", "' missing")?;
    error.contains(&format!("pkgs.{name}")).then(|| {
        format!("without a nixpkgs, `pkgs` contains only known programs of the distribution, and `{name}` is not one of them: {give}, or use `pkgs.hostPackage`")
    })
}

/// A value of one kind where another is wanted: what it looks like when it is right.
fn wrong_type(error: &str) -> Option<String> {
    let wanted = between(error, "is not of type `", "'. ")?;
    let mut lines = error
        .lines()
        .skip_while(|line| !line.trim_start().starts_with("- In `"));
    let (_, value) = lines.next()?.rsplit_once("':")?;
    // The library of nixpkgs puts longer values on lines of their own.
    let value = match value.trim() {
        "" => lines.next()?.trim(),
        value => value,
    };
    let text = value
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    match text {
        Some(_) if wanted.starts_with("list of") => Some(format!("write a list: `[ {value} ]`")),
        Some(text) if wanted == "package" => Some(format!("write a package: `pkgs.{text}`")),
        Some(text) if wanted == "systemd unit name" => Some(format!(
            "write the unit's whole name, such as `\"{text}.target\"` or `\"{text}.service\"`"
        )),
        Some(_) if wanted == "boolean" => {
            Some("write `true` or `false`, without quotes".to_owned())
        }
        Some(text) if wanted.contains("integer") && text.parse::<i64>().is_ok() => {
            Some(format!("write the number without quotes: `{text}`"))
        }
        None if wanted.contains("octal mode") => {
            Some(format!("write it with quotes: `\"0{value}\"`"))
        }
        None if wanted.contains("string") && value.parse::<f64>().is_ok() => {
            Some(format!("write it with quotes: `\"{value}\"`"))
        }
        None if wanted.starts_with("attribute set of") && value.starts_with('[') => {
            Some("write a set, `{ name = value; }`, instead of a list".to_owned())
        }
        _ => None,
    }
}

fn other(error: &str) -> Option<String> {
    if error.contains("syntax error") && error.contains("expecting ';'") {
        return Some("each `name = value` must end with `;`".to_owned());
    }
    if error.contains("was accessed but has no value defined")
        && error.contains("option `environment.etc.")
    {
        return Some("set `text` or `source` for this file".to_owned());
    }
    if let Some(path) = between(error, "getting status of '", "': No such file or directory") {
        return Some(format!(
            "a path such as `./file` is relative to the file that contains it; {path} does not exist"
        ));
    }
    None
}

#[cfg(test)]
#[path = "explain/tests.rs"]
mod tests;
