//! Base64 (RFC 4648).

/// Decodes it, with its padding or without; none where something else is in it. Pure.
pub(crate) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let padding = text.iter().rev().take_while(|c| **c == b'=').count();
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0_u32, 0);
    for c in &text[..text.len() - padding] {
        let value = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.extend(u8::try_from(bits >> held & 0xff));
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read_or_none() {
        for (text, expected) in [("", ""), ("Zg==", "f"), ("Zg", "f"), ("Zm9vYmFy", "foobar")] {
            assert_eq!(decode(text.as_bytes()).unwrap(), expected.as_bytes());
        }
        assert_eq!(decode(b"a b"), None);
    }
}
