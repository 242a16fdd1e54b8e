//! Lines of tmpfiles.d(5) as data. Pure.
//!
//! Older releases of systemd can't show what their systemd-tmpfiles would do; this reading of the format is what
//! plans are made from. What it can't know for sure stays opaque and is named as such.

use crate::tmpfiles::glob;
use crate::tmpfiles::words::{
    Specifiers, Unread, decode_base64, expand, invalid, take_word, trim, unescape,
};

/// A line that asks for something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    /// The letter of its type.
    pub letter: char,
    /// `+`: appends, truncates or replaces, by type.
    pub force: bool,
    /// `=`: an object of another type is replaced.
    pub replace: bool,
    /// Where; an absolute path, or a pattern for the types that take one.
    pub path: String,
    /// The permission bits.
    pub mode: Option<RuleMode>,
    /// The user.
    pub user: Option<RuleOwner>,
    /// The group.
    pub group: Option<RuleOwner>,
    /// The age, which only cleaning looks at.
    pub age: String,
    /// The argument, expanded.
    pub argument: Option<Vec<u8>>,
}

/// The permission bits of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RuleMode {
    /// The bits.
    pub bits: u32,
    /// `~`: masked by what stands there.
    pub masked: bool,
    /// `:`: only for what is created.
    pub only_new: bool,
}

/// The user or group of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RuleOwner {
    /// A name or a number.
    pub name: String,
    /// `:`: only for what is created.
    pub only_new: bool,
}

/// What a line comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Parsed {
    /// Nothing: it is empty, a comment, or for booting only (`!`).
    Nothing,
    /// It asks for something.
    Rule(Box<Rule>),
    /// It can't be read; the text says why.
    Unread(Unread),
}

impl Rule {
    /// Whether the rule may set mode or owner of what stands at a path. Pure.
    #[must_use]
    pub(crate) fn is_about(&self, path: &str) -> bool {
        let is_within = path
            .strip_prefix(&self.path)
            .is_some_and(|r| r.starts_with('/'));
        let by_pattern = || {
            let patterns = glob::expand_braces(&self.path);
            patterns
                .iter()
                .flatten()
                .any(|pattern| glob::matches(pattern, path))
        };
        match self.letter {
            'Z' | 'A' | 'T' | 'H' => self.path == path || is_within || by_pattern(),
            'L' | 'x' | 'X' | 'r' | 'R' => false,
            _ => self.path == path || by_pattern(),
        }
    }

    /// Says whether the type is one that a path can only have once.
    #[must_use]
    pub(crate) fn takes_ownership(&self) -> bool {
        "fFdDvqQpLcbCwexXrR".contains(self.letter)
    }

    /// Says whether the type takes a pattern, and so comes after those that do not.
    #[must_use]
    pub(crate) fn takes_pattern(&self) -> bool {
        "wexXrRmzZtThHaA".contains(self.letter)
    }

    /// Gives the argument as text; none when it is no UTF-8.
    #[must_use]
    pub(crate) fn text(&self) -> Option<&str> {
        std::str::from_utf8(self.argument.as_deref()?).ok()
    }

    /// Gives the major and minor number of a device.
    #[must_use]
    pub(crate) fn device(&self) -> Option<(u32, u32)> {
        let (major, minor) = self.text()?.split_once(':')?;
        Some((major.parse().ok()?, minor.parse().ok()?))
    }

    /// Gives the link target or the source of a copy; by default that of the same name in the factory folder.
    #[must_use]
    pub(crate) fn source(&self) -> Option<String> {
        match &self.argument {
            Some(_) => self.text().map(str::to_owned),
            None => Some(format!("/usr/share/factory{}", self.path)),
        }
    }
}

/// Parses one line; never fails on any bytes.
#[must_use]
pub(crate) fn parse_line(line: &[u8], specifiers: &Specifiers) -> Parsed {
    match parse(trim(line), specifiers) {
        Ok(Some(rule)) => Parsed::Rule(Box::new(rule)),
        Ok(None) => Parsed::Nothing,
        Err(unread) => Parsed::Unread(unread),
    }
}

