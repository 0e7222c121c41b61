use sea_orm::entity::prelude::*;
use serde::Serialize;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize)]
#[sea_orm(table_name = "deliveries")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub merchant_id: String,
    pub endpoint_id: String,
    pub event_id: String,
    pub payment_id: Option<String>,
    pub status: String,
    pub attempts: i32,
    #[serde(serialize_with = "crate::moment::serialize")]
    pub due_at: DateTimeUtc,
    #[serde(serialize_with = "crate::moment::serialize_option")]
    pub leased_until: Option<DateTimeUtc>,
    pub leased_by: Option<String>,
    #[serde(serialize_with = "crate::moment::serialize_option")]
    pub delivered_at: Option<DateTimeUtc>,
    #[serde(serialize_with = "crate::moment::serialize")]
    pub created_at: DateTimeUtc,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
