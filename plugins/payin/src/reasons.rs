//! Why a payment was declined (§9.3, §9.4), in the gateway's words.

use plugin_sdk::connector::{Decline, DeclineReason};

use crate::wire::{Status, Text, owned};

/// The decline that a status tells of. The network's own code, with that of the payment system, stays beside it.
pub fn decline(status: Option<&Status>) -> Decline {
    let reason = status.and_then(|status| owned(status.reason.as_ref()));
    let ps_code = status.and_then(|status| owned(status.ps_error_code.as_ref()));
    let error_code = status.and_then(|status| owned(status.error_code.as_ref()));
    let said = status
        .and_then(|status| status.reason_message.as_ref())
        .map(Text::as_str);
    let code = match (&reason, &ps_code) {
        (Some(reason), Some(ps_code)) => Some(format!("{reason}/{ps_code}")),
        _ => reason.clone().or(error_code),
    };
    let name = reason.as_deref().unwrap_or_default();
    Decline {
        reason: of(name, ps_code.as_deref()),
        message: said
            .filter(|said| !said.is_empty())
            .map_or_else(|| meaning(name).to_owned(), str::to_owned),
        code,
        try_elsewhere: is_of_this_network(name),
    }
}

/// The reason; where it is a bare "not permitted" the payment system's code says more.
fn of(reason: &str, ps_code: Option<&str>) -> DeclineReason {
    use DeclineReason as R;
    match reason {
        "INVALID_STATE" | "BILL_ALREADY_PAID" => R::WrongState,
        "INVALID_AMOUNT" | "QW_AMOUNT_ERROR" | "QW_CURRENCY_ERROR" => R::AmountInvalid,
        "INVALID_RECEIVER_DATA" => R::RecipientInvalid,
        "DECLINED_BY_MPI" | "ACQUIRING_INCORRECT_CVV" | "QW_AUTH_ERROR" => R::AuthenticationFailed,
        "DECLINED_BY_FRAUD" | "ACQUIRING_SUSPECTED_FRAUD" => R::Suspicious,
        "REATTEMPT_NOT_PERMITTED" | "REATTEMPT_NOT_PERMITTED_BY_PS" => R::DoNotRetry,
        "REATTEMPT_NOT_PERMITTED_BY_PS_CONDITIONAL" | "REATTEMPT_NOT_PERMITTED_BY_PS_TEMPORARY" => R::IssuerDeclined,
        "GATEWAY_INTEGRATION_ERROR"
        | "GATEWAY_TECHNICAL_ERROR"
        | "ACQUIRING_MPI_TECH_ERROR"
        | "ACQUIRING_GATEWAY_TECH_ERROR"
        | "ACQUIRING_ACQUIRER_ERROR"
        | "ACQUIRING_AUTH_TECHNICAL_ERROR"
        | "ACQUIRING_ISSUER_NOT_AVAILABLE"
        | "PAYIN_PROCESSING_ERROR"
        | "TRY_AGAIN_LATER"
        | "DECLINED_BY_PAYOUT_GATEWAY"
        | "QW_AGENT_ERROR"
        | "QW_PAYMENT_ERROR"
        | "QW_PROVIDER_ERROR" => R::NetworkError,
        "ACQUIRING_LIMIT_EXCEEDED" | "QW_LIMIT_ERROR" => R::LimitExceeded,
        "ACQUIRING_NOT_PERMITTED" => match ps_code {
            Some("13") => R::AmountInvalid,
            Some("14") => R::CardInvalid,
            _ => R::IssuerDeclined,
        },
        "ACQUIRING_EXPIRED_CARD" => R::CardExpired,
        "ACQUIRING_INVALID_CARD" | "QW_ACCOUNT_ERROR" => R::CardInvalid,
        "ACQUIRING_INSUFFICIENT_FUNDS" | "QW_INSUFFICIENT_FUNDS" => R::InsufficientFunds,
        "PAYMENT_EXPIRED_3DS" | "QW_SMS_CONFIRM_EXPIRED" => R::PayerTimedOut,
        "MERCHANT_SETTINGS_ERROR"
        | "QW_IDENTIFICATION_ERROR"
        | "QW_IDENTIFICATION_STATUS_ERROR"
        | "QW_REGISTRATION_ERROR" => R::NotPermitted,
        // ACQUIRING_UNKNOWN, and whatever is added: the list is open.
        _ => R::Other,
    }
}

/// Nos that come from QIWI's own side or its bank: another network may say yes. An issuer's no stays a no.
fn is_of_this_network(reason: &str) -> bool {
    matches!(
        reason,
        "GATEWAY_INTEGRATION_ERROR"
            | "GATEWAY_TECHNICAL_ERROR"
            | "ACQUIRING_MPI_TECH_ERROR"
            | "ACQUIRING_GATEWAY_TECH_ERROR"
            | "ACQUIRING_ACQUIRER_ERROR"
            | "ACQUIRING_AUTH_TECHNICAL_ERROR"
            | "PAYIN_PROCESSING_ERROR"
            | "TRY_AGAIN_LATER"
            | "DECLINED_BY_PAYOUT_GATEWAY"
            | "MERCHANT_SETTINGS_ERROR"
    )
}

