//! Finds things by any identifier that somebody has of them. Every question is a probe of an index: one for each of the
//! merchants that are asked, not for each of their payments.

use plugin_sdk::{
    ApiKeyId, ConnectionId, DecisionId, DeliveryId, EndpointId, EventId, MerchantId, OperationId, SettlementId,
};
use sea_orm::{ColumnTrait, DatabaseBackend, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Value};

use crate::bigint::bigint;
use crate::entities::{merchants, payments};
use crate::merchants::read_id;
use crate::{Cursor, Merchant, MerchantStatus, PAGE_SIZE_MAX, Payment, PaymentFilter, Store, StoreError};

/// Merchants, or connections, that one search probes: the newest.
const PROBED_MAX: u64 = 5_000;
/// Hits of one kind.
const HITS_MAX: u64 = 10;

/// Where a search looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    Merchants(Vec<MerchantId>),
    /// For operators.
    Installation,
}

/// Something that is called so, and not a payment.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    pub merchant_id: MerchantId,
    /// `event`, `delivery`, `decision`, `endpoint`, `connection`, `api_key`, `settlement` or `list`.
    pub kind: &'static str,
    pub id: String,
    /// What people call it.
    pub name: String,
    /// The payment that it is about.
    pub payment_id: Option<String>,
}

/// Where a kind of thing is found by its id: table, column of its name, column of its payment.
const BY_ID: [(&str, &str, &str, &str, &str); 7] = [
    (EventId::PREFIX, "event", "events", "event_type", "payment_id"),
    (DeliveryId::PREFIX, "delivery", "deliveries", "status", "payment_id"),
    (DecisionId::PREFIX, "decision", "decisions", "outcome", "payment_id"),
    (EndpointId::PREFIX, "endpoint", "webhook_endpoints", "url", "NULL"),
    (ConnectionId::PREFIX, "connection", "connections", "slug", "NULL"),
    (ApiKeyId::PREFIX, "api_key", "api_keys", "name", "NULL"),
    (
        SettlementId::PREFIX,
        "settlement",
        "settlement_files",
        "file_name",
        "NULL",
    ),
];
/// Where a kind of thing is found by the name that its merchant gave it.
const BY_NAME: [(&str, &str, &str, &str); 2] = [
    ("connection", "connections", "slug", "AND t.status <> 'deleted'"),
    ("list", "lists", "name", ""),
];

impl Reach {
    fn condition(&self, column: &str, values: &mut Vec<Value>) -> String {
        let Self::Merchants(ids) = self else {
            return "1 = 1".to_owned();
        };
        let places: Vec<String> = ids
            .iter()
            .map(|id| {
                values.push(id.to_string().into());
                format!("${}", values.len())
            })
            .collect();
        if places.is_empty() {
            return "1 = 0".to_owned();
        }
        format!("{column} IN ({})", places.join(", "))
    }

    fn holds(&self, merchant: MerchantId) -> bool {
        match self {
            Self::Merchants(ids) => ids.contains(&merchant),
            Self::Installation => true,
        }
    }
}

