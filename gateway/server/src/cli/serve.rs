//! `tollgate serve`

use std::path::Path;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{Failure, environment, say};
use crate::access::sealing;
use crate::container::{self, Container};
use crate::node::{Core, Extras, Node};
use crate::settings::Settings;
use crate::telemetry;

pub async fn run(config: Option<&Path>) -> Result<(), Failure> {
    match Container::from_environment(&environment())? {
        None => {
            let settings = Settings::load(config)?;
            telemetry::start_logs(&settings.log)?;
            let core = Core::open(&settings, None).await?;
            serve(Node::start(&settings, core, Extras::default()).await?).await
        }
        Some(container) => run_container(config, &container).await,
    }
}

async fn run_container(config: Option<&Path>, container: &Container) -> Result<(), Failure> {
    let mut variables = container.settings();
    variables.extend(environment());
    let settings = Settings::from_sources(config, variables)?;
    telemetry::start_logs(&settings.log)?;
    container.prepare_database(&settings).await?;
    // Nothing that the container stores is ever opened again: its webhooks are not signed.
    let core = Core::open(&settings, Some(sealing::generate_master_key()?)).await?;
    container.provision(&core).await?;
    let default_connection = Some((container::MERCHANT.to_owned(), container::CONNECTION.to_owned()));
    let extras = Extras {
        default_connection,
        ..Extras::default()
    };
    serve(Node::start(&settings, core, extras).await?).await
}

/// Until the process is told to stop.
pub async fn serve(node: Node) -> Result<(), Failure> {
    // Before anybody can know that the node is there: whoever reads the next lines may stop it.
    let mut stop = StopSignals::listen()?;
    say(&format!("listening public {}", node.public));
    for address in &node.tls {
        say(&format!("listening tls {address}"));
    }
    say(&format!("listening admin {}", node.admin));
    stop.next().await;
    tracing::info!("stopping: finishing what is in flight");
    tokio::select! {
        () = node.stop() => {}
        () = stop.next() => {
            tracing::warn!("told to stop again: leaving at once");
        }
    }
    tracing::info!("stopped");
    Ok(())
}

pub struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    pub fn listen() -> Result<Self, Failure> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    pub async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
