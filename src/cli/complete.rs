//! What may stand at the cursor of a command line. The completions of shells ask for it with each press of the key.
//!
//! Each line of the answer is a word, a tab, and what it is; or what the shell does itself: `:files`, `:folders`, and
//! `:nospace` where the word goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Arg, Command, CommandFactory, ValueHint};

use crate::cli::args::Cli;
use crate::cli::complete_sources as sources;
use crate::cli::print::print;
use crate::model::fuzzy;

/// The word that stands for a command of its own, which no help has and no command line can miss.
const COMMAND: &str = "complete-words";

/// How many words are shown that are only like what was typed.
const MEANT: usize = 40;

/// A word, with what it is for people.
pub(super) type Candidate = (String, String);

/// What is known of a line up to its cursor.
pub(super) struct Line<'a> {
    /// The words before the one at the cursor, after the program's name.
    pub before: &'a [String],
    /// The word at the cursor, as far as it is typed.
    typed: &'a str,
    command: &'a Command,
    /// The values of options, by their names.
    pub given: BTreeMap<String, Vec<String>>,
    flags: BTreeSet<String>,
    /// The option whose value is at the cursor.
    waiting: Option<&'a Arg>,
    positions: usize,
    only_positions: bool,
}

/// What may stand there.
#[derive(Debug, Default, PartialEq, Eq)]
struct Reply {
    candidates: Vec<Candidate>,
    /// What the shell does itself.
    shell: Vec<&'static str>,
}

/// Answers a shell that asks for completions; none when it is called for something else.
pub(super) fn main(arguments: &[OsString]) -> Option<ExitCode> {
    let words: Vec<String> = arguments
        .iter()
        .skip(1)
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let [first, how, rest @ ..] = words.as_slice() else {
        return None;
    };
    if first != COMMAND {
        return None;
    }
    let words = match (how.as_str(), rest) {
        ("line", [line]) => after_program(split(line)),
        _ => rest.to_vec(),
    };
    let reply = reply(&words).unwrap_or_default();
    let rows = reply.candidates.iter();
    let rows = rows.map(|(word, what)| format!("{word}\t{what}"));
    let rows: Vec<String> = rows
        .chain(reply.shell.iter().map(|&s| s.to_owned()))
        .collect();
    if !rows.is_empty() {
        // There is nobody to tell that it can't be printed.
        let _ = print(&rows.join("\n"));
    }
    Some(ExitCode::SUCCESS)
}

/// Cuts a line into words as a shell does, without what a shell replaces. The last one is empty where none has begun. Pure.
fn split(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let (mut quote, mut is_escaped) = (None, false);
    for c in line.trim_start().chars() {
        let Some(word) = words.last_mut() else { break };
        match (c, quote) {
            _ if is_escaped => {
                word.push(c);
                is_escaped = false;
            }
            ('\\', None | Some('"')) => is_escaped = true,
            (c, Some(open)) if c == open => quote = None,
            ('"' | '\'', None) => quote = Some(c),
            (c, None) if c.is_whitespace() => {
                if !word.is_empty() {
                    words.push(String::new());
                }
            }
            (c, _) => word.push(c),
        }
    }
    words
}

/// Leaves out the program, and what runs it, such as sudo. Pure.
fn after_program(words: Vec<String>) -> Vec<String> {
    let is_program = |word: &String| word.rsplit('/').next() == Some("system-manager");
    let program = words.iter().position(is_program).unwrap_or_default();
    words.into_iter().skip(program + 1).collect()
}

/// Returns what may stand in place of the last of these words; none where there is no word.
fn reply(words: &[String]) -> Option<Reply> {
    let mut all = Cli::command();
    all.build();
    let (typed, before) = words.split_last()?;
    let line = read(&all, before, typed);
    Some(line.reply())
}

