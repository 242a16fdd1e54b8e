//! Patterns of paths as glob(3) reads them, with braces. Pure.

/// Says whether a path component has to be matched against names.
pub(crate) fn is_pattern(part: &str) -> bool {
    part.contains(['*', '?', '['])
}

/// How many paths the braces of one pattern may stand for: each pair multiplies them.
const MOST: usize = 4096;

/// Replaces braces by their alternatives: `a{b,c}` gives `ab` and `ac`; none where they are too many to go through.
pub(crate) fn expand_braces(pattern: &str) -> Option<Vec<String>> {
    let (mut open, mut plain) = (vec![pattern.to_owned()], Vec::new());
    while let Some(pattern) = open.pop() {
        match first_braces(&pattern) {
            Some(braces) => open.extend(alternatives(&pattern, braces).into_iter().rev()),
            None => plain.push(pattern),
        }
        if open.len() + plain.len() > MOST {
            return None;
        }
    }
    Some(plain)
}

fn alternatives(pattern: &str, (open, close): (usize, usize)) -> Vec<String> {
    let (before, after) = (&pattern[..open], &pattern[close + 1..]);
    let mut alternatives = vec![before.to_owned()];
    let mut depth = 0;
    for c in pattern[open + 1..close].chars() {
        match c {
            ',' if depth == 0 => {
                alternatives.push(before.to_owned());
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
    for one in &mut alternatives {
        one.push_str(after);
    }
    alternatives
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

/// Goes on after the last `*` with one character more where what follows does not match: no other `*` need be tried again.
fn matches_rest(mut pattern: &[char], mut name: &[char]) -> bool {
    let mut again: Option<(&[char], &[char])> = None;
    loop {
        if let ['*', rest @ ..] = pattern {
            again = Some((rest, name));
            pattern = rest;
        } else if let Some(rest) = match_one(pattern, name) {
            (pattern, name) = (rest, &name[1..]);
        } else if pattern.is_empty() && name.is_empty() {
            return true;
        } else if let Some((rest, [_, tail @ ..])) = again {
            again = Some((rest, tail));
            (pattern, name) = (rest, tail);
        } else {
            return false;
        }
    }
}

/// Matches the first character; returns what follows in the pattern.
fn match_one<'p>(pattern: &'p [char], name: &[char]) -> Option<&'p [char]> {
    let ([first, rest @ ..], [c, ..]) = (pattern, name) else {
        return None;
    };
    match (first, take_class(rest, *c)) {
        ('?', _) => Some(rest),
        ('[', Some((inside, rest))) => inside.then_some(rest),
        _ => (first == c).then_some(rest),
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
            ("*a[b]*c", "aabxabxc", true),
            ("*[", "x[", true),
            ("a?", "a", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn no_pattern_takes_long() {
        assert!(!matches(
            &format!("{}c", "a*".repeat(100)),
            &"a".repeat(200)
        ));
        assert_eq!(expand_braces(&"{a,b}".repeat(800)), None);
        assert_eq!(expand_braces(&"{a,b}".repeat(12)).unwrap().len(), MOST);
    }

    #[test]
    fn expands_braces() {
        for (pattern, expected) in [
            ("a{b,c{d,e}}f", vec!["abf", "acdf", "acef"]),
            ("a{}b", vec!["a{}b"]),
            ("a{b", vec!["a{b"]),
        ] {
            assert_eq!(expand_braces(pattern).unwrap(), expected, "{pattern}");
        }
    }
}
