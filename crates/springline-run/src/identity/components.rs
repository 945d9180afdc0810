//! Connected components, round by round: when to jump on, when to renumber, when to stop.

use springline_ir::TableName;
use springline_plan::{Components, Step};

use super::count;
use crate::{RunError, Session};

/// More tables than any graph is expected to need: at random, each round leaves three quarters of the nodes or fewer.
const MOST_TABLES: u32 = 200;

/// What finding components took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ComponentsRun {
    /// Rounds of contraction.
    pub rounds: u32,
    /// Jumps beside those of the rounds.
    pub jumps: u32,
    /// Statements, those that remove the working tables aside.
    pub statements: u64,
    /// Whether nodes were renumbered.
    pub shuffled: bool,
}

/// What solving took, and what is to be removed afterwards.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Solved {
    pub(super) rounds: u32,
    pub(super) jumps: u32,
    pub(super) statements: u64,
    pub(super) tables: u32,
    pub(super) times: u32,
}

/// Finds the connected components of the edges in a table with the columns `u` and `v`, integers from 0 on. The result
/// is the table [`Components::labels`] of that name, which is not there where there are no edges.
///
/// # Errors
/// The rounds do not end, or what the warehouse reports.
pub async fn connected_components(session: &Session, name: &str, edges: &TableName) -> Result<ComponentsRun, RunError> {
    let components = Components::new(&session.state_schema, name);
    session.execute(&components.normalize(edges)).await?;
    let mut solved = Solved::default();
    let done = solve(session, &components, &mut solved).await;
    let cleaned = session.execute_all(&components.cleanup(solved.tables)).await;
    done?;
    cleaned?;
    Ok(ComponentsRun {
        rounds: solved.rounds,
        jumps: solved.jumps,
        statements: solved.statements + 1,
        shuffled: solved.times > 0,
    })
}

/// Solves what is in the edges of round 1; false where there are none. What it took is told even if it fails.
pub(super) async fn solve(session: &Session, components: &Components, solved: &mut Solved) -> Result<bool, RunError> {
    let mut solver = Solver { session, components, solved };
    let mut edges = solver.edges(1).await?;
    if edges == 0 {
        return Ok(false);
    }
    let mut stalls = 0;
    while edges > 0 {
        if stalls >= 2 {
            solver.shuffle().await?;
        }
        let left = solver.round(stalls == 1).await?;
        let stalled = u128::from(left) * 10 > u128::from(edges) * 9;
        // Once nodes are renumbered they are so before each round.
        stalls = if stalls >= 2 {
            2
        } else if stalled {
            stalls + 1
        } else {
            0
        };
        edges = left;
    }
    let shuffled = solver.solved.times > 0;
    for step in components.label(solver.solved.tables, shuffled) {
        solver.step(&step).await?;
    }
    Ok(true)
}

struct Solver<'a> {
    session: &'a Session,
    components: &'a Components,
    solved: &'a mut Solved,
}

impl Solver<'_> {
    async fn step(&mut self, step: &Step) -> Result<(), RunError> {
        self.solved.statements += 1;
        self.session.execute(step).await.map(|_| ())
    }

    async fn edges(&mut self, round: u32) -> Result<u64, RunError> {
        self.solved.statements += 1;
        count(self.session, self.components.count(round)).await
    }

    /// The number of the next table.
    fn next(&mut self) -> Result<u32, RunError> {
        self.solved.tables += 1;
        if self.solved.tables > MOST_TABLES {
            return Err(RunError::Endless { rounds: self.solved.rounds });
        }
        Ok(self.solved.tables)
    }

    /// One round; how many edges are left.
    async fn round(&mut self, jump_on: bool) -> Result<u64, RunError> {
        let place = self.next()?;
        self.solved.rounds += 1;
        self.step(&self.components.hook(place)).await?;
        if jump_on {
            self.jump_on(place).await?;
        }
        self.step(&self.components.contract(place)).await?;
        self.edges(place + 1).await
    }

    /// Jumps until nothing changes.
    async fn jump_on(&mut self, place: u32) -> Result<(), RunError> {
        loop {
            self.solved.statements += 1;
            if count(self.session, self.components.unsettled(place)).await? == 0 {
                return Ok(());
            }
            // Paths of 2^64 nodes there are none of.
            if self.solved.jumps >= 64 * self.solved.rounds {
                return Err(RunError::Endless { rounds: self.solved.rounds });
            }
            self.solved.jumps += 1;
            self.step(&self.components.jump(place)).await?;
        }
    }

    async fn shuffle(&mut self) -> Result<(), RunError> {
        let place = self.next()?;
        let (factor, offset) = numbers_of(place);
        let step = self.components.shuffle(place, self.solved.times, factor, offset);
        self.solved.times += 1;
        self.step(&step).await?;
        self.step(&self.components.contract(place)).await
    }
}

/// Two numbers below the prime that nodes are renumbered by, the first above 0: the same for the same round, so that a run
/// can be repeated. Which components there are does not depend on them.
fn numbers_of(round: u32) -> (i64, i64) {
    const PRIME: u64 = 2_147_483_647;
    // https://prng.di.unimi.it/splitmix64.c
    let mix = |seed: u64| {
        let mut z = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    };
    let below = |n: u64, limit: u64| i64::try_from(n % limit).unwrap_or(0);
    let seed = u64::from(round) * 2;
    (1 + below(mix(seed + 1), PRIME - 1), below(mix(seed + 2), PRIME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_renumbered_in_another_way_each_time() {
        let all: std::collections::HashSet<_> = (1..=MOST_TABLES).map(numbers_of).collect();
        assert_eq!(all.len(), MOST_TABLES as usize);
        assert!(all.iter().all(|(factor, offset)| (1..2_147_483_647).contains(factor) && *offset >= 0));
    }
}
