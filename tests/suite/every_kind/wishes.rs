//! What configurations may want, kind by kind, as text of a manifest: the usual, the odd, and what must be refused.
//!
//! A field of the manifest that is not varied here fails `each_field_of_the_manifest_is_tried`.

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Map, Value, json};

use super::people::accounts;
use super::runs::{checks, health_checks, no_effect, requirements, scripts, secrets};
use super::sources::Sources;

/// How often a configuration has what must be refused.
const SELDOM: f64 = 0.015;

/// Gives random manifests whose sources are there.
pub fn manifests(sources: &'static Sources) -> impl Strategy<Value = Value> {
    let kinds = (
        files(sources),
        unit_fields(sources),
        (rules(sources), packages(sources), blocks()),
        accounts(),
        (
            environment(),
            requirements(),
            no_effect(),
            strings("nix"),
            basics(),
        ),
        (
            checks(sources),
            scripts(sources),
            health_checks(sources),
            secrets(),
        ),
    );
    kinds.prop_map(|(files, units, (rules, packages, blocks), accounts, more, run)| {
        let mut all = json!({ "version": 1, "blocks": blocks, "accounts": accounts, "packages": packages.0 });
        let fields = all.as_object_mut().unwrap();
        fields.extend(files);
        fields.extend(units);
        fields.extend(rules);
        let (environment, requirements, no_effect, nixpkgs, basics) = more;
        fields.insert("madeFrom".to_owned(), json!({
            "name": "every-kind", "system": "x86_64-linux", "systemManager": "0", "nixpkgs": nixpkgs,
        }));
        fields.insert("tmpfilesPackages".to_owned(), packages.1);
        fields.insert("basics".to_owned(), basics);
            fields.insert("environment".to_owned(), environment);
        fields.insert("hostRequirements".to_owned(), requirements);
        fields.insert("noEffect".to_owned(), no_effect);
        fields.insert("preActivationChecks".to_owned(), run.0);
        fields.insert("activationScripts".to_owned(), run.1);
        fields.insert("healthChecks".to_owned(), run.2);
        fields.insert("secrets".to_owned(), run.3);
        all
    })
}

type Fields = Map<String, Value>;

pub fn seldom() -> impl Strategy<Value = bool> {
    prop::bool::weighted(SELDOM)
}

/// Nothing, or one of these.
pub fn maybe<T: serde::Serialize + std::fmt::Debug + Clone + 'static>(
    values: Vec<T>,
) -> impl Strategy<Value = Value> {
    prop_oneof![1 => Just(Value::Null), 1 => select(values).prop_map(|v| json!(v))]
}

fn strings(value: &'static str) -> impl Strategy<Value = Value> {
    maybe(vec![value])
}

/// Some of these names.
pub fn some(
    names: &'static [&'static str],
    most: usize,
) -> impl Strategy<Value = Vec<&'static str>> {
    subsequence(names.to_vec(), 0..=most.min(names.len()))
}

/// Of each name that is chosen what `of` gives for it.
pub fn named<S: Strategy<Value = Value> + 'static>(
    names: &'static [&'static str],
    most: usize,
    of: impl Fn(&'static str) -> S + 'static,
) -> impl Strategy<Value = Value> {
    some(names, most).prop_flat_map(move |names| {
        let values: Vec<_> = names
            .into_iter()
            .map(|name| of(name).prop_map(move |value| (name.to_owned(), value)))
            .collect();
        values.prop_map(|all| Value::Object(all.into_iter().collect()))
    })
}

