use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "exports")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub merchant_id: String,
    pub kind: String,
    #[sea_orm(column_type = "JsonBinary")]
    pub filter: Json,
    pub status: String,
    pub requested_by: String,
    pub position: Option<String>,
    pub rows: i64,
    pub bytes: i64,
    pub chunks: i32,
    pub error: Option<String>,
    pub takes: i32,
    pub lease_until: Option<DateTimeUtc>,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
    pub expires_at: DateTimeUtc,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
