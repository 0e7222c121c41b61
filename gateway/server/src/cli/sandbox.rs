//! `tollgate sandbox`

use super::serve::StopSignals;
use super::{Failure, say};
use crate::plugins::Plugins;
use crate::sandbox;

#[derive(clap::Args)]
pub struct Arguments {
    /// Where the networks are played. They know no secrets but their own: not for the open internet
    #[arg(long, default_value = "127.0.0.1:8090")]
    listen: String,
}

pub async fn run(arguments: Arguments) -> Result<(), Failure> {
    let host = sandbox::Host::new(&Plugins::all());
    let running = sandbox::start(host, &arguments.listen)?;
    let mut stop = StopSignals::listen()?;
    say(&format!("listening sandbox {}", running.address));
    stop.next().await;
    running.stop().await;
    Ok(())
}