/// Where files may be placed; some below others, some that programs read which take no links.
const TARGETS: &[&str] = &[
    "a",
    "a/b",
    "c",
    "c/d",
    "c/e",
    ".hidden",
    "with a space",
    "ü",
    "motd",
    "issue.net",
    "folder/inside",
    "sysctl.d/60-x.conf",
    "modules-load.d/x.conf",
    "profile.d/x.sh",
    "security/limits.d/x.conf",
    "ssh/sshd_config.d/x.conf",
    "ssh/authorized_keys.d/alice",
    "sudoers.d/x",
    "cron.d/x",
    "NetworkManager/system-connections/x",
    "nftables.conf",
    "pam.d/x",
    "polkit-1/rules.d/x.rules",
    "udev/rules.d/99-x.rules",
    "dbus-1/system.d/x.conf",
    "logrotate.d/x",
    "systemd/system.conf.d/x.conf",
    "systemd/network/x.network",
    "systemd/system/by-hand.service",
    "systemd/system/host.service.d/more.conf",
    "tmpfiles.d/by-hand.conf",
    "sysusers.d/x.conf",
    "resolv.conf",
    "localtime",
    "nsswitch.conf",
    "skel/.profile",
    "empty",
    "environment.d/x.conf",
    "apparmor.d/local/x",
];

/// What the host can't do without.
const RESERVED: &[&str] = &[
    "passwd",
    "group",
    "shadow",
    "gshadow",
    "subuid",
    "subgid",
    "passwd-",
    "shadow-",
    "login.defs",
    "fstab",
    "mtab",
    "machine-id",
    "os-release",
    "passwd.lock",
    "ld.so.preload",
    "passwd/inside",
    "dpkg/dpkg.cfg.d/system-manager",
];

/// What can't be named at all, is a folder of the distribution, or a file that may get lines of ours too.
const WRONG: &[&str] = &[
    "../x",
    "/x",
    "x/",
    "a//b",
    ".",
    "",
    "x/../y",
    "theirs-too",
    "systemd/system",
    "tmpfiles.d",
    "theirs",
    "shells",
    "hosts",
    "crontab",
];

fn files(sources: &'static Sources) -> impl Strategy<Value = Fields> {
    let name = prop_oneof![
        150 => select(TARGETS),
        1 => select(RESERVED),
        2 => select(WRONG),
    ];
    let entries =
        prop::collection::btree_map(name, (entry(sources), prop::bool::weighted(0.15)), 0..7);
    (entries, seldom(), seldom()).prop_map(|(entries, nested, nothing)| {
        let mut etc = Map::new();
        let mut replaced: Vec<&str> = Vec::new();
        for (target, (entry, replace)) in entries {
            // Those above come first; mostly nothing lies below a file.
            let below = |above: &String| target.starts_with(&format!("{above}/"));
            if !nested && etc.keys().any(below) {
                continue;
            }
            let many = entry["source"]
                .as_str()
                .is_some_and(|s| s.contains('*') || s.ends_with("/folder"));
            if replace && !many {
                replaced.push(target);
            }
            etc.insert(target.to_owned(), entry);
        }
        if nothing {
            replaced.push("nothing-is-placed-here");
        }
        Map::from_iter([
            ("etc".to_owned(), Value::Object(etc)),
            ("replaceExisting".to_owned(), json!(replaced)),
        ])
    })
}

fn entry(sources: &'static Sources) -> impl Strategy<Value = Value> {
    let source = prop_oneof![
        60 => select(vec!["text-0", "text-1", "text-2", "empty", "large", "not-utf-8"]),
        8 => select(vec!["folder", "folder/*.conf", "link"]),
        1 => select(vec!["missing", "pipe", "folder/*.none", "dangling", "unreadable/*"]),
    ];
    let source = source.prop_map(|name| json!(sources.path(name)));
    let device =
        select(vec!["/dev/null", "/dev/full", "/proc/self/mem"]).prop_map(|path| json!(path));
    let mode = select(vec![
        "symlink",
        "symlink",
        "symlink",
        "direct-symlink",
        "0644",
        "0644",
        "0600",
        "0444",
        "4755",
        "2750",
        "0000",
        "7777",
    ]);
    let owner = || {
        prop_oneof![
            80 => select(vec!["root", "web", "+0", "+1", "+4242"]),
            1 => select(vec!["alice", "nobody-knows", "+", "+4294967295", ""]),
        ]
    };
    (prop_oneof![60 => source, 1 => device], mode, owner(), owner(), prop::bool::weighted(0.85)).prop_map(
        |(source, mode, user, group, replace)| {
            json!({ "source": source, "mode": mode, "user": user, "group": group, "replaceExisting": replace })
        },
    )
}

