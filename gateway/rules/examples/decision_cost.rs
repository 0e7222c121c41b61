//! Prints what one decision of a 35-line rule costs, fresh environment included. Build with `--release`.
#![allow(clippy::print_stdout)]

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Instant;

use chrono::Utc;
use plugin_sdk::{Currency, Money};
use rules::{CallContext, CheckRequest, Command, Engine, Limits};

const WARM_UP: usize = 2_000;
const MEASURED: usize = 50_000;

const RULE: &str = r#"--!api 1
-- Accounts are 16 digits with a Luhn check digit; amounts have a band.
local rules = {}

local SMALLEST = money("10.00 RUB")
local LARGEST = money("15000.00 RUB")

local function luhn(digits)
  local sum = 0
  for i = #digits, 1, -1 do
    local digit = string.byte(digits, i) - 48
    if (#digits - i) % 2 == 1 then
      digit *= 2
      if digit > 9 then digit -= 9 end
    end
    sum += digit
  end
  return sum % 10 == 0
end

function rules.check(request, ctx)
  local account = request.account
  if not account:match("^%d+$") or #account ~= 16 then
    return reject("account_format", "16 digits are expected")
  end
  if not luhn(account) then
    return reject("account_not_found", "The check digit is wrong")
  end
  local amount = request.amount
  if amount and amount < SMALLEST then return reject("amount_too_small") end
  if amount and amount > LARGEST then return reject("amount_too_large") end
  return accept { comment = "OK" }
end

return rules
"#;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let engine = Engine::new(Limits::default())?;
    let program = engine.compile("r17", RULE.as_bytes())?;
    let request = CheckRequest {
        command: Command::Check,
        account: String::from("4561261212345467"),
        amount: Some(Money::from_minor(15_050, Currency::RUB)),
        txn_id: Some(String::from("12345678901234567890")),
        service: None,
        at: Utc::now(),
        extras: BTreeMap::new(),
    };
    let context = CallContext {
        now: Utc::now(),
        seed: 7,
    };
    let mut nanoseconds = Vec::with_capacity(MEASURED);
    let mut last = None;
    for turn in 0..WARM_UP + MEASURED {
        let started = Instant::now();
        let decision = engine.check(&program, &request, &context).await;
        if turn >= WARM_UP {
            nanoseconds.push(started.elapsed().as_nanos());
        }
        last = Some(decision);
    }
    nanoseconds.sort_unstable();
    let at = |share: usize| {
        nanoseconds
            .get(nanoseconds.len() * share / 1000)
            .copied()
            .unwrap_or_default()
    };
    println!("program: {} bytes", program.size());
    println!(
        "decision: {:?}",
        last.map(|decision| (decision.outcome, decision.steps))
    );
    println!("median {} ns, p99 {} ns, p99.9 {} ns", at(500), at(990), at(999));
    Ok(())
}
