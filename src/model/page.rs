//! A text for the terminal as a page: Markdown for a comment on a pull request, and HTML in one file. Pure.
//!
//! Both are made from that text, so that they say the same.

use crate::model::style::Style;

/// How long a Markdown page gets, in bytes: a comment on GitHub holds 65,536 characters.
const MARKDOWN_LIMIT: usize = 60_000;

/// How the text is that pages are made from.
pub(crate) const TEXT: Style = Style {
    color: true,
    full: false,
    links: None,
};

/// A part of a line, with the number of its colour.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Span {
    color: Option<u8>,
    text: String,
}

/// The text for the terminal in parts: what is before the first heading, and what is below each.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Page {
    intro: Vec<Vec<Span>>,
    sections: Vec<(String, Vec<Vec<Span>>)>,
    summary: String,
}

/// What a colour of [`Style`] is called in the page's style sheet.
const COLORS: [(u8, &str); 5] = [
    (32, "add"),
    (33, "change"),
    (31, "remove"),
    (2, "dim"),
    (1, "bold"),
];

fn read_spans(line: &str) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut rest = line;
    let mut color = None;
    while !rest.is_empty() {
        let next = escape_in(rest);
        let (text, code, after) = next.unwrap_or((rest, 0, ""));
        // What is left of other control characters has no place in a page.
        let text: String = text
            .chars()
            .filter(|c| !c.is_control() || *c == '\t')
            .collect();
        if !text.is_empty() {
            spans.push(Span { color, text });
        }
        color = (code != 0).then_some(code);
        rest = after;
    }
    spans
}

/// Splits a line at the first escape sequence of ours.
fn escape_in(line: &str) -> Option<(&str, u8, &str)> {
    let codes = COLORS.iter().map(|(code, _)| *code).chain([0]);
    codes
        .filter_map(|code| {
            let sequence = format!("\x1b[{code}m");
            let at = line.find(&sequence)?;
            Some((&line[..at], code, &line[at + sequence.len()..]))
        })
        .min_by_key(|(before, _, _)| before.len())
}

fn is_heading(spans: &[Span]) -> bool {
    matches!(spans, [Span { color: Some(1), .. }])
}

fn text_of(spans: &[Span]) -> String {
    spans.iter().map(|s| s.text.as_str()).collect()
}

impl Page {
    /// Reads a text in the style [`TEXT`].
    pub(crate) fn read(text: &str) -> Self {
        let mut page = Self::default();
        for line in text.lines() {
            let spans = read_spans(line);
            if is_heading(&spans) {
                page.sections.push((text_of(&spans), Vec::new()));
            } else if !spans.is_empty() {
                match page.sections.last_mut() {
                    Some((_, lines)) => lines.push(spans),
                    None => page.intro.push(spans),
                }
            }
        }
        // The last line sums up, and is bold as headings are.
        if page
            .sections
            .last()
            .is_some_and(|(_, lines)| lines.is_empty())
            && let Some((summary, _)) = page.sections.pop()
        {
            page.summary = summary;
        }
        page
    }
}

/// Returns of how many things a part tells, without the rows about each; none where they are not in a list, or its title says
/// so.
fn things(title: &str, lines: &[Vec<Span>]) -> Option<usize> {
    let indent = |line: &Vec<Span>| {
        let text = text_of(line);
        text.len() - text.trim_start().len()
    };
    let is_list = !title.ends_with(')') && lines.iter().all(|line| indent(line) > 0);
    is_list.then(|| lines.iter().filter(|line| indent(line) < 6).count())
}

