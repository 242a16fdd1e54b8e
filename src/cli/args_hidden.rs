//! Commands by which this program calls itself, or a unit of its own does: no help lists them.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::cli::args::ApplyArgs;

/// What `agent` takes.
#[derive(Debug, Args)]
pub struct AgentArgs {
    /// What it is asked first, as JSON in hexadecimal
    #[arg(long)]
    pub asked: Option<String>,
    /// The word by which the other side knows that it has become the agent's
    #[arg(long)]
    pub mark: Option<String>,
    /// How many bytes come first that are for a shell
    #[arg(long, default_value_t = 0)]
    pub skip: u64,
}

/// A command that people do not call.
#[derive(Debug, Subcommand)]
pub enum Hidden {
    /// Run the activation scripts of what is active, as the boot does
    #[command(hide = true, name = "run-activation-scripts")]
    RunActivationScripts {
        /// How long they may take.
        #[command(flatten)]
        apply: ApplyArgs,
    },
    /// Place the secrets of the configuration whose activation runs this
    #[command(hide = true, name = crate::store::secrets::COMMAND)]
    PlaceSecrets {
        /// Those that accounts need, and not the others
        #[arg(long)]
        for_users: bool,
    },
    /// Run a program that ends with whoever holds the other end of standard input
    #[command(hide = true, name = crate::host::tether::COMMAND)]
    RunTethered {
        /// The root that it runs in
        root: PathBuf,
        /// The program
        program: PathBuf,
    },
    /// Do what a run that has ended could not do to the units that it was a part of
    #[command(hide = true, name = crate::activation::apply::FINISH)]
    FinishSwitch {
        /// The toplevel that it activated; none when it deactivated
        toplevel: Option<PathBuf>,
        /// How it is applied
        #[command(flatten)]
        apply: ApplyArgs,
    },
    /// Answer another machine on standard input and output
    #[command(hide = true, name = crate::remote::agent::COMMAND)]
    Agent(AgentArgs),
    /// Carry out what another machine asked for
    #[command(hide = true, name = crate::remote::runs::COMMAND)]
    CarryOutRun {
        /// The run
        run: String,
    },
    /// Return to what the host was, unless another machine confirms its run in time
    #[command(hide = true, name = crate::remote::confirm::COMMAND)]
    AwaitConfirmation,
    /// Switch the manager of the user who runs this, as the activation asks on standard input
    #[command(hide = true, name = crate::units::users::COMMAND)]
    SwitchUserManager,
}