fn meaning(reason: &str) -> &str {
    match reason {
        "" => "declined without a reason",
        "INVALID_STATE" => "the state of the payment does not allow it",
        "INVALID_AMOUNT" => "wrong amount",
        "INVALID_RECEIVER_DATA" => "the recipient's data are wrong",
        "DECLINED_BY_MPI" => "3-D Secure was not passed",
        "DECLINED_BY_FRAUD" => "refused by QIWI's fraud monitoring",
        "ACQUIRING_SUSPECTED_FRAUD" => "the issuer suspects fraud",
        "ACQUIRING_LIMIT_EXCEEDED" => "the issuer's limit is exceeded",
        "ACQUIRING_NOT_PERMITTED" => "not permitted by the issuer",
        "ACQUIRING_INCORRECT_CVV" => "wrong CVV",
        "ACQUIRING_EXPIRED_CARD" => "wrong expiry date",
        "ACQUIRING_INVALID_CARD" => "wrong card data",
        "ACQUIRING_INSUFFICIENT_FUNDS" => "not enough money",
        "ACQUIRING_ISSUER_NOT_AVAILABLE" => "the issuer cannot be reached",
        "BILL_ALREADY_PAID" => "the bill is paid already",
        "PAYMENT_EXPIRED_3DS" => "3-D Secure was not passed in time",
        "TRY_AGAIN_LATER" => "try again later",
        "REATTEMPT_NOT_PERMITTED" | "REATTEMPT_NOT_PERMITTED_BY_PS" => "this card must not be tried again",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn told(reason: &str, ps_code: Option<&str>) -> Decline {
        decline(Some(&Status {
            reason: Some(Text(reason.to_owned())),
            ps_error_code: ps_code.map(|code| Text(code.to_owned())),
            ..Status::default()
        }))
    }

    /// Every reason of §9.3 but the unknown one.
    #[rstest]
    fn a_documented_reason_is_known(
        #[values(
            "INVALID_STATE",
            "INVALID_AMOUNT",
            "INVALID_RECEIVER_DATA",
            "DECLINED_BY_MPI",
            "DECLINED_BY_FRAUD",
            "REATTEMPT_NOT_PERMITTED",
            "REATTEMPT_NOT_PERMITTED_BY_PS",
            "REATTEMPT_NOT_PERMITTED_BY_PS_CONDITIONAL",
            "REATTEMPT_NOT_PERMITTED_BY_PS_TEMPORARY",
            "GATEWAY_INTEGRATION_ERROR",
            "GATEWAY_TECHNICAL_ERROR",
            "ACQUIRING_MPI_TECH_ERROR",
            "ACQUIRING_GATEWAY_TECH_ERROR",
            "ACQUIRING_ACQUIRER_ERROR",
            "ACQUIRING_AUTH_TECHNICAL_ERROR",
            "ACQUIRING_ISSUER_NOT_AVAILABLE",
            "ACQUIRING_SUSPECTED_FRAUD",
            "ACQUIRING_LIMIT_EXCEEDED",
            "ACQUIRING_NOT_PERMITTED",
            "ACQUIRING_INCORRECT_CVV",
            "ACQUIRING_EXPIRED_CARD",
            "ACQUIRING_INVALID_CARD",
            "ACQUIRING_INSUFFICIENT_FUNDS",
            "BILL_ALREADY_PAID",
            "PAYIN_PROCESSING_ERROR",
            "PAYMENT_EXPIRED_3DS",
            "TRY_AGAIN_LATER",
            "DECLINED_BY_PAYOUT_GATEWAY",
            "MERCHANT_SETTINGS_ERROR",
            "QW_ACCOUNT_ERROR",
            "QW_AGENT_ERROR",
            "QW_AMOUNT_ERROR",
            "QW_AUTH_ERROR",
            "QW_CURRENCY_ERROR",
            "QW_IDENTIFICATION_ERROR",
            "QW_IDENTIFICATION_STATUS_ERROR",
            "QW_INSUFFICIENT_FUNDS",
            "QW_LIMIT_ERROR",
            "QW_PAYMENT_ERROR",
            "QW_PROVIDER_ERROR",
            "QW_REGISTRATION_ERROR",
            "QW_SMS_CONFIRM_EXPIRED"
        )]
        reason: &str,
    ) {
        assert_ne!(told(reason, None).reason, DeclineReason::Other);
        assert_eq!(told(reason, Some("04")).code, Some(format!("{reason}/04")));
    }

    #[rstest]
    #[case("ACQUIRING_INSUFFICIENT_FUNDS", Some("51"), DeclineReason::InsufficientFunds)]
    #[case("ACQUIRING_NOT_PERMITTED", Some("05"), DeclineReason::IssuerDeclined)]
    #[case("ACQUIRING_NOT_PERMITTED", Some("13"), DeclineReason::AmountInvalid)]
    #[case("ACQUIRING_NOT_PERMITTED", Some("14"), DeclineReason::CardInvalid)]
    #[case("ACQUIRING_UNKNOWN", None, DeclineReason::Other)]
    #[case("SOMETHING_NEW", None, DeclineReason::Other)]
    fn a_reason_has_its_word(#[case] reason: &str, #[case] ps_code: Option<&str>, #[case] expected: DeclineReason) {
        assert_eq!(told(reason, ps_code).reason, expected);
    }

    #[test]
    fn an_issuers_no_is_not_tried_elsewhere() {
        assert!(told("GATEWAY_TECHNICAL_ERROR", None).try_elsewhere);
        assert!(!told("ACQUIRING_INSUFFICIENT_FUNDS", None).try_elsewhere);
        assert!(!told("DECLINED_BY_FRAUD", None).try_elsewhere);
        assert!(!told("SOMETHING_NEW", None).try_elsewhere);
    }
}
