//! When a process is killed: after a while, or at a step that shows outside of it: in the files of its journal, in the
//! tables of its state, at the destination.

use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant, UNIX_EPOCH};

use springline_warehouse::Warehouse;

use super::sink::SinkKind;
use super::world::{SYNC, World};
use crate::random::Random;

/// Between two looks at what shows.
const LOOK: Duration = Duration::from_micros(300);
/// A process that is not done by then hangs.
const LONGEST: Duration = Duration::from_secs(120);

/// When a process is killed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kill {
    /// So long after it began.
    After(Duration),
    /// As soon as this shows.
    At(Step),
}

/// A step of a run, as it shows outside.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Step {
    /// The journal names the holder of the lease.
    Lease,
    /// The table of what is wanted is there.
    Desired,
    /// The first request, file or batch is on its way.
    Delivery,
    /// The journal has grown so many times.
    Journal(usize),
    /// The outcomes are on their way to the ledger.
    Outcomes,
    /// The journal was emptied.
    Cleared,
    /// The lease was given back.
    Released,
}

impl Kill {
    /// Any moment of a run that takes as long as `whole`, or any step.
    pub(super) fn draw(random: &mut Random, whole: Duration) -> Self {
        if random.one_in(2) {
            return Kill::After(whole.mul_f64(random.share() * 1.05));
        }
        let journal = Step::Journal(1 + random.below(7));
        let steps =
            [Step::Lease, Step::Desired, Step::Delivery, journal, Step::Outcomes, Step::Cleared, Step::Released];
        Kill::At(random.pick(&steps))
    }

    /// A step of the delivery.
    pub(super) fn in_mid_delivery(random: &mut Random) -> Self {
        let journal = Step::Journal(1 + random.below(3));
        Kill::At(random.pick(&[Step::Delivery, journal]))
    }
}

/// Runs the sync and kills it. Gives whether it was in mid-delivery, and nothing where it had ended before.
pub(super) async fn run_and_kill(world: &World, kill: Kill) -> Option<bool> {
    let before = Shown::now(world).await;
    let mut journal = Growth::new(before.journal);
    let begun = Instant::now();
    let mut process = world.apply().spawn();
    loop {
        journal.look(length(&world.journal("jsonl")));
        if has_come(world, kill, &before, &journal, begun).await {
            break;
        }
        if let Some(status) = process.try_wait().expect("the process can be waited for") {
            assert!(status.success(), "a run that was not killed failed: {status}");
            return None;
        }
        assert!(begun.elapsed() < LONGEST, "the process hangs");
        tokio::time::sleep(LOOK).await;
    }
    end(&mut process)?;
    let after = Shown::now(world).await;
    // What has arrived is taken or dropped before the next run: which of the two is not for the sync to say.
    while world.receiver.busy() > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let delivers = after.delivery != before.delivery || journal.grown > 0;
    Some(delivers && (after.journal > 0 || journal.grown == 0))
}

/// Kills the process; nothing where it has ended by itself.
fn end(process: &mut Child) -> Option<()> {
    process.kill().expect("the process is killed");
    let status = process.wait().expect("the process is gone");
    // One that was killed has no code of its own.
    status.code().is_none().then_some(())
}

/// What shows of the runs so far.
struct Shown {
    lease: String,
    journal: u64,
    desired: Option<String>,
    outcomes: Option<String>,
    delivery: Option<String>,
}

impl Shown {
    async fn now(world: &World) -> Self {
        Shown {
            lease: std::fs::read_to_string(world.journal("lease")).unwrap_or_default(),
            journal: length(&world.journal("jsonl")),
            desired: state_table(world, "desired").await,
            outcomes: state_table(world, "outcomes").await,
            delivery: delivery(world).await,
        }
    }
}

async fn has_come(world: &World, kill: Kill, before: &Shown, journal: &Growth, begun: Instant) -> bool {
    let is_new = |now: Option<String>, then: &Option<String>| now.is_some() && now != *then;
    match kill {
        Kill::After(while_) => begun.elapsed() >= while_,
        Kill::At(step) => {
            let lease = || std::fs::read_to_string(world.journal("lease")).unwrap_or_default();
            let has_lease = || !lease().is_empty() && lease() != before.lease;
            match step {
                Step::Lease => has_lease(),
                Step::Desired => is_new(state_table(world, "desired").await, &before.desired),
                Step::Delivery => is_new(delivery(world).await, &before.delivery),
                Step::Journal(times) => journal.grown >= times,
                Step::Outcomes => is_new(state_table(world, "outcomes").await, &before.outcomes),
                Step::Cleared => journal.cleared,
                Step::Released => journal.cleared && lease().is_empty(),
            }
        }
    }
}

/// How the journal's length has changed.
struct Growth {
    length: u64,
    grown: usize,
    cleared: bool,
}

impl Growth {
    fn new(length: u64) -> Self {
        Growth { length, grown: 0, cleared: false }
    }

    fn look(&mut self, length: u64) {
        self.grown += usize::from(length > self.length);
        self.cleared |= length == 0 && self.length > 0;
        self.length = length;
    }
}

fn length(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |file| file.len())
}

/// When a file was last changed.
fn changed(path: &Path) -> Option<String> {
    let at = std::fs::metadata(path).ok()?.modified().ok()?;
    Some(at.duration_since(UNIX_EPOCH).ok()?.as_nanos().to_string())
}

/// What tells one table of that name from a later one.
async fn state_table(world: &World, kind: &str) -> Option<String> {
    let name = format!("{kind}_{SYNC}");
    match &world.database {
        Some(database) if world.target != "local" => table(&**database, &format!("springline.{name}")).await,
        _ => changed(&world.folder.path().join(".springline/state").join(name).join("manifest.json")),
    }
}

/// What shows of the newest delivery.
async fn delivery(world: &World) -> Option<String> {
    match world.kind {
        SinkKind::File => changed(&world.folder.path().join(format!("out/.{SYNC}.part"))),
        SinkKind::Webhook => Some(world.receiver.arrived().to_string()),
        SinkKind::Table => table(&**world.database.as_ref()?, &format!("published.{SYNC}__batch")).await,
    }
}

async fn table(database: &dyn Warehouse, name: &str) -> Option<String> {
    use futures::TryStreamExt;
    let sql = format!("SELECT to_regclass('{name}')::oid::bigint::text AS \"table\"");
    let rows = database.query(&sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
    let batches: Vec<_> = rows.stream.try_collect().await.expect("rows");
    let text = |batch| springline_run::rows_to_json(batch, 1, &[]).expect("JSON");
    batches.iter().flat_map(text).find_map(|row| row["table"].as_str().map(str::to_owned))
}
