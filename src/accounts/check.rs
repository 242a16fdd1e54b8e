//! What a declared account must be like before it is written anywhere: names, and fields that are one field. Pure.

use crate::accounts::decide::Refusal;
use crate::accounts::password::days_of_date;
use crate::model::manifest::{Accounts, User};
use crate::model::names::AbsolutePath;

/// The longest name that utmp(5), and so shadow-utils, can hold; a configuration's own end at 31, as on NixOS.
const LONGEST_NAME: usize = 32;

/// Gives every reason why the declared accounts can't be written.
#[must_use]
pub(crate) fn check_accounts(desired: &Accounts) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    let mut refuse = |subject: String, reason: String| {
        refusals.push(Refusal {
            subject,
            reason,
            hint: None,
        });
    };
    for (name, group) in &desired.groups {
        let subject = format!("group `{name}`");
        for bad in std::iter::once(name)
            .chain(&group.members)
            .filter_map(|n| check_name(n))
        {
            refuse(subject.clone(), bad);
        }
        if group.gid == Some(u32::MAX) {
            refuse(
                subject,
                "gid 4294967295 is reserved: to the kernel it means \"none\"".to_owned(),
            );
        }
    }
    for (name, user) in &desired.users {
        for reason in check_user(name, user) {
            refuse(format!("user `{name}`"), reason);
        }
    }
    refusals
}

fn check_user(name: &str, user: &User) -> Vec<String> {
    let mut bad: Vec<String> = std::iter::once(name)
        .chain(user.group.as_deref())
        .chain(user.extra_groups.iter().map(String::as_str))
        .filter_map(check_name)
        .collect();
    let fields = [
        ("description", user.description.as_deref()),
        ("home", user.home.as_ref().map(AbsolutePath::as_str)),
        ("shell", user.shell.as_ref().map(AbsolutePath::as_str)),
        (
            "shell",
            user.shell_fallback.as_ref().map(AbsolutePath::as_str),
        ),
        ("hashedPassword", user.hashed_password.as_deref()),
        (
            "initialHashedPassword",
            user.initial_hashed_password.as_deref(),
        ),
    ];
    for (field, value) in fields {
        if value.is_some_and(|v| !is_one_field(v)) {
            bad.push(format!(
                "its {field} must not contain `:`, a newline or other control characters"
            ));
        }
    }
    if user.uid == Some(u32::MAX) {
        bad.push("uid 4294967295 is reserved: to the kernel it means \"none\"".to_owned());
    }
    if parse_mode(&user.home_mode).is_none() {
        bad.push(format!(
            "its homeMode {:?} is not an octal mode",
            user.home_mode
        ));
    }
    if let Some(date) = &user.expires
        && days_of_date(date).is_none()
    {
        bad.push(format!("its expires {date:?} is not a date YYYY-MM-DD"));
    }
    for range in user.sub_uid_ranges.iter().chain(&user.sub_gid_ranges) {
        if range.count == 0 || range.start.checked_add(range.count).is_none() {
            bad.push(format!(
                "its subordinate ids {}+{} are not a valid range",
                range.start, range.count
            ));
        }
    }
    bad
}

/// Reads permission bits.
#[must_use]
pub(crate) fn parse_mode(mode: &str) -> Option<u32> {
    let digits = !mode.is_empty() && mode.bytes().all(|b| b.is_ascii_digit());
    digits
        .then(|| u32::from_str_radix(mode, 8).ok())
        .flatten()
        .filter(|mode| *mode <= 0o7777)
}

/// Says whether a value stays one field of one line.
#[must_use]
pub(crate) fn is_one_field(value: &str) -> bool {
    !value.contains(':') && !value.chars().any(char::is_control)
}

fn check_name(name: &str) -> Option<String> {
    let first = name.bytes().next();
    let why = if name.is_empty() {
        "is empty"
    } else if name.len() > LONGEST_NAME {
        "is longer than 32 characters"
    } else if name == "." || name == ".." {
        "is a folder's"
    } else if name.bytes().all(|b| b.is_ascii_digit()) {
        "would be mistaken for an id"
    } else if first == Some(b'-') || !is_plain(name.strip_suffix('$').unwrap_or(name)) {
        "may only contain letters, digits and `_.-`, must not begin with `-`, and may end with a `$`"
    } else {
        return None;
    };
    Some(format!("the name {name:?} {why}"))
}

fn is_plain(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_.-".contains(&b);
    !name.is_empty() && name.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_names_that_mean_something_else() {
        for name in [
            "",
            "-x",
            "a b",
            "a:b",
            "a\nroot::0:0",
            "..",
            ".",
            "1000",
            "jos\u{e9}",
            "a/b",
            "+",
            "a,b",
            "$",
            "pc$01",
            "pc01$$",
        ] {
            assert!(check_name(name).is_some(), "{name:?}");
        }
        assert!(check_name(&"a".repeat(33)).is_some_and(|why| why.contains("longer than 32")));
        assert_eq!(check_name(&"a".repeat(32)), None);
        for name in [
            "a",
            "_apt",
            ".hidden",
            "systemd-network",
            "A.b",
            "9p",
            "pc01$",
        ] {
            assert_eq!(check_name(name), None);
        }
    }

    #[test]
    fn refuses_values_that_would_be_two_fields() {
        for value in ["a:b", "a\nb", "a\0", "\u{7f}"] {
            assert!(!is_one_field(value), "{value:?}");
        }
        assert!(is_one_field("Jos\u{e9}, room 5"));
        assert_eq!(
            (parse_mode("700"), parse_mode("0750")),
            (Some(0o700), Some(0o750))
        );
        for mode in ["", "8", "rwx", "+7", "17777"] {
            assert_eq!(parse_mode(mode), None, "{mode:?}");
        }
    }
}
