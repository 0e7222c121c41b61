//! Operations upstream: the same table as `operations`, with the columns that only these have. A terminal's pay writes
//! the other form, which is shorter by half.

use sea_orm::entity::prelude::*;
use serde::Serialize;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize)]
#[sea_orm(table_name = "operations")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub merchant_id: String,
    pub payment_id: String,
    pub kind: String,
    pub status: String,
    pub reason: Option<String>,
    pub rule_revision: Option<i32>,
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub decision: Option<Json>,
    #[serde(serialize_with = "crate::moment::serialize")]
    pub created_at: DateTimeUtc,
    pub connection_id: Option<String>,
    pub number: Option<i64>,
    pub amount_minor: Option<i64>,
    pub network_id: Option<String>,
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub fault: Option<Json>,
    pub tries: Option<i32>,
    #[serde(serialize_with = "crate::moment::serialize_option")]
    pub check_at: Option<DateTimeUtc>,
    #[serde(serialize_with = "crate::moment::serialize_option")]
    pub updated_at: Option<DateTimeUtc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
