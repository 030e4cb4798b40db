//! The program `emqx`: calls the library and ends with its exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(launcher::main())
}
