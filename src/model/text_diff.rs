//! How one text differs from another, for people. Pure.

use similar::algorithms::{Capture, Compact, Replace, myers};
use similar::udiff::UnifiedHunkHeader;
use similar::{ChangeTag, DiffOp, group_diff_ops};

/// Longer contents are not compared: the plan is for reading.
pub(crate) const LIMIT: usize = 256 * 1024;

/// How many equal lines are shown around those that differ.
const CONTEXT: usize = 2;

/// What stands in place of a difference that not everyone may read.
pub(crate) const HIDDEN: &str = "(content not shown: not everyone may read it)\n";

pub(crate) fn render(before: &[u8], after: &[u8]) -> String {
    if before.len().max(after.len()) > LIMIT {
        return "(content not shown: it is too large)\n".to_owned();
    }
    let (Ok(before), Ok(after)) = (std::str::from_utf8(before), std::str::from_utf8(after)) else {
        return "(content not shown: it is not text)\n".to_owned();
    };
    let (old, new) = (lines(before), lines(after));
    let mut text = String::new();
    for group in group_diff_ops(steps(&old, &new), CONTEXT) {
        text += &format!("{}\n", UnifiedHunkHeader::new(&group));
        for change in group.iter().flat_map(|op| op.iter_changes(&*old, &*new)) {
            text += &format!("{}{}", change.tag(), change.value());
            if !change.value().ends_with('\n') {
                text += "\n\\ No newline at end of file\n";
            }
        }
    }
    text
}

/// Returns the lines that go and come, each with its sign.
pub(crate) fn render_changes(before: &str, after: &str) -> String {
    let (old, new) = (lines(before), lines(after));
    let steps = steps(&old, &new);
    let all = steps.iter().flat_map(|op| op.iter_changes(&*old, &*new));
    all.filter(|change| change.tag() != ChangeTag::Equal)
        .map(|change| format!("{}{}", change.tag(), change.value()))
        .collect()
}

fn lines(text: &str) -> Vec<&str> {
    text.split_inclusive('\n').collect()
}

/// Finds the way from one text to another. By one algorithm: the program that can choose among all of the library's is a
/// third of a megabyte larger.
fn steps(old: &[&str], new: &[&str]) -> Vec<DiffOp> {
    let mut steps = Compact::new(Replace::new(Capture::new()), old, new);
    let Ok(()) = myers::diff(&mut steps, old, 0..old.len(), new, 0..new.len());
    steps.into_inner().into_inner().into_ops()
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
