//! What a search of the model can turn on and off: the rules that runs follow, and what may happen around them.

/// The rules that a run follows. [`Protocol::AS_BUILT`] is the product's; a test breaks one after the other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Protocol {
    /// An outcome is on disk before anything depends on it.
    pub(crate) flushes: bool,
    /// An outcome is written when the destination has told it, not when the row is sent.
    pub(crate) waits_for_the_answer: bool,
    /// The journal is cleared after the ledger has it, not before.
    pub(crate) clears_last: bool,
    /// A run takes in what a run that died has left.
    pub(crate) recovers: bool,
    /// A run sends nothing while a job of an earlier one has not ended.
    pub(crate) waits_for_jobs: bool,
    /// One run at a time.
    pub(crate) lease: bool,
    /// A row is noted as on its way before it is sent; without an outcome its ledger entry is in doubt.
    pub(crate) notes_what_is_sent: bool,
    /// The id of a request names the run that sent its row first; without it the row alone.
    pub(crate) ids_name_runs: bool,
    /// A journal that another host's run has overtaken puts its rows in doubt, and is not believed.
    pub(crate) doubts_overtaken_journals: bool,
    /// A checkpoint takes what has been delivered, and not what the destination has only accepted.
    pub(crate) checkpoints_leave_jobs: bool,
}

impl Protocol {
    pub(crate) const AS_BUILT: Self = Self {
        flushes: true,
        waits_for_the_answer: true,
        clears_last: true,
        recovers: true,
        waits_for_jobs: true,
        lease: true,
        notes_what_is_sent: true,
        ids_name_runs: true,
        doubts_overtaken_journals: true,
        checkpoints_leave_jobs: true,
    };
}

/// What may happen around the runs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct World {
    pub(crate) hosts: usize,
    pub(crate) concurrency: usize,
    /// Crashes at most.
    pub(crate) crashes: u8,
    /// Changes of what is wanted, after the first wish.
    pub(crate) edits: u8,
    /// Whether wishes may go back to a value that was there before.
    pub(crate) reverts: bool,
    /// Requests that get no answer and end their run.
    pub(crate) losses: u8,
    /// Rows are taken as jobs that end later.
    pub(crate) jobs: bool,
    /// Jobs may end in another order than they came in.
    pub(crate) overtaking: bool,
    /// Jobs that end without their row at most.
    pub(crate) failed_jobs: u8,
    /// The destination drops a request whose id it knows.
    pub(crate) deduplicates: bool,
    /// Value 2 of key 0 is refused.
    pub(crate) refuses: bool,
    /// What was on its way at a crash may arrive at any later time.
    pub(crate) late: bool,
    /// A lease may run out while its holder only sleeps.
    pub(crate) sleepers: bool,
    /// A run may write into the ledger at any moment what has been delivered by then.
    pub(crate) checkpoints: bool,
}

impl World {
    pub(crate) const CALM: Self = Self {
        hosts: 1,
        concurrency: 2,
        crashes: 2,
        edits: 2,
        reverts: false,
        losses: 0,
        jobs: false,
        overtaking: false,
        failed_jobs: 1,
        deduplicates: false,
        refuses: false,
        late: false,
        sleepers: false,
        checkpoints: false,
    };
}
