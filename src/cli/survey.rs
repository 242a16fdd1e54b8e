//! `compat`: which modules work here, and a configuration here and on NixOS.

use std::io::IsTerminal;

use crate::cli::args_compat::CompatArgs;
use crate::cli::commands::{self, End, Failure};
use crate::cli::print::{print, print_json, tell};
use crate::cli::session::Session;
use crate::compat;

impl Session {
    pub(crate) fn compat(&self, args: &CompatArgs) -> Result<End, Failure> {
        if args.nixos {
            let both = commands::evaluate_both_ways(args)?;
            if self.json {
                print_json(&both)?;
            } else {
                print(compat::both_ways::render_text(&both).trim_end())?;
            }
            return Ok(End::Done);
        }
        let terminal = std::io::stderr().is_terminal();
        let ended = compat::survey(&commands::survey_request(args), &mut |p| {
            if terminal {
                tell(&format!("\r\x1b[K{}/{} {}", p.done, p.of, p.module));
            }
        });
        if terminal {
            tell("\r\x1b[K");
        }
        let survey = match ended? {
            compat::Ended::Done(survey) => survey,
            compat::Ended::Stopped { done, of } => {
                return Err(Failure::PartWay(anyhow::anyhow!(
                    "interrupted; {done} of {of} modules are in the cache"
                )));
            }
        };
        if self.json {
            print_json(&survey)?;
        } else if args.markdown {
            print(compat::report::render_markdown(&survey).trim_end())?;
        } else if args.html {
            print(compat::page::render_html(&survey).trim_end())?;
        } else {
            let details = !args.modules.is_empty();
            print(compat::report::render_text(&survey, details, self.style).trim_end())?;
        }
        let (enabled, of) = (survey.summary.enabled, survey.summary.switchable);
        match args.min_enabled.map(usize::from) {
            Some(least) if enabled * 100 < least * of => Err(Failure::Before(anyhow::anyhow!(
                "{enabled} of {of} modules evaluate when enabled, which is less than {least} %\nhint: see above why modules fail, or lower `--min-enabled`"
            ))),
            _ => Ok(End::Done),
        }
    }
}
