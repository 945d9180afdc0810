//! The library, the file and its connections. DuckDB's calls block, so each runs on a thread of its own; when the caller
//! goes away before it is done, it is interrupted. It must not know what the SQL is for.

use super::errors::{Place, is_interrupted};
use crate::{ErrorKind, TargetConfig, WarehouseError};
use adbc_core::{
    CancelHandle, Connection, Database, Driver, Statement,
    options::{AdbcVersion, OptionDatabase, OptionValue},
};
use adbc_driver_manager::{ManagedConnection, ManagedDatabase, ManagedDriver};
use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// The function of the library that makes it a driver of ADBC.
/// <https://duckdb.org/docs/stable/clients/adbc>
const ENTRY: &[u8] = b"duckdb_adbc_init";

/// The libraries that were loaded. They are never unloaded: threads of DuckDB may outlive its last database.
static LIBRARIES: Mutex<BTreeMap<Option<PathBuf>, ManagedDriver>> = Mutex::new(BTreeMap::new());

/// The files that are open, by path. The lock on a file keeps other processes out, not this one: two databases on one
/// file would destroy it.
static FILES: Mutex<BTreeMap<PathBuf, Weak<ManagedDatabase>>> = Mutex::new(BTreeMap::new());

/// How often work is done again before DuckDB is taken not to tell why it fails.
const TRIES: usize = 5;

/// Where the file and the library are, and how the file is opened. Nothing is opened before the first call.
pub(super) struct Opener {
    pub(super) place: Place,
    path: PathBuf,
    library: Option<PathBuf>,
    settings: Vec<(&'static str, String)>,
    timeout: Option<Duration>,
    database: tokio::sync::OnceCell<Arc<ManagedDatabase>>,
}

/// What a call on a connection gives; the text of an error is DuckDB's.
pub(super) type Answer<T> = Result<T, String>;

impl Opener {
    pub(super) fn new(config: &TargetConfig) -> Result<Self, WarehouseError> {
        let given = config.text("path").unwrap_or_default();
        if given.contains(":memory:") {
            let error = config.error("`path` must be a file: a database in memory ends with each command");
            return Err(
                error.with_hint("for files of CSV or Parquet use the engine `datafusion`, which needs no database")
            );
        }
        let settings = ["threads", "memory_limit"].into_iter();
        let settings = settings.filter_map(|name| Some((name, config.text(name)?.to_owned()))).collect();
        config.number::<u32>("threads")?;
        let library = config.text("library").map(|library| config.project_dir.join(library));
        let timeout = config.number("statement_timeout_secs")?.filter(|seconds| *seconds > 0).map(Duration::from_secs);
        Ok(Self {
            place: Place::new(&config.name, given),
            path: config.project_dir.join(given),
            library,
            settings,
            timeout,
            database: tokio::sync::OnceCell::new(),
        })
    }

    /// How long a statement may take.
    pub(super) fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    /// Runs blocking work on a connection of its own; the work is interrupted, and the flag set, when the caller goes
    /// away or when the target's time is over.
    pub(super) async fn run<T, F>(&self, work: F) -> Result<T, WarehouseError>
    where
        T: Send + 'static,
        F: FnOnce(&mut ManagedConnection, &AtomicBool) -> Answer<T> + Send + 'static,
    {
        let mut connection = self.connection().await?;
        let interrupt = Interrupt::new(&connection);
        let ended = interrupt.ended();
        let task = tokio::task::spawn_blocking(move || match ended.load(Ordering::Acquire) {
            true => Err("INTERRUPT Error: Interrupted!".to_owned()),
            false => work(&mut connection, &ended),
        });
        let answer = match self.timeout {
            None => task.await,
            Some(limit) => tokio::time::timeout(limit, task).await.map_err(|_| self.too_long())?,
        };
        interrupt.done();
        answer.map_err(|_| self.broken())?.map_err(|message| self.place.error(&message))
    }

    pub(super) fn too_long(&self) -> WarehouseError {
        let seconds = self.timeout.unwrap_or_default().as_secs();
        let error = self.place.new_error(ErrorKind::Timeout, format!("the statement took longer than {seconds} s"));
        error.with_hint("raise the target's `statement_timeout_secs`, or make the statement smaller")
    }

    /// A panic inside a thread; it has no text that is safe to show.
    pub(super) fn broken(&self) -> WarehouseError {
        self.place.new_error(ErrorKind::Sql, "DuckDB broke off")
    }

    /// A connection of its own: one holds one open result.
    pub(super) async fn connection(&self) -> Result<ManagedConnection, WarehouseError> {
        let database = self.database.get_or_try_init(|| self.open()).await?;
        database.new_connection().map_err(|error| self.place.open_error(&error.message))
    }

