//! Everything that stands there in a run: servers, nodes, merchants with their networks, and the ways between them.

use std::net::SocketAddr;
use std::sync::Arc;

use e2e::{Admin, PostgresServer, RedisServer, Sandbox, Shop, TestDatabase, soon};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::Mutex;

use crate::disk::Disk;
use crate::hooks::Hooks;
use crate::link::{Link, Speech};
use crate::node::{Ground, Node};
use crate::plan::{MERCHANTS, Plan, World, chance};
use crate::witness::Witness;

const SQLITE_DISK_MB: u32 = 256;
const POSTGRES_DISK_MB: u32 = 640;
/// Accounts begin with 4; `refuse-<reason>` is refused for that reason.
const RULES: &str = r#"
local rules = {}

function rules.check(request, ctx)
    if string.sub(request.account, 1, 7) == "refuse-" then
        return reject(string.sub(request.account, 8))
    end
    if string.sub(request.account, 1, 1) ~= "4" then
        return reject("account_not_found")
    end
    return accept { comment = "OK" }
end

return rules
"#;

pub struct Merchant {
    pub slug: String,
    pub api_key: String,
    /// Its site at Payin.
    pub payin_site: String,
}

pub struct Stage {
    // Dropped in this order: nodes before what they stand on.
    pub nodes: Vec<Arc<Mutex<Node>>>,
    pub ways: Vec<SocketAddr>,
    pub merchants: Vec<Merchant>,
    pub networks: Link,
    pub notices: Link,
    pub hooks_way: Link,
    pub hooks: Hooks,
    pub sandbox: Sandbox,
    pub database: TestDatabase,
    pub postgres: Option<PostgresServer>,
    pub redis: Option<RedisServer>,
    pub disk: Disk,
    pub witness: Arc<Witness>,
    pub folder: TempDir,
}

impl Stage {
    pub async fn set(plan: &Plan, witness: Arc<Witness>) -> Self {
        let shared = plan.world != World::Alone;
        let disk = Disk::new(if shared { POSTGRES_DISK_MB } else { SQLITE_DISK_MB });
        let postgres = shared.then(|| tokio::task::block_in_place(|| PostgresServer::start_in(disk.path())));
        let redis = shared.then(|| tokio::task::block_in_place(RedisServer::start));
        let database = match &postgres {
            Some(server) => TestDatabase::on_server(&server.base_url()).await,
            None => TestDatabase::sqlite_in(disk.path()),
        };
        let sandbox = Sandbox::start().await;
        let networks = Link::open(Speech::Http, chance(plan.seed, 1)).await;
        networks.lead_to(vec![sandbox.address]);
        let notices = Link::open(Speech::Http, chance(plan.seed, 2)).await;
        let hooks = Hooks::start(chance(plan.seed, 3)).await;
        let hooks_way = Link::open(Speech::Http, chance(plan.seed, 4)).await;
        hooks_way.lead_to(vec![hooks.inspector.address()]);
        let folder = tempfile::Builder::new().prefix("tollgate-fault-").tempdir().unwrap();
        let loopback = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        let ground = Ground {
            seed: plan.seed,
            folder: folder.path(),
            database: database.url().to_owned(),
            postgres: postgres.as_ref().map(|server| loopback(server.port())),
            redis: redis.as_ref().map(|server| loopback(server.port())),
            notices: notices.url(""),
        };
        let mut nodes = Vec::new();
        for number in 0..plan.world.nodes() {
            nodes.push(Node::start(number, &ground).await);
        }
        notices.lead_to(nodes.iter().map(|node| node.gateway.public).collect());
        let admin = nodes[0].gateway.admin();
        let mut merchants = Vec::new();
        for number in 0..MERCHANTS {
            merchants.push(merchant(number, &admin, &sandbox, &networks, &notices, &hooks_way).await);
        }
        let stage = Self {
            ways: nodes.iter().map(|node| node.clients.address).collect(),
            nodes: nodes.into_iter().map(|node| Arc::new(Mutex::new(node))).collect(),
            merchants,
            networks,
            notices,
            hooks_way,
            hooks,
            sandbox,
            database,
            postgres,
            redis,
            disk,
            witness,
            folder,
        };
        stage.merchants_are_known().await;
        stage
    }

