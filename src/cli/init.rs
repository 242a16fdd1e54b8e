//! Writes a first configuration that means something on this host.
#![expect(
    clippy::disallowed_methods,
    reason = "the door writes what is named on the command line"
)]

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::host::fs::Root;
use crate::host::process::Command;
use crate::model::json;

const TEMPLATE: &str = include_str!("../../examples/hello.nix");

const FLAKE: &str = r#"# The host of system.nix as a flake: `system-manager switch --flake .`
{
  inputs = {
    # Where you have system-manager from: its package brings this folder, and an URL of its repository does as well.
    system-manager.url = "path:/usr/share/system-manager";
    nixpkgs.follows = "system-manager/nixpkgs";
  };

  outputs =
    { system-manager, ... }:
    {
      # `default` is any host; a host's own name is looked for first.
      systemConfigs.default = system-manager.lib.makeSystemConfig {
        modules = [ ./system.nix ];
      };
    };
}
"#;

/// Where the program's package has its sources, as the flake names it.
const SOURCES: &str = "usr/share/system-manager/flake.nix";

/// Where what starts with the host is listed.
const WANTED: &str = "etc/systemd/system/multi-user.target.wants";

/// Services of distributions, and what switches on NixOS's module for each.
const SERVICES: [(&str, &str); 16] = [
    ("apache2", "services.httpd.enable"),
    ("caddy", "services.caddy.enable"),
    ("chrony", "services.chrony.enable"),
    ("docker", "virtualisation.docker.enable"),
    ("fail2ban", "services.fail2ban.enable"),
    ("haproxy", "services.haproxy.enable"),
    ("httpd", "services.httpd.enable"),
    ("mariadb", "services.mysql.enable"),
    ("nginx", "services.nginx.enable"),
    ("postfix", "services.postfix.enable"),
    ("postgresql", "services.postgresql.enable"),
    (
        "prometheus-node-exporter",
        "services.prometheus.exporters.node.enable",
    ),
    ("redis-server", "services.redis.servers.\"\".enable"),
    ("ssh", "services.openssh.enable"),
    ("sshd", "services.openssh.enable"),
    ("tailscaled", "services.tailscale.enable"),
];

/// Writes a first configuration, with a flake around it if that is wanted; returns the files.
///
/// # Errors
/// When one is there already, or it can't be written.
pub(crate) fn init(root: &Root, folder: &Path, flake: bool) -> Result<Vec<PathBuf>> {
    std::fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
    let mut texts = vec![("system.nix", render(&distribution(root), &services(root)?))];
    texts.extend(flake.then(|| ("flake.nix", FLAKE.to_owned())));
    let mut written = Vec::new();
    for (name, text) in texts {
        let path = folder.join(name);
        write_new(&path, &text)?;
        written.push(path);
    }
    Ok(written)
}

/// Says what to do about a flake whose system-manager is not where it is looked for; none when it is.
#[must_use]
pub(crate) fn missing_sources(root: &Root) -> Option<String> {
    let path = root.show(Path::new(SOURCES));
    let there = path.exists();
    (!there).then(|| {
        format!(
            "there is no {}, which a package of system-manager brings: name where you have it from as `system-manager.url` in flake.nix, such as `git+https://...` or `path:/...`",
            path.display()
        )
    })
}

/// Whether Nix is there and takes flakes without being told so.
#[must_use]
pub(crate) fn has_flakes() -> bool {
    let show = |words: &[&str]| Command::new("nix").args(words).output();
    // By its name of today, or the one that older ones know.
    let asked = show(&["config", "show", "--json"])
        .ok()
        .filter(|output| output.code == Some(0))
        .map_or_else(|| show(&["show-config", "--json"]), Ok);
    // Without a Nix that answers, nobody can use a flake.
    let Ok(output) = asked else { return false };
    let settings: serde_json::Value = json::from_bytes(&output.stdout).unwrap_or_default();
    let features = settings["experimental-features"]["value"].as_array();
    features.is_some_and(|all| all.iter().any(|feature| feature == "flakes"))
}

fn write_new(path: &Path, text: &str) -> Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
        .with_context(|| {
            let hint = if path.exists() {
                "\nhint: edit that file, or name another folder"
            } else {
                ""
            };
            format!("creating {}{hint}", path.display())
        })?;
    file.write_all(text.as_bytes())
        .with_context(|| format!("writing {}", path.display()))
}

/// The distribution's own name for itself.
fn distribution(root: &Root) -> String {
    let text = ["etc/os-release", "usr/lib/os-release"]
        .iter()
        .find_map(|p| root.read_in_root(Path::new(p)).ok().flatten())
        .unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let name = text.lines().find_map(|l| l.strip_prefix("PRETTY_NAME="));
    let name = name.map(|n| n.trim_matches('"')).filter(|n| !n.is_empty());
    name.unwrap_or("this host").to_owned()
}

/// The options for what runs here, in the order of their names.
fn services(root: &Root) -> Result<Vec<&'static str>> {
    let names = root.list(Path::new(WANTED))?;
    let runs = |service: &str| {
        names
            .iter()
            .any(|n| n.strip_suffix(".service") == Some(service))
    };
    let found = SERVICES.iter().filter(|(service, _)| runs(service));
    let mut options: Vec<&str> = found.map(|(_, option)| *option).collect();
    options.sort_unstable();
    options.dedup();
    Ok(options)
}

/// The first configuration, with proposals as comments. Pure.
fn render(distribution: &str, services: &[&str]) -> String {
    // A name of a distribution is one line, whatever it is.
    let name: String = distribution.chars().filter(|c| !c.is_control()).collect();
    let mut text = format!("# The configuration of a host with {name}.\n#\n{TEMPLATE}");
    if services.is_empty() {
        return text;
    }
    let end = text.trim_end().trim_end_matches('}').trim_end().len();
    text.truncate(end);
    text.push_str(
        "\n\n  # These run here. With a nixpkgs (`--nixpkgs PATH`), NixOS's modules can set them up, with the distribution's own\n  # programs; `plan` shows what would change before anything does.\n  # nixos-compat.hostPackages.enable = true;\n",
    );
    for option in services {
        text.push_str(&format!("  # {option} = true;\n"));
    }
    text + "}\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proposes_what_runs_here_and_does_none_of_it() {
        let plain = render("Debian\n{", &[]);
        assert!(plain.starts_with("# The configuration of a host with Debian{.\n#\n# A file"));
        assert!(plain.ends_with(&TEMPLATE[TEMPLATE.len() - 30..]));
        let text = render("Debian", &["services.nginx.enable"]);
        assert!(
            text.ends_with("  # services.nginx.enable = true;\n}\n"),
            "{text}"
        );
        let code = |text: &str| -> Vec<String> {
            let lines = text.lines().filter(|l| !l.trim_start().starts_with('#'));
            lines
                .filter(|l| !l.trim().is_empty())
                .map(str::to_owned)
                .collect()
        };
        assert_eq!(code(&text), code(TEMPLATE));
    }
}
