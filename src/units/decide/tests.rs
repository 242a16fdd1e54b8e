//! The decision tables: one row a case, written as a small text.

#[rustfmt::skip]
mod others;

use super::*;
use crate::units::set::{LiveUnit, UnitBody, UnitDef};

const A: &str = "[Service]\nExecStart=a\nExecReload=r\n";
const B: &str = "[Service]\nExecStart=b\nExecReload=r\n";
/// The target that is active in every case unless it says otherwise.
const UP: &str = "multi-user.target";

/// Reads `a.service` (a file), `a.service.d/x.conf` (a drop-in), `a.service < t.target` (wanted by), `a.service <! t`
/// (required by), `a.service = b.service` (an alias); the text `/dev/null` masks.
pub(super) fn set(entries: &[(&str, &str)]) -> UnitSet {
    let mut set = UnitSet::default();
    for (path, text) in entries {
        let body = || match *text {
            "/dev/null" => UnitBody::Masked,
            text => UnitBody::Text(text.into()),
        };
        let def = |set: &mut UnitSet, name: &str, change: &dyn Fn(&mut UnitDef)| {
            change(set.units.entry(name.to_owned()).or_default());
        };
        if let Some((name, target)) = path.split_once(" <! ") {
            def(&mut set, name, &|d| _ = d.required_by.insert(target.into()));
        } else if let Some((name, target)) = path.split_once(" < ") {
            def(&mut set, name, &|d| _ = d.wanted_by.insert(target.into()));
        } else if let Some((alias, name)) = path.split_once(" = ") {
            def(&mut set, name, &|d| _ = d.aliases.insert(alias.into()));
        } else if let Some((name, file)) = path.split_once(".d/") {
            def(&mut set, name, &|d| {
                _ = d.dropins.insert(file.into(), body());
            });
        } else {
            def(&mut set, path, &|d| d.main = Some(body()));
        }
    }
    set
}

/// Reads `a.service`, `a.service:failed`, `a.service:active:below`, with `a.service>b.service` for a bond to `b.service`.
pub(super) fn live(text: &str) -> Live {
    let mut live = Live::default();
    for word in text.split_whitespace() {
        let (word, bond) = word
            .split_once('>')
            .map_or((word, None), |(w, b)| (w, Some(b)));
        let mut parts = word.split(':');
        let name = parts.next().unwrap_or_default();
        let unit = LiveUnit {
            active_state: parts.next().unwrap_or("active").into(),
            origin: match parts.next() {
                Some("below") => Origin::Below,
                Some("above") => Origin::Above,
                Some("nowhere") => Origin::Nowhere,
                _ => Origin::Ours,
            },
            stops_with: bond.into_iter().map(str::to_owned).collect(),
            ..LiveUnit::default()
        };
        live.units.insert(name.into(), unit);
    }
    live
}

/// Writes a plan as `stop a.service, start a.service`; hidden actions in parentheses.
pub(super) fn told(plan: &UnitPlan) -> String {
    let actions = [&plan.stop, &plan.reload, &plan.restart, &plan.start];
    let mut words: Vec<String> = actions
        .into_iter()
        .flatten()
        .map(|a| if a.visible { format!("{} {}", a.verb.word(), a.unit) } else { format!("({} {})", a.verb.word(), a.unit) })
        .collect();
    words.extend(plan.skipped.iter().map(|s| format!("skip {}", s.unit)));
    if words.is_empty() {
        "nothing".into()
    } else {
        words.join(", ")
    }
}

pub(super) type Files<'a> = &'a [(&'a str, &'a str)];

fn plan_with(old: Files, new: Files, units: &str, seeds: &Seeds, options: Options) -> UnitPlan {
    let units = format!("{UP}:active:below {units}");
    decide_alone(&set(old), &set(new), &live(&units), seeds, options)
}

/// Decides for a host that has no units of its own.
fn decide_alone(old: &UnitSet, new: &UnitSet, live: &Live, seeds: &Seeds, options: Options) -> UnitPlan {
    let (beneath, failed, ran, ground) = (&UnitSet::default(), &Failures::new(), &BTreeSet::new(), &Ground::default());
    decide(&Facts { old, new, beneath, live, seeds, failed, ran, ground, options })
}

