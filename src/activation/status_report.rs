//! A status as text for people: one screen, unless all of it is asked for.

use crate::activation::status::Status;
use crate::activation::status_units::Timer;
use crate::host::clock::now;
use crate::model::style::{Color, Style, count, line, natural, show_bytes};
use crate::model::time::render_time;
use crate::store::backups;

/// How many lines of one kind are shown unless all are asked for.
const SHOWN: usize = 8;

/// Renders a status. Pure but for the clock.
#[must_use]
pub(crate) fn render(status: &Status, style: Style) -> String {
    let mut out = String::new();
    render_active(&mut out, status, style);
    render_unfinished(&mut out, status, style);
    let warnings = status.warnings.iter().map(|w| format!("warning: {w}"));
    lines(
        &mut out,
        &warnings.collect::<Vec<_>>(),
        Color::Yellow,
        style,
    );
    lines(&mut out, &failures(status), Color::Red, style);
    lines(&mut out, &drift(status), Color::Yellow, style);
    let timers = status.timers.iter().map(describe_timer);
    lines(&mut out, &timers.collect::<Vec<_>>(), Color::Dim, style);
    let found = status
        .beside
        .iter()
        .map(|b| format!("beside: {}", b.text()));
    lines(&mut out, &found.collect::<Vec<_>>(), Color::Yellow, style);
    let folder = backups::FOLDER;
    let kept = status.backups.iter();
    let kept = kept.map(|(t, id)| format!("backup: /etc/{t} as it was before: /{folder}/{id}"));
    lines(&mut out, &kept.collect::<Vec<_>>(), Color::Dim, style);
    let saved = status.saved.iter();
    let saved = saved.map(|e| {
        format!(
            "backup of an edit: /etc/{}: /{folder}/{}",
            e.target, e.backup
        )
    });
    lines(&mut out, &saved.collect::<Vec<_>>(), Color::Dim, style);
    if let Some(free) = status.store_free {
        let text = format!("store: {} free", show_bytes(free));
        line(&mut out, &style.paint(Color::Dim, &text));
    }
    out
}

fn render_active(out: &mut String, status: &Status, style: Style) {
    let since = status.activated.map_or_else(String::new, |time| {
        format!(", since {} UTC", render_time(time))
    });
    let text = match (&status.active, status.generation) {
        (Some(toplevel), Some(n)) => format!("active: generation {n}, {toplevel}{since}"),
        (Some(toplevel), None) => {
            format!("active: {toplevel} (not registered as a generation){since}")
        }
        (None, _) => "nothing is active".to_owned(),
    };
    line(out, &style.paint(Color::Bold, &text));
    if status.taken_over_next {
        line(
            out,
            "numtide/system-manager manages this host; the next activation takes over its files, as `plan` shows",
        );
    }
    if status.ephemeral {
        line(
            out,
            "until the next reboot only: changes of /etc are in /run; the next boot or `deactivate` goes back to what was active before",
        );
    }
    if status.waits_for_boot {
        line(
            out,
            "installed for the next boot, which starts it, as does `system-manager switch`",
        );
    }
    if status.active.is_some() || status.files > 0 {
        let mut text = format!(
            "managed: {} below /etc{}",
            count(status.files, "file"),
            match status.units {
                0 => String::new(),
                1 => ", 1 of them a unit".to_owned(),
                n => format!(", {n} of them units"),
            }
        );
        if status.lines > 0 {
            text.push_str(&format!(
                ", lines in {} of others",
                count(status.lines, "file")
            ));
        }
        if status.accounts > 0 {
            text.push_str(&format!(", and {}", count(status.accounts, "account")));
        }
        line(out, &text);
    }
    if status.described > 0 {
        let described = count(status.described, "file");
        line(
            out,
            &format!("described: {described} that others have created"),
        );
    }
}

fn render_unfinished(out: &mut String, status: &Status, style: Style) {
    let mut rows = Vec::new();
    rows.extend(
        status
            .running
            .iter()
            .map(|holder| format!("running: {holder}")),
    );
    let interrupted = status.interrupted.iter();
    rows.extend(interrupted.map(|p| format!("interrupted: {p}; run it again to finish it")));
    if !status.pending.is_empty() {
        rows.push(format!(
            "left for the next run: {}",
            status.pending.join(", ")
        ));
    }
    if !status.unfinished_scripts.is_empty() {
        rows.push(format!(
            "activation scripts that failed, and run again next time: {}",
            status.unfinished_scripts.join(", ")
        ));
    }
    let problems = status.tmpfiles.iter();
    rows.extend(
        problems.map(|p| {
            format!("tmpfiles rules that failed, and are tried again by the next run: {p}")
        }),
    );
    lines(out, &rows, Color::Yellow, style);
}

