use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "rule_canaries")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub merchant_id: String,
    pub revision: i32,
    pub share_bp: i32,
    #[sea_orm(column_type = "JsonBinary")]
    pub bounds: Json,
    pub status: String,
    #[sea_orm(column_type = "JsonBinary")]
    pub counts: Json,
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub reason: Option<Json>,
    pub author: String,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
