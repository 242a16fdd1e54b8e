//! Why ssh could not connect, told from its messages. Pure.

use super::frame::escape;

/// Reads from what ssh says why there is no connection, and what helps. Pure.
pub(super) fn why(errors: &str) -> Option<(&'static str, String)> {
    let has = |text: &str| errors.contains(text);
    let offending = || {
        let line = errors.lines().find(|l| l.contains("Offending"));
        line.and_then(|l| l.rsplit_once(" in ")).map_or_else(
            || "known_hosts".to_owned(),
            |(_, place)| escape(place.trim()),
        )
    };
    if has("REMOTE HOST IDENTIFICATION HAS CHANGED") {
        return Some((
            "its host key has changed",
            format!("if that is expected, remove {}", offending()),
        ));
    }
    if has("Host key verification failed") || has("host key is known for") {
        let hint = "connect once with ssh and compare the key, or add it to known_hosts";
        return Some(("its host key is not known", hint.to_owned()));
    }
    if has("Permission denied") || has("Too many authentication failures") {
        let hint = "ssh must be able to log in without asking: use a key, and ssh-agent";
        return Some(("it refuses the login", hint.to_owned()));
    }
    if has("Connection refused") {
        let hint = "it is up, but no sshd listens there: check the port";
        return Some(("the connection is refused", hint.to_owned()));
    }
    let unreachable = [
        "timed out",
        "No route to host",
        "Network is unreachable",
        "Could not resolve hostname",
        "Name or service not known",
        "not responding",
    ];
    if unreachable.iter().any(|text| has(text)) {
        let hint = "check the name, the network, and whether the host is up";
        return Some(("it can't be reached", hint.to_owned()));
    }
    None
}

/// What begins the lines of `ssh -v` that it does not say without.
const VERBOSE: [&str; 5] = [
    "debug1: ",
    "OpenSSH_",
    "Authenticated to ",
    "Transferred: ",
    "Bytes per second: ",
];

/// Takes what only `ssh -v` says out of what was said. Returns the fingerprint of the key that was accepted, if it is
/// there. Pure.
pub(super) fn take_verbose(said: &mut Vec<u8>) -> Option<String> {
    let is_verbose = |line: &str| VERBOSE.iter().any(|word| line.starts_with(word));
    let text = String::from_utf8_lossy(said).into_owned();
    if !text.lines().any(is_verbose) {
        return None;
    }
    let mut key = None;
    let mut rest = String::new();
    for line in text.split_inclusive('\n') {
        if !is_verbose(line) || !line.ends_with('\n') {
            rest += line;
        } else if line.starts_with("debug1: Server accepts key: ") {
            let mut words = line.split_whitespace();
            key = words
                .find(|word| word.starts_with("SHA256:"))
                .map(str::to_owned);
        }
    }
    *said = rest.into_bytes();
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ssh_says_is_told_apart() {
        let changed = "@@@\n@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nOffending ED25519 key in \
                       /root/.ssh/known_hosts:3\nHost key verification failed.";
        let (what, hint) = why(changed).unwrap();
        assert_eq!(what, "its host key has changed");
        assert!(hint.contains("/root/.ssh/known_hosts:3"), "{hint}");
        for (errors, expected) in [
            (
                "No ED25519 host key is known for web and you have requested strict checking.",
                "not known",
            ),
            (
                "root@web: Permission denied (publickey).",
                "refuses the login",
            ),
            (
                "ssh: connect to host web port 22: Connection refused",
                "is refused",
            ),
            (
                "ssh: connect to host web port 22: Connection timed out",
                "can't be reached",
            ),
            (
                "ssh: Could not resolve hostname web: Name or service not known",
                "can't be reached",
            ),
            ("Timeout, server web not responding.", "can't be reached"),
        ] {
            let (what, _) = why(errors).unwrap();
            assert!(what.contains(expected), "{errors}: {what}");
        }
        assert_eq!(why("something else"), None);
    }

    #[test]
    fn the_key_that_was_accepted_is_told_and_nothing_else_of_what_ssh_says_in_addition() {
        let mut said = b"OpenSSH_9.2p1 Debian, OpenSSL 3\r\ndebug1: Connecting to web.\r\nWarning: a banner\r\n\
            debug1: Server accepts key: /home/a/my key ED25519 SHA256:abc agent\r\nAuthenticated to web ([::1]:22).\r\n\
            debug1: pledge"
            .to_vec();
        assert_eq!(take_verbose(&mut said).as_deref(), Some("SHA256:abc"));
        assert_eq!(said, b"Warning: a banner\r\ndebug1: pledge");
        said.extend(b": fork\nroot's word: ");
        assert_eq!(take_verbose(&mut said), None);
        assert_eq!(said, b"Warning: a banner\r\nroot's word: ");
    }
}
