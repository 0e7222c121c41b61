use sea_orm::entity::prelude::*;
use serde::Serialize;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize)]
#[sea_orm(table_name = "settlement_rows")]
pub struct Model {
    #[sea_orm(primary_key)]
    #[serde(skip)]
    pub id: i64,
    pub merchant_id: String,
    pub connection_id: String,
    pub settlement_id: String,
    pub outcome: String,
    pub line: Option<i32>,
    pub key1: String,
    pub key2: String,
    pub payment_id: Option<String>,
    pub their_account: Option<String>,
    pub our_account: Option<String>,
    pub their_amount_minor: Option<i64>,
    pub our_amount_minor: Option<i64>,
    pub currency: String,
    #[serde(serialize_with = "crate::moment::serialize_option")]
    pub booked_at: Option<DateTimeUtc>,
    #[serde(serialize_with = "crate::moment::serialize")]
    pub created_at: DateTimeUtc,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
