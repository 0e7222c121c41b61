use std::fmt;
use std::sync::Arc;

use plugin_sdk::MerchantId;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

use super::provider;
use crate::edge::certificates::{Register, Unrecognised};

/// Lets those certificates pass that are in the register, under the names that they count for.
pub struct KnownClients {
    pub register: Arc<Register>,
    /// Whose name it is: of another merchant's certificates nobody hears that they exist.
    pub merchant: Option<MerchantId>,
    pub required: bool,
    provider: Arc<CryptoProvider>,
}

impl KnownClients {
    pub fn new(register: Arc<Register>, merchant: Option<MerchantId>, required: bool) -> Self {
        Self {
            register,
            merchant,
            required,
            provider: provider(),
        }
    }
}

impl fmt::Debug for KnownClients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KnownClients").finish_non_exhaustive()
    }
}

impl ClientCertVerifier for KnownClients {
    fn client_auth_mandatory(&self) -> bool {
        self.required
    }

    /// No hints: strangers need not hear whose authorities we know.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let mut chain = vec![end_entity.clone()];
        chain.extend_from_slice(intermediates);
        match self.register.recognise(&chain, self.merchant, now) {
            Ok(_) => Ok(ClientCertVerified::assertion()),
            Err(why) => {
                tracing::info!(sha256 = crate::edge::certificates::sha256(end_entity), %why, "a client certificate is refused");
                Err(Error::InvalidCertificate(match why {
                    Unrecognised::Unreadable => CertificateError::BadEncoding,
                    Unrecognised::Expired => CertificateError::Expired,
                    Unrecognised::NotYetValid => CertificateError::NotValidYet,
                    Unrecognised::Revoked => CertificateError::Revoked,
                    Unrecognised::Unknown => CertificateError::UnknownIssuer,
                }))
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
