use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "rule_shadows")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub merchant_id: String,
    pub id: String,
    #[sea_orm(column_type = "JsonBinary")]
    pub target: Json,
    pub source: String,
    pub author: String,
    pub status: String,
    pub decided: i64,
    pub same: i64,
    pub changed: i64,
    pub not_comparable: i64,
    pub dropped: i64,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
