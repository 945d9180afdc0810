//! Syncs that are killed: the real process, by SIGKILL, at random moments and at the steps that can be seen from
//! outside, while the data goes on changing, also back to what it was. After each run that nobody disturbs the
//! destination must hold exactly what is wanted.

mod kill;
mod sink;
mod world;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use self::kill::Kill;
use self::sink::Sink;
pub use self::sink::SinkKind;
use self::world::World;
use crate::random::Random;

/// Where the rows come from: the target of the run.
pub const WAREHOUSES: [&str; 2] = ["datafusion", "postgres"];

/// What one combination of a warehouse and a destination came to.
#[derive(Debug, Clone)]
pub struct Figures {
    /// The engine that the rows come from.
    pub warehouse: &'static str,
    /// The destination's type.
    pub destination: &'static str,
    /// With this one the same decisions are taken again; the moments are those of the machine.
    pub seed: u64,
    /// Processes that were killed.
    pub kills: u64,
    /// Of those, the ones that had begun to deliver, and had not put all of it into the ledger.
    pub mid_delivery: u64,
    /// Runs that nobody disturbed, after each of which the destination was compared with what is wanted.
    pub compared: u64,
    /// Rows that arrived.
    pub rows: u64,
    /// Rows that arrived and changed nothing.
    pub repeats: u64,
    /// As many repeats as the effect that the destination declares allows for so many kills.
    pub allowed_repeats: u64,
    /// Keys that were missing at the destination after an undisturbed run, or had other values than are wanted.
    pub lost: BTreeSet<String>,
    /// Keys that were there and not wanted.
    pub left_over: BTreeSet<String>,
    /// All of it.
    pub elapsed: Duration,
}

impl Figures {
    /// The head of a table of lines.
    pub const HEAD: &str = "| warehouse | destination | kills | in mid-delivery | compared | rows | repeats | allowed \
                            | lost | left over | time |\n|---|---|---|---|---|---|---|---|---|---|---|";

    /// A line of the table.
    pub fn line(&self) -> String {
        format!(
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {:.0} s |",
            self.warehouse,
            self.destination,
            self.kills,
            self.mid_delivery,
            self.compared,
            self.rows,
            self.repeats,
            self.allowed_repeats,
            self.lost.len(),
            self.left_over.len(),
            self.elapsed.as_secs_f64()
        )
    }

    /// Whether all is as it must be.
    pub fn hold(&self) -> bool {
        self.lost.is_empty() && self.left_over.is_empty() && self.repeats <= self.allowed_repeats
    }
}

/// Kills so many runs of a sync from this warehouse to this destination; `None` where a server is missing.
pub async fn crash(warehouse: &'static str, destination: SinkKind, kills: u64, seed: u64) -> Option<Figures> {
    let started = Instant::now();
    let world = World::new(warehouse, destination).await?;
    let figures = Figures {
        warehouse,
        destination: destination.name(),
        seed,
        kills: 0,
        mid_delivery: 0,
        compared: 0,
        rows: 0,
        repeats: 0,
        allowed_repeats: 0,
        lost: BTreeSet::new(),
        left_over: BTreeSet::new(),
        elapsed: Duration::ZERO,
    };
    let mut harness = Harness { sink: Sink::new(destination), world, random: Random::new(seed), figures };
    harness.run(kills).await;
    let Harness { mut figures, sink, .. } = harness;
    (figures.rows, figures.repeats) = (sink.rows, sink.repeats);
    figures.allowed_repeats = figures.kills * destination.on_its_way();
    figures.elapsed = started.elapsed();
    Some(figures)
}

struct Harness {
    world: World,
    sink: Sink,
    random: Random,
    figures: Figures,
}

impl Harness {
    async fn run(&mut self, kills: u64) {
        self.world.mutate(&mut self.random, 200);
        self.world.store().await;
        self.undisturbed().await;
        self.sink.watch(&self.world).await;
        self.world.mutate(&mut self.random, 60);
        self.world.store().await;
        let begun = Instant::now();
        self.undisturbed().await;
        let whole = begun.elapsed();
        while self.figures.kills < kills {
            match self.random.below(3) {
                0 => self.there_and_back(whole).await,
                _ => self.whatever_comes(whole).await,
            }
        }
        self.undisturbed().await;
    }

    /// What was changed and may be on its way is changed back before the next run.
    async fn there_and_back(&mut self, whole: Duration) {
        self.undisturbed().await;
        let rows = 20 + self.random.below(80);
        self.world.mutate(&mut self.random, rows);
        self.world.store().await;
        let kill = match self.random.one_in(2) {
            true => Kill::in_mid_delivery(&mut self.random),
            false => Kill::draw(&mut self.random, whole),
        };
        self.kill(kill).await;
        self.world.change_back();
        self.world.store().await;
        if self.random.one_in(2) {
            let kill = Kill::draw(&mut self.random, whole);
            self.kill(kill).await;
        }
        self.undisturbed().await;
    }

    async fn whatever_comes(&mut self, whole: Duration) {
        match self.random.below(10) {
            0..=4 => {
                let rows = 5 + self.random.below(95);
                self.world.mutate(&mut self.random, rows);
            }
            5..=7 => self.world.change_back(),
            _ => {}
        }
        self.world.store().await;
        let kill = Kill::draw(&mut self.random, whole);
        self.kill(kill).await;
    }

    /// Runs the sync and kills it. Nothing is counted where it has ended before.
    async fn kill(&mut self, kill: Kill) {
        if let Some(mid_delivery) = kill::run_and_kill(&self.world, kill).await {
            self.figures.kills += 1;
            self.figures.mid_delivery += u64::from(mid_delivery);
        }
    }

    /// Runs the sync to its end and compares.
    async fn undisturbed(&mut self) {
        let world = &self.world;
        // The process is waited for on a thread of its own: the receiver goes on meanwhile.
        tokio::task::block_in_place(|| world.apply().run()).exits(0);
        self.figures.compared += 1;
        let wanted = world.wanted();
        for state in self.sink.states(world).await {
            let lost = wanted.iter().filter(|(key, row)| state.get(*key) != Some(row)).map(|(key, _)| key.clone());
            self.figures.lost.extend(lost);
            self.figures.left_over.extend(state.into_keys().filter(|key| !wanted.contains_key(key)));
        }
    }
}