fn plan(old: Files, new: Files, units: &str) -> UnitPlan {
    plan_with(old, new, units, &Seeds::default(), Options::default())
}

fn check(rows: &[(&str, Files, Files, &str, &str)]) {
    for (why, old, new, units, expected) in rows {
        let plan = plan(old, new, units);
        assert_eq!(told(&plan), *expected, "{why}: {plan:#?}");
    }
}

/// Checks the change from `old` to `new` of one active unit.
fn check_one(unit: &str, rows: &[(&str, &str, &str, &str)]) {
    for (why, old, new, expected) in rows {
        let plan = plan(&[(unit, old)], &[(unit, new)], unit);
        assert_eq!(told(&plan), expected.replace('@', unit), "{why}: {plan:#?}");
    }
}

fn with(text: &str, more: &str) -> String {
    format!("{text}{more}\n")
}

#[test]
fn an_active_service_follows_its_own_word() {
    let service = |more: &str| with(B, more);
    let unit = |more: &str| format!("{B}[Unit]\n{more}\n");
    let trigger = |value: &str| format!("{A}[Unit]\nX-Reload-Triggers={value}\n");
    check_one(
        "a.service",
        &[
            ("Description only", &with(A, "[Unit]\nDescription=x"), A, "nothing"),
            ("X-Reload-Triggers changed", &trigger("1"), &trigger("2"), "reload @"),
            ("X-Reload-Triggers and ExecStart, stopIfChanged=false", &trigger("1"), &format!("{}[Unit]\nX-Reload-Triggers=2\n", service("X-StopIfChanged=false") ), "restart @"),
            ("X-Restart-Triggers changed", &with(A, "[Unit]\nX-Restart-Triggers=1"), &with(A, "[Unit]\nX-Restart-Triggers=2"), "stop @, start @"),
            ("ExecReload changed", A, "[Service]\nExecStart=a\nExecReload=s", "reload @"),
            ("ExecReload removed", A, "[Service]\nExecStart=a", "nothing"),
            ("ExecStart changed", A, B, "stop @, start @"),
            ("X-StopIfChanged=false", A, &service("X-StopIfChanged=false"), "restart @"),
            ("X-ReloadIfChanged=true", A, &service("X-ReloadIfChanged=true"), "reload @"),
            ("X-RestartIfChanged=false", A, &service("X-RestartIfChanged=false"), "skip @"),
            ("RefuseManualStop=true", A, &unit("RefuseManualStop=true"), "skip @"),
            ("X-OnlyManualStart=true", A, &unit("X-OnlyManualStart=true"), "skip @"),
            ("switch method reload", A, &unit("X-SwitchMethod=reload"), "reload @"),
            ("switch method restart", A, &unit("X-SwitchMethod=restart"), "restart @"),
            ("switch method stop-start", A, &unit("X-SwitchMethod=stop-start"), "stop @, start @"),
            ("switch method keep-old", A, &unit("X-SwitchMethod=keep-old"), "skip @"),
            ("unknown switch method", A, &unit("X-SwitchMethod=later"), "stop @, start @"),
            ("the switch method wins", A, &format!("{}[Unit]\nX-SwitchMethod=restart", service("X-RestartIfChanged=false") ), "restart @"),
            ("a reload that cannot be", "[Service]\nExecStart=a\n[Unit]\nX-Reload-Triggers=1", "[Service]\nExecStart=a\n[Unit]\nX-Reload-Triggers=2", "nothing"),
            ("masked", A, "/dev/null", "stop @"),
            ("an empty file is a mask", A, "", "stop @"),
            ("masked, kept", &with(A, "[Unit]\nX-StopOnRemoval=no"), "/dev/null", "nothing"),
        ],
    );
    check(&[
        ("removed", &[("a.service", A)], &[], "a.service", "stop a.service"),
        ("removed, kept", &[("a.service", &with(A, "[Unit]\nX-StopOnRemoval=false"))], &[], "a.service", "nothing"),
        ("removed while it activates", &[("a.service", A)], &[], "a.service:activating", "stop a.service"),
        ("changed while it reloads", &[("a.service", A)], &[("a.service", B)], "a.service:reloading", "stop a.service, start a.service"),
        ("removed, inactive", &[("a.service", A)], &[], "a.service:inactive", "nothing"),
        ("the distro's own", &[("b.service", A)], &[("b.service", B)], "a.service:active:below", "nothing"),
        ("shadowed by another file", &[("a.service", A)], &[("a.service", B)], "a.service:active:above", "nothing"),
        ("its file was lost", &[("a.service", A)], &[("a.service", B)], "a.service:active:nowhere", "stop a.service, start a.service"),
        ("its file was lost, and it goes", &[("a.service", A)], &[], "a.service:active:nowhere", "stop a.service"),
        ("it never had a file", &[], &[("a.service", A)], "a.service:active:nowhere", "nothing"),
        ("loaded from elsewhere", &[("a.service", A)], &[("a.service", B)], "a.service:active:below", "nothing"),
    ]);
}

