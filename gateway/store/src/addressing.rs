//! Which connection is meant on the path that all share: by its Basic login, or by the name of a host.

use plugin_sdk::MerchantId;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, QueryFilter, Statement};

use crate::entities::connections;
use crate::{Store, StoreError};

impl Store {
    /// Slugs of merchant and connection that a Basic login names; `None` when it names none, or more than one.
    pub async fn connection_by_login(&self, login: &str) -> Result<Option<(String, String)>, StoreError> {
        let sql = "
            SELECT m.slug, c.slug FROM connections c JOIN merchants m ON m.id = c.merchant_id
            WHERE c.basic_login = $1 AND c.status <> 'deleted' AND m.status <> 'deleted' LIMIT 2";
        self.only_connection(sql, login).await
    }

    /// Slugs of merchant and connection that the name of a host means.
    pub async fn connection_by_host(&self, host: &str) -> Result<Option<(String, String)>, StoreError> {
        let sql = "
            SELECT m.slug, c.slug FROM connections c JOIN merchants m ON m.id = c.merchant_id
            WHERE c.host = $1 AND c.status <> 'deleted' AND m.status <> 'deleted' LIMIT 2";
        self.only_connection(sql, host).await
    }

    async fn only_connection(&self, sql: &str, name: &str) -> Result<Option<(String, String)>, StoreError> {
        let statement = Statement::from_sql_and_values(self.backend(), sql, [name.into()]);
        let rows = self.reads.query_all_raw(statement).await?;
        match rows.as_slice() {
            [only] => Ok(Some((only.try_get_by_index(0)?, only.try_get_by_index(1)?))),
            _ => Ok(None),
        }
    }
}

/// Of a merchant that is gone: its hosts may mean somebody else's connections.
pub(crate) async fn give_hosts_back(transaction: &DatabaseTransaction, merchant: MerchantId) -> Result<(), StoreError> {
    connections::Entity::update_many()
        .col_expr(connections::Column::Host, Expr::value(Option::<String>::None))
        .filter(connections::Column::MerchantId.eq(merchant.to_string()))
        .exec(transaction)
        .await?;
    Ok(())
}
