//! A message as an email, handed to an SMTP server: RFC 5321 for the way, RFC 5322 and MIME for the form.
//!
//! Must not know: what the message is about.

use std::sync::Arc;
use std::time::Duration;

use async_smtp::authentication::{Credentials, Mechanism};
use async_smtp::error::Error as SmtpError;
use async_smtp::{EmailAddress, Envelope, SendableEmail, SmtpClient, SmtpTransport};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Zoned;
use jiff::fmt::rfc2822;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::io::{AsyncRead, AsyncWrite, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{AlertConfig, AlertError, Message, TIMEOUT};
use crate::http;

/// What goes between client and server, encrypted or not.
trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}
type Stream = BufReader<Box<dyn Wire>>;

/// When the connection becomes an encrypted one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tls {
    /// After the greeting.
    Start,
    /// From the first byte on.
    Whole,
    Never,
}

/// Characters of base64 in a line: RFC 2045 allows 76.
const LINE: usize = 76;

/// Bytes of one encoded word of a subject: RFC 2047 allows 75 characters with what stands around them.
const WORD: usize = 45;

/// Hands the message to the server of the options.
pub(super) async fn send(config: &AlertConfig, message: &Message) -> Result<(), AlertError> {
    let from = address(config.required("from")?, "from")?;
    let to: Vec<EmailAddress> =
        config.required("to")?.split(',').map(|to| address(to.trim(), "to")).collect::<Result<_, _>>()?;
    let tls = match config.text("tls") {
        Some("starttls") => Tls::Start,
        Some("tls") => Tls::Whole,
        Some("none") => Tls::Never,
        _ => return Err(AlertError::lasting("option `tls` must be `starttls`, `tls` or `none`")),
    };
    if tls == Tls::Never && config.text("username").is_some() {
        return Err(AlertError::lasting("`username` needs `tls: starttls` or `tls: tls`"));
    }
    let text = written(&from, &to, message)?;
    let envelope = Envelope::new(Some(from), to).map_err(|_| AlertError::lasting("option `to` is empty"))?;
    let work = async {
        let mut transport = connect(config, tls).await?;
        log_in(config, &mut transport).await?;
        transport.send(SendableEmail::new(envelope, text)).await.map_err(|e| failure("the message", &e))?;
        // The message is with the server: how the connection ends changes nothing.
        if let Err(error) = transport.quit().await {
            tracing::debug!(reason = failure("the end", &error).to_string(), "the mail server did not say goodbye");
        }
        Ok(())
    };
    tokio::time::timeout(TIMEOUT, work).await.unwrap_or_else(|_: tokio::time::error::Elapsed| Err(slow(TIMEOUT)))
}

fn slow(timeout: Duration) -> AlertError {
    AlertError::passing(format!("the mail server did not end within {} seconds", timeout.as_secs()))
}

async fn connect(config: &AlertConfig, tls: Tls) -> Result<SmtpTransport<Stream>, AlertError> {
    let host = config.required("host")?;
    let port: u16 = config
        .required("port")?
        .parse()
        .map_err(|_| AlertError::lasting("option `port` must be a number from 1 to 65535"))?;
    let plain = TcpStream::connect((host, port))
        .await
        .map_err(|e| AlertError::passing(format!("the mail server cannot be reached: {}", e.kind())))?;
    let stream: Box<dyn Wire> = match tls {
        Tls::Never => Box::new(plain),
        Tls::Whole => Box::new(encrypted(host, plain).await?),
        Tls::Start => {
            let greeted = SmtpTransport::new(SmtpClient::new(), BufReader::new(plain)).await;
            let greeted = greeted.map_err(|e| failure("the greeting", &e))?;
            let plain = greeted.starttls().await.map_err(|e| failure("STARTTLS", &e))?.into_inner();
            let stream: Box<dyn Wire> = Box::new(encrypted(host, plain).await?);
            let client = SmtpClient::new().without_greeting();
            let transport = SmtpTransport::new(client, BufReader::new(stream)).await;
            return transport.map_err(|e| failure("the greeting", &e));
        }
    };
    SmtpTransport::new(SmtpClient::new(), BufReader::new(stream)).await.map_err(|e| failure("the greeting", &e))
}

async fn encrypted(host: &str, plain: TcpStream) -> Result<impl Wire + 'static, AlertError> {
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| AlertError::lasting("option `host` is no name that a certificate can have"))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let unusable = |e: rustls::Error| AlertError::lasting(format!("TLS cannot be used: {e}"));
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_platform_verifier())
        .map_err(unusable)?
        .with_no_client_auth();
    TlsConnector::from(Arc::new(client)).connect(name, plain).await.map_err(|_| {
        AlertError::lasting("the mail server has no certificate that can be trusted, or does not speak TLS")
    })
}

