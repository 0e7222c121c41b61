//! People: how they come in, prove who they are, and stay known from request to request.

mod invitations;
mod second_factor;
mod sessions;
mod vouched;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use plugin_sdk::{Clock, PersonId, SessionId};
use secrecy::{ExposeSecret, SecretString};
use store::{Membership, NewPerson, Person, PersonChange, Store, StoreError};
use tokio::sync::Semaphore;

use super::bootstrap::BootstrapToken;
use super::guesses::Attempt;
use super::password_policy::{self, PolicyError};
use super::passwords;
use super::roles::Role;
use super::sealing::{Sealer, SealingError};
use super::second_factor::FactorError;
use super::session_tokens::{SessionTokens, TokenError};

pub use invitations::Invited;
pub use second_factor::WaitingFactor;
pub use sessions::{Opened, SessionLimits};
pub use vouched::Entry;

/// Passwords that are hashed at once on this node.
const HASHES_AT_ONCE: usize = 2;
/// A session is looked up again after this: what is revoked opens nothing after it.
const KNOWN_FOR: Duration = Duration::from_millis(500);
/// Sessions that a node remembers.
const KNOWN_MAX: u64 = 10_000;
/// Characters of names and e-mail addresses.
const NAME_MAX: usize = 100;
const EMAIL_MAX: usize = 254;

#[derive(Debug, thiserror::Error)]
pub enum PeopleError {
    /// One answer for all that can be wrong, so that nothing is learnt from it.
    #[error("e-mail, password or code is wrong")]
    Wrong,
    #[error("the second factor's code is wanted")]
    CodeWanted,
    /// Somebody signs in by the provider who is nobody here.
    #[error("this e-mail address was not invited here; ask for an invitation")]
    NotInvited,
    #[error("too many wrong attempts; the next one is looked at in {wait_s} s")]
    TooMany { wait_s: i64 },
    #[error("the session is over; sign in again")]
    SessionOver,
    #[error("there is an owner already; sign in")]
    SetUpAlready,
    #[error("{field}: {message}")]
    Field { field: &'static str, message: String },
    #[error("the last owner cannot be taken away; make somebody else an owner first")]
    LastOwner,
    #[error(transparent)]
    Factor(#[from] FactorError),
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error(transparent)]
    Sealing(#[from] SealingError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("no turn to hash a password came; try again")]
    Busy,
}

impl PeopleError {
    fn field(field: &'static str, message: impl Into<String>) -> Self {
        Self::Field {
            field,
            message: message.into(),
        }
    }
}

/// Who must have a second factor before anything else can be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FactorPolicy {
    Nobody,
    Operators,
    Everybody,
}

/// Somebody who is signed in, as of half a second ago at most.
#[derive(Clone)]
pub struct SignedIn {
    pub person: Person,
    pub memberships: Vec<Membership>,
    pub session: SessionId,
    /// The policy wants a second factor that is not there yet.
    pub factor_missing: bool,
}

impl SignedIn {
    #[must_use]
    pub fn operator_role(&self) -> Option<Role> {
        self.person.operator_role.as_deref().and_then(Role::read)
    }

    /// The role at a merchant, by slug or id: an operator's own reaches everywhere.
    #[must_use]
    pub fn role_at(&self, merchant: &str) -> Option<Role> {
        self.operator_role().or_else(|| {
            let here =
                |known: &&Membership| known.merchant_slug == merchant || known.merchant_id.to_string() == merchant;
            Role::read(&self.memberships.iter().find(here)?.role)
        })
    }
}

/// Who asks, and with what.
pub struct Browser<'a> {
    pub address: IpAddr,
    pub user_agent: &'a str,
    /// The mark of a browser that signed in before.
    pub device: Option<&'a str>,
}

pub struct Credentials {
    pub email: String,
    pub password: SecretString,
    pub code: Option<String>,
}

/// One for each node; cheap to clone.
#[derive(Clone)]
pub struct People {
    store: Store,
    sealer: Arc<Sealer>,
    tokens: Arc<SessionTokens>,
    clock: Arc<dyn Clock>,
    bootstrap: Option<Arc<BootstrapToken>>,
    factor_policy: FactorPolicy,
    limits: SessionLimits,
    hashing: Arc<Semaphore>,
    known: Cache<SessionId, Arc<SignedIn>>,
    /// What a password is compared with when there is no such person.
    nobodys_hash: Arc<str>,
}

pub struct Parts {
    pub store: Store,
    pub sealer: Arc<Sealer>,
    pub clock: Arc<dyn Clock>,
    pub bootstrap: Option<Arc<BootstrapToken>>,
    pub factor_policy: FactorPolicy,
    pub limits: SessionLimits,
}

