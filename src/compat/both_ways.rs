//! One configuration evaluated here and by NixOS: what would change there.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::nixpkgs;
use super::reasons::without_store_hashes;
use super::units::{self, Texts};
use crate::model::text_diff::render_changes;
use crate::nix::{self, BuildOptions, Source};

/// Version of what `compat --nixos --json` prints.
pub(crate) const VERSION: u32 = 1;

/// What a configuration comes to, by names: texts of units and files, fields of accounts.
#[derive(Debug, Default, Deserialize)]
struct Host {
    units: Texts,
    files: Texts,
    users: Texts,
    groups: Texts,
    rules: Vec<String>,
}

/// The same on NixOS, as far as it comes from the configuration.
#[derive(Debug, Deserialize)]
struct OnNixos {
    #[serde(flatten)]
    host: Host,
    release: String,
    assertions: Vec<String>,
}

/// What `compat --nixos --json` prints.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct BothWays {
    /// Format version.
    pub version: u32,
    /// The release of NixOS.
    pub release: String,
    /// The units.
    pub units: Kind,
    /// The files in `/etc`.
    pub files: Kind,
    /// The users.
    pub users: Kind,
    /// The groups.
    pub groups: Kind,
    /// The rules for tmpfiles.
    pub rules: Kind,
    /// What has to hold on NixOS, and does not.
    pub assertions: Vec<String>,
}

/// One kind of things, by name.
#[derive(Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Kind {
    /// The same both ways.
    pub equal: Vec<String>,
    /// Different, with the difference: `-` is here, `+` on NixOS.
    pub different: BTreeMap<String, String>,
    /// Here only.
    pub here: Vec<String>,
    /// On NixOS only.
    pub nixos: Vec<String>,
}

/// Evaluates a configuration both ways.
///
/// # Errors
/// When it does not evaluate on one side; Nix has said why on standard error.
pub(crate) fn evaluate(source: &Source, options: &BuildOptions) -> Result<BothWays> {
    let options = match source {
        Source::Flake(_) => options.clone(),
        Source::File(_) => BuildOptions {
            nixpkgs: Some(nixpkgs::find(options)?.display().to_string()),
            ..options.clone()
        },
    };
    let ask = |side| nix::evaluate_both_ways(source, &options, side);
    let here = ask("here").with_context(|| {
        let hint = nix::see_above(&options);
        format!("evaluating the configuration for this host\nhint: {hint}")
    })?;
    let here: Host = serde_json::from_str(&here).context("reading Nix's result")?;
    let nixos = ask("nixos").context(
        "evaluating the configuration on NixOS\nhint: that NixOS may lack an option, or an import may exist only here",
    )?;
    let nixos = serde_json::from_str(&nixos).context("reading Nix's result")?;
    Ok(compare(here, nixos))
}

fn compare(here: Host, nixos: OnNixos) -> BothWays {
    let OnNixos {
        host: there,
        release,
        assertions,
    } = nixos;
    let mut units = here.units;
    // They do in the distribution's way what NixOS does without a unit.
    units.retain(|name, _| !name.starts_with(units::OWN));
    let named = |rules: Vec<String>| rules.into_iter().map(|r| (r, None)).collect::<Texts>();
    BothWays {
        version: VERSION,
        release,
        units: compare_kind(&units, &there.units, &units::normalise),
        files: compare_kind(&here.files, &there.files, &plain),
        users: compare_kind(&here.users, &there.users, &plain),
        groups: compare_kind(&here.groups, &there.groups, &plain),
        rules: compare_kind(&named(here.rules), &named(there.rules), &plain),
        assertions,
    }
}

fn plain(text: Option<&str>) -> Vec<String> {
    let text = without_store_hashes(text.unwrap_or_default(), "/nix/store/");
    text.lines().map(str::to_owned).collect()
}

