//! Which merchant and connection a request of a network is for: by its path, by its host, by what it proves.

use actix_web::HttpRequest;

use super::{Network, authorization, proof};
use crate::access::passwords;
use crate::api::misdirected;
use crate::api::problem::Problem;
use crate::edge::certificates::Proof;
use crate::edge::listener::Caller;
use crate::edge::tls::is_host_name;
use crate::tenancy::Named;

impl Network {
    pub(super) async fn target(&self, merchant: &str, connection: &str) -> Result<Named, Problem> {
        let tenant = self
            .directory
            .tenant(merchant)
            .await?
            .ok_or_else(|| Problem::not_found("this connection"))?;
        let bound = tenant.connections.get(connection).cloned();
        let bound = bound.ok_or_else(|| Problem::not_found("this connection"))?;
        Ok((tenant, bound))
    }

    /// Whose host it is, or whose client certificate or login.
    pub(super) async fn target_of_proof(&self, request: &HttpRequest) -> Result<Named, Problem> {
        if let Some((merchant, connection)) = &self.default_connection {
            return self.target(merchant, connection).await;
        }
        if let Some(target) = self.target_of_host(request).await? {
            return Ok(target);
        }
        if let Some(binding) = proof(request).and_then(Proof::connection) {
            return self.target(&binding.merchant, &binding.connection).await;
        }
        let login = authorization(request).and_then(passwords::claimed_login);
        // One answer for "no login" and "nobody's login", so that logins cannot be told apart from here.
        let unknown = || Problem::not_found("a connection for this login or client certificate");
        self.directory
            .by_login(&login.ok_or_else(unknown)?)
            .await?
            .ok_or_else(unknown)
    }

    /// Whom the name of the host means, if it means somebody. It proves nothing: the connection asks for its proofs as
    /// ever. Over TLS a name that means somebody is also the name of the handshake, under which certificates were asked.
    async fn target_of_host(&self, request: &HttpRequest) -> Result<Option<Named>, Problem> {
        let asked = misdirected::host(request).map(str::to_ascii_lowercase);
        let tls = request.conn_data::<Caller>().and_then(|caller| caller.tls.as_ref());
        let (name, other) = match (tls, asked) {
            (Some(tls), asked) => (Some(tls.name.clone()), asked.filter(|asked| *asked != tls.name)),
            (None, asked) => (asked, None),
        };
        let target = self.of_host(name).await?;
        if let Some(other) = other {
            let crossed = target.is_some() || self.of_host(Some(other)).await?.is_some();
            return if crossed { Err(Problem::misdirected()) } else { Ok(None) };
        }
        let owner = tls.and_then(|tls| tls.merchant);
        match &target {
            Some((tenant, _)) if owner.is_some_and(|owner| owner != tenant.merchant.id) => Err(Problem::misdirected()),
            _ => Ok(target),
        }
    }

    async fn of_host(&self, name: Option<String>) -> Result<Option<Named>, Problem> {
        match name.filter(|name| is_host_name(name)) {
            Some(name) => Ok(self.directory.by_host(&name).await?),
            None => Ok(None),
        }
    }
}
