//! `tollgate demo`: a whole gateway from nothing; with `--traffic`, with merchants that have something to do.

mod callers;
mod houses;
mod traffic;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use plugin_sdk::MerchantId;
use plugin_sdk::connector::Capability;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use store::{Merchant, StoreError};
use url::Url;

use houses::Played;
use traffic::{Surroundings, Traffic};

use super::terminal::{self, Request};
use super::{Failure, environment, inspector, say, serve};
use crate::access::api_keys::ApiKeys;
use crate::access::sealing;
use crate::kiosk;
use crate::node::{Core, Extras, Node};
use crate::rulebook::Script;
use crate::sandbox;
use crate::settings::Settings;
use crate::telemetry;
use crate::tenancy::{ConnectionDraft, ConnectionPatch, EndpointDraft};

const MERCHANT: &str = "demo";
const CONNECTION: &str = "terminal";
const ACCOUNT: &str = "9123456789";
const SUM: &str = "10.45";
const RULE: &str = include_str!("../../../../scripts/demo.lua");
/// How long the demo waits for its own webhook.
const WEBHOOK_TIMEOUT: Duration = Duration::from_secs(10);
const WEBHOOK_POLL: Duration = Duration::from_millis(50);

#[derive(Args)]
pub struct Arguments {
    /// Where the demo keeps its database and its secrets
    #[arg(long, default_value = "tollgate-demo")]
    folder: PathBuf,
    /// Where the networks are played
    #[arg(long, default_value = "127.0.0.1:8090")]
    sandbox: String,
    /// Keep payments of several merchants coming
    #[arg(long)]
    traffic: bool,
}

pub async fn run(arguments: Arguments) -> Result<(), Failure> {
    let folder = &arguments.folder;
    std::fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let folder = folder.canonicalize()?;
    let settings = settings(&folder)?;
    telemetry::start_logs(&settings.log)?;
    let core = Core::open(&settings, None).await?;
    let merchant = provision(&core, &settings).await?;
    tracing::debug!(%merchant, "the demo merchant is there");
    let networks = sandbox::Host::new(&core.plugins);
    let played = sandbox::start(std::sync::Arc::clone(&networks), &arguments.sandbox).map_err(|error| {
        format!(
            "sandbox at {}: {error}; choose another place with --sandbox",
            arguments.sandbox
        )
    })?;
    let configs = connect(&core, merchant, &settings, &networks, &played).await?;
    let served: Vec<Played> = configs
        .into_iter()
        .filter_map(|(plugin, config)| able(&core, plugin, config))
        .collect();
    let key = api_key(&core, merchant, &folder).await?;
    let extras = Extras {
        admin_routes: Some(inspector::configure),
        ..Extras::default()
    };
    let node = Node::start(&settings, core, extras).await?;
    say(&format!(
        "\nTollgate demo. Everything it knows is in {}\n",
        folder.display()
    ));
    play(&node).await?;
    tell(&node, &folder, played.address, &key);
    let flow = match arguments.traffic {
        false => None,
        true => {
            let around = Surroundings {
                public: node.public,
                admin: node.admin,
                sandbox: played.address,
                token: secret_file(&folder.join("admin-token"))?,
                networks: served,
            };
            let traffic = Traffic::prepare(around, &folder).await?;
            say("Payments of four merchants come in, some forty a minute.");
            Some(tokio::spawn(traffic.run()))
        }
    };
    serve::serve(node).await?;
    if let Some(flow) = flow {
        flow.abort();
    }
    played.stop().await;
    Ok(())
}

