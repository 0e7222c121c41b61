//! `tollgate rules why`

use std::process::ExitCode;

use plugin_sdk::{DecisionId, PaymentId};
use serde_json::{Value, json};
use store::{Merchant, StoredDecision};

use crate::cli::{Failure, find_merchant, say, say_json};
use crate::node::Core;
use crate::rulebook::Explanation;

/// Explains a decision, or each decision of a payment.
pub async fn run(core: &Core, merchant: &str, id: &str, json: bool) -> Result<ExitCode, Failure> {
    let merchant = find_merchant(core, merchant).await?;
    let decisions = find(core, &merchant, id).await?;
    let mut told = Vec::new();
    for decision in &decisions {
        let explanation = core.rulebook.explain(merchant.id, decision).await?;
        if json {
            told.push(as_json(decision, &explanation));
        } else {
            say_why(decision, &explanation);
        }
    }
    if json {
        say_json(&told)?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn find(core: &Core, merchant: &Merchant, id: &str) -> Result<Vec<StoredDecision>, Failure> {
    if let Ok(id) = id.parse::<DecisionId>() {
        return Ok(vec![core.store.decision(merchant.id, id).await?]);
    }
    let payment: PaymentId = id
        .parse()
        .map_err(|_| format!("'{id}' is neither a decision (dec_…) nor a payment (pay_…)"))?;
    let payment = core.store.payment(merchant.id, payment).await?.id;
    let decisions = core.rulebook.decisions_of(merchant.id, payment).await?;
    if decisions.is_empty() {
        return Err(format!("no decision of {id} is stored: it had no rules, or they are not kept").into());
    }
    Ok(decisions)
}

fn as_json(decision: &StoredDecision, explanation: &Explanation) -> Value {
    let lines: Vec<_> = (explanation.lines.iter())
        .map(|ran| json!({ "line": ran.line, "times": ran.times, "text": ran.text }))
        .collect();
    json!({
        "id": decision.id, "revision": decision.revision, "handler": decision.handler, "command": decision.command,
        "account": decision.account, "outcome": decision.outcome, "reason": decision.reason,
        "payment": decision.payment_id, "created_at": decision.created_at, "record": explanation.record,
        "lines": lines, "repeats": explanation.repeats,
    })
}

fn say_why(decision: &StoredDecision, explanation: &Explanation) {
    let StoredDecision {
        id,
        revision,
        handler,
        command,
        account,
        outcome,
        steps,
        ..
    } = decision;
    let reason = decision
        .reason
        .as_ref()
        .map_or_else(String::new, |reason| format!(" ({reason})"));
    say(&format!(
        "{id}: r{revision}, {handler} of a {command} for account {account}: {outcome}{reason}, {steps} steps"
    ));
    for ran in &explanation.lines {
        say(&format!("{:>5} × {:>4}\t{}", ran.times, ran.line, ran.text));
    }
    for call in &explanation.record.decision.calls {
        let (question, answer) = (json!(call.question), json!(call.answer));
        say(&format!("\tasked {question}\n\t\tand heard {answer}"));
    }
    for line in &explanation.record.decision.log {
        say(&format!("\tlog: {}", line.text));
    }
    if !explanation.repeats {
        say("\tdeciding once more does not come to the same: a clock, the memory, or card data that was taken out");
    }
}
