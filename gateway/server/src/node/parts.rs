//! What the listeners and the workers of one node share, and what the handlers of each are given of it.

use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use actix_web::web::Data;
use rules::AllowanceLimits;
use store::{LogWriter, PaymentLookup, PaymentWriter};
use tokio::sync::{Notify, mpsc};

use super::public::Desk;
use super::{Core, NodeError};
use crate::access::api_keys::ApiKeys;
use crate::api::admin::Admin;
use crate::api::deadline::ReadDeadline;
use crate::api::merchant::MerchantApi;
use crate::api::network::Network;
use crate::edge::guards::Guards;
use crate::edge::outbound::Outbound;
use crate::edge::tls::Terminator;
use crate::edge::upstream::Upstreams;
use crate::edge::upstream_health::UpstreamHealth;
use crate::lists::{ImportJob, Imports, Lists};
use crate::neighbours::Redis;
use crate::payments::orders::{Orders, Parts as OrderParts};
use crate::payments::velocity::{SharedVelocities, Velocities};
use crate::payments::{
    Acceptance, AccountCheck, Canaries, Hosts, Lookups, Parts as AcceptanceParts, ShadowJob, Shadows,
};
use crate::settings::Settings;
use crate::tenancy::{Directory, RuleBinder};

/// Imports of lists that wait for their turn.
const IMPORTS_WAITING_MAX: usize = 64;

pub struct Parts<'a> {
    pub settings: &'a Settings,
    pub core: Core,
    pub log: LogWriter,
    pub writer: PaymentWriter,
    pub directory: Directory,
    pub lists: Lists,
    pub redis: Option<Redis>,
    /// What Redis keeps of velocities, if there is Redis.
    pub shared_velocities: Option<SharedVelocities>,
    pub velocities: Velocities,
    pub health: UpstreamHealth,
    pub guards: Guards,
    pub hosts: Hosts,
    pub terminator: Arc<Terminator>,
    pub upstream: Outbound,
    pub imports: Imports,
    pub import_queue: mpsc::Sender<ImportJob>,
    pub shadows: Shadows,
    pub canaries: Canaries,
    pub orders: Orders,
    pub keys: ApiKeys,
    pub new_deliveries: Arc<Notify>,
    pub stopping: Arc<AtomicBool>,
    /// Known once the public listener is there.
    pub public_address: Arc<OnceLock<SocketAddr>>,
}

/// What handlers leave to workers.
pub struct Jobs {
    pub imports: mpsc::Receiver<ImportJob>,
    pub shadows: mpsc::Receiver<ShadowJob>,
}

impl<'a> Parts<'a> {
    pub async fn open(settings: &'a Settings, core: Core) -> Result<(Self, Jobs), NodeError> {
        let log = LogWriter::start(&core.store);
        let writer = PaymentWriter::start(&core.store);
        let new_deliveries = Arc::new(Notify::new());
        let directory = Directory::new(
            core.store.clone(),
            core.plugins.clone(),
            Arc::clone(&core.sealer),
            RuleBinder::new(core.engine.clone(), allowance(settings)),
            core.traffic.defaults.clone(),
        )
        .await?;
        let lists = Lists::new(core.store.clone(), settings.lists.cache_bytes);
        let redis = settings.redis.options()?.map(Redis::new).transpose()?;
        let shared_velocities = redis
            .clone()
            .map(|redis| SharedVelocities::new(redis, Duration::from_secs(settings.redis.velocity_s)));
        let velocities = Velocities::new(core.store.clone(), shared_velocities.clone());
        let health = UpstreamHealth::default();
        let guards = Guards::new(
            settings.guard_options()?,
            redis.clone(),
            core.store.clone(),
            Arc::clone(&core.clock),
        );
        let lookups = Lookups {
            lists: lists.clone(),
            velocities: velocities.clone(),
            health: health.clone(),
            clock: Arc::clone(&core.clock),
        };
        let http_timeout = Duration::from_millis(settings.rules.http_timeout_ms);
        let hosts = Hosts::new(core.outbound.clone(), Arc::clone(&core.sealer), lookups, http_timeout);
        let upstream = Outbound::new(settings.connectors.allow_networks.clone())?;
        let imports = Imports::new(core.lists.clone());
        let (import_queue, import_jobs) = mpsc::channel(IMPORTS_WAITING_MAX);
        let (shadows, shadow_jobs) = Shadows::new();
        let canaries = Canaries::default();
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
        let parts = Self {
            keys: ApiKeys::new(core.store.clone(), Arc::clone(&core.clock)),
            terminator: Arc::new(Terminator::new(settings.public.tls())),
            settings,
            core,
            log,
            writer,
            directory,
            lists,
            redis,
            shared_velocities,
            velocities,
            health,
            guards,
            hosts,
            upstream,
            imports,
            import_queue,
            shadows,
            canaries,
            orders,
            new_deliveries,
            stopping: Arc::new(AtomicBool::new(false)),
            public_address: Arc::new(OnceLock::new()),
        };
        let jobs = Jobs {
            imports: import_jobs,
            shadows: shadow_jobs,
        };
        Ok((parts, jobs))
    }