#[test]
fn a_following_unit_is_left_to_the_one_it_follows() {
    let mut live = live("a.service");
    if let Some(unit) = live.units.get_mut("a.service") {
        unit.following = "b.service".into();
    }
    let (old, new) = (set(&[("a.service", A)]), set(&[]));
    let plan = decide_alone(&old, &new, &live, &Seeds::default(), Options::default());
    assert_eq!(told(&plan), "nothing");
}

#[test]
fn sockets_start_their_services() {
    let s = "[Socket]\nListenStream=1\n";
    let s2 = "[Socket]\nListenStream=2\n";
    let wanted = ("foo.socket < sockets.target", "");
    let open = &with(B, "X-NotSocketActivated=true");
    let named = &with(B, "Sockets=x.socket y.socket");
    check(&[
        ("active socket", &[("foo.service", A), ("foo.socket", s)], &[("foo.service", B), ("foo.socket", s)], "foo.service foo.socket", "stop foo.socket, stop foo.service, start foo.socket"),
        ("X-NotSocketActivated", &[("foo.service", A), ("foo.socket", s)], &[("foo.service", open), ("foo.socket", s)], "foo.service foo.socket", "stop foo.socket, stop foo.service, start foo.socket, start foo.service"),
        ("socket new in this generation", &[("foo.service", A)], &[("foo.service", B), ("foo.socket", s), wanted], "foo.service sockets.target:active:below", "stop foo.service, start foo.socket"),
        ("socket that nothing wants", &[("foo.service", A)], &[("foo.service", B), ("foo.socket", s)], "foo.service", "stop foo.service, start foo.service"),
        ("socket that goes", &[("foo.service", A), ("foo.socket", s)], &[("foo.service", B)], "foo.service foo.socket", "stop foo.socket, stop foo.service, start foo.service"),
        ("the distro's socket", &[("foo.service", A)], &[("foo.service", B)], "foo.service foo.socket:active:below", "stop foo.socket, stop foo.service, start foo.socket"),
        ("named sockets", &[("foo.service", A), ("x.socket", s), ("y.socket", s)], &[("foo.service", named), ("x.socket", s), ("y.socket", s)], "foo.service x.socket", "stop x.socket, stop foo.service, start x.socket"),
        ("instance with a socket", &[("a@.service", A), ("a.socket", s)], &[("a@.service", B), ("a.socket", s)], "a@1.service a.socket", "stop a.socket, stop a@1.service, start a.socket"),
        ("the socket itself", &[("foo.socket", s)], &[("foo.socket", s2)], "foo.socket", "nothing"),
    ]);
}

#[test]
fn changed_sockets_restart_on_request_where_it_is_safe() {
    let options = Options {
        restart_sockets: true,
        ..Options::default()
    };
    let kept = &with(A, "X-RestartIfChanged=false");
    let (s, s2) = ("[Socket]\nListenStream=1\n", "[Socket]\nListenStream=2\n");
    for (why, service, units, expected) in [
        ("no service", A, "foo.socket", "restart foo.socket"),
        ("its service runs", A, "foo.socket foo.service", "stop foo.socket, stop foo.service, start foo.socket"),
        ("its service must not stop", kept, "foo.socket foo.service", "nothing"),
    ] {
        let plan = plan_with(
            &[("foo.socket", s), ("foo.service", service)],
            &[("foo.socket", s2), ("foo.service", service)],
            units,
            &Seeds::default(),
            options,
        );
        assert_eq!(told(&plan), expected, "{why}");
    }
}

