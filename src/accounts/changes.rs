//! Collecting an account's changes from several databases into one entry of the report. Pure.

use std::collections::BTreeMap;

use crate::accounts::database::{AccountFile, Bytes, Table, parse_number, passwd, shadow};
use crate::accounts::decide::{AccountChange, Action, FieldChange, Subject, field_name, is_secret};
use crate::accounts::entry::RowChange;
use crate::accounts::password::is_locked;

/// The changes so far.
#[derive(Debug, Default)]
pub(crate) struct Report {
    changes: BTreeMap<(Subject, String), (Action, Vec<FieldChange>)>,
}

impl Report {
    /// Notes what happened to an entry that is wanted.
    pub(crate) fn row(
        &mut self,
        file: AccountFile,
        name: &str,
        change: &RowChange,
        table: &Table<'_>,
    ) {
        if change.created {
            if let Some(row) = table.row(name.as_bytes()) {
                let fields = table.fields(row).map(Bytes::from).collect::<Vec<_>>();
                self.whole(file, name, Action::Add, &fields);
            }
            return;
        }
        for (field, before, after) in &change.fields {
            self.field(file, name, *field, before, after);
        }
    }

    /// Notes what happened to an entry that is no longer wanted; `line` is what it was.
    pub(crate) fn dropped(
        &mut self,
        file: AccountFile,
        name: &str,
        change: &RowChange,
        line: Option<&[u8]>,
    ) {
        if change.removed {
            let fields: Vec<Bytes> = line
                .unwrap_or_default()
                .split(|&b| b == b':')
                .map(Bytes::from)
                .collect();
            self.whole(file, name, Action::Remove, &fields);
        }
        for (field, before, after) in &change.fields {
            self.field(file, name, *field, before, after);
        }
    }

    /// Notes that a member list changed because a user goes.
    pub(crate) fn members(
        &mut self,
        file: AccountFile,
        name: &Bytes,
        before: &Bytes,
        after: &Bytes,
    ) {
        self.field(
            file,
            &name.text(),
            crate::accounts::database::group::MEMBERS,
            before,
            after,
        );
    }

    /// Notes a line of another database than the four.
    pub(crate) fn line(
        &mut self,
        subject: Subject,
        name: &str,
        action: Action,
        field: &str,
        value: Option<String>,
    ) {
        let entry = self.entry(
            subject,
            name,
            if subject == Subject::Shell {
                action
            } else {
                Action::Change
            },
        );
        let Some(value) = value else { return };
        let (before, after) = match action {
            Action::Remove => (Some(value), None),
            _ => (None, Some(value)),
        };
        entry.1.push(FieldChange {
            field: field.to_owned(),
            before,
            after,
        });
    }

    /// Returns the changes, without what becomes of these users' passwords.
    pub(crate) fn finish(mut self, late: &BTreeMap<String, String>) -> Vec<AccountChange> {
        for ((subject, name), (_, fields)) in &mut self.changes {
            if *subject == Subject::User && late.contains_key(name) {
                fields.retain(|f| f.field != "password");
            }
        }
        self.changes
            .retain(|_, (action, fields)| *action != Action::Change || !fields.is_empty());
        self.changes
            .into_iter()
            .map(|((subject, name), (action, fields))| AccountChange {
                action,
                subject,
                name,
                fields,
            })
            .collect()
    }

    fn entry(
        &mut self,
        subject: Subject,
        name: &str,
        action: Action,
    ) -> &mut (Action, Vec<FieldChange>) {
        let entry = self
            .changes
            .entry((subject, name.to_owned()))
            .or_insert_with(|| (action, Vec::new()));
        if action != Action::Change {
            entry.0 = action;
        }
        entry
    }

    fn whole(&mut self, file: AccountFile, name: &str, action: Action, fields: &[Bytes]) {
        let (subject, shown): (_, &[usize]) = match file {
            AccountFile::Passwd => (
                Subject::User,
                &[
                    passwd::UID,
                    passwd::GID,
                    passwd::GECOS,
                    passwd::HOME,
                    passwd::SHELL,
                ],
            ),
            AccountFile::Group => (Subject::Group, &[2, 3]),
            AccountFile::Shadow => (Subject::User, &[shadow::HASH, shadow::EXPIRE]),
            // gshadow repeats what group says.
            _ => return,
        };
        let add = action == Action::Add;
        // A shadow line alone comes or goes with an account that stays.
        let action = if file == AccountFile::Shadow {
            Action::Change
        } else {
            action
        };
        let entry = self.entry(subject, name, action);
        for &field in shown {
            let Some(value) = fields.get(field).filter(|v| !v.0.is_empty()) else {
                continue;
            };
            let value = Some(shown_value(file, field, value));
            let (before, after) = if add { (None, value) } else { (value, None) };
            if before.is_some() && is_secret(file, field) {
                continue;
            }
            entry.1.push(FieldChange {
                field: field_name(file, field).to_owned(),
                before,
                after,
            });
        }
    }

    fn field(
        &mut self,
        file: AccountFile,
        name: &str,
        field: usize,
        before: &Bytes,
        after: &Bytes,
    ) {
        let subject = match file {
            AccountFile::Group => Subject::Group,
            AccountFile::Passwd | AccountFile::Shadow => Subject::User,
            _ => return,
        };
        if file == AccountFile::Passwd && field == passwd::PASSWORD {
            return; // It only says that the password is in the shadow file.
        }
        let secret = is_secret(file, field);
        let change = FieldChange {
            field: field_name(file, field).to_owned(),
            before: (!secret).then(|| shown_value(file, field, before)),
            after: Some(if secret && !is_locked(&after.0) {
                "changed".to_owned()
            } else {
                shown_value(file, field, after)
            }),
        };
        let changes = &mut self.entry(subject, name, Action::Change).1;
        let Some(at) = changes.iter().position(|c| c.field == change.field) else {
            changes.push(change);
            return;
        };
        // It goes on from what another step has made of it.
        changes[at].after = change.after;
        if changes[at].before == changes[at].after {
            changes.remove(at);
        }
    }
}

fn shown_value(file: AccountFile, field: usize, value: &Bytes) -> String {
    if is_secret(file, field) {
        let locked = is_locked(&value.0);
        return if value.0.is_empty() {
            "empty: anybody can log in".to_owned()
        } else if locked {
            "locked".to_owned()
        } else {
            "set".to_owned()
        };
    }
    if file == AccountFile::Shadow && field == shadow::EXPIRE {
        return parse_number(&value.0).map_or_else(
            || value.text().into_owned(),
            |days| date_of_days(i64::from(days)),
        );
    }
    value.text().into_owned()
}

/// Turns days since 1970-01-01 into a date.
fn date_of_days(days: i64) -> String {
    // Years are counted from March, in eras of 400 years, as in `password::days_of_date`.
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    format!("{:04}-{month:02}-{day:02}", year_of_era + era * 400 + carry)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::password::days_of_date;

    #[test]
    fn dates_go_there_and_back() {
        for days in (0..60_000).step_by(13) {
            assert_eq!(days_of_date(&date_of_days(days)), Some(days));
        }
        assert_eq!(date_of_days(20779), "2026-11-22");
    }
}