    pub fn read_deadline(&self) -> ReadDeadline {
        ReadDeadline(Duration::from_millis(self.settings.database.read_timeout_ms))
    }

    /// For the public listeners. `default_connection` is what `/payment` means when nothing else names one.
    pub fn desk(&self, admin: Data<Admin>, default_connection: Option<(String, String)>) -> Desk {
        Desk {
            network: Data::new(self.network(default_connection)),
            merchant_api: Data::new(self.merchant_api()),
            admin,
            guards: self.guards.clone(),
            body_bytes_max: self.settings.public.body_bytes_max,
            read_deadline: self.read_deadline(),
        }
    }

    fn merchant_api(&self) -> MerchantApi {
        MerchantApi {
            store: self.core.store.clone(),
            directory: self.directory.clone(),
            orders: self.orders.clone(),
            keys: self.keys.clone(),
            guards: self.guards.clone(),
            proxies: self.settings.public.proxies(),
            onboarding: self.core.onboarding.clone(),
            new_deliveries: Arc::clone(&self.new_deliveries),
            sealer: Arc::clone(&self.core.sealer),
            clock: Arc::clone(&self.core.clock),
        }
    }

    fn network(&self, default_connection: Option<(String, String)>) -> Network {
        Network {
            acceptance: Acceptance::new(self.acceptance()),
            orders: self.orders.clone(),
            directory: self.directory.clone(),
            guards: self.guards.clone(),
            log: self.log.clone(),
            clock: Arc::clone(&self.core.clock),
            proxies: self.settings.public.proxies(),
            body_bytes_max: self.settings.public.body_bytes_max,
            body_timeout: Duration::from_millis(self.settings.public.body_timeout_ms),
            default_connection,
        }
    }

    fn acceptance(&self) -> AcceptanceParts {
        let payments = &self.settings.payments;
        let check_url_timeout = Duration::from_millis(payments.check_url_timeout_ms);
        AcceptanceParts {
            lookup: PaymentLookup::new(&self.core.store),
            store: self.core.store.clone(),
            writer: self.writer.clone(),
            log: self.log.clone(),
            engine: self.core.engine.clone(),
            hosts: self.hosts.clone(),
            decisions_kept: self.settings.rules.decisions_kept,
            shadows: self.shadows.clone(),
            canaries: self.canaries.clone(),
            account_check: AccountCheck::new(self.core.outbound.clone(), check_url_timeout),
            velocities: self.velocities.clone(),
            clock: Arc::clone(&self.core.clock),
            new_deliveries: Arc::clone(&self.new_deliveries),
            answer_timeout: Duration::from_millis(payments.answer_timeout_ms),
        }
    }
}

fn allowance(settings: &Settings) -> AllowanceLimits {
    AllowanceLimits {
        cpu_per_second: Duration::from_millis(settings.rules.merchant_cpu_ms_per_second),
        in_flight: settings.rules.merchant_calls_in_flight,
    }
}
