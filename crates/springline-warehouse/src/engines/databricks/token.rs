//! Who we are: a token that is given, or one that a service principal gets for its secret and that is renewed before
//! it expires. It must not know statements; no error holds a token or a secret.
//!
//! OAuth for machines: <https://docs.databricks.com/aws/en/dev-tools/auth/oauth-m2m>.

use crate::{
    ErrorKind, TargetConfig, WarehouseError,
    engines::http::{Http, Repeat},
};
use serde::Deserialize;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// A token is renewed so long before it expires.
const EARLY: Duration = Duration::from_secs(120);

/// The way to a token.
pub(super) enum Tokens {
    /// Given in the target.
    Fixed(String),
    /// Asked for.
    Client { id: String, secret: String, url: String, current: Mutex<Option<Current>> },
}

/// A token and when it is to be renewed.
pub(super) struct Current {
    token: String,
    until: Instant,
}

#[derive(Deserialize)]
struct Minted {
    access_token: String,
    expires_in: u64,
}

impl Tokens {
    pub(super) fn new(config: &TargetConfig, host: &str) -> Result<Self, WarehouseError> {
        match (config.text("token"), config.text("client_id"), config.text("client_secret")) {
            (Some(token), None, None) => Ok(Tokens::Fixed(token.to_owned())),
            (None, Some(id), Some(secret)) => Ok(Tokens::Client {
                id: id.to_owned(),
                secret: secret.to_owned(),
                url: format!("{host}/oidc/v1/token"),
                current: Mutex::new(None),
            }),
            _ => Err(config
                .error("engine `databricks` needs `token`, or `client_id` and `client_secret`")
                .with_hint("give one of the two; a service principal with an OAuth secret suits a schedule best")),
        }
    }

    /// Whether another token can be had when one is refused.
    pub(super) fn renew(&self) -> bool {
        matches!(self, Tokens::Client { .. })
    }

    /// A token that was not refused yet: `refused` is one that was.
    pub(super) async fn get(&self, http: &Http, refused: Option<&str>) -> Result<String, WarehouseError> {
        let (id, secret, url, current) = match self {
            Tokens::Fixed(token) => return Ok(token.clone()),
            Tokens::Client { id, secret, url, current } => (id, secret, url, current),
        };
        // Held while it is asked for, so that calls side by side ask once.
        let mut current = current.lock().await;
        let good = |c: &&Current| c.until > Instant::now() && Some(c.token.as_str()) != refused;
        if let Some(current) = current.as_ref().filter(good) {
            return Ok(current.token.clone());
        }
        let answer = http
            .send(Repeat::Harmless, |client| {
                client
                    .post(url)
                    .basic_auth(id, Some(secret))
                    .header("Content-Type", "application/x-www-form-urlencoded")
                    .body("grant_type=client_credentials&scope=all-apis")
            })
            .await?;
        if !answer.status.is_success() {
            let message =
                format!("the service principal `{id}` was refused a token (status {})", answer.status.as_u16());
            return Err(http
                .error(ErrorKind::Connection, message)
                .with_hint("check `client_id` and `client_secret`: the secret may have expired or been deleted"));
        }
        let minted: Minted = http.json(&answer)?;
        let lasts = Duration::from_secs(minted.expires_in).saturating_sub(EARLY);
        *current = Some(Current { token: minted.access_token.clone(), until: Instant::now() + lasts });
        Ok(minted.access_token)
    }
}
