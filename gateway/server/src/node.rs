//! One node: everything put together, started, and stopped in order.

mod public;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{App, HttpServer};
use plugin_sdk::{Clock, SystemClock};
use rules::{AllowanceLimits, CallLimits, Engine, Limits};
use secrecy::SecretString;
use store::{LogWriter, PaymentLookup, PaymentWriter, Store};
use tokio::sync::{Notify, Semaphore, mpsc, watch};
use tokio::task::JoinHandle;

use crate::access::api_keys::ApiKeys;
use crate::access::bootstrap::{BootstrapError, BootstrapToken};
use crate::access::master_keys::{MasterKeyError, MasterKeys};
use crate::access::people::{Parts as PeopleParts, People, PeopleError};
use crate::access::sealing::{Sealer, SealingError};
use crate::api::deadline::ReadDeadline;
use crate::api::merchant::MerchantApi;
use crate::api::{admin, admin_ui, network, openapi, problem::Problem, status};
use crate::edge::certificates::CertificateDesk;
use crate::edge::guards::Guards;
use crate::edge::outbound::{Outbound, OutboundError};
use crate::edge::tls::{Keeper, KeeperError, Terminator};
use crate::edge::upstream::Upstreams;
use crate::edge::upstream_health::UpstreamHealth;
use crate::events::Sender;
use crate::lists::{ImportJob, Imports, ListBook, Lists};
use crate::neighbours::{Redis, RedisError};
use crate::node::public::Desk;
use crate::office::exports::ExportLimits;
use crate::office::{ExportDesk, GoLive, Overviews};
use crate::payments::orders::{Orders, Parts as OrderParts};
use crate::payments::velocity::{SharedVelocities, Velocities};
use crate::payments::{Acceptance, AccountCheck, Canaries, Hosts, Lookups, Parts, ShadowJob, Shadows};
use crate::plugins::Plugins;
use crate::rulebook::{CanaryWatch, Rulebook, ShadowRunner};
use crate::settings::{Settings, SettingsError};
use crate::telemetry;
use crate::tenancy::{Directory, Onboarding, RuleBinder, TrafficBook};
use crate::workers::certificates::CertificateExpiry;
use crate::workers::deliveries::Deliveries;
use crate::workers::lists::ListUpkeep;
use crate::workers::retention::Retention;
use crate::workers::velocity::VelocityRollUp;

/// How long requests in flight may take to end when the node stops.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(30);
/// Workers of the admin listener: a few people, not a network.
const ADMIN_WORKERS: usize = 1;
/// Imports of lists that wait for their turn.
const IMPORTS_WAITING_MAX: usize = 64;
/// Replays that run at once: they take half of a core, whatever waits.
const REPLAYS_AT_ONCE: usize = 1;

