use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "settlement_notes")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub connection_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub key1: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub key2: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub outcome: String,
    pub merchant_id: String,
    pub note: String,
    pub resolved: bool,
    pub author: String,
    pub updated_at: DateTimeUtc,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
