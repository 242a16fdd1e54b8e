//! Account databases as bytes: passwd(5), group(5), shadow(5), gshadow(5), subuid(5), subgid(5) and shells(5).
//!
//! A [`Table`] keeps every line as it was read. What is no plain entry (an empty line, a comment, a NIS `+`/`-` line, a
//! line of another program's making) stays where it is, and an edit touches only the bytes of the field it is about:
//! `render(parse(bytes)) == bytes` for any bytes. Everything here is pure.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The account databases below `/etc`, in the order in which they are replaced.
///
/// Groups come before the users that point at them, and a user's line before its password, so that a kill in
/// between leaves an account that can't log in yet, never one with somebody else's group or password.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum AccountFile {
    /// `/etc/group`
    Group,
    /// `/etc/gshadow`
    Gshadow,
    /// `/etc/passwd`
    Passwd,
    /// `/etc/shadow`
    Shadow,
    /// `/etc/subuid`
    Subuid,
    /// `/etc/subgid`
    Subgid,
    /// `/etc/shells`
    Shells,
}

impl AccountFile {
    /// Every database, in the order in which they are replaced.
    pub const ALL: [Self; 7] = [
        Self::Group,
        Self::Gshadow,
        Self::Passwd,
        Self::Shadow,
        Self::Subuid,
        Self::Subgid,
        Self::Shells,
    ];

    /// Gives the file's name below `/etc`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Group => "group",
            Self::Gshadow => "gshadow",
            Self::Passwd => "passwd",
            Self::Shadow => "shadow",
            Self::Subuid => "subuid",
            Self::Subgid => "subgid",
            Self::Shells => "shells",
        }
    }

    /// Gives how many fields an entry has.
    #[must_use]
    pub fn width(self) -> usize {
        match self {
            Self::Passwd => 7,
            Self::Group | Self::Gshadow => 4,
            Self::Shadow => 9,
            Self::Subuid | Self::Subgid => 3,
            Self::Shells => 1,
        }
    }
}

impl fmt::Display for AccountFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/etc/{}", self.name())
    }
}

/// Field numbers of passwd(5).
pub(crate) mod passwd {
    /// The password: `x` when it is in the shadow file.
    pub(crate) const PASSWORD: usize = 1;
    /// The user id.
    pub(crate) const UID: usize = 2;
    /// The primary group's id.
    pub(crate) const GID: usize = 3;
    /// The description.
    pub(crate) const GECOS: usize = 4;
    /// The home directory.
    pub(crate) const HOME: usize = 5;
    /// The login shell.
    pub(crate) const SHELL: usize = 6;
}

/// Field numbers of group(5) and gshadow(5).
pub(crate) mod group {
    /// The group id (group only).
    pub(crate) const GID: usize = 2;
    /// The administrators (gshadow only).
    pub(crate) const ADMINS: usize = 2;
    /// The members.
    pub(crate) const MEMBERS: usize = 3;
}

/// Field numbers of shadow(5).
pub(crate) mod shadow {
    /// The password's hash.
    pub(crate) const HASH: usize = 1;
    /// The day on which the account expires.
    pub(crate) const EXPIRE: usize = 7;
}

/// A field's bytes: text in JSON where they are UTF-8, else hexadecimal, so that nothing is lost.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, JsonSchema)]
#[schemars(with = "BytesForm")]
pub struct Bytes(pub Vec<u8>);

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
enum BytesForm {
    Text(String),
    Raw { hex: String },
}

impl Serialize for Bytes {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(&self.0) {
            Ok(text) => BytesForm::Text(text.to_owned()),
            Err(_) => BytesForm::Raw {
                hex: crate::model::node::hex(&self.0),
            },
        }
        .serialize(s)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        match BytesForm::deserialize(d)? {
            BytesForm::Text(text) => Ok(Self(text.into_bytes())),
            BytesForm::Raw { hex } => (0..hex.len())
                .step_by(2)
                .map(|at| {
                    hex.get(at..at + 2)
                        .and_then(|h| u8::from_str_radix(h, 16).ok())
                })
                .collect::<Option<Vec<u8>>>()
                .map(Self)
                .ok_or_else(|| serde::de::Error::custom("`hex` is not hexadecimal")),
        }
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.text())
    }
}