    async fn open(&self) -> Result<Arc<ManagedDatabase>, WarehouseError> {
        let (place, path, library) = (self.place.clone(), self.path.clone(), self.library.clone());
        let settings = self.settings.clone();
        let task = tokio::task::spawn_blocking(move || open(&place, path, library, settings));
        task.await.map_err(|_| self.broken())?
    }
}

fn open(
    place: &Place,
    path: PathBuf,
    library: Option<PathBuf>,
    settings: Vec<(&'static str, String)>,
) -> Result<Arc<ManagedDatabase>, WarehouseError> {
    let mut files = held(&FILES);
    if let Some(database) = files.get(&path).and_then(Weak::upgrade) {
        return Ok(database);
    }
    let mut driver = driver(place, library)?;
    let option = |name: &str, value: String| (OptionDatabase::Other(name.to_owned()), OptionValue::String(value));
    let mut options = vec![option("path", path.display().to_string())];
    options.extend(settings.into_iter().map(|(name, value)| option(name, value)));
    let database = driver.new_database_with_opts(options).map_err(|error| place.open_error(&error.message))?;
    let mut connection = database.new_connection().map_err(|error| place.open_error(&error.message))?;
    // Instants without a zone are of UTC, and the calendar of an instant is read in UTC.
    execute(&mut connection, "SET GLOBAL TimeZone = 'UTC'").map_err(|message| place.error(&message))?;
    let database = Arc::new(database);
    files.retain(|_, database| database.strong_count() > 0);
    files.insert(path, Arc::downgrade(&database));
    Ok(database)
}

fn driver(place: &Place, library: Option<PathBuf>) -> Result<ManagedDriver, WarehouseError> {
    let mut libraries = held(&LIBRARIES);
    if let Some(driver) = libraries.get(&library) {
        return Ok(driver.clone());
    }
    let loaded = match &library {
        Some(file) => ManagedDriver::load_dynamic_from_filename(file, Some(ENTRY), AdbcVersion::V110),
        None => ManagedDriver::load_dynamic_from_name("duckdb", Some(ENTRY), AdbcVersion::V110),
    };
    let driver = loaded.map_err(|error| {
        let error = place.new_error(ErrorKind::Connection, format!("DuckDB's library cannot be loaded: {}", error.message));
        error.with_hint(
            "set the target's `library` to the file libduckdb of DuckDB 1.4 or newer, or install it where the system looks for libraries",
        )
    })?;
    libraries.insert(library, driver.clone());
    Ok(driver)
}

fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Does work that is free to be done twice, and again while DuckDB does not tell why it fails.
///
/// When one thread of a statement fails, DuckDB stops the others and may then name their end, `Interrupted!`, instead of
/// the cause: <https://github.com/duckdb/duckdb/pull/25902>.
pub(super) fn until_told<T>(ended: &AtomicBool, mut work: impl FnMut() -> Answer<T>) -> Answer<T> {
    let mut answer = work();
    for _ in 1..TRIES {
        match &answer {
            Err(message) if is_interrupted(message) && !ended.load(Ordering::Acquire) => answer = work(),
            _ => break,
        }
    }
    answer
}

/// Runs a query for its error alone.
pub(super) fn run_through(connection: &mut ManagedConnection, sql: &str) -> Answer<()> {
    let mut statement = connection.new_statement().map_err(text)?;
    statement.set_sql_query(sql).map_err(text)?;
    let mut rows = statement.execute().map_err(text)?;
    rows.try_for_each(|batch| batch.map(drop).map_err(|error| error.to_string()))
}

/// Runs a statement and gives the rows it changed.
pub(super) fn execute(connection: &mut ManagedConnection, sql: &str) -> Answer<u64> {
    let mut statement = connection.new_statement().map_err(text)?;
    statement.set_sql_query(sql).map_err(text)?;
    let rows = statement.execute_update().map_err(text)?;
    Ok(rows.and_then(|rows| u64::try_from(rows).ok()).unwrap_or(0))
}

/// DuckDB's own words.
pub(super) fn text(error: adbc_core::error::Error) -> String {
    error.message
}

/// Interrupts what runs on a connection when it is dropped before `done`.
pub(super) struct Interrupt {
    handle: Box<dyn CancelHandle>,
    ended: Arc<AtomicBool>,
    done: bool,
}

impl Interrupt {
    pub(super) fn new(connection: &ManagedConnection) -> Self {
        Self { handle: connection.get_cancel_handle(), ended: Arc::default(), done: false }
    }

    /// Set once nobody waits for the work any more.
    pub(super) fn ended(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.ended)
    }

    pub(super) fn done(mut self) {
        self.done = true;
    }
}

impl Drop for Interrupt {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        self.ended.store(true, Ordering::Release);
        if let Err(error) = self.handle.try_cancel() {
            tracing::warn!(error = %error.message, "a statement on DuckDB could not be interrupted");
        }
    }
}
