//! What people are, and what each of them may do: one table, printed to docs/permissions.md.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Of the installation, or of one merchant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Owner,
    Operator,
    Auditor,
    Admin,
    Developer,
    Support,
    Viewer,
}

impl Role {
    pub const ALL: [Self; 7] = [
        Self::Owner,
        Self::Operator,
        Self::Auditor,
        Self::Admin,
        Self::Developer,
        Self::Support,
        Self::Viewer,
    ];
    pub const OPERATORS: [Self; 3] = [Self::Owner, Self::Operator, Self::Auditor];
    pub const STAFF: [Self; 4] = [Self::Admin, Self::Developer, Self::Support, Self::Viewer];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Operator => "operator",
            Self::Auditor => "auditor",
            Self::Admin => "admin",
            Self::Developer => "developer",
            Self::Support => "support",
            Self::Viewer => "viewer",
        }
    }

    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }

    #[must_use]
    pub fn is_operator(self) -> bool {
        Self::OPERATORS.contains(&self)
    }

    #[must_use]
    pub fn may(self, permission: &str) -> bool {
        PERMISSIONS
            .iter()
            .any(|(known, roles)| *known == permission && roles.contains(&self))
    }

    /// Everything that this role may do, in the order of the table.
    #[must_use]
    pub fn permissions(self) -> Vec<&'static str> {
        let may = PERMISSIONS.iter().filter(|(_, roles)| roles.contains(&self));
        may.map(|(permission, _)| *permission).collect()
    }
}

use Role::{Admin, Auditor, Developer, Operator, Owner, Support};

const EVERYBODY: &[Role] = &Role::ALL;
const NOT_VIEWERS: &[Role] = &[Owner, Operator, Auditor, Admin, Developer, Support];
const BUILDERS: &[Role] = &[Owner, Operator, Admin, Developer];
const DESK: &[Role] = &[Owner, Operator, Admin, Developer, Support];
const MONEY: &[Role] = &[Owner, Operator, Admin, Support];
const HEADS: &[Role] = &[Owner, Operator, Admin];
const RUNNERS: &[Role] = &[Owner, Operator];

/// Who may do what: `resource:action`, and the roles. A role of a merchant reaches that merchant's things alone.
pub const PERMISSIONS: &[(&str, &[Role])] = &[
    ("merchants:list", &Role::OPERATORS),
    ("merchants:read", EVERYBODY),
    ("merchants:write", RUNNERS),
    ("merchants:delete", &[Owner]),
    ("connections:read", EVERYBODY),
    ("connections:write", HEADS),
    ("certificates:read", EVERYBODY),
    ("certificates:write", HEADS),
    ("installation_certificates:read", &Role::OPERATORS),
    ("installation_certificates:write", RUNNERS),
    ("payments:read", EVERYBODY),
    ("payments:write", MONEY),
    ("exports:read", NOT_VIEWERS),
    ("exports:write", NOT_VIEWERS),
    ("exchanges:read", NOT_VIEWERS),
    ("events:read", EVERYBODY),
    ("webhooks:read", EVERYBODY),
    ("webhooks:write", BUILDERS),
    ("deliveries:write", DESK),
    ("rules:read", EVERYBODY),
    ("rules:write", BUILDERS),
    ("rules:publish", BUILDERS),
    ("rule_settings:write", RUNNERS),
    ("rule_limits:write", HEADS),
    ("rule_secrets:read", BUILDERS),
    ("rule_secrets:write", BUILDERS),
    ("decisions:read", NOT_VIEWERS),
    ("lists:read", NOT_VIEWERS),
    ("lists:write", DESK),
    ("list_quotas:write", RUNNERS),
    ("terminal_lab:write", DESK),
    ("settlements:read", NOT_VIEWERS),
    ("settlements:write", MONEY),
    ("limits:read", EVERYBODY),
    ("limits:write", RUNNERS),
    ("limits:lower", HEADS),
    ("hosts:write", RUNNERS),
    ("api_keys:read", BUILDERS),
    ("api_keys:write", BUILDERS),
    ("people:read", &[Owner, Operator, Auditor, Admin]),
    ("people:write", HEADS),
    ("operators:read", &Role::OPERATORS),
    ("operators:write", &[Owner]),
    ("audit:read", &[Owner, Operator, Auditor, Admin]),
    ("installation_audit:read", &[Owner, Auditor]),
    ("installation:read", &Role::OPERATORS),
];

/// The table as docs/permissions.md shows it.
#[must_use]
pub fn table() -> String {
    let mut lines = vec![
        format!("| Permission | {} |", Role::ALL.map(Role::as_str).join(" | ")),
        format!("| --- |{}", " :-: |".repeat(Role::ALL.len())),
    ];
    for (permission, roles) in PERMISSIONS {
        let marks = Role::ALL.map(|role| if roles.contains(&role) { "●" } else { "" });
        lines.push(format!("| `{permission}` | {} |", marks.join(" | ")));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `tollgate permissions` prints it.
    #[test]
    fn the_committed_table_is_the_code_s() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/permissions.md");
        let committed = std::fs::read_to_string(path).unwrap();
        assert!(
            committed.contains(&table()),
            "docs/permissions.md differs:\n{}",
            table()
        );
    }

    #[test]
    fn nobody_of_a_merchant_reaches_the_installation() {
        for permission in [
            "merchants:list",
            "merchants:write",
            "operators:read",
            "installation:read",
            "installation_audit:read",
            "limits:write",
            "rule_settings:write",
        ] {
            for role in Role::STAFF {
                assert!(!role.may(permission), "{} {permission}", role.as_str());
            }
        }
        assert!(!Role::Owner.may("no:such"));
    }
}