impl Store {
    /// Payments of that id, number, network's key, account or order, the newest first.
    pub async fn payments_called(&self, reach: &Reach, text: &str) -> Result<Vec<Payment>, StoreError> {
        if let Reach::Merchants(ids) = reach
            && let [merchant] = ids.as_slice()
        {
            let filter = PaymentFilter {
                search: Some(text.to_owned()),
                ..PaymentFilter::default()
            };
            let newest = Cursor::new(None, Some(HITS_MAX));
            return Ok(self.payments(*merchant, &filter, &newest).await?.items);
        }
        let mut ids = vec![text.to_owned()];
        ids.extend(self.payments_of_operation(text).await?);
        ids.extend(self.probe(reach, "connections", "connection_id", "key1", text).await?);
        ids.extend(self.probe(reach, "merchants", "merchant_id", "account", text).await?);
        ids.extend(self.probe_orders(reach, "order_id", text).await?);
        ids.extend(self.probe_orders(reach, "network_id", text).await?);
        let mut named = sea_orm::Condition::any().add(payments::Column::Id.is_in(ids));
        if let Ok(number) = text.parse::<i64>() {
            named = named.add(payments::Column::Number.eq(number));
        }
        let rows = payments::Entity::find()
            .filter(named)
            .order_by_desc(payments::Column::Id)
            .limit(PROBED_MAX)
            .all(&self.reads)
            .await?;
        let read = rows.into_iter().map(Payment::read).collect::<Result<Vec<_>, _>>()?;
        let mine = read.into_iter().filter(|payment| reach.holds(payment.merchant_id));
        Ok(mine.take(usize::try_from(HITS_MAX).unwrap_or(usize::MAX)).collect())
    }

    /// One payment of each merchant, or connection, whose column says so.
    async fn probe(
        &self,
        reach: &Reach,
        owners: &str,
        owner: &str,
        column: &str,
        text: &str,
    ) -> Result<Vec<String>, StoreError> {
        let newest = match owner {
            "merchant_id" => "ORDER BY p.merchant_id DESC, p.account DESC, p.id DESC",
            _ => "",
        };
        let payment =
            format!("SELECT p.id FROM payments p WHERE p.{owner} = o.id AND p.{column} = $1 {newest} LIMIT 1");
        self.probe_by(reach, owners, &payment, text).await
    }

    async fn probe_orders(&self, reach: &Reach, column: &str, text: &str) -> Result<Vec<String>, StoreError> {
        let payment =
            format!("SELECT p.payment_id FROM orders p WHERE p.merchant_id = o.id AND p.{column} = $1 LIMIT 1");
        self.probe_by(reach, "merchants", &payment, text).await
    }

