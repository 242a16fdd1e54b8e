//! Long lines on a terminal: broken between words, and not where the terminal's edge happens to be.

/// How rows of content begin, after which nothing is broken: a difference has the lines of a file.
const CONTENT: &str = "      ";

/// How rows of commands begin that somebody copies.
const COMMANDS: [&str; 3] = ["apt-get ", "dnf ", "sudo "];

/// Breaks lines that are longer than a terminal is wide between their words; what goes on is indented. Content of files and
/// commands stay as they are. Pure.
#[must_use]
pub(crate) fn wrap(text: &str, width: usize) -> String {
    let rows = text.split('\n').map(|row| wrap_row(row, width));
    rows.collect::<Vec<_>>().join("\n")
}

fn wrap_row(row: &str, width: usize) -> String {
    let plain = without_escapes(row);
    let indent = plain.len() - plain.trim_start().len();
    let words = plain.trim_start();
    let is_content = plain
        .strip_prefix(CONTENT)
        .is_some_and(|rest| rest.starts_with(['+', '-', ' ', '@']) && !rest.starts_with("- "));
    let is_command = COMMANDS.iter().any(|start| words.starts_with(start));
    if plain.chars().count() <= width || is_content || is_command || width < 40 {
        return row.to_owned();
    }
    // What is marked by a sign goes on below its text.
    let is_marked = words.get(1..2) == Some(" ");
    let indent = indent + if is_marked { 4 } else { 2 };
    let (mut out, mut at) = (String::new(), 0);
    for word in row.split_inclusive(' ') {
        let shown = without_escapes(word);
        let length = shown.trim_end().chars().count();
        let fits = at + length <= width || at <= indent;
        if !fits {
            out.truncate(out.trim_end_matches(' ').len());
            out.push('\n');
            out.push_str(&" ".repeat(indent));
            at = indent;
        }
        out.push_str(word);
        at += shown.chars().count();
    }
    out
}

/// Leaves out what a terminal obeys: colours, and the addresses of links. Pure.
fn without_escapes(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('\x1b') {
        out.push_str(&rest[..at]);
        let escape = &rest[at + 1..];
        let end = match escape.as_bytes().first() {
            Some(b'[') => escape
                .find(|c: char| c.is_ascii_alphabetic())
                .map(|e| e + 1),
            Some(b']') => escape.find("\x1b\\").map(|e| e + 2),
            _ => Some(0),
        };
        rest = &escape[end.unwrap_or(escape.len())..];
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_between_words_and_content_stays() {
        let long = "word ".repeat(12);
        let long = long.trim_end();
        for (text, expected) in [
            (
                format!("  + {long}"),
                format!("  + {}\n      {}", &long[..34], &long[35..]),
            ),
            (
                long.to_owned(),
                format!("{}\n  {}", &long[..39], &long[40..]),
            ),
            (
                format!("\x1b[31m  ! {long}\x1b[0m"),
                format!("\x1b[31m  ! {}\n      {}\x1b[0m", &long[..34], &long[35..]),
            ),
            (format!("      +{long}"), format!("      +{long}")),
            (
                format!("  apt-get install {long}"),
                format!("  apt-get install {long}"),
            ),
            ("x".repeat(50), "x".repeat(50)),
        ] {
            assert_eq!(wrap(&text, 40), expected, "{text:?}");
        }
    }

    #[test]
    fn links_and_colours_take_no_place() {
        let text = "\x1b[1ma\x1b[0m\x1b]8;;file://x/y\x1b\\b\x1b]8;;\x1b\\c";
        assert_eq!(without_escapes(text), "abc");
    }
}