const UNITS: &[&str] = &[
    "a.service",
    "b@.service",
    "b@one.service",
    "c.timer",
    "d.socket",
    "e.path",
    "mnt-x.mount",
    "mnt-y.automount",
    "f.slice",
    "g.target",
    "swap.swap",
    "host.service",
    "host.timer",
    "packaged.service",
    "multi-user.target",
    "dbus.service",
];

fn unit_fields(sources: &'static Sources) -> impl Strategy<Value = Fields> {
    let packages = |wrong: &'static str| {
        let one = prop_oneof![20 => select(vec!["package-0", "package-1"]), 1 => Just(wrong)];
        prop::collection::vec(one.prop_map(|name| sources.path(name)), 0..2)
    };
    (
        named(UNITS, 4, move |name| unit(sources, name)),
        named(UNITS, 3, move |name| unit(sources, name)),
        packages("missing"),
        packages("text-0"),
    )
        .prop_map(|(units, user_units, packages, user_packages)| {
            Map::from_iter([
                ("units".to_owned(), units),
                ("userUnits".to_owned(), user_units),
                ("unitPackages".to_owned(), json!(packages)),
                ("userUnitPackages".to_owned(), json!(user_packages)),
            ])
        })
}

fn unit(sources: &'static Sources, name: &'static str) -> impl Strategy<Value = Value> {
    let is_there = ["host.service", "dbus.service", "multi-user.target"].contains(&name);
    let weight = if is_there { 20 } else { 1 };
    let text = prop_oneof![30 => select(vec!["whole", "other"]), weight => Just("addition")];
    let source = prop_oneof![
        40 => text.prop_map(move |text| json!(sources.unit(text, name))),
        5 => Just(Value::Null),
        1 => Just(json!(sources.path("missing"))),
    ];
    let owners: &[&str] = &[
        "multi-user.target",
        "timers.target",
        "host.service",
        "g.target",
        "b@two.service",
    ];
    // Mostly a name that no other unit has.
    let aliases = prop_oneof![
        20 => Just(Vec::new()),
        6 => Just(vec![format!("alias-of-{}", name.replace('@', "-"))]),
        1 => Just(vec!["alias.service".to_owned()]),
    ];
    let strategy = select(vec!["asDropinIfExists", "asDropinIfExists", "asDropin"]);
    (
        source,
        strategy,
        aliases,
        some(owners, 2),
        some(owners, 1),
        some(owners, 1),
    )
        .prop_map(|(source, strategy, aliases, wanted, required, upheld)| {
            json!({
                "source": source, "overrideStrategy": strategy, "aliases": aliases,
                "wantedBy": wanted, "requiredBy": required, "upheldBy": upheld,
            })
        })
}

/// The letters of rules, each with what follows the path: what of a distribution they change for good is only let loose
/// where the rules are among themselves.
const LETTERS: &[(&str, &str)] = &[
    ("f", "0644 root root - text"),
    ("f", "- - - -"),
    ("f+", "0600 web web - text"),
    ("F", "- - - - text"),
    ("w", "- - - - more"),
    ("w+", "- - - - more"),
    ("d", "0750 web web -"),
    ("d", "- - - -"),
    ("D", "0700 - - 1d"),
    ("e", "- - - 1d"),
    ("v", "- - - -"),
    ("q", "- - - -"),
    ("Q", "- - - -"),
    ("p", "0600 - - -"),
    ("p+", "- - - -"),
    ("L", "- - - - a"),
    ("L+", "- - - - b"),
    ("L?", "- - - - /nowhere"),
    ("c", "0600 - - - 1:3"),
    ("c+", "- - - - 1:3"),
    ("b", "- - - - 7:0"),
    ("b+", "- - - - 7:0"),
    ("C", "- - - - /etc/skel"),
    ("C+", "- - - - /etc/skel"),
    ("x", "- - - -"),
    ("X", "- - - -"),
    ("r", "- - - -"),
    ("R", "- - - -"),
    ("z", "0700 - - -"),
    ("Z", "~0755 - - -"),
    ("m", "0711 - - -"),
    ("t", "- - - - user.x=1"),
    ("T", "- - - - user.x=1"),
    ("h", "- - - - +d"),
    ("H", "- - - - +d"),
    ("a", "- - - - u:web:r"),
    ("a+", "- - - - u:web:r"),
    ("A", "- - - - u:web:r"),
    ("A+", "- - - - u:web:r"),
    ("d!", "- - - -"),
    ("f-", "- - - - text"),
    ("d=", "- - - -"),
    ("f~", "- - - - aGk="),
    ("f^", "- - - - credential"),
    ("d$", "- - - -"),
    ("L", "- alice alice - %m"),
    ("?", "wrong"),
    ("f", ""),
];

