//! The listener that people call, and what stands behind it alone.

use std::net::SocketAddr;
use std::sync::Arc;

use actix_web::dev::ServerHandle;
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{App, HttpServer};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::parts::Parts;
use super::{NodeError, SHUTDOWN_TIMEOUT};
use crate::access::bootstrap::BootstrapToken;
use crate::access::people::{Parts as PeopleParts, People};
use crate::access::single_sign_on::SingleSignOn;
use crate::api::admin::{self, Admin};
use crate::api::status::{self, Status};
use crate::api::{admin_ui, openapi, problem::Problem};
use crate::edge::outbound::Outbound;
use crate::office::exports::ExportLimits;
use crate::office::{ExportDesk, GoLive, Overviews};

/// Workers of this listener: a few people, not a network.
const WORKERS: usize = 1;

/// What the handlers need.
pub async fn desk(parts: &Parts<'_>, bootstrap: Option<Arc<BootstrapToken>>) -> Result<Admin, NodeError> {
    let (core, settings) = (&parts.core, parts.settings);
    Ok(Admin {
        store: core.store.clone(),
        onboarding: core.onboarding.clone(),
        certificates: core.certificates.clone(),
        terminator: Arc::clone(&parts.terminator),
        upstream: parts.upstream.clone(),
        lists: core.lists.clone(),
        imports: parts.imports.clone(),
        import_queue: parts.import_queue.clone(),
        lookups: parts.lists.clone(),
        rulebook: core.rulebook.clone(),
        traffic: core.traffic.clone(),
        guards: parts.guards.clone(),
        hosts: parts.hosts.clone(),
        directory: parts.directory.clone(),
        orders: parts.orders.clone(),
        health: parts.health.clone(),
        keys: parts.keys.clone(),
        clock: Arc::clone(&core.clock),
        new_deliveries: Arc::clone(&parts.new_deliveries),
        people: people(parts, bootstrap.clone()).await?,
        single_sign_on: single_sign_on(parts)?,
        overviews: Overviews::new(core.store.clone(), Arc::clone(&core.clock)),
        golive: GoLive {
            store: core.store.clone(),
            plugins: core.plugins.clone(),
            sealer: Arc::clone(&core.sealer),
            traffic: core.traffic.clone(),
            clock: Arc::clone(&core.clock),
        },
        exports: export_desk(parts),
        bootstrap,
        proxies: settings.public.proxies(),
        public_address: Arc::clone(&parts.public_address),
        url: url(parts),
        body_bytes_max: settings.admin.body_bytes_max,
    })
}

fn export_desk(parts: &Parts<'_>) -> ExportDesk {
    let exports = &parts.settings.exports;
    ExportDesk {
        store: parts.core.store.clone(),
        clock: Arc::clone(&parts.core.clock),
        limits: ExportLimits {
            rows_max: exports.rows_max,
            kept: chrono::TimeDelta::hours(i64::from(exports.keep_hours)),
        },
        new_jobs: Arc::new(Notify::new()),
    }
}

async fn people(parts: &Parts<'_>, bootstrap: Option<Arc<BootstrapToken>>) -> Result<People, NodeError> {
    let people = People::open(PeopleParts {
        store: parts.core.store.clone(),
        sealer: Arc::clone(&parts.core.sealer),
        clock: Arc::clone(&parts.core.clock),
        bootstrap,
        factor_policy: parts.settings.access.second_factor,
        limits: parts.settings.access.limits(),
    });
    Ok(people.await?)
}

/// Where the provider is, is the operator's to say: it may be in a private network.
fn single_sign_on(parts: &Parts<'_>) -> Result<Option<Arc<SingleSignOn>>, NodeError> {
    let redirect_uri = format!("{}/sign-in", url(parts));
    let Some(options) = parts.settings.single_sign_on.options(redirect_uri)? else {
        return Ok(None);
    };
    let outbound = Outbound::new(vec![IpNet::from(Ipv4Net::default()), IpNet::from(Ipv6Net::default())])?;
    let (sealer, clock) = (Arc::clone(&parts.core.sealer), Arc::clone(&parts.core.clock));
    Ok(Some(Arc::new(SingleSignOn::new(options, outbound, sealer, clock))))
}

fn url(parts: &Parts<'_>) -> String {
    let admin = &parts.settings.admin;
    let url = admin.url.clone();
    let url = url.unwrap_or_else(|| format!("http://{}", admin.listen));
    url.trim_end_matches('/').to_owned()
}

type Listening = (SocketAddr, (ServerHandle, JoinHandle<std::io::Result<()>>));

pub fn listen(
    parts: &Parts<'_>,
    admin: Data<Admin>,
    status: Data<Status>,
    extra_routes: Option<fn(&mut ServiceConfig)>,
) -> Result<Listening, NodeError> {
    let listen = &parts.settings.admin.listen;
    let json_bytes_max = parts.settings.admin.body_bytes_max;
    let read_deadline = Data::new(parts.read_deadline());
    let server = HttpServer::new(move || {
        App::new()
            .app_data(admin.clone())
            .app_data(status.clone())
            .app_data(read_deadline.clone())
            .app_data(
                web::JsonConfig::default()
                    .limit(json_bytes_max)
                    .error_handler(|error, _| Problem::malformed(error.to_string()).into()),
            )
            .app_data(
                web::QueryConfig::default().error_handler(|error, _| Problem::malformed(error.to_string()).into()),
            )
            .app_data(web::PathConfig::default().error_handler(|_, _| Problem::not_found("this path").into()))
            .configure(status::configure)
            .configure(openapi::configure)
            .configure(|config| {
                if let Some(routes) = extra_routes {
                    routes(config);
                }
            })
            .configure(admin::configure)
            .default_service(web::route().to(admin_ui::serve))
    })
    .workers(WORKERS)
    .shutdown_timeout(SHUTDOWN_TIMEOUT.as_secs())
    .disable_signals();
    let listen_error = |error| NodeError::Listen {
        address: listen.clone(),
        error,
    };
    let server = server.bind(listen).map_err(listen_error)?;
    let address = server.addrs().first().copied();
    let address = address.ok_or_else(|| listen_error(std::io::ErrorKind::AddrNotAvailable.into()))?;
    let server = server.run();
    Ok((address, (server.handle(), tokio::spawn(server))))
}
