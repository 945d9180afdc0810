//! Short messages to people, by webhook, Slack or email: what a run of a sync tells when something is wrong with it.
//!
//! Must not know: what is wrong, or when a message is due. No error holds an option's value.

mod email;

use std::collections::BTreeMap;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use reqwest::Url;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use serde_json::{Value, json};

use crate::spec::{OptionSpec, option};
use crate::{Answer, http};

/// The longest that one try of a message may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// What a type of alert declares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AlertSpec {
    /// The word after `type:`.
    pub name: &'static str,
    /// What it does, for documentation.
    pub meaning: &'static str,
    /// What it can be told.
    pub options: &'static [OptionSpec],
}

/// The option that both types over HTTP have.
const PRIVATE: OptionSpec = option(
    "allow_private_addresses",
    "`true` also reaches addresses that are not on the public internet, and takes `http://`",
    Some("false"),
);

static SPECS: &[AlertSpec] = &[
    AlertSpec {
        name: "email",
        meaning: "Sends an email over SMTP.",
        options: &[
            option("host", "the SMTP server", None).required(),
            option("port", "its port", Some("587")),
            option("tls", "`starttls`, `tls` (from the first byte on, mostly on port 465) or `none`", Some("starttls")),
            option("username", "who logs in; nobody where it is left out", None),
            option("password", "the password of `username`", None).secret(),
            option("from", "the sender's address", None).required(),
            option("to", "the addresses that get it, with commas between them", None).required(),
        ],
    },
    AlertSpec {
        name: "slack",
        meaning: "Writes into a Slack channel through an incoming webhook.",
        options: &[option("url", "the incoming webhook's address", None).required().secret(), PRIVATE],
    },
    AlertSpec {
        name: "webhook",
        meaning: "Posts JSON to an HTTP address.",
        options: &[
            option("url", "address that takes it; redirects are not followed", None).required(),
            option("authorization", "value of the Authorization header", None).secret(),
            PRIVATE,
        ],
    },
];

/// What every type of alert declares, in the order of their names.
pub fn alert_specs() -> &'static [AlertSpec] {
    SPECS
}

/// Whom a message goes to. `Debug` shows the names of the options alone: any value may be a secret.
#[derive(Clone)]
pub struct AlertConfig {
    /// The type: a name in [`alert_specs`].
    pub kind: String,
    /// Options by name, as text.
    pub options: BTreeMap<String, String>,
}

impl std::fmt::Debug for AlertConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let options: Vec<_> = self.options.keys().collect();
        f.debug_struct("AlertConfig").field("kind", &self.kind).field("options", &options).finish()
    }
}

/// What people are told. It holds no value of a row.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// What it is about, in one line.
    pub subject: String,
    /// All of it, in lines.
    pub text: String,
    /// The same as data, for programs; the body of a webhook.
    pub facts: Value,
}

/// Why a message did not get through.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct AlertError {
    message: String,
    /// It may get through when it is tried again.
    passing: bool,
}

impl AlertError {
    fn lasting(message: impl Into<String>) -> Self {
        AlertError { message: message.into(), passing: false }
    }

    fn passing(message: impl Into<String>) -> Self {
        AlertError { message: message.into(), passing: true }
    }
}

/// Sends a message; three tries where the fault may pass.
///
/// # Errors
/// An option that cannot be used, an address that cannot be reached, or a server that does not take it.
pub async fn send_alert(config: &AlertConfig, message: &Message) -> Result<(), AlertError> {
    let tries = ExponentialBuilder::default().with_min_delay(Duration::from_secs(1)).with_max_times(2);
    (|| async { send_once(config, message).await }).retry(tries).when(|error| error.passing).await
}

async fn send_once(config: &AlertConfig, message: &Message) -> Result<(), AlertError> {
    match config.kind.as_str() {
        "email" => email::send(config, message).await,
        // https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
        "slack" => post(config, json!({ "text": format!("*{}*\n{}", message.subject, message.text) })).await,
        "webhook" => post(config, message.facts.clone()).await,
        _ => Err(AlertError::lasting("there is no such type of alert")),
    }
}

impl AlertConfig {
    /// The text of an option; that of its default where it is left out.
    fn text(&self, name: &str) -> Option<&str> {
        let spec = SPECS.iter().find(|spec| spec.name == self.kind);
        let default = || spec?.options.iter().find(|option| option.name == name)?.default;
        self.options.get(name).map(String::as_str).or_else(default)
    }

