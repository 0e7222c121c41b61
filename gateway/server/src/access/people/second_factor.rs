//! A person's second factor: asked for, confirmed by a first code, taken away with the password.

use std::net::IpAddr;

use secrecy::SecretString;
use store::{Person, PersonChange};

use super::{People, PeopleError, SignedIn};
use crate::access::second_factor::{self as factor, Enrolment};

/// What an authenticator is given; nothing is asked for until a code of it was shown.
pub type WaitingFactor = Enrolment;

fn place(person: &Person) -> String {
    format!("second_factor/{}", person.id)
}

impl People {
    /// Makes a new secret that waits for its first code. The factor that is there stays until then.
    pub async fn start_factor(&self, who: &SignedIn) -> Result<WaitingFactor, PeopleError> {
        let secret = factor::generate()?;
        let change = PersonChange {
            factor_waiting_sealed: Some(Some(self.sealer.seal(&place(&who.person), &secret)?)),
            ..PersonChange::default()
        };
        self.store
            .change_person(who.person.id, change, self.clock.now())
            .await?;
        Ok(factor::enrolment(&secret, &who.person.email)?)
    }

    /// Puts the waiting secret into service; gives the recovery codes, once.
    pub async fn confirm_factor(&self, who: &SignedIn, code: &str) -> Result<Vec<String>, PeopleError> {
        let person = self.store.person(who.person.id).await?;
        let wrong = || PeopleError::field("code", "is not the code that the authenticator shows now");
        let waiting = person.factor_waiting_sealed.as_deref();
        let waiting = waiting.ok_or_else(|| PeopleError::field("code", "ask for a new secret first"))?;
        let secret = self.sealer.open(&place(&person), waiting)?;
        let now = self.clock.now();
        let step = factor::step_of(&secret, code, now.timestamp())?.ok_or_else(wrong)?;
        if !self.store.take_factor_step(person.id, step).await? {
            return Err(wrong());
        }
        let codes = factor::recovery_codes()?;
        let id = person.id.to_string();
        let hashes: Vec<String> = codes.iter().map(|code| factor::recovery_hash(&id, code)).collect();
        self.store.set_recovery_codes(person.id, &hashes).await?;
        let change = PersonChange {
            factor_sealed: Some(Some(waiting.to_owned())),
            factor_waiting_sealed: Some(None),
            ..PersonChange::default()
        };
        self.store.change_person(person.id, change, now).await?;
        let why = "a second factor was set";
        self.store.end_sessions(person.id, Some(who.session), why, now).await?;
        self.known.invalidate(&who.session);
        Ok(codes)
    }

    /// Takes the second factor away.
    pub async fn remove_factor(
        &self,
        who: &SignedIn,
        password: SecretString,
        address: IpAddr,
    ) -> Result<(), PeopleError> {
        self.confirm_password(who, password, address).await?;
        let change = PersonChange {
            factor_sealed: Some(None),
            factor_waiting_sealed: Some(None),
            ..PersonChange::default()
        };
        self.store.set_recovery_codes(who.person.id, &[]).await?;
        self.store
            .change_person(who.person.id, change, self.clock.now())
            .await?;
        self.known.invalidate(&who.session);
        Ok(())
    }

    pub async fn recovery_codes_left(&self, who: &SignedIn) -> Result<u64, PeopleError> {
        Ok(self.store.recovery_codes_left(who.person.id).await?)
    }

    /// Whether this code opens, and if so, never again.
    pub(super) async fn takes_code(&self, person: &Person, code: &str) -> Result<bool, PeopleError> {
        let Some(sealed) = &person.factor_sealed else {
            return Ok(false);
        };
        let now = self.clock.now();
        let secret = self.sealer.open(&place(person), sealed)?;
        if let Some(step) = factor::step_of(&secret, code, now.timestamp())? {
            return Ok(self.store.take_factor_step(person.id, step).await?);
        }
        let hash = factor::recovery_hash(&person.id.to_string(), code);
        Ok(self.store.take_recovery_code(person.id, &hash, now).await?)
    }
}
