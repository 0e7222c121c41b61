use std::process::ExitCode;

use mimalloc::MiMalloc;

/// An answer is many short-lived texts made on one thread and dropped on another; the system's allocator takes a tenth
/// of its time for them.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    gateway::cli::run()
}
