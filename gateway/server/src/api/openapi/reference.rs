//! `/docs`: the description as a page, and the guides that problems lead to. No script and nothing from outside.

use std::fmt::Write as _;

use actix_web::HttpResponse;
use actix_web::http::header::CONTENT_SECURITY_POLICY;
use actix_web::web::{self, ServiceConfig};
use serde_json::{Map, Value};

use super::description;

const STYLE: &str = include_str!("reference.css");
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];
/// Schemas in schemas are followed so deep.
const DEPTH_MAX: usize = 4;

pub fn configure(config: &mut ServiceConfig) {
    config
        .route("/docs", web::get().to(page))
        .route("/docs/reference.css", web::get().to(style));
}

async fn page() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'self'"))
        .content_type("text/html; charset=utf-8")
        .body(render(&description()))
}

async fn style() -> HttpResponse {
    HttpResponse::Ok().content_type("text/css; charset=utf-8").body(STYLE)
}

/// Operations by tag, each with what it wants and gives.
fn render(description: &Value) -> String {
    let mut tags: Vec<(String, String)> = Vec::new();
    let empty = Map::new();
    let paths = description.get("paths").and_then(Value::as_object).unwrap_or(&empty);
    for (path, item) in paths {
        for method in METHODS {
            let Some(operation) = item.get(method) else { continue };
            let door = if path.starts_with("/v1") { "/v1" } else { "/admin/v1" };
            let tag = operation.pointer("/tags/0").and_then(Value::as_str).unwrap_or("other");
            let name = format!("{door} · {tag}");
            let shown = show(description, method, path, operation);
            match tags.iter_mut().find(|(known, _)| *known == name) {
                Some((_, operations)) => operations.push_str(&shown),
                None => tags.push((name, shown)),
            }
        }
    }
    tags.sort();
    let mut body = String::new();
    for (name, _) in &tags {
        let _ = write!(body, "<a href=\"#{}\">{}</a> ", anchor(name), escape(name));
    }
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Tollgate REST</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><link rel=\"stylesheet\" href=\"/docs/reference.css\">\
         <header><h1>Tollgate REST</h1><p>{}</p><p><a href=\"/openapi.json\">openapi.json</a></p><nav>{body}</nav></header><main>",
        prose(
            description
                .pointer("/info/description")
                .and_then(Value::as_str)
                .unwrap_or_default()
        ),
    );
    for (name, operations) in &tags {
        let _ = write!(page, "<h2 id=\"{}\">{}</h2>{operations}", anchor(name), escape(name));
    }
    page.push_str("</main></html>");
    page
}

fn show(description: &Value, method: &str, path: &str, operation: &Value) -> String {
    let text = |pointer: &str| operation.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let mut shown = format!(
        "<details><summary><b class=\"{method}\">{}</b> <code>{}</code> <span>{}</span></summary>",
        method.to_uppercase(),
        escape(path),
        prose(text("/summary")),
    );
    let more = text("/description");
    if !more.is_empty() && more != text("/summary") {
        let _ = write!(shown, "<p>{}</p>", prose(more));
    }
    if let Some(wanted) = operation.get("x-permission").and_then(Value::as_str) {
        let _ = write!(shown, "<p>Wants <code>{}</code></p>", escape(wanted));
    }
    shown.push_str(&parameters(operation));
    if let Some(schema) = operation.pointer("/requestBody/content/application~1json/schema") {
        let _ = write!(shown, "<h3>Body</h3>{}", fields(description, schema, 0));
    }
    let empty = Map::new();
    for (status, answer) in operation.get("responses").and_then(Value::as_object).unwrap_or(&empty) {
        let schema = answer
            .pointer("/content/application~1json/schema")
            .filter(|_| status.starts_with('2'));
        let told = schema.map(|schema| fields(description, schema, 0)).unwrap_or_default();
        let _ = write!(shown, "<h3>{}</h3>{told}", escape(status));
    }
    shown.push_str("</details>");
    shown
}

