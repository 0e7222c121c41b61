//! The OpenAPI 3.1 description, made from the code of the handlers.

use actix_web::web::ServiceConfig;
use actix_web::{HttpResponse, web};
use utoipa::OpenApi;

use crate::api::admin::{
    canary, connections, decisions, ledger, lists, merchants, replays, revisions, rules, settlements, shadow, webhooks,
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Tollgate admin REST",
        description = "What operators do. All of it needs a bearer token."
    ),
    paths(
        merchants::create_merchant,
        merchants::list_merchants,
        merchants::get_merchant,
        merchants::change_merchant,
        merchants::delete_merchant,
        merchants::list_plugins,
        connections::create_connection,
        connections::list_connections,
        connections::get_connection,
        connections::change_connection,
        connections::delete_connection,
        rules::get_rules,
        rules::publish_rules,
        rules::unpublish_rules,
        rules::get_settings,
        rules::set_settings,
        rules::get_limits,
        rules::lower_limits,
        rules::run_rules,
        revisions::save_draft,
        revisions::get_draft,
        revisions::delete_draft,
        revisions::publish,
        revisions::list_revisions,
        revisions::get_revision,
        revisions::list_audit,
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
        ledger::list_events,
        ledger::list_exchanges,
        settlements::import_settlement,
        settlements::list_settlements,
        settlements::get_settlement,
        settlements::list_rows,
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
    )
)]
struct Description;

pub fn configure(config: &mut ServiceConfig) {
    config.route("/openapi.json", web::get().to(openapi));
}

async fn openapi() -> HttpResponse {
    HttpResponse::Ok().json(Description::openapi())
}

/// The description as it is committed in `docs/openapi.json`.
#[must_use]
pub fn pretty() -> String {
    Description::openapi().to_pretty_json().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::pretty;

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
}