fn read<'a>(all: &'a Command, before: &'a [String], typed: &'a str) -> Line<'a> {
    let mut line = Line {
        before,
        typed,
        command: all,
        given: BTreeMap::new(),
        flags: BTreeSet::new(),
        waiting: None,
        positions: 0,
        only_positions: false,
    };
    let mut left = 0;
    for word in before {
        if let Some(argument) = line.waiting {
            let is_flag = word.starts_with('-') && least(argument) == 0;
            left -= 1;
            if left == 0 || is_flag {
                line.waiting = None;
            }
            if !is_flag {
                line.give(argument, word);
                continue;
            }
        }
        left = line.read_word(word);
    }
    line
}

/// Returns how many values an option must have.
fn least(argument: &Arg) -> usize {
    argument.get_num_args().map_or(1, |n| n.min_values())
}

impl<'a> Line<'a> {
    fn give(&mut self, argument: &Arg, value: &str) {
        let name = argument.get_id().to_string();
        self.given.entry(name).or_default().push(value.to_owned());
    }

    /// Reads a word that is no option's value. Returns how many values the option that it is takes of the words after it.
    fn read_word(&mut self, word: &str) -> usize {
        if self.only_positions || !word.starts_with('-') || word == "-" {
            match self.command.find_subcommand(word) {
                Some(below) if self.positions == 0 => self.command = below,
                _ => self.positions += 1,
            }
            return 0;
        }
        if word == "--" {
            self.only_positions = true;
            return 0;
        }
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (word, None),
        };
        let Some(argument) = self.option(name) else {
            return 0;
        };
        self.flags.insert(argument.get_id().to_string());
        if let Some(value) = value {
            self.give(argument, value);
        } else if argument.get_action().takes_values() && !argument.is_require_equals_set() {
            self.waiting = Some(argument);
            return argument.get_num_args().map_or(1, |n| n.max_values());
        }
        0
    }

    /// Finds the option of a word; of several letters in one, the last counts.
    fn option(&self, word: &str) -> Option<&'a Arg> {
        let mut all = self.command.get_arguments();
        match word.strip_prefix("--") {
            Some(long) => {
                let is = |a: &&Arg| {
                    let aliases = a.get_all_aliases().unwrap_or_default();
                    a.get_long() == Some(long) || aliases.contains(&long)
                };
                all.find(is)
            }
            None => {
                let last = word.chars().last();
                all.find(|a| a.get_short() == last)
            }
        }
    }

    fn reply(&self) -> Reply {
        if let Some(argument) = self.waiting {
            return self.values(argument, self.typed, "");
        }
        if self.typed.starts_with('-') && !self.only_positions {
            return match self.typed.split_once('=') {
                Some((name, typed)) => self.option(name).map_or_else(Reply::default, |argument| {
                    self.values(argument, typed, &format!("{name}="))
                }),
                None => self.options(),
            };
        }
        let mut reply = Reply::default();
        if self.positions == 0 {
            let shown = self.command.get_subcommands().filter(|c| !c.is_hide_set());
            let named = shown.map(|c| (c.get_name().to_owned(), first_line(c.get_about())));
            reply.candidates = named.filter(|(n, _)| n.starts_with(self.typed)).collect();
        }
        let places: Vec<&Arg> = self.command.get_positionals().collect();
        let last = places.last().copied();
        let place = places.get(self.positions).copied();
        let place =
            place.or_else(|| last.filter(|a| a.get_num_args().is_some_and(|n| n.max_values() > 1)));
        if let Some(place) = place {
            let more = self.values(place, self.typed, "");
            reply.candidates.extend(more.candidates);
            reply.shell = more.shell;
        }
        reply
    }

    fn options(&self) -> Reply {
        let shown = self.command.get_arguments().filter(|a| !a.is_hide_set());
        let named = shown.filter_map(|a| {
            let is_done = self.flags.contains(a.get_id().as_str())
                && !matches!(
                    a.get_action(),
                    clap::ArgAction::Append | clap::ArgAction::Count
                );
            let long = format!("--{}", a.get_long()?);
            let is_meant = long.starts_with(self.typed) && !is_done;
            is_meant.then(|| (long, first_line(a.get_help())))
        });
        Reply {
            candidates: named.collect(),
            shell: Vec::new(),
        }
    }

    /// Returns what the values of an argument may be; each begins with what stands before it in the same word.
    fn values(&self, argument: &Arg, typed: &str, before: &str) -> Reply {
        let mut reply = Reply::default();
        let command = self.command.get_name();
        let id = argument.get_id().as_str();
        let fixed = argument.get_possible_values().into_iter();
        let fixed: Vec<Candidate> = fixed
            .map(|v| (v.get_name().to_owned(), first_line(v.get_help())))
            .collect();
        let files = match argument.get_value_hint() {
            _ if matches!(id, "root" | "folder" | "nixpkgs" | "flake") => Some(":folders"),
            ValueHint::AnyPath => Some(":files"),
            _ => None,
        };
        match (command, id) {
            ("rollback", "to") | ("delete", "numbers") => {
                reply.narrow(&sources::generations(self), typed, None);
            }
            ("diff", "from" | "to") => {
                reply.narrow(&sources::generations(self), typed, None);
                reply.shell.push(":files");
            }
            ("why", "name") => {
                let separator = typed.starts_with('/').then_some('/');
                reply.narrow(&sources::things(self), typed, separator);
            }
            ("adopt", "names") if typed.starts_with(['/', '.']) => reply.shell.push(":files"),
            ("adopt", "names") => reply.narrow(&sources::adoptable(self), typed, None),
            ("option", "name") => reply.narrow(&sources::options(self), typed, Some('.')),
            (_, "target_host" | "build_host") => {
                let host = typed.rsplit('@').next().unwrap_or_default();
                reply.narrow(&sources::hosts(self), host, None);
                let user = &typed[..typed.len() - host.len()];
                reply.prefix(user);
            }
            ("man", "command") => {
                let all = Cli::command();
                let shown = all.get_subcommands().filter(|c| !c.is_hide_set());
                let named = shown.map(|c| (c.get_name().to_owned(), first_line(c.get_about())));
                reply.narrow(&named.collect::<Vec<_>>(), typed, None);
            }
            _ if !fixed.is_empty() => reply.narrow(&fixed, typed, None),
            _ => reply.shell.extend(files),
        }
        reply.prefix(before);
        reply
    }
}

