use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "list_imports")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub merchant_id: String,
    pub list: String,
    pub format: String,
    pub status: String,
    pub generation: i64,
    pub bytes_total: i64,
    pub bytes_read: i64,
    pub rows_read: i64,
    pub rows_stored: i64,
    pub rows_repeated: i64,
    #[sea_orm(column_type = "JsonBinary")]
    pub errors: Json,
    pub lease_until: DateTimeUtc,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
