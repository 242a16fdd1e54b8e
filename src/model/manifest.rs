//! What a generation wants: the contract between the Nix side, which writes it, and the activator, which reads it.
//!
//! Data: scripts are named in it, with when they run. Unknown fields are refused, so that neither side can drift from the other unnoticed.
//! The JSON schema in `docs/manifest.schema.json` is generated from these types.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::in_order;
use crate::model::names::{AbsolutePath, FileName, TargetPath, UnitName};

/// The version of the format that this program reads and writes.
pub(crate) const VERSION: u32 = 1;

/// Everything that one generation manages on a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Manifest {
    /// Format version; always 1.
    pub version: u32,
    /// What the manifest was made from.
    pub made_from: MadeFrom,
    /// Files below `/etc`, by target (NixOS `environment.etc`).
    #[serde(deserialize_with = "in_order::read")]
    pub etc: BTreeMap<TargetPath, EtcEntry>,
    /// Unit files in `/etc/systemd/system`, by name.
    #[serde(deserialize_with = "in_order::read")]
    pub units: BTreeMap<UnitName, Unit>,
    /// Packages whose `{etc,lib}/systemd/system` is linked too (NixOS `systemd.packages`).
    pub unit_packages: Vec<AbsolutePath>,
    /// Unit files in `/etc/systemd/user`, by name.
    pub user_units: BTreeMap<UnitName, Unit>,
    /// Packages whose `{etc,lib}/systemd/user` is linked too.
    pub user_unit_packages: Vec<AbsolutePath>,
    /// Files in `/etc/tmpfiles.d`, by name, with their source.
    pub tmpfiles: BTreeMap<FileName, AbsolutePath>,
    /// Packages whose `lib/tmpfiles.d/*.conf` is linked too (NixOS `systemd.tmpfiles.packages`).
    pub tmpfiles_packages: Vec<AbsolutePath>,
    /// Lines that are added to files of the distribution below `/etc`, as a marked block.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub blocks: BTreeMap<TargetPath, String>,
    /// The host's name, time zone, locale and keyboard, where they are set.
    #[serde(default, skip_serializing_if = "Basics::is_empty")]
    pub basics: Basics,
    /// Targets below `/etc`, units and their links among them, at which a foreign file is backed up and replaced.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub replace_existing: BTreeSet<TargetPath>,
    /// Users and groups.
    pub accounts: Accounts,
    /// What the `sw` folder of the toplevel holds.
    pub packages: Packages,
    /// Variables of login shells (NixOS `environment.variables`); for the report, an etc entry sets them.
    pub environment: BTreeMap<String, String>,
    /// Programs that must exist on the target before anything is changed.
    pub host_requirements: Vec<HostRequirement>,
    /// Scripts that must exit 0 on the target before anything is changed.
    pub pre_activation_checks: Vec<PreActivationCheck>,
    /// Secrets, whose values come beside the generation (`system-manager.secrets`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<Secret>,
    /// What must be well after an activation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub health_checks: Vec<HealthCheck>,
    /// Scripts that run in an activation and at boot, in order (NixOS `system.activationScripts`).
    // A generation from before there were scripts can still be gone back to.
    #[serde(default)]
    pub activation_scripts: Vec<ActivationScript>,
    /// Options that are set but have no effect on a host like this.
    pub no_effect: Vec<NoEffect>,
}

/// What every host has one of; none of it is touched that is not set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Basics {
    /// Its name, without a domain (NixOS `networking.hostName`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_name: Option<String>,
    /// Its time zone, by a path below `/usr/share/zoneinfo` (NixOS `time.timeZone`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// Variables of its locale (NixOS `i18n.defaultLocale`, which is `LANG`, and `i18n.extraLocaleSettings`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub locale: BTreeMap<String, String>,
    /// The map of its keyboard, by its name for the console (NixOS `console.keyMap`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_map: Option<String>,
}

impl Basics {
    /// Whether none of it is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Where a manifest comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct MadeFrom {
    /// The name of the configuration; the specialisation's name is appended after `+`.
    pub name: String,
    /// The Nix system, such as `x86_64-linux`.
    pub system: String,
    /// The version of the modules that made it.
    pub system_manager: String,
    /// The nixpkgs whose packages are used; none for the embedded default.
    pub nixpkgs: Option<String>,
}

/// One entry of `environment.etc`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct EtcEntry {
    /// The file or folder that it shows; a last component with `*` is a glob whose matches are placed below the target.
    pub source: AbsolutePath,
    /// `symlink`, `direct-symlink`, or the octal mode of a copy.
    pub mode: EtcMode,
    /// Owner of a copy: a name, or `+` and a uid.
    pub user: String,
    /// Group of a copy: a name, or `+` and a gid.
    pub group: String,
    /// Whether a foreign file is kept as a backup and replaced, instead of being a conflict.
    pub replace_existing: bool,
}

