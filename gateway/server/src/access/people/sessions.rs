//! Sessions: opened by signing in, refreshed by a token that works once, ended by anybody who may.

use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};
use plugin_sdk::SessionId;
use secrecy::{ExposeSecret, SecretString};
use store::{Person, Session, StoreError};

use super::{Browser, FactorPolicy, People, PeopleError, SignedIn};
use crate::access::session_tokens::{random_token, token_hash};

/// Characters of a browser's name that are kept.
const USER_AGENT_MAX: usize = 200;
/// An answer with a new token may get lost: for so long the token before it is taken once more.
const LOST_ANSWER: Duration = Duration::seconds(10);

/// How long sessions live.
#[derive(Debug, Clone, Copy)]
pub struct SessionLimits {
    pub life: Duration,
    /// Without a refresh it is over after this.
    pub idle: Duration,
}

/// A session as its browser gets it.
pub struct Opened {
    pub access_token: SecretString,
    pub access_expires_at: DateTime<Utc>,
    /// Goes into a cookie that no script reads.
    pub refresh_token: SecretString,
    pub session_expires_at: DateTime<Utc>,
    /// The mark by which the browser is known next time.
    pub device: String,
    pub who: Arc<SignedIn>,
}

impl People {
    /// `second_factor_vouched`: the OpenID provider asked for one.
    pub(super) async fn open_session(
        &self,
        person: Person,
        browser: &Browser<'_>,
        second_factor_vouched: bool,
    ) -> Result<Opened, PeopleError> {
        let now = self.clock.now();
        let (id, secret) = (SessionId::generate(), random_token()?);
        let session = Session {
            id,
            person_id: person.id,
            refresh_hash: token_hash(secret.expose_secret()),
            refresh_hash_before: None,
            refreshed_at: Some(now),
            address: browser.address.to_string(),
            user_agent: browser.user_agent.chars().take(USER_AGENT_MAX).collect(),
            expires_at: now + self.limits.life,
            ended_at: None,
            ended_why: None,
            created_at: now,
            second_factor_vouched,
        };
        self.store.create_session(&session).await?;
        self.opened(person, session, &secret).await
    }

    async fn opened(&self, person: Person, session: Session, secret: &SecretString) -> Result<Opened, PeopleError> {
        let (access_token, access_expires_at) = self.tokens.access_token(person.id, session.id, self.clock.now())?;
        let device = self.tokens.device_mark(person.id)?;
        Ok(Opened {
            access_token,
            access_expires_at,
            refresh_token: format!("{}.{}", session.id, secret.expose_secret()).into(),
            session_expires_at: session.expires_at,
            device,
            who: Arc::new(self.signed_in(person, &session).await?),
        })
    }

    async fn signed_in(&self, person: Person, session: &Session) -> Result<SignedIn, StoreError> {
        let wanted = match self.factor_policy {
            FactorPolicy::Nobody => false,
            FactorPolicy::Operators => person.operator_role.is_some(),
            FactorPolicy::Everybody => true,
        };
        Ok(SignedIn {
            memberships: self.store.memberships_of(person.id).await?,
            factor_missing: wanted && person.factor_sealed.is_none() && !session.second_factor_vouched,
            person,
            session: session.id,
        })
    }

    /// Takes a refresh token and gives the next. One that was used before tells of a thief: the session ends.
    pub async fn refresh(&self, token: &str) -> Result<Opened, PeopleError> {
        let now = self.clock.now();
        let (id, secret) = token.split_once('.').ok_or(PeopleError::SessionOver)?;
        let id: SessionId = id.parse().map_err(|_| PeopleError::SessionOver)?;
        let session = self
            .store
            .session(id)
            .await?
            .filter(|session| self.is_open(session, now));
        let session = session.ok_or(PeopleError::SessionOver)?;
        let given = token_hash(secret);
        let lost = session.refreshed_at.is_some_and(|at| now - at <= LOST_ANSWER);
        if given != session.refresh_hash {
            if session.refresh_hash_before.as_ref() != Some(&given) {
                return Err(PeopleError::SessionOver);
            }
            if !lost {
                let why = "a refresh token was used twice";
                tracing::warn!(person = %session.person_id, session = %id, "{why}; the session is ended");
                self.store.end_session(session.person_id, id, why, now).await?;
                self.known.invalidate(&id);
                return Err(PeopleError::SessionOver);
            }
        }
        let next = random_token()?;
        let rotated = (self.store)
            .rotate_session(id, &session.refresh_hash, &token_hash(next.expose_secret()), now)
            .await?;
        if !rotated {
            return Err(PeopleError::SessionOver);
        }
        let person = self.store.person(session.person_id).await?;
        if !person.active {
            return Err(PeopleError::SessionOver);
        }
        self.opened(person, session, &next).await
    }

    fn is_open(&self, session: &Session, now: DateTime<Utc>) -> bool {
        let seen = session.refreshed_at.unwrap_or(session.created_at);
        session.ended_at.is_none() && session.expires_at > now && now - seen <= self.limits.idle
    }

    /// Who shows this access token; `None` for one that opens nothing (any more).
    pub async fn recognise(&self, token: &str) -> Result<Option<Arc<SignedIn>>, StoreError> {
        let now = self.clock.now();
        let Some((person, session)) = self.tokens.read(token, now) else {
            return Ok(None);
        };
        if let Some(known) = self.known.get(&session) {
            return Ok(Some(known));
        }
        let Some(open) = self
            .store
            .session(session)
            .await?
            .filter(|open| self.is_open(open, now))
        else {
            return Ok(None);
        };
        let found = match self.store.person(open.person_id).await {
            Ok(found) if found.active && found.id == person => found,
            Ok(_) | Err(StoreError::NotFound(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        let who = Arc::new(self.signed_in(found, &open).await?);
        self.known.insert(session, Arc::clone(&who));
        Ok(Some(who))
    }

    /// Ends the session of a refresh token, if it is one.
    pub async fn sign_out(&self, token: &str) -> Result<(), PeopleError> {
        let Some((id, secret)) = token.split_once('.') else {
            return Ok(());
        };
        let Ok(id) = id.parse::<SessionId>() else { return Ok(()) };
        let Some(session) = self.store.session(id).await? else {
            return Ok(());
        };
        if session.refresh_hash == token_hash(secret) && session.ended_at.is_none() {
            let ended = self
                .store
                .end_session(session.person_id, id, "signed out", self.clock.now())
                .await;
            self.known.invalidate(&id);
            match ended {
                Ok(()) | Err(StoreError::NotFound(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    pub async fn sessions(&self, who: &SignedIn) -> Result<Vec<Session>, PeopleError> {
        let now = self.clock.now();
        let mut sessions = self.store.sessions_of(who.person.id, now).await?;
        sessions.retain(|session| self.is_open(session, now));
        Ok(sessions)
    }

    pub async fn end_session(&self, who: &SignedIn, id: SessionId) -> Result<(), PeopleError> {
        let why = "ended by its person";
        self.store.end_session(who.person.id, id, why, self.clock.now()).await?;
        self.known.invalidate(&id);
        Ok(())
    }
}