fn parse(line: &[u8], specifiers: &Specifiers) -> Result<Option<Rule>, Unread> {
    if line.is_empty() || line.starts_with(b"#") {
        return Ok(None);
    }
    if line.contains(&0) {
        return Err(invalid("it has a NUL byte"));
    }
    let mut rest = line;
    let mut word = || take_word(&mut rest);
    let (action, path) = (word()?.unwrap_or_default(), word()?);
    let path = path.ok_or_else(|| invalid("it has no path"))?;
    let fields = [word()?, word()?, word()?, word()?].map(Option::unwrap_or_default);
    let [mode, user, group, age] = fields.map(|f| {
        let text = String::from_utf8_lossy(&f).into_owned();
        (!text.is_empty() && text != "-").then_some(text)
    });
    let (letter, modifiers) = parse_action(&action)?;
    if modifiers.contains(&'!') {
        return Ok(None);
    }
    if modifiers.contains(&'^') {
        return Err(credential(rest));
    }
    if modifiers.contains(&'?') {
        return Err(Unread::Unknown(
            "what the modifier `?` does here".to_owned(),
        ));
    }
    let rule = Rule {
        letter,
        force: modifiers.contains(&'+'),
        replace: modifiers.contains(&'='),
        path: parse_path(&path, specifiers)?,
        mode: mode.as_deref().map(parse_mode).transpose()?,
        user: user.map(parse_owner).transpose()?,
        group: group.map(parse_owner).transpose()?,
        age: age.map(parse_age).transpose()?.unwrap_or_default(),
        argument: parse_argument(letter, rest, modifiers.contains(&'~'), specifiers)?,
    };
    check(&rule)?;
    Ok(Some(rule))
}

fn parse_action(action: &[u8]) -> Result<(char, Vec<char>), Unread> {
    let mut characters = action.iter().map(|c| char::from(*c));
    let letter = characters.next().unwrap_or('\0');
    if !"fFwdDevqQpLcbCxXrRzZmtThHaA".contains(letter) {
        return Err(invalid(format!(
            "its type `{}` is unknown",
            letter.escape_default()
        )));
    }
    let modifiers: Vec<char> = characters.collect();
    match modifiers.iter().find(|c| !"+!-=~^$?".contains(**c)) {
        Some(other) => Err(invalid(format!(
            "its modifier `{}` is unknown",
            other.escape_default()
        ))),
        None => Ok((letter, modifiers)),
    }
}

fn parse_path(path: &[u8], specifiers: &Specifiers) -> Result<String, Unread> {
    let path = expand(path, specifiers)?;
    let text = String::from_utf8(path)
        .map_err(|_| Unread::Unknown("its path, which is not UTF-8".to_owned()))?;
    if !text.starts_with('/') {
        return Err(invalid("its path is not absolute"));
    }
    let parts: Vec<&str> = text
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
        .collect();
    if parts.contains(&"..") {
        return Err(invalid("its path has `..`"));
    }
    if text.len() > 4095 || parts.iter().any(|part| part.len() > 255) {
        return Err(invalid("its path is too long"));
    }
    Ok(format!("/{}", parts.join("/")))
}

fn parse_mode(text: &str) -> Result<RuleMode, Unread> {
    let digits = text.trim_start_matches(['~', ':']);
    let prefix = &text[..text.len() - digits.len()];
    let bits = u32::from_str_radix(digits, 8)
        .ok()
        .filter(|bits| *bits <= 0o7777 && digits.starts_with(|c: char| c.is_ascii_digit()))
        .ok_or_else(|| invalid(format!("its mode `{text}` is not octal")))?;
    Ok(RuleMode {
        bits,
        masked: prefix.contains('~'),
        only_new: prefix.contains(':'),
    })
}

/// Says why a line with `^` is not read: what the credential has is not known here.
fn credential(argument: &[u8]) -> Unread {
    match argument {
        b"" | b"-" => Unread::Stops("it names no credential".to_owned()),
        name if name.contains(&b'/') || name.contains(&b':') || name.len() > 255 => {
            Unread::Stops("its credential has a name that can't be".to_owned())
        }
        _ => Unread::Unknown("the credential that it names".to_owned()),
    }
}

