//! How one text differs from another, for people. Pure.

use similar::TextDiff;

/// Longer contents are not compared: the plan is for reading.
pub(crate) const LIMIT: usize = 256 * 1024;

/// What stands in place of a difference that not everyone may read.
pub(crate) const HIDDEN: &str = "(content not shown: not everyone may read it)\n";

pub(crate) fn render(before: &[u8], after: &[u8]) -> String {
    if before.len().max(after.len()) > LIMIT {
        return "(content not shown: it is too large)\n".to_owned();
    }
    let (Ok(before), Ok(after)) = (std::str::from_utf8(before), std::str::from_utf8(after)) else {
        return "(content not shown: it is not text)\n".to_owned();
    };
    let text = TextDiff::from_lines(before, after)
        .unified_diff()
        .context_radius(2)
        .to_string();
    // The plan names the file already.
    text.lines()
        .filter(|l| !l.starts_with("--- ") && !l.starts_with("+++ "))
        .map(|l| format!("{l}\n"))
        .collect()
}

/// Shows a new text, each line as one that comes.
pub(crate) fn render_new(after: &[u8]) -> String {
    let shown = render(b"", after);
    match shown.split_once('\n') {
        // Where the lines are is no news when all of them are.
        Some((head, rest)) if head.starts_with("@@ ") => rest.to_owned(),
        _ => shown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn shows_changed_lines_with_context() {
        expect![[r"
            @@ -1,3 +1,3 @@
             a
            -b
            +B
             c
        "]]
        .assert_eq(&render(b"a\nb\nc\n", b"a\nB\nc\n"));
        assert_eq!(
            render(b"\xff", b"a"),
            "(content not shown: it is not text)\n"
        );
    }
}
