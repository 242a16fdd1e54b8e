//! Changes of packages as text for people.

use std::collections::BTreeSet;

use crate::model::packages::{ClosureChange, PackagesChange, Versions};
use crate::model::style::{Color, Style, heading, line, show_bytes};

/// How many lines of one kind are shown unless all are asked for.
const SHOWN: usize = 30;

/// Renders what comes, goes and changes, and how much it is.
pub(crate) fn render_packages(out: &mut String, change: &PackagesChange, style: Style) {
    if change.is_empty() {
        return;
    }
    if change.count() == 0 && !style.full && change.closure.is_none_or(|c| is_small(&c)) {
        return;
    }
    heading(out, "Packages", style);
    let signs = [
        (&change.added, "+", Color::Green),
        (&change.removed, "-", Color::Red),
    ];
    for (names, sign, color) in signs {
        let lines = names.iter().map(|name| format!("  {sign} {name}"));
        fold(out, &lines.collect::<Vec<_>>(), color, SHOWN, style);
    }
    let lines = change.changed.iter().map(|(name, v)| changed(name, v));
    fold(out, &lines.collect::<Vec<_>>(), Color::Yellow, SHOWN, style);
    let needed = [
        (&change.needed, "+", "more that these need"),
        (&change.unneeded, "-", "no longer needed"),
    ];
    for (names, sign, what) in needed {
        render_needed(out, names, sign, what, style);
    }
    if let Some(closure) = &change.closure {
        let side = |size: &crate::model::packages::Size| match size.paths {
            0 => "nothing".to_owned(),
            paths => format!("{paths} paths, {}", show_bytes(size.bytes)),
        };
        let (from, to) = (&closure.from, &closure.to);
        let sign = if to.bytes < from.bytes { '-' } else { '+' };
        let text = format!(
            "    closure: {} -> {} ({sign}{})",
            side(from),
            side(to),
            show_bytes(to.bytes.abs_diff(from.bytes))
        );
        line(out, &style.paint(Color::Dim, &text));
    }
}

/// Whether a change of size is only that of the configuration's own files.
fn is_small(closure: &ClosureChange) -> bool {
    const SMALL: u64 = 1_000_000;
    closure.from.bytes.abs_diff(closure.to.bytes) < SMALL
}

fn changed(name: &str, versions: &Versions) -> String {
    let list = |set: &BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>().join(", ");
    format!(
        "  ~ {name} {} -> {}",
        list(&versions.from),
        list(&versions.to)
    )
}

fn fold(out: &mut String, lines: &[String], color: Color, limit: usize, style: Style) {
    let shown = if style.full || lines.len() <= limit + 1 {
        lines.len()
    } else {
        limit
    };
    for text in &lines[..shown] {
        line(out, &style.paint(color, text));
    }
    if shown < lines.len() {
        let text = format!("    and {} more (-v lists them)", lines.len() - shown);
        line(out, &style.paint(Color::Dim, &text));
    }
}

fn render_needed(out: &mut String, names: &BTreeSet<String>, sign: &str, what: &str, style: Style) {
    let dim = |text: &str| style.paint(Color::Dim, text);
    if names.is_empty() {
        return;
    }
    if !style.full {
        let text = format!("  {sign} {} {what} (-v lists them)", names.len());
        line(out, &dim(&text));
        return;
    }
    line(out, &dim(&format!("  {sign} {} {what}:", names.len())));
    for name in names {
        line(out, &dim(&format!("      {sign} {name}")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::packages::Size;
    use expect_test::expect;

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|n| (*n).to_owned()).collect()
    }

    fn render(full: bool) -> String {
        let versions = |from, to| Versions {
            from: set(from),
            to: set(to),
        };
        let many = (0..40).map(|n| (format!("lib{n:02}"), versions(&["1"], &["2"])));
        let change = PackagesChange {
            added: set(&["hello-2.12"]),
            removed: set(&["jq-1.6"]),
            changed: many
                .chain([("glibc".to_owned(), versions(&["2.35"], &["2.35", "2.37"]))])
                .collect(),
            needed: set(&["zlib-1.3", "zstd-1.5"]),
            unneeded: set(&["oniguruma-6.9"]),
            closure: Some(ClosureChange {
                from: Size {
                    paths: 4,
                    bytes: 20_000_000,
                },
                to: Size {
                    paths: 5,
                    bytes: 18_500_000,
                },
            }),
        };
        let mut out = String::new();
        let style = Style {
            full,
            ..Style::default()
        };
        render_packages(&mut out, &change, style);
        out
    }

    #[test]
    fn what_is_many_is_folded_unless_all_is_asked_for() {
        let folded = render(false);
        let lines: Vec<&str> = folded.lines().collect();
        assert_eq!(lines.len(), 2 + 2 + 30 + 1 + 2 + 1, "{folded}");
        expect![[r"

            Packages
              + hello-2.12
              - jq-1.6
              ~ glibc 2.35 -> 2.35, 2.37
              ~ lib00 1 -> 2
        "]]
        .assert_eq(&format!("{}\n", lines[..6].join("\n")));
        let rest = [
            "    and 11 more (-v lists them)",
            "  + 2 more that these need (-v lists them)",
            "  - 1 no longer needed (-v lists them)",
            "    closure: 4 paths, 20 MB -> 5 paths, 18 MB (-1500 kB)",
        ];
        assert_eq!(lines[34..], rest);
        let full = render(true);
        assert!(full.contains("  ~ lib39 1 -> 2\n") && full.contains("      + zstd-1.5\n"));
    }
}
