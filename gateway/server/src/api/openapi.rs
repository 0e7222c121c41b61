//! The OpenAPI 3.1 description, made from the code of the handlers.

mod doors;
mod reference;

use actix_web::web::ServiceConfig;
use actix_web::{HttpResponse, web};
use serde_json::Value;
use utoipa::OpenApi;

use crate::api::admin::{
    api_keys, audit, canary, certificates, connections, decisions, exports, golive, hosts, ledger, limits, lists, me,
    merchants, orders, overview, people, replays, revisions, rules, search, secrets, session, settlements, shadow,
    single_sign_on, terminal_lab, webhooks,
};
use crate::api::merchant as v1;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Tollgate REST",
        description = "`/admin/v1` is what people do: operators and merchants' staff, who sign in. `/v1` is what merchants' systems do, with an API key."
    ),
    paths(
        session::get_setup,
        session::set_up,
        session::sign_in,
        session::refresh_session,
        session::sign_out,
        single_sign_on::begin_single_sign_on,
        single_sign_on::finish_single_sign_on,
        single_sign_on::complete_single_sign_on,
        session::get_invitation,
        session::accept_invitation,
        me::get_me,
        me::change_me,
        me::change_password,
        me::start_second_factor,
        me::confirm_second_factor,
        me::remove_second_factor,
        me::list_sessions,
        me::end_session,
        people::list_operators,
        people::list_operator_invitations,
        people::invite_operator,
        people::revoke_operator_invitation,
        people::change_operator,
        people::remove_operator,
        people::list_staff,
        people::list_staff_invitations,
        people::invite_staff,
        people::revoke_staff_invitation,
        people::change_staff,
        people::remove_staff,
        audit::list_whole_audit,
        overview::get_overview,
        overview::get_merchant_overview,
        search::search,
        search::search_merchant,
        golive::get_checklist,
        golive::run_checklist,
        exports::create_export,
        exports::list_exports,
        exports::get_export,
        exports::get_export_file,
        merchants::create_merchant,
        merchants::list_merchants,
        merchants::get_merchant,
        merchants::change_merchant,
        merchants::delete_merchant,
        merchants::clone_merchant,
        merchants::list_plugins,
        connections::create_connection,
        connections::list_connections,
        connections::get_connection,
        connections::change_connection,
        connections::delete_connection,
        connections::get_health,
        connections::set_identity,
        connections::remove_identity,
        connections::set_roots,
        hosts::set_host,
        certificates::client::list_certificates,
        certificates::client::list_client_certificates,
        certificates::client::issue_client_certificate,
        certificates::client::trust_client_certificate,
        certificates::client::renew_client_certificate,
        certificates::client::revoke_client_certificate,
        certificates::server::get_authority,
        certificates::server::list_server_certificates,
        certificates::server::add_server_certificate,
        certificates::server::remove_server_certificate,
        certificates::handshake::test_upstream_handshake,
        certificates::handshake::test_own_handshake,
        api_keys::create_api_key,
        api_keys::list_api_keys,
        api_keys::rotate_api_key,
        api_keys::revoke_api_key,
        limits::get_merchant_limits,
        limits::set_merchant_limits,
        limits::get_connection_limits,
        limits::set_connection_limits,
        limits::get_key_limits,
        limits::set_key_limits,
        limits::lower_merchant_limits,
        limits::lower_connection_limits,
        limits::lower_key_limits,
        limits::get_usage,
        limits::get_status,
        rules::get_rules,
        rules::publish_rules,
        rules::unpublish_rules,
        rules::get_settings,
        rules::set_settings,
        rules::get_limits,
        rules::lower_limits,
        rules::run_rules,
        secrets::list_secrets,
        secrets::set_secret,
        secrets::remove_secret,
        revisions::save_draft,
        revisions::get_draft,
        revisions::delete_draft,
        revisions::publish,
        revisions::list_revisions,
        revisions::rule_behaviour,
        revisions::get_revision,
        audit::list_audit,
        decisions::list_decisions,
        decisions::get_decision,
        decisions::get_test,
        replays::start_replay,
        replays::list_replays,
        replays::get_replay,
        shadow::start_shadow,
        shadow::get_shadow,
        shadow::stop_shadow,
        canary::set_canary,
        canary::get_canary,
        canary::stop_canary,
        canary::promote_canary,
        webhooks::create_endpoint,
        webhooks::list_endpoints,
        webhooks::get_endpoint,
        webhooks::change_endpoint,
        webhooks::delete_endpoint,
        webhooks::rotate_secret,
        webhooks::test_endpoint,
        webhooks::resend_since,
        webhooks::list_deliveries,
        webhooks::list_attempts,
        webhooks::resend_delivery,
        ledger::list_payments,
        ledger::get_payment,
        orders::capture_payment,
        orders::reverse_payment,
        orders::refund_payment,
        orders::refresh_payment,
        terminal_lab::play_terminal,
        terminal_lab::run_conformance,
        ledger::list_events,
        ledger::list_exchanges,
        settlements::import_settlement,
        settlements::list_settlements,
        settlements::get_settlement,
        settlements::list_rows,
        settlements::note_row,
        lists::list_lists,
        lists::create_list,
        lists::get_list,
        lists::delete_list,
        lists::import_list,
        lists::list_imports,
        lists::get_import,
        lists::list_entries,
        lists::get_entry,
        lists::put_entry,
        lists::remove_entry,
        lists::look_up,
        lists::export_list,
        lists::get_quota,
        lists::set_quota,
        lists::reset_quota,
        v1::payments::create_payment,
        v1::payments::list_payments,
        v1::payments::get_payment,
        v1::payments::capture_payment,
        v1::payments::reverse_payment,
        v1::payments::refund_payment,
        v1::payments::list_refunds,
        v1::payments::finish_payment,
        v1::payments::refresh_payment,
        v1::payouts::create_payout,
        v1::tokens::list_tokens,
        v1::tokens::delete_token,
        v1::events::list_events,
        v1::webhooks::create_endpoint,
        v1::webhooks::list_endpoints,
        v1::webhooks::change_endpoint,
        v1::webhooks::delete_endpoint,
        v1::webhooks::rotate_secret,
        v1::webhooks::list_deliveries,
        v1::webhooks::resend_delivery,
        v1::accounts::list_connections,
        v1::accounts::get_balances,
        v1::accounts::get_history,
        v1::accounts::get_statistics,
        v1::accounts::get_receipt,
        v1::accounts::make_quote,
        v1::cards::list_cards,
        v1::cards::issue_card,
        v1::cards::get_requisites,
        v1::cards::change_card,
    )
)]
struct Description;

