//! Money beside numbers and texts: an error when it runs, or worse, silently never equal.

use full_moon::ast::CompoundAssignment;
use full_moon::ast::{BinOp, Expression};

use super::kinds::Kind;
use super::walk::Walk;

/// What the operation gives.
pub(super) fn binary(walk: &mut Walk<'_>, at: &Expression, operator: &BinOp, left: Kind, right: Kind) -> Kind {
    let compared = matches!(
        operator,
        BinOp::LessThan(_)
            | BinOp::LessThanEqual(_)
            | BinOp::GreaterThan(_)
            | BinOp::GreaterThanEqual(_)
            | BinOp::TwoEqual(_)
            | BinOp::TildeEqual(_)
    );
    let sign = operator.token().token().to_string();
    let Some(stranger) = beside_money(left, right) else {
        return match operator {
            BinOp::Plus(_) | BinOp::Minus(_) if (left, right) == (Kind::Money, Kind::Money) => Kind::Money,
            BinOp::TwoDots(_) => Kind::Text,
            _ => Kind::Unknown,
        };
    };
    match operator {
        BinOp::TwoEqual(_) | BinOp::TildeEqual(_) => {
            let never = if matches!(operator, BinOp::TwoEqual(_)) {
                "never"
            } else {
                "always"
            };
            let message = format!("money {sign} {stranger} is {never} true: they are of different kinds");
            walk.error(at, "money_comparison", message, cure(stranger));
        }
        _ if compared => {
            let message = format!("money {sign} {stranger} is not possible");
            walk.error(at, "money_comparison", message, cure(stranger));
        }
        BinOp::Plus(_) | BinOp::Minus(_) => {
            let message = format!("money {sign} {stranger} is not possible");
            walk.error(at, "money_arithmetic", message, cure(stranger));
        }
        BinOp::Star(_) | BinOp::Slash(_) | BinOp::DoubleSlash(_) | BinOp::Percent(_) | BinOp::Caret(_) => {
            walk.error(at, "money_arithmetic", format!("money has no {sign}"), whole_cure());
        }
        _ => {}
    }
    Kind::Unknown
}

/// `amount *= 2`.
pub(super) fn compound(walk: &mut Walk<'_>, at: &CompoundAssignment, left: Kind, right: Kind) {
    if let Some(stranger) = beside_money(left, right) {
        let sign = at.compound_operator().token().token().to_string();
        let message = format!("money {sign} {stranger} is not possible");
        if sign != "..=" {
            walk.error(at, "money_arithmetic", message, cure(stranger));
        }
    }
}

fn beside_money(left: Kind, right: Kind) -> Option<&'static str> {
    match (left, right) {
        (Kind::Money, Kind::Number) | (Kind::Number, Kind::Money) => Some("a number"),
        (Kind::Money, Kind::Text) | (Kind::Text, Kind::Money) => Some("text"),
        _ => None,
    }
}

fn cure(stranger: &str) -> Option<String> {
    let what = if stranger == "text" { "text" } else { "number" };
    Some(format!("write the {what} as money, such as money(\"50.00 RUB\")"))
}

fn whole_cure() -> Option<String> {
    Some(String::from(
        "write amount:times(3), or amount:percent(\"2.5\", \"half_up\")",
    ))
}
