//! Secrets: read where the configuration is switched from, kept here at rest, placed where services read them.
//!
//! At rest each value is a file of its own below `/var/lib/system-manager/secrets/values`, encrypted for this host by
//! `systemd-creds` where that is there. Which of them belong to a configuration is said in `of`, so that whoever goes back
//! to one finds its values. They are placed below `/run/system-manager/secrets`, by an activation script, also at boot.

#![expect(
    clippy::disallowed_methods,
    reason = "reads what secrets are made from"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};

use super::toplevel::read_manifest;
use super::{checked, generations};
use crate::host::fs::{Content, NewFile, Root, open_source};
use crate::host::process::{Command, show_code};
use crate::model::json;
use crate::model::manifest::Secret;
use crate::model::names::AbsolutePath;
use crate::model::node::Node;
use crate::model::owners::Owners;

/// The hidden command that places them.
pub(crate) const COMMAND: &str = "place-secrets";

/// Where they are at rest, relative to the root.
const FOLDER: &str = "var/lib/system-manager/secrets";

/// Where services read them, relative to the root.
const PLACE: &str = "run/system-manager/secrets";

/// The version of the lists of which configuration has which.
const VERSION: u32 = 1;

/// How large one may be.
const SIZE: u64 = 1 << 20;

/// How long the command may take that gives one.
const LIMIT: Duration = Duration::from_secs(60);

/// Values by name. Nothing prints them.
pub(crate) type Values = BTreeMap<String, Vec<u8>>;

/// Reads the values, on the machine from which a configuration is switched.
///
/// # Errors
/// When a file can't be read or a command fails; the message has nothing of a value.
pub(crate) fn gather(secrets: &[Secret]) -> Result<Values> {
    let one = |secret: &Secret| -> Result<(String, Vec<u8>)> {
        let value = match (&secret.file, &secret.command) {
            (Some(file), None) => {
                // What never ends, such as a named pipe, is refused.
                let mut value = Vec::new();
                open_source(file.as_str())
                    .and_then(|file| Ok(file.take(SIZE + 1).read_to_end(&mut value)?))
                    .with_context(|| format!("reading {file}"))?;
                value
            }
            (None, Some(command)) => {
                let ran = Command::new("/bin/sh").arg("-c").arg(command).limit(LIMIT);
                let output = ran.output().context("running its command")?;
                if output.code != Some(0) {
                    // What it says on standard error may have more in it than a reason.
                    bail!("its command failed: {}", show_code(output.code));
                }
                output.stdout
            }
            _ => bail!("it needs either a file or a command"),
        };
        if value.len() as u64 > SIZE {
            bail!("it has more than {SIZE} bytes");
        }
        Ok((secret.name.to_string(), value))
    };
    let each = secrets.iter().map(|secret| {
        one(secret).with_context(|| {
            format!(
                "reading the secret {}\nhint: secrets are read on the machine that runs the switch, not on the target",
                secret.name
            )
        })
    });
    each.collect()
}

/// Keeps the values of a configuration. Returns whether one of them differs from what services read now.
///
/// # Errors
/// When they can't be written.
pub(crate) fn keep(root: &Root, toplevel: &AbsolutePath, values: &Values) -> Result<bool> {
    if values.is_empty() {
        return Ok(false);
    }
    super::make_folder(root)?;
    for folder in [FOLDER, &format!("{FOLDER}/values"), &format!("{FOLDER}/of")] {
        root.make_folder(Path::new(folder), 0o700)?;
    }
    let known = kept(root, &of(toplevel))?;
    let (mut files, mut differs) = (BTreeMap::new(), false);
    for (name, value) in values {
        let same = |file: &&String| read(root, name, file).is_ok_and(|known| known == *value);
        let file = match known.get(name).filter(same) {
            Some(file) => file.clone(),
            None => write(root, name, value)?,
        };
        files.insert(name.clone(), file);
        let placed = root.read(&Path::new(PLACE).join(name))?;
        differs |= placed.as_ref() != Some(value);
    }
    let text = checked::render(VERSION, &files).context("serialising which secrets there are")?;
    write_private(root, &of(toplevel), &text, 0o600, (0, 0))?;
    root.sync()?;
    Ok(differs)
}

/// Where it is said which values a configuration has.
fn of(toplevel: &AbsolutePath) -> PathBuf {
    let name = Path::new(toplevel.as_str()).file_name().unwrap_or_default();
    Path::new(FOLDER).join("of").join(name)
}

fn value_path(file: &str) -> PathBuf {
    Path::new(FOLDER).join("values").join(file)
}