const RULE_PATHS: &[&str] = &[
    "/tmpf/a",
    "/tmpf/b",
    "/tmpf/a/c",
    "/tmpf/a/c/d",
    "/tmpf/there",
    "\"/tmpf/ odd\"",
    "/tmpf/%%",
    "/etc/tmpf/x",
    "/run/tmpf/x",
    "/var/lib/tmpf",
    "/tmpf/*",
    "relative",
    "/tmpf/../tmpf/e",
];

fn rules(sources: &'static Sources) -> impl Strategy<Value = Fields> {
    let line = (select(LETTERS), select(RULE_PATHS))
        .prop_map(|((letter, rest), path)| format!("{letter} {path} {rest}\n"));
    let file = prop::collection::vec(line, 0..5)
        .prop_map(move |lines| json!(sources.rules(&lines.concat())));
    let file = prop_oneof![80 => file, 1 => Just(json!(sources.path("missing"))), 1 => Just(json!(sources.path("not-utf-8")))];
    let names: &[&str] = &["x.conf", "00-first.conf", "not-rules.txt", "packaged.conf"];
    let file = file.boxed();
    named(names, 2, move |_| file.clone())
        .prop_map(|files| Map::from_iter([("tmpfiles".to_owned(), files)]))
}

/// The packages, and those with rules.
fn packages(sources: &'static Sources) -> impl Strategy<Value = (Value, Value)> {
    let sw = prop_oneof![10 => Just(Value::Null), 10 => Just(json!(sources.path("sw"))), 1 => Just(json!(sources.path("missing")))];
    let with_rules = prop_oneof![20 => Just("package-0"), 1 => Just("package-1")]
        .prop_map(|name| sources.path(name));
    (
        sw,
        some(&["hello-1", "hello-2"], 2),
        prop::collection::vec(with_rules, 0..2),
    )
        .prop_map(|(sw, names, with_rules)| {
            (json!({ "sw": sw, "names": names }), json!(with_rules))
        })
}

fn blocks() -> impl Strategy<Value = Value> {
    let text = select(vec![
        "one\n",
        "one\ntwo\n",
        "no end",
        "",
        "# system-manager\n",
        "ü\n",
        "\n\n",
    ]);
    let name = prop_oneof![
        100 => select(vec!["hosts", "theirs", "new-lines", "bash.bashrc", "crontab", "shells"]),
        1 => Just("folder/lines"),
        1 => select(vec!["passwd", "fstab", "theirs-too", "../x", "a/b"]),
    ];
    prop::collection::btree_map(name, text, 0..3).prop_map(|all| json!(all))
}

fn environment() -> impl Strategy<Value = Value> {
    named(&["EDITOR", "LANG"], 2, |_| {
        select(vec![json!("x"), json!("a b\n")])
    })
}

/// The host's name, zone, locale and keyboard.
fn basics() -> impl Strategy<Value = Value> {
    let set = |values: Vec<&'static str>| prop_oneof![4 => Just(Value::Null), 1 => select(values).prop_map(|v| json!(v))];
    (
        set(vec!["box", "two", "box", "not a name"]),
        set(vec!["Etc/UTC", "Etc/UTC", "No/Where"]),
        named(&["LANG", "LC_TIME"], 1, |_| select(vec![json!("C.UTF-8"), json!("de_DE.UTF-8")])),
        set(vec!["us", "de"]),
    )
        .prop_map(|(name, zone, locale, keys)| {
            json!({ "hostName": name, "timeZone": zone, "locale": locale, "keyMap": keys })
        })
}