impl From<&str> for Bytes {
    fn from(s: &str) -> Self {
        Self(s.as_bytes().to_vec())
    }
}

impl From<&[u8]> for Bytes {
    fn from(s: &[u8]) -> Self {
        Self(s.to_vec())
    }
}

impl From<String> for Bytes {
    fn from(s: String) -> Self {
        Self(s.into_bytes())
    }
}

impl Bytes {
    /// Gives the bytes as text for people; what is not UTF-8 is replaced.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.0)
    }
}

/// Which lines of a database have a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// None.
    Missing,
    /// One, at this row.
    One(usize),
    /// One that has fewer or more fields than the format asks for.
    Malformed,
    /// So many; which of them counts depends on who reads.
    Several(usize),
}

/// One account database in memory.
#[derive(Debug, Clone)]
pub(crate) struct Table<'a> {
    file: AccountFile,
    /// Lines without their newline; none for a removed one.
    rows: Vec<Option<Cow<'a, [u8]>>>,
    /// NIS lines at the end, and the empty piece after a final newline; new entries go before these.
    tail: Vec<&'a [u8]>,
    index: HashMap<Cow<'a, [u8]>, Vec<usize>>,
    changed: bool,
}

impl<'a> Table<'a> {
    /// Takes a file's content apart. Any bytes are accepted.
    #[must_use]
    pub(crate) fn parse(file: AccountFile, bytes: &'a [u8]) -> Self {
        let mut rows: Vec<&[u8]> = bytes.split(|&b| b == b'\n').collect();
        // Splitting always gives one piece after the last newline; a file without one gives its last line instead.
        let mut tail_from = rows.len();
        if rows.last().is_some_and(|l| l.is_empty()) {
            tail_from -= 1;
        }
        while file.width() > 3 && tail_from > 0 && is_nis(rows[tail_from - 1]) {
            tail_from -= 1;
        }
        let tail = rows.split_off(tail_from);
        let mut index: HashMap<Cow<'a, [u8]>, Vec<usize>> = HashMap::with_capacity(rows.len());
        for (at, line) in rows.iter().enumerate() {
            if let Some(name) = name_of(file, line) {
                index.entry(Cow::Borrowed(name)).or_default().push(at);
            }
        }
        let rows = rows.into_iter().map(|l| Some(Cow::Borrowed(l))).collect();
        Self {
            file,
            rows,
            tail,
            index,
            changed: false,
        }
    }

    /// Gives the file's content.
    #[must_use]
    pub(crate) fn render(&self) -> Vec<u8> {
        let lines: Vec<&[u8]> = self
            .rows
            .iter()
            .flatten()
            .map(AsRef::as_ref)
            .chain(self.tail.iter().copied())
            .collect();
        lines.join(&b'\n')
    }

    /// Says whether anything was edited, added or removed.
    #[must_use]
    pub(crate) fn is_changed(&self) -> bool {
        self.changed
    }

    /// Looks for the entry of a name.
    #[must_use]
    pub(crate) fn find(&self, name: &[u8]) -> Found {
        match self.index.get(name).map_or(&[][..], Vec::as_slice) {
            [] => Found::Missing,
            [row] if self.fields(*row).count() == self.file.width() => Found::One(*row),
            [_] => Found::Malformed,
            several => Found::Several(several.len()),
        }
    }

    /// Gives the row of the only well-formed entry of a name.
    #[must_use]
    pub(crate) fn row(&self, name: &[u8]) -> Option<usize> {
        match self.find(name) {
            Found::One(row) => Some(row),
            _ => None,
        }
    }