    async fn probe_by(
        &self,
        reach: &Reach,
        owners: &str,
        payment: &str,
        text: &str,
    ) -> Result<Vec<String>, StoreError> {
        let probed = bigint(PROBED_MAX);
        let hits = bigint(HITS_MAX);
        let mut values: Vec<Value> = vec![text.into(), probed.into(), hits.into()];
        let column = if owners == "merchants" { "o.id" } else { "o.merchant_id" };
        let mine = reach.condition(column, &mut values);
        let sql = format!(
            "SELECT id FROM (
                 SELECT ({payment}) AS id FROM {owners} o WHERE {mine} ORDER BY o.id DESC LIMIT $2) probes
             WHERE id IS NOT NULL LIMIT $3"
        );
        let rows = self.ask(sql, values).await?;
        rows.iter().map(|row| Ok(row.try_get("", "id")?)).collect()
    }

    async fn payments_of_operation(&self, text: &str) -> Result<Option<String>, StoreError> {
        if text.parse::<OperationId>().is_err() {
            return Ok(None);
        }
        let sql = "SELECT payment_id FROM operations WHERE id = $1";
        let rows = self.ask(sql.to_owned(), vec![text.into()]).await?;
        Ok(rows.first().map(|row| row.try_get("", "payment_id")).transpose()?)
    }

    /// Things of that id or name.
    pub async fn things_called(&self, reach: &Reach, text: &str) -> Result<Vec<Found>, StoreError> {
        let mut found = Vec::new();
        let prefix = text.split_once('_').map_or("", |(prefix, _)| prefix);
        for (_, kind, table, name, payment) in BY_ID.into_iter().filter(|(known, ..)| *known == prefix) {
            let mut values: Vec<Value> = vec![text.into()];
            let mine = reach.condition("t.merchant_id", &mut values);
            let sql = format!(
                "SELECT t.merchant_id, t.id, t.{name} AS name, {payment} AS payment_id FROM {table} t
                 WHERE t.id = $1 AND {mine}"
            );
            self.add_found(kind, sql, values, &mut found).await?;
        }
        for (kind, table, name, more) in BY_NAME {
            let hits = bigint(HITS_MAX);
            let probed = bigint(PROBED_MAX);
            let mut values: Vec<Value> = vec![text.into(), probed.into(), hits.into()];
            let mine = reach.condition("o.id", &mut values);
            let sql = format!(
                "SELECT o.id AS merchant_id, t.{name} AS id, t.{name} AS name, NULL AS payment_id
                 FROM (SELECT o.id FROM merchants o WHERE {mine} ORDER BY o.id DESC LIMIT $2) o
                 JOIN {table} t ON t.merchant_id = o.id AND t.{name} = $1 {more} LIMIT $3"
            );
            self.add_found(kind, sql, values, &mut found).await?;
        }
        Ok(found)
    }

    async fn add_found(
        &self,
        kind: &'static str,
        sql: String,
        values: Vec<Value>,
        found: &mut Vec<Found>,
    ) -> Result<(), StoreError> {
        for row in self.ask(sql, values).await? {
            found.push(Found {
                merchant_id: read_id(&row.try_get::<String>("", "merchant_id")?)?,
                kind,
                id: row.try_get("", "id")?,
                name: row.try_get("", "name")?,
                payment_id: row.try_get("", "payment_id")?,
            });
        }
        Ok(())
    }

    /// Merchants whose slug begins so, or whose id this is.
    pub async fn merchants_called(&self, reach: &Reach, text: &str) -> Result<Vec<Merchant>, StoreError> {
        use merchants::Column;
        let mut query = merchants::Entity::find()
            .filter(Column::Status.ne(MerchantStatus::Deleted.as_str()))
            .order_by_asc(Column::Slug)
            .limit(HITS_MAX);
        query = match text.parse::<MerchantId>() {
            Ok(id) => query.filter(Column::Id.eq(id.to_string())),
            // Slugs are of ASCII letters, digits and hyphens: what begins with the text lies before its successor.
            Err(_) => query
                .filter(Column::Slug.gte(text))
                .filter(Column::Slug.lt(format!("{text}~"))),
        };
        if let Reach::Merchants(ids) = reach {
            query = query.filter(Column::Id.is_in(ids.iter().map(ToString::to_string)));
        }
        let rows = query.all(&self.reads).await?;
        rows.into_iter().map(Merchant::read).collect()
    }

    /// Merchants by their ids, at most [`PROBED_MAX`].
    pub async fn merchants_by_ids(&self, ids: &[MerchantId]) -> Result<Vec<Merchant>, StoreError> {
        let rows = merchants::Entity::find()
            .filter(merchants::Column::Id.is_in(ids.iter().map(ToString::to_string)))
            .limit(PROBED_MAX)
            .all(&self.reads)
            .await?;
        rows.into_iter().map(Merchant::read).collect()
    }

    /// Payments that a network calls so, at any connection that the merchant has or had: one probe for each of them.
    pub(crate) async fn payments_of_key(&self, merchant: MerchantId, key: &str) -> Result<Vec<String>, StoreError> {
        let hits = bigint(PAGE_SIZE_MAX);
        let sql = match self.backend() {
            DatabaseBackend::Postgres => {
                "SELECT p.id FROM connections c CROSS JOIN LATERAL (
                     SELECT id FROM payments WHERE connection_id = c.id AND key1 = $2 LIMIT $3) p
                 WHERE c.merchant_id = $1 LIMIT $3"
            }
            _ => {
                "SELECT p.id FROM connections c CROSS JOIN payments p
                 WHERE c.merchant_id = $1 AND p.connection_id = c.id AND p.key1 = $2 LIMIT $3"
            }
        };
        let values = vec![merchant.to_string().into(), key.into(), hits.into()];
        let rows = self.ask(sql.to_owned(), values).await?;
        rows.iter().map(|row| Ok(row.try_get("", "id")?)).collect()
    }
}
