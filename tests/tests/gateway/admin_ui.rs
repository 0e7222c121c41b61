//! The pages of the admin listener, as browsers and programs ask for them.

use e2e::Backend::Sqlite;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, HeaderMap, IF_NONE_MATCH};
use reqwest::{Client, Response};

use crate::stage::Stage;

const BROWSER: &str = "text/html,application/xhtml+xml,*/*;q=0.8";

struct Browser {
    client: Client,
    base: String,
}

impl Browser {
    fn of(stage: &Stage) -> Self {
        Self {
            client: Client::new(),
            base: format!("http://{}", stage.gateway.admin_address),
        }
    }

    async fn get(&self, path: &str, accept: &str) -> Response {
        let request = self.client.get(format!("{}{path}", self.base)).header(ACCEPT, accept);
        request.send().await.unwrap()
    }
}

fn told(headers: &HeaderMap, name: &str) -> String {
    headers
        .get(name)
        .map(|value| value.to_str().unwrap().to_owned())
        .unwrap_or_default()
}

#[tokio::test]
async fn pages_are_for_browsers_and_programs_are_told_what_is_not_there() {
    let stage = Stage::new(Sqlite).await;
    let browser = Browser::of(&stage);
    let page = browser.get("/", "*/*").await;
    let built = page.status() == 200;
    let text = page.text().await.unwrap();
    if !built {
        assert!(text.contains("make run"), "{text}");
    }
    for path in ["/m/acme/payments", "/sign-in", "/invitations/abc"] {
        let page = browser.get(path, BROWSER).await;
        assert!(told(page.headers(), "content-type").starts_with("text/html"), "{path}");
        let refused = browser.get(path, "application/json").await;
        assert_eq!(refused.status(), 404, "{path}");
        assert_eq!(told(refused.headers(), "content-type"), "application/problem+json");
    }
    // What belongs to others stays theirs, whoever asks.
    for (path, status) in [
        ("/admin/v1/merchants", 401),
        ("/admin/v1/nothing", 401),
        ("/healthz", 200),
        ("/openapi.json", 200),
    ] {
        let answer = browser.get(path, BROWSER).await;
        assert_eq!(answer.status(), status, "{path}");
        assert!(
            !told(answer.headers(), "content-type").starts_with("text/html"),
            "{path}"
        );
    }
    for path in ["/admin/else", "/nothing.js", "/index.html.gz", "/../Cargo.toml"] {
        assert_eq!(browser.get(path, BROWSER).await.status(), 404, "{path}");
    }
    let posted = browser.client.post(format!("{}/", browser.base)).send().await.unwrap();
    assert_eq!(posted.status(), 404);
}

#[tokio::test]
async fn nothing_inline_runs_on_a_page_and_its_files_are_kept() {
    let stage = Stage::new(Sqlite).await;
    let browser = Browser::of(&stage);
    let page = browser.get("/", BROWSER).await;
    if page.status() == 503 {
        // Built without the pages; `make test` builds them.
        return;
    }
    let policy = told(page.headers(), "content-security-policy");
    assert!(
        policy.contains("default-src 'none'") && policy.contains("script-src 'self';"),
        "{policy}"
    );
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(told(page.headers(), "cache-control"), "no-store");
    assert_eq!(told(page.headers(), "referrer-policy"), "no-referrer");
    let text = page.text().await.unwrap();
    let (_, rest) = policy.split_once("'nonce-").unwrap();
    let (nonce, _) = rest.split_once('\'').unwrap();
    assert_eq!(text.matches(nonce).count(), 1);
    let again = browser.get("/", BROWSER).await;
    assert!(!told(again.headers(), "content-security-policy").contains(nonce));

    let (_, rest) = text.split_once("src=\"").unwrap();
    let (script, _) = rest.split_once('"').unwrap();
    let file = browser.get(script, "*/*").await;
    assert_eq!(file.status(), 200);
    assert_eq!(told(file.headers(), "content-type"), "text/javascript; charset=utf-8");
    assert_eq!(
        told(file.headers(), "cache-control"),
        "public, max-age=31536000, immutable"
    );
    let tag = told(file.headers(), "etag");
    let whole = file.bytes().await.unwrap().len();
    let address = format!("{}{script}", browser.base);
    let packed = browser
        .client
        .get(&address)
        .header(ACCEPT_ENCODING, "gzip")
        .send()
        .await
        .unwrap();
    assert_eq!(told(packed.headers(), "content-encoding"), "gzip");
    assert!(packed.bytes().await.unwrap().len() < whole / 2);
    let known = browser
        .client
        .get(&address)
        .header(IF_NONE_MATCH, tag)
        .send()
        .await
        .unwrap();
    assert_eq!(known.status(), 304);
    assert!(known.bytes().await.unwrap().is_empty());
}