fn parse_owner(text: String) -> Result<RuleOwner, Unread> {
    let (name, only_new) = match text.strip_prefix(':') {
        Some(name) => (name.to_owned(), true),
        None => (text, false),
    };
    // Two numbers stand for "none" to the kernel and to programs of old.
    let is_none = matches!(name.parse(), Ok(0xffff | u32::MAX));
    let is_number = name.starts_with(|c: char| c.is_ascii_digit());
    if name.is_empty() || is_none || is_number && name.parse::<u32>().is_err() {
        return Err(invalid(format!("`{name}` is no user or group")));
    }
    Ok(RuleOwner { name, only_new })
}

/// Reads an age, which only cleaning looks at: a line with one that is wrong is no line.
fn parse_age(text: String) -> Result<String, Unread> {
    let span = text.strip_prefix('~').unwrap_or(&text);
    let (by, span) = span.split_once(':').unwrap_or(("a", span));
    let is_by = !by.is_empty() && by.chars().all(|c| "abcmABCM".contains(c));
    if is_by && is_span(span) {
        return Ok(text);
    }
    Err(invalid(format!("its age `{text}` is none")))
}

/// Whether a text is a span of time as systemd.time(7) has it: numbers, each with a unit or in seconds.
fn is_span(text: &str) -> bool {
    const UNITS: [&str; 31] = [
        "", "s", "sec", "second", "seconds", "m", "min", "minute", "minutes", "h", "hr", "hour",
        "hours", "d", "day", "days", "w", "week", "weeks", "month", "months", "M", "y", "year",
        "years", "ms", "msec", "us", "usec", "\u{b5}s", "\u{3bc}s",
    ];
    let mut rest = text.trim();
    if rest.is_empty() || rest == "infinity" {
        return !rest.is_empty();
    }
    while !rest.is_empty() {
        let unit = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        let number = &rest[..rest.len() - unit.len()];
        if number.parse::<f64>().is_err() {
            return false;
        }
        let unit = unit.trim_start();
        let next = unit.trim_start_matches(|c: char| c.is_alphabetic());
        if !UNITS.contains(&&unit[..unit.len() - next.len()]) {
            return false;
        }
        rest = next.trim_start();
    }
    true
}

fn parse_argument(
    letter: char,
    text: &[u8],
    base64: bool,
    specifiers: &Specifiers,
) -> Result<Option<Vec<u8>>, Unread> {
    if text.is_empty() || text == b"-" {
        return Ok(None);
    }
    if base64 {
        if !"fFw".contains(letter) {
            return Err(invalid("`~` is not for its type"));
        }
        return decode_base64(text).map(Some);
    }
    if "fFwLC".contains(letter) {
        return expand(&unescape(text)?, specifiers).map(Some);
    }
    Ok(Some(text.to_vec()))
}

