//! The worked vectors of §3.1, §7.2, §8 and §11, for the simulator by itself.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use rstest::rstest;

use super::wire::{hmac_hex, join, kopecks, roubles, unpack};
use super::*;

/// §8.
const APPLE_JSON: &str = r#"{"paymentData":{"version":"EC_v1","data":"TG9yZW0=","signature":"aXBzdW0=","header":{"ephemeralPublicKey":"ZG9sb3I=","publicKeyHash":"c2l0","transactionId":"616d6574"}}}"#;
const APPLE_PACKED: &str = "eJw1zUsLgkAUBeD/ctcttMeEQpsemLRpERRu4upcVBinYWYUJvG/dy3afudwzggGQ0faH9EjpCMMZF370pDC6fAcYliA/CZwy5JQ3KMdi2trjb63xIyP/Vv+uCGUZOcRMg11ZFFd+1K11YUCN4ssceUqn5vmz2d0DUfVUkXM3qJ2WHn+zyWziIUUm+0apmn6AEK8NmA=";
/// §11: compact, and as it was published.
const CHEQUE_JSON: &str = r#"{"seller_id":3123011520,"cheque_type":1,"customer_contact":"foo@domain.tld","tax_system":1,"positions":[{"quantity":2,"price":322.94,"tax":4,"description":"Товар/Услуга 1","payment_method":1,"payment_subject":1},{"quantity":1,"price":500,"tax":4,"description":"Товар/Услуга 2","payment_method":1,"payment_subject":1}]}"#;
const CHEQUE_PACKED: &str = "eJyVjk2KAjEQRq8itW60k9aFWXkPkSaT1GCGTtJ2qmEaERRvMnMBGZeCZ0jfyOiIuNRVUT/ve7WGgFWFTWk0iILxImdswvMM1BJXLZbU1QiCpb4N5G06VN6RVAQCPr2faW+lcUOqNGRA8rsMXSC0N6T2wZDxLoCYr2HVSkeGOhA8rRqjUm7B+XA6voEgUtUYVGPqK5Ty4088x7946Lej+Nvv4qnfx2M8DFhS1bKz6Ki0SEuv/3X3UWg/vvD6INtkz1r20E7y/F0nf9m52FwApSyCDQ==";
const CHEQUE_PUBLISHED: &str = "eJylj0FqwzAQRfc5hdDapJacLNpV71GKUaUpUbEkxxpDTQi05CbJBUK7LPQM8o0qKTSmlKyymcV7mq8/mxkh1EPTQFdrRckdqRivSsaWvCySkytY91Dj0EKy7AR7j87EFeksConJ0Gfn7pUzQts5Normhyheaz94BDMtt85r1M76hB4iIWSTZ3TrXljUOCTFi1/adlrm3yvO57eLM4/piU5AgZedblN6rhT24Tt8hOP4dhMO43v4GnfhMxwJo1O2GAxYrA3gyqlzyz/O908vcLqSZbctLtdm/2svy/L6zvzaznE+zrY/sHaTsw==";

