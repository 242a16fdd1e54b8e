//! Bringing one entry of an account database to what is wanted, and back. Pure.
//!
//! Each edit is recorded with the bytes that it replaced. Going back restores a field only while it still holds what
//! was set: what somebody else wrote since stays.

use std::collections::{BTreeMap, BTreeSet};

use crate::accounts::database::{Bytes, Table, group, members, render_line};
use crate::accounts::record::{Edit, MemberEdit, OwnedRow};

/// What a field of an entry should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cell {
    /// This value.
    Set(Bytes),
    /// This value now, and whatever others make of it later.
    Initial(Bytes),
    /// Whatever it is: somebody else decides. The bytes to go back to stay on record.
    Free,
}

/// Members that a group should have.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct WantedMembers {
    /// Their names.
    pub names: BTreeSet<String>,
    /// Whether it should have no others.
    pub exact: bool,
}

/// An entry as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WantedRow {
    /// All fields of the entry, should it have to be made.
    pub template: Vec<Bytes>,
    /// Fields that are set in any case.
    pub cells: BTreeMap<usize, Cell>,
    /// Members, for a group.
    pub members: WantedMembers,
    /// The id that identifies the entry.
    pub id: Option<u32>,
}

/// What happened to an entry.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct RowChange {
    /// Whether it was made.
    pub created: bool,
    /// Whether it was taken out.
    pub removed: bool,
    /// Fields that changed: number, before, after.
    pub fields: Vec<(usize, Bytes, Bytes)>,
    /// Fields that somebody else changed and that were therefore left alone.
    pub left: Vec<usize>,
}

/// Makes or edits an entry. The caller has made sure that the name has no more than one well-formed line.
pub(crate) fn apply_row(
    table: &mut Table<'_>,
    name: &str,
    owned: Option<&OwnedRow>,
    wanted: &WantedRow,
) -> (OwnedRow, RowChange) {
    let mut change = RowChange::default();
    let mut now = owned.cloned().unwrap_or_default();
    if table.row(name.as_bytes()).is_none() {
        // Whatever was recorded was about a line that is gone; this one is ours from the start.
        now = OwnedRow {
            created: true,
            ..OwnedRow::default()
        };
        table.append(render_line(&wanted.template));
        change.created = true;
    }
    now.id = wanted.id;
    let Some(row) = table.row(name.as_bytes()) else {
        return (now, change);
    };
    for (&field, cell) in &wanted.cells {
        set_cell(table, row, field, cell, &mut now, &mut change);
    }
    let dropped: Vec<usize> = now
        .cells
        .keys()
        .copied()
        .filter(|f| !wanted.cells.contains_key(f))
        .collect();
    for field in dropped {
        if let Some(edit) = now.cells.remove(&field) {
            restore_cell(table, row, field, &edit, &mut change);
        }
    }
    now.members = apply_members(
        table,
        row,
        now.members.as_ref(),
        &wanted.members,
        &mut change,
    );
    (now, change)
}

/// Gives a field what is wanted of it, and remembers what it had.
fn set_cell(
    table: &mut Table<'_>,
    row: usize,
    field: usize,
    cell: &Cell,
    now: &mut OwnedRow,
    change: &mut RowChange,
) {
    let (Cell::Set(value) | Cell::Initial(value)) = cell else {
        if let Some(edit) = now.cells.get_mut(&field) {
            edit.free = true;
        }
        return;
    };
    let current = Bytes::from(table.field(row, field));
    let known = now.cells.get(&field).map(|edit| edit.before.clone());
    if current != *value {
        table.set(row, field, &value.0);
        let before = current.clone();
        change.fields.push((field, before, value.clone()));
    } else if known.is_none() && !now.created {
        return; // It is as wanted without our doing: there is nothing to put back.
    }
    let edit = Edit {
        before: known.unwrap_or(current),
        after: value.clone(),
        free: matches!(cell, Cell::Initial(_)),
    };
    now.cells.insert(field, edit);
}

/// Takes out an entry that was made, or puts an adopted one back.
pub(crate) fn drop_row(table: &mut Table<'_>, name: &str, owned: &OwnedRow) -> RowChange {
    let mut change = RowChange::default();
    let Some(row) = table.row(name.as_bytes()) else {
        return change;
    };
    if owned.created {
        table.remove(row);
        change.removed = true;
        return change;
    }
    for (&field, edit) in &owned.cells {
        restore_cell(table, row, field, edit, &mut change);
    }
    if owned.members.is_some() {
        apply_members(
            table,
            row,
            owned.members.as_ref(),
            &WantedMembers::default(),
            &mut change,
        );
    }
    change
}

fn restore_cell(
    table: &mut Table<'_>,
    row: usize,
    field: usize,
    edit: &Edit,
    change: &mut RowChange,
) {
    let current = Bytes::from(table.field(row, field));
    if current == edit.before {
        return;
    }
    if current != edit.after {
        change.left.push(field);
        return;
    }
    table.set(row, field, &edit.before.0);
    change.fields.push((field, current, edit.before.clone()));
}

