//! A gateway with one merchant `acme` and one connection `terminal`.

use std::time::Duration;

use e2e::{Admin, Backend, Gateway, Inspector, Kiosk, TestDatabase};
use serde_json::{Value, json};

/// Nodes see each other's changes within this.
pub const CHANGE_IS_SEEN: Duration = Duration::from_secs(1);

/// Knows one account; `refuse-<reason>` is refused for that reason.
pub const RULES: &str = r#"
local rules = {}

function rules.check(request, ctx)
    if string.sub(request.account, 1, 7) == "refuse-" then
        return reject(string.sub(request.account, 8))
    end
    if request.account ~= "4957835959" then
        return reject("account_not_found")
    end
    if request.command == "info" then
        return accept { comment = "OK", fields = {
            { name = "fio", value = "Ivanov I. P." },
            { name = "balance", value = "152.17" },
        } }
    end
    if request.command == "check" then
        return accept { comment = "OK", fields = { { name = "fio", value = "Ivanov I. P." } } }
    end
    return accept { comment = "OK" }
end

return rules
"#;

pub struct Stage {
    pub gateway: Gateway,
    pub database: TestDatabase,
}

impl Stage {
    /// Everybody on loopback may call, every account exists.
    pub async fn new(backend: Backend) -> Self {
        Self::with_config(backend, json!({})).await
    }

    /// With further keys of the connection's config.
    pub async fn with_config(backend: Backend, config: Value) -> Self {
        Self::on(TestDatabase::new(backend).await, config, &[]).await
    }

    pub async fn with_rules(backend: Backend, config: Value, rules: &str) -> Self {
        let stage = Self::with_config(backend, config).await;
        stage.publish(rules).await;
        stage
    }

    pub async fn with_settings(backend: Backend, settings: &[(&str, &str)]) -> Self {
        Self::on(TestDatabase::new(backend).await, json!({}), settings).await
    }

    pub async fn on(database: TestDatabase, config: Value, settings: &[(&str, &str)]) -> Self {
        let gateway = Gateway::start_with(&database, settings).await;
        let stage = Self { gateway, database };
        stage
            .admin()
            .post("/admin/v1/merchants", &json!({"slug": "acme", "name": "Acme Telecom"}))
            .await;
        let connection = json!({"slug": "terminal", "plugin": "terminal", "config": open(config)});
        stage
            .admin()
            .post("/admin/v1/merchants/acme/connections", &connection)
            .await;
        stage
    }

    pub async fn another_node(&self) -> Gateway {
        Gateway::start(&self.database).await
    }

    pub fn admin(&self) -> Admin {
        self.gateway.admin()
    }

    pub fn kiosk(&self) -> Kiosk {
        self.gateway.kiosk("acme", "terminal")
    }

    pub async fn publish(&self, rules: &str) {
        let body = json!({"source": rules, "message": "by a test"});
        self.admin().put("/admin/v1/merchants/acme/rules", &body).await;
    }

    pub async fn set_config(&self, config: Value) {
        let body = json!({"config": open(config)});
        self.admin()
            .patch("/admin/v1/merchants/acme/connections/terminal", &body)
            .await;
    }

    pub async fn set_status(&self, status: &str) {
        self.admin()
            .patch("/admin/v1/merchants/acme", &json!({"status": status}))
            .await;
    }

    /// An endpoint with a quick schedule; `more` overrides. Gives what the admin REST answered.
    pub async fn endpoint(&self, inspector: &Inspector, more: Value) -> Value {
        let quick = json!({"first_s": 1, "factor": 1, "max_s": 1, "jitter_percent": 0});
        let mut body = json!({"url": inspector.url("/hook"), "retry_schedule": quick});
        merge(&mut body, more);
        self.admin()
            .post("/admin/v1/merchants/acme/webhook-endpoints", &body)
            .await
    }

    pub async fn list(&self, what: &str) -> Vec<Value> {
        let answer = self.admin().get(&format!("/admin/v1/merchants/acme/{what}")).await;
        answer["data"].as_array().unwrap().clone()
    }

    /// What was done to the rules, newest first, as the audit trail tells it.
    pub async fn rule_changes(&self) -> Vec<String> {
        let trail = self.list("audit").await;
        let actions = trail.iter().filter_map(|entry| entry["action"].as_str());
        actions
            .filter(|action| action.starts_with("rules."))
            .map(str::to_owned)
            .collect()
    }

    pub async fn count(&self, table: &str) -> i64 {
        self.database.number(&format!("SELECT count(*) FROM {table}")).await
    }
}

/// A config that lets everybody on loopback in, with the keys of `more`.
pub fn open(more: Value) -> Value {
    let mut config = json!({"auth": "none", "subnets": ["127.0.0.0/8"]});
    merge(&mut config, more);
    config
}

fn merge(into: &mut Value, more: Value) {
    let Value::Object(more) = more else {
        panic!("not an object: {more}")
    };
    into.as_object_mut().unwrap().extend(more);
}