const VECTOR_9: &[(&str, &str)] = &[
    ("address", "South Park"),
    ("amount", "4678.50"),
    ("callback_url", "https://domain.tld/callback_service"),
    ("card_name", "cardholder name"),
    ("cf1", "cf1"),
    ("city", "Moscow"),
    ("country", "RUS"),
    ("currency", "643"),
    ("cvv2", "123"),
    ("email", "merchant@qiwi.com"),
    ("expiry", "1219"),
    ("ip", "127.0.0.1"),
    ("merchant_site", "555"),
    ("merchant_uid", "10001"),
    ("opcode", "1"),
    ("order_id", "order1231231"),
    ("pan", "4111111111111111"),
    ("phone", "79166554321"),
    ("product_name", "Название услуги"),
    ("receiver_name", "Ivanov, Ivan"),
    ("region", "606008"),
    ("user_timedate", "2017-03-15T09:57:21+03:00"),
];
const VECTOR_10: &[(&str, &str)] = &[
    ("opcode", "1"),
    ("merchant_site", "99"),
    ("currency", "643"),
    ("amount", "1000.00"),
    ("order_id", "1234"),
    ("email", "client@example.com"),
    ("country", "RUS"),
    ("city", "Moscow"),
    ("product_name", "Flowers"),
    ("merchant_uid", "432101"),
    ("callback_url", "https://example.com/payment/callback"),
];
const VECTOR_11: &[(&str, &str)] = &[
    ("amount", "4678.50"),
    ("card_name", "cardholder name"),
    ("card_token", "4d5b363e-a116-35f5-e053-6751080ac38e"),
    ("currency", "643"),
    ("merchant_site", "555"),
    ("merchant_uid", "10001"),
    ("opcode", "20"),
    ("order_id", "order1231231"),
    ("product_name", "Выплата выигрыша"),
    ("txn_id", "182001"),
];
const APPLE: &[(&str, &str)] = &[
    ("opcode", "1"),
    ("merchant_site", "123321"),
    ("order_id", "500989"),
    ("currency", "643"),
    ("amount", "100.00"),
    ("phone", "79111111111"),
    ("apple_pay_encoded_payment_token", APPLE_PACKED),
];

#[rstest]
#[case::hold_1("secret_key", &[("opcode", "3"), ("merchant_site", "555"), ("amount", "7.00"), ("currency", "643")], "9c878bfbf9baa30c26c8c6206976fc3ed2c036afeabf352f8a045fe331d42d7e")]
#[case::empty_values_2("secret_key", &[("opcode", "3"), ("merchant_site", "555"), ("amount", "7.00"), ("currency", "643"), ("cf1", ""), ("email", "")], "9c878bfbf9baa30c26c8c6206976fc3ed2c036afeabf352f8a045fe331d42d7e")]
#[case::status_3("secret", &[("opcode", "30"), ("merchant_site", "123"), ("order_id", "dsfkjdslkfjdlks"), ("txn_id", "1265")], "07bbb1f2f41327e64f7f80b24c9a64ff887d8f0b4abe8cca04cc4b7e0eeaf08f")]
#[case::capture_4("secret_key", &[("opcode", "5"), ("merchant_site", "99"), ("txn_id", "172001")], "259d83d5a179aae3638487f4b8eff94bb122b2a25c322605f4fa3be97f4b6862")]
#[case::refund_5("secret_key", &[("opcode", "7"), ("merchant_site", "99"), ("txn_id", "181001"), ("amount", "700")], "25996c351d2ea000d2a8a1a8326c2a7fff8f60f59e961c211a7475d471b9084d")]
#[case::deal_reversal_6("secret_key", &[("opcode", "6"), ("merchant_site", "10001"), ("txn_id", "181001"), ("amount", "350.00"), ("cf2", "250.00;100.00")], "525f3284658b3fbdf5fbf6f223e7d5044d7d9be58eb766a11adbe8342800d9c8")]
#[case::status_7("secret_key", &[("opcode", "30"), ("merchant_site", "99"), ("order_id", "41324123412342")], "c00b97f56a987b02a256cb2b851cd4b755e77ed84132260afa80978a25935c90")]
#[case::three_ds_8("secret_key", &[("opcode", "2"), ("merchant_site", "99"), ("pares", "eJzVWFevo9iyfu9f"), ("txn_id", "172001")], "6df5777335886283bcdc1a76351fcbb1448a9020d10f756d52919916fb0ffb40")]
#[case::cyrillic_9(
    "secret_key",
    VECTOR_9,
    "9a9b4ce2808e0e344a725aac6d03a7857e2923569dfc5f8014df9b2ba58f9683"
)]
#[case::page_10(
    "secret_key",
    VECTOR_10,
    "2591ac17bd791e8631b85d590217165d4a54fb56fc1500def2dded322c52697d"
)]
#[case::payout_11(
    "secret_key",
    VECTOR_11,
    "aae2b23035716675e1f16f4c40c66322cc7880413c90734592c4d7482f0a8847"
)]
#[case::apple_pay(
    "secret_key",
    APPLE,
    "5aa7f9f594ecb66e1045c612eb7b61b036a145682825fc4cb666a8c8cb0708f6"
)]
fn a_signed_request_is_known(#[case] secret: &str, #[case] fields: &[(&str, &str)], #[case] sign: &str) {
    for sign in [sign.to_owned(), sign.to_uppercase()] {
        let texts = fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let mut read = Fields {
            texts: texts.collect(),
            ..Fields::default()
        };
        read.texts.insert("sign".to_owned(), sign);
        assert!(read.is_signed_with(secret));
        assert!(!read.is_signed_with("another"));
        read.texts.insert("cf5".to_owned(), "slipped in".to_owned());
        assert!(!read.is_signed_with(secret));
    }
}

