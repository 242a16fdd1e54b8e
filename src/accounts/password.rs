//! Passwords as shadow(5) keeps them: hashing, verifying, and telling a usable one from a locked one. Pure.

use sha_crypt::password_hash::{CustomizedPasswordHasher, PasswordVerifier};
use sha_crypt::{Params, PasswordHash, ShaCrypt};

/// How many random bytes a salt takes: sixteen characters, the most that sha512-crypt uses.
pub(crate) const SALT_BYTES: usize = 12;

/// Hashes a password with sha512-crypt (`$6$`), which every distribution's crypt(3) knows.
///
/// # Errors
/// When the salt can't be used; not for one of [`SALT_BYTES`] bytes.
pub(crate) fn hash_password(password: &str, salt: [u8; SALT_BYTES]) -> Result<String, String> {
    ShaCrypt::SHA512
        .hash_password_customized(password.as_bytes(), &salt, None, None, Params::RECOMMENDED)
        .map(|hash| hash.to_string())
        .map_err(|e| format!("hashing a password: {e}"))
}

/// Says whether a hash is one of this password. Hashes of another kind than `$5$` and `$6$` are not understood: false.
#[must_use]
pub fn verify_password(password: &str, hash: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(hash) else {
        return false;
    };
    if !text.starts_with("$5$") && !text.starts_with("$6$") {
        return false;
    }
    PasswordHash::new(text).is_ok_and(|hash| {
        ShaCrypt::SHA512
            .verify_password(password.as_bytes(), &hash)
            .is_ok()
    })
}

/// Says whether a password field lets anyone in by password.
///
/// No hash that crypt(3) makes begins with `!` or `*`; an empty field is a login without a password.
#[must_use]
pub(crate) fn is_locked(field: &[u8]) -> bool {
    matches!(field.first(), Some(b'!' | b'*')) || field == b"x"
}

/// Turns a date into days since 1970-01-01, as shadow(5) counts; `YYYY-MM-DD` only.
#[must_use]
pub(crate) fn days_of_date(date: &str) -> Option<i64> {
    let bytes = date.as_bytes();
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let number = |range: std::ops::Range<usize>| -> Option<i64> {
        let part = &date.as_bytes()[range];
        part.iter().all(u8::is_ascii_digit).then_some(())?;
        std::str::from_utf8(part).ok()?.parse().ok()
    };
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let longest = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=longest).contains(&day) || year < 1970 {
        return None;
    }
    // Counting years from March puts the leap day at the end of the year.
    let (y, m) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let day_of_year = (153 * m + 2) / 5 + day - 1;
    Some(365 * y + y / 4 - y / 100 + y / 400 + day_of_year - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verifies_hashes_of_other_programs() {
        // Made with `openssl passwd -6 -salt abcdefgh secret` and `openssl passwd -5 -salt abcdefgh secret`.
        let six = b"$6$abcdefgh$ltjgWl6579NluT/Vi1nwEvcil.G5Nbc4NiXZaNGStk8PSwGfQv72N2CKPPrVACtLtip/cZ/1GM/O6IND4WQhG.";
        assert!(verify_password("secret", six));
        assert!(!verify_password("Secret", six));
        assert!(verify_password(
            "secret",
            b"$5$abcdefgh$gruCpC7VkOTspMQTTSAR8mtlO9Upms.fwqE5y16JVM."
        ));
        for hash in [
            &b"!"[..],
            b"",
            b"*",
            b"x",
            b"$y$j9T$abc$def",
            b"$6$",
            b"\xff",
            b"$6$a$b",
        ] {
            assert!(!verify_password("secret", hash), "{hash:?}");
        }
    }

    #[test]
    fn hashes_with_the_salt() {
        let hash = hash_password("secret", [7; SALT_BYTES]).unwrap();
        assert!(hash.starts_with("$6$"), "{hash}");
        assert!(!hash.contains([':', '\n']));
        assert!(verify_password("secret", hash.as_bytes()));
        assert_ne!(hash, hash_password("secret", [8; SALT_BYTES]).unwrap());
        assert!(hash_password("", [7; SALT_BYTES]).is_ok());
    }

    #[test]
    fn counts_days() {
        for (date, expected) in [
            ("1970-01-01", Some(0)),
            ("1970-03-01", Some(59)),
            ("2000-02-29", Some(11016)),
            ("2026-11-22", Some(20779)),
            ("2100-03-01", Some(47541)),
            ("2026-02-29", None),
            ("2100-02-29", None),
            ("2026-13-01", None),
            ("2026-00-01", None),
            ("2026-1-1", None),
            ("2026-04-31", None),
            ("1969-12-31", None),
            ("+026-01-01", None),
            ("2026-01-01\n", None),
            ("é026-01-0", None),
        ] {
            assert_eq!(days_of_date(date), expected, "{date}");
        }
    }
}
