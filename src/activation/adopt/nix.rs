//! Text for Nix: strings, names, and what files of known forms are as options. Pure.

use std::fmt::Write as _;

/// Writes a string as Nix has it: over several lines where each of them stays what it is.
pub(super) fn string(text: &str) -> String {
    let indents = text.lines().any(|l| !l.is_empty() && !l.starts_with(' '));
    let is_plain = !text
        .chars()
        .any(|c| c.is_control() && c != '\n' && c != '\t');
    // A quote before a dollar would be read as one escape with it.
    if !(text.ends_with('\n') && indents && is_plain && !text.contains("'$")) {
        return quoted(text);
    }
    let escaped = text.replace("''", "'''").replace("${", "''${");
    let rows = escaped.lines().map(|row| {
        if row.is_empty() {
            "\n".to_owned()
        } else {
            format!("  {row}\n")
        }
    });
    format!("''\n{}''", rows.collect::<String>())
}

/// Writes a string on one line.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c => out.push(c),
        }
    }
    out.replace("${", "\\${") + "\""
}

/// Writes a list of strings.
pub(super) fn list<'a>(items: impl IntoIterator<Item = &'a str>) -> String {
    let items: String = items.into_iter().map(|i| quoted(i) + " ").collect();
    format!("[ {items}]")
}

/// Moves rows to the right; those of a text within them move with the whole of it.
pub(super) fn indent(rows: &str) -> String {
    let rows = rows.lines().map(|row| {
        if row.is_empty() {
            "\n".to_owned()
        } else {
            format!("  {row}\n")
        }
    });
    rows.collect()
}

/// Returns what a file says as options of its own, where there are some; these have a file of their own, so that using them
/// is a change.
pub(super) fn as_options(target: &str, text: &str) -> Option<String> {
    let folder = |name: &str| target.starts_with(name);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|l| is_said(l)).collect();
    let out = if folder("sysctl.d/") || target == "sysctl.conf" {
        parameters(&lines)?
    } else if folder("cron.d/") {
        // What is set for all lines is a line, too.
        format!("services.cron.systemCronJobs = {};", list(lines))
    } else if folder("tmpfiles.d/") {
        format!("systemd.tmpfiles.rules = {};", list(lines))
    } else if folder("modules-load.d/") {
        format!("boot.kernelModules = {};", list(lines))
    } else if folder("sudoers.d/") {
        format!("security.sudo.extraConfig = {};", quoted(&lines.join("\n")))
    } else if target == "hosts" {
        names(&lines)
    } else {
        return None;
    };
    Some(out)
}

fn is_said(line: &str) -> bool {
    !line.is_empty() && !line.starts_with(['#', ';'])
}

/// The options for rows of sysctl.d(5); none where one is no assignment.
fn parameters(lines: &[&str]) -> Option<String> {
    let mut out = String::new();
    for row in lines {
        let (name, value) = row.trim_start_matches('-').split_once('=')?;
        let (name, value) = (name.trim(), value.trim());
        let value = match value.parse::<i64>() {
            Ok(number) if number.to_string() == value => value.to_owned(),
            _ => quoted(value),
        };
        // Writing to a String can't fail, here and below.
        let _ = writeln!(out, "boot.kernel.sysctl.{} = {value};", quoted(name));
    }
    Some(out.trim_end().to_owned())
}

/// The options for rows of hosts(5) that name others than this host.
fn names(lines: &[&str]) -> String {
    let mut out = String::new();
    for row in lines {
        let row = row.split('#').next().unwrap_or_default();
        let mut words = row.split_whitespace();
        let Some(address) = words.next() else {
            continue;
        };
        if !(address.starts_with("127.") || address.contains("::")) {
            let names = list(words);
            let _ = writeln!(out, "networking.hosts.{} = {names};", quoted(address));
        }
    }
    out.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn texts_are_written_over_lines_where_nothing_is_lost() {
        expect![[r#"
            ''
              a = ''${b}

                c = '''d'''
            ''
            "  all indented\n"
            "no end"
            "a\r\n"
            "'\${x}\n"
        "#]]
        .assert_eq(
            &[
                "a = ${b}\n\n  c = ''d''\n",
                "  all indented\n",
                "no end",
                "a\r\n",
                "'${x}\n",
            ]
            .map(|text| string(text) + "\n")
            .concat(),
        );
    }

    #[test]
    fn files_of_known_forms_are_told_as_options() {
        for (target, text, expected) in [
            (
                "sysctl.d/x.conf",
                "# c\n-a.b = 1\nc/d=x y\n",
                "boot.kernel.sysctl.\"a.b\" = 1;\nboot.kernel.sysctl.\"c/d\" = \"x y\";",
            ),
            (
                "cron.d/x",
                "PATH=/bin\n* * * * * root a\n",
                "services.cron.systemCronJobs = [ \"PATH=/bin\" \"* * * * * root a\" ];",
            ),
            (
                "hosts",
                "127.0.0.1 localhost\n::1 ip6\n192.0.2.1 a b # c\n",
                "networking.hosts.\"192.0.2.1\" = [ \"a\" \"b\" ];",
            ),
            (
                "sudoers.d/x",
                "a ALL=(ALL) ALL\n",
                "security.sudo.extraConfig = \"a ALL=(ALL) ALL\";",
            ),
        ] {
            assert_eq!(as_options(target, text).as_deref(), Some(expected));
        }
        assert_eq!(as_options("motd", "a\n"), None);
        assert_eq!(as_options("sysctl.d/x.conf", "no assignment\n"), None);
    }
}