#[rstest]
#[case::real("secret", &["1000.00", "643", "mklimenko@onlinetours.ru", "8001", "196.54.55.20", "20728960050", "1", "1"], "27A56431CD3A14BA3455956766F772EA5732FC5E1C74541B33F58D7F7766D98A")]
#[case::zero_code("secret", &["1000.00", "643", "mklimenko@onlinetours.ru", "0", "196.54.55.20", "20728960050", "1", "1"], "1E61076344971F540138D1107FB6E3E31A7E07EF811CE7E91F31178DF8EFDD5C")]
#[case::whole_amount("secret_key", &["1856", "643", "", "0", "", "806930407050", "3", "1"], "7E5BA1E606E01F159B67758A6351D868BC6259DAAD324FE542F5A41E845B949F")]
#[case::two_decimals("secret_key", &["1856.00", "643", "", "0", "", "806930407050", "3", "1"], "99D5D5026183C8F49053E76FDE44D8337684B34B92880DAED8B9484577F51EA0")]
fn a_callback_is_signed_as_in_the_document(#[case] secret: &str, #[case] values: &[&str], #[case] expected: &str) {
    assert_eq!(hmac_hex(secret, &join(values.iter().copied())).to_uppercase(), expected);
}

#[test]
fn packed_documents_are_read_whoever_packed_them() {
    let hello = [
        "eJzzSM3JyVcozy/KSQEAGKsEPQ==",
        "eJzySM3JyVcozy/KSQEEAAD//xirBD0=",
        "eAEBCwD0/0hlbGxvIHdvcmxkGKsEPQ==",
    ];
    for packed in hello {
        assert_eq!(unpack(packed).as_deref(), Some("Hello world"));
    }
    assert_eq!(unpack(APPLE_PACKED).as_deref(), Some(APPLE_JSON));
    assert_eq!(unpack(CHEQUE_PACKED).as_deref(), Some(CHEQUE_JSON));
    assert_eq!(unpack(CHEQUE_PUBLISHED).map(|json| json.len()), Some(497));
    for broken in ["", "not base64", "AAAA"] {
        assert_eq!(unpack(broken), None, "{broken}");
    }
}

#[test]
fn amounts_are_exact() {
    for (text, sum) in [
        ("700", Some(70_000)),
        ("0.1", Some(10)),
        ("4678.50", Some(467_850)),
        ("1.001", None),
        ("-1", None),
        ("1e3", None),
    ] {
        assert_eq!(kopecks(text), sum, "{text}");
    }
    assert_eq!(roubles(467_850), "4678.50");
}

#[test]
fn only_its_own_paths_are_served() {
    let sandbox = QiwiPaySandbox::new();
    for path in [
        "/merchant/direct",
        "/paypage/initial",
        "/sandbox/qiwi-pay",
        "/sandbox/qiwi-pay/state",
    ] {
        assert!(sandbox.serves(path), "{path}");
    }
    for path in [
        "/",
        "/merchant",
        "/sandbox/qiwi-payin",
        "/sandbox/payin",
        "/partner/payin/v1/sites",
    ] {
        assert!(!sandbox.serves(path), "{path}");
    }
}
