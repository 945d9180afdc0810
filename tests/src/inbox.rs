//! Where alerts arrive: an HTTP address that takes any JSON, and a mail server that wants TLS and a login.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::{Json, Router};
use serde_json::Value;

use crate::engines::{missing, root};

/// What came: the path it was posted to, and its body.
type Posted = Arc<Mutex<Vec<(String, Value)>>>;

/// An address that takes any JSON. It ends with the runtime it was started on.
#[derive(Debug, Clone)]
pub struct Inbox {
    /// Where it listens, without a path.
    pub url: String,
    posted: Posted,
}

/// The Authorization header that the inbox wants at `/guarded`.
const AUTHORIZATION: &str = "Bearer inbox";

impl Inbox {
    /// Starts one on a free port.
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let posted = Posted::default();
        let app = Router::new().fallback(take).with_state(posted.clone());
        tokio::spawn(async move { axum::serve(listener, app).await.expect("the inbox serves") });
        Inbox { url, posted }
    }

    /// Takes out what came since the last call, in the order of the paths.
    pub fn take(&self) -> Vec<(String, Value)> {
        let mut posted = std::mem::take(&mut *self.posted.lock().unwrap_or_else(PoisonError::into_inner));
        posted.sort_by(|(a, _), (b, _)| a.cmp(b));
        posted
    }
}

async fn take(State(posted): State<Posted>, uri: Uri, headers: HeaderMap, Json(body): Json<Value>) -> StatusCode {
    let authorization = headers.get("authorization").and_then(|value| value.to_str().ok());
    if uri.path() == "/guarded" && authorization != Some(AUTHORIZATION) {
        return StatusCode::UNAUTHORIZED;
    }
    posted.lock().unwrap_or_else(PoisonError::into_inner).push((uri.path().to_owned(), body));
    StatusCode::OK
}

/// The user and password that the mail server takes.
pub const MAIL_LOGIN: [&str; 2] = ["springline", "correct horse"];

/// A mail server that takes mail only over TLS and from who has logged in. It ends with this value.
pub struct MailServer {
    /// Its port on `localhost`.
    pub port: u16,
    process: Child,
    lines: BufReader<std::process::ChildStdout>,
}

impl MailServer {
    /// Starts one; `None`, with a word why, where aiosmtpd is not installed.
    pub fn start() -> Option<Self> {
        let Some(python) = std::env::var_os("SPRINGLINE_PYTHON") else {
            missing("mail", "SPRINGLINE_PYTHON is not set; `tests/run` installs aiosmtpd and sets it");
            return None;
        };
        let mut process = Command::new(python)
            .arg(root().join("tests/servers/mail/server.py"))
            .args(MAIL_LOGIN)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("Python starts");
        let mut lines = BufReader::new(process.stdout.take().expect("its output"));
        let mut port = String::new();
        lines.read_line(&mut port).expect("a line");
        let Ok(port) = port.trim().parse() else {
            missing("mail", "aiosmtpd is not installed for SPRINGLINE_PYTHON");
            process.wait().expect("it has ended");
            return None;
        };
        Some(MailServer { port, process, lines })
    }

    /// The file with the certificates that its own is signed by.
    pub fn authorities() -> PathBuf {
        root().join("tests/servers/mail/authority.pem")
    }

    /// The next mail that came, waited for: `from`, `to`, `subject`, `text`, and all of it as `raw`.
    pub fn mail(&mut self) -> Value {
        let mut line = String::new();
        self.lines.read_line(&mut line).expect("a line");
        serde_json::from_str(&line).expect("the server prints JSON")
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        self.process.kill().expect("the server runs");
        self.process.wait().expect("it has ended");
    }
}