/// Renders a page as Markdown, each part folded but those whose titles begin as is said, and at most 60 kB long. `command`
/// shows what was cut.
#[must_use]
pub(crate) fn render_markdown(page: &Page, unfolded: &str, command: &str) -> String {
    let mut out = String::from("## system-manager\n\n");
    for line in &page.intro {
        out.push_str(&format!("{}\n", markdown_text(&text_of(line))));
    }
    if !page.summary.is_empty() {
        out.push_str(&format!("\n**{}**\n", markdown_text(&page.summary)));
    }
    for (title, lines) in &page.sections {
        let open = if title.starts_with(unfolded) {
            " open"
        } else {
            ""
        };
        let rows: Vec<String> = lines.iter().map(|l| diff_row(&text_of(l))).collect();
        let fence = fence_for(&rows);
        let room = MARKDOWN_LIMIT.saturating_sub(out.len());
        let shown = rows_that_fit(&rows, room);
        out.push_str(&format!(
            "\n<details{open}><summary>{}{}</summary>\n\n{fence}diff\n",
            markdown_text(title),
            things(title, lines).map_or_else(String::new, |n| format!(" ({n})"))
        ));
        for row in &rows[..shown] {
            out.push_str(row);
            out.push('\n');
        }
        out.push_str(&format!("{fence}\n"));
        if shown < rows.len() {
            out.push_str(&format!(
                "\n{} more lines: `system-manager {command}` shows them.\n",
                rows.len() - shown
            ));
        }
        out.push_str("\n</details>\n");
    }
    out
}

/// How many rows fit into so many bytes.
fn rows_that_fit(rows: &[String], room: usize) -> usize {
    let mut left = room;
    rows.iter()
        .take_while(|row| {
            let fits = row.len() < left;
            left = left.saturating_sub(row.len() + 1);
            fits
        })
        .count()
}

/// Writes a line as a row of a diff, whose first character gives it its colour.
fn diff_row(line: &str) -> String {
    let Some(rest) = line.strip_prefix("  ") else {
        return format!("  {line}");
    };
    if let Some(inner) = rest.strip_prefix("    ") {
        return inner.to_owned();
    }
    match rest.split_at_checked(2) {
        Some(("+ " | "- " | "! ", _)) => rest.to_owned(),
        Some(("~ " | "< ", text)) => format!("! {text}"),
        _ => format!("  {}", rest.trim_start()),
    }
}

/// A fence that is longer than any run of backquotes in the rows.
fn fence_for(rows: &[String]) -> String {
    let longest = rows
        .iter()
        .flat_map(|row| row.split(|c| c != '`'))
        .map(str::len)
        .max()
        .unwrap_or(0);
    "`".repeat(longest.max(2) + 1)
}

fn markdown_text(text: &str) -> String {
    text.chars()
        .flat_map(|c| match c {
            '<' => "&lt;".chars().collect::<Vec<_>>(),
            '*' | '_' | '`' | '[' | ']' | '\\' => vec!['\\', c],
            c => vec![c],
        })
        .collect()
}

/// How an HTML file begins, up to its heading. Nothing may be fetched by it, and no script but one of its own runs.
pub(crate) fn html_head(title: &str, style: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{}</title>\n<style>\n{STYLE}{style}</style>\n</head>\n<body>\n<main>\n",
        html_text(title)
    )
}

/// How an HTML file ends.
pub(crate) const HTML_END: &str = "</main>\n</body>\n</html>\n";

/// Renders a page as one HTML file without scripts, which a browser's own search goes through.
#[must_use]
pub(crate) fn render_html(page: &Page, name: &str) -> String {
    let title = if page.summary.is_empty() {
        format!("system-manager: {name}")
    } else {
        format!("system-manager: {}", page.summary)
    };
    let mut out = html_head(&title, "");
    out.push_str(&format!("<h1>system-manager: {name}</h1>\n"));
    for line in &page.intro {
        out.push_str(&format!("<p>{}</p>\n", html_line(line)));
    }
    if !page.summary.is_empty() {
        out.push_str(&format!(
            "<p class=\"summary\">{}</p>\n",
            html_text(&page.summary)
        ));
    }
    for (title, lines) in &page.sections {
        out.push_str(&format!(
            "<details open>\n<summary>{}{}</summary>\n<pre>",
            html_text(title),
            things(title, lines)
                .map_or_else(String::new, |n| format!(" <span class=\"dim\">{n}</span>"))
        ));
        for line in lines {
            out.push_str(&html_line(line));
            out.push('\n');
        }
        out.push_str("</pre>\n</details>\n");
    }
    out.push_str(HTML_END);
    out
}

