//! Opens connections to one database that speaks Postgres' protocol and keeps a few idle ones. It must not know statements.

use super::errors::Place;
use crate::{TargetConfig, WarehouseError};
use rustls::{
    ClientConfig, DigitallySignedStruct, Error as TlsError, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use rustls_platform_verifier::BuilderVerifierExt;
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio_postgres::{Client, Config, config::SslMode, error::SqlState};
use tokio_postgres_rustls::MakeRustlsConnect;

/// Idle connections kept for the next call; a server's slots are few and shared.
const IDLE: usize = 2;

/// What differs between the servers that speak the protocol.
pub(in crate::engines) struct Flavor {
    /// As messages name the server.
    pub(in crate::engines) product: &'static str,
    pub(in crate::engines) port: u16,
    /// The `sslmode` that is taken when none is given.
    pub(in crate::engines) sslmode: &'static str,
    /// Said to the server first thing on every connection: instants are read as UTC, floats whole, and strings as the
    /// dialect writes them.
    pub(in crate::engines) settings: &'static str,
    /// Settings that a server of the same protocol may not know, each with its value; `None` is the run's tag, in quotes.
    pub(in crate::engines) further: &'static [(&'static str, Option<&'static str>)],
    /// What to look at when the server does not let the user in.
    pub(in crate::engines) login: &'static str,
}

/// The way to one database.
pub(crate) struct Connections {
    place: Place,
    config: Config,
    tls: MakeRustlsConnect,
    /// Said to the server first thing on every connection.
    settings: String,
    /// Said one by one after it, each of which the server may not know.
    further: Vec<String>,
    idle: Mutex<Vec<Lent>>,
}

/// A connection. Dropping it closes it; while it is in use, the server is told to stop what it does for it.
pub(crate) struct Lent {
    client: Client,
    tls: MakeRustlsConnect,
    in_use: bool,
}

impl Lent {
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) fn client_mut(&mut self) -> &mut Client {
        &mut self.client
    }

    /// Marks that the server is about to work for it.
    pub(crate) fn in_use(mut self) -> Self {
        self.in_use = true;
        self
    }

    /// Marks that the server has nothing more to do for it.
    pub(crate) fn at_rest(mut self) -> Self {
        self.in_use = false;
        self
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if !self.in_use || self.client.is_closed() {
            return;
        }
        // A server that works on a statement does not notice that nobody listens any more.
        let (token, tls) = (self.client.cancel_token(), self.tls.clone());
        crate::cancel::send(async move {
            if let Err(error) = token.cancel_query(tls).await {
                tracing::debug!(%error, "a statement could not be cancelled");
            }
        });
    }
}

impl Connections {
    /// Reads the options; nothing is sent.
    pub(crate) fn new(target: &TargetConfig, flavor: &'static Flavor) -> Result<Self, WarehouseError> {
        let text = |name: &str| target.text(name).unwrap_or_default().to_owned();
        let port = target.number::<u16>("port")?.unwrap_or(flavor.port);
        let timeout = target.number::<u32>("statement_timeout_secs")?.unwrap_or(0);
        let mut config = Config::new();
        config
            .host(text("host"))
            .port(port)
            .user(text("user"))
            .dbname(text("database"))
            .application_name(target.text("application_name").unwrap_or(&target.tag))
            .connect_timeout(Duration::from_secs(target.number("connect_timeout_secs")?.unwrap_or(15)))
            .keepalives_idle(Duration::from_secs(60));
        if let Some(password) = target.text("password") {
            config.password(password);
        }
        let (mode, verified) = match target.text("sslmode").unwrap_or(flavor.sslmode) {
            "disable" => (SslMode::Disable, false),
            "prefer" => (SslMode::Prefer, false),
            "require" => (SslMode::Require, false),
            "verify-full" => (SslMode::Require, true),
            _ => {
                let error = target.error("option `sslmode` has an unknown value");
                return Err(error.with_hint("it is one of disable, prefer, require, verify-full"));
            }
        };
        config.ssl_mode(mode);
        let tls = tls(verified).map_err(|error| target.error(format!("TLS cannot be set up: {error}")))?;
        let place = Place::new(target, port, flavor);
        let settings = format!("{}; SET statement_timeout TO {}", flavor.settings, u64::from(timeout) * 1000);
        let tag = format!("'{}'", target.tag.replace(['\'', '\\'], ""));
        let further = flavor.further.iter();
        let further = further.map(|(name, value)| format!("SET {name} TO {}", value.unwrap_or(&tag))).collect();
        Ok(Self { place, config, tls, settings, further, idle: Mutex::new(Vec::new()) })
    }

    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// An idle connection, or a new one.
    pub(crate) async fn take(&self) -> Result<Lent, WarehouseError> {
        loop {
            let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            match idle {
                Some(lent) if lent.client.is_closed() => {}
                Some(lent) => return Ok(lent.in_use()),
                None => return self.open().await,
            }
        }
    }

    /// Keeps a connection that is in order for the next call.
    pub(crate) fn give_back(&self, lent: Lent) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let lent = lent.at_rest();
        if idle.len() < IDLE && !lent.client.is_closed() {
            idle.push(lent);
        }
    }

    async fn open(&self) -> Result<Lent, WarehouseError> {
        let (client, connection) =
            self.config.connect(self.tls.clone()).await.map_err(|error| self.place.connect_error(error))?;
        let target = self.place.target().to_owned();
        tokio::spawn(async move {
            // Whoever waits on the client gets the same error.
            if let Err(error) = connection.await {
                tracing::debug!(target_name = %target, closed = error.is_closed(), "a connection ended");
            }
        });
        client.batch_execute(&self.settings).await.map_err(|error| self.place.connect_error(error))?;
        for setting in &self.further {
            match client.batch_execute(setting).await {
                Err(error) if error.code() == Some(&SqlState::UNDEFINED_OBJECT) => {
                    tracing::debug!(%setting, "the server does not know a setting");
                }
                answer => answer.map_err(|error| self.place.connect_error(error))?,
            }
        }
        Ok(Lent { client, tls: self.tls.clone(), in_use: true })
    }
}

fn tls(verified: bool) -> Result<MakeRustlsConnect, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let config = if verified {
        builder.with_platform_verifier()?.with_no_client_auth()
    } else {
        let any = Arc::new(AnyCertificate(provider));
        builder.dangerous().with_custom_certificate_verifier(any).with_no_client_auth()
    };
    Ok(MakeRustlsConnect::new(config))
}

/// Encrypts without asking who is at the other end, which is what `prefer` and `require` mean:
/// <https://www.postgresql.org/docs/current/libpq-ssl.html#LIBPQ-SSL-PROTECTION>.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
