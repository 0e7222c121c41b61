//! `tollgate cert`

use std::fs::OpenOptions;
use std::io::{Read, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::{Failure, find_connection, find_merchant, say, say_json};
use crate::api::admin::certificates::client::ClientCertificateView;
use crate::api::admin::certificates::handshake::HandshakeView;
use crate::api::admin::certificates::server::{ClientCertificatesView, ServerCertificateView};
use crate::edge::certificates::pkcs12::Flavour;
use crate::edge::certificates::{Handout, IssueDraft, ServerDraft, ServerSource, Trust};
use crate::edge::outbound::Outbound;
use crate::edge::tls::trial;
use crate::node::Core;
use crate::settings::Settings;

/// Who is named in the audit trail.
const AUTHOR: &str = "cli";
/// Longest file that is read, in bytes: more than any certificate has.
const INPUT_BYTES_MAX: u64 = 64 * 1024;
/// Files with keys are their owner's alone.
const PRIVATE: u32 = 0o600;

#[derive(Subcommand)]
pub enum Command {
    /// Issue a client certificate for a connection's network. The file is written, its password printed, this once
    Issue {
        merchant: String,
        connection: String,
        #[command(flatten)]
        issue: Issue,
    },
    /// Issue a successor; the old certificate stays in force until it is revoked or ends
    Renew {
        merchant: String,
        connection: String,
        certificate: String,
        #[command(flatten)]
        issue: Issue,
    },
    /// Believe a certificate, or an authority, of somebody else's
    Trust(Trusting),
    /// Print the certificates that a connection's network may show
    List { merchant: String, connection: String },
    /// Revoke a certificate: within a second it opens nothing, and what it opened is closed
    Revoke { merchant: String, certificate: String },
    /// Make a handshake and print how it goes; ends with 1 when it would not do
    #[command(subcommand)]
    Test(Test),
    /// Print the certificate of this installation's own authority, making it when there is none yet
    Authority,
    /// The certificates that TLS listeners show
    #[command(subcommand)]
    Server(Server),
}

#[derive(Args)]
pub struct Issue {
    /// Where the file (PKCS12) is written; it must not exist yet
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// For people
    #[arg(long, default_value = "")]
    name: String,
    /// How long it lasts; certificates.client_days when absent
    #[arg(long)]
    days: Option<u32>,
    /// Write it with 3DES and SHA-1, for importers of before 2019
    #[arg(long)]
    compatible: bool,
}

#[derive(Args)]
pub struct Trusting {
    merchant: String,
    connection: String,
    /// For people
    #[arg(long)]
    name: String,
    /// One certificate, in PEM
    #[arg(long, value_name = "FILE", conflicts_with_all = ["sha256", "authority"], required_unless_present_any = ["sha256", "authority"])]
    leaf: Option<PathBuf>,
    /// One certificate, by its SHA-256
    #[arg(long, conflicts_with = "authority")]
    sha256: Option<String>,
    /// Whatever this authority issued; its certificate in PEM
    #[arg(long, value_name = "FILE")]
    authority: Option<PathBuf>,
}

#[derive(Subcommand)]
pub enum Test {
    /// With a connection's network, as the connection would make it
    Upstream {
        merchant: String,
        connection: String,
        /// Where the network is; only the handshake is made, nothing is asked
        url: String,
    },
    /// With a TLS listener of ours, as a network would that calls us by this name
    Listener {
        name: String,
        /// Where it listens; the first of public.tls_listen when absent
        #[arg(long, value_name = "ADDRESS")]
        connect: Option<SocketAddr>,
    },
}

#[derive(Subcommand)]
pub enum Server {
    /// Show a certificate under its names, in place of whichever was shown before
    Add {
        /// Chain and key in PEM, or a PKCS12 file
        file: PathBuf,
        /// The key in PEM, when it is in a file of its own
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
        /// File that holds the password of a PKCS12 file
        #[arg(long, value_name = "FILE", conflicts_with = "key")]
        password_file: Option<PathBuf>,
        /// A merchant whose names these are
        #[arg(long)]
        merchant: Option<String>,
        /// A name among those of the certificate; may be given several times, all of them when absent
        #[arg(long = "name")]
        names: Vec<String>,
        /// Whether callers are asked for a certificate of theirs
        #[arg(long, value_enum, default_value = "allowed")]
        client_certificates: ClientCertificatesView,
    },
    /// Print all of them, the newest first
    List,
    /// Show one no more
    Remove { certificate: String },
}

pub async fn run(core: Core, settings: &Settings, command: Command) -> Result<(), Failure> {
    let now = core.clock.now();
    match command {
        Command::Issue {
            merchant,
            connection,
            issue,
        } => {
            let merchant = find_merchant(&core, &merchant).await?;
            let connection = find_connection(&core, &merchant, &connection).await?;
            let mut file = create(&issue.out)?;
            let draft = issue.draft(&connection.slug);
            let handout = core
                .certificates
                .issue(&merchant.slug, &connection, draft, AUTHOR)
                .await?;
            hand_out(&mut file, &issue.out, &handout)
        }
        Command::Renew {
            merchant,
            connection,
            certificate,
            issue,
        } => {
            let merchant = find_merchant(&core, &merchant).await?;
            let connection = find_connection(&core, &merchant, &connection).await?;
            let mut file = create(&issue.out)?;
            let (id, draft) = (certificate.parse()?, issue.draft(""));
            let handout = (core.certificates)
                .renew(&merchant.slug, &connection, id, draft, AUTHOR)
                .await?;
            hand_out(&mut file, &issue.out, &handout)
        }
        Command::Trust(asked) => {
            let merchant = find_merchant(&core, &asked.merchant).await?;
            let connection = find_connection(&core, &merchant, &asked.connection).await?;
            let trust = match (&asked.leaf, asked.sha256, &asked.authority) {
                (Some(file), ..) => Trust::Leaf(read_text(file)?.expose_secret().to_owned()),
                (_, Some(digest), _) => Trust::LeafDigest(digest),
                (.., Some(file)) => Trust::Authority(read_text(file)?.expose_secret().to_owned()),
                (None, None, None) => return Err("give one of --leaf, --sha256 and --authority".into()),
            };
            let kept = core.certificates.trust(&connection, &asked.name, trust, AUTHOR).await?;
            say_json(&ClientCertificateView::of(kept, now))
        }
        Command::List { merchant, connection } => {
            let merchant = find_merchant(&core, &merchant).await?;
            let connection = find_connection(&core, &merchant, &connection).await?;
            let known = core.store.client_certificates(merchant.id, Some(connection.id)).await?;
            let views = known.into_iter().map(|known| ClientCertificateView::of(known, now));
            say_json(&views.collect::<Vec<_>>())
        }
        Command::Revoke { merchant, certificate } => {
            let merchant = find_merchant(&core, &merchant).await?;
            let revoked = core
                .certificates
                .revoke(merchant.id, certificate.parse()?, AUTHOR)
                .await?;
            say_json(&ClientCertificateView::of(revoked, now))
        }
        Command::Test(asked) => test(&core, settings, asked).await,
        Command::Authority => {
            let (pem, _) = core.certificates.authority_info().await?;
            say(pem.trim_end());
            Ok(())
        }
        Command::Server(command) => server(&core, command).await,
    }
}

async fn test(core: &Core, settings: &Settings, asked: Test) -> Result<(), Failure> {
    let report = match asked {
        Test::Upstream {
            merchant,
            connection,
            url,
        } => {
            let merchant = find_merchant(core, &merchant).await?;
            let connection = find_connection(core, &merchant, &connection).await?;
            let outbound = Outbound::new(settings.connectors.allow_networks.clone())?;
            trial::with_network(&outbound, &core.sealer, &connection, &url).await?
        }
        Test::Listener { name, connect } => {
            let first = || settings.public.tls_listen.first()?.parse().ok();
            let address = connect.or_else(first);
            let address = address.ok_or("give --connect address:port: public.tls_listen names no address")?;
            trial::with_listener(address, &name).await
        }
    };
    let view = HandshakeView::from(report);
    say_json(&view)?;
    if view.is_good() {
        Ok(())
    } else {
        Err("the handshake would not do; see above".into())
    }
}

async fn server(core: &Core, command: Server) -> Result<(), Failure> {
    let now = core.clock.now();
    match command {
        Server::Add {
            file,
            key,
            password_file,
            merchant,
            names,
            client_certificates,
        } => {
            let merchant = match &merchant {
                Some(name) => Some(find_merchant(core, name).await?.id),
                None => None,
            };
            let source = match password_file {
                Some(password) => ServerSource::Pkcs12 {
                    file: read(&file)?.to_vec(),
                    password: read_text(&password)?
                        .expose_secret()
                        .trim_end_matches(['\r', '\n'])
                        .into(),
                },
                None => ServerSource::Pem(pem_of(&file, key.as_deref())?),
            };
            let draft = ServerDraft {
                merchant,
                source,
                names,
                client_certificates: client_certificates.into(),
            };
            let kept = core.certificates.add_server(draft, AUTHOR).await?;
            say_json(&ServerCertificateView::of(kept, now))
        }
        Server::List => {
            let all = core.store.server_certificates().await?;
            let views = all
                .into_iter()
                .map(|certificate| ServerCertificateView::of(certificate, now));
            say_json(&views.collect::<Vec<_>>())
        }
        Server::Remove { certificate } => {
            core.certificates.remove_server(certificate.parse()?, AUTHOR).await?;
            say("removed");
            Ok(())
        }
    }
}

impl Issue {
    /// `otherwise` names a certificate that nobody named.
    fn draft(&self, otherwise: &str) -> IssueDraft {
        IssueDraft {
            name: if self.name.is_empty() {
                otherwise.to_owned()
            } else {
                self.name.clone()
            },
            days: self.days,
            flavour: if self.compatible {
                Flavour::Compatible
            } else {
                Flavour::Modern
            },
        }
    }
}

/// Before a certificate is issued: it would be lost if it could not be written.
fn create(path: &Path) -> Result<std::fs::File, Failure> {
    let file = OpenOptions::new().write(true).create_new(true).mode(PRIVATE).open(path);
    Ok(file.map_err(|error| format!("{}: {error}", path.display()))?)
}

fn hand_out(file: &mut std::fs::File, path: &Path, handout: &Handout) -> Result<(), Failure> {
    file.write_all(&handout.file)
        .map_err(|error| format!("{}: {error}", path.display()))?;
    say(&format!("certificate {}", handout.certificate.id));
    say(&format!("file        {}", path.display()));
    say(&format!("password    {}", handout.password.expose_secret()));
    Ok(())
}

fn pem_of(file: &Path, key: Option<&Path>) -> Result<SecretString, Failure> {
    let mut text = Zeroizing::new(read_text(file)?.expose_secret().to_owned());
    if let Some(key) = key {
        text.push('\n');
        text.push_str(read_text(key)?.expose_secret());
    }
    Ok(SecretString::from(text.as_str()))
}

fn read_text(path: &Path) -> Result<SecretString, Failure> {
    let bytes = read(path)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| format!("{}: is not text", path.display()))?;
    Ok(text.into())
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let mut bytes = Zeroizing::new(Vec::new());
    std::fs::File::open(path)
        .and_then(|file| file.take(INPUT_BYTES_MAX).read_to_end(&mut bytes))
        .map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(bytes)
}