#[test]
fn each_kind_of_unit_has_its_rule() {
    let m = "[Mount]\nWhat=a\nOptions=a\n";
    let (what, options) = ("[Mount]\nWhat=b\nOptions=a\n", "[Mount]\nWhat=a\nOptions=b\n");
    let stop_first = "[Unit]\nX-StopOnReconfiguration=yes";
    check_one("a.timer", &[("timer", "[Timer]\nA=1", "[Timer]\nA=2", "restart @")]);
    check_one("a.automount", &[("automount", "[Automount]\nA=1", "[Automount]\nA=2", "restart @")]);
    check_one("a.swap", &[("swap", "[Swap]\nA=1", "[Swap]\nA=2", "restart @")]);
    check_one("a.path", &[("path", "[Path]\nA=1", "[Path]\nA=2", "nothing")]);
    check_one("a.slice", &[("slice", "[Slice]\nA=1", "[Slice]\nA=2", "nothing")]);
    check_one("mnt.mount", &[("options", m, options, "reload @"), ("what", m, what, "restart @")]);
    for unit in ["-.mount", "nix.mount"] {
        check_one(unit, &[
            ("options", m, options, "reload @"),
            ("what", m, what, "reload @"),
            ("gone", m, "/dev/null", "nothing"),
        ]);
    }
    check_one("app.target", &[
        ("target", "[Unit]\nAfter=a", "[Unit]\nAfter=b", "nothing"),
        ("stop first", "[Unit]\nA=1", stop_first, "stop @, start @"),
        ("stop first, nothing changed", stop_first, stop_first, "nothing"),
        ("stop first, refused", "[Unit]\nA=1", "[Unit]\nX-StopOnReconfiguration=yes\nRefuseManualStart=yes", "nothing"),
        ("gone", "[Unit]\nA=1", "/dev/null", "stop @"),
    ]);
    check_one("suspend.target", &[("sleep", "[Unit]\nA=1", stop_first, "nothing")]);
}

#[test]
fn a_new_unit_that_switches_leave_alone_comes_with_its_target() {
    let only: Files = &[
        ("a.timer", "[Unit]\nX-OnlyManualStart=true\n[Timer]\nOnCalendar=daily\n"),
        ("a.timer < multi-user.target", ""),
    ];
    let refusing: Files = &[
        ("a.timer", "[Unit]\nX-OnlyManualStart=true\nRefuseManualStart=true\n"),
        ("a.timer < multi-user.target", ""),
    ];
    let changed: Files = &[
        ("a.timer", "[Unit]\nX-OnlyManualStart=true\n[Timer]\nOnCalendar=weekly\n"),
        ("a.timer < multi-user.target", ""),
    ];
    check(&[
        ("new", &[], only, "", "start a.timer"),
        ("new, and it refuses every start", &[], refusing, "", "nothing"),
        ("changed, and somebody stopped it", only, changed, "a.timer:inactive", "nothing"),
        ("changed, and it runs", only, changed, "a.timer", "skip a.timer"),
    ]);
}

#[test]
fn nixos_starts_every_active_target_anew() {
    let options = Options {
        start_active_targets: true,
        ..Options::default()
    };
    let files: Files = &[("app.target", "[Unit]\nA=1")];
    for (new, expected) in [
        ("[Unit]\nA=1", "(start app.target)"),
        ("[Unit]\nA=1\nX-OnlyManualStart=yes", "nothing"),
        ("[Unit]\nX-StopOnReconfiguration=yes", "stop app.target, start app.target"),
    ] {
        let plan = plan_with(
            files,
            &[("app.target", new)],
            "app.target",
            &Seeds::default(),
            options,
        );
        assert_eq!(told(&plan), expected);
    }
}

