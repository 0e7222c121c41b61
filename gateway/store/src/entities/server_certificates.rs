use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "server_certificates")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub merchant_id: Option<String>,
    #[sea_orm(column_type = "JsonBinary")]
    pub names: Json,
    pub client_certificates: String,
    pub identity_sealed: String,
    #[sea_orm(column_type = "JsonBinary")]
    pub info: Json,
    pub not_after: DateTimeUtc,
    pub version: i64,
    pub created_by: String,
    pub created_at: DateTimeUtc,
    pub removed_at: Option<DateTimeUtc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
