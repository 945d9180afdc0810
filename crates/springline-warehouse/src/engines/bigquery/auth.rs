//! Who we are to Google: a token from a service account's key, from the application default credentials or as given,
//! kept and renewed. It must not know what the token is used for, and no error holds a part of a key or a token.
//!
//! <https://developers.google.com/identity/protocols/oauth2/service-account>,
//! <https://cloud.google.com/docs/authentication/application-default-credentials>.

use crate::engines::http::{Http, Repeat};
use crate::{ErrorKind, TargetConfig, WarehouseError};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use rustls::{
    SignatureScheme,
    pki_types::{PrivateKeyDer, pem::PemObject},
};
use serde::Deserialize;
use std::{
    path::PathBuf,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use tokio::sync::Mutex;

const SCOPE: &str = "https://www.googleapis.com/auth/bigquery";
const TOKEN_URI: &str = "https://oauth2.googleapis.com/token";
/// A token is renewed so long before it ends.
const MARGIN: Duration = Duration::from_secs(120);
const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const HINT: &str = "name a service account's key file in `credentials`, or run `gcloud auth application-default login`";

/// Where tokens come from.
enum Source {
    Given(String),
    Key(Key),
    Refresh(Refresh),
    /// The server that gives the tokens of the machine's own account.
    Metadata(String),
}

/// A service account's key file, or that of an application default login; told apart by `type`.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum File {
    ServiceAccount(Key),
    AuthorizedUser(Refresh),
}

#[derive(Deserialize)]
struct Key {
    client_email: String,
    private_key: String,
    private_key_id: Option<String>,
    token_uri: Option<String>,
}

#[derive(Deserialize)]
struct Refresh {
    client_id: String,
    client_secret: String,
    refresh_token: String,
    token_uri: Option<String>,
}

#[derive(Deserialize)]
struct Token {
    access_token: String,
    expires_in: u64,
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
    #[serde(default)]
    error_description: String,
}

/// Gives tokens that are good for a while.
pub(super) struct Auth {
    http: Http,
    target: String,
    source: Source,
    kept: Mutex<Option<(String, Instant)>>,
}

impl Auth {
    /// Finds out where tokens come from: `token`, `credentials`, else the application default credentials.
    pub(super) fn new(config: &TargetConfig) -> Result<Self, WarehouseError> {
        let http = Http::new(&config.name, "Google's token service", Duration::from_secs(30))?;
        Ok(Self { http, target: config.name.clone(), source: source(config)?, kept: Mutex::new(None) })
    }

    /// The account's name, where it is known without asking.
    pub(super) fn user(&self) -> Option<&str> {
        match &self.source {
            Source::Key(key) => Some(&key.client_email),
            _ => None,
        }
    }

    /// Whether a token that was refused can be replaced by another one.
    pub(super) fn can_renew(&self) -> bool {
        !matches!(self.source, Source::Given(_))
    }

    /// Forgets the token that was refused.
    pub(super) async fn forget(&self) {
        *self.kept.lock().await = None;
    }

    /// A token; many callers at once ask for a new one only once.
    pub(super) async fn token(&self) -> Result<String, WarehouseError> {
        if let Source::Given(token) = &self.source {
            return Ok(token.clone());
        }
        let mut kept = self.kept.lock().await;
        if let Some((token, until)) = kept.as_ref()
            && Instant::now() < *until
        {
            return Ok(token.clone());
        }
        let asked = Instant::now();
        let token = self.fetch().await?;
        let lasts = Duration::from_secs(token.expires_in).saturating_sub(MARGIN);
        *kept = Some((token.access_token.clone(), asked + lasts));
        Ok(token.access_token)
    }

    async fn fetch(&self) -> Result<Token, WarehouseError> {
        let answer = match &self.source {
            Source::Given(_) => return Err(self.refused("the token was refused")),
            Source::Key(key) => {
                let assertion = self.assertion(key)?;
                let form = [("grant_type", GRANT), ("assertion", assertion.as_str())];
                self.ask(key.token_uri.as_deref(), &form).await?
            }
            Source::Refresh(login) => {
                let form = [
                    ("grant_type", "refresh_token"),
                    ("client_id", &login.client_id),
                    ("client_secret", &login.client_secret),
                    ("refresh_token", &login.refresh_token),
                ];
                self.ask(login.token_uri.as_deref(), &form).await?
            }
            Source::Metadata(host) => {
                let url = format!("http://{host}/computeMetadata/v1/instance/service-accounts/default/token");
                let request = |client: &reqwest::Client| client.get(&url).header("Metadata-Flavor", "Google");
                self.http.send(Repeat::Harmless, request).await.map_err(|error| error.with_hint(HINT))?
            }
        };
        if answer.status.is_success() {
            return self.http.json(&answer);
        }
        let told = serde_json::from_slice::<Refusal>(&answer.body);
        let reason = told.map_or_else(
            |_| format!("status {}", answer.status.as_u16()),
            |told| format!("{} ({})", told.error_description, told.error),
        );
        Err(self.refused(&reason))
    }

