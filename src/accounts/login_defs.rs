//! The id ranges of a distribution: login.defs(5).

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// Where ids may be allocated. The defaults are those of shadow-utils.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdRanges {
    /// Ids of ordinary users (`UID_MIN`, `UID_MAX`).
    pub uid: RangeInclusive<u32>,
    /// Ids of system users (`SYS_UID_MIN`, `SYS_UID_MAX`).
    pub system_uid: RangeInclusive<u32>,
    /// Ids of system groups (`SYS_GID_MIN`, `SYS_GID_MAX`); NixOS gives every group its id from there.
    pub system_gid: RangeInclusive<u32>,
    /// Subordinate user ids (`SUB_UID_MIN`, `SUB_UID_MAX`).
    pub sub_uid: RangeInclusive<u32>,
    /// Subordinate group ids (`SUB_GID_MIN`, `SUB_GID_MAX`).
    pub sub_gid: RangeInclusive<u32>,
}

impl Default for IdRanges {
    fn default() -> Self {
        parse_login_defs(b"")
    }
}

/// Reads the ranges. What is missing or no number has shadow-utils' default; the last definition counts. Pure.
#[must_use]
pub fn parse_login_defs(bytes: &[u8]) -> IdRanges {
    let text = String::from_utf8_lossy(bytes);
    let mut values = BTreeMap::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        if let (Some(key), Some(value)) = (words.next(), words.next())
            && let Some(number) = parse_c_number(value.trim_matches('"'))
        {
            values.insert(key, number);
        }
    }
    let get = |key, default| values.get(key).copied().unwrap_or(default);
    let system = |min, max, first: u32| {
        // Never 0: that is root's, whatever the file says.
        let min = get(min, 101).max(1);
        min..=get(max, first.saturating_sub(1))
    };
    let uid_min = get("UID_MIN", 1000);
    let gid_min = get("GID_MIN", 1000);
    IdRanges {
        uid: uid_min.max(1)..=get("UID_MAX", 60000),
        system_uid: system("SYS_UID_MIN", "SYS_UID_MAX", uid_min),
        system_gid: system("SYS_GID_MIN", "SYS_GID_MAX", gid_min),
        sub_uid: get("SUB_UID_MIN", 100_000)..=get("SUB_UID_MAX", 600_100_000),
        sub_gid: get("SUB_GID_MIN", 100_000)..=get("SUB_GID_MAX", 600_100_000),
    }
}

/// Reads a number as C does: `0x` is hexadecimal, a leading `0` octal.
fn parse_c_number(s: &str) -> Option<u32> {
    let parsed = if let Some(hex) = s.strip_prefix("0x").or_else(|| s.strip_prefix("0X")) {
        u32::from_str_radix(hex, 16)
    } else if s.len() > 1 && s.starts_with('0') {
        u32::from_str_radix(s, 8)
    } else {
        s.parse()
    };
    // A value that is no number counts as missing, as it does for shadow-utils.
    parsed.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_ranges_as_shadow_utils_does() {
        let fedora = b"UID_MIN 1000\nUID_MAX 60000\nSYS_UID_MIN 201\nSYS_UID_MAX 999\n\
            SYS_GID_MIN\t\t\t201\nSYS_GID_MAX 999\nSUB_UID_MIN 524288\n";
        let r = parse_login_defs(fedora);
        assert_eq!(
            (r.uid, r.system_uid, r.system_gid),
            (1000..=60000, 201..=999, 201..=999)
        );
        assert_eq!(*r.sub_uid.start(), 524_288);

        for (text, expected, why) in [
            ("", 1000..=60000, "defaults"),
            ("#UID_MIN 500", 1000..=60000, "a comment"),
            ("UID_MIN 500\nUID_MIN 600", 600..=60000, "the last counts"),
            ("UID_MIN many", 1000..=60000, "no number"),
            ("UID_MIN 0x400\nUID_MAX 02000", 1024..=1024, "C numbers"),
            ("UID_MIN 0", 1..=60000, "never root's"),
        ] {
            assert_eq!(parse_login_defs(text.as_bytes()).uid, expected, "{why}");
        }
        let r = parse_login_defs(b"UID_MIN 500\nGID_MIN 400\xff\nGID_MIN 400");
        assert_eq!(r.system_uid, 101..=499, "system ids end where users begin");
        assert_eq!(r.system_gid, 101..=399);
    }
}
