use sea_orm::entity::prelude::*;
use serde::Serialize;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize)]
#[sea_orm(table_name = "api_keys")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub merchant_id: String,
    pub name: String,
    pub hash: String,
    pub public_key: Option<String>,
    #[sea_orm(column_type = "JsonBinary")]
    pub scopes: Json,
    #[serde(serialize_with = "crate::moment::serialize_option")]
    pub expires_at: Option<DateTimeUtc>,
    #[serde(serialize_with = "crate::moment::serialize_option")]
    pub revoked_at: Option<DateTimeUtc>,
    #[serde(serialize_with = "crate::moment::serialize_option")]
    pub used_at: Option<DateTimeUtc>,
    #[serde(serialize_with = "crate::moment::serialize")]
    pub created_at: DateTimeUtc,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
