use sea_orm::entity::prelude::*;
use serde::Serialize;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize)]
#[sea_orm(table_name = "decisions")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub merchant_id: String,
    pub connection_id: String,
    pub payment_id: Option<String>,
    pub revision: i32,
    pub handler: String,
    pub command: String,
    pub account: String,
    pub outcome: String,
    pub reason: Option<String>,
    pub steps: i64,
    pub duration_us: i64,
    pub record: String,
    #[serde(serialize_with = "crate::moment::serialize")]
    pub created_at: DateTimeUtc,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