const STYLE: &str = "\
:root { color-scheme: light dark; --text: #1f2328; --back: #ffffff; --box: #f6f8fa; --add: #116329; --change: #7d4e00;
  --remove: #a40e26; --dim: #59636e; --line: #d0d7de; }
@media (prefers-color-scheme: dark) { :root { --text: #e6edf3; --back: #0d1117; --box: #161b22; --add: #56d364;
  --change: #e3b341; --remove: #ff7b72; --dim: #9198a1; --line: #30363d; } }
* { box-sizing: border-box; }
body { margin: 0; overflow-wrap: anywhere; background: var(--back); color: var(--text); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 76rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.4rem; margin: 0 0 0.8rem; } h2 { font-size: 1.1rem; }
.summary { font-weight: 600; }
summary { cursor: pointer; font-weight: 600; padding: 0.3rem 0; }
pre { overflow-x: auto; background: var(--box); border-radius: 6px; padding: 0.8rem; margin: 0 0 0.8rem;
  font: 13px/1.45 ui-monospace, monospace; }
.add { color: var(--add); } .change { color: var(--change); } .remove { color: var(--remove); }
.dim { color: var(--dim); font-weight: 400; } .bold { font-weight: 600; }
@media (max-width: 40rem) { pre { white-space: pre-wrap; } }
";

fn html_line(spans: &[Span]) -> String {
    let class = |code: u8| {
        COLORS
            .iter()
            .find(|(c, _)| *c == code)
            .map(|(_, name)| *name)
    };
    spans
        .iter()
        .map(|span| match span.color.and_then(class) {
            Some(name) => format!("<span class=\"{name}\">{}</span>", html_text(&span.text)),
            None => html_text(&span.text),
        })
        .collect()
}

/// Writes text so that HTML shows it as it is.
pub(crate) fn html_text(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_read_back_and_control_characters_go() {
        let line = "  \x1b[32m+ /etc/a\x1b[0m  \x1b[2m(b\x07\x1b[9m)\x1b[0m";
        let spans: Vec<(Option<u8>, String)> = read_spans(line)
            .into_iter()
            .map(|s| (s.color, s.text))
            .collect();
        let expected = [
            (None, "  "),
            (Some(32), "+ /etc/a"),
            (None, "  "),
            (Some(2), "(b[9m)"),
        ];
        assert_eq!(spans, expected.map(|(c, t)| (c, t.to_owned())));
    }

    #[test]
    fn rows_of_a_diff_begin_with_their_sign() {
        for (line, row) in [
            ("  + /etc/a", "+ /etc/a"),
            ("  ~ /etc/a", "! /etc/a"),
            ("  < /etc/a", "! /etc/a"),
            ("      +new line", "+new line"),
            ("    restart a.service", "  restart a.service"),
            ("plain", "  plain"),
        ] {
            assert_eq!(diff_row(line), row, "{line}");
        }
    }

    #[test]
    fn a_fence_is_longer_than_what_it_holds() {
        assert_eq!(fence_for(&["a".to_owned()]), "```");
        assert_eq!(fence_for(&["x ```` y".to_owned()]), "`````");
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let rows = vec!["12345".to_owned(); 10];
        assert_eq!(rows_that_fit(&rows, 20), 3);
        assert_eq!(rows_that_fit(&rows, 0), 0);
        assert_eq!(rows_that_fit(&rows, 1000), 10);
    }

    #[test]
    fn text_is_escaped() {
        assert_eq!(html_text("<a b=\"&\">"), "&lt;a b=&quot;&amp;&quot;&gt;");
        assert_eq!(markdown_text("a_b <c> `d`"), "a\\_b &lt;c> \\`d\\`");
    }
}
