//! Room for work that recurses as deep as a script is nested.

/// The syntax tree of the deepest script that Luau compiles fits. Only what is used of it takes memory.
const STACK_BYTES: usize = 512 * 1024 * 1024;

/// Runs work on a thread of its own; `None` if there is none, or it panicked.
pub(crate) fn on_large_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Option<T> {
    std::thread::scope(|scope| {
        std::thread::Builder::new()
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, work)
            .ok()?
            .join()
            .ok()
    })
}