    async fn ask(
        &self,
        uri: Option<&str>,
        form: &[(&str, &str)],
    ) -> Result<crate::engines::http::Answer, WarehouseError> {
        let body = encoded(form);
        let request = |client: &reqwest::Client| {
            let request = client.post(uri.unwrap_or(TOKEN_URI));
            request.header("content-type", "application/x-www-form-urlencoded").body(body.clone())
        };
        self.http.send(Repeat::Harmless, request).await
    }

    fn refused(&self, reason: &str) -> WarehouseError {
        let message = format!("Google gave no token: {reason}");
        WarehouseError::new(ErrorKind::Connection, &self.target, message)
            .with_hint("check that the key is not deleted and this machine's clock is right, or log in again")
    }

    /// A request for a token, signed with the account's key (RFC 7523).
    fn assertion(&self, key: &Key) -> Result<String, WarehouseError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let head = serde_json::json!({ "alg": "RS256", "typ": "JWT", "kid": key.private_key_id });
        let audience = key.token_uri.as_deref().unwrap_or(TOKEN_URI);
        let claims = serde_json::json!({
            "iss": key.client_email, "scope": SCOPE, "aud": audience, "iat": now, "exp": now + 3600,
        });
        let part = |json: serde_json::Value| BASE64_URL_SAFE_NO_PAD.encode(json.to_string());
        let text = format!("{}.{}", part(head), part(claims));
        let signature = sign(&key.private_key, text.as_bytes()).ok_or_else(|| {
            WarehouseError::new(ErrorKind::Config, &self.target, "the `private_key` of `credentials` cannot be used")
                .with_hint("take the key file as Google made it: an RSA key in PKCS #8")
        })?;
        Ok(format!("{text}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature)))
    }
}

fn sign(pem: &str, text: &[u8]) -> Option<Vec<u8>> {
    let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).ok()?;
    let key = rustls::crypto::ring::sign::any_supported_type(&key).ok()?;
    key.choose_scheme(&[SignatureScheme::RSA_PKCS1_SHA256])?.sign(text).ok()
}

fn source(config: &TargetConfig) -> Result<Source, WarehouseError> {
    if let Some(token) = config.text("token") {
        return Ok(Source::Given(token.to_owned()));
    }
    if let Some(given) = config.text("credentials") {
        if given.trim_start().starts_with('{') {
            return parse(config, given, "the text of `credentials`");
        }
        return read(config, config.project_dir.join(given));
    }
    let named = std::env::var_os("GOOGLE_APPLICATION_CREDENTIALS").filter(|path| !path.is_empty());
    if let Some(path) = named {
        return read(config, PathBuf::from(path));
    }
    match login_file().filter(|path| path.exists()) {
        Some(path) => read(config, path),
        None => {
            let host = std::env::var("GCE_METADATA_HOST").unwrap_or_else(|_| "metadata.google.internal".to_owned());
            Ok(Source::Metadata(host))
        }
    }
}

/// Where `gcloud auth application-default login` writes.
fn login_file() -> Option<PathBuf> {
    let folder = match std::env::var_os("CLOUDSDK_CONFIG") {
        Some(folder) => PathBuf::from(folder),
        None if cfg!(windows) => PathBuf::from(std::env::var_os("APPDATA")?).join("gcloud"),
        None => PathBuf::from(std::env::var_os("HOME")?).join(".config/gcloud"),
    };
    Some(folder.join("application_default_credentials.json"))
}

fn read(config: &TargetConfig, path: PathBuf) -> Result<Source, WarehouseError> {
    let text = std::fs::read_to_string(&path).map_err(|error| {
        config.error(format!("the credentials {} cannot be read: {error}", path.display())).with_hint(HINT)
    })?;
    parse(config, &text, &path.display().to_string())
}

fn parse(config: &TargetConfig, text: &str, what: &str) -> Result<Source, WarehouseError> {
    match serde_json::from_str(text) {
        Ok(File::ServiceAccount(key)) => Ok(Source::Key(key)),
        Ok(File::AuthorizedUser(login)) => Ok(Source::Refresh(login)),
        // What the reader says could quote a secret.
        Err(_) => Err(config
            .error(format!("{what} is neither a service account's key nor an application default login"))
            .with_hint(HINT)),
    }
}

/// A form as a browser sends it: what is no letter, digit, `-`, `_` or `.` as a percent sign and two digits.
fn encoded(form: &[(&str, &str)]) -> String {
    let escape = |text: &str| -> String {
        text.bytes()
            .map(|byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
                other => format!("%{other:02X}"),
            })
            .collect()
    };
    form.iter().map(|(name, value)| format!("{name}={}", escape(value))).collect::<Vec<_>>().join("&")
}