fn apply_members(
    table: &mut Table<'_>,
    row: usize,
    owned: Option<&MemberEdit>,
    wanted: &WantedMembers,
    change: &mut RowChange,
) -> Option<MemberEdit> {
    if owned.is_none() && wanted.names.is_empty() && !wanted.exact {
        return None;
    }
    let current = Bytes::from(table.field(row, group::MEMBERS));
    // What the field would be had we never come; then our wishes on top of that.
    let before = owned.map_or_else(|| current.clone(), |edit| without_edit(&current, edit));
    let was: BTreeSet<Bytes> = members(&before.0).map(Bytes::from).collect();
    let names: BTreeSet<Bytes> = wanted
        .names
        .iter()
        .map(|n| Bytes::from(n.as_str()))
        .collect();
    let mut list: Vec<Bytes> = members(&before.0)
        .map(Bytes::from)
        .filter(|m| !wanted.exact || names.contains(m))
        .collect();
    list.extend(names.iter().filter(|n| !was.contains(n)).cloned());
    let now: BTreeSet<Bytes> = list.iter().cloned().collect();
    let same = |field: &Bytes| members(&field.0).map(Bytes::from).collect::<BTreeSet<_>>() == now;
    let after = if now == was {
        before.clone()
    } else if same(&current) {
        current.clone() // The right members in another order are right.
    } else {
        join(&list)
    };
    let unchanged = after == current;
    if !unchanged {
        table.set(row, group::MEMBERS, &after.0);
        change.fields.push((group::MEMBERS, current, after.clone()));
    }
    let edit = MemberEdit {
        added: now.difference(&was).cloned().collect(),
        removed: was.difference(&now).cloned().collect(),
        field: Edit {
            before,
            after,
            free: !wanted.exact,
        },
    };
    match owned {
        // What others added is not ours to remember: there is nothing to write down.
        Some(known)
            if unchanged && (&known.added, &known.removed) == (&edit.added, &edit.removed) =>
        {
            Some(known.clone())
        }
        _ => (now != was).then_some(edit),
    }
}

/// Gives a member list without what we did to it; exactly the old bytes if nobody else touched it.
fn without_edit(current: &Bytes, edit: &MemberEdit) -> Bytes {
    if *current == edit.field.after {
        return edit.field.before.clone();
    }
    if edit
        .added
        .iter()
        .all(|a| !members(&current.0).any(|m| m == a.0))
        && edit.removed.is_empty()
    {
        return current.clone();
    }
    let mut list: Vec<Bytes> = members(&current.0)
        .map(Bytes::from)
        .filter(|m| !edit.added.contains(m))
        .collect();
    for member in &edit.removed {
        if !list.contains(member) {
            list.push(member.clone());
        }
    }
    join(&list)
}

/// Takes names out of every member list of a group database and out of what is recorded about it.
///
/// `fields` are the comma-separated fields. Gives the groups that were edited, with the list before and after.
pub(crate) fn purge_members(
    table: &mut Table<'_>,
    fields: &[usize],
    names: &BTreeSet<String>,
    owned: &mut BTreeMap<String, OwnedRow>,
) -> Vec<(Bytes, Bytes, Bytes)> {
    if names.is_empty() {
        return Vec::new();
    }
    let names: BTreeSet<&[u8]> = names.iter().map(String::as_bytes).collect();
    let mut edits = Vec::new();
    for (group, row) in table.entries() {
        for &field in fields {
            let list = table.field(row, field);
            if members(list).any(|m| names.contains(m)) {
                edits.push((Bytes::from(group), row, field, Bytes::from(list)));
            }
        }
    }
    let mut done = Vec::new();
    for (group, row, field, before) in edits {
        let after = purge(&before, &names);
        table.set(row, field, &after.0);
        done.push((group, before, after));
    }
    for edit in owned.values_mut().filter_map(|row| row.members.as_mut()) {
        edit.added.retain(|m| !names.contains(m.0.as_slice()));
        edit.removed.retain(|m| !names.contains(m.0.as_slice()));
        edit.field.before = purge(&edit.field.before, &names);
        edit.field.after = purge(&edit.field.after, &names);
    }
    done
}

fn purge(list: &Bytes, names: &BTreeSet<&[u8]>) -> Bytes {
    if !members(&list.0).any(|m| names.contains(m)) {
        return list.clone();
    }
    let rest: Vec<Bytes> = members(&list.0)
        .filter(|m| !names.contains(m))
        .map(Bytes::from)
        .collect();
    join(&rest)
}

