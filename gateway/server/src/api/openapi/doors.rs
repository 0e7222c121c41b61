//! What the description says beyond its handlers: what each route wants of its caller, and the same handlers behind the
//! door of merchants' systems.

use actix_web::http::Method;
use serde_json::{Map, Value, json};

use crate::api::admin::permits::{self, Permit};
use crate::api::merchant::own;

const ADMIN: &str = "/admin/v1";
const MERCHANT: &str = "/admin/v1/merchants/{merchant}/";
const PROBLEM: &str = "#/components/schemas/Problem";
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

pub fn complete(description: &mut Value) {
    let Some(paths) = description.get_mut("paths").and_then(Value::as_object_mut) else {
        return;
    };
    let mut twins = Map::new();
    for (path, item) in paths.iter_mut() {
        for method in METHODS {
            let Some(operation) = item.get_mut(method).and_then(Value::as_object_mut) else {
                continue;
            };
            let permit = Method::from_bytes(method.to_uppercase().as_bytes());
            let permit = permit.ok().and_then(|method| permits::of(&method, path));
            say_permit(operation, path, permit);
            say_problems(operation);
            if let Some((twin, operation)) = twin(path, operation, permit) {
                let item = twins.entry(twin).or_insert_with(|| json!({}));
                if let Some(item) = item.as_object_mut() {
                    item.insert(method.to_owned(), operation);
                }
            }
        }
    }
    paths.append(&mut twins);
    describe_security(description);
}

fn say_permit(operation: &mut Map<String, Value>, path: &str, permit: Option<Permit>) {
    let (wanted, security) = match permit {
        Some(Permit::Public) => ("public", json!([])),
        Some(Permit::SignedIn) => ("signed_in", json!([{"session": []}])),
        Some(Permit::Merchant(permission) | Permit::Installation(permission)) => (permission, json!([{"session": []}])),
        None if path.starts_with(ADMIN) => return,
        None => {
            operation.insert("security".to_owned(), json!([{"api_key": []}]));
            return;
        }
    };
    operation.insert("x-permission".to_owned(), wanted.into());
    operation.insert("security".to_owned(), security);
}

/// Problems are told as RFC 9457 wants it.
fn say_problems(operation: &mut Map<String, Value>) {
    let responses = operation.get_mut("responses").and_then(Value::as_object_mut);
    for response in responses.into_iter().flat_map(Map::values_mut) {
        let Some(content) = response.get_mut("content").and_then(Value::as_object_mut) else {
            continue;
        };
        let is_problem = content
            .get("application/json")
            .is_some_and(|json| json.pointer("/schema/$ref").and_then(Value::as_str) == Some(PROBLEM));
        if is_problem && let Some(told) = content.remove("application/json") {
            content.insert("application/problem+json".to_owned(), told);
        }
    }
}

/// The same operation by API key, for the merchant of the key.
fn twin(path: &str, operation: &Map<String, Value>, permit: Option<Permit>) -> Option<(String, Value)> {
    let rest = path.strip_prefix(MERCHANT)?;
    if !own::THINGS.contains(&rest.split('/').next()?) {
        return None;
    }
    let Permit::Merchant(permission) = permit? else {
        return None;
    };
    let scope = own::scope_of(permission)?;
    let mut operation = operation.clone();
    let id = operation.get("operationId").and_then(Value::as_str).unwrap_or_default();
    let id = format!("own_{id}");
    operation.insert("operationId".to_owned(), id.into());
    operation.insert("x-permission".to_owned(), scope.into());
    operation.insert("security".to_owned(), json!([{"api_key": []}]));
    if let Some(Value::Array(parameters)) = operation.get_mut("parameters") {
        parameters.retain(|parameter| parameter.get("name").and_then(Value::as_str) != Some("merchant"));
    }
    Some((format!("/v1/{rest}"), operation.into()))
}

fn describe_security(description: &mut Value) {
    let schemes = json!({
        "session": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "The access token of `POST /admin/v1/session`, or the operator's token."
        },
        "api_key": {
            "type": "http",
            "scheme": "bearer",
            "description": "An API key (`tg_…`), or a JWT that a registered key signed."
        }
    });
    let components = description
        .as_object_mut()
        .map(|whole| whole.entry("components").or_insert_with(|| json!({})));
    if let Some(components) = components.and_then(Value::as_object_mut) {
        components.insert("securitySchemes".to_owned(), schemes);
    }
}
