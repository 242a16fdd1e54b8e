//! The words of a tmpfiles.d(5) line: quotes, C escapes, specifiers and base64. Pure.

use std::collections::BTreeMap;

use crate::model::base64;

/// What the specifiers of a host stand for (tmpfiles.d(5), "Specifiers"); one without a value can't be expanded here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Specifiers(pub BTreeMap<char, Option<String>>);

/// Why a text could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unread {
    /// systemd-tmpfiles refuses it as well, and goes on with the next line.
    Invalid(String),
    /// systemd-tmpfiles ends there, and does what no line of any file asks for.
    Stops(String),
    /// Only the host's systemd-tmpfiles knows what it means.
    Unknown(String),
}

/// Some make `x20` of `\x20`, 252 among them.
const ESCAPES: &str = "the release of systemd, which differ in what an escape in a path means; write the character itself, in quotes";

pub(crate) fn invalid(why: impl Into<String>) -> Unread {
    Unread::Invalid(why.into())
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Removes white space from both ends.
pub(crate) fn trim(mut text: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = text
        && is_space(*first)
    {
        text = rest;
    }
    while let [rest @ .., last] = text
        && is_space(*last)
    {
        text = rest;
    }
    text
}

/// Takes the next word off `text`, without its quotes and with its escapes undone; none at the end.
pub(crate) fn take_word(text: &mut &[u8]) -> Result<Option<Vec<u8>>, Unread> {
    let mut rest = trim(text);
    if rest.is_empty() {
        *text = rest;
        return Ok(None);
    }
    let mut word = Vec::new();
    let mut quote = None;
    loop {
        match (rest.split_first(), quote) {
            (None, None) => break,
            (None, Some(_)) => return Err(invalid("a quote is not closed")),
            (Some((b'\\', tail)), _) => {
                rest = tail;
                if !matches!(rest.first(), None | Some(b'\\' | b'"' | b'\'')) {
                    return Err(Unread::Unknown(ESCAPES.to_owned()));
                }
                take_escape(&mut rest, &mut word)?;
            }
            (Some((c, tail)), Some(q)) => {
                rest = tail;
                if *c == q {
                    quote = None;
                } else {
                    word.push(*c);
                }
            }
            (Some((c @ (b'\'' | b'"'), tail)), None) => {
                rest = tail;
                quote = Some(*c);
            }
            (Some((c, tail)), None) => {
                rest = tail;
                if is_space(*c) {
                    break;
                }
                word.push(*c);
            }
        }
    }
    *text = trim(rest);
    Ok(Some(word))
}

/// Undoes the C escapes of a text.
pub(crate) fn unescape(text: &[u8]) -> Result<Vec<u8>, Unread> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((c, tail)) = rest.split_first() {
        rest = tail;
        if *c == b'\\' {
            take_escape(&mut rest, &mut out)?;
        } else {
            out.push(*c);
        }
    }
    Ok(out)
}

/// Reads one escape, after its backslash.
fn take_escape(rest: &mut &[u8], out: &mut Vec<u8>) -> Result<(), Unread> {
    let Some((c, tail)) = rest.split_first() else {
        return Err(invalid("it ends in a backslash"));
    };
    *rest = tail;
    let plain = match c {
        b'a' => 0x07,
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 0x0b,
        b's' => b' ',
        b'\\' | b'"' | b'\'' => *c,
        b'x' => byte_of(take_number(rest, 2, 16)?)?,
        b'u' | b'U' => {
            let digits = if *c == b'u' { 4 } else { 8 };
            let code = take_number(rest, digits, 16)?;
            let character = char::from_u32(code)
                .filter(|c| *c != '\0')
                .ok_or_else(|| invalid("an escape names no character"))?;
            out.extend(character.to_string().bytes());
            return Ok(());
        }
        b'0'..=b'7' => {
            let two = take_number(rest, 2, 8)?;
            byte_of(u32::from(c - b'0') * 64 + two)?
        }
        _ => return Err(invalid("it has an unknown escape")),
    };
    out.push(plain);
    Ok(())
}

fn byte_of(number: u32) -> Result<u8, Unread> {
    u8::try_from(number)
        .ok()
        .filter(|byte| *byte != 0)
        .ok_or_else(|| invalid("an escape is out of range"))
}

fn take_number(rest: &mut &[u8], digits: usize, radix: u32) -> Result<u32, Unread> {
    let mut number = 0;
    for _ in 0..digits {
        let digit = rest
            .first()
            .and_then(|c| char::from(*c).to_digit(radix))
            .ok_or_else(|| invalid("an escape is cut short"))?;
        number = number * radix + digit;
        *rest = &rest[1..];
    }
    Ok(number)
}

/// Replaces the specifiers of a text.
pub(crate) fn expand(text: &[u8], specifiers: &Specifiers) -> Result<Vec<u8>, Unread> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    while let Some(c) = bytes.next() {
        if *c != b'%' {
            out.push(*c);
            continue;
        }
        match bytes.next() {
            None | Some(b'%') => out.push(b'%'),
            Some(letter) => {
                let letter = char::from(*letter);
                match specifiers.0.get(&letter) {
                    Some(Some(value)) => out.extend(value.bytes()),
                    _ => return Err(Unread::Unknown(format!("what %{letter} stands for"))),
                }
            }
        }
    }
    Ok(out)
}

/// Decodes base64 (RFC 4648); white space is skipped.
pub(crate) fn decode_base64(text: &[u8]) -> Result<Vec<u8>, Unread> {
    let bad = || Unread::Stops("its argument is not base64".to_owned());
    let digits: Vec<u8> = text.iter().copied().filter(|c| !is_space(*c)).collect();
    if !digits.len().is_multiple_of(4) {
        return Err(bad());
    }
    let padding = digits.iter().rev().take_while(|c| **c == b'=').count();
    if padding > 2 {
        return Err(bad());
    }
    base64::decode(&digits).ok_or_else(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_words_as_systemd_does() {
        for (line, expected) in [
            ("d  /a\t0755 ", Some(vec!["d", "/a", "0755"])),
            (r#"'d' "/a b" x'y'z"#, Some(vec!["d", "/a b", "xyz"])),
            (r"d /a\\b \'", Some(vec!["d", r"/a\b", "'"])),
            (r"d /a\x20b", None),
            (r"'it\'s' ''", Some(vec!["it's", ""])),
            ("", Some(vec![])),
            ("'open", None),
            (r"a\", None),
            (r"a\q", None),
            (r"a\x0", None),
            (r"a\x00", None),
            (r"a\400", None),
        ] {
            let mut rest = line.as_bytes();
            let mut words = Vec::new();
            let read = loop {
                match take_word(&mut rest) {
                    Ok(Some(word)) => words.push(String::from_utf8(word).unwrap()),
                    Ok(None) => break Some(words.iter().map(String::as_str).collect::<Vec<_>>()),
                    Err(_) => break None,
                }
            };
            assert_eq!(read, expected, "{line}");
        }
    }

    #[test]
    fn decodes_base64() {
        for (text, expected) in [
            ("aGk=", Some("hi")),
            ("aGkh", Some("hi!")),
            ("aA==", Some("h")),
            ("", Some("")),
            ("aGk", None),
            ("a===", None),
            ("a-b=", None),
        ] {
            let read = decode_base64(text.as_bytes()).ok();
            assert_eq!(read.as_deref(), expected.map(str::as_bytes), "{text}");
        }
    }
}
