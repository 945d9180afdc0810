//! The journal of a sync: every request before it leaves and the outcome of each of its rows, on disk before the next
//! request depends on it.
//!
//! One file of JSON lines per target and sync in the project's `.springline/journal`: a ledger belongs to a
//! target, and so does what is on its way to it. It is empty between runs:
//! what a run wrote is taken into the ledger at its end, or by the next run if it died before. The
//! file's lock is also what keeps two runs of one sync apart.

use std::collections::{BTreeMap, HashMap};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use springline_destination::{Batch, JobEnd, Operation, Outcome, Progress, request_name};

use crate::RunError;

/// How long to wait before asking again for a lock.
const AGAIN: Duration = Duration::from_millis(50);

/// A line of the journal. A request is named by its run and its ordinal in it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    /// A request that is about to leave.
    Sending { run: String, request: u64, at: i64, rows: Vec<SentRow> },
    /// What became of its rows, in their order.
    Settled {
        run: String,
        request: u64,
        at: i64,
        outcomes: Outcomes,
        /// What the destination gave for each row; empty where it gave nothing for any.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        receipts: Vec<Option<String>>,
    },
    /// How a job that rows were accepted under ended.
    Job { job: String, ended: Ended },
}

/// A row on its way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct SentRow {
    key: String,
    hash: String,
    operation: Operation,
    /// The request of an earlier run that held the same change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    repeat_of: Option<String>,
}

/// The outcomes of the rows of a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Outcomes {
    /// All rows have the same one.
    All(Outcome),
    /// One for each row.
    Each(Vec<Outcome>),
}

impl Outcomes {
    fn new(outcomes: &[Outcome]) -> Self {
        match outcomes.split_first() {
            Some((first, rest)) if rest.iter().all(|outcome| outcome == first) => Self::All(first.clone()),
            _ => Self::Each(outcomes.to_vec()),
        }
    }

    fn of(&self, row: usize) -> Option<&Outcome> {
        match self {
            Self::All(outcome) => Some(outcome),
            Self::Each(outcomes) => outcomes.get(row),
        }
    }

    fn any(&self) -> impl Iterator<Item = &Outcome> {
        match self {
            Self::All(outcome) => std::slice::from_ref(outcome).iter(),
            Self::Each(outcomes) => outcomes.iter(),
        }
    }
}

/// A row that got an outcome.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RowLine {
    pub(crate) key: String,
    pub(crate) hash: String,
    pub(crate) operation: Operation,
    pub(crate) run: String,
    /// Microseconds since 1970-01-01 UTC.
    pub(crate) at: i64,
    pub(crate) outcome: Outcome,
    /// What the destination gave for it.
    pub(crate) receipt: Option<String>,
    /// The request that it was in.
    pub(crate) request: String,
    /// A checkpoint has taken it into the ledger.
    pub(crate) checkpointed: bool,
}

impl RowLine {
    fn new(row: SentRow, (run, request): &(String, u64), at: i64, outcome: Outcome, receipt: Option<String>) -> Self {
        let SentRow { key, hash, operation, repeat_of } = row;
        let request = repeat_of.unwrap_or_else(|| request_name(run, *request));
        RowLine { key, hash, operation, run: run.clone(), at, outcome, receipt, request, checkpointed: false }
    }

    /// Whether the destination has said that it has the row.
    fn is_taken(&self) -> bool {
        is_taken(&self.outcome)
    }
}

/// Whether the destination has said that it has a row.
fn is_taken(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Delivered | Outcome::Unknown)
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
    file: Arc<File>,
    path: PathBuf,
    /// Bytes that stand in the file.
    length: u64,
    /// Where each request stands that left in this run and has no outcome.
    open: BTreeMap<u64, u64>,
    /// What lies before this byte has been taken into the ledger, as far as the destination has taken it.
    checkpointed: u64,
    /// Where the first request begins that had no outcome then.
    first: u64,
    /// The destination has taken rows since.
    has_news: bool,
}

/// A part of the journal that a checkpoint takes in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part {
    /// Where the first request begins whose outcome may lie in the part.
    first: u64,
    /// Where the part begins.
    start: u64,
    /// Where it ends.
    end: u64,
    /// Where the first request begins that has no outcome at its end.
    next: u64,
}