/// The defaults, a database and secrets of the demo's own, and webhooks to this machine.
fn settings(folder: &Path) -> Result<Settings, Failure> {
    let master_key = secret_file(&folder.join("master-key"))?;
    let token = secret_file(&folder.join("admin-token"))?;
    let mut variables = vec![
        ("TOLLGATE_MASTER_KEY".to_owned(), master_key.expose_secret().to_owned()),
        (
            "TOLLGATE_ADMIN__BOOTSTRAP_TOKEN".to_owned(),
            token.expose_secret().to_owned(),
        ),
        (
            "TOLLGATE_DATABASE__URL".to_owned(),
            format!("sqlite://{}", folder.join("tollgate.db").display()),
        ),
        (
            "TOLLGATE_WEBHOOKS__ALLOW_NETWORKS".to_owned(),
            "127.0.0.0/8,::1/128".to_owned(),
        ),
        (
            "TOLLGATE_CONNECTORS__ALLOW_NETWORKS".to_owned(),
            "127.0.0.0/8,::1/128".to_owned(),
        ),
        ("TOLLGATE_LOG__FILTER".to_owned(), "warn".to_owned()),
    ];
    // Ports and log may be chosen; the demo's own secrets and database may not.
    let own = [
        "TOLLGATE_MASTER_KEY",
        "TOLLGATE_DATABASE__",
        "TOLLGATE_ADMIN__BOOTSTRAP_TOKEN",
    ];
    variables.extend(
        environment()
            .into_iter()
            .filter(|(name, _)| !own.iter().any(|prefix| name.starts_with(prefix))),
    );
    let settings = Settings::from_sources(None, variables.clone())?;
    if settings.public.url.is_some() {
        return Ok(settings);
    }
    // The networks are played on this machine, so they reach us where we listen.
    let url = format!("http://{}", settings.public.listen);
    variables.push(("TOLLGATE_PUBLIC__URL".to_owned(), url));
    Ok(Settings::from_sources(None, variables)?)
}

/// A random secret that stays the same from start to start.
fn secret_file(path: &Path) -> Result<SecretString, Failure> {
    if let Ok(secret) = std::fs::read_to_string(path) {
        return Ok(secret.trim().into());
    }
    let secret = sealing::generate_master_key()?;
    keep_secret(path, &secret)?;
    Ok(secret)
}

/// For its owner alone to read.
fn keep_secret(path: &Path, secret: &SecretString) -> Result<(), Failure> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    Ok(file.write_all(secret.expose_secret().as_bytes())?)
}

async fn provision(core: &Core, settings: &Settings) -> Result<MerchantId, Failure> {
    match core.store.merchant_by_slug(MERCHANT).await {
        Ok(merchant) => return Ok(merchant.id),
        Err(StoreError::NotFound(_)) => {}
        Err(error) => return Err(error.into()),
    }
    let merchant: Merchant = core
        .onboarding
        .create_merchant(MERCHANT.to_owned(), "Demo Telecom".to_owned())
        .await?;
    let draft = ConnectionDraft {
        slug: CONNECTION.to_owned(),
        plugin: "terminal".to_owned(),
        config: json!({ "variant": "BC", "auth": "none", "subnets": ["127.0.0.0/8", "::1/128"] }),
        basic: None,
    };
    core.onboarding.create_connection(merchant.id, draft).await?;
    let script = Script {
        source: RULE.to_owned(),
        message: "The demo's first rule".to_owned(),
        author: "demo".to_owned(),
    };
    core.rulebook.publish(merchant.id, script).await?;
    let endpoint = EndpointDraft {
        url: format!("http://{}/demo/webhook", settings.admin.listen),
        format: store::EndpointFormat::Standard,
        time_zone: None,
        secret: None,
        event_types: Vec::new(),
        max_in_flight: None,
        retry_schedule: None,
    };
    core.onboarding.create_endpoint(merchant.id, endpoint).await?;
    Ok(merchant.id)
}

