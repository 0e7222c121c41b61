//! What each route of the admin REST wants of its caller: one row for each route. A route without a row is served to
//! nobody but the holder of the operator's token, and a test fails until it has one.

mod routes;

use actix_web::http::Method;
use routes::{OWN_TRACE, QUESTIONS, ROUTES};

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

const ROOT: &str = "/admin/v1";
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

    use super::Permit::{Installation, Merchant};
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
    fn every_permission_opens_something() {
        for (permission, _) in PERMISSIONS {
            let opens =
                |permit: &Permit| matches!(permit, Merchant(known) | Installation(known) if known == permission);
            assert!(ROUTES.iter().any(|(_, _, permit)| opens(permit)), "{permission}");
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
