//! Patterns of paths as glob(3) reads them, with braces. Pure.

/// Says whether a path component has to be matched against names.
pub(crate) fn is_pattern(part: &str) -> bool {
    part.contains(['*', '?', '['])
}

/// Replaces braces by their alternatives: `a{b,c}` gives `ab` and `ac`.
pub(crate) fn expand_braces(pattern: &str) -> Vec<String> {
    let Some((open, close)) = first_braces(pattern) else {
        return vec![pattern.to_owned()];
    };
    let (before, after) = (&pattern[..open], &pattern[close + 1..]);
    let mut alternatives = vec![String::new()];
    let mut depth = 0;
    for c in pattern[open + 1..close].chars() {
        match c {
            ',' if depth == 0 => {
                alternatives.push(String::new());
                continue;
            }
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if let Some(last) = alternatives.last_mut() {
            last.push(c);
        }
    }
    alternatives
        .iter()
        .flat_map(|one| expand_braces(&format!("{before}{one}{after}")))
        .collect()
}

fn first_braces(pattern: &str) -> Option<(usize, usize)> {
    let open = pattern.find('{')?;
    let mut depth = 0;
    for (at, c) in pattern.char_indices().skip_while(|(at, _)| *at < open) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        // `{}` is left alone.
        if depth == 0 {
            return (at > open + 1).then_some((open, at));
        }
    }
    None
}

/// Matches `*`, `?` and `[...]`; a leading dot is only matched by a dot.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    (name.first() != Some(&'.') || pattern.first() == Some(&'.')) && matches_rest(&pattern, &name)
}

fn matches_rest(pattern: &[char], name: &[char]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (Some(('*', rest)), _) => (0..=name.len()).any(|n| matches_rest(rest, &name[n..])),
        (Some(('?', rest)), Some((_, tail))) => matches_rest(rest, tail),
        (Some(('[', rest)), Some((c, tail))) => match take_class(rest, *c) {
            Some((inside, rest)) => inside && matches_rest(rest, tail),
            None => *c == '[' && matches_rest(rest, tail),
        },
        (Some((p, rest)), Some((c, tail))) => p == c && matches_rest(rest, tail),
        _ => false,
    }
}

/// Reads a class after its `[`: whether `c` is in it, and what follows; none when it is not closed.
fn take_class(class: &[char], c: char) -> Option<(bool, &[char])> {
    let negated = matches!(class.first(), Some('!' | '^'));
    let start = usize::from(negated);
    // A `]` that comes first stands for itself.
    let close = start + 1 + class.get(start + 1..)?.iter().position(|x| *x == ']')?;
    let (mut inside, mut at) = (false, start);
    while at < close {
        if at + 2 < close && class[at + 1] == '-' {
            inside |= (class[at]..=class[at + 2]).contains(&c);
            at += 3;
        } else {
            inside |= class[at] == c;
            at += 1;
        }
    }
    Some((inside != negated, &class[close + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_as_glob_does() {
        for (pattern, name, expected) in [
            ("*", "a", true),
            ("*", ".a", false),
            (".*", ".a", true),
            ("a?c", "abc", true),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[]x]", "]", true),
            ("[a", "[a", true),
            ("a*b*", "axxbyy", true),
            ("a*b", "axc", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn expands_braces() {
        for (pattern, expected) in [
            ("a{b,c{d,e}}f", vec!["abf", "acdf", "acef"]),
            ("a{}b", vec!["a{}b"]),
            ("a{b", vec!["a{b"]),
        ] {
            assert_eq!(expand_braces(pattern), expected, "{pattern}");
        }
    }
}
