use sea_orm::entity::prelude::*;
use serde::Serialize;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize)]
#[sea_orm(table_name = "payments")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub merchant_id: String,
    pub connection_id: String,
    pub channel: String,
    pub key1: String,
    pub key2: String,
    pub number: i64,
    pub account: String,
    pub amount_minor: i64,
    pub currency: String,
    pub exponent: i32,
    pub fee_minor: Option<i64>,
    pub currency_text: Option<String>,
    pub service: Option<String>,
    pub status: String,
    pub reason: Option<String>,
    pub answer: String,
    pub booked_text: Option<String>,
    #[serde(serialize_with = "crate::moment::serialize_option")]
    pub booked_at: Option<DateTimeUtc>,
    pub booking_suspect: bool,
    #[sea_orm(column_type = "JsonBinary")]
    pub extras: Json,
    #[serde(serialize_with = "crate::moment::serialize")]
    pub received_at: DateTimeUtc,
    #[serde(serialize_with = "crate::moment::serialize")]
    pub created_at: DateTimeUtc,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