impl Reply {
    /// Takes those of the words that begin as typed, up to the next separator; where none does, those that may be meant.
    fn narrow(&mut self, words: &[Candidate], typed: &str, separator: Option<char>) {
        let begin: Vec<Candidate> = words
            .iter()
            .filter(|(word, _)| word.starts_with(typed))
            .cloned()
            .collect();
        if begin.is_empty() {
            let names: Vec<&str> = words.iter().map(|(word, _)| word.as_str()).collect();
            let meant: BTreeSet<&str> = fuzzy::meant(typed, &names)
                .into_iter()
                .take(MEANT)
                .collect();
            let is_meant = |(word, _): &&Candidate| meant.contains(word.as_str());
            let found = words.iter().filter(is_meant).cloned();
            self.candidates.extend(found);
            return;
        }
        let Some(separator) = separator else {
            self.candidates.extend(begin);
            return;
        };
        let mut from = typed.len();
        loop {
            let mut cut: BTreeMap<&str, &str> = BTreeMap::new();
            for (word, what) in &begin {
                let end = word[from..].find(separator).map(|at| from + at + 1);
                cut.insert(&word[..end.unwrap_or(word.len())], end.map_or(what, |_| ""));
            }
            let only = cut.keys().next().filter(|_| cut.len() == 1);
            match only {
                // There is nothing to choose yet.
                Some(only) if only.ends_with(separator) => from = only.len(),
                _ => {
                    let goes_on = cut.keys().all(|word| word.ends_with(separator));
                    self.shell.extend(goes_on.then_some(":nospace"));
                    let cut = cut
                        .into_iter()
                        .map(|(w, what)| (w.to_owned(), what.to_owned()));
                    self.candidates.extend(cut);
                    return;
                }
            }
        }
    }

    fn prefix(&mut self, before: &str) {
        for (word, _) in &mut self.candidates {
            word.insert_str(0, before);
        }
    }
}

fn first_line(text: Option<&clap::builder::StyledStr>) -> String {
    let text = text.map(ToString::to_string).unwrap_or_default();
    text.lines().next().unwrap_or_default().to_owned()
}
