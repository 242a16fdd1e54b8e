//! Where a host is, as people write it: `[user@]host[:port]`.

use std::fmt;
use std::str::FromStr;

use anyhow::{Result, bail};

/// A host to be reached by ssh; its name may be one that only ssh's configuration knows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Target {
    /// The user to log in as; ssh's choice when there is none.
    pub user: Option<String>,
    /// The host.
    pub host: String,
    /// The port; ssh's choice when there is none.
    pub port: Option<u16>,
    /// Which configuration of a flake is for it; by its own name and system when there is none.
    pub attribute: Option<String>,
}

impl Target {
    /// Makes it one line of a list of hosts.
    #[must_use]
    pub(crate) fn line(&self) -> String {
        match &self.attribute {
            Some(attribute) => format!("{self} #{attribute}"),
            None => self.to_string(),
        }
    }
}

impl FromStr for Target {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (user, rest) = match text.rsplit_once('@') {
            Some((user, rest)) => (Some(user), rest),
            None => (None, text),
        };
        let (host, port) = match rest.strip_prefix('[').and_then(|r| r.split_once(']')) {
            Some((host, "")) => (host, None),
            Some((host, port)) => (host, port.strip_prefix(':').or(Some(""))),
            // Two colons are an address of IPv6 without a port.
            None => match rest.split_once(':') {
                Some((host, port)) if !port.contains(':') => (host, Some(port)),
                _ => (rest, None),
            },
        };
        let is_word = |word: &str| {
            !word.is_empty()
                && !word.starts_with('-')
                && !word.contains(|c: char| c.is_whitespace() || c.is_control())
        };
        if !is_word(host) || host.contains(['[', ']', '/']) || !user.is_none_or(is_word) {
            bail!("{text:?} is not a host: it must be [user@]host[:port]");
        }
        let port = match port.map(str::parse) {
            None => None,
            Some(Ok(port)) if port != 0 => Some(port),
            Some(_) => bail!("{text:?} is not a host: its port must be from 1 to 65535"),
        };
        Ok(Self {
            user: user.map(str::to_owned),
            host: host.to_owned(),
            port,
            attribute: None,
        })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(user) = &self.user {
            write!(out, "{user}@")?;
        }
        match self.port {
            Some(port) if self.host.contains(':') => write!(out, "[{}]:{port}", self.host),
            Some(port) => write!(out, "{}:{port}", self.host),
            None => out.write_str(&self.host),
        }
    }
}

/// Cuts a line of a list into a host and what comes after a `#`: the attribute of its configuration when that follows at
/// once, as in `web #db`, and a comment otherwise. Pure.
fn cut(line: &str) -> (&str, Option<String>) {
    let Some((host, rest)) = line.split_once('#') else {
        return (line.trim(), None);
    };
    let host = host.trim();
    let word = rest.split_whitespace().next().unwrap_or_default();
    if host.is_empty() || word.is_empty() || !rest.starts_with(word) {
        return (host, None);
    }
    let is_whole = word.starts_with("systemConfigs.");
    let prefix = if is_whole { "" } else { "systemConfigs." };
    (host, Some(format!("{prefix}{word}")))
}

/// Reads a list of hosts, one a line, each with the attribute of its configuration in a flake or without. Pure.
///
/// # Errors
/// With the number of the line that is none, or has one that came before.
pub(crate) fn parse_hosts(text: &str) -> Result<Vec<Target>> {
    let mut hosts = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let (host, attribute) = cut(line);
        if host.is_empty() {
            continue;
        }
        let host: Target = host
            .parse()
            .map_err(|e: anyhow::Error| e.context(format!("line {}", number + 1)))?;
        let host = Target { attribute, ..host };
        if hosts
            .iter()
            .any(|h: &Target| h.to_string() == host.to_string())
        {
            bail!("line {}: {host} is listed twice", number + 1);
        }
        hosts.push(host);
    }
    Ok(hosts)
}

/// Tells ssh's own flags (`-p 2222`, `-o ProxyJump=relay`), in words, from values of its `-o`. Pure.
pub(crate) fn split_options(given: &[String]) -> (Vec<&str>, Vec<String>) {
    let (flags, values): (Vec<&String>, Vec<&String>) =
        given.iter().partition(|option| option.starts_with('-'));
    let words = flags.into_iter().flat_map(|flag| flag.split_whitespace());
    (words.collect(), values.into_iter().cloned().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_of_ssh_are_told_from_its_options() {
        let given = ["-o ProxyJump=relay@bastion", "Port=1", "-p 2222"].map(str::to_owned);
        let (words, values) = split_options(&given);
        assert_eq!(words, ["-o", "ProxyJump=relay@bastion", "-p", "2222"]);
        assert_eq!(values, ["Port=1"]);
    }

    #[test]
    fn hosts_are_read_and_written_as_people_do() {
        for (text, user, host, port) in [
            ("web", None, "web", None),
            ("root@web:2222", Some("root"), "web", Some(2222)),
            ("a@b@web", Some("a@b"), "web", None),
            ("127.0.0.1:22", None, "127.0.0.1", Some(22)),
            ("fe80::1", None, "fe80::1", None),
            ("root@[fe80::1]:22", Some("root"), "fe80::1", Some(22)),
        ] {
            let target: Target = text.parse().unwrap();
            let found = (target.user.as_deref(), target.host.as_str(), target.port);
            assert_eq!(found, (user, host, port), "{text}");
            assert_eq!(target.to_string(), text);
        }
        for text in [
            "",
            "@web",
            "root@",
            "web:",
            "web:0",
            "web:99999",
            "web:x",
            "[::1]22",
            "[::1",
            "-oProxyCommand=x",
            "-l@web",
            "a b",
            "a\nb",
        ] {
            assert!(text.parse::<Target>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_list_says_which_line_is_wrong() {
        let text = "#all\nweb\n\nroot@db:22 # the database\na #b\nc #systemConfigs.x.d # why\n";
        let hosts = parse_hosts(text).unwrap();
        let shown: Vec<String> = hosts.iter().map(Target::line).collect();
        let expected = [
            "web",
            "root@db:22",
            "a #systemConfigs.b",
            "c #systemConfigs.x.d",
        ];
        assert_eq!(shown, expected);
        assert_eq!(parse_hosts(&shown.join("\n")).unwrap(), hosts);
        for (text, why) in [("web\n-x\n", "line 2"), ("web\nweb\n", "is listed twice")] {
            let said = format!("{:#}", parse_hosts(text).unwrap_err());
            assert!(said.contains(why), "{said}");
        }
    }
}
