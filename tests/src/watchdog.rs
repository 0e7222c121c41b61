//! A server process that ends with the test that started it.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use nix::unistd::Pid;

/// Ends the server when its input ends, that is, also when the process that started it was killed. On the line `keep`
/// it leaves the data for another start.
const WATCHDOG: &str = r#"
directory=$1; shift
"$@" >>"$directory/log" 2>&1 &
server=$!
echo "$server"
read -r word
kill -QUIT "$server" 2>/dev/null
kill -CONT "$server" 2>/dev/null
wait "$server"
[ "$word" = keep ] || rm -rf "$directory"
"#;

pub(crate) struct Watched {
    watchdog: Child,
    pub(crate) server: Pid,
}

impl Watched {
    /// Runs a program over its folder, where its log goes; the caller adds the program's arguments.
    pub(crate) fn command(directory: &Path, program: &Path) -> Command {
        let mut command = Command::new("sh");
        command
            .args(["-c", WATCHDOG, "watchdog"])
            .arg(directory)
            .arg(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // Out of reach of a signal to the whole test.
            .process_group(0);
        command
    }

    pub(crate) fn start(command: &mut Command) -> Self {
        let mut watchdog = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(watchdog.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let server = Pid::from_raw(line.trim().parse().unwrap());
        Self { watchdog, server }
    }

    /// Waits for a server that was killed; its folder stays.
    pub(crate) fn leave_data(mut self) {
        let _ = self.watchdog.stdin.take().unwrap().write_all(b"keep\n");
        self.watchdog.wait().unwrap();
    }

    /// Ends the server and removes its folder.
    pub(crate) fn end(mut self) {
        drop(self.watchdog.stdin.take());
        let _ = self.watchdog.wait();
    }
}