    /// Gives all rows that have a name, in order: what the file says about every account.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&[u8], usize)> {
        self.rows.iter().enumerate().filter_map(|(at, line)| {
            name_of(self.file, line.as_ref()?.as_ref()).map(|name| (name, at))
        })
    }

    /// Gives the rows that have a name.
    #[must_use]
    pub(crate) fn rows_of(&self, name: &[u8]) -> &[usize] {
        self.index.get(name).map_or(&[], Vec::as_slice)
    }

    /// Gives the fields of a row.
    pub(crate) fn fields(&self, row: usize) -> impl Iterator<Item = &[u8]> {
        self.line(row).split(|&b| b == b':')
    }

    /// Gives one field of a row; empty when the line is too short.
    #[must_use]
    pub(crate) fn field(&self, row: usize, field: usize) -> &[u8] {
        self.fields(row).nth(field).unwrap_or_default()
    }

    /// Gives one field of a row as a decimal number.
    #[must_use]
    pub(crate) fn number(&self, row: usize, field: usize) -> Option<u32> {
        parse_number(self.field(row, field))
    }

    /// Gives a row's line without its newline; empty for a removed one.
    #[must_use]
    pub(crate) fn line(&self, row: usize) -> &[u8] {
        self.rows
            .get(row)
            .and_then(Option::as_ref)
            .map_or(&[], AsRef::as_ref)
    }

    /// Replaces one field of a row; every other byte of the line stays.
    pub(crate) fn set(&mut self, row: usize, field: usize, value: &[u8]) {
        if self.field(row, field) == value {
            return;
        }
        let fields: Vec<&[u8]> = self
            .fields(row)
            .enumerate()
            .map(|(at, old)| if at == field { value } else { old })
            .collect();
        let line = fields.join(&b':');
        self.rows[row] = Some(Cow::Owned(line));
        self.changed = true;
    }

    /// Adds an entry after the last one and before NIS lines at the end.
    pub(crate) fn append(&mut self, line: Vec<u8>) {
        let row = self.rows.len();
        if let Some(name) = name_of(self.file, &line) {
            self.index
                .entry(Cow::Owned(name.to_vec()))
                .or_default()
                .push(row);
        }
        self.rows.push(Some(Cow::Owned(line)));
        self.changed = true;
    }

    /// Removes a row with its newline.
    pub(crate) fn remove(&mut self, row: usize) {
        let Some(line) = self.rows.get_mut(row).and_then(Option::take) else {
            return;
        };
        if let Some(name) = name_of(self.file, &line)
            && let Some(rows) = self.index.get_mut(name)
        {
            rows.retain(|&r| r != row);
        }
        self.changed = true;
    }

    /// Finds a row by its whole line.
    #[must_use]
    pub(crate) fn find_line(&self, line: &[u8]) -> Option<usize> {
        let name = name_of(self.file, line)?;
        self.rows_of(name)
            .iter()
            .copied()
            .find(|&row| self.line(row) == line)
    }
}

/// Joins an entry's fields to a line.
#[must_use]
pub(crate) fn render_line(fields: &[Bytes]) -> Vec<u8> {
    let parts: Vec<&[u8]> = fields.iter().map(|f| f.0.as_slice()).collect();
    parts.join(&b':')
}

/// Reads a decimal number as the C library does for ids: digits only.
#[must_use]
pub(crate) fn parse_number(bytes: &[u8]) -> Option<u32> {
    if bytes.is_empty() || !bytes.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(bytes).ok()?.parse().ok()
}

/// Splits a member list; empty items, as in `a,,b`, are left out.
pub(crate) fn members(field: &[u8]) -> impl Iterator<Item = &[u8]> {
    field.split(|&b| b == b',').filter(|m| !m.is_empty())
}

/// Groups each database's content by file; a missing file is absent from the map.
pub type AccountBytes = BTreeMap<AccountFile, Vec<u8>>;

fn is_nis(line: &[u8]) -> bool {
    matches!(line.first(), Some(b'+' | b'-'))
}

/// The name that a line is about, if it is an entry. The C library skips leading blanks.
fn name_of(file: AccountFile, line: &[u8]) -> Option<&[u8]> {
    let line = line.trim_ascii_start();
    if line.is_empty() || line[0] == b'#' {
        return None;
    }
    if file == AccountFile::Shells {
        return Some(line.trim_ascii_end());
    }
    if is_nis(line) || !line.contains(&b':') {
        return None;
    }
    line.split(|&b| b == b':').next().filter(|n| !n.is_empty())
}

#[cfg(test)]
mod tests;
