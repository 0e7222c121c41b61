//! People and what they belong to. A person is of the whole installation; a membership is of one merchant.

use chrono::{DateTime, Utc};
use plugin_sdk::{MembershipId, MerchantId, PersonId};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter,
    QueryOrder, QuerySelect, TransactionTrait,
};

use crate::entities::{memberships, merchants, people, recovery_codes, sessions};
use crate::merchants::read_id;
use crate::{MerchantStatus, Store, StoreError};

/// People in one list, and memberships of one person, at most.
const PEOPLE_MAX: u64 = 1_000;

/// Somebody who signs in.
#[derive(Clone)]
pub struct Person {
    pub id: PersonId,
    /// In lower case.
    pub email: String,
    pub name: String,
    /// Argon2id, PHC format.
    pub password_hash: Option<String>,
    pub active: bool,
    /// `owner`, `operator`, `auditor`; `None` for merchants' staff.
    pub operator_role: Option<String>,
    /// Sealed secret of the second factor.
    pub factor_sealed: Option<String>,
    /// One that was not confirmed yet.
    pub factor_waiting_sealed: Option<String>,
    /// Last time step whose code was taken.
    pub factor_step: i64,
    pub created_at: DateTime<Utc>,
}

/// What a person is at one merchant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    pub merchant_id: MerchantId,
    pub merchant_slug: String,
    pub merchant_name: String,
    pub person_id: PersonId,
    /// `admin`, `developer`, `support`, `viewer`.
    pub role: String,
}

#[derive(Clone)]
pub struct NewPerson {
    pub id: PersonId,
    pub email: String,
    pub name: String,
    pub password_hash: Option<String>,
    pub operator_role: Option<String>,
}

/// Absent means unchanged.
#[derive(Clone, Default)]
pub struct PersonChange {
    pub name: Option<String>,
    pub password_hash: Option<String>,
    pub active: Option<bool>,
    pub operator_role: Option<Option<String>>,
    pub factor_sealed: Option<Option<String>>,
    pub factor_waiting_sealed: Option<Option<String>>,
}

impl Store {
    /// Whether nobody is an owner yet.
    pub async fn has_no_owner(&self) -> Result<bool, StoreError> {
        let owners = people::Entity::find().filter(people::Column::OperatorRole.eq("owner"));
        Ok(owners.count(&self.reads).await? == 0)
    }

    /// The first owner; refused when there is one.
    pub async fn create_first_owner(&self, new: NewPerson, now: DateTime<Utc>) -> Result<Person, StoreError> {
        let transaction = self.writes.begin().await?;
        // Whoever comes at the same moment waits here, and finds the owner.
        crate::merchants::next_config_version(&transaction).await?;
        let owners = people::Entity::find().filter(people::Column::OperatorRole.eq("owner"));
        if owners.count(&transaction).await? > 0 {
            return Err(StoreError::Exists("an owner"));
        }
        let person = insert_person(&transaction, new, now).await?;
        transaction.commit().await?;
        Ok(person)
    }

    pub async fn create_person(&self, new: NewPerson, now: DateTime<Utc>) -> Result<Person, StoreError> {
        insert_person(&self.writes, new, now).await
    }

    pub async fn person(&self, id: PersonId) -> Result<Person, StoreError> {
        let row = people::Entity::find_by_id(id.to_string()).one(&self.reads).await?;
        Person::read(row.ok_or(StoreError::NotFound("this person"))?)
    }

    pub async fn person_by_email(&self, email: &str) -> Result<Option<Person>, StoreError> {
        let row = people::Entity::find()
            .filter(people::Column::Email.eq(email))
            .one(&self.reads)
            .await?;
        row.map(Person::read).transpose()
    }

    /// Operators, oldest first.
    pub async fn operators(&self) -> Result<Vec<Person>, StoreError> {
        let rows = people::Entity::find()
            .filter(people::Column::OperatorRole.is_not_null())
            .order_by_asc(people::Column::Id)
            .limit(PEOPLE_MAX)
            .all(&self.reads)
            .await?;
        rows.into_iter().map(Person::read).collect()
    }

    pub async fn change_person(
        &self,
        id: PersonId,
        change: PersonChange,
        now: DateTime<Utc>,
    ) -> Result<Person, StoreError> {
        let mut row = people::ActiveModel {
            id: Set(id.to_string()),
            updated_at: Set(now),
            ..Default::default()
        };
        if let Some(name) = change.name {
            row.name = Set(name);
        }
        if let Some(hash) = change.password_hash {
            row.password_hash = Set(Some(hash));
        }
        if let Some(active) = change.active {
            row.status = Set(status(active).to_owned());
        }
        if let Some(role) = change.operator_role {
            row.operator_role = Set(role);
        }
        if let Some(sealed) = change.factor_sealed {
            row.factor_sealed = Set(sealed);
        }
        if let Some(sealed) = change.factor_waiting_sealed {
            row.factor_waiting_sealed = Set(sealed);
        }
        row.update(&self.writes).await?;
        self.person(id).await
    }

