//! What happens to users and groups, for people.

use crate::accounts::decide::{AccountChange, AccountsReport, Action, Subject};
use crate::model::style::{Color, Style, heading, line};

/// Renders what happens to accounts, as a section of the plan. Pure.
pub(crate) fn render_accounts(out: &mut String, accounts: &AccountsReport, style: Style) {
    let quiet = accounts.changes.is_empty()
        && accounts.late_passwords.is_empty()
        && accounts.homes.is_empty()
        && accounts.linger.is_empty();
    if quiet && accounts.warnings.is_empty() {
        return;
    }
    heading(out, "Users and groups", style);
    for change in &accounts.changes {
        let color = match change.action {
            Action::Add => Color::Green,
            Action::Change => Color::Yellow,
            Action::Remove => Color::Red,
        };
        line(out, &style.paint(color, &format!("  {change}")));
        let stays = home_that_stays(change);
        if let Some(home) = stays {
            let text = format!("      {home} is kept, with everything in it");
            line(out, &style.paint(Color::Dim, &text));
        }
    }
    for home in &accounts.homes {
        let sign = if home.create { "+" } else { "~" };
        let text = format!(
            "  {sign} home {} (mode {:04o}, owner {}:{})",
            home.path, home.mode, home.uid, home.gid
        );
        line(
            out,
            &style.paint(
                if home.create {
                    Color::Green
                } else {
                    Color::Yellow
                },
                &text,
            ),
        );
    }
    for (user, on) in &accounts.linger {
        let text = if *on {
            "starts at boot"
        } else {
            "runs only while logged in"
        };
        line(out, &format!("  ~ the user manager of {user} {text}"));
    }
    for (user, path) in &accounts.late_passwords {
        let text = format!(
            "    the password of user `{user}` is read from {path} once the scripts before accounts have run"
        );
        line(out, &style.paint(Color::Dim, &text));
    }
    for warning in &accounts.warnings {
        let text = format!("    warning: {warning}");
        line(out, &style.paint(Color::Yellow, &text));
    }
}

/// The home of a user who goes; what only looks like one is no news.
fn home_that_stays(change: &AccountChange) -> Option<&str> {
    let goes = change.action == Action::Remove && change.subject == Subject::User;
    let home = change.fields.iter().find(|f| f.field == "home")?;
    let home = home.before.as_deref()?;
    (goes && !["/", "/var/empty", "/nonexistent"].contains(&home)).then_some(home)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::decide::FieldChange;

    #[test]
    fn a_home_that_stays_when_its_user_goes_is_named() {
        let change = |action, home: &str| AccountChange {
            action,
            subject: Subject::User,
            name: "alice".to_owned(),
            fields: vec![FieldChange {
                field: "home".to_owned(),
                before: Some(home.to_owned()),
                after: None,
            }],
        };
        for (action, home, expected) in [
            (Action::Remove, "/home/alice", true),
            (Action::Change, "/home/alice", false),
            (Action::Remove, "/var/empty", false),
        ] {
            let mut out = String::new();
            let accounts = AccountsReport {
                changes: vec![change(action, home)],
                ..AccountsReport::default()
            };
            render_accounts(&mut out, &accounts, Style::default());
            let told = out.contains(&format!("{home} is kept, with everything in it"));
            assert_eq!(told, expected, "{action:?} {home}: {out}");
        }
    }
}
