use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "sessions")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub person_id: String,
    pub refresh_hash: String,
    pub refresh_hash_before: Option<String>,
    pub refreshed_at: Option<DateTimeUtc>,
    pub address: String,
    pub user_agent: String,
    pub expires_at: DateTimeUtc,
    pub ended_at: Option<DateTimeUtc>,
    pub ended_why: Option<String>,
    pub created_at: DateTimeUtc,
    pub second_factor_vouched: bool,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