impl People {
    pub async fn open(parts: Parts) -> Result<Self, PeopleError> {
        let tokens = SessionTokens::open(&parts.store, &parts.sealer, parts.clock.now()).await?;
        let nobodys = tokio::task::spawn_blocking(|| passwords::hash("nobody", "a password that nobody has"))
            .await
            .map_err(|_| PeopleError::Busy)?;
        Ok(Self {
            store: parts.store,
            sealer: parts.sealer,
            tokens: Arc::new(tokens),
            clock: parts.clock,
            bootstrap: parts.bootstrap,
            factor_policy: parts.factor_policy,
            limits: parts.limits,
            hashing: Arc::new(Semaphore::new(HASHES_AT_ONCE)),
            known: Cache::builder().max_capacity(KNOWN_MAX).time_to_live(KNOWN_FOR).build(),
            nobodys_hash: nobodys.map_err(PolicyError::Hash).map_err(policy)?.into(),
        })
    }

    /// Whether the first owner is still to come.
    pub async fn needs_set_up(&self) -> Result<bool, PeopleError> {
        Ok(self.store.has_no_owner().await?)
    }

    /// Makes the first owner, for whoever has the operator's token.
    pub async fn set_up(
        &self,
        token: &SecretString,
        email: &str,
        name: &str,
        password: SecretString,
        browser: &Browser<'_>,
    ) -> Result<Opened, PeopleError> {
        let attempt = Attempt::new("set-up", browser.address, None);
        self.not_too_often(&attempt).await?;
        let known = self
            .bootstrap
            .as_ref()
            .is_some_and(|known| known.is(token.expose_secret().trim()));
        if !known {
            attempt.failed(&self.store, self.clock.now()).await?;
            return Err(PeopleError::Wrong);
        }
        if !self.needs_set_up().await? {
            return Err(PeopleError::SetUpAlready);
        }
        let new = self.new_person(email, name, password, Some(Role::Owner)).await?;
        let made = self.store.create_first_owner(new, self.clock.now()).await;
        let person = made.map_err(|error| match error {
            StoreError::Exists("an owner") => PeopleError::SetUpAlready,
            other => other.into(),
        })?;
        self.open_session(person, browser, false).await
    }

    /// Opens a session for the right e-mail, password and, where there is one, second factor.
    pub async fn sign_in(&self, given: Credentials, browser: &Browser<'_>) -> Result<Opened, PeopleError> {
        let email = normal_email(&given.email).map_err(|_| PeopleError::Wrong)?;
        let person = self.store.person_by_email(&email).await?;
        let device = browser.device.filter(|mark| {
            let owner = person.as_ref().map(|person| person.id);
            owner.is_some_and(|owner| self.tokens.is_device_of(mark, owner))
        });
        let attempt = Attempt::new(&email, browser.address, device);
        self.not_too_often(&attempt).await?;
        let proven = self.prove(person, given).await;
        match proven {
            Ok(person) => {
                attempt.succeeded(&self.store).await?;
                self.open_session(person, browser, false).await
            }
            Err(PeopleError::Wrong) => {
                attempt.failed(&self.store, self.clock.now()).await?;
                Err(PeopleError::Wrong)
            }
            Err(other) => Err(other),
        }
    }

    async fn prove(&self, person: Option<Person>, given: Credentials) -> Result<Person, PeopleError> {
        // A hash is always compared, so that the time says nothing of who is known here.
        let hash = person.as_ref().and_then(|person| person.password_hash.clone());
        let hash = hash.unwrap_or_else(|| self.nobodys_hash.to_string());
        let right = self.verify(given.password, hash).await?;
        let person = person.filter(|person| right && person.active && person.password_hash.is_some());
        let person = person.ok_or(PeopleError::Wrong)?;
        match (&person.factor_sealed, given.code) {
            (None, _) => Ok(person),
            (Some(_), None) => Err(PeopleError::CodeWanted),
            (Some(_), Some(code)) => {
                if self.takes_code(&person, &code).await? {
                    Ok(person)
                } else {
                    Err(PeopleError::Wrong)
                }
            }
        }
    }

    async fn not_too_often(&self, attempt: &Attempt) -> Result<(), PeopleError> {
        match attempt.wait_s(&self.store, self.clock.now()).await? {
            0 => Ok(()),
            wait_s => {
                metrics::counter!("tollgate_refused_total", "guard" => "sign_in").increment(1);
                Err(PeopleError::TooMany { wait_s })
            }
        }
    }