#[test]
fn instances_follow_their_templates_and_drop_ins() {
    let x = "[Service]\nUser=x";
    check(&[
        ("template changed", &[("a@.service", A)], &[("a@.service", B)], "a@i.service", "stop a@i.service, start a@i.service"),
        ("template unchanged", &[("a@.service", A)], &[("a@.service", A)], "a@i.service", "nothing"),
        ("template gone", &[("a@.service", A)], &[], "a@i.service", "stop a@i.service"),
        ("drop-in of the instance gone", &[("a@.service", A), ("a@i.service.d/o.conf", x)], &[("a@.service", A)], "a@i.service", "stop a@i.service"),
        ("drop-in of the instance masked", &[("a@.service", A), ("a@i.service.d/o.conf", x)], &[("a@.service", A), ("a@i.service.d/o.conf", "/dev/null")], "a@i.service", "stop a@i.service"),
        ("drop-in of the instance changed", &[("a@.service", A), ("a@i.service.d/o.conf", x)], &[("a@.service", A), ("a@i.service.d/o.conf", "[Service]\nUser=y")], "a@i.service", "stop a@i.service, start a@i.service"),
        ("a template is never started", &[], &[("a@.service", A), ("a@.service < multi-user.target", "")], "", "nothing"),
        ("drop-in of the template gone", &[("a@.service", A), ("a@.service.d/o.conf", x)], &[("a@.service", A)], "a@i.service", "stop a@i.service, start a@i.service"),
        ("drop-in of the instance new", &[("a@.service", A)], &[("a@.service", A), ("a@i.service.d/o.conf", x)], "a@i.service", "stop a@i.service, start a@i.service"),
        ("a file of its own", &[("a@.service", A)], &[("a@.service", B), ("a@i.service", A)], "a@i.service", "nothing"),
        ("a new instance is wanted", &[("a@.service", A)], &[("a@.service", A), ("a@j.service < multi-user.target", "")], "a@i.service", "start a@j.service"),
    ]);
}

#[test]
fn drop_ins_of_the_distros_units_count() {
    let x = ("v.service.d/o.conf", "[Service]\nUser=x");
    let y = ("v.service.d/o.conf", "[Service]\nUser=y");
    let t = ("v.service.d/t.conf", "[Unit]\nX-Reload-Triggers=1");
    let w = ("v.service.d/w.conf", "[Unit]\nDescription=w");
    check(&[
        ("new", &[], &[x], "v.service:active:below", "restart v.service"),
        ("changed", &[x], &[y], "v.service:active:below", "restart v.service"),
        ("gone", &[x], &[], "v.service:active:below", "restart v.service"),
        ("unchanged", &[x], &[x], "v.service:active:below", "nothing"),
        ("a trigger that is new", &[], &[t], "v.service:active:below", "reload v.service"),
        ("a trigger that is gone, with its drop-in", &[t], &[], "v.service:active:below", "reload v.service"),
        ("a trigger that is gone, with nothing else", &[t, w], &[w], "v.service:active:below", "reload v.service"),
        ("a trigger that is gone, with more", &[t, x], &[], "v.service:active:below", "restart v.service"),
        ("a trigger that is gone, of an inactive unit", &[t], &[], "v.service:inactive:below", "nothing"),
        ("masked by us", &[], &[("v.service", "/dev/null")], "v.service:active:below", "stop v.service"),
        ("masked before already", &[("v.service", "/dev/null")], &[("v.service", "/dev/null")], "v.service:active:below", "nothing"),
        ("taken over", &[], &[("v.service", A)], "v.service:active:below", "stop v.service, start v.service"),
        ("only wanted", &[], &[("v.service < multi-user.target", "")], "v.service:active:below", "nothing"),
        ("only wanted, inactive", &[], &[("v.service < multi-user.target", "")], "v.service:inactive:below", "start v.service"),
    ]);
}

#[test]
fn aliases_have_the_definition_of_their_unit() {
    check(&[
        ("becomes an alias", &[("a.service", A)], &[("b.service", B), ("a.service = b.service", "")], "a.service", "stop a.service, start b.service"),
        ("the same under another name", &[("a.service", A)], &[("b.service", A), ("a.service = b.service", "")], "a.service", "nothing"),
        ("an alias of another type is none", &[("a.service", A)], &[("a.service", A), ("b.target", "[Unit]\nA=1"), ("a.service = b.target", ""), ("c.service = b.target", "")], "a.service c.service", "nothing"),
        ("alias gone", &[("b.service", A), ("a.service = b.service", "")], &[("b.service", A)], "b.service", "nothing"),
    ]);
}
