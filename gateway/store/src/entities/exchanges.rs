use sea_orm::entity::prelude::*;
use serde::Serialize;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize)]
#[sea_orm(table_name = "exchanges")]
pub struct Model {
    #[sea_orm(primary_key)]
    #[serde(skip)]
    pub id: i64,
    pub request_id: String,
    pub merchant_id: Option<String>,
    pub connection_id: Option<String>,
    pub payment_id: Option<String>,
    pub direction: String,
    pub peer: String,
    pub method: String,
    pub url: String,
    #[sea_orm(column_type = "JsonBinary")]
    pub request_headers: Json,
    pub request_body: String,
    pub status: i32,
    pub response_body: String,
    pub duration_us: i64,
    #[serde(serialize_with = "crate::moment::serialize")]
    pub created_at: DateTimeUtc,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
