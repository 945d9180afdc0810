//! The journal of a sync: the outcome of every row, on disk before the next request depends on it.
//!
//! One file of JSON lines per target and sync in the project's `.springline/journal`: a ledger belongs to a
//! target, and so does what is on its way to it. It is empty between runs:
//! what a run wrote is taken into the ledger at its end, or by the next run if it died before. The
//! file's lock is also what keeps two runs of one sync apart.

use std::collections::HashMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use springline_destination::{Batch, JobEnd, Operation, Outcome};

use crate::RunError;

/// How long to wait before asking again for a lock.
const AGAIN: Duration = Duration::from_millis(50);

/// A line of the journal.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Line {
    /// A row and its outcome.
    Row(RowLine),
    /// How a job that rows were accepted under ended.
    Job { job: String, ended: Ended },
}

/// A row that got an outcome.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct RowLine {
    pub(crate) key: String,
    pub(crate) hash: String,
    pub(crate) operation: Operation,
    pub(crate) run: String,
    /// Microseconds since 1970-01-01 UTC.
    pub(crate) at: i64,
    #[serde(flatten)]
    pub(crate) outcome: Outcome,
}

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Ended {
    /// So its rows ended.
    Done(JobEnd),
    /// The destination never got them.
    Lost,
}

/// The journal of one sync, held by one process.
pub(crate) struct Journal {
    file: File,
    path: PathBuf,
}

impl Journal {
    /// Opens the journal of a sync and takes its lock; where another process has it, waits for it to end, or fails.
    pub(crate) async fn open(project_dir: &Path, target: &str, sync: &str, wait: bool) -> Result<Self, RunError> {
        let path = folder(project_dir, target)?.join(format!("{sync}.jsonl"));
        let file = locked(&path, wait).await?.ok_or_else(|| RunError::Locked(sync.to_owned()))?;
        drop_torn_line(&file).map_err(|e| RunError::file(&path, e))?;
        Ok(Journal { file, path })
    }

