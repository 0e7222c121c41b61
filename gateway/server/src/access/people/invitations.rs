//! Invitations: a link that makes one person a member, once, within its time.

use chrono::{DateTime, Duration, Utc};
use plugin_sdk::{InvitationId, MerchantId, PersonId};
use secrecy::{ExposeSecret, SecretString};
use store::{Invitation, NewPerson, Person, StoreError};

use super::{Browser, Opened, People, PeopleError, normal_email};
use crate::access::guesses::Attempt;
use crate::access::roles::Role;
use crate::access::session_tokens::{random_token, token_hash};

/// A link opens for so long.
const LIFE: Duration = Duration::days(7);

/// A new invitation. The token is in no other place.
pub struct Invited {
    pub invitation: Invitation,
    pub token: SecretString,
}

/// What whoever opens the link is told.
pub struct InvitationSeen {
    pub email: String,
    pub role: String,
    pub merchant: Option<MerchantId>,
    pub expires_at: DateTime<Utc>,
    /// The e-mail belongs to somebody who is known: the password is asked for, not chosen.
    pub known: bool,
}

impl People {
    /// Invites somebody to a merchant, or among the operators.
    pub async fn invite(
        &self,
        merchant: Option<MerchantId>,
        email: &str,
        role: Role,
        invited_by: &str,
    ) -> Result<Invited, PeopleError> {
        if role.is_operator() != merchant.is_none() {
            let roles = if merchant.is_none() {
                &Role::OPERATORS[..]
            } else {
                &Role::STAFF[..]
            };
            let roles: Vec<&str> = roles.iter().map(|role| role.as_str()).collect();
            return Err(PeopleError::field("role", format!("is one of: {}", roles.join(", "))));
        }
        let email = normal_email(email)?;
        self.not_there_yet(merchant, &email).await?;
        let (now, token) = (self.clock.now(), random_token()?);
        let invitation = Invitation {
            id: InvitationId::generate(),
            token_hash: token_hash(token.expose_secret()),
            email,
            merchant_id: merchant,
            role: role.as_str().to_owned(),
            invited_by: invited_by.to_owned(),
            expires_at: now + LIFE,
            created_at: now,
        };
        self.store.create_invitation(&invitation).await?;
        Ok(Invited { invitation, token })
    }

    async fn not_there_yet(&self, merchant: Option<MerchantId>, email: &str) -> Result<(), PeopleError> {
        let Some(known) = self.store.person_by_email(email).await? else {
            return Ok(());
        };
        let there = match merchant {
            Some(merchant) => {
                (self.store.memberships_of(known.id).await?.iter()).any(|here| here.merchant_id == merchant)
            }
            None => known.operator_role.is_some(),
        };
        if there {
            return Err(StoreError::Exists("this person's membership").into());
        }
        Ok(())
    }

    pub async fn invitation(&self, token: &str, browser: &Browser<'_>) -> Result<InvitationSeen, PeopleError> {
        let invitation = self.open_invitation(token, browser).await?;
        let known = self.store.person_by_email(&invitation.email).await?;
        Ok(InvitationSeen {
            known: known.is_some_and(|person| person.password_hash.is_some()),
            email: invitation.email,
            role: invitation.role,
            merchant: invitation.merchant_id,
            expires_at: invitation.expires_at,
        })
    }

    async fn open_invitation(&self, token: &str, browser: &Browser<'_>) -> Result<Invitation, PeopleError> {
        let attempt = Attempt::new("invitation", browser.address, None);
        self.not_too_often(&attempt).await?;
        let now = self.clock.now();
        match self.store.invitation(&token_hash(token), now).await {
            Ok(invitation) => Ok(invitation),
            Err(error @ StoreError::NotFound(_)) => {
                attempt.failed(&self.store, now).await?;
                Err(error.into())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Takes the invitation up: with a name and a new password, or with the password of the person that is known.
    pub async fn accept(
        &self,
        token: &str,
        name: &str,
        password: SecretString,
        browser: &Browser<'_>,
    ) -> Result<Opened, PeopleError> {
        let invitation = self.open_invitation(token, browser).await?;
        let known = self.store.person_by_email(&invitation.email).await?;
        let new = match known {
            // A link is also in the hands of whoever invited: it must not open what only the provider opens.
            Some(person) if person.password_hash.is_none() => {
                let message =
                    "this person signs in by the OpenID provider; sign in there, and the invitation is taken up";
                return Err(PeopleError::field("password", message));
            }
            Some(person) => self.proven(&person, password, browser).await?,
            None => self.new_person(&invitation.email, name, password, None).await?,
        };
        let person = self.store.accept_invitation(&invitation, new, self.clock.now()).await?;
        self.known.invalidate_all();
        if person.factor_sealed.is_some() {
            // The invitation proves the mailbox and the password, not the second factor.
            return Err(PeopleError::CodeWanted);
        }
        self.open_session(person, browser, false).await
    }

    async fn proven(
        &self,
        person: &Person,
        password: SecretString,
        browser: &Browser<'_>,
    ) -> Result<NewPerson, PeopleError> {
        let attempt = Attempt::new(&person.email, browser.address, None);
        self.not_too_often(&attempt).await?;
        let hash = person
            .password_hash
            .clone()
            .unwrap_or_else(|| self.nobodys_hash.to_string());
        if !person.active || !self.verify(password, hash.clone()).await? {
            attempt.failed(&self.store, self.clock.now()).await?;
            return Err(PeopleError::field(
                "password",
                "is not the password of this e-mail here",
            ));
        }
        Ok(NewPerson {
            id: PersonId::generate(),
            email: person.email.clone(),
            name: person.name.clone(),
            password_hash: Some(hash),
            operator_role: None,
        })
    }
}
