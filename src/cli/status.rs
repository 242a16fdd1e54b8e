//! `status`: once, again and again, or as a page; and more time for what it shows to be waiting.

use std::time::Duration;

use anyhow::Result;

use crate::activation::status::{self, Status};
use crate::activation::{compare, status_report};
use crate::cli::args_past::StatusArgs;
use crate::cli::commands::{End, Failure};
use crate::cli::print::{print, print_json, print_text};
use crate::cli::session::Session;
use crate::model::page;
use crate::model::style::{Style, line};
use crate::remote::confirm;
use crate::store::pending::Pending;

impl Session {
    pub(crate) fn status(&self, args: &StatusArgs) -> Result<End, Failure> {
        loop {
            let status = status::read(&self.root)?;
            if args.watch.is_some() {
                // The screen and what was above it are cleared.
                print("\x1b[H\x1b[2J\x1b[3J")?;
            }
            self.print_status(&status, args)?;
            let Some(seconds) = args.watch else {
                let end = if args.detailed_exitcode && status.needs_attention() {
                    End::Changes
                } else {
                    End::Done
                };
                return Ok(end);
            };
            std::thread::sleep(Duration::from_secs(seconds));
        }
    }

    pub(crate) fn extend(&self, seconds: u64) -> Result<End, Failure> {
        let pending = confirm::extend(&self.root, seconds)?;
        if self.json {
            let (run, deadline) = (&pending.run, pending.deadline);
            print_json(&serde_json::json!({ "version": 1, "run": run, "deadline": deadline }))?;
        } else {
            print_text(&pending.describe(), self.style)?;
        }
        Ok(End::Done)
    }

    fn print_status(&self, status: &Status, args: &StatusArgs) -> Result<()> {
        if self.json {
            return print_json(status);
        }
        if !args.page.is_wanted() {
            let text = self.tell_status(status, args.diff, self.style)?;
            return print_text(&text, self.style);
        }
        let text = self.tell_status(status, args.diff, page::TEXT)?;
        print(&args.page.render(&text, "active", "status"))
    }

    fn tell_status(&self, status: &Status, diff: bool, style: Style) -> Result<String> {
        let mut out = status_report::render(status, style);
        if let Some(pending) = Pending::read(&self.root)? {
            line(&mut out, &pending.describe());
        }
        if let Some(active) = status.active.as_ref().filter(|_| diff) {
            let built = compare::read_built(&self.root, active, None)?;
            let live = compare::read_live(&self.root, None)?;
            let difference = compare::compare(&built, &live, true)?;
            let names = ["the built configuration", "the live host"];
            out.push('\n');
            out.push_str(&compare::render(&difference, names, style));
        }
        Ok(out)
    }
}