impl Journal {
    /// Opens the journal of a sync and takes its lock; where another process has it, waits for it to end, or fails.
    pub(crate) async fn open(project_dir: &Path, target: &str, sync: &str, wait: bool) -> Result<Self, RunError> {
        let path = folder(project_dir, target)?.join(format!("{sync}.jsonl"));
        let file = locked(&path, wait).await?.ok_or_else(|| RunError::Locked(format!("sync `{sync}`")))?;
        drop_torn_line(&file).map_err(|e| RunError::file(&path, e))?;
        let length = file.metadata().map_err(|e| RunError::file(&path, e))?.len();
        Ok(Journal {
            file: Arc::new(file),
            path,
            length,
            open: BTreeMap::new(),
            checkpointed: 0,
            first: 0,
            has_news: false,
        })
    }

    /// Where the holder of the sync's lease is kept.
    pub(crate) fn last_holder(&self) -> LastHolder {
        LastHolder { path: self.path.with_extension("lease") }
    }

    /// Whether a run that died has left something to take into the ledger.
    pub(crate) fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// What has been written since the last checkpoint; `None` where that is nothing.
    pub(crate) fn since_checkpoint(&self) -> Option<Part> {
        let (start, end) = (self.checkpointed, self.length);
        let next = self.open.values().min().copied().unwrap_or(end);
        self.has_news.then_some(Part { first: self.first, start, end, next })
    }

    /// The rows of a part that the destination has said it has.
    pub(crate) fn taken(
        &self,
        part: Part,
    ) -> Result<impl Iterator<Item = Result<RowLine, RunError>> + Send + use<>, RunError> {
        let rows = self.ended(part)?;
        Ok(rows.filter(|row| row.as_ref().map_or(true, RowLine::is_taken)))
    }

    /// Keeps in mind that a part has been taken into the ledger.
    pub(crate) fn set_checkpointed(&mut self, part: Part) {
        self.checkpointed = part.end;
        self.first = part.next;
        self.has_news = self.length > part.end;
    }

    /// Writes down what a delivery tells. It is on disk once [`Journal::on_disk`] says so.
    pub(crate) fn note(&mut self, progress: Progress<'_>, run: &str, at: i64) -> Result<(), RunError> {
        match progress {
            Progress::Sending(requests) => {
                let lines = requests.iter().map(|(request, batch)| sending(*request, batch, run, at));
                self.append(lines)
            }
            Progress::Settled { request, batch, outcomes } => {
                let given = batch.receipts.iter().any(Option::is_some);
                let receipts = if given { batch.receipts.clone() } else { Vec::new() };
                let outcomes = Outcomes::new(outcomes);
                self.append(std::iter::once(Line::Settled { run: run.to_owned(), request, at, outcomes, receipts }))
            }
        }
    }

    /// Writes how a job ended and waits until it is on disk.
    pub(crate) fn job(&mut self, job: &str, ended: Ended) -> Result<(), RunError> {
        self.append(std::iter::once(Line::Job { job: job.to_owned(), ended }))?;
        self.flush()
    }

    /// Ends once everything that was written before is on disk, and keeps nobody waiting meanwhile.
    pub(crate) fn on_disk(&self) -> impl Future<Output = Result<(), RunError>> + Send + use<> {
        let (file, path) = (self.file.clone(), self.path.clone());
        let flushed = tokio::task::spawn_blocking(move || file.sync_data());
        async move { flushed.await.map_err(std::io::Error::other).flatten().map_err(|e| RunError::file(&path, e)) }
    }

    /// Waits until everything written is on disk.
    pub(crate) fn flush(&self) -> Result<(), RunError> {
        self.file.sync_data().map_err(|e| RunError::file(&self.path, e))
    }

    fn append(&mut self, lines: impl Iterator<Item = Line>) -> Result<(), RunError> {
        let mut bytes = Vec::new();
        for line in lines {
            match &line {
                Line::Sending { request, .. } => {
                    self.open.insert(*request, self.length + bytes.len() as u64);
                }
                Line::Settled { request, outcomes, .. } => {
                    self.open.remove(request);
                    self.has_news |= outcomes.any().any(is_taken);
                }
                Line::Job { .. } => {}
            }
            serde_json::to_writer(&mut bytes, &line).map_err(|e| RunError::file(&self.path, e.into()))?;
            bytes.push(b'\n');
        }
        self.length += bytes.len() as u64;
        (&*self.file).write_all(&bytes).map_err(|e| RunError::file(&self.path, e))
    }

