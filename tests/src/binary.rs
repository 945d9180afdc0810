//! Running the real binary, built from this checkout.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

/// What a call of the binary gave.
#[derive(Debug)]
pub struct Output {
    /// The exit code; -1 for a process that was killed.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Output {
    /// Standard output as JSON; panics with all of the output where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e} in {self:#?}"))
    }

    /// The same, where the exit code is this one; panics with all of the output where it is not.
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        self
    }
}

/// A call of the binary.
pub struct Call {
    dir: PathBuf,
    args: Vec<String>,
    env: BTreeMap<String, String>,
}

/// A call of the binary with the given folder as the current one.
pub fn springline(dir: &Path, args: &[&str]) -> Call {
    Call { dir: dir.to_owned(), args: args.iter().map(|a| (*a).to_owned()).collect(), env: BTreeMap::new() }
}

impl Call {
    /// The same with an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.insert(name.to_owned(), value.to_owned());
        self
    }

    /// The same with these environment variables.
    #[must_use]
    pub fn envs<N: AsRef<str>>(mut self, all: &[(N, String)]) -> Self {
        self.env.extend(all.iter().map(|(name, value)| (name.as_ref().to_owned(), value.clone())));
        self
    }

    /// Runs it to its end.
    pub fn run(&self) -> Output {
        let output = self.command().output().expect("the binary starts");
        Output {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).expect("standard output is UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("standard error is UTF-8"),
        }
    }

    /// Starts it and gives the process.
    pub fn spawn(&self) -> Child {
        self.command().stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the binary starts")
    }

    fn command(&self) -> Command {
        let mut command = Command::new(binary());
        command
            .args(&self.args)
            .current_dir(&self.dir)
            .envs(&self.env)
            .env_remove("SPRINGLINE_PROJECT")
            .stdin(Stdio::null());
        command
    }
}

/// The binary of the profile that the tests were built with; built first, so that it is never stale.
pub(crate) fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
        let manifest = crate::root().join("Cargo.toml");
        let status = Command::new(cargo)
            .args(["build", "--quiet", "--package", "springline", "--manifest-path"])
            .arg(manifest)
            .status()
            .expect("cargo starts");
        assert!(status.success(), "the binary builds");
        let test = std::env::current_exe().expect("a test has a path");
        let profile = test.ancestors().nth(2).expect("a test lies in <target>/<profile>/deps");
        profile.join(format!("springline{}", std::env::consts::EXE_SUFFIX))
    })
}