    /// The holder of the lease that the last run took and did not give back.
    pub(crate) fn holder(&self) -> Result<Option<String>, RunError> {
        let path = self.path.with_extension("lease");
        match std::fs::read_to_string(&path) {
            Ok(holder) => Ok(Some(holder).filter(|holder| !holder.is_empty())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(RunError::file(&path, error)),
        }
    }

    /// Keeps the holder of the lease, before the lease is taken; none once it is given back.
    pub(crate) fn set_holder(&self, holder: Option<&str>) -> Result<(), RunError> {
        let path = self.path.with_extension("lease");
        std::fs::write(&path, holder.unwrap_or_default()).map_err(|e| RunError::file(&path, e))
    }

    /// Whether a run that died has left something to take into the ledger.
    pub(crate) fn is_empty(&self) -> Result<bool, RunError> {
        let length = self.file.metadata().map_err(|e| RunError::file(&self.path, e))?.len();
        Ok(length == 0)
    }

    /// Writes the outcomes of a batch and waits until they are on disk.
    pub(crate) fn rows(&mut self, batch: &Batch, outcomes: &[Outcome], run: &str, at: i64) -> Result<(), RunError> {
        let lines = batch.changes().zip(outcomes).map(|(change, outcome)| {
            Line::Row(RowLine {
                key: change.key.to_owned(),
                hash: change.payload_hash.to_owned(),
                operation: change.kind.operation(),
                run: run.to_owned(),
                at,
                outcome: outcome.clone(),
            })
        });
        self.append(lines)
    }

    /// Writes how a job ended and waits until it is on disk.
    pub(crate) fn job(&mut self, job: &str, ended: Ended) -> Result<(), RunError> {
        self.append(std::iter::once(Line::Job { job: job.to_owned(), ended }))
    }

    fn append(&mut self, lines: impl Iterator<Item = Line>) -> Result<(), RunError> {
        let mut bytes = Vec::new();
        for line in lines {
            serde_json::to_writer(&mut bytes, &line).map_err(|e| RunError::file(&self.path, e.into()))?;
            bytes.push(b'\n');
        }
        let write = |file: &mut File| file.write_all(&bytes).and_then(|()| file.sync_data());
        write(&mut self.file).map_err(|e| RunError::file(&self.path, e))
    }

    /// The jobs that rows were accepted under, and how those that have ended did.
    pub(crate) fn jobs(&self) -> Result<HashMap<String, Option<Ended>>, RunError> {
        let mut jobs = HashMap::new();
        for line in self.lines()? {
            match line? {
                Line::Row(RowLine { outcome: Outcome::Accepted { job, .. }, .. }) => {
                    jobs.entry(job).or_insert(None);
                }
                Line::Job { job, ended } => {
                    jobs.insert(job, Some(ended));
                }
                Line::Row(_) => {}
            }
        }
        Ok(jobs)
    }

    /// How many rows were accepted under jobs whose end is not known.
    pub(crate) fn waiting(&self) -> Result<u64, RunError> {
        let jobs = self.jobs()?;
        let mut rows = 0;
        for line in self.lines()? {
            if let Line::Row(RowLine { outcome: Outcome::Accepted { job, .. }, .. }) = line? {
                rows += u64::from(jobs.get(&job).is_none_or(Option::is_none));
            }
        }
        Ok(rows)
    }

    /// Every row with its outcome, jobs resolved. Rows of jobs that are lost or not known yet are left
    /// out: for the ledger they were never sent.
    pub(crate) fn settled(&self) -> Result<impl Iterator<Item = Result<RowLine, RunError>> + use<>, RunError> {
        let jobs = self.jobs()?;
        Ok(self.lines()?.filter_map(move |line| match line {
            Err(error) => Some(Err(error)),
            Ok(Line::Job { .. }) => None,
            Ok(Line::Row(row)) => settle(row, &jobs).map(Ok),
        }))
    }

    /// Forgets everything, once it is in the ledger.
    pub(crate) fn clear(&mut self) -> Result<(), RunError> {
        let clear = |file: &File| file.set_len(0).and_then(|()| file.sync_data());
        clear(&self.file).map_err(|e| RunError::file(&self.path, e))
    }

    fn lines(&self) -> Result<impl Iterator<Item = Result<Line, RunError>> + use<>, RunError> {
        let path = self.path.clone();
        let mut reader = BufReader::new(File::open(&path).map_err(|e| RunError::file(&path, e))?);
        Ok(std::iter::from_fn(move || {
            let mut text = String::new();
            match reader.read_line(&mut text) {
                Ok(0) => None,
                Ok(_) => Some(serde_json::from_str(&text).map_err(|e| RunError::file(&path, e.into()))),
                Err(error) => Some(Err(RunError::file(&path, error))),
            }
        }))
    }
}

/// The folder of a target's journals.
fn folder(project_dir: &Path, target: &str) -> Result<PathBuf, RunError> {
    let ours = project_dir.join(".springline");
    let folder = ours.join("journal").join(target);
    std::fs::create_dir_all(&folder).map_err(|e| RunError::file(&folder, e))?;
    // Keys of customers must not slip into the project's history.
    let ignore = ours.join(".gitignore");
    std::fs::write(&ignore, "*\n").map_err(|e| RunError::file(&ignore, e))?;
    Ok(folder)
}

/// A file under its lock; none where another process has it and is not waited for.
async fn locked(path: &Path, wait: bool) -> Result<Option<File>, RunError> {
    let file = OpenOptions::new().create(true).read(true).append(true).open(path);
    let file = file.map_err(|e| RunError::file(path, e))?;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::WouldBlock) if wait => tokio::time::sleep(AGAIN).await,
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(RunError::file(path, error)),
        }
    }
}

/// The right to change the records that the syncs of a target share, among the processes of this machine.
pub(crate) async fn records_lock(project_dir: &Path, target: &str) -> Result<Option<File>, RunError> {
    locked(&folder(project_dir, target)?.join("records.lock"), true).await
}

/// A last line without its end is of a crash in mid-write. The outcome it holds was not counted on by
/// anyone, and what is appended must begin on a line of its own.
fn drop_torn_line(file: &File) -> std::io::Result<()> {
    const STEP: u64 = 64 * 1024;
    let length = file.metadata()?.len();
    let mut end = length;
    let mut reader = file;
    while end > 0 {
        let start = end.saturating_sub(STEP);
        let mut bytes = vec![0; usize::try_from(end - start).unwrap_or_default()];
        reader.seek(SeekFrom::Start(start))?;
        reader.read_exact(&mut bytes)?;
        if let Some(newline) = bytes.iter().rposition(|byte| *byte == b'\n') {
            end = start + newline as u64 + 1;
            break;
        }
        end = start;
    }
    if end < length { file.set_len(end) } else { Ok(()) }
}

fn settle(row: RowLine, jobs: &HashMap<String, Option<Ended>>) -> Option<RowLine> {
    let Outcome::Accepted { job, row: name } = &row.outcome else { return Some(row) };
    match jobs.get(job) {
        Some(Some(Ended::Done(end))) => {
            let (outcome, _) = end.of(name.as_deref());
            Some(RowLine { outcome: outcome.clone(), ..row })
        }
        _ => None,
    }
}