    /// All of it.
    fn whole(&self) -> Part {
        Part { first: 0, start: 0, end: self.length, next: self.length }
    }

    /// The run that wrote it.
    pub(crate) fn run(&self) -> Result<Option<String>, RunError> {
        match self.lines()?.next().transpose()? {
            Some(Line::Sending { run, .. } | Line::Settled { run, .. }) => Ok(Some(run)),
            Some(Line::Job { .. }) | None => Ok(None),
        }
    }

    /// The jobs that rows were accepted under, and how those that have ended did.
    pub(crate) fn jobs(&self) -> Result<HashMap<String, Option<Ended>>, RunError> {
        let mut jobs = HashMap::new();
        for line in self.lines()? {
            match line? {
                Line::Settled { outcomes, .. } => {
                    for outcome in outcomes.any() {
                        if let Outcome::Accepted { job, .. } = outcome
                            && !jobs.contains_key(job)
                        {
                            jobs.insert(job.clone(), None);
                        }
                    }
                }
                Line::Job { job, ended } => {
                    jobs.insert(job, Some(ended));
                }
                Line::Sending { .. } => {}
            }
        }
        Ok(jobs)
    }

    /// How many rows were accepted under jobs whose end is not known.
    pub(crate) fn waiting(&self) -> Result<u64, RunError> {
        let jobs = self.jobs()?;
        let mut rows = 0;
        for row in self.ended(self.whole())? {
            if let Outcome::Accepted { job, .. } = &row?.outcome {
                rows += u64::from(jobs.get(job).is_none_or(Option::is_none));
            }
        }
        Ok(rows)
    }

    /// Every row with its outcome, jobs resolved. Rows of jobs that are lost or not known yet are left
    /// out: for the ledger they were never sent.
    pub(crate) fn settled(&self) -> Result<impl Iterator<Item = Result<RowLine, RunError>> + use<>, RunError> {
        let jobs = self.jobs()?;
        Ok(self.ended(self.whole())?.filter_map(move |row| match row {
            Err(error) => Some(Err(error)),
            Ok(row) => settle(row, &jobs).map(Ok),
        }))
    }

    /// The rows that left and have no outcome: the destination may have them or not. [`Outcome::Unknown`] stands for
    /// it. They are at most those of the requests that were on their way at the same time.
    pub(crate) fn in_doubt(&self) -> Result<Vec<RowLine>, RunError> {
        let mut open = HashMap::new();
        for line in self.lines()? {
            match line? {
                Line::Sending { run, request, at, rows } => {
                    open.insert((run, request), (at, rows));
                }
                Line::Settled { run, request, .. } => {
                    open.remove(&(run, request));
                }
                Line::Job { .. } => {}
            }
        }
        let rows = open.into_iter().flat_map(|(name, (at, rows))| {
            rows.into_iter().map(move |row| RowLine::new(row, &name, at, Outcome::Unknown, None))
        });
        let mut rows: HashMap<String, RowLine> = rows.map(|row| (row.key.clone(), row)).collect();
        if !rows.is_empty() {
            // A request that was cut in two has no outcome itself, and its halves may have.
            for row in self.ended(self.whole())? {
                rows.remove(&row?.key);
            }
        }
        Ok(rows.into_values().collect())
    }

    /// Every row that got its outcome in a part, with the one that the request gave.
    fn ended(&self, part: Part) -> Result<impl Iterator<Item = Result<RowLine, RunError>> + Send + use<>, RunError> {
        let mut open = HashMap::new();
        let checkpointed = self.checkpointed;
        Ok(self.lines_of(part)?.flat_map(move |line| match line {
            Err(error) => vec![Err(error)],
            Ok((_, Line::Job { .. })) => Vec::new(),
            Ok((_, Line::Sending { run, request, rows, .. })) => {
                open.insert((run, request), rows);
                Vec::new()
            }
            Ok((place, Line::Settled { run, request, at, outcomes, receipts })) => {
                let name = (run, request);
                let rows = open.remove(&name).unwrap_or_default();
                let rows = if place < part.start { Vec::new() } else { rows };
                let mut receipts = receipts.into_iter();
                let rows = rows.into_iter().enumerate().filter_map(|(row_place, row)| {
                    let outcome = outcomes.of(row_place)?.clone();
                    let mut row = RowLine::new(row, &name, at, outcome, receipts.next().flatten());
                    row.checkpointed = place < checkpointed && row.is_taken();
                    Some(Ok(row))
                });
                rows.collect()
            }
        }))
    }

