//! The protocol of a sync, explored: every order of steps, crashes and lost answers for small sizes.
//!
//! In every state that can be reached must hold: two runs do not overlap, no more rows can repeat than were on their way,
//! a job that is pending is written down, and, once everything has calmed down, the destination holds what is wanted.
//! The model is broken on purpose, rule by rule, to see that each property can fail.
#![allow(clippy::panic, clippy::expect_used, clippy::print_stdout)]

#[path = "protocol/model.rs"]
mod model;
#[path = "protocol/rules.rs"]
mod rules;

use std::collections::{HashMap, VecDeque};

use self::model::{Machine, State, Step};
use self::rules::{Protocol, World};

/// States beyond which a search is given up: a test must not eat the machine.
const MOST_STATES: usize = 3_000_000;

/// What a search found.
#[derive(Debug)]
enum Found {
    /// Every state that can be reached is well; their number.
    Nothing(usize),
    /// What does not hold, and the steps that lead there.
    Flaw(String, Vec<Step>),
}

/// Breadth first, so that a flaw comes with the shortest way to it.
fn search(protocol: Protocol, world: World) -> Found {
    let machine = Machine { protocol, world };
    let mut places: HashMap<State, usize> = HashMap::new();
    let mut came_by: Vec<(usize, Option<Step>)> = Vec::new();
    let mut queue = VecDeque::from([(machine.start(), 0, None)]);
    while let Some((state, from, step)) = queue.pop_front() {
        if places.contains_key(&state) {
            continue;
        }
        let place = came_by.len();
        came_by.push((from, step));
        if let Err(flaw) = machine.check(&state) {
            return Found::Flaw(flaw, way(&came_by, place));
        }
        assert!(place < MOST_STATES, "the world is too large: {world:?}");
        let next: Vec<_> = machine.steps(&state).into_iter().map(|step| (machine.after(&state, step), step)).collect();
        places.insert(state, place);
        queue.extend(
            next.into_iter().filter(|(state, _)| !places.contains_key(state)).map(|(s, step)| (s, place, Some(step))),
        );
    }
    Found::Nothing(places.len())
}

fn way(came_by: &[(usize, Option<Step>)], mut place: usize) -> Vec<Step> {
    let mut steps = Vec::new();
    while let (from, Some(step)) = came_by[place] {
        steps.push(step);
        place = from;
    }
    steps.reverse();
    steps
}

fn holds(name: &str, protocol: Protocol, world: World) -> usize {
    match search(protocol, world) {
        Found::Nothing(states) => {
            println!("{name}: {states} states");
            states
        }
        Found::Flaw(flaw, steps) => panic!("{name}: {flaw} after {steps:?}"),
    }
}

fn fails(name: &str, protocol: Protocol, world: World, expected: &str) {
    match search(protocol, world) {
        Found::Nothing(states) => panic!("{name}: {states} states and no flaw"),
        Found::Flaw(flaw, steps) => {
            println!("{name}: {flaw}: {steps:?}");
            assert!(flaw.contains(expected), "{name}: {flaw} after {steps:?}");
        }
    }
}

#[test]
fn nothing_is_lost_whatever_is_wished_lost_or_crashes() {
    let (calm, reverts) = (World::CALM, World { reverts: true, ..World::CALM });
    let worlds = [
        ("without reverts", calm),
        ("jobs that overtake", World { jobs: true, overtaking: true, crashes: 0, ..calm }),
        ("crashes", reverts),
        ("lost answers", World { crashes: 1, losses: 1, ..reverts }),
        ("refusals", World { refuses: true, crashes: 1, losses: 1, ..reverts }),
        ("jobs", World { jobs: true, crashes: 1, edits: 1, ..reverts }),
        ("deduplication", World { deduplicates: true, ..reverts }),
        ("deduplication and lost answers", World { deduplicates: true, crashes: 1, losses: 1, ..reverts }),
        ("two hosts", World { hosts: 2, crashes: 1, ..reverts }),
        ("checkpoints", World { checkpoints: true, ..reverts }),
        ("checkpoints and refusals", World { checkpoints: true, refuses: true, crashes: 1, losses: 1, ..reverts }),
        ("checkpoints and jobs", World { checkpoints: true, jobs: true, crashes: 1, edits: 1, ..reverts }),
        ("checkpoints and two hosts", World { checkpoints: true, hosts: 2, crashes: 1, edits: 1, ..reverts }),
    ];
    let states: usize = worlds.map(|(name, world)| holds(name, Protocol::AS_BUILT, world)).iter().sum();
    println!("all worlds: {states} states");
}

/// Each of these is an assumption that the protocol rests on.
#[test]
fn the_limits_of_the_protocol_are_known() {
    let (built, calm) = (Protocol::AS_BUILT, World::CALM);
    let reverts = World { reverts: true, ..calm };
    fails("a request arrives after the next run", built, World { late: true, ..reverts }, "lost");
    let overtaking = World { jobs: true, overtaking: true, crashes: 1, ..calm };
    fails("a job that nobody knows of ends after a later one", built, overtaking, "lost");
    fails("a lease runs out while its holder sleeps", built, World { hosts: 2, sleepers: true, ..calm }, "overlap");
}

#[test]
fn each_rule_is_needed() {
    let (built, world) = (Protocol::AS_BUILT, World { reverts: true, ..World::CALM });
    let (narrow, jobs) = (World { concurrency: 1, crashes: 0, ..world }, World { jobs: true, ..world });
    let unflushed = Protocol { flushes: false, ..built };
    fails("outcomes are not flushed: rows repeat", unflushed, narrow, "can repeat");
    fails("outcomes are not flushed: jobs are forgotten", unflushed, jobs, "nobody knows of it");
    let hasty = Protocol { waits_for_the_answer: false, ..built };
    fails("a row is acknowledged when it is sent", hasty, world, "lost");
    let early = Protocol { clears_last: false, ..built };
    fails("the journal is cleared before the ledger has it", early, world, "lost");
    let forgetful = Protocol { recovers: false, ..built };
    fails("the journal of a run that died is dropped", forgetful, world, "lost");
    let impatient = Protocol { waits_for_jobs: false, ..built };
    let overtaking = World { overtaking: true, crashes: 0, ..jobs };
    fails("a run does not wait for the jobs of the last", impatient, overtaking, "lost");
    let forward = World { crashes: 0, losses: 1, ..world };
    let silent = Protocol { notes_what_is_sent: false, ..built };
    fails("a wish goes back while its row is on its way at a crash", silent, world, "lost");
    fails("a wish goes back after an answer was lost", silent, forward, "lost");
    let nameless = Protocol { ids_name_runs: false, ..built };
    fails("an id tells the row alone", nameless, World { deduplicates: true, ..world }, "lost");
    let gullible = Protocol { doubts_overtaken_journals: false, ..built };
    let hosts = World { hosts: 2, crashes: 1, ..world };
    fails("a host comes back with a journal that another run has overtaken", gullible, hosts, "lost");
    let eager = Protocol { checkpoints_leave_jobs: false, ..built };
    fails("a checkpoint takes a job for its end", eager, World { checkpoints: true, ..jobs }, "lost");
    let open = Protocol { lease: false, ..built };
    fails("there is no lease", open, World { hosts: 2, ..world }, "overlap");
}
