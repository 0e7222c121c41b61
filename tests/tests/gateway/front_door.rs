//! Who a caller is: by the login on the shared path, and behind proxies by the address that they vouch for.

use e2e::Backend::{Postgres, Sqlite};
use e2e::{Backend, Kiosk};
use rstest::rstest;
use serde_json::{Value, json};

use crate::stage::{Stage, open};

const ACCOUNT: &str = "42";
/// One of the network's own subnets, which a connection accepts when its config names none.
const NETWORK_ADDRESS: &str = "79.142.16.7";

async fn merchant_with_login(stage: &Stage, merchant: &str, login: &str) {
    let new = json!({"slug": merchant, "name": merchant});
    stage.admin().post("/admin/v1/merchants", &new).await;
    let connection = json!({
        "slug": "terminal", "plugin": "terminal", "config": open(json!({"auth": "basic"})),
        "basic": {"login": login, "password": format!("password of {login}")},
    });
    let path = format!("/admin/v1/merchants/{merchant}/connections");
    stage.admin().post(&path, &connection).await;
    let says = format!("return {{ check = function() return accept {{ comment = '{merchant}' }} end }}");
    let rules = json!({"source": says, "message": "by a test"});
    stage
        .admin()
        .put(&format!("/admin/v1/merchants/{merchant}/rules"), &rules)
        .await;
}

fn shared_path(stage: &Stage) -> Kiosk {
    Kiosk::new(stage.gateway.public, "/payment")
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_login_on_the_shared_path_names_its_merchant(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::new(backend).await;
    for (merchant, login) in [("north", "qiwi-north"), ("south", "qiwi-south")] {
        merchant_with_login(&stage, merchant, login).await;
    }
    for (merchant, login) in [("north", "qiwi-north"), ("south", "qiwi-south")] {
        let kiosk = shared_path(&stage).with_login(login, &format!("password of {login}"));
        // The same txn_id is a payment of its own at each merchant.
        let paid = kiosk.pay("1", ACCOUNT, "10.45").await;
        assert_eq!((paid.result(), paid.comment()), (0, Some(merchant)), "{paid:?}");
        let payments = stage
            .admin()
            .get(&format!("/admin/v1/merchants/{merchant}/payments"))
            .await;
        assert_eq!(payments["data"].as_array().map(Vec::len), Some(1), "{payments}");
    }
}

#[rstest]
#[case::no_login(None, 404)]
#[case::nobodys_login(Some(("qiwi-nobody", "password of qiwi-north")), 404)]
#[case::a_neighbours_password(Some(("qiwi-north", "password of qiwi-south")), 401)]
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_login_on_the_shared_path_reaches_nobody(#[case] login: Option<(&str, &str)>, #[case] status: u16) {
    let stage = Stage::new(Sqlite).await;
    merchant_with_login(&stage, "north", "qiwi-north").await;
    merchant_with_login(&stage, "south", "qiwi-south").await;
    let mut kiosk = shared_path(&stage);
    if let Some((login, password)) = login {
        kiosk = kiosk.with_login(login, password);
    }
    let answer = kiosk.pay("1", ACCOUNT, "10.45").await;
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(stage.count("payments").await, 0);
}

/// Logins are remembered; a change of them is not slept through.
#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_moved_to_another_merchant_is_followed() {
    let stage = Stage::new(Sqlite).await;
    merchant_with_login(&stage, "north", "qiwi").await;
    let kiosk = shared_path(&stage).with_login("qiwi", "password of qiwi");
    assert_eq!(kiosk.pay("1", ACCOUNT, "10.45").await.comment(), Some("north"));
    stage
        .admin()
        .delete("/admin/v1/merchants/north/connections/terminal")
        .await;
    merchant_with_login(&stage, "south", "qiwi").await;
    e2e::within(crate::stage::CHANGE_IS_SEEN, "the new owner of the login", async || {
        let answer = kiosk.check("2", ACCOUNT, "10.45").await;
        (answer.status == 200 && answer.comment() == Some("south")).then_some(())
    })
    .await;
}

async fn status_with(stage: &Stage, forwarded: &[&str]) -> u16 {
    let url = format!(
        "{}?command=check&txn_id=1&account=42&sum=1.00&ccy=RUB",
        stage.kiosk().url()
    );
    let mut request = reqwest::Client::new().get(url);
    for value in forwarded {
        request = request.header("x-forwarded-for", *value);
    }
    request.send().await.unwrap().status().as_u16()
}

async fn network_only(settings: &[(&str, &str)]) -> Stage {
    let stage = Stage::with_settings(Sqlite, settings).await;
    let config: Value = json!({"config": {"auth": "none"}});
    stage
        .admin()
        .patch("/admin/v1/merchants/acme/connections/terminal", &config)
        .await;
    e2e::within(crate::stage::CHANGE_IS_SEEN, "the closed connection", async || {
        (status_with(&stage, &[]).await == 403).then_some(())
    })
    .await;
    stage
}

#[tokio::test(flavor = "multi_thread")]
async fn the_address_that_a_trusted_proxy_vouches_for_counts() {
    let stage = network_only(&[("TOLLGATE_PUBLIC__TRUSTED_PROXIES", "127.0.0.0/8")]).await;
    assert_eq!(status_with(&stage, &[NETWORK_ADDRESS]).await, 200);
    assert_eq!(status_with(&stage, &["6.6.6.6"]).await, 403);
    // What stands before the nearest stranger was written by that stranger.
    assert_eq!(
        status_with(&stage, &[&format!("{NETWORK_ADDRESS}, 6.6.6.6")]).await,
        403
    );
    assert_eq!(status_with(&stage, &[NETWORK_ADDRESS, "6.6.6.6"]).await, 403);
    assert_eq!(
        status_with(&stage, &[&format!("6.6.6.6, {NETWORK_ADDRESS}")]).await,
        200
    );
    assert_eq!(status_with(&stage, &["not an address"]).await, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_from_a_stranger_says_nothing() {
    let stage = network_only(&[]).await;
    assert_eq!(status_with(&stage, &[NETWORK_ADDRESS]).await, 403);
}