fn failures(status: &Status) -> Vec<String> {
    let mut rows: Vec<String> = status
        .not_brought_up
        .iter()
        .map(|(unit, why)| {
            format!(
                "failed: {unit}: {why}; the next run tries it again; see `systemctl status {unit}`"
            )
        })
        .collect();
    let others = status.failed.iter();
    let others = others.filter(|unit| !status.not_brought_up.contains_key(*unit));
    rows.extend(others.map(|unit| format!("failed: {unit}; see `systemctl status {unit}`")));
    let unhealthy = status.unhealthy.iter();
    rows.extend(
        unhealthy
            .map(|(check, why)| format!("unhealthy: {check}: {why}; the next run checks it again")),
    );
    for (user, failures) in &status.not_brought_up_for_users {
        rows.extend(failures.iter().map(|(unit, why)| format!(
            "failed: {unit} of {user}: {why}; the next run tries it again; see `systemctl --user --machine={user}@ status {unit}`"
        )));
    }
    if status.user_managers_left {
        rows.push("user managers that could not be switched: the next run tries again".to_owned());
    }
    rows
}

fn drift(status: &Status) -> Vec<String> {
    let files = status.drift.iter().chain(&status.basics_drift);
    let mut rows: Vec<String> = files
        .map(|(target, drift)| format!("drift: /etc/{target} was {}", drift.word()))
        .collect();
    rows.sort_by(|a, b| natural(a, b));
    let described = status.described_drift.iter();
    rows.extend(described.map(|(target, drift)| {
        let word = drift.word();
        format!("drift: /etc/{target}, which is described and not managed, was {word}")
    }));
    let folders = status.folder_drift.iter();
    rows.extend(folders.map(|(folder, now)| {
        format!(
            "drift: the folder /etc/{folder} was given {} by hand",
            now.text()
        )
    }));
    rows.extend(
        status
            .tmpfiles_drift
            .iter()
            .map(|drift| format!("drift: {drift}")),
    );
    let lines = status.block_drift.iter();
    rows.extend(
        lines.map(|(t, drift)| {
            format!("drift: the managed lines in /etc/{t} were {}", drift.word())
        }),
    );
    rows.extend(status.name_drift.iter().map(|name| {
        format!(
            "drift: this host has been renamed to `{}`, but should be `{}`",
            name.from, name.to
        )
    }));
    for drift in &status.account_drift {
        let what = match (&drift.field, &drift.found) {
            (None, _) => "was removed by hand".to_owned(),
            (Some(field), Some(found)) => {
                format!("has the {field} `{}`, set by hand", found.text())
            }
            (Some(field), None) => format!("has another {field}, set by hand"),
        };
        let (name, file) = (&drift.name, drift.file.name());
        rows.push(format!("drift: `{name}` in /etc/{file} {what}"));
    }
    rows
}

fn describe_timer(timer: &Timer) -> String {
    let what = if timer.unit == "system-manager-upgrade.timer" {
        "the next upgrade"
    } else {
        "next"
    };
    match timer.next {
        Some(next) => {
            let left = next.saturating_sub(now());
            format!(
                "timer: {}, {what} {} UTC, in {}",
                timer.unit,
                render_time(next),
                span(left)
            )
        }
        None => format!("timer: {}", timer.unit),
    }
}

fn span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

fn lines(out: &mut String, rows: &[String], color: Color, style: Style) {
    let all = style.full || rows.len() <= SHOWN + 1;
    let shown = if all { rows.len() } else { SHOWN };
    let more = rows.len() - shown;
    let word = rows
        .first()
        .and_then(|row| row.split(':').next())
        .unwrap_or_default();
    let last = format!("{word}: and {more} more (-v lists them)");
    for row in rows.iter().take(shown) {
        line(out, &style.paint(color, row));
    }
    if more > 0 {
        line(out, &style.paint(color, &last));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_says_what_it_starts_and_when() {
        let timer = |unit: &str, next| {
            describe_timer(&Timer {
                unit: unit.to_owned(),
                next,
            })
        };
        let upgrade = timer("system-manager-upgrade.timer", Some(now() + 3 * 3600 + 30));
        let text = "timer: system-manager-upgrade.timer, the next upgrade 2";
        assert!(upgrade.starts_with(text), "{upgrade}");
        assert!(upgrade.ends_with(" UTC, in 3 h"), "{upgrade}");
        let other = timer("backup.timer", Some(now() + 5 * 60 + 30));
        assert!(other.starts_with("timer: backup.timer, next 2"), "{other}");
        assert!(other.ends_with(" UTC, in 5 min"), "{other}");
        assert_eq!(timer("a.timer", None), "timer: a.timer");
    }
}
