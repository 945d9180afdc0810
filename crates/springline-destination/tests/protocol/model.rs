//! The protocol of a sync as a machine of small states: ledger, journal, lease, destination, and the processes that run it.
//!
//! It names no type of the product. One row is one request, a key's value is a small number, and what may go wrong is a
//! step like any other: a crash, a lost answer, a change of what is wanted.

use std::collections::{BTreeMap, BTreeSet};

use crate::rules::{Protocol, World};

/// Number of keys.
pub(crate) const KEYS: usize = 2;

/// What a key holds; 0 is no record.
pub(crate) type Value = u8;

/// A ledger entry that is known to be possibly untrue: it differs from every value.
const DOUBT: Value = 9;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Row {
    key: usize,
    value: Value,
}

/// What a destination tells a repeat by: the run that sent the row first, and the row.
type Id = (u8, Row);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Outcome {
    Delivered,
    Refused,
    Accepted(u8),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Line {
    /// A row that is about to leave, and the run that has sent it first.
    Sent(Row, u8),
    Ended(Row, Outcome),
    Job(u8, JobEnd),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum JobEnd {
    Done,
    Lost,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Request {
    row: Row,
    id: Id,
    /// What the destination said, once it has the request.
    answer: Option<Outcome>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Phase {
    /// Asks about the jobs of an earlier run.
    Recover,
    /// Takes the journal into the ledger; `true` for that of an earlier run.
    TakeIn(bool),
    Clear(bool),
    Compare,
    Send,
    Record,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Process {
    phase: Phase,
    run: u8,
    todo: Vec<Row>,
    flight: Vec<Request>,
    /// Lines that are not on disk yet.
    unflushed: Vec<Line>,
    /// The journal as it was read, for a protocol that clears first.
    read: Vec<Line>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
struct Host {
    journal: Vec<Line>,
    /// The turn of the lease in which the journal was written.
    turn: u8,
    process: Option<Process>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Job {
    Pending(Row),
    Ended(JobEnd),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    wanted: [Value; KEYS],
    ledger: [Value; KEYS],
    /// The value on its way that put an entry in doubt, and the run that has sent it first.
    doubt: [Option<(Value, u8)>; KEYS],
    /// The value that was refused for good.
    refused: [Option<Value>; KEYS],
    runs: u8,
    lease: Option<usize>,
    turn: u8,
    hosts: Vec<Host>,
    holds: [Value; KEYS],
    seen: BTreeSet<Id>,
    jobs: BTreeMap<u8, Job>,
    late: BTreeSet<Request>,
    /// Keys that the destination has and nothing on disk tells of.
    unknown: BTreeSet<usize>,
    /// Jobs of which a process was sure that they are on disk.
    promised: BTreeSet<u8>,
    crashes: u8,
    edits: u8,
    losses: u8,
    failed_jobs: u8,
}

/// One thing that can happen next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Wish(usize, Value),
    Begin(usize),
    Go(usize),
    Send(usize, usize),
    Arrive(usize, usize),
    Answer(usize, usize),
    LoseAnswer(usize, usize),
    ArriveLate(usize),
    EndJob(u8, bool),
    Crash(usize),
    /// A run writes into the ledger what the destination has taken by then.
    Checkpoint(usize),
    LeaseRunsOut,
}

impl Step {
    /// Whether it belongs to the run of things when nothing goes wrong any more.
    fn is_progress(self) -> bool {
        matches!(
            self,
            Step::Begin(_) | Step::Go(_) | Step::Send(..) | Step::Arrive(..) | Step::Answer(..) | Step::LeaseRunsOut
        )
    }
}

/// A protocol in a world.
pub(crate) struct Machine {
    pub(crate) protocol: Protocol,
    pub(crate) world: World,
}

impl Machine {
    /// Nothing is there yet, and one record of each key is wanted.
    pub(crate) fn start(&self) -> State {
        State {
            wanted: [1; KEYS],
            ledger: [0; KEYS],
            doubt: [None; KEYS],
            refused: [None; KEYS],
            runs: 0,
            lease: None,
            turn: 0,
            hosts: vec![Host::default(); self.world.hosts],
            holds: [0; KEYS],
            seen: BTreeSet::new(),
            jobs: BTreeMap::new(),
            late: BTreeSet::new(),
            unknown: BTreeSet::new(),
            promised: BTreeSet::new(),
            crashes: 0,
            edits: 0,
            losses: 0,
            failed_jobs: 0,
        }
    }

    /// All that can happen in `state`.
    pub(crate) fn steps(&self, state: &State) -> Vec<Step> {
        let mut all = Vec::new();
        if state.edits < self.world.edits {
            // Without reverts a wish is one that was never there: values only grow, and what was acknowledged may go.
            for key in 0..KEYS {
                let values = if self.world.reverts {
                    vec![0, 1, 2]
                } else if state.ledger[key] == 0 {
                    vec![state.edits + 2]
                } else {
                    vec![0, state.edits + 2]
                };
                let wishes = values.into_iter().filter(|value| *value != state.wanted[key]);
                all.extend(wishes.map(|value| Step::Wish(key, value)));
            }
        }
        for (h, host) in state.hosts.iter().enumerate() {
            match &host.process {
                None if self.may_begin(state, h) => all.push(Step::Begin(h)),
                None => {}
                Some(process) => self.process_steps(state, h, process, &mut all),
            }
        }
        all.extend((0..state.late.len()).map(Step::ArriveLate));
        let pending = state.jobs.iter().filter(|(_, job)| matches!(job, Job::Pending(_))).map(|(job, _)| *job);
        for job in pending.take(if self.world.overtaking { usize::MAX } else { 1 }) {
            all.push(Step::EndJob(job, true));
            if state.failed_jobs < self.world.failed_jobs {
                all.push(Step::EndJob(job, false));
            }
        }
        let sleeps = |h: usize| state.hosts[h].process.is_none() || self.world.sleepers;
        if state.lease.is_some_and(sleeps) {
            all.push(Step::LeaseRunsOut);
        }
        all
    }

    fn process_steps(&self, state: &State, h: usize, process: &Process, all: &mut Vec<Step>) {
        if state.crashes < self.world.crashes {
            all.push(Step::Crash(h));
        }
        if self.world.checkpoints && process.phase == Phase::Send {
            // One that changes nothing would only make more ways.
            let taken = self.after(state, Step::Checkpoint(h));
            all.extend((taken != *state).then_some(Step::Checkpoint(h)));
        }
        if process.phase != Phase::Send || (process.todo.is_empty() && process.flight.is_empty()) {
            all.push(Step::Go(h));
            return;
        }
        if process.flight.len() < self.world.concurrency {
            all.extend((0..process.todo.len()).map(|row| Step::Send(h, row)));
        }
        for (place, request) in process.flight.iter().enumerate() {
            all.push(if request.answer.is_some() { Step::Answer(h, place) } else { Step::Arrive(h, place) });
            if state.losses < self.world.losses {
                all.push(Step::LoseAnswer(h, place));
            }
        }
    }

    /// A run begins only where there is something to do: runs that do nothing would go on for ever.
    fn may_begin(&self, state: &State, h: usize) -> bool {
        let is_free = if self.protocol.lease { state.lease.is_none() } else { true };
        is_free && (!state.hosts[h].journal.is_empty() || !differences(state).is_empty())
    }

    /// The state after `step`.
    pub(crate) fn after(&self, state: &State, step: Step) -> State {
        let mut next = state.clone();
        match step {
            Step::Wish(key, value) => {
                next.wanted[key] = value;
                next.edits += 1;
            }
            Step::Begin(h) => begin(&mut next, h),
            Step::Go(h) => self.go(&mut next, h),
            Step::Send(h, row) => self.send(&mut next, h, row),
            Step::Arrive(h, place) => {
                let mut request = next.flight(h)[place];
                request.answer = Some(self.arrive(&mut next, request));
                next.flight(h)[place] = request;
            }
            Step::Answer(h, place) => self.answer(&mut next, h, place),
            Step::LoseAnswer(h, place) => {
                // Given up: what was to be sent stays unsent.
                let request = next.flight(h).remove(place);
                next.process(h).todo.clear();
                next.losses += 1;
                self.abandon(&mut next, request);
            }
            Step::ArriveLate(place) => {
                let request = next.late.iter().nth(place).copied();
                if let Some(request) = request {
                    next.late.remove(&request);
                    self.arrive(&mut next, request);
                }
            }
            Step::EndJob(job, done) => {
                if let Some(Job::Pending(row)) = next.jobs.get(&job).cloned() {
                    if done {
                        next.holds[row.key] = row.value;
                    } else {
                        next.failed_jobs += 1;
                    }
                    next.jobs.insert(job, Job::Ended(if done { JobEnd::Done } else { JobEnd::Lost }));
                }
            }
            Step::Crash(h) => {
                next.crashes += 1;
                if let Some(process) = next.hosts[h].process.take() {
                    process.flight.into_iter().for_each(|request| self.abandon(&mut next, request));
                }
            }
            Step::Checkpoint(h) => self.checkpoint(&mut next, h),
            Step::LeaseRunsOut => next.lease = None,
        }
        next
    }

    /// Nobody hears the answer of this request any more. One that has not arrived is lost, which is also what it is when
    /// it arrives before the crash; only a world with late requests lets it arrive later.
    fn abandon(&self, next: &mut State, request: Request) {
        if self.world.late && request.answer.is_none() {
            next.late.insert(request);
        }
    }

    fn send(&self, next: &mut State, h: usize, place: usize) {
        let row = next.process(h).todo.remove(place);
        let repeat_of = next.doubt[row.key].filter(|(value, _)| *value == row.value).map(|(_, run)| run);
        let process = next.process(h);
        let first = if self.protocol.ids_name_runs { repeat_of.unwrap_or(process.run) } else { 0 };
        process.flight.push(Request { row, id: (first, row), answer: None });
        if self.protocol.notes_what_is_sent {
            next.hosts[h].journal.push(Line::Sent(row, first));
        }
        if !self.protocol.waits_for_the_answer {
            next.hosts[h].journal.push(Line::Ended(row, Outcome::Delivered));
        }
    }

    /// The destination gets a request.
    fn arrive(&self, next: &mut State, Request { row, id, .. }: Request) -> Outcome {
        if self.world.refuses && row == (Row { key: 0, value: 2 }) {
            return Outcome::Refused;
        }
        if self.world.deduplicates && !next.seen.insert(id) {
            return Outcome::Delivered;
        }
        next.unknown.insert(row.key);
        if self.world.jobs {
            let job = next.jobs.len() as u8;
            next.jobs.insert(job, Job::Pending(row));
            return Outcome::Accepted(job);
        }
        next.holds[row.key] = row.value;
        Outcome::Delivered
    }

    /// The process hears an answer and writes it down.
    fn answer(&self, next: &mut State, h: usize, place: usize) {
        let request = next.flight(h).remove(place);
        let Some(outcome) = request.answer else { return };
        let line = Line::Ended(request.row, outcome);
        if let Outcome::Accepted(job) = outcome {
            next.promised.insert(job);
        }
        if self.protocol.flushes {
            next.hosts[h].journal.push(line);
            next.unknown.remove(&request.row.key);
        } else {
            next.process(h).unflushed.push(line);
        }
    }

    /// The next step of a process beside requests.
    fn go(&self, next: &mut State, h: usize) {
        match next.process(h).phase {
            Phase::Recover => self.recover(next, h),
            Phase::TakeIn(earlier) => {
                self.take_in(next, h);
                next.process(h).phase = match (earlier, self.protocol.clears_last) {
                    (_, true) => Phase::Clear(earlier),
                    (true, false) => Phase::Compare,
                    (false, false) => Phase::Record,
                };
            }
            Phase::Clear(earlier) => {
                clear(next, h);
                next.process(h).phase = match (earlier, self.protocol.clears_last) {
                    (_, false) => Phase::TakeIn(earlier),
                    (true, true) => Phase::Compare,
                    (false, true) => Phase::Record,
                };
            }
            Phase::Compare => {
                next.process(h).todo = differences(next);
                next.process(h).phase = Phase::Send;
            }
            Phase::Send => {
                let lines = std::mem::take(&mut next.process(h).unflushed);
                for line in &lines {
                    if let Line::Ended(row, _) = line {
                        next.unknown.remove(&row.key);
                    }
                }
                next.hosts[h].journal.extend(lines);
                self.note_ended_jobs(next, h);
                self.begin_to_take_in(next, h, false);
            }
            Phase::Record => end(next, h),
        }
    }

    fn recover(&self, next: &mut State, h: usize) {
        if next.hosts[h].journal.is_empty() || !self.protocol.recovers {
            next.hosts[h].journal.clear();
            next.hosts[h].turn = next.turn;
            next.process(h).phase = Phase::Compare;
            return;
        }
        self.note_ended_jobs(next, h);
        if self.protocol.waits_for_jobs && !open_jobs(&next.hosts[h].journal).is_empty() {
            // It did nothing, and is not told from a run that never was.
            next.runs -= 1;
            next.turn -= 1;
            end(next, h);
            return;
        }
        self.begin_to_take_in(next, h, true);
    }

    fn begin_to_take_in(&self, next: &mut State, h: usize, earlier: bool) {
        next.process(h).read = next.hosts[h].journal.clone();
        next.process(h).phase = if self.protocol.clears_last { Phase::TakeIn(earlier) } else { Phase::Clear(earlier) };
    }

    fn note_ended_jobs(&self, next: &mut State, h: usize) {
        for job in open_jobs(&next.hosts[h].journal) {
            if let Some(Job::Ended(end)) = next.jobs.get(&job).cloned() {
                next.hosts[h].journal.push(Line::Job(job, end));
            }
        }
    }

    /// The journal goes into the ledger, all at once.
    fn take_in(&self, next: &mut State, h: usize) {
        let lines = std::mem::take(&mut next.process(h).read);
        let overtaken = self.protocol.doubts_overtaken_journals && next.hosts[h].turn + 1 < next.turn;
        let ends: BTreeMap<u8, JobEnd> = lines
            .iter()
            .filter_map(|line| if let Line::Job(job, end) = line { Some((*job, *end)) } else { None })
            .collect();
        for line in &lines {
            match *line {
                Line::Ended(row, _) if overtaken => next.ledger[row.key] = DOUBT,
                Line::Sent(row, first) => {
                    let ended = lines.iter().any(|line| matches!(line, Line::Ended(other, _) if *other == row));
                    if overtaken || !ended {
                        next.ledger[row.key] = DOUBT;
                        next.doubt[row.key] = Some((row.value, first));
                    }
                }
                Line::Ended(row, Outcome::Refused) => next.refused[row.key] = Some(row.value),
                Line::Ended(_, Outcome::Accepted(job)) if ends.get(&job) != Some(&JobEnd::Done) => {}
                Line::Ended(row, _) => {
                    next.ledger[row.key] = row.value;
                    next.doubt[row.key] = None;
                    next.refused[row.key] = None;
                }
                Line::Job(..) => {}
            }
        }
    }

    /// What has been delivered goes into the ledger, and the journal stays. Refusals and jobs are left for the end.
    fn checkpoint(&self, next: &mut State, h: usize) {
        for line in next.hosts[h].journal.clone() {
            let row = match line {
                Line::Ended(row, Outcome::Delivered) => row,
                Line::Ended(row, Outcome::Accepted(_)) if !self.protocol.checkpoints_leave_jobs => row,
                _ => continue,
            };
            next.ledger[row.key] = row.value;
            next.doubt[row.key] = None;
        }
    }

    /// A state after everything that was under way has ended, nothing else going wrong.
    pub(crate) fn calmed(&self, state: &State) -> Result<State, String> {
        let mut now = state.clone();
        // Ever so many steps as the longest way home needs, and then some.
        for _ in 0..400 {
            // What the destination has under way ends first: a run that waits for it could begin for ever.
            let steps = self.steps(&now);
            let outside = steps.iter().find(|step| matches!(step, Step::ArriveLate(_) | Step::EndJob(_, true)));
            let Some(step) = outside.or_else(|| steps.iter().find(|step| step.is_progress())).copied() else {
                return Ok(now);
            };
            now = self.after(&now, step);
        }
        Err("the runs never come to an end".into())
    }

    /// What must hold in every state. `Err` says what does not.
    pub(crate) fn check(&self, state: &State) -> Result<(), String> {
        let running = state.hosts.iter().filter(|host| host.process.is_some()).count();
        if running > 1 {
            return Err("two runs overlap".into());
        }
        let most = self.world.concurrency * (usize::from(state.crashes) + usize::from(state.losses) + 1);
        if state.unknown.len() > most {
            return Err(format!("{} rows can repeat, more than were on their way", state.unknown.len()));
        }
        for job in &state.promised {
            let pending = matches!(state.jobs.get(job), Some(Job::Pending(_)));
            let names = |line: &Line| matches!(line, Line::Ended(_, Outcome::Accepted(known)) if known == job);
            let is_known = |host: &Host| {
                let unflushed = host.process.iter().flat_map(|process| &process.unflushed);
                host.journal.iter().chain(unflushed).any(names)
            };
            if pending && !state.hosts.iter().any(is_known) {
                return Err(format!("job {job} is pending and nobody knows of it"));
            }
        }
        if running == 0 {
            let end = self.calmed(state)?;
            for key in 0..KEYS {
                let refused = end.refused[key] == Some(end.wanted[key]);
                if end.holds[key] != end.wanted[key] && !refused {
                    let (holds, wanted, ledger) = (end.holds[key], end.wanted[key], end.ledger[key]);
                    return Err(format!("lost: key {key} holds {holds}, wanted is {wanted}, the ledger says {ledger}"));
                }
            }
        }
        Ok(())
    }
}

impl State {
    fn process(&mut self, h: usize) -> &mut Process {
        self.hosts[h].process.as_mut().expect("only a running process takes this step")
    }

    fn flight(&mut self, h: usize) -> &mut Vec<Request> {
        &mut self.process(h).flight
    }
}

fn differences(state: &State) -> Vec<Row> {
    let differs =
        |key: &usize| state.wanted[*key] != state.ledger[*key] && state.refused[*key] != Some(state.wanted[*key]);
    (0..KEYS).filter(differs).map(|key| Row { key, value: state.wanted[key] }).collect()
}

fn open_jobs(journal: &[Line]) -> BTreeSet<u8> {
    let mut open = BTreeSet::new();
    for line in journal {
        match line {
            Line::Ended(_, Outcome::Accepted(job)) => open.insert(*job),
            Line::Job(job, _) => open.remove(job),
            _ => false,
        };
    }
    open
}

fn begin(next: &mut State, h: usize) {
    next.runs += 1;
    next.turn += 1;
    next.lease = Some(h);
    next.hosts[h].process = Some(Process {
        phase: Phase::Recover,
        run: next.runs,
        todo: Vec::new(),
        flight: Vec::new(),
        unflushed: Vec::new(),
        read: Vec::new(),
    });
}

fn clear(next: &mut State, h: usize) {
    let host = &mut next.hosts[h];
    // The rows of a job that has not ended are known by the journal alone.
    if open_jobs(&host.journal).is_empty() {
        host.journal.clear();
    }
    host.turn = next.turn;
}

fn end(next: &mut State, h: usize) {
    next.hosts[h].process = None;
    next.lease = next.lease.filter(|holder| *holder != h);
}
