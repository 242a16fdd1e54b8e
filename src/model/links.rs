//! Links on terminals that have them (OSC 8): a click on a store path opens it.

use std::borrow::Cow;

use crate::model::style::Style;

/// How store paths begin.
pub(super) const STORE: &str = "/nix/store/";

/// What stands between the address of a link and its text.
const END_OF_ADDRESS: &str = "\x1b\\";

/// The length of the hash after that.
const HASH: usize = 32;

/// Programs that say so of themselves in `TERM_PROGRAM`.
const PROGRAMS: [&str; 8] = [
    "iTerm.app",
    "WezTerm",
    "vscode",
    "ghostty",
    "Hyper",
    "rio",
    "mintty",
    "zed",
];

/// Variables that only terminals with links set.
const VARIABLES: [&str; 5] = [
    "WT_SESSION",
    "KITTY_WINDOW_ID",
    "KONSOLE_VERSION",
    "DOMTERM",
    "GHOSTTY_RESOURCES_DIR",
];

/// What `TERM` begins with in terminals that have them.
const TERMS: [&str; 6] = [
    "xterm-kitty",
    "alacritty",
    "foot",
    "xterm-ghostty",
    "wezterm",
    "contour",
];

/// The first version of VTE, which is in GNOME's terminal and many others, without faults of its links.
const VTE: u32 = 5002;

/// Whether a terminal has links, by what it sets in the environment, as other programs ask. Pure.
#[must_use]
pub(crate) fn are_known(variable: impl Fn(&str) -> Option<String>) -> bool {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    if let Some(forced) = set("FORCE_HYPERLINK") {
        return forced != "0";
    }
    let term = set("TERM").unwrap_or_default();
    let program = set("TERM_PROGRAM").unwrap_or_default();
    if term.starts_with("tmux") || term.starts_with("screen") {
        // What the terminal around it has set says nothing of it.
        let version = set("TERM_PROGRAM_VERSION").unwrap_or_default();
        let mut numbers = version.split(|c: char| !c.is_ascii_digit());
        let mut number = || numbers.next().and_then(|n| n.parse::<u32>().ok());
        return program == "tmux" && number().zip(number()) >= Some((3, 4));
    }
    let vte = set("VTE_VERSION").and_then(|v| v.parse().ok());
    term != "dumb"
        && (PROGRAMS.contains(&program.as_str())
            || VARIABLES.iter().any(|name| set(name).is_some())
            || TERMS.iter().any(|known| term.starts_with(known))
            || vte.is_some_and(|version: u32| version >= VTE))
}

/// Returns how much of a text that begins with a store path is that path, and whether it has a hash.
fn measure(text: &str) -> (usize, bool) {
    let is_inside = |c: char| c.is_ascii_alphanumeric() || "+-._?=/".contains(c);
    let end = text.find(|c: char| !is_inside(c)).unwrap_or(text.len());
    // A full stop is more likely to end the sentence.
    let path = text[..end].trim_end_matches(['.', '/']);
    let hash = path.get(STORE.len()..STORE.len() + HASH + 1);
    let is_hash =
        |hash: &str| hash.ends_with('-') && hash[..HASH].bytes().all(|b| b.is_ascii_alphanumeric());
    (path.len(), hash.is_some_and(is_hash))
}

impl Style {
    /// Makes a text a link, where there are any.
    #[must_use]
    pub(crate) fn link(self, address: &str, text: &str) -> String {
        match self.links {
            Some(_) => format!("\x1b]8;;{address}{END_OF_ADDRESS}{text}\x1b]8;;{END_OF_ADDRESS}"),
            None => text.to_owned(),
        }
    }

    /// Makes a text a link to a file of this host.
    #[must_use]
    pub(crate) fn link_to_file(self, path: &str, text: &str) -> String {
        let Some(host) = self.links.filter(|_| path.starts_with('/')) else {
            return text.to_owned();
        };
        let mut address = format!("file://{host}");
        for byte in path.bytes() {
            match byte {
                b'a'..=b'z'
                | b'A'..=b'Z'
                | b'0'..=b'9'
                | b'/'
                | b'-'
                | b'_'
                | b'.'
                | b'~'
                | b'+' => {
                    address.push(char::from(byte));
                }
                byte => address.push_str(&format!("%{byte:02X}")),
            }
        }
        self.link(&address, text)
    }