/// Reads, by the names of secrets, which files have the values of a configuration.
fn kept(root: &Root, of: &Path) -> Result<BTreeMap<String, String>> {
    let Some(text) = root.read(of)? else {
        return Ok(BTreeMap::new());
    };
    parse_list(&text).map_err(|error| {
        let path = root.show(of).display().to_string();
        let remedy = format!(
            "hint: move it away (`mv {path} {path}.damaged`), and switch to this configuration from a machine that has its secrets"
        );
        checked::in_file(error, &path, &remedy)
    })
}

/// Reads which files there are, by name; earlier builds wrote no version and no checksum.
fn parse_list(text: &[u8]) -> Result<BTreeMap<String, String>> {
    match checked::parse(VERSION, text) {
        Ok(list) => list.record(),
        // The form of today has a number in it.
        Err(error) => json::from_bytes(text).map_err(|_| error),
    }
}

/// Writes a value, encrypted where that can be done. Returns the name of its file.
fn write(root: &Root, name: &str, value: &[u8]) -> Result<String> {
    let mut random = [0; 8];
    File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut random))
        .context("reading /dev/urandom")?;
    let number = u64::from_le_bytes(random);
    let (suffix, bytes) = match encrypt(root, name, value) {
        Some(bytes) => ("cred", bytes),
        None => ("plain", value.to_vec()),
    };
    let file = format!("{name}.{number:016x}.{suffix}");
    write_private(root, &value_path(&file), &bytes, 0o600, (0, 0))?;
    Ok(file)
}

fn write_private(
    root: &Root,
    path: &Path,
    bytes: &[u8],
    mode: u32,
    (uid, gid): (u32, u32),
) -> Result<()> {
    let content = Content::Bytes(bytes);
    // It is written beside, and has its mode and owner before it has its name.
    root.write_file(
        path,
        &NewFile {
            content,
            mode,
            uid,
            gid,
        },
    )
}

