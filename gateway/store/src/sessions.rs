//! Sessions of people, and what slows guesses at their passwords down.

use chrono::{DateTime, Utc};
use plugin_sdk::{PersonId, SessionId};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{
    ColumnTrait, EntityTrait, ExprTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect, TransactionTrait,
};

use crate::entities::{installation_secrets, sessions, sign_in_failures};
use crate::merchants::read_id;
use crate::{Store, StoreError};

/// Sessions in one list.
const SESSIONS_MAX: u64 = 100;

/// Somebody's browser, from signing in until it ends.
#[derive(Clone)]
pub struct Session {
    pub id: SessionId,
    pub person_id: PersonId,
    /// SHA-256 of the token that refreshes it, in hexadecimal digits.
    pub refresh_hash: String,
    /// Of the token before it.
    pub refresh_hash_before: Option<String>,
    pub refreshed_at: Option<DateTime<Utc>>,
    pub address: String,
    pub user_agent: String,
    pub expires_at: DateTime<Utc>,
    pub ended_at: Option<DateTime<Utc>>,
    pub ended_why: Option<String>,
    pub created_at: DateTime<Utc>,
    /// An OpenID provider asked for a second factor, and the settings believe that.
    pub second_factor_vouched: bool,
}

/// Wrong attempts at one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignInFailures {
    pub count: i32,
    pub last_at: DateTime<Utc>,
}

impl Store {
    pub async fn create_session(&self, session: &Session) -> Result<(), StoreError> {
        let row = sessions::Model {
            id: session.id.to_string(),
            person_id: session.person_id.to_string(),
            refresh_hash: session.refresh_hash.clone(),
            refresh_hash_before: session.refresh_hash_before.clone(),
            refreshed_at: session.refreshed_at,
            address: session.address.clone(),
            user_agent: session.user_agent.clone(),
            expires_at: session.expires_at,
            ended_at: session.ended_at,
            ended_why: session.ended_why.clone(),
            created_at: session.created_at,
            second_factor_vouched: session.second_factor_vouched,
        };
        sessions::Entity::insert(row.into_active_model())
            .exec_without_returning(&self.writes)
            .await?;
        Ok(())
    }

    pub async fn session(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        let row = sessions::Entity::find_by_id(id.to_string()).one(&self.reads).await?;
        row.map(Session::read).transpose()
    }

    /// A person's open sessions, newest first.
    pub async fn sessions_of(&self, person: PersonId, now: DateTime<Utc>) -> Result<Vec<Session>, StoreError> {
        let rows = sessions::Entity::find()
            .filter(sessions::Column::PersonId.eq(person.to_string()))
            .filter(sessions::Column::EndedAt.is_null())
            .filter(sessions::Column::ExpiresAt.gt(now))
            .order_by_desc(sessions::Column::Id)
            .limit(SESSIONS_MAX)
            .all(&self.reads)
            .await?;
        rows.into_iter().map(Session::read).collect()
    }

    /// Gives the session its next token, if `from` is still its token: of several that come at once, one is served.
    pub async fn rotate_session(
        &self,
        id: SessionId,
        from: &str,
        to: &str,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let rotated = sessions::Entity::update_many()
            .col_expr(sessions::Column::RefreshHash, Expr::value(to))
            .col_expr(sessions::Column::RefreshHashBefore, Expr::value(from))
            .col_expr(sessions::Column::RefreshedAt, Expr::value(now))
            .filter(sessions::Column::Id.eq(id.to_string()))
            .filter(sessions::Column::RefreshHash.eq(from))
            .filter(sessions::Column::EndedAt.is_null())
            .exec(&self.writes)
            .await?;
        Ok(rotated.rows_affected == 1)
    }

    /// Ends one session of a person.
    pub async fn end_session(
        &self,
        person: PersonId,
        id: SessionId,
        why: &str,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let ended = sessions::Entity::update_many()
            .col_expr(sessions::Column::EndedAt, Expr::value(now))
            .col_expr(sessions::Column::EndedWhy, Expr::value(why))
            .filter(sessions::Column::Id.eq(id.to_string()))
            .filter(sessions::Column::PersonId.eq(person.to_string()))
            .filter(sessions::Column::EndedAt.is_null())
            .exec(&self.writes)
            .await?;
        if ended.rows_affected == 0 {
            return Err(StoreError::NotFound("this session"));
        }
        Ok(())
    }