/// How an etc entry is placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub enum EtcMode {
    /// A symbolic link to the source, or a copy where the host takes none.
    Symlink,
    /// A symbolic link to the source, whatever comes of it.
    DirectSymlink,
    /// A copy with these permission bits, including setuid, setgid and sticky.
    Copy(u32),
}

impl TryFrom<String> for EtcMode {
    type Error = String;
    fn try_from(s: String) -> Result<Self, String> {
        match s.as_str() {
            "symlink" => return Ok(Self::Symlink),
            "direct-symlink" => return Ok(Self::DirectSymlink),
            _ => {}
        }
        match u32::from_str_radix(&s, 8) {
            Ok(mode) if mode <= 0o7777 && s.bytes().all(|b| b.is_ascii_digit()) => {
                Ok(Self::Copy(mode))
            }
            _ => Err(format!(
                "mode {s:?} is neither `symlink`, `direct-symlink` nor an octal mode such as `0644`"
            )),
        }
    }
}

impl From<EtcMode> for String {
    fn from(m: EtcMode) -> String {
        match m {
            EtcMode::Symlink => "symlink".to_owned(),
            EtcMode::DirectSymlink => "direct-symlink".to_owned(),
            EtcMode::Copy(mode) => format!("{mode:04o}"),
        }
    }
}

/// One unit that the modules declare.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Unit {
    /// The unit file; its base name is the unit's. None: masked, that is linked to `/dev/null`.
    pub source: Option<AbsolutePath>,
    /// How it meets a unit of the same name from `unitPackages` (or, as a drop-in, from the distro).
    pub override_strategy: OverrideStrategy,
    /// Further names, linked to this unit.
    pub aliases: BTreeSet<UnitName>,
    /// Units whose `.wants` folder links it.
    pub wanted_by: BTreeSet<UnitName>,
    /// Units whose `.requires` folder links it.
    pub required_by: BTreeSet<UnitName>,
    /// Units whose `.upholds` folder links it.
    pub upheld_by: BTreeSet<UnitName>,
}

/// How a declared unit meets one of the same name (NixOS `overrideStrategy`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OverrideStrategy {
    /// A drop-in `NAME.d/overrides.conf` when a package of `unitPackages` ships the unit, else the unit file itself.
    AsDropinIfExists,
    /// Always a drop-in, also of a unit that the distro ships.
    AsDropin,
}

/// Users and groups with NixOS's semantics (`users.*`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Accounts {
    /// NixOS `users.mutableUsers`.
    pub mutable_users: bool,
    /// NixOS `users.manageLingering`.
    pub manage_lingering: bool,
    /// NixOS `users.allowNoPasswordLogin`.
    pub allow_no_password_login: bool,
    /// Enabled users by name.
    pub users: BTreeMap<String, User>,
    /// Groups by name.
    pub groups: BTreeMap<String, Group>,
}

/// A user that the configuration declares (NixOS `users.users.<name>`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct User {
    /// A fixed uid, or none to have one allocated.
    pub uid: Option<u32>,
    /// Whether ids come from the system range.
    pub is_system_user: bool,
    /// The GECOS field; none keeps an existing account's.
    pub description: Option<String>,
    /// The primary group's name; none keeps an existing account's, and is nobody's group (65534) for a new one.
    pub group: Option<String>,
    /// Groups that the user joins.
    pub extra_groups: BTreeSet<String>,
    /// The home directory; none keeps an existing account's, and is `/var/empty` for a new one.
    pub home: Option<AbsolutePath>,
    /// Permission bits of a home that is created, octal.
    pub home_mode: String,
    /// Whether the home is created.
    pub create_home: bool,
    /// The login shell; none keeps an existing account's.
    pub shell: Option<AbsolutePath>,
    /// The shell that serves when `shell` is not there (its store is not mounted, say).
    pub shell_fallback: Option<AbsolutePath>,
    /// A crypt(3) hash.
    pub hashed_password: Option<String>,
    /// A clear password, hashed on the target.
    pub password: Option<String>,
    /// A file on the target with a crypt(3) hash in its first line.
    pub hashed_password_file: Option<AbsolutePath>,
    /// A crypt(3) hash for a new account only.
    pub initial_hashed_password: Option<String>,
    /// A clear password for a new account only.
    pub initial_password: Option<String>,
    /// The day on which the account expires, `YYYY-MM-DD`.
    pub expires: Option<String>,
    /// Whether the user's manager runs without a session; none leaves it as it is.
    pub linger: Option<bool>,
    /// Whether a range of 65536 subordinate ids is allocated.
    pub auto_sub_uid_gid_range: bool,
    /// Fixed ranges of subordinate uids.
    pub sub_uid_ranges: Vec<SubIdRange>,
    /// Fixed ranges of subordinate gids.
    pub sub_gid_ranges: Vec<SubIdRange>,
}

