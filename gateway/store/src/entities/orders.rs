use sea_orm::entity::prelude::*;
use serde::Serialize;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize)]
#[sea_orm(table_name = "orders")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub payment_id: String,
    pub merchant_id: String,
    pub order_id: Option<String>,
    pub direction: String,
    pub capture_mode: String,
    pub method: String,
    pub authorized_minor: i64,
    pub captured_minor: i64,
    pub reversed_minor: i64,
    pub refunded_minor: i64,
    pub network_id: Option<String>,
    #[sea_orm(column_type = "JsonBinary")]
    pub details: Json,
    #[sea_orm(column_type = "JsonBinary")]
    pub progress: Json,
    #[sea_orm(column_type = "JsonBinary")]
    pub route: Json,
    pub version: i64,
    #[serde(serialize_with = "crate::moment::serialize_option")]
    pub expires_at: Option<DateTimeUtc>,
    #[serde(serialize_with = "crate::moment::serialize")]
    pub updated_at: DateTimeUtc,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl Related<super::payments::Entity> for Entity {
    fn to() -> RelationDef {
        let to_payment = Self::belongs_to(super::payments::Entity).from(Column::PaymentId);
        to_payment.to(super::payments::Column::Id).into()
    }
}

impl Related<super::order_operations::Entity> for Entity {
    fn to() -> RelationDef {
        let to_steps = Self::belongs_to(super::order_operations::Entity).from(Column::PaymentId);
        to_steps.to(super::order_operations::Column::PaymentId).into()
    }
}

impl ActiveModelBehavior for ActiveModel {}