fn parameters(operation: &Value) -> String {
    let Some(Value::Array(parameters)) = operation.get("parameters") else {
        return String::new();
    };
    let mut rows = String::new();
    for parameter in parameters {
        let text = |name: &str| parameter.get(name).and_then(Value::as_str).unwrap_or_default();
        let _ = write!(
            rows,
            "<tr><td><code>{}</code></td><td>{}</td><td>{}</td></tr>",
            escape(text("name")),
            escape(text("in")),
            prose(text("description")),
        );
    }
    if rows.is_empty() {
        rows
    } else {
        format!("<table>{rows}</table>")
    }
}

fn fields(description: &Value, schema: &Value, depth: usize) -> String {
    let schema = resolved(description, schema);
    if depth == DEPTH_MAX {
        return String::new();
    }
    if let Some(items) = schema.get("items") {
        return format!("<p>a list of</p>{}", fields(description, items, depth + 1));
    }
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        return format!("<p>{}</p>", escape(&kind(schema)));
    };
    let required: Vec<&str> = (schema.get("required").and_then(Value::as_array).into_iter().flatten())
        .filter_map(Value::as_str)
        .collect();
    let mut rows = String::new();
    for (name, property) in properties {
        let seen = resolved(description, property);
        let about = property.get("description").or_else(|| seen.get("description"));
        let mark = if required.contains(&name.as_str()) {
            ""
        } else {
            " <i>optional</i>"
        };
        let inner = if seen.get("properties").is_some()
            || seen
                .get("items")
                .is_some_and(|items| resolved(description, items).get("properties").is_some())
        {
            fields(description, seen, depth + 1)
        } else {
            String::new()
        };
        let _ = write!(
            rows,
            "<tr><td><code>{}</code>{mark}</td><td>{}</td><td>{}{inner}</td></tr>",
            escape(name),
            escape(&kind(seen)),
            prose(about.and_then(Value::as_str).unwrap_or_default()),
        );
    }
    format!("<table>{rows}</table>")
}

fn resolved<'a>(description: &'a Value, schema: &'a Value) -> &'a Value {
    let target = schema.get("$ref").and_then(Value::as_str);
    let target = target.and_then(|target| description.pointer(target.trim_start_matches('#')));
    target.unwrap_or(schema)
}

fn kind(schema: &Value) -> String {
    match schema.get("type") {
        Some(Value::String(kind)) => kind.clone(),
        Some(Value::Array(kinds)) => {
            let kinds: Vec<&str> = kinds.iter().filter_map(Value::as_str).collect();
            kinds.join(" or ")
        }
        _ => "anything".to_owned(),
    }
}

fn anchor(name: &str) -> String {
    name.chars()
        .map(|char| if char.is_ascii_alphanumeric() { char } else { '-' })
        .collect()
}

/// Text of a description, in which what stands between backticks is code.
fn prose(text: &str) -> String {
    let parts = escape(text);
    let parts: Vec<&str> = parts.split('`').collect();
    let mut shown = String::new();
    for (place, part) in parts.iter().enumerate() {
        // A backtick without its fellow is one.
        match (place % 2, place + 1 == parts.len()) {
            (0, _) => shown.push_str(part),
            (_, true) => {
                let _ = write!(shown, "`{part}");
            }
            _ => {
                let _ = write!(shown, "<code>{part}</code>");
            }
        }
    }
    shown
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_told_from_prose() {
        assert_eq!(prose("a `<b>` c"), "a <code>&lt;b&gt;</code> c");
        assert_eq!(prose("a ` b"), "a ` b");
    }

    #[test]
    fn every_operation_is_on_the_page() {
        let description = description();
        let page = render(&description);
        for (path, item) in description.get("paths").and_then(Value::as_object).unwrap() {
            for method in METHODS.iter().filter(|method| item.get(*method).is_some()) {
                let line = format!(
                    "<b class=\"{method}\">{}</b> <code>{path}</code>",
                    method.to_uppercase()
                );
                assert!(page.contains(&line), "{method} {path}");
            }
        }
    }
}
