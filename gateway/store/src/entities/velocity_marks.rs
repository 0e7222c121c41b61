use sea_orm::entity::prelude::*;
use serde::Serialize;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize)]
#[sea_orm(table_name = "velocity_marks")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub merchant_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub key_hash: String,
    /// Length of the span; 0 for a single pay.
    #[sea_orm(primary_key, auto_increment = false)]
    pub seconds: i32,
    #[sea_orm(primary_key, auto_increment = false)]
    pub starts_us: i64,
    #[sea_orm(primary_key, auto_increment = false)]
    pub currency: String,
    /// Empty for a span.
    #[sea_orm(primary_key, auto_increment = false)]
    pub payment_id: String,
    pub count: i64,
    pub sum_minor: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
