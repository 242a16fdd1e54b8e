//! The program.

use std::process::ExitCode;

fn main() -> ExitCode {
    system_manager::run()
}