async fn log_in(config: &AlertConfig, transport: &mut SmtpTransport<Stream>) -> Result<(), AlertError> {
    let Some(username) = config.text("username") else { return Ok(()) };
    let credentials = Credentials::new(username.to_owned(), config.required("password")?.to_owned());
    let mut taken = transport.auth(Mechanism::Plain, &credentials).await;
    // Some servers know but the older one. Those that know this one say with 535 that the password is wrong.
    if matches!(&taken, Err(SmtpError::Permanent(answer)) if !answer.has_code(535)) {
        taken = transport.auth(Mechanism::Login, &credentials).await;
    }
    taken.map(|_| ()).map_err(|e| failure("`username` and `password`", &e))
}

/// What a server says may repeat addresses: its code alone is told.
fn failure(what: &str, error: &SmtpError) -> AlertError {
    match error {
        SmtpError::Transient(answer) => {
            AlertError::passing(format!("the mail server does not take {what} now: {}", answer.code))
        }
        SmtpError::Permanent(answer) => AlertError::lasting(format!("the mail server refuses {what}: {}", answer.code)),
        SmtpError::Io(error) => AlertError::passing(format!("the mail server broke off at {what}: {}", error.kind())),
        SmtpError::Client(why) => AlertError::lasting(format!("the mail server and {what}: {why}")),
        _ => AlertError::lasting(format!("the mail server's answer to {what} cannot be read")),
    }
}

fn address(text: &str, option: &str) -> Result<EmailAddress, AlertError> {
    let unusable = || AlertError::lasting(format!("option `{option}` holds something else than an address"));
    if !text.contains('@') {
        return Err(unusable());
    }
    EmailAddress::new(text.to_owned()).map_err(|_| unusable())
}

/// The message with its headers. Its text is base64, which no server has to change on the way.
fn written(from: &EmailAddress, to: &[EmailAddress], message: &Message) -> Result<String, AlertError> {
    let date = rfc2822::to_string(&Zoned::now()).map_err(|e| AlertError::lasting(format!("no date: {e}")))?;
    let to: Vec<String> = to.iter().map(ToString::to_string).collect();
    let from = from.to_string();
    let domain = from.rsplit('@').next().unwrap_or("localhost");
    let id = format!("{:x}.{:x}", jiff::Timestamp::now().as_microsecond(), fastrand::u64(..));
    let text = STANDARD.encode(message.text.replace("\r\n", "\n").replace('\n', "\r\n"));
    let lines: Vec<_> = text.as_bytes().chunks(LINE).map(String::from_utf8_lossy).collect();
    Ok(format!(
        "From: {from}\r\nTo: {}\r\nSubject: {}\r\nDate: {date}\r\nMessage-ID: <{id}@{domain}>\r\nAuto-Submitted: \
         auto-generated\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: \
         base64\r\n\r\n{}\r\n",
        to.join(",\r\n "),
        subject(&http::readable(&message.subject)),
        lines.join("\r\n")
    ))
}

/// A subject in ASCII: as encoded words where it is not.
fn subject(text: &str) -> String {
    if text.is_ascii() {
        return text.to_owned();
    }
    let mut words = vec![String::new()];
    for c in text.chars() {
        if words.last().is_some_and(|word| word.len() + c.len_utf8() > WORD) {
            words.push(String::new());
        }
        words.last_mut().into_iter().for_each(|word| word.push(c));
    }
    let words: Vec<String> = words.iter().map(|word| format!("=?utf-8?B?{}?=", STANDARD.encode(word))).collect();
    words.join("\r\n ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_no_line_that_a_server_may_change() {
        let from = address("springline@example.com", "from").unwrap();
        let to = ["a@example.com", "b@example.com"].map(|to| address(to, "to").unwrap());
        let text = ".\r\nFrom: nobody\n".repeat(40) + "é";
        let subject = "sync `été` failed\r\nBcc: c@example.com".to_owned();
        let message = Message { subject, text: text.clone(), facts: serde_json::Value::Null };
        let written = written(&from, &to, &message).unwrap();
        let (head, body) = written.split_once("\r\n\r\n").unwrap();
        assert!(
            !head.contains("\nBcc") && head.is_ascii() && head.contains("To: a@example.com,\r\n b@example.com\r\n")
        );
        assert!(written.lines().all(|line| line.len() <= 78), "{written}");
        let decoded = STANDARD.decode(body.replace("\r\n", "")).unwrap();
        assert_eq!(String::from_utf8(decoded).unwrap().replace("\r\n", "\n"), text.replace("\r\n", "\n"));
    }
}
