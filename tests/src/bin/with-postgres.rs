//! Runs a command beside a private PostgreSQL that all its tests share: `with-postgres cargo nextest run …`.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitCode};

use e2e::postgres::{PostgresServer, SHARED_SERVER_VARIABLE};

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let Some(program) = arguments.next() else {
        eprintln!("usage: with-postgres COMMAND [ARGUMENT]...");
        return ExitCode::from(2);
    };
    let server = PostgresServer::start();
    let ended = Command::new(&program)
        .args(arguments)
        .env(SHARED_SERVER_VARIABLE, server.base_url())
        .status();
    drop(server);
    match ended {
        Ok(status) => {
            let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
            ExitCode::from(u8::try_from(code).unwrap_or(1))
        }
        Err(error) => {
            eprintln!("with-postgres: {}: {error}", program.display());
            ExitCode::from(127)
        }
    }
}