pub fn configure(config: &mut ServiceConfig) {
    config
        .route("/openapi.json", web::get().to(openapi))
        .configure(reference::configure);
}

async fn openapi() -> HttpResponse {
    HttpResponse::Ok().json(description())
}

/// What the handlers say, with what the tables of permissions and scopes add to it.
#[must_use]
pub fn description() -> Value {
    let mut description = serde_json::to_value(Description::openapi()).unwrap_or_default();
    doors::complete(&mut description);
    description
}

/// The description as it is committed in `docs/openapi.json`.
#[must_use]
pub fn pretty() -> String {
    serde_json::to_string_pretty(&description()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{description, pretty};

    /// `tollgate openapi > docs/openapi.json` brings the file up to date.
    #[test]
    fn the_committed_description_is_the_code_s() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");
        let committed = std::fs::read_to_string(path).unwrap();
        assert!(
            committed.trim_end() == pretty(),
            "docs/openapi.json differs from the code"
        );
    }

    /// Method and path of every handler below a folder, read off its attribute.
    fn handlers(folder: &Path, found: &mut Vec<(String, String)>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                handlers(&path, found);
                continue;
            }
            for line in std::fs::read_to_string(&path).unwrap().lines() {
                let Some(attribute) = line.strip_prefix("#[") else {
                    continue;
                };
                let Some((method, rest)) = attribute.split_once("(\"") else {
                    continue;
                };
                if ["get", "post", "put", "patch", "delete"].contains(&method) {
                    let route = rest.split('"').next().unwrap();
                    found.push((method.to_owned(), route.to_owned()));
                }
            }
        }
    }

    #[test]
    fn every_route_is_in_it() {
        let description = description();
        let api = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src/api"));
        for (folder, root) in [("admin", "/admin/v1"), ("merchant", "/v1")] {
            let mut found = Vec::new();
            handlers(&api.join(folder), &mut found);
            assert!(found.len() > 25, "{folder}: {found:?}");
            for (method, route) in found {
                let operation = &description["paths"][format!("{root}{route}")][&method];
                assert!(operation.is_object(), "{method} {root}{route}");
            }
        }
    }
}
