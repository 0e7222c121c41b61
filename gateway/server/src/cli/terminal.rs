//! `tollgate terminal`: plays the kiosk against any URL.

use std::time::Duration;

use chrono::Utc;
use clap::{Args, Subcommand};
use url::Url;

use super::{Failure, say};
use crate::kiosk::{self, Move};

/// The network gives an answer this long.
const TIMEOUT: Duration = Duration::from_secs(60);

#[derive(Subcommand)]
pub enum Command {
    /// May this account be paid? Nothing is registered
    Info(Request),
    /// May this payment follow?
    Check(Request),
    /// Credit it
    Pay(Request),
}

#[derive(Args, Clone)]
pub struct Request {
    /// Where the gateway listens
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    pub url: Url,
    #[arg(long)]
    pub merchant: String,
    #[arg(long, default_value = "terminal")]
    pub connection: String,
    #[arg(long)]
    pub account: String,
    /// Amount with two decimals
    #[arg(long)]
    pub sum: String,
    /// Currency; `none` leaves it out, as variant A does
    #[arg(long, default_value = "RUB")]
    pub ccy: String,
    /// The network's id of the payment; drawn from the clock when absent
    #[arg(long)]
    pub txn_id: Option<String>,
    /// Send the parameters as a form
    #[arg(long)]
    pub post: bool,
    /// Basic login as `login:password`
    #[arg(long, env = "TOLLGATE_TERMINAL_LOGIN", hide_env_values = true)]
    pub login: Option<String>,
    /// Further parameters as `name=value`
    #[arg(long = "parameter")]
    pub parameters: Vec<String>,
}

pub async fn run(command: Command) -> Result<(), Failure> {
    let (command, request) = match command {
        Command::Info(request) => (kiosk::Command::Info, request),
        Command::Check(request) => (kiosk::Command::Check, request),
        Command::Pay(request) => (kiosk::Command::Pay, request),
    };
    play(command, &request).await
}

/// Sends one request and prints both ways.
pub async fn play(command: kiosk::Command, request: &Request) -> Result<(), Failure> {
    let mut url = request.url.clone();
    url.set_path(&format!("/in/{}/{}", request.merchant, request.connection));
    let parameters = parameters(command, request)?;
    let client = reqwest::Client::builder().timeout(TIMEOUT).no_proxy().build()?;
    let mut call = if request.post {
        let mut form = Url::parse("http://form/")?;
        form.query_pairs_mut().extend_pairs(&parameters);
        let body = form.query().unwrap_or_default().to_owned();
        say(&format!("> POST {url}\n> {body}"));
        client
            .post(url)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body)
    } else {
        url.query_pairs_mut().extend_pairs(&parameters);
        say(&format!("> GET {url}"));
        client.get(url)
    };
    if let Some((login, password)) = request.login.as_deref().and_then(|login| login.split_once(':')) {
        call = call.basic_auth(login, Some(password));
    }
    let answer = call.send().await?;
    let status = answer.status();
    let body = answer.text().await?;
    say(&format!("< {status}"));
    for line in body.lines() {
        say(&format!("< {line}"));
    }
    if status.is_success() {
        Ok(())
    } else {
        Err(format!("the gateway answered {status}").into())
    }
}

fn parameters(command: kiosk::Command, request: &Request) -> Result<Vec<(String, String)>, Failure> {
    let mut more = Vec::new();
    for parameter in &request.parameters {
        let (name, value) = parameter.split_once('=').ok_or("--parameter wants name=value")?;
        more.push((name.to_owned(), value.to_owned()));
    }
    let asked = Move {
        command,
        txn_id: request.txn_id.clone(),
        account: request.account.clone(),
        sum: request.sum.clone(),
        currency: Some(request.ccy.clone()).filter(|currency| currency != "none"),
        more,
    };
    Ok(asked.parameters(Utc::now()))
}
