//! A database with one merchant and one connection, and short ways to fill it.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use e2e::{Backend, TestDatabase};
use plugin_sdk::{Booking, Currency, EventId, MerchantId, Money, PaymentId, PaymentKey};
use serde_json::json;
use store::{
    Connection, DatabaseOptions, Endpoint, EndpointFormat, Merchant, NewConnection, NewDelivery, NewEndpoint, NewEvent,
    NewExchange, NewMerchant, NewOperation, NewPayment, PaymentStatus, PaymentWrite, PaymentWriter, RetrySchedule,
    Store, WriteOutcome,
};

pub struct World {
    pub store: Store,
    pub merchant: Merchant,
    pub connection: Connection,
    pub database: TestDatabase,
}

impl World {
    pub async fn new(backend: Backend) -> Self {
        let database = TestDatabase::new(backend).await;
        let store = open(&database).await;
        store.migrate().await.unwrap();
        let merchant = merchant(&store, "acme").await;
        let connection = connection(&store, &merchant, "terminal").await;
        Self {
            store,
            merchant,
            connection,
            database,
        }
    }

    /// The same database through pools of its own.
    pub async fn another_node(&self) -> Store {
        open(&self.database).await
    }

    pub async fn endpoint(&self, max_in_flight: u32) -> Endpoint {
        self.store
            .create_endpoint(self.merchant.id, new_endpoint(max_in_flight), now())
            .await
            .unwrap()
    }

    /// A payment of 10.45 RUB that was credited, with an event for `endpoints`.
    pub async fn payment(&self, txn_id: &str, endpoints: &[&Endpoint]) -> PaymentWrite {
        let id = PaymentId::generate();
        let payment = NewPayment {
            id,
            merchant_id: self.merchant.id,
            connection_id: self.connection.id,
            channel: "terminal".to_owned(),
            key: PaymentKey::single(txn_id),
            number: self.store.numbers().next().await.unwrap(),
            account: "4957835959".to_owned(),
            amount: rubles(1_045),
            fee: Some(rubles(21)),
            currency_text: Some("RUB".to_owned()),
            service: Some("101".to_owned()),
            status: PaymentStatus::Succeeded,
            reason: None,
            answer: format!("<response><osmp_txn_id>{txn_id}</osmp_txn_id></response>"),
            booking: Some(Booking {
                text: "20230615143000".to_owned(),
                at: moscow_noon(),
            }),
            booking_suspect: false,
            extras: BTreeMap::from([("data1".to_owned(), "Žofie \"&\" 😀".to_owned())]),
            received_at: now(),
            created_at: now(),
        };
        PaymentWrite {
            event: event(self.merchant.id, Some(id), endpoints),
            exchange: NewExchange {
                payment_id: Some(id),
                ..self.exchange("/in/acme/terminal")
            },
            operation: NewOperation {
                kind: "pay",
                rule_revision: Some(3),
                decision: Some(json!({"steps": 17})),
            },
            payment,
            velocity: Vec::new(),
            decisions: Vec::new(),
        }
    }

    pub fn exchange(&self, url: &str) -> NewExchange {
        NewExchange {
            request_id: "req-1".to_owned(),
            merchant_id: Some(self.merchant.id),
            connection_id: Some(self.connection.id),
            payment_id: None,
            direction: "in",
            peer: "79.142.16.7".to_owned(),
            method: "GET".to_owned(),
            url: url.to_owned(),
            request_headers: BTreeMap::from([("host".to_owned(), "service.someprv.ru".to_owned())]),
            request_body: String::new(),
            status: 200,
            response_body: "<response/>".to_owned(),
            duration_us: 812,
            created_at: now(),
        }
    }

    /// Writes and expects to be the first of its key.
    pub async fn write(&self, writer: &PaymentWriter, write: PaymentWrite) {
        assert_eq!(writer.write(write).await.unwrap(), WriteOutcome::Stored);
    }

    pub async fn count(&self, table: &str) -> i64 {
        self.database.number(&format!("SELECT count(*) FROM {table}")).await
    }
}

pub async fn open(database: &TestDatabase) -> Store {
    let options = DatabaseOptions {
        url: database.url().to_owned(),
        schema: None,
        connections_max: 8,
        acquire_timeout: Duration::from_secs(3),
        statement_timeout: Duration::from_secs(3),
    };
    Store::connect(&options).await.unwrap()
}

pub async fn merchant(store: &Store, slug: &str) -> Merchant {
    let new = NewMerchant {
        slug: slug.to_owned(),
        name: format!("{slug} Ltd"),
    };
    store.create_merchant(new, now()).await.unwrap()
}

pub async fn connection(store: &Store, merchant: &Merchant, slug: &str) -> Connection {
    store
        .create_connection(merchant.id, new_connection(slug), now())
        .await
        .unwrap()
}

pub fn new_connection(slug: &str) -> NewConnection {
    NewConnection {
        status: store::ConnectionStatus::Active,
        slug: slug.to_owned(),
        plugin: "terminal".to_owned(),
        config: json!({"variant": "BC", "data": [{"name": "data1"}]}),
        basic: None,
    }
}

pub fn new_endpoint(max_in_flight: u32) -> NewEndpoint {
    NewEndpoint {
        url: "https://acme.example/hooks".to_owned(),
        format: EndpointFormat::Standard,
        time_zone: "UTC".to_owned(),
        secret_sealed: "sealed-1".to_owned(),
        event_types: Vec::new(),
        max_in_flight,
        retry_schedule: RetrySchedule::default(),
    }
}

pub fn event(merchant: MerchantId, payment: Option<PaymentId>, endpoints: &[&Endpoint]) -> NewEvent {
    NewEvent {
        id: EventId::generate(),
        merchant_id: merchant,
        event_type: "payment.succeeded",
        payment_id: payment,
        payload: json!({"amount": {"amount": "10.45", "currency": "RUB"}}),
        created_at: now(),
        deliveries: endpoints
            .iter()
            .map(|endpoint| NewDelivery {
                endpoint_id: endpoint.id,
            })
            .collect(),
    }
}

pub fn rubles(kopecks: i64) -> Money {
    Money::from_minor(kopecks, Currency::RUB)
}

/// Databases keep microseconds.
pub fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(6)
}

pub fn seconds(seconds: i64) -> TimeDelta {
    TimeDelta::seconds(seconds)
}

/// 2023-06-15 12:00 in Moscow.
pub fn moscow_noon() -> DateTime<Utc> {
    "2023-06-15T09:00:00Z".parse().unwrap()
}
