//! A merchant's rules as a node runs them: compiled once, with what their calls may use and whether they keep failing.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};

use moka::sync::Cache;
use plugin_sdk::{MerchantId, ShadowId};
use rules::{Allowance, AllowanceLimits, Breaker, BreakerSettings, CallLimits, Engine, Handler, Program};
use store::{RuleRevision, RuleSecret, RuleShadow, Tenant};

use crate::payments::ShadowLoad;
use crate::tenancy::{BoundCanary, RuleSettings};

/// Merchants whose allowance a node keeps.
const ALLOWANCES_MAX: u64 = 150_000;
/// Shadows that a node keeps beside those that run.
const SHADOWS_MAX: u64 = 1_000;
/// Compiled revisions that a node keeps beside those in service, in bytes.
const REVISION_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// What a revision takes beside its program, in bytes.
const REVISION_BYTES: usize = 512;

pub struct BoundRules {
    pub published: Option<Arc<BoundRevision>>,
    pub settings: RuleSettings,
    /// What `ctx.http` may send without the script knowing it; sealed.
    pub secrets: Vec<RuleSecret>,
    /// Those of the installation, with what the settings change.
    pub limits: CallLimits,
    /// Of all calls of this merchant's scripts on this node.
    pub allowance: Arc<Allowance>,
    /// The script that decides behind the answers.
    pub shadow: Option<Arc<BoundShadow>>,
    /// The revision that decides for a part of the accounts.
    pub canary: Option<BoundCanary>,
}

impl BoundRules {
    /// The revision that decides for this account: always the same one, whatever is asked.
    #[must_use]
    pub fn revision_for(&self, account: Option<&str>) -> Option<&Arc<BoundRevision>> {
        let canary = self.canary.as_ref().filter(|canary| canary.takes(account));
        canary.map(|canary| &canary.revision).or(self.published.as_ref())
    }
}

/// A script in the shadow, as a node runs it.
pub struct BoundShadow {
    pub id: ShadowId,
    pub merchant: MerchantId,
    pub load: ShadowLoad,
    /// Its own: what it takes is never taken from the merchant's payments.
    pub allowance: Allowance,
    source: String,
    program: OnceLock<Result<Arc<Program>, String>>,
}

impl BoundShadow {
    /// Compiled by who runs it first, which is never a thread that answers networks.
    pub fn program(&self, engine: &Engine) -> Result<&Arc<Program>, &str> {
        let compiled = self.program.get_or_init(|| {
            let program = engine.compile("shadow", self.source.as_bytes());
            program.map_err(|error| error.to_string())
        });
        compiled.as_ref().map_err(String::as_str)
    }
}

pub struct BoundRevision {
    pub number: i32,
    /// A revision that does not compile any more never accepts.
    pub program: Result<Arc<Program>, String>,
    pub breaker: Breaker,
    /// Handlers that the script was seen not to have: a bit for each.
    lacks: AtomicU8,
}

impl BoundRevision {
    /// Whether the script may have this handler. What a script returns depends on nothing but its source, so one look
    /// is enough.
    #[must_use]
    pub fn may_have(&self, handler: Handler) -> bool {
        self.lacks.load(Ordering::Relaxed) & bit(handler) == 0
    }

    pub fn remember_lacking(&self, handler: Handler) {
        self.lacks.fetch_or(bit(handler), Ordering::Relaxed);
    }
}

const fn bit(handler: Handler) -> u8 {
    match handler {
        Handler::Check => 1,
        Handler::Route => 2,
        Handler::Fee => 4,
        Handler::Event => 8,
    }
}

/// Makes [`BoundRules`] and keeps across their changes what must not start anew: allowances, breakers, programs.
#[derive(Clone)]
pub struct RuleBinder {
    engine: Engine,
    allowance: AllowanceLimits,
    allowances: Cache<MerchantId, Arc<Allowance>>,
    revisions: Cache<(MerchantId, i32), Arc<BoundRevision>>,
    shadows: Cache<ShadowId, Arc<BoundShadow>>,
}

impl RuleBinder {
    #[must_use]
    pub fn new(engine: Engine, allowance: AllowanceLimits) -> Self {
        Self {
            engine,
            allowance,
            allowances: Cache::new(ALLOWANCES_MAX),
            shadows: Cache::new(SHADOWS_MAX),
            revisions: Cache::builder()
                .max_capacity(REVISION_BYTES_MAX)
                .weigher(|_, revision: &Arc<BoundRevision>| {
                    let program = revision.program.as_ref().map_or(0, |program| program.size());
                    u32::try_from(REVISION_BYTES + program).unwrap_or(u32::MAX)
                })
                .build(),
        }
    }

    pub fn bind(&self, tenant: &Tenant) -> BoundRules {
        let merchant = tenant.merchant.id;
        let settings = (tenant.rule_settings.clone())
            .map(serde_json::from_value::<RuleSettings>)
            .transpose();
        let settings = settings.unwrap_or_else(|error| {
            tracing::error!(%merchant, %error, "the settings of the rules cannot be read; the installation's are used");
            None
        });
        let settings = settings.unwrap_or_default();
        BoundRules {
            published: tenant.rules.as_ref().map(|revision| self.revision(revision)),
            limits: settings.call_limits(&self.engine.limits().call),
            settings,
            secrets: tenant.rule_secrets.clone(),
            allowance: (self.allowances).get_with(merchant, || Arc::new(Allowance::new(self.allowance))),
            shadow: tenant.shadow.as_ref().map(|shadow| self.shadow(shadow)),
            canary: (tenant.canary.as_ref()).map(|(canary, revision)| BoundCanary {
                id: canary.id,
                merchant,
                revision: self.revision(revision),
                share_bp: canary.share_bp,
            }),
        }
    }

    /// One for as long as it runs, whatever else of the merchant changes.
    fn shadow(&self, shadow: &RuleShadow) -> Arc<BoundShadow> {
        self.shadows.get_with(shadow.id, || {
            Arc::new(BoundShadow {
                id: shadow.id,
                merchant: shadow.merchant_id,
                load: ShadowLoad::default(),
                allowance: Allowance::new(self.allowance),
                source: shadow.source.clone(),
                program: OnceLock::new(),
            })
        })
    }

    /// A revision never changes, so it is compiled once.
    pub fn revision(&self, revision: &RuleRevision) -> Arc<BoundRevision> {
        self.revisions.get_with((revision.merchant_id, revision.number), || {
            let label = format!("r{}", revision.number);
            let program = self.engine.compile(&label, revision.source.as_bytes());
            if let Err(error) = &program {
                tracing::error!(merchant = %revision.merchant_id, revision = revision.number, %error, "rules do not compile");
            }
            Arc::new(BoundRevision {
                number: revision.number,
                program: program.map_err(|error| error.to_string()),
                breaker: Breaker::new(BreakerSettings::default()),
                lacks: AtomicU8::new(0),
            })
        })
    }
}