/// A connection to each network that is played here. The simulators start anew each time, so their configs do, too.
async fn connect(
    core: &Core,
    merchant: MerchantId,
    settings: &Settings,
    networks: &sandbox::Host,
    played: &sandbox::Running,
) -> Result<Vec<(&'static str, serde_json::Value)>, Failure> {
    let public = &settings.public.listen;
    let notify_url = |plugin: &str| format!("http://{public}/in/{MERCHANT}/{plugin}");
    let configs = networks.connect(&format!("http://{}", played.address), notify_url);
    for (plugin, config) in configs.clone() {
        match core.store.connection_by_slug(merchant, plugin).await {
            Ok(connection) => {
                let patch = ConnectionPatch {
                    config: Some(config),
                    ..ConnectionPatch::default()
                };
                core.onboarding.change_connection(merchant, &connection, patch).await?;
            }
            Err(StoreError::NotFound(_)) => {
                let draft = ConnectionDraft {
                    slug: plugin.to_owned(),
                    plugin: plugin.to_owned(),
                    config,
                    basic: None,
                };
                core.onboarding.create_connection(merchant, draft).await?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(configs)
}

/// What a connection of this config can do.
fn able(core: &Core, plugin: &'static str, config: serde_json::Value) -> Option<Played> {
    let bound = core.plugins.find(plugin)?.connector()?.bind(&config).ok()?;
    let can = |wanted| bound.capabilities().contains(&wanted);
    Some(Played {
        plugin,
        cards: can(Capability::Card),
        payouts: can(Capability::Payout),
        config,
    })
}

/// A key for /v1, kept in the demo's folder as a merchant's system would keep it.
async fn api_key(core: &Core, merchant: MerchantId, folder: &Path) -> Result<PathBuf, Failure> {
    let path = folder.join("api-key");
    if !path.exists() {
        let keys = ApiKeys::new(core.store.clone(), core.clock.clone());
        let all = vec!["*".to_owned()];
        let (_, text) = keys.create(merchant, "The demo's shop".to_owned(), all, None).await?;
        keep_secret(&path, &text)?;
    }
    Ok(path)
}

/// One check and one pay through the front door.
async fn play(node: &Node) -> Result<(), Failure> {
    let request = Request {
        url: Url::parse(&format!("http://{}/", node.public))?,
        merchant: MERCHANT.to_owned(),
        connection: CONNECTION.to_owned(),
        account: ACCOUNT.to_owned(),
        sum: SUM.to_owned(),
        ccy: "RUB".to_owned(),
        txn_id: Some(chrono::Utc::now().timestamp_millis().to_string()),
        post: false,
        login: None,
        parameters: Vec::new(),
    };
    say("A terminal asks whether the account may be paid:");
    terminal::play(kiosk::Command::Check, &request).await?;
    say("\nThe payer puts the money in:");
    terminal::play(kiosk::Command::Pay, &request).await?;
    let waiting = async {
        while inspector::count() == 0 {
            tokio::time::sleep(WEBHOOK_POLL).await;
        }
    };
    if tokio::time::timeout(WEBHOOK_TIMEOUT, waiting).await.is_ok() {
        say("\nThe merchant's webhook arrived.");
    }
    Ok(())
}

fn tell(node: &Node, folder: &Path, networks: SocketAddr, key: &Path) {
    let key = key.display();
    let (public, admin) = (node.public, node.admin);
    let token = folder.join("admin-token");
    let token = token.display();
    let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("tollgate"));
    let program = program.display();
    say(&format!(
        "
What to try next
  All of it in a browser  http://{admin}/  (the operator's token: cat {token})
  Webhooks as they come   http://{admin}/demo
  Another payment         {program} terminal pay --url http://{public} --merchant demo --account 9123456789 --sum 99.00
  An unknown account      {program} terminal check --url http://{public} --merchant demo --account 1 --sum 1.00
  The same with curl      curl 'http://{public}/in/demo/terminal?command=check&txn_id=1234567&account=9123456789&sum=10.45&ccy=RUB'
  The ledger              curl -H \"Authorization: Bearer $(cat {token})\" http://{admin}/admin/v1/merchants/demo/payments
  The networks, played    http://{networks}/
  A payment by card       curl -H \"Authorization: Bearer $(cat {key})\" -H 'Idempotency-Key: 1' -d '{{\"amount\":{{\"amount\":\"9.00\",\"currency\":\"RUB\"}},\"method\":{{\"type\":\"hosted_page\"}},\"connection\":\"payin\"}}' http://{public}/v1/payments
  Metrics                 curl http://{admin}/metrics
  Stop                    Ctrl-C
"
    ));
}