/// A range of subordinate ids (subuid(5), subgid(5)).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct SubIdRange {
    /// The first id.
    pub start: u32,
    /// How many ids.
    pub count: u32,
}

/// A group that the configuration declares (NixOS `users.groups.<name>`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Group {
    /// A fixed gid, or none to have one allocated.
    pub gid: Option<u32>,
    /// Members, those of the users' `extraGroups` included.
    pub members: BTreeSet<String>,
}

/// The packages of a generation (NixOS `environment.systemPackages`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Packages {
    /// The folder that joins them; none when there are no packages.
    pub sw: Option<AbsolutePath>,
    /// Their names with versions, for the report.
    pub names: BTreeSet<String>,
}

/// A program of the distro that the configuration relies on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct HostRequirement {
    /// The path that must exist on the target.
    pub path: AbsolutePath,
    /// The host package that asks for it.
    pub package: String,
    /// What to install, by distro family (`debian`, `fedora`): `nginx-light`.
    pub install: BTreeMap<String, String>,
}

/// A check that runs on the target before an activation (`system-manager.preActivationAssertions`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct PreActivationCheck {
    /// Its name.
    pub name: String,
    /// An executable; exit status 0 means that the host may be activated.
    pub script: AbsolutePath,
}

/// A secret: where its value is on the machine from which one switches, and how it is placed on the target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Secret {
    /// Its name, of which it becomes a file in `/run/system-manager/secrets`.
    pub name: FileName,
    /// The file that has it.
    pub file: Option<AbsolutePath>,
    /// The command of the shell that prints it.
    pub command: Option<String>,
    /// Owner: a name, or `+` and a uid.
    pub owner: String,
    /// Group: a name, or `+` and a gid.
    pub group: String,
    /// Permission bits, octal.
    pub mode: String,
    /// Units that are restarted when its value is another.
    pub restart_units: Vec<UnitName>,
    /// Units that are reloaded then.
    pub reload_units: Vec<UnitName>,
    /// Whether it is placed before users and groups are changed.
    pub needed_for_users: bool,
}

/// A check that runs on the target after an activation (`system-manager.healthChecks`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct HealthCheck {
    /// Its name.
    pub name: String,
    /// An executable; exit status 0 means that the host is well.
    pub script: Option<AbsolutePath>,
    /// Units that must be active, before the script runs.
    pub units: Vec<UnitName>,
    /// How many seconds an attempt may take.
    pub timeout: u32,
    /// How often it is tried again, each time a second later.
    pub retries: u32,
}

/// A script that runs before units start: once users and files are in place, or before either.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ActivationScript {
    /// Its name.
    pub name: String,
    /// An executable that is safe to run again; any other exit status than 0 is a failure.
    pub script: AbsolutePath,
    /// Whether a dry activation runs it too.
    pub supports_dry_activation: bool,
    /// Whether it runs before users and groups are changed, which may need what it makes.
    #[serde(default)]
    pub before_accounts: bool,
}

/// An option that is set, but means nothing on a host that NixOS does not run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct NoEffect {
    /// The option's dotted path.
    pub option: String,
    /// The files that set it.
    pub defined_in: Vec<String>,
}

impl Manifest {
    /// Reads and checks a manifest's text. Pure.
    ///
    /// # Errors
    /// When it is not JSON of this version's form; the message names the field.
    pub fn parse(text: &str) -> Result<Self> {
        #[derive(Deserialize)]
        struct Head {
            version: Option<u32>,
        }
        // What follows only says what is wrong with it.
        if let Ok(manifest) = serde_json::from_str::<Self>(text)
            && manifest.version == VERSION
        {
            return Ok(manifest);
        }
        let head: Head = serde_json::from_str(text).context("the manifest is not a JSON object")?;
        match head.version {
            Some(VERSION) => {}
            Some(v) => bail!(
                "the manifest has version {v}, but this program reads version {VERSION}\nhint: use the `bin/system-manager` of the same toplevel"
            ),
            None => bail!("the manifest has no `version`"),
        }
        let mut json = serde_json::Deserializer::from_str(text);
        serde_path_to_error::deserialize(&mut json).map_err(|e| {
            let path = e.path().to_string();
            anyhow::Error::new(e.into_inner())
                .context(format!("the manifest's field `{path}` is wrong"))
        })
    }
}
