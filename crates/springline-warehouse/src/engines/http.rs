//! What the engines behind an HTTP interface share: the client, what is sent again and when, and the errors of a
//! request that got no good answer. It must not know any engine's paths, bodies or tokens; no error holds a URL or a
//! header, which may carry a secret.

use crate::{ErrorKind, WarehouseError};
use backon::{BackoffBuilder, ExponentialBuilder};
use reqwest::{
    Client, RequestBuilder, Response, StatusCode,
    header::{HeaderMap, RETRY_AFTER},
    redirect::Policy,
};
use serde::de::DeserializeOwned;
use std::{sync::Once, time::Duration};

/// The longest wait that a server's `Retry-After` is heeded for.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Whether a request may be sent a second time when it is not known what became of the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// It reads, or carries an id that the server knows it by: sending it twice is sending it once.
    Harmless,
    /// It may have an effect: sent again only where the server says that it did nothing (429, 503), or was never
    /// reached.
    #[allow(dead_code, reason = "not every engine has such requests")]
    Harmful,
}

/// The way to one service.
#[derive(Debug, Clone)]
pub(crate) struct Http {
    client: Client,
    target: String,
    /// What is talked to, for errors: `Snowflake at acme.example`.
    service: String,
    retries: usize,
}

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Http {
    /// A client whose requests each take at most `timeout`. `service` is named in errors.
    pub(crate) fn new(target: &str, service: impl Into<String>, timeout: Duration) -> Result<Self, WarehouseError> {
        static PROVIDER: Once = Once::new();
        PROVIDER.call_once(|| {
            // It fails only when the process has a provider already, and then that one is used.
            if rustls::crypto::ring::default_provider().install_default().is_err() {
                tracing::debug!("a TLS provider is installed already");
            }
        });
        let client = Client::builder()
            .user_agent(concat!("springline/", env!("CARGO_PKG_VERSION")))
            // A redirect would take the token to another host.
            .redirect(Policy::none())
            .timeout(timeout)
            .connect_timeout(timeout.min(Duration::from_secs(15)))
            .build()
            .map_err(|error| WarehouseError::new(ErrorKind::Config, target, format!("no HTTP client: {error}")))?;
        Ok(Self { client, target: target.to_owned(), service: service.into(), retries: 5 })
    }

    /// Sends a request and reads the answer, whatever its status; one that the server could not serve for the moment
    /// is sent again, with growing waits.
    ///
    /// # Errors
    /// `Connection` or `Timeout` when there is no answer.
    pub(crate) async fn send(
        &self,
        repeat: Repeat,
        request: impl Fn(&Client) -> RequestBuilder,
    ) -> Result<Answer, WarehouseError> {
        let waits = ExponentialBuilder::default().with_jitter().with_max_times(self.retries).with_min_delay(FIRST_WAIT);
        let mut waits = waits.build();
        loop {
            let result = match request(&self.client).send().await {
                Ok(response) => read(response).await,
                Err(error) => Err(error),
            };
            let asked = result.as_ref().ok().and_then(|answer| retry_after(&answer.headers));
            let again = match &result {
                Ok(answer) => passes(answer.status, repeat),
                Err(error) => error.is_connect() || (repeat == Repeat::Harmless && !error.is_builder()),
            };
            match waits.next().filter(|_| again) {
                Some(wait) => tokio::time::sleep(asked.unwrap_or(wait).min(LONGEST_WAIT)).await,
                None => return result.map_err(|error| self.unanswered(error)),
            }
        }
    }

    /// An error of this service.
    pub(crate) fn error(&self, kind: ErrorKind, message: impl std::fmt::Display) -> WarehouseError {
        WarehouseError::new(kind, &self.target, message)
    }

    /// The body of an answer as JSON.
    ///
    /// # Errors
    /// `Connection`: something else than the service answers there.
    pub(crate) fn json<T: DeserializeOwned>(&self, answer: &Answer) -> Result<T, WarehouseError> {
        serde_json::from_slice(&answer.body).map_err(|error| {
            let message = format!(
                "{} gave an answer that is not understood (status {}, {} at line {})",
                self.service,
                answer.status.as_u16(),
                // The text of the error could quote a value.
                if error.is_data() { "another shape" } else { "no JSON" },
                error.line()
            );
            self.error(ErrorKind::Connection, message).with_hint("check the host: something else may answer there")
        })
    }

    fn unanswered(&self, error: reqwest::Error) -> WarehouseError {
        let kind = if error.is_timeout() { ErrorKind::Timeout } else { ErrorKind::Connection };
        let error = error.without_url();
        let mut reasons = vec![error.to_string()];
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            reasons.push(cause.to_string());
            source = cause.source();
        }
        self.error(kind, format!("{} gave no answer: {}", self.service, reasons.join(": ")))
            .with_hint("check the host and the network, and that nothing between them closes long requests")
    }
}

const FIRST_WAIT: Duration = Duration::from_millis(200);

async fn read(response: Response) -> Result<Answer, reqwest::Error> {
    let (status, headers) = (response.status(), response.headers().clone());
    Ok(Answer { status, headers, body: response.bytes().await?.to_vec() })
}

/// Whether a status tells of a state that passes.
fn passes(status: StatusCode, repeat: Repeat) -> bool {
    match status.as_u16() {
        429 | 503 => true,
        408 | 500 | 502 | 504 => repeat == Repeat::Harmless,
        _ => false,
    }
}

/// How long `Retry-After` asks to wait, where it is given in seconds (RFC 9110, 10.2.3).
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}