    /// Forgets everything, once it is in the ledger.
    pub(crate) fn clear(&mut self) -> Result<(), RunError> {
        let clear = |file: &File| file.set_len(0).and_then(|()| file.sync_data());
        clear(&self.file).map_err(|e| RunError::file(&self.path, e))?;
        self.open.clear();
        (self.length, self.checkpointed, self.first, self.has_news) = (0, 0, 0, false);
        Ok(())
    }

    fn lines(&self) -> Result<impl Iterator<Item = Result<Line, RunError>> + use<>, RunError> {
        Ok(self.lines_of(self.whole())?.map(|line| line.map(|(_, line)| line)))
    }

    /// The lines that a part is to be read from, each with its place in the file.
    fn lines_of(
        &self,
        part: Part,
    ) -> Result<impl Iterator<Item = Result<(u64, Line), RunError>> + Send + use<>, RunError> {
        let path = self.path.clone();
        let mut reader = BufReader::new(File::open(&path).map_err(|e| RunError::file(&path, e))?);
        reader.seek(SeekFrom::Start(part.first)).map_err(|e| RunError::file(&path, e))?;
        // What is written meanwhile is of the next part.
        let mut reader = reader.take(part.end.saturating_sub(part.first));
        let mut place = part.first;
        Ok(std::iter::from_fn(move || {
            let mut text = String::new();
            let read = reader.read_line(&mut text).map_err(|e| RunError::file(&path, e));
            let line = match read {
                Ok(0) => return None,
                Ok(_) => serde_json::from_str(&text).map_err(|e| RunError::file(&path, e.into())),
                Err(error) => Err(error),
            };
            let here = place;
            place += text.len() as u64;
            Some(line.map(|line| (here, line)))
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

/// The holder of a lease that this machine took and did not give back: a run that has died, for whoever has the lock.
pub(crate) struct LastHolder {
    path: PathBuf,
}

impl LastHolder {
    /// The holder; none where the last one gave its lease back.
    pub(crate) fn get(&self) -> Result<Option<String>, RunError> {
        match std::fs::read_to_string(&self.path) {
            Ok(holder) => Ok(Some(holder).filter(|holder| !holder.is_empty())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(RunError::file(&self.path, error)),
        }
    }

    /// Keeps the holder, before the lease is taken; none once it is given back.
    pub(crate) fn set(&self, holder: Option<&str>) -> Result<(), RunError> {
        std::fs::write(&self.path, holder.unwrap_or_default()).map_err(|e| RunError::file(&self.path, e))
    }
}

/// The right to do something that has no journal, among the processes of this machine, and where the holder of its lease
/// is kept; none where another process has it and is not waited for.
pub(crate) async fn lock(
    project_dir: &Path,
    target: &str,
    name: &str,
    wait: bool,
) -> Result<Option<(File, LastHolder)>, RunError> {
    let path = folder(project_dir, target)?.join(format!("{name}.lock"));
    let holder = LastHolder { path: path.with_extension("lease") };
    Ok(locked(&path, wait).await?.map(|file| (file, holder)))
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

fn sending(request: u64, batch: &Batch, run: &str, at: i64) -> Line {
    let rows = batch.changes().zip(&batch.repeat_of).map(|(change, repeat_of)| SentRow {
        key: change.key.to_owned(),
        hash: change.payload_hash.to_owned(),
        operation: change.kind.operation(),
        repeat_of: repeat_of.clone(),
    });
    Line::Sending { run: run.to_owned(), request, at, rows: rows.collect() }
}

fn settle(row: RowLine, jobs: &HashMap<String, Option<Ended>>) -> Option<RowLine> {
    let Outcome::Accepted { job, row: name } = &row.outcome else { return Some(row) };
    match jobs.get(job) {
        Some(Some(Ended::Done(end))) => {
            let (outcome, receipt) = end.of(name.as_deref());
            let receipt = receipt.map(str::to_owned).or_else(|| row.receipt.clone());
            Some(RowLine { outcome: outcome.clone(), receipt, ..row })
        }
        _ => None,
    }
}