    /// Ends all sessions of a person but one.
    pub async fn end_sessions(
        &self,
        person: PersonId,
        but: Option<SessionId>,
        why: &str,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let mut ending = sessions::Entity::update_many()
            .col_expr(sessions::Column::EndedAt, Expr::value(now))
            .col_expr(sessions::Column::EndedWhy, Expr::value(why))
            .filter(sessions::Column::PersonId.eq(person.to_string()))
            .filter(sessions::Column::EndedAt.is_null());
        if let Some(but) = but {
            ending = ending.filter(sessions::Column::Id.ne(but.to_string()));
        }
        ending.exec(&self.writes).await?;
        Ok(())
    }

    pub async fn sign_in_failures(&self, place: &str) -> Result<Option<SignInFailures>, StoreError> {
        let row = sign_in_failures::Entity::find_by_id(place).one(&self.reads).await?;
        Ok(row.map(|row| SignInFailures {
            count: row.failures,
            last_at: row.last_at,
        }))
    }

    /// One more wrong attempt at each place. Those before `forgotten` no longer count.
    pub async fn count_sign_in_failure(
        &self,
        places: &[String],
        forgotten: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        use sign_in_failures::Column;
        let transaction = self.writes.begin().await?;
        sign_in_failures::Entity::delete_many()
            .filter(Column::LastAt.lt(forgotten))
            .exec(&transaction)
            .await?;
        for place in places {
            let row = sign_in_failures::Model {
                place: place.clone(),
                failures: 1,
                last_at: now,
            };
            let count = Expr::col((sign_in_failures::Entity, Column::Failures)).add(1);
            sign_in_failures::Entity::insert(row.into_active_model())
                .on_conflict(
                    OnConflict::column(Column::Place)
                        .value(Column::Failures, count)
                        .value(Column::LastAt, now)
                        .to_owned(),
                )
                .exec_without_returning(&transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    pub async fn forget_sign_in_failures(&self, place: &str) -> Result<(), StoreError> {
        sign_in_failures::Entity::delete_by_id(place).exec(&self.writes).await?;
        Ok(())
    }

    /// A secret that the installation made for itself, sealed: the one that is there, or else `fresh`, for all nodes.
    pub async fn installation_secret(&self, name: &str, fresh: &str, now: DateTime<Utc>) -> Result<String, StoreError> {
        let row = installation_secrets::Model {
            name: name.to_owned(),
            sealed: fresh.to_owned(),
            created_at: now,
        };
        installation_secrets::Entity::insert(row.into_active_model())
            .on_conflict(
                OnConflict::column(installation_secrets::Column::Name)
                    .do_nothing()
                    .to_owned(),
            )
            .exec_without_returning(&self.writes)
            .await?;
        let row = installation_secrets::Entity::find_by_id(name).one(&self.writes).await?;
        Ok(row.ok_or(StoreError::NotFound("this secret"))?.sealed)
    }

    /// Forgets a secret of the installation, if it is still this one.
    pub async fn forget_installation_secret(&self, name: &str, sealed: &str) -> Result<(), StoreError> {
        installation_secrets::Entity::delete_many()
            .filter(installation_secrets::Column::Name.eq(name))
            .filter(installation_secrets::Column::Sealed.eq(sealed))
            .exec(&self.writes)
            .await?;
        Ok(())
    }
}

impl Session {
    fn read(row: sessions::Model) -> Result<Self, StoreError> {
        Ok(Self {
            id: read_id(&row.id)?,
            person_id: read_id(&row.person_id)?,
            refresh_hash: row.refresh_hash,
            refresh_hash_before: row.refresh_hash_before,
            refreshed_at: row.refreshed_at,
            address: row.address,
            user_agent: row.user_agent,
            expires_at: row.expires_at,
            ended_at: row.ended_at,
            ended_why: row.ended_why,
            created_at: row.created_at,
            second_factor_vouched: row.second_factor_vouched,
        })
    }
}
