//! People whom an OpenID provider vouches for. Nobody comes in who was not invited: an e-mail address is a person here, or it
//! has an invitation.

use plugin_sdk::PersonId;
use store::{NewPerson, Person, StoreError};

use super::{Browser, NAME_MAX, Opened, People, PeopleError, normal_email, normal_name};
use crate::access::guesses::Attempt;
use crate::access::single_sign_on::Vouched;

/// How far somebody got whom the provider vouched for.
pub enum Entry {
    Opened(Opened),
    /// There is a second factor, and the provider asked for none.
    CodeWanted(PersonId),
}

impl People {
    /// Signs in whom the provider vouched for. Open invitations of that address are taken up: the provider proves the mailbox
    /// as a link does.
    pub async fn sign_in_vouched(&self, vouched: &Vouched, browser: &Browser<'_>) -> Result<Entry, PeopleError> {
        let email = normal_email(&vouched.email).map_err(|_| PeopleError::NotInvited)?;
        let known = self.store.person_by_email(&email).await?;
        if known.as_ref().is_some_and(|person| !person.active) {
            return Err(PeopleError::NotInvited);
        }
        let invited = self.take_invitations_up(&email, vouched.name.as_deref()).await?;
        let person = invited.or(known).ok_or(PeopleError::NotInvited)?;
        if person.factor_sealed.is_some() && !vouched.second_factor {
            return Ok(Entry::CodeWanted(person.id));
        }
        let opened = self.open_session(person, browser, vouched.second_factor).await?;
        Ok(Entry::Opened(opened))
    }

    /// The second factor of somebody whom the provider vouched for just now.
    pub async fn complete_vouched(
        &self,
        person: PersonId,
        code: &str,
        browser: &Browser<'_>,
    ) -> Result<Opened, PeopleError> {
        let person = self.store.person(person).await?;
        let attempt = Attempt::new(&person.email, browser.address, None);
        self.not_too_often(&attempt).await?;
        if !person.active || !self.takes_code(&person, code).await? {
            attempt.failed(&self.store, self.clock.now()).await?;
            return Err(PeopleError::Wrong);
        }
        self.open_session(person, browser, false).await
    }

    async fn take_invitations_up(&self, email: &str, name: Option<&str>) -> Result<Option<Person>, PeopleError> {
        let now = self.clock.now();
        let mut person = None;
        for invitation in self.store.invitations_of(email, now).await? {
            let new = NewPerson {
                id: PersonId::generate(),
                email: email.to_owned(),
                name: name_of(name, email),
                password_hash: None,
                operator_role: None,
            };
            match self.store.accept_invitation(&invitation, new, now).await {
                Ok(accepted) => person = Some(accepted),
                // Somebody was quicker, or it is there already.
                Err(StoreError::NotFound(_) | StoreError::Exists(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if person.is_some() {
            self.known.invalidate_all();
        }
        Ok(person)
    }
}

/// As the provider tells it, if it can be kept; else the address, which can be.
fn name_of(name: Option<&str>, email: &str) -> String {
    let told = name.and_then(|name| normal_name(name).ok());
    told.unwrap_or_else(|| email.chars().take(NAME_MAX).collect())
}