fn check(rule: &Rule) -> Result<(), Unread> {
    if rule.takes_pattern() && glob::expand_braces(&rule.path).is_none() {
        return Err(Unread::Stops(
            "its braces stand for too many paths".to_owned(),
        ));
    }
    match rule.letter {
        'w' if rule.argument.is_none() => Err(invalid("`w` needs an argument")),
        'C' | 'L' if rule.source().is_none() => Err(Unread::Unknown(
            "its argument, which is not UTF-8".to_owned(),
        )),
        'C' if !rule.source().is_some_and(|s| s.starts_with('/')) => {
            Err(invalid("the source of `C` must be absolute"))
        }
        'c' | 'b' if rule.device().is_none() => {
            Err(invalid("a device needs MAJOR:MINOR as argument"))
        }
        't' | 'T' | 'h' | 'H' | 'a' | 'A' if rule.argument.is_none() => {
            Err(invalid(format!("`{}` needs an argument", rule.letter)))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn specifiers() -> Specifiers {
        Specifiers(BTreeMap::from([
            ('m', Some("0123".to_owned())),
            ('S', Some("/var/lib".to_owned())),
            ('b', None),
        ]))
    }

    fn read(line: &str) -> Result<Rule, String> {
        match parse_line(line.as_bytes(), &specifiers()) {
            Parsed::Rule(rule) => Ok(*rule),
            Parsed::Nothing => Err("nothing".to_owned()),
            Parsed::Unread(Unread::Invalid(why)) => Err(why),
            Parsed::Unread(Unread::Unknown(what)) => Err(format!("unknown: {what}")),
            Parsed::Unread(Unread::Stops(why)) => Err(format!("stops: {why}")),
        }
    }

    #[test]
    fn reads_every_field() {
        let rule = read("d '/a//b c/' ~:2755 :web 33 10d unused").unwrap();
        assert_eq!(rule.path, "/a/b c");
        let mode = rule.mode.unwrap();
        assert_eq!(
            (mode.bits, mode.masked, mode.only_new),
            (0o2755, true, true)
        );
        let user = rule.user.unwrap();
        assert_eq!((user.name.as_str(), user.only_new), ("web", true));
        assert_eq!(rule.group.unwrap().name, "33");
        assert_eq!(rule.age, "10d");
    }

    #[test]
    fn reads_arguments_by_type() {
        for (line, expected) in [
            (r"f /a - - - - two  words\n", "two  words\n"),
            ("f /a - - - - 'kept'  ", "'kept'"),
            (r"f /a - - - - %m %% \x25m", "0123 % 0123"),
            ("f~ /a - - - - aGk=", "hi"),
            ("L /a - - - - %S/x", "/var/lib/x"),
            (r"a /a - - - - u:web:r\n", r"u:web:r\n"),
        ] {
            let rule = read(line).unwrap();
            let argument = String::from_utf8(rule.argument.unwrap()).unwrap();
            assert_eq!(argument, expected, "{line}");
        }
        assert_eq!(
            read("L /a/b").unwrap().source().unwrap(),
            "/usr/share/factory/a/b"
        );
        assert_eq!(read("c /a - - - - 1:3").unwrap().device(), Some((1, 3)));
    }

    #[test]
    fn says_why_a_line_is_not_read() {
        for (line, why) in [
            ("", "nothing"),
            ("  # d /a", "nothing"),
            ("d! /a", "nothing"),
            ("d", "no path"),
            ("y /a", "type"),
            ("dd /a", "modifier"),
            ("d a", "not absolute"),
            ("d /a/../b", "`..`"),
            ("d /a 0999", "octal"),
            ("d /a 10000", "octal"),
            ("d /a +755", "octal"),
            ("d /a/%z", "unknown: what %z"),
            ("d /a/%b", "unknown: what %b"),
            ("f^ /a - - - - cred", "unknown: the credential"),
            ("f^ /a", "stops: it names no credential"),
            ("f^ /a - - - - a/b", "stops: its credential"),
            ("f~ /a - - - - !!", "stops: its argument"),
            ("d /a - 65535", "`65535` is no user"),
            ("d /a - - 4294967295", "is no user"),
            ("d /a - - 4294967296", "is no user"),
            ("d /a - :", "`` is no user"),
            ("d /a - - - soon", "its age `soon`"),
            ("d /a - - - x:1d", "its age"),
            ("d /a - - - 1y2z", "its age"),
            ("w /a", "argument"),
            ("c /a", "MAJOR"),
            ("C /a - - - - b", "absolute"),
            ("d~ /a - - - - aGk=", "`~`"),
            ("d '/a", "quote"),
        ] {
            let error = read(line).unwrap_err();
            assert!(error.contains(why), "{line}: {error}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(line in proptest::collection::vec(any::<u8>(), 0..60)) {
            prop_assert!(is_plain(&parse_line(&line, &specifiers())));
        }

        #[test]
        fn what_looks_like_a_rule_has_a_plain_path(line in r#"[fdLwCce][+!=~-]{0,2} [/a%.\\'"]{0,8} [~:0-7-]{0,5} .{0,12}"#) {
            prop_assert!(is_plain(&parse_line(line.as_bytes(), &specifiers())));
        }
    }

    fn is_plain(parsed: &Parsed) -> bool {
        match parsed {
            Parsed::Rule(rule) => {
                rule.path == "/"
                    || rule.path.strip_prefix('/').is_some_and(|path| {
                        path.split('/').all(|part| !matches!(part, "" | "." | ".."))
                    })
            }
            _ => true,
        }
    }
}
