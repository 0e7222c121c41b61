//! `tollgate demo`: from nothing to a first payment.

use std::process::Stdio;
use std::time::Duration;

use e2e::gateway::binary;
use e2e::{Kiosk, ports, soon};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

const START_DEADLINE: Duration = Duration::from_secs(60);
/// The last line that the demo prints before it waits to be used.
const LAST_LINE: &str = "Ctrl-C";

struct Demo {
    printed: String,
    _child: tokio::process::Child,
}

async fn demo(folder: &std::path::Path, ports: (u16, u16)) -> Demo {
    let mut child = Command::new(binary())
        .arg("demo")
        .arg("--folder")
        .arg(folder)
        .args(["--sandbox", "127.0.0.1:0"])
        .env_clear()
        .env("TOLLGATE_PUBLIC__LISTEN", format!("127.0.0.1:{}", ports.0))
        .env("TOLLGATE_ADMIN__LISTEN", format!("127.0.0.1:{}", ports.1))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut printed = String::new();
    let reading = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            printed.push_str(&line);
            printed.push('\n');
            if line.contains(LAST_LINE) {
                return;
            }
        }
    };
    let read = tokio::time::timeout(START_DEADLINE, reading).await;
    assert!(read.is_ok() && printed.contains(LAST_LINE), "{printed}");
    Demo { printed, _child: child }
}

impl Demo {
    /// The address in the first `http://…` behind this text.
    fn address_after(&self, text: &str) -> std::net::SocketAddr {
        let (_, behind) = self.printed.split_once(text).expect("the text");
        let (_, behind) = behind.split_once("http://").expect("a URL");
        behind.split(['/', ' ']).next().unwrap().parse().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_plays_a_check_and_a_pay_and_keeps_its_books() {
    let folder = tempfile::tempdir().unwrap();
    let demo_folder = folder.path().join("demo");
    // The same ports twice: the demo's webhook goes to the address that it was made with.
    let ports = (ports::free(), ports::free());
    let first = demo(&demo_folder, ports).await;
    assert_eq!(
        first.printed.matches("<result>0</result>").count(),
        2,
        "{}",
        first.printed
    );
    assert!(first.printed.contains("command=check") && first.printed.contains("command=pay"));
    assert!(
        first.printed.contains("The merchant's webhook arrived."),
        "{}",
        first.printed
    );
    let kiosk = Kiosk::new(first.address_after("The same with curl"), "/in/demo/terminal");
    let paid = kiosk.pay("1234567", "9123456789", "10.45").await;
    assert_eq!(paid.result(), 0);
    assert_eq!(
        kiosk.check("1", "1", "1.00").await.result(),
        5,
        "an account that the rule does not know"
    );
    drop(first);

    let again = demo(&demo_folder, ports).await;
    let kiosk = Kiosk::new(again.address_after("The same with curl"), "/in/demo/terminal");
    assert_eq!(kiosk.pay("1234567", "9123456789", "10.45").await.body, paid.body);
    assert_eq!(kiosk.pay("1234567", "9123456789", "10.46").await.result(), 300);
    let inspector = again.address_after("Webhooks as they come");
    let inspector = format!("http://{inspector}/demo");
    assert_eq!(reqwest::get(&inspector).await.unwrap().status().as_u16(), 200);
    soon("the second start's webhook in the inspector", async || {
        let shown = reqwest::get(format!("{inspector}/webhooks")).await.unwrap();
        shown.text().await.unwrap().contains("payment.succeeded").then_some(())
    })
    .await;
}
