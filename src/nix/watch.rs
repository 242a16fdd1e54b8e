//! What Nix says of its work, line by line, in the form that its `--log-format internal-json` has.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// How lines for tools begin.
const MARK: &str = "@nix ";

/// Kinds of activities, as Nix numbers them.
const FILE_TRANSFER: u64 = 101;
const BUILDS: u64 = 104;
const BUILD: u64 = 105;

/// The level of messages that people must read, and those above it: errors, warnings, notices.
const NOTICE: u64 = 2;

/// A result that tells how far an activity is: done, expected, running, failed.
const PROGRESS: u64 = 105;

/// The length of the hash of a store path, with the dash after it.
const HASH: usize = 33;

#[derive(Deserialize)]
#[serde(tag = "action", rename_all = "camelCase")]
enum Said {
    Start {
        id: u64,
        #[serde(rename = "type")]
        kind: u64,
        #[serde(default)]
        fields: Vec<Value>,
    },
    Stop {
        id: u64,
    },
    Result {
        id: u64,
        #[serde(rename = "type")]
        kind: u64,
        #[serde(default)]
        fields: Vec<Value>,
    },
    Msg {
        #[serde(default)]
        level: u64,
        msg: String,
    },
    #[serde(other)]
    Other,
}

/// What is under way in Nix.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Work {
    activities: BTreeMap<u64, Activity>,
    /// Bytes of transfers that have ended.
    transferred: u64,
    /// Whether anything is built or fetched already, so that the evaluation is over.
    pub is_building: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Activity {
    kind: u64,
    name: String,
    done: u64,
    expected: u64,
}

/// How far Nix is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    /// What is being built.
    pub building: Vec<String>,
    /// How many builds have ended.
    pub built: u64,
    /// How many there are.
    pub builds: u64,
    /// How many bytes were fetched.
    pub fetched: u64,
    /// How many bytes are known to come.
    pub to_fetch: u64,
}

impl Work {
    /// Takes a line in. Returns what people must read of it: messages, and lines that are not for tools.
    pub(crate) fn read(&mut self, line: &str) -> Option<String> {
        let Some(text) = line.strip_prefix(MARK) else {
            return Some(line.to_owned());
        };
        // What this program does not know is no news for people.
        match serde_json::from_str(text).ok()? {
            Said::Msg { level, msg } => return (level <= NOTICE).then_some(msg),
            Said::Start { id, kind, fields } => self.start(id, kind, &fields),
            Said::Stop { id } => {
                let ended = self.activities.remove(&id);
                let is_transfer = |a: &Activity| is_transfer(a.kind);
                self.transferred += ended.filter(is_transfer).map_or(0, |a| a.done);
            }
            Said::Result { id, kind, fields } if kind == PROGRESS => {
                let number = |at: usize| fields.get(at).and_then(Value::as_u64).unwrap_or_default();
                if let Some(activity) = self.activities.get_mut(&id) {
                    (activity.done, activity.expected) = (number(0), number(1));
                }
            }
            Said::Result { .. } | Said::Other => {}
        }
        None
    }

    fn start(&mut self, id: u64, kind: u64, fields: &[Value]) {
        self.is_building |= kind == BUILD || is_transfer(kind);
        let path = fields.first().and_then(Value::as_str).unwrap_or_default();
        let name = path.rsplit('/').next().unwrap_or_default();
        let name = name.get(HASH..).unwrap_or(name).trim_end_matches(".drv");
        let activity = Activity {
            kind,
            name: name.to_owned(),
            ..Activity::default()
        };
        self.activities.insert(id, activity);
    }

    /// Returns how far it is.
    pub(crate) fn standing(&self) -> Standing {
        let of = |kind: u64| self.activities.values().filter(move |a| a.kind == kind);
        let transfers = || self.activities.values().filter(|a| is_transfer(a.kind));
        let under_way: u64 = transfers().map(|a| a.done).sum();
        let expected: u64 = transfers().map(|a| a.expected.max(a.done)).sum();
        Standing {
            building: of(BUILD).map(|a| a.name.clone()).collect(),
            built: of(BUILDS).map(|a| a.done).sum(),
            builds: of(BUILDS).map(|a| a.expected).sum(),
            fetched: self.transferred + under_way,
            to_fetch: self.transferred + expected,
        }
    }
}

fn is_transfer(kind: u64) -> bool {
    kind == FILE_TRANSFER
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_what_is_built_and_fetched() {
        let mut work = Work::default();
        let drv = format!("/nix/store/{}-unit-web.service.drv", "a".repeat(32));
        let mut say = |text: String| work.read(&text);
        for (text, told) in [
            ("warning: plain".to_owned(), Some("warning: plain")),
            (
                r#"@nix {"action":"msg","level":1,"msg":"warning: x"}"#.to_owned(),
                Some("warning: x"),
            ),
            (
                r#"@nix {"action":"msg","level":3,"msg":"these will be built"}"#.to_owned(),
                None,
            ),
            (
                r#"@nix {"action":"start","id":1,"level":5,"parent":0,"text":"","type":104}"#
                    .to_owned(),
                None,
            ),
            (
                r#"@nix {"action":"result","id":1,"type":105,"fields":[1,3,1,0]}"#.to_owned(),
                None,
            ),
            (
                format!(
                    r#"@nix {{"action":"start","id":2,"level":3,"text":"building","type":105,"fields":["{drv}","",1,1]}}"#
                ),
                None,
            ),
            (
                r#"@nix {"action":"start","id":3,"text":"","type":101,"fields":["https://c/x"]}"#
                    .to_owned(),
                None,
            ),
            (
                r#"@nix {"action":"result","id":3,"type":105,"fields":[500,1000,0,0]}"#.to_owned(),
                None,
            ),
            (r#"@nix {"action":"later","id":9}"#.to_owned(), None),
            ("@nix no JSON".to_owned(), None),
        ] {
            assert_eq!(say(text.clone()).as_deref(), told, "{text}");
        }
        let mut standing = Standing {
            building: vec!["unit-web.service".to_owned()],
            built: 1,
            builds: 3,
            fetched: 500,
            to_fetch: 1000,
        };
        assert!(work.is_building);
        assert_eq!(work.standing(), standing);
        work.read(r#"@nix {"action":"stop","id":3}"#);
        work.read(r#"@nix {"action":"stop","id":2}"#);
        standing.building.clear();
        standing.to_fetch = 500;
        assert_eq!(work.standing(), standing, "what has come stays counted");
    }
}
