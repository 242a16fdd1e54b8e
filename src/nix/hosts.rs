//! The hosts of a flake: which of its configurations is whose.

use std::collections::BTreeMap;

use anyhow::{Context, Result, anyhow, bail};

use super::{BuildOptions, nix};

/// Returns a configuration's derivation; it is in the store then.
pub(super) fn derivation(uri: &str, options: &BuildOptions) -> Result<String> {
    let (flake, attribute) = find_host(uri, options)?;
    evaluate(&["--raw"], options)
        .arg(format!("{flake}#{attribute}.drvPath"))
        .stdout()
        .with_context(|| format!("evaluating the flake's configuration {flake}#{attribute}"))
}

fn evaluate(how: &[&str], options: &BuildOptions) -> crate::host::process::Command {
    nix("nix", false, options)
        .args([
            "--extra-experimental-features",
            "nix-command flakes",
            "eval",
        ])
        .args(how.iter().copied())
        .args(options.refresh.then_some("--refresh"))
}

/// Lists the hosts of a flake, each with the attribute of its configuration: all `systemConfigs.<host>` and
/// `systemConfigs.<system>.<host>` but for those that are for any host.
///
/// # Errors
/// When it can't be read, or has none.
pub(crate) fn list(flake: &str, options: &BuildOptions) -> Result<BTreeMap<String, String>> {
    // A configuration is a derivation; what is none holds those of a system.
    const NAMES: &str = r#"c: builtins.mapAttrs (n: v: if (v.type or null) == "derivation" then null else builtins.attrNames v) c"#;
    let flake = flake.split('#').next().unwrap_or_default();
    let json = evaluate(&["--json"], options)
        .arg(format!("{flake}#systemConfigs"))
        .args(["--apply", NAMES])
        .stdout()
        .with_context(|| unreadable(flake, options))?;
    let found: BTreeMap<String, Option<Vec<String>>> =
        serde_json::from_str(&json).context("reading what `nix eval` printed")?;
    let hosts = hosts(found)?;
    if hosts.is_empty() {
        bail!("the flake {flake} has no hosts\nhint: define each as `systemConfigs.<host>`");
    }
    Ok(hosts)
}

/// Returns the hosts of what `systemConfigs` holds: nothing for a configuration, the names in it for a set of them. Pure.
///
/// # Errors
/// When a host has more than one.
fn hosts(found: BTreeMap<String, Option<Vec<String>>>) -> Result<BTreeMap<String, String>> {
    let mut hosts = BTreeMap::new();
    let flat = found.into_iter().flat_map(|(name, inside)| match inside {
        None => vec![(name.clone(), format!("systemConfigs.\"{name}\""))],
        Some(inside) => inside
            .into_iter()
            .map(|host| {
                let attribute = format!("systemConfigs.\"{name}\".\"{host}\"");
                (host, attribute)
            })
            .collect(),
    });
    for (host, attribute) in flat.filter(|(host, _)| host != "default") {
        if let Some(other) = hosts.insert(host.clone(), attribute.clone()) {
            bail!("{host} has two configurations: {other} and {attribute}");
        }
    }
    Ok(hosts)
}

/// Splits a flake's address into the flake and the attribute of this host's configuration.
pub(super) fn find_host(uri: &str, options: &BuildOptions) -> Result<(String, String)> {
    Ok(match uri.split_once('#') {
        Some((flake, attribute)) if !attribute.is_empty() => {
            (flake.to_owned(), attribute.to_owned())
        }
        Some((flake, _)) => (flake.to_owned(), find_attribute(flake, options)?),
        None => (uri.to_owned(), find_attribute(uri, options)?),
    })
}

/// Finds this host's configuration in a flake: by system and host name, by host name, then the defaults.
fn find_attribute(flake: &str, options: &BuildOptions) -> Result<String> {
    let (host, system) = match &options.identity {
        Some(identity) => identity.clone(),
        None => {
            let host = ::nix::unistd::gethostname().context("finding this host's name")?;
            let system = format!("{}-linux", std::env::consts::ARCH);
            (host.to_string_lossy().into_owned(), system)
        }
    };
    let candidates = [
        vec![system.as_str(), host.as_str()],
        vec![host.as_str()],
        vec![system.as_str(), "default"],
        vec!["default"],
    ];
    let tests: Vec<String> = candidates
        .iter()
        .map(|path| {
            let path: Vec<String> = path.iter().map(|p| format!("{p:?}")).collect();
            format!(
                "((c.{p}.type or null) == \"derivation\")",
                p = path.join(".")
            )
        })
        .collect();
    let json = nix("nix", false, options)
        .args([
            "--extra-experimental-features",
            "nix-command flakes",
            "eval",
            "--json",
        ])
        .args(options.refresh.then_some("--refresh"))
        .arg(format!("{flake}#systemConfigs"))
        .args(["--apply".to_owned(), format!("c: [ {} ]", tests.join(" "))])
        .stdout()
        .with_context(|| unreadable(flake, options))?;
    let found: Vec<bool> =
        serde_json::from_str(&json).context("reading what `nix eval` printed")?;
    let dotted = |path: &Vec<&str>| {
        let quoted: Vec<String> = path.iter().map(|p| format!("\"{p}\"")).collect();
        format!("systemConfigs.{}", quoted.join("."))
    };
    candidates
        .iter()
        .zip(found)
        .find(|(_, found)| *found)
        .map(|(path, _)| dotted(path))
        .ok_or_else(|| {
            let names: Vec<String> = candidates.iter().map(dotted).collect();
            anyhow!(
                "the flake {flake} has no configuration for this host\nhint: define one of {}",
                names.join(", ")
            )
        })
}

fn unreadable(flake: &str, options: &BuildOptions) -> String {
    let hint = super::see_above(options);
    format!("reading `systemConfigs` of the flake {flake}\nhint: {hint}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hosts_of_a_flake_are_all_that_have_a_name() {
        let found = |text: &str| serde_json::from_str(text).unwrap();
        let all = hosts(found(
            r#"{ "web": null, "default": null, "x86_64-linux": ["db", "default"] }"#,
        ));
        let all: Vec<(String, String)> = all.unwrap().into_iter().collect();
        let db = r#"systemConfigs."x86_64-linux"."db""#;
        let expected = [("db", db), ("web", r#"systemConfigs."web""#)];
        assert_eq!(all, expected.map(|(h, a)| (h.to_owned(), a.to_owned())));
        let twice = hosts(found(r#"{ "web": null, "x86_64-linux": ["web"] }"#));
        assert!(
            twice
                .unwrap_err()
                .to_string()
                .contains("two configurations")
        );
    }
}
