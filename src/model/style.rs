//! How texts for people look: colours, lines, headings, differences.

/// How a text is rendered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Style {
    /// Whether escape sequences for colours are used.
    pub color: bool,
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

pub(crate) fn line(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
}

pub(crate) fn heading(out: &mut String, text: &str, style: Style) {
    out.push('\n');
    line(out, &style.paint(Color::Bold, text));
}

pub(crate) fn render_diff(out: &mut String, diff: Option<&String>, style: Style) {
    for row in diff.map(|d| d.lines()).into_iter().flatten() {
        let color = match row.as_bytes().first() {
            Some(b'+') => Color::Green,
            Some(b'-') => Color::Red,
            _ => Color::Dim,
        };
        line(out, &style.paint(color, &format!("      {row}")));
    }
}