    /// Changes a person's own password; all other sessions end.
    pub async fn change_password(
        &self,
        who: &SignedIn,
        current: SecretString,
        new: SecretString,
        address: IpAddr,
    ) -> Result<(), PeopleError> {
        self.confirm_password(who, current, address).await?;
        let hash = self.hash(new, &who.person.email, &who.person.name).await?;
        let change = PersonChange {
            password_hash: Some(hash),
            ..PersonChange::default()
        };
        let now = self.clock.now();
        self.store.change_person(who.person.id, change, now).await?;
        let why = "the password was changed";
        self.store
            .end_sessions(who.person.id, Some(who.session), why, now)
            .await?;
        Ok(())
    }

    /// Asks for the password again before something that matters.
    async fn confirm_password(
        &self,
        who: &SignedIn,
        password: SecretString,
        address: IpAddr,
    ) -> Result<(), PeopleError> {
        let attempt = Attempt::new(&format!("again/{}", who.person.email), address, None);
        self.not_too_often(&attempt).await?;
        let hash = who
            .person
            .password_hash
            .clone()
            .unwrap_or_else(|| self.nobodys_hash.to_string());
        if self.verify(password, hash).await? {
            return Ok(());
        }
        attempt.failed(&self.store, self.clock.now()).await?;
        Err(PeopleError::field("password", "is not your password"))
    }

    pub async fn rename(&self, who: &SignedIn, name: &str) -> Result<Person, PeopleError> {
        let change = PersonChange {
            name: Some(normal_name(name)?),
            ..PersonChange::default()
        };
        let person = self
            .store
            .change_person(who.person.id, change, self.clock.now())
            .await?;
        self.known.invalidate(&who.session);
        Ok(person)
    }

    /// Gives an operator another role, or none: then it is an operator no more.
    pub async fn change_operator(&self, id: PersonId, role: Option<Role>) -> Result<Person, PeopleError> {
        if role.is_some_and(|role| !role.is_operator()) {
            return Err(PeopleError::field("role", "is owner, operator or auditor"));
        }
        let person = self.store.person(id).await?;
        let is_owner = person.operator_role.as_deref() == Some(Role::Owner.as_str());
        if is_owner && role != Some(Role::Owner) && self.store.other_owners(id).await? == 0 {
            return Err(PeopleError::LastOwner);
        }
        let change = PersonChange {
            operator_role: Some(role.map(|role| role.as_str().to_owned())),
            ..PersonChange::default()
        };
        let person = self.store.change_person(id, change, self.clock.now()).await?;
        self.known.invalidate_all();
        Ok(person)
    }

    async fn new_person(
        &self,
        email: &str,
        name: &str,
        password: SecretString,
        operator_role: Option<Role>,
    ) -> Result<NewPerson, PeopleError> {
        let (email, name) = (normal_email(email)?, normal_name(name)?);
        let hash = self.hash(password, &email, &name).await?;
        Ok(NewPerson {
            id: PersonId::generate(),
            email,
            name,
            password_hash: Some(hash),
            operator_role: operator_role.map(|role| role.as_str().to_owned()),
        })
    }

    async fn hash(&self, password: SecretString, email: &str, name: &str) -> Result<String, PeopleError> {
        let (email, name) = (email.to_owned(), name.to_owned());
        let hashed = self
            .in_turn(move || password_policy::hash(&password, &[&email, &name]))
            .await?;
        hashed.map_err(policy)
    }

    async fn verify(&self, password: SecretString, hash: String) -> Result<bool, PeopleError> {
        self.in_turn(move || passwords::verify(password.expose_secret(), &hash))
            .await
    }

    /// Argon2 takes a core and memory: a few at once, off the threads that serve.
    async fn in_turn<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, PeopleError> {
        let _turn = self.hashing.acquire().await.map_err(|_| PeopleError::Busy)?;
        tokio::task::spawn_blocking(work).await.map_err(|_| PeopleError::Busy)
    }
}

fn policy(error: PolicyError) -> PeopleError {
    PeopleError::field("password", error.to_string())
}

/// An e-mail address as it is stored and looked for.
fn normal_email(text: &str) -> Result<String, PeopleError> {
    let email = text.trim().to_lowercase();
    let wrong = || PeopleError::field("email", "is not an e-mail address");
    let (local, domain) = email.split_once('@').ok_or_else(wrong)?;
    let plain = |part: &str| !part.is_empty() && !part.chars().any(|char| char.is_control() || char.is_whitespace());
    if email.len() > EMAIL_MAX || !plain(local) || !plain(domain) || domain.contains('@') || !domain.contains('.') {
        return Err(wrong());
    }
    Ok(email)
}

fn normal_name(text: &str) -> Result<String, PeopleError> {
    let name = text.trim();
    if !(1..=NAME_MAX).contains(&name.chars().count()) || name.chars().any(char::is_control) {
        return Err(PeopleError::field(
            "name",
            format!("has 1 to {NAME_MAX} printable characters"),
        ));
    }
    Ok(name.to_owned())
}