    /// Every node has taken the merchants over, with all that belongs to them.
    async fn merchants_are_known(&self) {
        let version = "SELECT value FROM counters WHERE name = 'config_version'";
        let version = self.database.number(version).await.to_string();
        for node in &self.nodes {
            let url = format!("http://{}/metrics", node.lock().await.gateway.admin_address);
            soon("the configuration", async || {
                let metrics = reqwest::get(&url).await.ok()?.text().await.ok()?;
                let told = metrics
                    .lines()
                    .find_map(|line| line.strip_prefix("tollgate_config_version "));
                (told? == version).then_some(())
            })
            .await;
        }
    }

    pub fn way(&self, of: &Merchant, node: usize) -> Shop {
        Shop::with_key(self.ways[node], &of.api_key)
    }
}

async fn merchant(
    number: usize,
    admin: &Admin,
    sandbox: &Sandbox,
    networks: &Link,
    notices: &Link,
    hooks: &Link,
) -> Merchant {
    let slug = format!("merchant-{number}");
    let root = format!("/admin/v1/merchants/{slug}");
    let made = json!({ "slug": slug, "name": format!("Merchant {number}") });
    admin.post("/admin/v1/merchants", &made).await;
    let site = format!("site-{number}");
    let connections = [
        ("terminal", json!({ "auth": "none", "subnets": ["127.0.0.0/8"] })),
        ("payin", payin(&site, &slug, sandbox, networks, notices).await),
        ("qiwi-pay", qiwi_pay(number, sandbox, networks).await),
        ("wallet", wallet(number, sandbox, networks).await),
    ];
    for (plugin, config) in connections {
        let connection = json!({ "slug": plugin, "plugin": plugin, "config": config });
        admin.post(&format!("{root}/connections"), &connection).await;
    }
    let rules = json!({ "source": RULES, "message": "by the plan" });
    admin.put(&format!("{root}/rules"), &rules).await;
    let retry = json!({ "first_s": 1, "factor": 2, "max_s": 8, "jitter_percent": 20 });
    for endpoint in ["a", "b"] {
        let endpoint = json!({ "url": hooks.url(&format!("/{slug}/{endpoint}")), "retry_schedule": retry });
        admin.post(&format!("{root}/webhook-endpoints"), &endpoint).await;
    }
    let key = json!({ "name": "shop", "scopes": ["*"] });
    let key = admin.post(&format!("{root}/api_keys"), &key).await;
    Merchant {
        slug,
        api_key: key["key"].as_str().unwrap().to_owned(),
        payin_site: site,
    }
}

async fn payin(site: &str, slug: &str, sandbox: &Sandbox, networks: &Link, notices: &Link) -> Value {
    let notify = notices.url(&format!("/in/{slug}/payin"));
    let (status, _, _) = sandbox
        .post_form(
            &sandbox.url(&format!("/sandbox/payin/sites/{site}")),
            &[("notification_url", &notify)],
        )
        .await;
    assert_eq!(status, 200);
    json!({
        "base_url": networks.url("/partner/"),
        "site_id": site,
        "api_key": format!("{site}-api-key"),
        "notification_key": format!("{site}-notification-key"),
        "notification_subnets": ["127.0.0.0/8", "::1/128"],
        "card_data": true,
    })
}

async fn qiwi_pay(number: usize, sandbox: &Sandbox, networks: &Link) -> Value {
    let site = (9_000 + number).to_string();
    let fields = [("merchant_site", site.as_str()), ("cards", "1")];
    let (status, _, answer) = sandbox
        .post_form(&sandbox.url("/sandbox/qiwi-pay/sites"), &fields)
        .await;
    assert_eq!(status, 200, "{answer}");
    json!({
        "merchant_site": 9_000 + number,
        "secret_key": "secret_key",
        "api": true,
        "callback_subnets": [],
        "page_url": networks.url("/paypage/initial"),
        "api_url": networks.url("/merchant/direct"),
    })
}

async fn wallet(number: usize, sandbox: &Sandbox, networks: &Link) -> Value {
    let wallet = format!("7912000000{number}");
    let fields = json!({ "wallet": wallet, "balance": "900000.00" });
    let (status, made) = sandbox.post("/sandbox/wallet/wallets", &fields).await;
    assert_eq!(status, 200, "{made}");
    let (status, minted) = sandbox
        .post("/sandbox/wallet/tokens", &json!({ "wallet": wallet }))
        .await;
    assert_eq!(status, 200, "{minted}");
    let base = networks.url("");
    json!({
        "dialect": "token",
        "wallet": wallet,
        "token": minted["token"],
        "auth_base": base,
        "site_base": base,
        "edge_base": base,
    })
}
