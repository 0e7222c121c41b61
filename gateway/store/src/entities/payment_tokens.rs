use sea_orm::entity::prelude::*;
use serde::Serialize;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize)]
#[sea_orm(table_name = "payment_tokens")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub merchant_id: String,
    pub connection_id: String,
    pub customer: Option<String>,
    pub token_sealed: String,
    pub masked_pan: Option<String>,
    #[serde(serialize_with = "crate::moment::serialize_option")]
    pub expires_at: Option<DateTimeUtc>,
    pub payment_id: Option<String>,
    #[serde(serialize_with = "crate::moment::serialize")]
    pub created_at: DateTimeUtc,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