    /// Makes links of the store paths in a text, but of those that are in one.
    #[must_use]
    pub(crate) fn with_links(self, text: &str) -> Cow<'_, str> {
        if self.links.is_none() {
            return Cow::Borrowed(text);
        }
        self.replace_paths(text, |path| self.link_to_file(path, path))
    }

    /// Leaves out the hashes of store paths, unless all is shown; a link has them all the same.
    #[must_use]
    pub(crate) fn shorten(self, text: &str) -> Cow<'_, str> {
        if self.full || !text.contains(STORE) {
            return Cow::Borrowed(text);
        }
        self.replace_paths(text, |path| {
            let name = &path[STORE.len() + HASH..];
            self.link_to_file(path, &format!("{STORE}…{name}"))
        })
    }

    fn replace_paths(self, text: &str, replace: impl Fn(&str) -> String) -> Cow<'_, str> {
        let in_link = format!("file://{}", self.links.unwrap_or_default());
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(STORE) {
            let (before, path) = rest.split_at(at);
            out.push_str(before);
            let (length, has_hash) = measure(path);
            let (path, after) = path.split_at(length.max(STORE.len()));
            let is_linked =
                self.links.is_some() && (out.ends_with(&in_link) || out.ends_with(END_OF_ADDRESS));
            if has_hash && !is_linked {
                out.push_str(&replace(path));
            } else {
                out.push_str(path);
            }
            rest = after;
        }
        out.push_str(rest);
        Cow::Owned(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminals_are_known_by_what_they_set() {
        for (set, expected) in [
            (&[("TERM", "xterm-256color")][..], false),
            (&[("TERM", "xterm-256color"), ("VTE_VERSION", "7402")], true),
            (
                &[("TERM", "xterm-256color"), ("VTE_VERSION", "5000")],
                false,
            ),
            (&[("TERM", "xterm-kitty")], true),
            (&[("TERM_PROGRAM", "WezTerm")], true),
            (&[("TERM", "dumb"), ("WT_SESSION", "x")], false),
            (
                &[("TERM", "screen-256color"), ("VTE_VERSION", "7402")],
                false,
            ),
            (
                &[
                    ("TERM", "tmux-256color"),
                    ("TERM_PROGRAM", "tmux"),
                    ("TERM_PROGRAM_VERSION", "3.4"),
                ],
                true,
            ),
            (
                &[
                    ("TERM", "tmux-256color"),
                    ("TERM_PROGRAM", "tmux"),
                    ("TERM_PROGRAM_VERSION", "3.3a"),
                ],
                false,
            ),
            (&[("FORCE_HYPERLINK", "1")], true),
            (&[("FORCE_HYPERLINK", "0"), ("TERM", "foot")], false),
        ] {
            let get = |name: &str| {
                let found = set.iter().find(|(n, _)| *n == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            assert_eq!(are_known(get), expected, "{set:?}");
        }
    }

    #[test]
    fn a_store_path_is_linked_once_whether_or_not_it_is_shortened() {
        let path = format!("{STORE}{}-x-1.0/bin/x", "a".repeat(HASH));
        let style = Style {
            links: Some("web"),
            ..Style::default()
        };
        let whole = format!("\x1b]8;;file://web{path}\x1b\\{path}\x1b]8;;\x1b\\");
        let text = format!("runs {path}. /nix/store/short");
        assert_eq!(
            style.with_links(&text),
            format!("runs {whole}. /nix/store/short")
        );
        assert_eq!(style.with_links(&whole), whole);
        let short = format!("\x1b]8;;file://web{path}\x1b\\{STORE}…-x-1.0/bin/x\x1b]8;;\x1b\\");
        assert_eq!(style.shorten(&path), short);
        assert_eq!(style.with_links(&short), short);
        assert_eq!(
            style.link_to_file("/a b?", "x"),
            "\x1b]8;;file://web/a%20b%3F\x1b\\x\x1b]8;;\x1b\\"
        );
        assert_eq!(style.link_to_file("nixpkgs/x.nix", "x"), "x");
        assert_eq!(Style::default().with_links(&text), text);
    }
}
