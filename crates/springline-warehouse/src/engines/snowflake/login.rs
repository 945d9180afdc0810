//! Who we are to Snowflake: a token given to us, or one that we sign with the user's private key. It must not know
//! requests nor statements. No error holds a key or a token.
//!
//! <https://docs.snowflake.com/en/developer-guide/sql-api/authenticating>

use crate::{TargetConfig, WarehouseError};
use base64::{Engine, engine::general_purpose::STANDARD, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{digest, rand::SystemRandom, rsa::KeyPair as RsaKeyPair, signature};
use rustls::pki_types::{PrivatePkcs8KeyDer, pem::PemObject};
use std::{
    fmt,
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Snowflake takes a signed token for at most an hour.
const LIFETIME: Duration = Duration::from_secs(3600);
/// A token is made anew when it has less than this left.
const SPARE: Duration = Duration::from_secs(300);

/// How we log in. `Debug` shows neither key nor token.
pub(crate) enum Login {
    /// A token that we were given, and what Snowflake calls its kind.
    Token { token: String, kind: &'static str },
    /// A key that we sign tokens with.
    KeyPair(Box<Signer>),
}

/// Signs tokens for one user.
pub(crate) struct Signer {
    key: RsaKeyPair,
    /// `ACCOUNT.USER`, in upper case.
    subject: String,
    /// `SHA256:` and the digest of the public key.
    fingerprint: String,
    last: Mutex<Option<(String, SystemTime)>>,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())
    }
}

impl Login {
    /// Reads the options.
    pub(crate) fn new(config: &TargetConfig) -> Result<Self, WarehouseError> {
        let key = match (config.text("private_key"), config.text("private_key_path")) {
            (Some(_), Some(_)) => return Err(config.error("`private_key` and `private_key_path` are both given")),
            (Some(key), None) => Some(key.to_owned()),
            (None, Some(path)) => {
                let path = config.project_dir.join(path);
                Some(std::fs::read_to_string(&path).map_err(|error| {
                    config.error(format!("the private key {} cannot be read: {error}", path.display()))
                })?)
            }
            (None, None) => None,
        };
        match (key, config.text("token")) {
            (Some(key), None) => Ok(Login::KeyPair(Box::new(Signer::new(config, &key)?))),
            (None, Some(token)) => {
                let kind = match config.text("token_type").unwrap_or("oauth") {
                    "oauth" => "OAUTH",
                    "programmatic" => "PROGRAMMATIC_ACCESS_TOKEN",
                    _ => return Err(config.error("option `token_type` is neither `oauth` nor `programmatic`")),
                };
                Ok(Login::Token { token: token.to_owned(), kind })
            }
            (Some(_), Some(_)) => Err(config.error("a private key and a token are both given")),
            (None, None) => Err(config
                .error("engine `snowflake` needs a private key or a token")
                .with_hint("set `private_key` or `private_key_path` (key-pair authentication), or `token`")),
        }
    }

    /// The value of `X-Snowflake-Authorization-Token-Type`.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Login::Token { kind, .. } => kind,
            Login::KeyPair(_) => "KEYPAIR_JWT",
        }
    }

    /// The token to send now.
    pub(crate) fn token(&self) -> String {
        match self {
            Login::Token { token, .. } => token.clone(),
            Login::KeyPair(signer) => signer.token(SystemTime::now()),
        }
    }
}

impl Signer {
    fn new(config: &TargetConfig, pem: &str) -> Result<Self, WarehouseError> {
        let Some(user) = config.text("user") else {
            return Err(config.error("option `user` is missing: a private key is that of a user"));
        };
        let wrong = |reason: &str| {
            config.error(format!("the private key cannot be used: {reason}")).with_hint(
                "it must be an unencrypted RSA key in PKCS#8: openssl pkcs8 -topk8 -nocrypt -in key.pem -out plain.pem",
            )
        };
        if pem.contains("BEGIN ENCRYPTED PRIVATE KEY") {
            return Err(wrong("it is encrypted"));
        }
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| wrong("it is not PEM of PKCS#8"))?;
        let key = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).map_err(|error| wrong(&error.to_string()))?;
        let digest = digest::digest(&digest::SHA256, &subject_public_key_info(key.public().as_ref()));
        Ok(Self {
            fingerprint: format!("SHA256:{}", STANDARD.encode(digest)),
            subject: format!("{}.{}", account(config.text("account").unwrap_or_default()), user.to_uppercase()),
            key,
            last: Mutex::new(None),
        })
    }

    fn token(&self, now: SystemTime) -> String {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((token, until)) = last.as_ref()
            && *until > now + SPARE
        {
            return token.clone();
        }
        let token = self.sign(now);
        *last = Some((token.clone(), now + LIFETIME));
        token
    }

    fn sign(&self, now: SystemTime) -> String {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let claims = serde_json::json!({
            "iss": format!("{}.{}", self.subject, self.fingerprint),
            "sub": self.subject,
            "iat": now.as_secs(),
            "exp": (now + LIFETIME).as_secs(),
        });
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256","typ":"JWT"}"#);
        let message = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
        let mut signed = vec![0; self.key.public().modulus_len()];
        // It fails only for a buffer of another length. Snowflake refuses a signature of zeros.
        if self.key.sign(&signature::RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signed).is_err() {
            tracing::debug!("the token could not be signed");
        }
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signed))
    }
}

/// The account in a token: in upper case, and an account locator without its region.
/// <https://docs.snowflake.com/en/developer-guide/sql-api/authenticating#generating-a-jwt-token>
fn account(account: &str) -> String {
    let end = if account.contains(".global") { account.find('-') } else { account.find('.') };
    account.get(..end.unwrap_or(account.len())).unwrap_or(account).to_uppercase()
}

/// An RSA public key (RFC 8017, A.1.1) as SubjectPublicKeyInfo (RFC 5280, 4.1), whose digest Snowflake shows.
fn subject_public_key_info(key: &[u8]) -> Vec<u8> {
    // The algorithm: rsaEncryption, 1.2.840.113549.1.1.1, without parameters.
    let algorithm = [0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
    let bits = der(0x03, &[&[0], key].concat());
    der(0x30, &[&algorithm, bits.as_slice()].concat())
}

fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let digits: Vec<u8> = length.iter().copied().skip_while(|byte| *byte == 0).collect();
    let mut out = vec![tag];
    match digits.as_slice() {
        [one] if *one < 0x80 => out.push(*one),
        digits => {
            out.push(0x80 | u8::try_from(digits.len()).unwrap_or(0));
            out.extend(digits);
        }
    }
    out.extend(content);
    out
}
