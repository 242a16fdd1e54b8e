//! How texts for people look: colours, lines, headings, differences.

use std::cmp::Ordering;
use std::collections::BTreeSet;

/// How a text is rendered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Style {
    /// Whether escape sequences for colours are used.
    pub color: bool,
    /// Whether nothing is folded or shortened.
    pub full: bool,
    /// The name of this host, where the terminal has links.
    pub links: Option<&'static str>,
}

/// What a colour says.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Color {
    Green,
    Yellow,
    Red,
    Dim,
    Bold,
}

impl Style {
    pub(crate) fn paint(self, color: Color, text: &str) -> String {
        let code = match color {
            Color::Green => "32",
            Color::Yellow => "33",
            Color::Red => "31",
            Color::Dim => "2",
            Color::Bold => "1",
        };
        if self.color && !text.is_empty() {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

/// Returns a text of others as it may be shown: characters that a terminal obeys are written out. Pure.
#[must_use]
pub(crate) fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() && c != '\t' {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// Writes a number of bytes with a unit that leaves it short.
#[must_use]
pub(crate) fn show_bytes(bytes: u64) -> String {
    let mut rest = bytes;
    for unit in ["B", "kB", "MB"] {
        if rest < 10_000 {
            return format!("{rest} {unit}");
        }
        rest /= 1000;
    }
    format!("{rest} GB")
}

/// Writes a number of things.
#[must_use]
pub(crate) fn count(number: usize, one: &str) -> String {
    format!("{number} {one}{}", if number == 1 { "" } else { "s" })
}

/// Lists names in one line. Pure.
#[must_use]
pub(crate) fn joined(names: &BTreeSet<String>) -> String {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    names.join(", ")
}

pub(crate) fn line(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
}

pub(crate) fn heading(out: &mut String, text: &str, style: Style) {
    out.push('\n');
    line(out, &style.paint(Color::Bold, text));
}

/// How many lines of a difference are shown unless all are asked for.
const SHOWN: usize = 60;

/// Orders names as people do: `file2` before `file10`.
#[must_use]
pub(crate) fn natural(a: &str, b: &str) -> Ordering {
    parts(a).cmp(parts(b)).then_with(|| a.cmp(b))
}

/// A number in a name, or a letter of it.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Part<'a> {
    /// By its length without zeros at the front, and its digits.
    Number(usize, &'a str),
    Letter(char),
}

fn parts(mut text: &str) -> impl Iterator<Item = Part<'_>> {
    std::iter::from_fn(move || {
        let first = text.chars().next()?;
        let end = text.find(|c: char| !c.is_ascii_digit());
        let (digits, rest) = text.split_at(end.unwrap_or(text.len()));
        if digits.is_empty() {
            text = &text[first.len_utf8()..];
            return Some(Part::Letter(first));
        }
        text = rest;
        let number = digits.trim_start_matches('0');
        Some(Part::Number(number.len(), number))
    })
}

/// The rows of a difference, without those that only tell another hash, and folded when they are many.
fn rows(diff: &str, style: Style) -> Vec<String> {
    let mut rows: Vec<String> = Vec::new();
    let mut hunks: Vec<Vec<String>> = Vec::new();
    // Rows that only tell another hash must be alike.
    let plain = Style {
        links: None,
        ..style
    };
    for row in diff.lines() {
        let row = plain.shorten(row).into_owned();
        if row.starts_with("@@ ") || hunks.is_empty() {
            hunks.push(Vec::new());
        }
        if let Some(hunk) = hunks.last_mut() {
            hunk.push(row);
        }
    }
    for mut hunk in hunks {
        let is_change = |row: &String| row.starts_with(['+', '-']);
        let had = hunk.iter().any(is_change);
        if !style.full {
            drop_same(&mut hunk);
        }
        if !had || hunk.iter().any(is_change) {
            rows.extend(hunk);
        }
    }
    if !style.full && rows.len() > SHOWN + 1 {
        let more = rows.len() - SHOWN;
        rows.truncate(SHOWN);
        rows.push(format!("and {more} more lines (-v shows them)"));
    }
    rows
}

/// Drops lines that go and come again as they were.
fn drop_same(hunk: &mut Vec<String>) {
    let mut at = 0;
    while at < hunk.len() {
        let comes = hunk[at].strip_prefix('-').map(|rest| format!("+{rest}"));
        let again = comes.and_then(|text| hunk.iter().position(|row| *row == text));
        match again.filter(|again| *again > at) {
            Some(again) => {
                hunk.remove(again);
                hunk.remove(at);
            }
            None => at += 1,
        }
    }
}

pub(crate) fn render_diff(out: &mut String, diff: Option<&String>, style: Style) {
    for row in diff.map(|d| rows(d, style)).into_iter().flatten() {
        let color = match row.as_bytes().first() {
            Some(b'+') => Color::Green,
            Some(b'-') => Color::Red,
            _ => Color::Dim,
        };
        line(out, &style.paint(color, &format!("      {row}")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_as_people_do() {
        let mut names = ["file10", "file2", "file", "a9b1", "a9b", "file02", "b"];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(
            names,
            ["a9b", "a9b1", "b", "file", "file02", "file2", "file10"]
        );
    }

    #[test]
    fn hashes_of_the_store_are_left_out_and_lines_that_only_tell_these() {
        let style = Style::default();
        let [a, b] = ["a", "b"].map(|h| format!("/nix/store/{}-script/bin/x", h.repeat(32)));
        assert_eq!(
            style.shorten(&format!("run {a}, {b}")),
            "run /nix/store/…-script/bin/x, /nix/store/…-script/bin/x"
        );
        for kept in ["/nix/store/short-x", "/nix/store/", "/etc/x"] {
            assert_eq!(style.shorten(kept), kept);
        }
        let diff = format!("@@ -1 +1 @@\n-run {a}\n+run {b}\n@@ -9 +9 @@\n-1\n+2\n");
        assert_eq!(rows(&diff, style), ["@@ -9 +9 @@", "-1", "+2"]);
        let full = Style {
            full: true,
            ..style
        };
        assert_eq!(rows(&diff, full).len(), 6);
        let long = "+x\n".repeat(200);
        let shown = rows(&long, style);
        assert_eq!(
            (shown.len(), shown[60].as_str()),
            (61, "and 140 more lines (-v shows them)")
        );
    }
}