fn compare_kind(here: &Texts, nixos: &Texts, lines: &dyn Fn(Option<&str>) -> Vec<String>) -> Kind {
    let mut kind = Kind::default();
    for (name, text) in here {
        let Some(other) = nixos.get(name) else {
            kind.here.push(name.clone());
            continue;
        };
        let (a, b) = (lines(text.as_deref()), lines(other.as_deref()));
        if a == b {
            kind.equal.push(name.clone());
        } else {
            kind.different.insert(name.clone(), diff(&a, &b));
        }
    }
    kind.nixos = nixos
        .keys()
        .filter(|name| !here.contains_key(*name))
        .cloned()
        .collect();
    kind
}

fn diff(a: &[String], b: &[String]) -> String {
    let text = |lines: &[String]| lines.iter().map(|l| format!("{l}\n")).collect::<String>();
    let (a, b) = (text(a), text(b));
    render_changes(&a, &b)
}

/// Renders what would change, as text. Pure.
#[must_use]
pub(crate) fn render_text(both: &BothWays) -> String {
    let mut out = format!("Here, and on NixOS {}:\n\n", both.release);
    let kinds = [
        ("unit", &both.units),
        ("file", &both.files),
        ("user", &both.users),
        ("group", &both.groups),
        ("tmpfiles rule", &both.rules),
    ];
    for (what, kind) in kinds {
        let lists = [
            ('=', "the same", &kind.equal),
            ('-', "only here", &kind.here),
            ('+', "only on NixOS", &kind.nixos),
        ];
        for (sign, means, names) in lists {
            for name in names {
                out += &format!("{sign} {what} {name}: {means}\n");
            }
        }
        for (name, diff) in &kind.different {
            out += &format!("~ {what} {name}: different\n");
            for line in diff.lines() {
                out += &format!("    {line}\n");
            }
        }
    }
    for assertion in &both.assertions {
        out += &format!("! NixOS refuses it: {}\n", assertion.trim());
    }
    let count = |of: &dyn Fn(&Kind) -> usize| kinds.iter().map(|(_, kind)| of(kind)).sum::<usize>();
    out += &format!(
        "\n{} the same, {} different, {} only here, {} only on NixOS.\n",
        count(&|k| k.equal.len()),
        count(&|k| k.different.len()),
        count(&|k| k.here.len()),
        count(&|k| k.nixos.len()),
    );
    out
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use serde_json::json;

    #[test]
    fn tells_what_is_the_same_different_or_on_one_side() {
        let here = serde_json::from_str(&json!({
            "units": {
                "a.service": "[Service]\nExecStart=/nix/store/00000000000000000000000000000000-a/bin/a\n",
                "b.service": "[Service]\nUser=b\nType=simple\n",
                "system-manager-sysctl.service": "[Service]\n",
                "m.service": null,
            },
            "files": { "f": "1\n", "profile.d/x": "" },
            "users": { "u": "group=u\nuid=7\n" },
            "groups": {},
            "rules": ["d /a", "d /b"],
        }).to_string())
        .unwrap();
        let nixos = serde_json::from_str(&json!({
            "units": {
                "a.service": "[Service]\nEnvironment=\"PATH=/x\"\nExecStart=/nix/store/11111111111111111111111111111111-a/bin/a\n",
                "b.service": "[Service]\nType=simple\nUser=c\n",
                "m.service": null,
                "n.timer": "[Timer]\n",
            },
            "files": { "f": "2\n" },
            "users": { "u": "group=u\nuid=7\n" },
            "groups": { "g": "gid=\n" },
            "rules": ["d /a"],
            "release": "26.05",
            "assertions": ["a thing must hold"],
        }).to_string())
        .unwrap();
        let text = super::render_text(&super::compare(here, nixos));
        expect![[r"
            Here, and on NixOS 26.05:

            = unit a.service: the same
            = unit m.service: the same
            + unit n.timer: only on NixOS
            ~ unit b.service: different
                -[Service] User=b
                +[Service] User=c
            - file profile.d/x: only here
            ~ file f: different
                -1
                +2
            = user u: the same
            + group g: only on NixOS
            = tmpfiles rule d /a: the same
            - tmpfiles rule d /b: only here
            ! NixOS refuses it: a thing must hold

            4 the same, 2 different, 2 only here, 2 only on NixOS.
        "]]
        .assert_eq(&text);
    }
}