/// Encrypts a value with the key of this host; none where nothing does that.
fn encrypt(root: &Root, name: &str, value: &[u8]) -> Option<Vec<u8>> {
    if !root.is_live() {
        return None;
    }
    // Not with the chip's state, which an update of the firmware changes.
    let output = Command::new("systemd-creds")
        .args(["encrypt", "--with-key=host"])
        .arg(format!("--name={name}"))
        .args(["-", "-"])
        .input(value.to_vec())
        .limit(LIMIT)
        .output();
    match output {
        Ok(output) if output.code == Some(0) => return Some(output.stdout),
        Ok(output) => tracing::warn!(
            "the secret {name} is stored unencrypted, readable only by root: systemd-creds: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        ),
        // A systemd before 250 has none.
        Err(error) => tracing::debug!("{error:#}"),
    }
    None
}

fn read(root: &Root, name: &str, file: &str) -> Result<Vec<u8>> {
    let path = value_path(file);
    let missing = || anyhow!("{} does not exist", root.show(&path).display());
    let bytes = root.read(&path)?.ok_or_else(missing)?;
    if file.rsplit('.').next() != Some("cred") {
        return Ok(bytes);
    }
    let output = Command::new("systemd-creds")
        .arg("decrypt")
        .arg(format!("--name={name}"))
        .args(["-", "-"])
        .input(bytes)
        .limit(LIMIT)
        .output()?;
    if output.code != Some(0) {
        bail!(
            "decrypting {}: {}",
            root.show(&path).display(),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(output.stdout)
}

/// Places the secrets of a configuration where services read them: those that accounts need, or the others. Returns the
/// units to restart and to reload, as what they read is another.
///
/// # Errors
/// When one is not kept here, or can't be placed.
pub(crate) fn place(
    root: &Root,
    toplevel: &AbsolutePath,
    for_users: bool,
    owners: &Owners,
) -> Result<[BTreeSet<String>; 2]> {
    let manifest = read_manifest(Path::new(toplevel.as_str()))?;
    let kept = kept(root, &of(toplevel))?;
    root.make_folders(Path::new("run/system-manager"))?;
    root.make_folder(Path::new(PLACE), 0o751)?;
    let [mut restart, mut reload] = [BTreeSet::new(), BTreeSet::new()];
    for secret in manifest
        .secrets
        .iter()
        .filter(|s| s.needed_for_users == for_users)
    {
        let placing = || format!("placing the secret {}", secret.name);
        let file = kept.get(secret.name.as_str()).with_context(|| {
            format!(
                "the secret {} is not on this host\nhint: switch to this configuration from a machine that has the secret",
                secret.name
            )
        })?;
        let value = read(root, secret.name.as_str(), file).with_context(placing)?;
        if place_one(root, secret, &value, owners).with_context(placing)? {
            restart.extend(secret.restart_units.iter().map(ToString::to_string));
            reload.extend(secret.reload_units.iter().map(ToString::to_string));
        }
    }
    Ok([restart, reload])
}

/// Returns whether its content is another than before.
fn place_one(root: &Root, secret: &Secret, value: &[u8], owners: &Owners) -> Result<bool> {
    let unknown = |what: &str, name: &str| anyhow!("there is no {what} {name}");
    let uid = owners.uid(&secret.owner);
    let uid = uid.ok_or_else(|| unknown("user", &secret.owner))?;
    let gid = owners.gid(&secret.group);
    let gid = gid.ok_or_else(|| unknown("group", &secret.group))?;
    let mode = u32::from_str_radix(&secret.mode, 8).context("its mode is not octal")?;
    let path = Path::new(PLACE).join(secret.name.as_str());
    let before = root.read(&path)?;
    write_private(root, &path, value, mode, (uid, gid))?;
    Ok(before.as_deref() != Some(value))
}

/// How long values may have been here whose configuration is not active yet: a switch is about to begin.
const FRESH: Duration = Duration::from_secs(3600);

/// Removes what no configuration needs any more that is active or a generation; all when nothing is active.
///
/// # Errors
/// When it can't be removed.
pub(crate) fn sweep(root: &Root, active: Option<&AbsolutePath>) -> Result<()> {
    let is_absent =
        |folder: &str| Ok::<_, anyhow::Error>(root.node(Path::new(folder))? == Node::Absent);
    if is_absent(PLACE)? && is_absent(FOLDER)? {
        return Ok(());
    }
    let wanted: BTreeSet<String> = match active {
        Some(toplevel) => {
            let manifest = read_manifest(Path::new(toplevel.as_str()))?;
            manifest
                .secrets
                .into_iter()
                .map(|s| s.name.to_string())
                .collect()
        }
        None => BTreeSet::new(),
    };
    for name in list(root, PLACE)? {
        if !wanted.contains(&name) {
            root.remove_file(&Path::new(PLACE).join(name))?;
        }
    }
    let mut alive: BTreeSet<PathBuf> = BTreeSet::new();
    if active.is_some() {
        alive.extend(active.map(of));
        alive.extend(generations::read(root)?.iter().map(|g| of(&g.toplevel)));
    }
    let mut needed = BTreeSet::new();
    let folder = format!("{FOLDER}/of");
    for name in list(root, &folder)? {
        let path = Path::new(&folder).join(name);
        let is_fresh = || {
            let changed = std::fs::metadata(root.show(&path)).and_then(|m| m.modified());
            let age = changed.map(|time| time.elapsed().unwrap_or_default());
            active.is_some() && age.is_ok_and(|age| age < FRESH)
        };
        if alive.contains(&path) || is_fresh() {
            needed.extend(kept(root, &path)?.into_values());
        } else {
            root.remove_file(&path)?;
        }
    }
    for name in list(root, &format!("{FOLDER}/values"))? {
        if !needed.contains(&name) {
            root.remove_file(&value_path(&name))?;
        }
    }
    for folder in [PLACE, &folder, &format!("{FOLDER}/values"), FOLDER] {
        // Those with something in them stay.
        root.remove_folder(Path::new(folder))?;
    }
    Ok(())
}

fn list(root: &Root, folder: &str) -> Result<Vec<String>> {
    if root.node(Path::new(folder))? == Node::Absent {
        return Ok(Vec::new());
    }
    root.list(Path::new(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_an_earlier_build_wrote_is_read_and_damage_is_not() {
        let list = parse_list(br#"{"key":"key.0.cred","version":"version.1.plain"}"#).unwrap();
        assert_eq!(list["version"], "version.1.plain");
        let new = checked::render(VERSION, &list).unwrap();
        assert_eq!(parse_list(&new).unwrap(), list);
        let text = String::from_utf8(new).unwrap();
        for damaged in [
            text.replace("key.0", "key.1"),
            text[..text.len() - 5].to_owned(),
        ] {
            assert!(parse_list(damaged.as_bytes()).is_err(), "{damaged}");
        }
    }

    #[test]
    fn a_secret_that_never_ends_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        for path in [pipe.to_str().unwrap(), "/dev/zero"] {
            let secret: Secret = serde_json::from_str(&serde_json::json!({
                "name": "key", "file": path, "command": null, "owner": "root", "group": "root", "mode": "0400",
                "neededForUsers": false, "restartUnits": [], "reloadUnits": [],
            }).to_string())
            .unwrap();
            let error = format!("{:#}", gather(&[secret]).unwrap_err());
            assert!(
                error.contains("not a regular file") && error.contains(path),
                "{error}"
            );
        }
    }
}