    fn required(&self, name: &str) -> Result<&str, AlertError> {
        let text = self.text(name).map(str::trim).filter(|text| !text.is_empty());
        text.ok_or_else(|| AlertError::lasting(format!("option `{name}` is empty")))
    }

    /// The address to post to, held to what is safe.
    fn address(&self, allow_private: bool) -> Result<Url, AlertError> {
        let url: Url = self.required("url")?.parse().map_err(|_| AlertError::lasting("option `url` is not a URL"))?;
        let plain = url.scheme() == "http" && allow_private;
        if (url.scheme() != "https" && !plain) || url.host_str().is_none_or(str::is_empty) {
            return Err(AlertError::lasting("option `url` must begin with `https://` and name a host"));
        }
        if !allow_private && http::literal_address(&url).is_some_and(|address| !http::is_public(address)) {
            let message = "option `url` names a private address; if that is meant, set `allow_private_addresses: true`";
            return Err(AlertError::lasting(message));
        }
        Ok(url)
    }
}

async fn post(config: &AlertConfig, body: Value) -> Result<(), AlertError> {
    let allow_private = config.text("allow_private_addresses") == Some("true");
    let url = config.address(allow_private)?;
    let client = http::client(TIMEOUT, allow_private)
        .map_err(|e| AlertError::lasting(format!("no HTTP client can be made: {}", e.without_url())))?;
    let mut request = client.post(url).header(CONTENT_TYPE, "application/json").body(body.to_string());
    if let Some(value) = config.text("authorization") {
        let unusable = |_| AlertError::lasting("option `authorization` cannot stand in a header");
        let mut value: HeaderValue = value.parse().map_err(unusable)?;
        value.set_sensitive(true);
        request = request.header(AUTHORIZATION, value);
    }
    let response = request.send().await.map_err(|error| match http::unanswered(error) {
        Answer::Retry { reason, .. } => AlertError::passing(reason),
        Answer::Fatal { message, .. } => AlertError::lasting(message),
        _ => AlertError::passing("there was no answer"),
    })?;
    let status = response.status();
    match status {
        _ if status.is_success() => Ok(()),
        // What the server says may repeat the address, which is a secret of its own.
        _ if http::passes(status) => Err(AlertError::passing(format!("it was answered with {status}"))),
        _ => Err(AlertError::lasting(format!("it was answered with {status}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(kind: &str, options: &[(&str, &str)]) -> AlertConfig {
        let options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        AlertConfig { kind: kind.to_owned(), options }
    }

    fn message() -> Message {
        Message { subject: "a sync failed".into(), text: "no answer".into(), facts: json!({ "sync": "a" }) }
    }

    #[test]
    fn types_are_declared_in_order_and_whole() {
        assert!(alert_specs().is_sorted_by_key(|spec| spec.name));
        for option in alert_specs().iter().flat_map(|spec| spec.options) {
            assert!(!option.meaning.is_empty() && (option.default.is_none() || !option.required), "{}", option.name);
        }
    }

    #[tokio::test]
    async fn no_error_shows_a_value_or_an_unsafe_address() {
        for (kind, options, expected) in [
            ("webhook", vec![("url", "s3cr3t")], "not a URL"),
            ("webhook", vec![("url", "http://s3cr3t.example/")], "must begin with `https://`"),
            ("slack", vec![("url", "https://127.0.0.1/s3cr3t")], "private address"),
            ("slack", vec![("url", " ")], "option `url` is empty"),
            (
                "webhook",
                vec![("url", "https://192.0.2.1/"), ("allow_private_addresses", "true"), ("authorization", "s3cr3t\n")],
                "option `authorization`",
            ),
            ("email", vec![("host", "s3cr3t.example"), ("from", "a@b"), ("to", "s3cr3t <c@d>")], "option `to`"),
            (
                "email",
                vec![("host", "h"), ("from", "a@b"), ("to", "c@d"), ("tls", "none"), ("username", "s3cr3t")],
                "`username` needs",
            ),
        ] {
            let error = send_alert(&config(kind, &options), &message()).await.unwrap_err();
            assert!(error.to_string().contains(expected), "{kind}: {error}");
            assert!(!format!("{error:?}").contains("s3cr3t"), "{error:?}");
        }
        assert!(!format!("{:?}", config("slack", &[("url", "s3cr3t")])).contains("s3cr3t"));
    }
}
