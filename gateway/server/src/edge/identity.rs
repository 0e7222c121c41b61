//! Client certificates that our connections show their networks.

use secrecy::{ExposeSecret, SecretString};

/// Largest text with roots, in bytes.
const ROOTS_BYTES_MAX: usize = 64 * 1024;

#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    #[error("the certificate and the private key do not belong together, or of a kind that TLS cannot use")]
    Mismatch,
    #[error("the roots are not certificates in PEM, or more than {ROOTS_BYTES_MAX} bytes")]
    Roots,
}

/// What a client needs to show the certificate.
pub fn client_identity(pem: &SecretString) -> Result<reqwest::Identity, IdentityError> {
    let identity = reqwest::Identity::from_pem(pem.expose_secret().as_bytes());
    let identity = identity.map_err(|_| IdentityError::Mismatch)?;
    // Only a client that is built finds out whether key and certificate belong together.
    let client = reqwest::Client::builder().identity(identity.clone()).build();
    client.map(|_| identity).map_err(|_| IdentityError::Mismatch)
}

/// Roots in PEM, one after the other.
pub fn roots(pem: &str) -> Result<Vec<reqwest::Certificate>, IdentityError> {
    if pem.len() > ROOTS_BYTES_MAX {
        return Err(IdentityError::Roots);
    }
    let roots = reqwest::Certificate::from_pem_bundle(pem.as_bytes()).map_err(|_| IdentityError::Roots)?;
    if roots.is_empty() {
        return Err(IdentityError::Roots);
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::process::{Child, Command, Stdio};

    use chrono::Utc;

    use super::*;
    use crate::edge::certificates::pkcs12::{self, Pkcs12Policy};

    /// Certificates of an authority and of a client, made by OpenSSL in a folder of their own.
    struct Papers {
        folder: tempfile::TempDir,
    }

    impl Papers {
        fn new(days: &str) -> Self {
            let papers = Self {
                folder: tempfile::tempdir().unwrap(),
            };
            let subject = [
                "-subj",
                "/CN=Test authority",
                "-addext",
                "basicConstraints=critical,CA:true",
            ];
            papers.openssl(
                &[
                    &[
                        "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem",
                    ],
                    &subject[..],
                ]
                .concat(),
            );
            papers.leaf("client", "/CN=client of acme/O=Acme", days);
            papers.leaf("server", "/CN=127.0.0.1", "2");
            papers
        }

        fn leaf(&self, name: &str, subject: &str, days: &str) {
            let (key, request, out) = (format!("{name}.key"), format!("{name}.csr"), format!("{name}.pem"));
            self.openssl(&[
                "req", "-newkey", "rsa:2048", "-nodes", "-keyout", &key, "-out", &request, "-subj", subject,
            ]);
            std::fs::write(
                self.folder.path().join("names"),
                "subjectAltName=IP:127.0.0.1,DNS:acme.example",
            )
            .unwrap();
            let signing = [
                "x509",
                "-req",
                "-in",
                &request,
                "-CA",
                "ca.pem",
                "-CAkey",
                "ca.key",
                "-CAcreateserial",
            ];
            let rest = ["-out", &out, "-days", days, "-extfile", "names"];
            self.openssl(&[&signing[..], &rest[..]].concat());
        }

        fn openssl(&self, arguments: &[&str]) {
            let output = Command::new("openssl")
                .args(arguments)
                .current_dir(self.folder.path())
                .output()
                .unwrap();
            assert!(
                output.status.success(),
                "openssl {arguments:?}: {}",
                String::from_utf8_lossy(&output.stderr)
            );
        }

        fn pkcs12(&self, further: &[&str]) -> Vec<u8> {
            let export = [
                "pkcs12",
                "-export",
                "-in",
                "client.pem",
                "-out",
                "client.p12",
                "-passout",
                "pass:secret",
            ];
            self.openssl(&[&export[..], further].concat());
            self.read("client.p12")
        }

        fn read(&self, name: &str) -> Vec<u8> {
            std::fs::read(self.folder.path().join(name)).unwrap()
        }

        /// A server that talks to nobody without a certificate of the authority.
        fn serve(&self) -> (Server, u16) {
            let arguments = [
                "s_server",
                "-accept",
                "127.0.0.1:0",
                "-cert",
                "server.pem",
                "-key",
                "server.key",
                "-CAfile",
            ];
            let mut child = Command::new("openssl")
                .args(arguments)
                .args(["ca.pem", "-Verify", "1", "-verify_return_error", "-www"])
                .current_dir(self.folder.path())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let lines = BufReader::new(child.stdout.take().unwrap()).lines();
            // "ACCEPT 127.0.0.1:41233"
            let port = lines
                .map_while(Result::ok)
                .find_map(|line| line.strip_prefix("ACCEPT ")?.rsplit_once(':')?.1.trim().parse().ok());
            (Server(child), port.unwrap())
        }
    }

    struct Server(Child);

    impl Drop for Server {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    fn secret(text: &str) -> SecretString {
        SecretString::from(text)
    }

    #[test]
    fn what_are_no_roots_is_said() {
        assert!(matches!(roots("nothing"), Err(IdentityError::Roots)));
    }

    #[tokio::test]
    async fn a_network_that_wants_a_certificate_gets_it() {
        let papers = Papers::new("30");
        let (_server, port) = papers.serve();
        let policy = Pkcs12Policy {
            rounds_max: 600_000,
            allow_unprotected: false,
        };
        let file = papers.pkcs12(&["-inkey", "client.key"]);
        let identity = pkcs12::read(&file, &secret("secret"), policy, Utc::now()).unwrap();
        let authority = String::from_utf8(papers.read("ca.pem")).unwrap();
        let outbound = crate::edge::outbound::Outbound::new(vec!["127.0.0.0/8".parse().unwrap()]).unwrap();
        let ask = async |identity, roots| {
            let client = outbound.dedicated_client(identity, roots).unwrap();
            let answer = client.get(format!("https://127.0.0.1:{port}/")).send().await;
            answer.map(|answer| answer.status().as_u16())
        };
        let shown = client_identity(&identity.pem).unwrap();
        assert_eq!(ask(Some(shown.clone()), roots(&authority).unwrap()).await.unwrap(), 200);
        assert!(
            ask(None, roots(&authority).unwrap()).await.is_err(),
            "it wants a certificate"
        );
        assert!(
            ask(Some(shown), Vec::new()).await.is_err(),
            "we do not believe its authority"
        );
    }
}
