use ipnet::IpNet;

/// How a network proves itself to one connection. Read from the connection's config by its plugin, enforced by the
/// edge before anything is parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    pub auth: AuthMode,
    /// Source subnets that may call. Empty means nobody may.
    pub subnets: Vec<IpNet>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthMode {
    /// No proof but the source subnet.
    None,
    /// HTTP Basic login of the connection.
    Basic,
    /// A client certificate bound to the connection.
    ClientCertificate,
    /// Both of the above.
    BasicAndClientCertificate,
    /// Either of them: whoever shows the certificate needs no login.
    BasicOrClientCertificate,
}

impl AuthMode {
    #[must_use]
    pub fn wants_basic(self) -> bool {
        matches!(
            self,
            Self::Basic | Self::BasicAndClientCertificate | Self::BasicOrClientCertificate
        )
    }

    #[must_use]
    pub fn requires_certificate(self) -> bool {
        matches!(self, Self::ClientCertificate | Self::BasicAndClientCertificate)
    }
}
