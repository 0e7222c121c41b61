//! Rules ask the merchant's own data: lists and velocities, over the wire.

use e2e::Backend::{self, Postgres, Sqlite};
use e2e::{RedisServer, within};
use rstest::rstest;
use serde_json::json;

use crate::shared_velocity::{answers_come_from_redis, redis_settings};
use crate::stage::{CHANGE_IS_SEEN, Stage};

const LISTED: &str = r#"
local rules = {}

function rules.check(request, ctx)
    local entry = ctx.list("contracts"):get(request.account)
    if entry == nil then
        return reject("account_not_found")
    end
    return accept { comment = entry.name }
end

return rules
"#;

/// At most two pays and 50 roubles an hour for each account.
const BRAKED: &str = r#"
local rules = {}

function rules.check(request, ctx)
    local hour = ctx.velocity(request.account, "1h")
    if request.command == "pay" and (hour.count >= 2 or hour.sum + request.amount > money("50.00 RUB")) then
        return reject("amount_too_large", `{hour.count} pays, {hour.sum}`)
    end
    return accept()
end

return rules
"#;

async fn publish(stage: &Stage, rules: &str) {
    stage.publish(rules).await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_list_decides_who_may_be_paid(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::new(backend).await;
    let lists = "/admin/v1/merchants/acme/lists";
    stage.admin().put(&format!("{lists}/contracts"), &json!({})).await;
    let entry = json!({"value": {"name": "Ivan I."}});
    stage
        .admin()
        .put(&format!("{lists}/contracts/entries/4957835959"), &entry)
        .await;
    publish(&stage, LISTED).await;
    let kiosk = stage.kiosk();
    within(CHANGE_IS_SEEN, "the rule with its list", async || {
        let known = kiosk.check("1", "4957835959", "1.00").await;
        (known.comment() == Some("Ivan I.")).then_some(())
    })
    .await;
    assert_eq!(kiosk.check("2", "4957835950", "1.00").await.result(), 5);

    stage
        .admin()
        .delete(&format!("{lists}/contracts/entries/4957835959"))
        .await;
    within(CHANGE_IS_SEEN, "the account that was taken off the list", async || {
        (kiosk.check("3", "4957835959", "1.00").await.result() == 5).then_some(())
    })
    .await;
    stage.admin().delete(&format!("{lists}/contracts")).await;
    within(CHANGE_IS_SEEN, "the list that is gone", async || {
        // A list that does not exist is a broken rule, and a broken rule never says "no such account".
        (kiosk.check("4", "4957835959", "1.00").await.result() == 1).then_some(())
    })
    .await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn pays_are_counted_and_checks_and_repeats_are_not(
    #[values(Sqlite, Postgres)] backend: Backend,
    #[values(false, true)] with_redis: bool,
) {
    let redis = with_redis.then(RedisServer::start);
    let stage = match &redis {
        Some(redis) => Stage::with_settings(backend, &redis_settings(&redis.url())).await,
        None => Stage::new(backend).await,
    };
    publish(&stage, BRAKED).await;
    let kiosk = stage.kiosk();
    if with_redis {
        answers_come_from_redis(&stage.gateway).await;
    }
    within(CHANGE_IS_SEEN, "the rule", async || {
        (kiosk.pay("1", "42", "50.01").await.result() == 242).then_some(())
    })
    .await;
    for txn_id in ["2", "3", "4"] {
        assert_eq!(kiosk.check(txn_id, "42", "20.00").await.result(), 0);
    }
    let first = kiosk.pay("5", "42", "20.00").await;
    assert_eq!(first.result(), 0, "{first:?}");
    assert_eq!(kiosk.pay("5", "42", "20.00").await.body, first.body);
    assert_eq!(kiosk.pay("6", "42", "30.01").await.result(), 242, "the sum");
    assert_eq!(kiosk.pay("7", "42", "30.00").await.result(), 0);
    let third = kiosk.pay("8", "42", "0.01").await;
    assert_eq!((third.result(), third.comment()), (242, Some("2 pays, 50.00 RUB")));
    assert_eq!(kiosk.pay("9", "43", "50.00").await.result(), 0, "another account");
}