fn join(list: &[Bytes]) -> Bytes {
    let parts: Vec<&[u8]> = list.iter().map(|m| m.0.as_slice()).collect();
    Bytes(parts.join(&b','))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::database::{AccountFile, passwd};

    fn wants(names: &[&str], exact: bool) -> WantedRow {
        WantedRow {
            template: ["wheel", "x", "998", ""].map(Bytes::from).to_vec(),
            cells: BTreeMap::new(),
            members: WantedMembers {
                names: names.iter().map(|s| (*s).to_owned()).collect(),
                exact,
            },
            id: Some(998),
        }
    }

    /// Applies `wanted` to a group's line and gives the line after it, and after going back.
    fn there_and_back(
        line: &str,
        wanted: &WantedRow,
        meanwhile: impl Fn(String) -> String,
    ) -> (String, String) {
        let mut t = Table::parse(AccountFile::Group, line.as_bytes());
        let (owned, _) = apply_row(&mut t, "wheel", None, wanted);
        let there = String::from_utf8(t.render()).unwrap();
        let edited = meanwhile(there.clone());
        let mut t = Table::parse(AccountFile::Group, edited.as_bytes());
        drop_row(&mut t, "wheel", &owned);
        (there, String::from_utf8(t.render()).unwrap())
    }

    #[test]
    fn members_join_and_leave_without_touching_others() {
        for (line, wanted, there, back, why) in [
            (
                "wheel:x:10:ann\n",
                wants(&["bob"], false),
                "wheel:x:10:ann,bob\n",
                "wheel:x:10:ann\n",
                "joins",
            ),
            (
                "wheel:x:10:ann\n",
                wants(&["ann"], false),
                "wheel:x:10:ann\n",
                "wheel:x:10:ann\n",
                "was there",
            ),
            (
                "wheel:x:10:,b,,a,\n",
                wants(&["c"], false),
                "wheel:x:10:b,a,c\n",
                "wheel:x:10:,b,,a,\n",
                "odd bytes come back",
            ),
            (
                "wheel:x:10:c,b,a\n",
                wants(&["b", "d"], true),
                "wheel:x:10:b,d\n",
                "wheel:x:10:c,b,a\n",
                "exact, and order comes back",
            ),
            (
                "",
                wants(&["b"], false),
                "wheel:x:998:b\n",
                "",
                "a new group goes",
            ),
        ] {
            let got = there_and_back(line, &wanted, |s| s);
            assert_eq!(got, (there.to_owned(), back.to_owned()), "{why}");
        }
        let (_, back) = there_and_back("wheel:x:10:ann\n", &wants(&["bob"], false), |s| {
            s.replace("ann", "ann,eve")
        });
        assert_eq!(
            back, "wheel:x:10:ann,eve\n",
            "what an admin added in between stays"
        );
    }

    #[test]
    fn a_second_run_changes_nothing_even_when_members_were_reordered() {
        let wanted = wants(&["bob"], false);
        let mut t = Table::parse(AccountFile::Group, b"wheel:x:10:ann\n");
        let (owned, _) = apply_row(&mut t, "wheel", None, &wanted);
        let edited = b"wheel:x:10:bob,ann,eve\n";
        let mut t = Table::parse(AccountFile::Group, edited);
        let (owned, change) = apply_row(&mut t, "wheel", Some(&owned), &wanted);
        assert_eq!((t.is_changed(), change.fields.len()), (false, 0));
        drop_row(&mut t, "wheel", &owned);
        assert_eq!(t.render(), b"wheel:x:10:ann,eve\n");
    }

    #[test]
    fn fields_go_back_unless_somebody_else_set_them() {
        let wanted = WantedRow {
            template: Vec::new(),
            cells: BTreeMap::from([
                (passwd::SHELL, Cell::Set("/bin/zsh".into())),
                (passwd::HOME, Cell::Set("/home/ann".into())),
                (passwd::GECOS, Cell::Set("Ann".into())),
            ]),
            members: WantedMembers::default(),
            id: Some(1000),
        };
        let start = b"ann:x:1000:1000:J\xe9:/home/ann:/bin/sh\n";
        let mut t = Table::parse(AccountFile::Passwd, start);
        let (owned, change) = apply_row(&mut t, "ann", None, &wanted);
        assert!(!owned.created && change.fields.len() == 2 && owned.cells.len() == 2);
        let after = t.render();
        assert_eq!(after, b"ann:x:1000:1000:Ann:/home/ann:/bin/zsh\n");
        let edited = String::from_utf8(after).unwrap().replace("zsh", "fish");
        let mut t = Table::parse(AccountFile::Passwd, edited.as_bytes());
        let change = drop_row(&mut t, "ann", &owned);
        assert_eq!(change.left, [passwd::SHELL]);
        assert_eq!(t.render(), b"ann:x:1000:1000:J\xe9:/home/ann:/bin/fish\n");
    }

    #[test]
    fn purged_names_do_not_come_back() {
        let mut t = Table::parse(AccountFile::Group, b"wheel:x:10:ann\n");
        let (owned, _) = apply_row(&mut t, "wheel", None, &wants(&["bob"], true));
        let mut rows = BTreeMap::from([("wheel".to_owned(), owned)]);
        let gone = BTreeSet::from(["ann".to_owned()]);
        purge_members(&mut t, &[group::MEMBERS], &gone, &mut rows);
        drop_row(&mut t, "wheel", &rows["wheel"]);
        assert_eq!(t.render(), b"wheel:x:10:\n");
    }
}