#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    #[error(
        "no master key: secrets in the database could not be sealed. Make one with `tollgate keygen`, keep it safe, and \
         give it as TOLLGATE_MASTER_KEY, or as master_key_file in tollgate.toml"
    )]
    NoMasterKey,
    #[error("{0}")]
    Settings(#[from] SettingsError),
    #[error("master_key: {0}")]
    Sealing(#[from] SealingError),
    #[error("{0}")]
    MasterKey(#[from] MasterKeyError),
    #[error("{0}")]
    Bootstrap(#[from] BootstrapError),
    #[error("database: {0}")]
    Store(#[from] store::StoreError),
    #[error("rules: {0}")]
    Rules(#[from] rules::EngineError),
    #[error("{0}")]
    Outbound(#[from] OutboundError),
    #[error("redis.url: {0}")]
    Redis(#[from] RedisError),
    #[error("metrics: {0}")]
    Metrics(#[from] metrics_exporter_prometheus::BuildError),
    #[error("people: {0}")]
    People(#[from] PeopleError),
    #[error("certificates: {0}")]
    Certificates(#[from] KeeperError),
    #[error("listener {address}: {error}")]
    Listen { address: String, error: std::io::Error },
}

/// What serving and administration share. Made without listening anywhere, so that the CLI uses it too.
pub struct Core {
    pub store: Store,
    pub onboarding: Onboarding,
    pub certificates: CertificateDesk,
    pub lists: ListBook,
    pub rulebook: Rulebook,
    pub traffic: TrafficBook,
    pub sealer: Arc<Sealer>,
    pub outbound: Outbound,
    pub engine: Engine,
    pub plugins: Plugins,
    pub clock: Arc<dyn Clock>,
}

impl Core {
    /// Connects, migrates and puts together. `fallback_key` serves when no master key is configured.
    pub async fn open(settings: &Settings, fallback_key: Option<SecretString>) -> Result<Self, NodeError> {
        let configured = settings.master_key()?;
        let is_configured = configured.is_some();
        let key = configured.or(fallback_key).ok_or(NodeError::NoMasterKey)?;
        let sealer = Arc::new(Sealer::with_previous(&key, &settings.previous_master_keys()?)?);
        let engine = Engine::new(limits(settings))?;
        let outbound = Outbound::new(settings.webhooks.allow_networks.clone())?;
        let store = Store::connect(&settings.database.options()?).await?;
        store.migrate().await?;
        let plugins = Plugins::all();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        // A key that nobody configured is made anew at each start, and opens nothing.
        if is_configured {
            let keys = MasterKeys {
                store: store.clone(),
                sealer: Arc::clone(&sealer),
            };
            keys.prove(clock.now()).await?;
        }
        let onboarding = Onboarding {
            store: store.clone(),
            plugins: plugins.clone(),
            sealer: Arc::clone(&sealer),
            outbound: outbound.clone(),
            clock: Arc::clone(&clock),
            pkcs12: settings.certificates.pkcs12(),
        };
        let certificates = CertificateDesk {
            store: store.clone(),
            sealer: Arc::clone(&sealer),
            clock: Arc::clone(&clock),
            pkcs12: settings.certificates.pkcs12(),
            client_days: settings.certificates.client_days,
        };
        let lists = ListBook {
            store: store.clone(),
            clock: Arc::clone(&clock),
            limits: Arc::new(settings.lists.limits()),
        };
        let rulebook = Rulebook {
            store: store.clone(),
            engine: engine.clone(),
            sealer: Arc::clone(&sealer),
            clock: Arc::clone(&clock),
            replay_turns: Arc::new(Semaphore::new(REPLAYS_AT_ONCE)),
        };
        let traffic = TrafficBook {
            store: store.clone(),
            plugins: plugins.clone(),
            clock: Arc::clone(&clock),
            defaults: settings.traffic_defaults()?,
        };
        Ok(Self {
            store,
            onboarding,
            certificates,
            lists,
            rulebook,
            traffic,
            sealer,
            outbound,
            engine,
            plugins,
            clock,
        })
    }
}

fn limits(settings: &Settings) -> Limits {
    Limits {
        call: CallLimits {
            steps: settings.rules.steps,
            own_cpu: Duration::from_millis(settings.rules.own_cpu_ms),
            memory_bytes: settings.rules.memory_bytes,
            decision: Duration::from_millis(settings.rules.decision_ms),
            host_calls: settings.rules.host_calls,
            http_calls: settings.rules.http_calls,
        },
        ..Limits::default()
    }
}

fn allowance(settings: &Settings) -> AllowanceLimits {
    AllowanceLimits {
        cpu_per_second: Duration::from_millis(settings.rules.merchant_cpu_ms_per_second),
        in_flight: settings.rules.merchant_calls_in_flight,
    }
}

/// How this node differs from the plain one.
#[derive(Default)]
pub struct Extras {
    /// Merchant and connection that `/payment` means when nothing else names one.
    pub default_connection: Option<(String, String)>,
    /// Further routes on the admin listener.
    pub admin_routes: Option<fn(&mut ServiceConfig)>,
}

/// A running node.
pub struct Node {
    pub public: SocketAddr,
    /// Where networks and tenant systems call over TLS.
    pub tls: Vec<SocketAddr>,
    pub admin: SocketAddr,
    servers: Vec<(ServerHandle, JoinHandle<std::io::Result<()>>)>,
    stop: watch::Sender<bool>,
    stopping: Arc<AtomicBool>,
    workers: Vec<JoinHandle<()>>,
    watches: Vec<JoinHandle<()>>,
    log: LogWriter,
}

impl Node {
    pub async fn start(settings: &Settings, core: Core, extras: Extras) -> Result<Self, NodeError> {
        let metrics = telemetry::start_metrics()?;
        let bootstrap = settings
            .admin
            .bootstrap_token()?
            .map(|token| BootstrapToken::new(&token).map(Arc::new))
            .transpose()?;
        let log = LogWriter::start(&core.store);
        let writer = PaymentWriter::start(&core.store);
        let new_deliveries = Arc::new(Notify::new());
        let stopping = Arc::new(AtomicBool::new(false));
        let binder = RuleBinder::new(core.engine.clone(), allowance(settings));
        let directory = Directory::new(
            core.store.clone(),
            core.plugins.clone(),
            Arc::clone(&core.sealer),
            binder,
            core.traffic.defaults.clone(),
        )
        .await?;
        let http_timeout = Duration::from_millis(settings.rules.http_timeout_ms);
        let watching = tokio::spawn(directory.clone().watch());
        let lists = Lists::new(core.store.clone(), settings.lists.cache_bytes);
        let mut watches = vec![watching, tokio::spawn(lists.clone().watch())];
        let redis = settings.redis.options()?.map(Redis::new).transpose()?;
        let velocities = velocities(settings, &core, redis.as_ref(), &mut watches);
        let health = UpstreamHealth::default();
        let options = settings.guard_options()?;
        let guards = Guards::new(options, redis.clone(), core.store.clone(), Arc::clone(&core.clock));
        let lookups = Lookups {
            lists: lists.clone(),
            velocities: velocities.clone(),
            health: health.clone(),
            clock: Arc::clone(&core.clock),
        };
        let hosts = Hosts::new(core.outbound.clone(), Arc::clone(&core.sealer), lookups, http_timeout);
        let terminator = Arc::new(Terminator::new(settings.public.tls()));
        if !settings.public.tls_listen.is_empty() {
            watches.push(start_keeper(settings, &core, &terminator).await?);
        }
        let (stop, stopped) = watch::channel(false);
        let mut workers = start_workers(settings, &core, &new_deliveries, &stopped);
        let (refusals, more) = guards.start(&core.store, &writer, &stopped);
        workers.push(refusals);
        watches.extend(more);
        let imports = Imports::new(core.lists.clone());
        let (import_queue, jobs) = mpsc::channel(IMPORTS_WAITING_MAX);
        workers.extend(start_list_workers(&core, &imports, jobs, &stopped));
        let (shadows, jobs) = Shadows::new();
        workers.push(start_shadow_runner(&core, jobs, &stopped));
        let canaries = Canaries::default();
        workers.push(start_canary_watch(&core, &canaries, &new_deliveries, &stopped));

        let upstream = Outbound::new(settings.connectors.allow_networks.clone())?;
        let orders = Orders::new(OrderParts {
            store: core.store.clone(),
            directory: directory.clone(),
            upstreams: Upstreams::new(
                upstream.clone(),
                log.clone(),
                Arc::clone(&core.clock),
                Arc::clone(&core.sealer),
                health.clone(),
            ),
            engine: core.engine.clone(),
            hosts: hosts.clone(),
            log: log.clone(),
            decisions_kept: settings.rules.decisions_kept,
            shadows: shadows.clone(),
            canaries: canaries.clone(),
            sealer: Arc::clone(&core.sealer),
            clock: Arc::clone(&core.clock),
            new_deliveries: Arc::clone(&new_deliveries),
            operation_timeout: Duration::from_millis(settings.connectors.operation_timeout_ms),
            public_url: settings.public.url.clone(),
        });
        workers.push(start_recovery(&orders, &stopped));
        let keys = ApiKeys::new(core.store.clone(), Arc::clone(&core.clock));
        let merchant_api = Data::new(MerchantApi {
            store: core.store.clone(),
            directory: directory.clone(),
            orders: orders.clone(),
            keys: keys.clone(),
            guards: guards.clone(),
            proxies: settings.public.proxies(),
            onboarding: core.onboarding.clone(),
            new_deliveries: Arc::clone(&new_deliveries),
            sealer: Arc::clone(&core.sealer),
            clock: Arc::clone(&core.clock),
        });
        let status = Data::new(status::Status {
            store: core.store.clone(),
            writer: writer.clone(),
            redis,
            guards: guards.clone(),
            metrics,
            stopping: Arc::clone(&stopping),
        });
        let exports = export_desk(settings, &core);
        workers.push(tokio::spawn(exports.clone().serve(stopped.clone())));
        let golive = GoLive {
            store: core.store.clone(),
            plugins: core.plugins.clone(),
            sealer: Arc::clone(&core.sealer),
            traffic: core.traffic.clone(),
            clock: Arc::clone(&core.clock),
        };
        let people = open_people(settings, &core, bootstrap.clone()).await?;
        let public_address = Arc::new(OnceLock::new());
        let admin = Data::new(admin::Admin {
            store: core.store.clone(),
            onboarding: core.onboarding.clone(),
            certificates: core.certificates,
            terminator: Arc::clone(&terminator),
            upstream: upstream.clone(),
            lists: core.lists,
            imports,
            import_queue,
            lookups: lists,
            rulebook: core.rulebook.clone(),
            traffic: core.traffic.clone(),
            guards: guards.clone(),
            hosts: hosts.clone(),
            directory: directory.clone(),
            orders: orders.clone(),
            health: health.clone(),
            keys,
            clock: Arc::clone(&core.clock),
            new_deliveries: Arc::clone(&new_deliveries),
            people,
            overviews: Overviews::new(core.store.clone(), Arc::clone(&core.clock)),
            golive,
            exports,
            bootstrap,
            proxies: settings.public.proxies(),
            public_address: Arc::clone(&public_address),
            url: admin_url(settings),
            body_bytes_max: settings.admin.body_bytes_max,
        });
        let network = Data::new(network::Network {
            acceptance: Acceptance::new(Parts {
                lookup: PaymentLookup::new(&core.store),
                store: core.store,
                writer,
                log: log.clone(),
                engine: core.engine,
                hosts,
                decisions_kept: settings.rules.decisions_kept,
                shadows,
                canaries,
                account_check: AccountCheck::new(
                    core.outbound,
                    Duration::from_millis(settings.payments.check_url_timeout_ms),
                ),
                velocities,
                clock: Arc::clone(&core.clock),
                new_deliveries,
                answer_timeout: Duration::from_millis(settings.payments.answer_timeout_ms),
            }),
            orders,
            directory,
            guards: guards.clone(),
            log: log.clone(),
            clock: core.clock,
            proxies: settings.public.proxies(),
            body_bytes_max: settings.public.body_bytes_max,
            body_timeout: Duration::from_millis(settings.public.body_timeout_ms),
            default_connection: extras.default_connection,
        });
        let desk = Desk {
            network,
            merchant_api,
            admin: admin.clone(),
            guards: guards.clone(),
            body_bytes_max: settings.public.body_bytes_max,
            read_deadline: read_deadline(settings),
        };
        let doors = Arc::new(guards.doors().clone());
        let public = public::listen(&settings.public, &desk, doors, &terminator).await?;
        terminator.listens_at(public.tls.clone());
        let _ = public_address.set(public.plain);
        let (admin, admin_server) = listen_admin(settings, admin, status, extras.admin_routes)?;
        let servers = vec![public.server, admin_server];
        Ok(Self {
            public: public.plain,
            tls: public.tls,
            admin,
            servers,
            stop,
            stopping,
            workers,
            watches,
            log,
        })
    }

    /// Stops accepting, finishes what is in flight, writes what waits, and returns, all within one time limit.
    pub async fn stop(self) {
        if tokio::time::timeout(SHUTDOWN_TIMEOUT, self.stop_in_order())
            .await
            .is_err()
        {
            tracing::warn!("stopped before everything in flight had ended; nothing that was answered is lost");
        }
    }

    async fn stop_in_order(self) {
        self.stopping.store(true, Ordering::SeqCst);
        let _ = self.stop.send(true);
        for (handle, server) in self.servers {
            handle.stop(true).await;
            let _ = server.await;
        }
        for worker in self.workers {
            let _ = worker.await;
        }
        for watch in self.watches {
            watch.abort();
        }
        self.log.flush().await;
    }
}

fn export_desk(settings: &Settings, core: &Core) -> ExportDesk {
    ExportDesk {
        store: core.store.clone(),
        clock: Arc::clone(&core.clock),
        limits: ExportLimits {
            rows_max: settings.exports.rows_max,
            kept: chrono::TimeDelta::hours(i64::from(settings.exports.keep_hours)),
        },
        new_jobs: Arc::new(Notify::new()),
    }
}

async fn open_people(
    settings: &Settings,
    core: &Core,
    bootstrap: Option<Arc<BootstrapToken>>,
) -> Result<People, NodeError> {
    let people = People::open(PeopleParts {
        store: core.store.clone(),
        sealer: Arc::clone(&core.sealer),
        clock: Arc::clone(&core.clock),
        bootstrap,
        factor_policy: settings.access.second_factor,
        limits: settings.access.limits(),
    });
    Ok(people.await?)
}

fn read_deadline(settings: &Settings) -> ReadDeadline {
    ReadDeadline(Duration::from_millis(settings.database.read_timeout_ms))
}

fn admin_url(settings: &Settings) -> String {
    let url = settings.admin.url.clone();
    let url = url.unwrap_or_else(|| format!("http://{}", settings.admin.listen));
    url.trim_end_matches('/').to_owned()
}

/// With what keeps Redis's part of them, if there is Redis.
fn velocities(
    settings: &Settings,
    core: &Core,
    redis: Option<&Redis>,
    watches: &mut Vec<JoinHandle<()>>,
) -> Velocities {
    let shared = redis.map(|redis| {
        let shared = SharedVelocities::new(redis.clone(), Duration::from_secs(settings.redis.velocity_s));
        watches.push(tokio::spawn(redis.clone().keep()));
        watches.push(tokio::spawn(shared.clone().keep()));
        shared
    });
    Velocities::new(core.store.clone(), shared)
}

fn start_workers(
    settings: &Settings,
    core: &Core,
    new_deliveries: &Arc<Notify>,
    stopped: &watch::Receiver<bool>,
) -> Vec<JoinHandle<()>> {
    let timeout = Duration::from_millis(settings.webhooks.timeout_ms);
    let deliveries = Deliveries {
        store: core.store.clone(),
        sender: Sender::new(core.outbound.clone(), Arc::clone(&core.sealer), timeout),
        clock: Arc::clone(&core.clock),
        new_deliveries: Arc::clone(new_deliveries),
        poll: Duration::from_millis(settings.webhooks.poll_ms),
        timeout,
        in_flight_max: settings.webhooks.in_flight_max,
    };
    let retention = Retention {
        store: core.store.clone(),
        clock: Arc::clone(&core.clock),
        exchange_days: settings.exchanges.retention_days,
        registration_days: settings.payments.registration_retention_days,
        key_days: settings.payments.idempotency_key_retention_days,
        decision_days: settings.rules.decision_retention_days,
        decision_rows: settings.rules.decision_rows_per_merchant,
    };
    let velocity = VelocityRollUp {
        store: core.store.clone(),
        clock: Arc::clone(&core.clock),
    };
    let expiry = CertificateExpiry {
        store: core.store.clone(),
        clock: Arc::clone(&core.clock),
        new_deliveries: Arc::clone(new_deliveries),
        interval: Duration::from_secs(settings.certificates.expiry_check_s),
    };
    vec![
        tokio::spawn(expiry.run(stopped.clone())),
        tokio::spawn(deliveries.run(stopped.clone())),
        tokio::spawn(retention.run(stopped.clone())),
        tokio::spawn(velocity.run(stopped.clone())),
    ]
}

fn start_list_workers(
    core: &Core,
    imports: &Imports,
    jobs: mpsc::Receiver<ImportJob>,
    stopped: &watch::Receiver<bool>,
) -> [JoinHandle<()>; 2] {
    let upkeep = ListUpkeep {
        store: core.store.clone(),
        clock: Arc::clone(&core.clock),
        imports: imports.clone(),
    };
    [
        tokio::spawn(imports.clone().serve(jobs, stopped.clone())),
        tokio::spawn(upkeep.run(stopped.clone())),
    ]
}

/// Certificates are there before the first caller, and kept true from then on.
async fn start_keeper(
    settings: &Settings,
    core: &Core,
    terminator: &Arc<Terminator>,
) -> Result<JoinHandle<()>, NodeError> {
    let mut keeper = Keeper::new(
        core.store.clone(),
        Arc::clone(&core.sealer),
        Arc::clone(&core.clock),
        Arc::clone(terminator),
        settings.public.certificate_files(),
    );
    keeper.load().await?;
    Ok(tokio::spawn(keeper.watch()))
}

/// Recovery runs rules, whose machines stay on their thread: it gets one of its own.
fn start_recovery(orders: &Orders, stopped: &watch::Receiver<bool>) -> JoinHandle<()> {
    let (orders, stopped) = (orders.clone(), stopped.clone());
    let runtime = tokio::runtime::Handle::current();
    tokio::task::spawn_blocking(move || runtime.block_on(orders.recover(stopped)))
}

fn start_shadow_runner(
    core: &Core,
    jobs: mpsc::Receiver<ShadowJob>,
    stopped: &watch::Receiver<bool>,
) -> JoinHandle<()> {
    let runner = ShadowRunner {
        store: core.store.clone(),
        engine: core.engine.clone(),
        clock: Arc::clone(&core.clock),
        jobs,
    };
    tokio::spawn(runner.run(stopped.clone()))
}

fn start_canary_watch(
    core: &Core,
    canaries: &Canaries,
    new_deliveries: &Arc<Notify>,
    stopped: &watch::Receiver<bool>,
) -> JoinHandle<()> {
    let watch = CanaryWatch {
        store: core.store.clone(),
        clock: Arc::clone(&core.clock),
        canaries: canaries.clone(),
        new_deliveries: Arc::clone(new_deliveries),
    };
    tokio::spawn(watch.run(stopped.clone()))
}

type Listening = (SocketAddr, (ServerHandle, JoinHandle<std::io::Result<()>>));

fn listen_admin(
    settings: &Settings,
    admin: Data<admin::Admin>,
    status: Data<status::Status>,
    extra_routes: Option<fn(&mut ServiceConfig)>,
) -> Result<Listening, NodeError> {
    let json_bytes_max = settings.admin.body_bytes_max;
    let read_deadline = Data::new(read_deadline(settings));
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
    .workers(ADMIN_WORKERS)
    .shutdown_timeout(SHUTDOWN_TIMEOUT.as_secs())
    .disable_signals();
    let listen_error = |error| NodeError::Listen {
        address: settings.admin.listen.clone(),
        error,
    };
    let server = server.bind(&settings.admin.listen).map_err(listen_error)?;
    let address = server.addrs().first().copied();
    let address = address.ok_or_else(|| listen_error(std::io::ErrorKind::AddrNotAvailable.into()))?;
    let server = server.run();
    Ok((address, (server.handle(), tokio::spawn(server))))
}

fn num_cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}
