//! TLS: whom rcl trusts, who it says it is, and what went wrong.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, ClientConnection, Error, InvalidMessage,
    RootCertStore,
};
use thiserror::Error as ThisError;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// What rcl needs for TLS with a node.
#[derive(Clone)]
pub struct Tls {
    config: Arc<ClientConfig>,
    /// Looked for in the server's certificate; without it the address that is dialled.
    name: Option<ServerName<'static>>,
}

/// The key is in there.
impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// What is wrong with the files.
#[derive(Clone, Debug, PartialEq, Eq, ThisError)]
pub enum TlsError {
    #[error("`ca` holds no certificate ({words})")]
    Ca { words: String },
    #[error("`cert` holds no certificate ({words})")]
    Cert { words: String },
    #[error("`key` holds no private key ({words})")]
    Key { words: String },
    #[error("`cert` and `key` don't belong together ({words})")]
    Mismatch { words: String },
    #[error("{name:?} can't be the name in a certificate")]
    Name { name: String },
}

/// What people mend differently when TLS doesn't come about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsFault {
    /// Nobody that `ca` names has signed the server's certificate.
    UnknownAuthority,
    /// It is over, or not there yet.
    Expired,
    /// It is another server's.
    OtherName,
    /// The server doesn't take rcl's certificate, or wants one.
    Identity,
    /// The other side speaks no TLS.
    NoTls,
    /// The other side speaks nothing but TLS.
    OnlyTls,
    Other,
}

impl Tls {
    /// From the contents of PEM files: whom to trust, and rcl's own certificate with its key.
    ///
    /// # Errors
    /// When one of them is not what it is to be.
    pub fn new(
        ca: &[u8],
        identity: Option<(&[u8], &[u8])>,
        name: Option<&str>,
    ) -> Result<Self, TlsError> {
        // The one place that says who does the cryptography.
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError::Ca {
                words: error.to_string(),
            })?
            .dangerous()
            .with_custom_certificate_verifier(verifier(ca, provider)?);
        let config = match identity {
            None => builder.with_no_client_auth(),
            Some((cert, key)) => {
                let chain = certificates(cert).map_err(|words| TlsError::Cert { words })?;
                let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| TlsError::Key {
                    words: error.to_string(),
                })?;
                builder
                    .with_client_auth_cert(chain, key)
                    .map_err(|error| TlsError::Mismatch {
                        words: error.to_string(),
                    })?
            }
        };
        let name = name.map(|name| {
            ServerName::try_from(name.to_owned()).map_err(|_| TlsError::Name {
                name: name.to_owned(),
            })
        });
        Ok(Self {
            config: Arc::new(config),
            name: name.transpose()?,
        })
    }

    /// The same with a name to look for, where none was said.
    ///
    /// # Errors
    /// When it can't be a name in a certificate.
    pub fn or_name(mut self, name: &str) -> Result<Self, TlsError> {
        if self.name.is_none() {
            let parsed = ServerName::try_from(name.to_owned()).map_err(|_| TlsError::Name {
                name: name.to_owned(),
            })?;
            self.name = Some(parsed);
        }
        Ok(self)
    }

    pub(super) async fn connect(
        &self,
        stream: TcpStream,
        ip: IpAddr,
    ) -> io::Result<TlsStream<TcpStream>> {
        let name = self.name.clone().unwrap_or_else(|| ServerName::from(ip));
        let connector = TlsConnector::from(Arc::clone(&self.config));
        connector.connect(name, stream).await
    }
}

/// What a client of TLS says first, to find out whether somebody understands it.
pub(super) fn hello(ip: IpAddr) -> Option<Vec<u8>> {
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .ok()?
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let mut client = ClientConnection::new(Arc::new(config), ServerName::from(ip)).ok()?;
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).ok()?;
    Some(bytes)
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(found) if found.is_empty() => {
            Err("nothing in it begins with BEGIN CERTIFICATE".to_owned())
        }
        Ok(found) => Ok(found),
        Err(error) => Err(error.to_string()),
    }
}

fn verifier(
    ca: &[u8],
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, TlsError> {
    let mut roots = RootCertStore::empty();
    let bad = |words: String| TlsError::Ca { words };
    for certificate in certificates(ca).map_err(bad)? {
        roots
            .add(certificate)
            .map_err(|error| bad(error.to_string()))?;
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(|error| bad(error.to_string()))?;
    Ok(verifier)
}

/// What an error of a connection with TLS means, in words for people; nothing for one that has
/// nothing to do with TLS.
pub(super) fn fault(error: &io::Error) -> Option<(TlsFault, String)> {
    let inner = error.get_ref()?.downcast_ref::<Error>()?;
    let fault = if let Error::InvalidCertificate(wrong) = inner {
        of_certificate(wrong)
    } else if let Error::AlertReceived(alert) = inner {
        of_alert(*alert)
    } else if *inner == Error::InvalidMessage(InvalidMessage::InvalidContentType) {
        TlsFault::NoTls
    } else {
        TlsFault::Other
    };
    let words = match fault {
        TlsFault::UnknownAuthority => "its certificate is not signed by an authority in `ca`",
        TlsFault::Expired => "its certificate is not valid today",
        TlsFault::OtherName => "its certificate is for another name",
        TlsFault::Identity => "it does not take rcl's certificate",
        TlsFault::NoTls => "it speaks no TLS there",
        TlsFault::OnlyTls | TlsFault::Other => "TLS with it fails",
    };
    Some((fault, format!("{words} ({inner})")))
}

fn of_certificate(wrong: &CertificateError) -> TlsFault {
    use CertificateError as Wrong;
    let expired = matches!(
        wrong,
        Wrong::Expired
            | Wrong::ExpiredContext { .. }
            | Wrong::NotValidYet
            | Wrong::NotValidYetContext { .. }
    );
    let other_name = matches!(
        wrong,
        Wrong::NotValidForName | Wrong::NotValidForNameContext { .. }
    );
    // The second is what an authority of the same name gives that has another key.
    let unknown = matches!(wrong, Wrong::UnknownIssuer | Wrong::BadSignature);
    match (expired, other_name, unknown) {
        (true, ..) => TlsFault::Expired,
        (_, true, _) => TlsFault::OtherName,
        (.., true) => TlsFault::UnknownAuthority,
        (false, false, false) => TlsFault::Other,
    }
}

fn of_alert(alert: AlertDescription) -> TlsFault {
    use AlertDescription as Alert;
    let about_ours = matches!(
        alert,
        Alert::CertificateRequired
            | Alert::NoCertificate
            | Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied
            // A certificate of an authority that has the right name and another key.
            | Alert::DecryptError
            // What servers of TLS 1.2 say who miss a certificate.
            | Alert::HandshakeFailure
    );
    match about_ours {
        true => TlsFault::Identity,
        false => TlsFault::Other,
    }
}
