//! What each route of the admin REST wants of its caller: one row for each route. A route without a row is served to
//! nobody but the holder of the operator's token, and a test fails until it has one.

use actix_web::http::Method;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permit {
    /// Whoever calls: signing in and what comes before it.
    Public,
    /// Everybody who is signed in, for their own things.
    SignedIn,
    /// By the role at the merchant that the path names.
    Merchant(&'static str),
    /// By the role in the installation.
    Installation(&'static str),
}

use Permit::{Installation, Merchant, Public, SignedIn};

type Row = (&'static str, &'static str, Permit);

/// Method, path below `/admin/v1`, permit.
pub const ROUTES: &[Row] = &[
    ("GET", "/setup", Public),
    ("POST", "/setup", Public),
    ("POST", "/session", Public),
    ("POST", "/session/refresh", Public),
    ("DELETE", "/session", Public),
    ("GET", "/invitations/{token}", Public),
    ("POST", "/invitations/{token}", Public),
    ("GET", "/me", SignedIn),
    ("PATCH", "/me", SignedIn),
    ("POST", "/me/password", SignedIn),
    ("POST", "/me/second-factor", SignedIn),
    ("PUT", "/me/second-factor", SignedIn),
    ("DELETE", "/me/second-factor", SignedIn),
    ("GET", "/me/sessions", SignedIn),
    ("DELETE", "/me/sessions/{session}", SignedIn),
    ("GET", "/people", Installation("operators:read")),
    ("PATCH", "/people/{person}", Installation("operators:write")),
    ("DELETE", "/people/{person}", Installation("operators:write")),
    ("GET", "/people/invitations", Installation("operators:read")),
    ("POST", "/people/invitations", Installation("operators:write")),
    (
        "DELETE",
        "/people/invitations/{invitation}",
        Installation("operators:write"),
    ),
    ("GET", "/audit", Installation("installation_audit:read")),
    (
        "GET",
        "/certificates/authority",
        Installation("installation_certificates:read"),
    ),
    (
        "GET",
        "/certificates/server",
        Installation("installation_certificates:read"),
    ),
    (
        "POST",
        "/certificates/server",
        Installation("installation_certificates:write"),
    ),
    (
        "DELETE",
        "/certificates/server/{certificate}",
        Installation("installation_certificates:write"),
    ),
    (
        "POST",
        "/certificates/test-handshake",
        Installation("installation_certificates:read"),
    ),
    (
        "GET",
        "/merchants/{merchant}/certificates",
        Merchant("certificates:read"),
    ),
    (
        "GET",
        "/merchants/{merchant}/connections/{connection}/client-certificates",
        Merchant("certificates:read"),
    ),
    (
        "POST",
        "/merchants/{merchant}/connections/{connection}/client-certificates",
        Merchant("certificates:write"),
    ),
    (
        "POST",
        "/merchants/{merchant}/connections/{connection}/client-certificates/trusted",
        Merchant("certificates:write"),
    ),
    (
        "POST",
        "/merchants/{merchant}/connections/{connection}/client-certificates/{certificate}/renew",
        Merchant("certificates:write"),
    ),
    (
        "DELETE",
        "/merchants/{merchant}/connections/{connection}/client-certificates/{certificate}",
        Merchant("certificates:write"),
    ),
    (
        "POST",
        "/merchants/{merchant}/connections/{connection}/test-handshake",
        Merchant("connections:write"),
    ),
    ("GET", "/status", Installation("installation:read")),
    ("GET", "/merchants/{merchant}/limits", Merchant("limits:read")),
    ("PUT", "/merchants/{merchant}/limits", Merchant("limits:write")),
    ("GET", "/merchants/{merchant}/limits/usage", Merchant("limits:read")),
    (
        "GET",
        "/merchants/{merchant}/connections/{connection}/limits",
        Merchant("limits:read"),
    ),
    (
        "PUT",
        "/merchants/{merchant}/connections/{connection}/limits",
        Merchant("limits:write"),
    ),
    (
        "GET",
        "/merchants/{merchant}/api_keys/{key}/limits",
        Merchant("limits:read"),
    ),
    (
        "PUT",
        "/merchants/{merchant}/api_keys/{key}/limits",
        Merchant("limits:write"),
    ),
    ("GET", "/plugins", SignedIn),
    ("GET", "/merchants", Installation("merchants:list")),
    ("POST", "/merchants", Installation("merchants:write")),
    ("GET", "/merchants/{merchant}", Merchant("merchants:read")),
    ("PATCH", "/merchants/{merchant}", Merchant("merchants:write")),
    ("DELETE", "/merchants/{merchant}", Merchant("merchants:delete")),
    ("GET", "/merchants/{merchant}/audit", Merchant("audit:read")),
    ("GET", "/merchants/{merchant}/people", Merchant("people:read")),
    (
        "PATCH",
        "/merchants/{merchant}/people/{person}",
        Merchant("people:write"),
    ),
    (
        "DELETE",
        "/merchants/{merchant}/people/{person}",
        Merchant("people:write"),
    ),
    (
        "GET",
        "/merchants/{merchant}/people/invitations",
        Merchant("people:read"),
    ),
    (
        "POST",
        "/merchants/{merchant}/people/invitations",
        Merchant("people:write"),
    ),
    (
        "DELETE",
        "/merchants/{merchant}/people/invitations/{invitation}",
        Merchant("people:write"),
    ),
    ("GET", "/merchants/{merchant}/api_keys", Merchant("api_keys:read")),
    ("POST", "/merchants/{merchant}/api_keys", Merchant("api_keys:write")),
    (
        "POST",
        "/merchants/{merchant}/api_keys/{key}/rotate",
        Merchant("api_keys:write"),
    ),
    (
        "DELETE",
        "/merchants/{merchant}/api_keys/{key}",
        Merchant("api_keys:write"),
    ),
    ("GET", "/merchants/{merchant}/connections", Merchant("connections:read")),
    (
        "POST",
        "/merchants/{merchant}/connections",
        Merchant("connections:write"),
    ),
    (
        "GET",
        "/merchants/{merchant}/connections/{connection}",
        Merchant("connections:read"),
    ),
    (
        "GET",
        "/merchants/{merchant}/connections/{connection}/health",
        Merchant("connections:read"),
    ),
    (
        "PATCH",
        "/merchants/{merchant}/connections/{connection}",
        Merchant("connections:write"),
    ),
    (
        "DELETE",
        "/merchants/{merchant}/connections/{connection}",
        Merchant("connections:write"),
    ),
    (
        "PUT",
        "/merchants/{merchant}/connections/{connection}/identity",
        Merchant("certificates:write"),
    ),
    (
        "DELETE",
        "/merchants/{merchant}/connections/{connection}/identity",
        Merchant("certificates:write"),
    ),
    (
        "PUT",
        "/merchants/{merchant}/connections/{connection}/roots",
        Merchant("certificates:write"),
    ),
    (
        "POST",
        "/merchants/{merchant}/connections/{connection}/settlements",
        Merchant("settlements:write"),
    ),
    ("GET", "/merchants/{merchant}/settlements", Merchant("settlements:read")),
    (
        "GET",
        "/merchants/{merchant}/settlements/{settlement}",
        Merchant("settlements:read"),
    ),
    (
        "GET",
        "/merchants/{merchant}/settlements/{settlement}/rows",
        Merchant("settlements:read"),
    ),
    ("GET", "/merchants/{merchant}/payments", Merchant("payments:read")),
    (
        "GET",
        "/merchants/{merchant}/payments/{payment}",
        Merchant("payments:read"),
    ),
    (
        "POST",
        "/merchants/{merchant}/payments/{payment}/capture",
        Merchant("payments:write"),
    ),
    (
        "POST",
        "/merchants/{merchant}/payments/{payment}/reverse",
        Merchant("payments:write"),
    ),
    (
        "POST",
        "/merchants/{merchant}/payments/{payment}/refund",
        Merchant("payments:write"),
    ),
    (
        "POST",
        "/merchants/{merchant}/payments/{payment}/refresh",
        Merchant("payments:write"),
    ),
    ("GET", "/merchants/{merchant}/events", Merchant("events:read")),
    ("GET", "/merchants/{merchant}/exchanges", Merchant("exchanges:read")),
    (
        "GET",
        "/merchants/{merchant}/webhook-endpoints",
        Merchant("webhooks:read"),
    ),
    (
        "POST",
        "/merchants/{merchant}/webhook-endpoints",
        Merchant("webhooks:write"),
    ),
    (
        "GET",
        "/merchants/{merchant}/webhook-endpoints/{endpoint}",
        Merchant("webhooks:read"),
    ),
    (
        "PATCH",
        "/merchants/{merchant}/webhook-endpoints/{endpoint}",
        Merchant("webhooks:write"),
    ),
    (
        "DELETE",
        "/merchants/{merchant}/webhook-endpoints/{endpoint}",
        Merchant("webhooks:write"),
    ),
    (
        "POST",
        "/merchants/{merchant}/webhook-endpoints/{endpoint}/rotate-secret",
        Merchant("webhooks:write"),
    ),
    (
        "POST",
        "/merchants/{merchant}/webhook-endpoints/{endpoint}/test",
        Merchant("webhooks:write"),
    ),
    (
        "POST",
        "/merchants/{merchant}/webhook-endpoints/{endpoint}/resend",
        Merchant("deliveries:write"),
    ),
    ("GET", "/merchants/{merchant}/deliveries", Merchant("webhooks:read")),
    (
        "GET",
        "/merchants/{merchant}/deliveries/{delivery}/attempts",
        Merchant("webhooks:read"),
    ),
    (
        "POST",
        "/merchants/{merchant}/deliveries/{delivery}/resend",
        Merchant("deliveries:write"),
    ),
    ("GET", "/merchants/{merchant}/decisions", Merchant("decisions:read")),
    (
        "GET",
        "/merchants/{merchant}/decisions/{decision}",
        Merchant("decisions:read"),
    ),
    (
        "GET",
        "/merchants/{merchant}/decisions/{decision}/test",
        Merchant("decisions:read"),
    ),
    ("GET", "/merchants/{merchant}/rules", Merchant("rules:read")),
    ("PUT", "/merchants/{merchant}/rules", Merchant("rules:publish")),
    ("DELETE", "/merchants/{merchant}/rules", Merchant("rules:publish")),
    ("POST", "/merchants/{merchant}/rules/run", Merchant("rules:write")),
    ("GET", "/merchants/{merchant}/rules/draft", Merchant("rules:read")),
    ("PUT", "/merchants/{merchant}/rules/draft", Merchant("rules:write")),
    ("DELETE", "/merchants/{merchant}/rules/draft", Merchant("rules:write")),
    ("POST", "/merchants/{merchant}/rules/publish", Merchant("rules:publish")),
    ("GET", "/merchants/{merchant}/rules/revisions", Merchant("rules:read")),
    (
        "GET",
        "/merchants/{merchant}/rules/revisions/{revision}",
        Merchant("rules:read"),
    ),
    ("POST", "/merchants/{merchant}/rules/replay", Merchant("rules:write")),
    ("GET", "/merchants/{merchant}/rules/replays", Merchant("rules:read")),
    (
        "GET",
        "/merchants/{merchant}/rules/replays/{replay}",
        Merchant("rules:read"),
    ),
    ("GET", "/merchants/{merchant}/rules/shadow", Merchant("rules:read")),
    ("PUT", "/merchants/{merchant}/rules/shadow", Merchant("rules:write")),
    ("DELETE", "/merchants/{merchant}/rules/shadow", Merchant("rules:write")),
    ("GET", "/merchants/{merchant}/rules/canary", Merchant("rules:read")),
    ("PUT", "/merchants/{merchant}/rules/canary", Merchant("rules:publish")),
    (
        "DELETE",
        "/merchants/{merchant}/rules/canary",
        Merchant("rules:publish"),
    ),
    (
        "POST",
        "/merchants/{merchant}/rules/canary/promote",
        Merchant("rules:publish"),
    ),
    ("GET", "/merchants/{merchant}/rules/settings", Merchant("rules:read")),
    (
        "PUT",
        "/merchants/{merchant}/rules/settings",
        Merchant("rule_settings:write"),
    ),
    ("GET", "/merchants/{merchant}/rules/limits", Merchant("rules:read")),
    (
        "PUT",
        "/merchants/{merchant}/rules/limits",
        Merchant("rule_limits:write"),
    ),
    (
        "GET",
        "/merchants/{merchant}/rules/secrets",
        Merchant("rule_secrets:read"),
    ),
    (
        "PUT",
        "/merchants/{merchant}/rules/secrets/{name}",
        Merchant("rule_secrets:write"),
    ),
    (
        "DELETE",
        "/merchants/{merchant}/rules/secrets/{name}",
        Merchant("rule_secrets:write"),
    ),
    ("GET", "/merchants/{merchant}/list-quota", Merchant("lists:read")),
    ("PUT", "/merchants/{merchant}/list-quota", Merchant("list_quotas:write")),
    (
        "DELETE",
        "/merchants/{merchant}/list-quota",
        Merchant("list_quotas:write"),
    ),
    ("GET", "/merchants/{merchant}/lists", Merchant("lists:read")),
    ("GET", "/merchants/{merchant}/lists/{list}", Merchant("lists:read")),
    ("PUT", "/merchants/{merchant}/lists/{list}", Merchant("lists:write")),
    ("DELETE", "/merchants/{merchant}/lists/{list}", Merchant("lists:write")),
    (
        "GET",
        "/merchants/{merchant}/lists/{list}/entries",
        Merchant("lists:read"),
    ),
    (
        "GET",
        "/merchants/{merchant}/lists/{list}/entries/{key}",
        Merchant("lists:read"),
    ),
    (
        "PUT",
        "/merchants/{merchant}/lists/{list}/entries/{key}",
        Merchant("lists:write"),
    ),
    (
        "DELETE",
        "/merchants/{merchant}/lists/{list}/entries/{key}",
        Merchant("lists:write"),
    ),
    (
        "GET",
        "/merchants/{merchant}/lists/{list}/export",
        Merchant("lists:read"),
    ),
    (
        "GET",
        "/merchants/{merchant}/lists/{list}/imports",
        Merchant("lists:read"),
    ),
    (
        "POST",
        "/merchants/{merchant}/lists/{list}/imports",
        Merchant("lists:write"),
    ),
    (
        "GET",
        "/merchants/{merchant}/lists/{list}/imports/{import}",
        Merchant("lists:read"),
    ),
    (
        "GET",
        "/merchants/{merchant}/lists/{list}/lookup",
        Merchant("lists:read"),
    ),
];

const ROOT: &str = "/admin/v1";
/// Changes whose entry in the audit trail is written in their own transaction, with before and after.
const OWN_TRACE: &[(&str, &str)] = &[
    ("PUT", "/merchants/{merchant}/limits"),
    ("PUT", "/merchants/{merchant}/connections/{connection}/limits"),
    ("PUT", "/merchants/{merchant}/api_keys/{key}/limits"),
    ("PUT", "/merchants/{merchant}/rules"),
    ("DELETE", "/merchants/{merchant}/rules"),
    ("PUT", "/merchants/{merchant}/rules/draft"),
    ("DELETE", "/merchants/{merchant}/rules/draft"),
    ("POST", "/merchants/{merchant}/rules/publish"),
    ("PUT", "/merchants/{merchant}/rules/shadow"),
    ("DELETE", "/merchants/{merchant}/rules/shadow"),
    ("PUT", "/merchants/{merchant}/rules/canary"),
    ("DELETE", "/merchants/{merchant}/rules/canary"),
    ("POST", "/merchants/{merchant}/rules/canary/promote"),
    ("PUT", "/merchants/{merchant}/rules/settings"),
    ("PUT", "/merchants/{merchant}/rules/limits"),
    ("PUT", "/merchants/{merchant}/rules/secrets/{name}"),
    (
        "POST",
        "/merchants/{merchant}/connections/{connection}/client-certificates",
    ),
    (
        "POST",
        "/merchants/{merchant}/connections/{connection}/client-certificates/trusted",
    ),
    (
        "POST",
        "/merchants/{merchant}/connections/{connection}/client-certificates/{certificate}/renew",
    ),
    (
        "DELETE",
        "/merchants/{merchant}/connections/{connection}/client-certificates/{certificate}",
    ),
    ("DELETE", "/merchants/{merchant}/rules/secrets/{name}"),
];
/// Questions that are asked by POST: they change nothing.
const QUESTIONS: &[(&str, &str)] = &[
    ("POST", "/merchants/{merchant}/rules/run"),
    ("POST", "/merchants/{merchant}/connections/{connection}/test-handshake"),
    ("POST", "/certificates/test-handshake"),
];

/// What the route wants; `None` for one that is not in the table.
#[must_use]
pub fn of(method: &Method, pattern: &str) -> Option<Permit> {
    let path = pattern.strip_prefix(ROOT)?;
    let asked = if *method == Method::HEAD {
        "GET"
    } else {
        method.as_str()
    };
    let row = ROUTES
        .iter()
        .find(|(known, route, _)| *known == asked && *route == path);
    row.map(|(_, _, permit)| *permit)
}

/// The row of a path below `/admin/v1` whose parameters are filled in.
#[must_use]
pub fn matching(method: &Method, path: &str) -> Option<(&'static str, Permit)> {
    let fits = |route: &str| {
        let (mut parts, mut given) = (route.split('/'), path.split('/'));
        loop {
            match (parts.next(), given.next()) {
                (None, None) => return true,
                (Some(part), Some(given)) if part == given || (part.starts_with('{') && !given.is_empty()) => {}
                _ => return false,
            }
        }
    };
    let rows = ROUTES
        .iter()
        .filter(|(known, route, _)| *known == method.as_str() && fits(route));
    // A word wins over a parameter: `rules/draft` is not the list entry of that name.
    let row = rows.min_by_key(|(_, route, _)| route.matches('{').count());
    row.map(|(_, route, permit)| (*route, *permit))
}

/// Whether nothing is to be added to the audit trail for it.
#[must_use]
pub fn leaves_no_trace_here(method: &Method, pattern: &str) -> bool {
    let path = pattern.strip_prefix(ROOT).unwrap_or(pattern);
    let named = |rows: &[(&str, &str)]| {
        rows.iter()
            .any(|(known, route)| *known == method.as_str() && *route == path)
    };
    matches!(*method, Method::GET | Method::HEAD) || named(OWN_TRACE) || named(QUESTIONS)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::access::roles::PERMISSIONS;
    use crate::api::openapi;

    /// The description is made of the handlers: a route that has no row, or a row that has no route, is found here.
    #[test]
    fn every_route_has_a_row() {
        let description: serde_json::Value = serde_json::from_str(&openapi::pretty()).unwrap();
        let mut described = BTreeSet::new();
        for (path, methods) in description["paths"].as_object().unwrap() {
            let Some(path) = path.strip_prefix(ROOT) else { continue };
            for method in methods.as_object().unwrap().keys() {
                if ["get", "post", "put", "patch", "delete"].contains(&method.as_str()) {
                    described.insert((method.to_uppercase(), path.to_owned()));
                }
            }
        }
        let rows: BTreeSet<_> = (ROUTES.iter())
            .map(|(method, path, _)| ((*method).to_owned(), (*path).to_owned()))
            .collect();
        assert_eq!(rows.len(), ROUTES.len(), "a route stands twice");
        assert_eq!(described, rows);
    }

    #[test]
    fn a_path_finds_its_row() {
        let found = |method, path| matching(&method, path).map(|(route, _)| route);
        assert_eq!(
            found(Method::GET, "/merchants/acme/rules/revisions/3"),
            Some("/merchants/{merchant}/rules/revisions/{revision}")
        );
        assert_eq!(
            found(Method::GET, "/merchants/acme/rules/draft"),
            Some("/merchants/{merchant}/rules/draft")
        );
        for nowhere in [
            "/merchants/acme/rules/",
            "/merchants//rules",
            "/merchants/acme/rules/draft/x",
            "/nope",
        ] {
            assert_eq!(found(Method::GET, nowhere), None, "{nowhere}");
        }
        assert_eq!(found(Method::POST, "/merchants/acme/rules"), None);
    }

    #[test]
    fn every_permission_is_in_the_table() {
        for (method, path, permit) in ROUTES {
            if let Merchant(permission) | Installation(permission) = permit {
                assert!(
                    PERMISSIONS.iter().any(|(known, _)| known == permission),
                    "{method} {path}: {permission}"
                );
            }
            assert_eq!(
                path.contains("{merchant}"),
                matches!(permit, Merchant(_)),
                "{method} {path}"
            );
        }
    }

    #[test]
    fn rows_of_the_trail_are_routes() {
        for (method, path) in OWN_TRACE.iter().chain(QUESTIONS) {
            assert!(
                ROUTES.iter().any(|(known, route, _)| known == method && route == path),
                "{method} {path}"
            );
        }
    }
}