    /// Owners that can sign in, beside this one.
    pub async fn other_owners(&self, id: PersonId) -> Result<u64, StoreError> {
        let others = people::Entity::find()
            .filter(people::Column::OperatorRole.eq("owner"))
            .filter(people::Column::Status.eq(status(true)))
            .filter(people::Column::Id.ne(id.to_string()));
        Ok(others.count(&self.reads).await?)
    }

    /// Takes the code of a time step, once: `false` when it, or a later one, was taken already.
    pub async fn take_factor_step(&self, id: PersonId, step: i64) -> Result<bool, StoreError> {
        let taken = people::Entity::update_many()
            .col_expr(people::Column::FactorStep, Expr::value(step))
            .filter(people::Column::Id.eq(id.to_string()))
            .filter(people::Column::FactorStep.lt(step))
            .exec(&self.writes)
            .await?;
        Ok(taken.rows_affected == 1)
    }

    /// Replaces the recovery codes; given as hashes.
    pub async fn set_recovery_codes(&self, id: PersonId, hashes: &[String]) -> Result<(), StoreError> {
        let transaction = self.writes.begin().await?;
        recovery_codes::Entity::delete_many()
            .filter(recovery_codes::Column::PersonId.eq(id.to_string()))
            .exec(&transaction)
            .await?;
        let rows = hashes.iter().map(|hash| {
            recovery_codes::Model {
                hash: hash.clone(),
                person_id: id.to_string(),
                used_at: None,
            }
            .into_active_model()
        });
        if !hashes.is_empty() {
            recovery_codes::Entity::insert_many(rows)
                .exec_without_returning(&transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Uses a recovery code up; `false` when it is none, or was used.
    pub async fn take_recovery_code(&self, id: PersonId, hash: &str, now: DateTime<Utc>) -> Result<bool, StoreError> {
        let taken = recovery_codes::Entity::update_many()
            .col_expr(recovery_codes::Column::UsedAt, Expr::value(now))
            .filter(recovery_codes::Column::Hash.eq(hash))
            .filter(recovery_codes::Column::PersonId.eq(id.to_string()))
            .filter(recovery_codes::Column::UsedAt.is_null())
            .exec(&self.writes)
            .await?;
        Ok(taken.rows_affected == 1)
    }

    pub async fn recovery_codes_left(&self, id: PersonId) -> Result<u64, StoreError> {
        let left = recovery_codes::Entity::find()
            .filter(recovery_codes::Column::PersonId.eq(id.to_string()))
            .filter(recovery_codes::Column::UsedAt.is_null());
        Ok(left.count(&self.reads).await?)
    }

    /// What a person is, and where; deleted merchants left out.
    pub async fn memberships_of(&self, person: PersonId) -> Result<Vec<Membership>, StoreError> {
        let rows = memberships::Entity::find()
            .filter(memberships::Column::PersonId.eq(person.to_string()))
            .order_by_asc(memberships::Column::Id)
            .limit(PEOPLE_MAX)
            .all(&self.reads)
            .await?;
        let ids: Vec<&str> = rows.iter().map(|row| row.merchant_id.as_str()).collect();
        let known = merchants::Entity::find()
            .filter(merchants::Column::Id.is_in(ids))
            .filter(merchants::Column::Status.ne(MerchantStatus::Deleted.as_str()))
            .all(&self.reads)
            .await?;
        let mut found = Vec::with_capacity(rows.len());
        for row in rows {
            let Some(merchant) = known.iter().find(|merchant| merchant.id == row.merchant_id) else {
                continue;
            };
            found.push(Membership {
                merchant_id: read_id(&row.merchant_id)?,
                merchant_slug: merchant.slug.clone(),
                merchant_name: merchant.name.clone(),
                person_id: person,
                role: row.role,
            });
        }
        Ok(found)
    }

    /// A merchant's staff with their roles, oldest first.
    pub async fn staff(&self, merchant: MerchantId) -> Result<Vec<(Person, String)>, StoreError> {
        let rows = memberships::Entity::find()
            .filter(memberships::Column::MerchantId.eq(merchant.to_string()))
            .order_by_asc(memberships::Column::Id)
            .limit(PEOPLE_MAX)
            .all(&self.reads)
            .await?;
        let ids: Vec<&str> = rows.iter().map(|row| row.person_id.as_str()).collect();
        let known = people::Entity::find()
            .filter(people::Column::Id.is_in(ids))
            .all(&self.reads)
            .await?;
        let mut staff = Vec::with_capacity(rows.len());
        for row in rows {
            if let Some(person) = known.iter().find(|person| person.id == row.person_id) {
                staff.push((Person::read(person.clone())?, row.role));
            }
        }
        Ok(staff)
    }

    pub async fn add_member(
        &self,
        merchant: MerchantId,
        person: PersonId,
        role: &str,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        add_member(&self.writes, merchant, person, role, now).await
    }

    pub async fn change_member(&self, merchant: MerchantId, person: PersonId, role: &str) -> Result<(), StoreError> {
        let changed = memberships::Entity::update_many()
            .col_expr(memberships::Column::Role, Expr::value(role))
            .filter(memberships::Column::MerchantId.eq(merchant.to_string()))
            .filter(memberships::Column::PersonId.eq(person.to_string()))
            .exec(&self.writes)
            .await?;
        if changed.rows_affected == 0 {
            return Err(StoreError::NotFound("this person"));
        }
        Ok(())
    }

    /// Ends the membership; the person stays, and so do its other memberships.
    pub async fn remove_member(&self, merchant: MerchantId, person: PersonId) -> Result<(), StoreError> {
        let removed = memberships::Entity::delete_many()
            .filter(memberships::Column::MerchantId.eq(merchant.to_string()))
            .filter(memberships::Column::PersonId.eq(person.to_string()))
            .exec(&self.writes)
            .await?;
        if removed.rows_affected == 0 {
            return Err(StoreError::NotFound("this person"));
        }
        Ok(())
    }

    /// When each of these people was last here.
    pub async fn last_seen(&self, people: &[PersonId]) -> Result<Vec<(PersonId, DateTime<Utc>)>, StoreError> {
        let ids: Vec<String> = people.iter().map(PersonId::to_string).collect();
        let rows: Vec<(String, Option<DateTime<Utc>>)> = sessions::Entity::find()
            .select_only()
            .column(sessions::Column::PersonId)
            .column_as(sessions::Column::RefreshedAt.max(), "seen")
            .filter(sessions::Column::PersonId.is_in(ids))
            .group_by(sessions::Column::PersonId)
            .into_tuple()
            .all(&self.reads)
            .await?;
        rows.into_iter()
            .filter_map(|(id, seen)| seen.map(|seen| Ok((read_id(&id)?, seen))))
            .collect()
    }
}

pub(crate) async fn insert_person(
    connection: &impl ConnectionTrait,
    new: NewPerson,
    now: DateTime<Utc>,
) -> Result<Person, StoreError> {
    let row = people::Model {
        id: new.id.to_string(),
        email: new.email,
        name: new.name,
        password_hash: new.password_hash,
        status: status(true).to_owned(),
        operator_role: new.operator_role,
        factor_sealed: None,
        factor_waiting_sealed: None,
        factor_step: 0,
        created_at: now,
        updated_at: now,
    };
    people::Entity::insert(row.clone().into_active_model())
        .exec_without_returning(connection)
        .await
        .map_err(|error| StoreError::or_exists(error, "a person of this e-mail"))?;
    Person::read(row)
}

pub(crate) async fn add_member(
    connection: &impl ConnectionTrait,
    merchant: MerchantId,
    person: PersonId,
    role: &str,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let row = memberships::Model {
        id: MembershipId::generate().to_string(),
        merchant_id: merchant.to_string(),
        person_id: person.to_string(),
        role: role.to_owned(),
        created_at: now,
    };
    memberships::Entity::insert(row.into_active_model())
        .exec_without_returning(connection)
        .await
        .map_err(|error| StoreError::or_exists(error, "this person's membership"))?;
    Ok(())
}

const fn status(active: bool) -> &'static str {
    if active { "active" } else { "disabled" }
}

impl Person {
    pub(crate) fn read(row: people::Model) -> Result<Self, StoreError> {
        Ok(Self {
            id: read_id(&row.id)?,
            email: row.email,
            name: row.name,
            password_hash: row.password_hash,
            active: row.status == status(true),
            operator_role: row.operator_role,
            factor_sealed: row.factor_sealed,
            factor_waiting_sealed: row.factor_waiting_sealed,
            factor_step: row.factor_step,
            created_at: row.created_at,
        })
    }
}
