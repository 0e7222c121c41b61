use sea_orm::entity::prelude::*;
use serde::Serialize;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize)]
#[sea_orm(table_name = "rule_troubles")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub merchant_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub revision: i32,
    pub failures: i64,
    pub kind: String,
    pub message: String,
    pub line: Option<i32>,
    #[serde(serialize_with = "crate::moment::serialize")]
    pub since: DateTimeUtc,
    #[serde(serialize_with = "crate::moment::serialize")]
    pub last_at: DateTimeUtc,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
