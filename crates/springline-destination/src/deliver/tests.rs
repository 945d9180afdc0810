use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use futures::stream;
use pretty_assertions::assert_eq;
use tokio::time::Instant;

use super::*;
use crate::testing::{added, batch_of, context};
use crate::{Answer, Attempt, BatchLimits, ChangeKind, DestinationSpec, Effect, FieldRule, Limits, Removal, Usage};

static SPEC: DestinationSpec = DestinationSpec {
    name: "scripted",
    meaning: "Answers as the test says.",
    options: &[],
    modes: crate::ALL_MODES,
    fields: FieldRule::Any,
    batch: BatchLimits::rows(10),
    homogeneous: true,
    rate: None,
    concurrency: 3,
    effect: Effect::IdempotentByKey,
    removal: Removal::ByKey,
    removals: &[crate::RemovalKind::Delete],
    nulls: &[crate::Nulls::Send],
    members_expire: None,
};

type Script = Box<dyn Fn(&Batch, &Attempt) -> Answer + Send + Sync>;

/// Answers by script after `latency`, and keeps what it was sent and when.
struct Scripted {
    script: Script,
    limits: Limits,
    latency: Duration,
    seen: Mutex<Vec<(Vec<String>, Attempt, Instant)>>,
    at_once: Mutex<(usize, usize)>,
    /// Requests allowed in a window of 60 seconds, which the answers tell of.
    allowance: Option<u64>,
    window: Mutex<Option<(Instant, u64)>>,
}

impl Scripted {
    fn new(script: impl Fn(&Batch, &Attempt) -> Answer + Send + Sync + 'static) -> Self {
        Self {
            script: Box::new(script),
            limits: Limits::from(&SPEC),
            latency: Duration::from_millis(10),
            seen: Mutex::default(),
            at_once: Mutex::default(),
            allowance: None,
            window: Mutex::default(),
        }
    }

    fn times(&self) -> Vec<Instant> {
        self.seen.lock().unwrap().iter().map(|(_, _, at)| *at).collect()
    }
}

#[async_trait]
impl Destination for Scripted {
    fn spec(&self) -> &'static DestinationSpec {
        &SPEC
    }

    fn limits(&self) -> Limits {
        self.limits
    }

    fn usage(&self) -> Option<Usage> {
        let allowance = self.allowance?;
        let (began, used) = (*self.window.lock().unwrap())?;
        Some(Usage {
            used: used as f64 / allowance as f64,
            left: Some(allowance - used),
            resets_in: Some(Duration::from_secs(60).saturating_sub(began.elapsed())),
        })
    }

    async fn check(&self) -> Result<(), DestinationError> {
        Ok(())
    }

    async fn send(&self, _: &SyncContext, batch: &Batch, attempt: &Attempt) -> Answer {
        self.seen.lock().unwrap().push((batch.keys.clone(), *attempt, Instant::now()));
        {
            let mut at_once = self.at_once.lock().unwrap();
            at_once.0 += 1;
            at_once.1 = at_once.1.max(at_once.0);
        }
        tokio::time::sleep(self.latency).await;
        self.at_once.lock().unwrap().0 -= 1;
        if let Some(allowance) = self.allowance {
            let mut window = self.window.lock().unwrap();
            let (began, used) =
                window.filter(|(began, _)| began.elapsed().as_secs() < 60).unwrap_or((Instant::now(), 0));
            if used == allowance {
                return Answer::Retry { after: None, reason: "429".into() };
            }
            *window = Some((began, used + 1));
        }
        (self.script)(batch, attempt)
    }
}

/// Outcomes by key; fails when a key is told twice.
async fn run_with(
    destination: &Scripted,
    rows: Vec<Batch>,
    policy: &Policy,
) -> (DeliveryReport, BTreeMap<String, Outcome>) {
    let total: usize = rows.iter().map(Batch::len).sum();
    let mut told = BTreeMap::new();
    let rows = stream::iter(rows.into_iter().map(Ok::<_, DestinationError>));
    let report = deliver(destination, &context("r1"), rows, policy, |progress| {
        let Progress::Settled { batch, outcomes, .. } = progress else { return Ok(()) };
        assert_eq!(batch.len(), outcomes.len());
        for (key, outcome) in batch.keys.iter().zip(outcomes) {
            assert!(told.insert(key.clone(), outcome.clone()).is_none(), "{key} was told twice");
        }
        Ok(())
    })
    .await
    .unwrap();
    let sum = report.delivered + report.accepted + report.rejected + report.unknown + report.unsent;
    assert_eq!(sum, total as u64, "{report:?}");
    assert_eq!(told.len() as u64 + report.unsent, total as u64);
    assert_eq!(report.requests, destination.seen.lock().unwrap().len() as u64);
    (report, told)
}

async fn run(destination: &Scripted, rows: Vec<Batch>) -> (DeliveryReport, BTreeMap<String, Outcome>) {
    run_with(destination, rows, &Policy::default()).await
}

fn has(batch: &Batch, key: &str) -> bool {
    batch.keys.iter().any(|k| k == key)
}

#[tokio::test(start_paused = true)]
async fn all_is_delivered_in_full_requests_of_one_operation() {
    let destination = Scripted::new(|batch, _| {
        assert!(batch.operation().is_some());
        Answer::Ok
    });
    let removed: Vec<_> = (0..7).map(|row| format!("r{row}")).collect();
    let removed = batch_of(&removed.iter().map(|key| (key.as_str(), ChangeKind::Removed)).collect::<Vec<_>>());
    let mixed = Batch::concat(vec![added(0..3), removed, added(3..4)]).unwrap().unwrap();
    let (report, told) = run(&destination, vec![mixed, added(4..25)]).await;
    assert_eq!(report, DeliveryReport { requests: 4, delivered: 32, ..DeliveryReport::default() });
    assert!(told.values().all(|outcome| *outcome == Outcome::Delivered));
    let requests: BTreeSet<u64> =
        destination.seen.lock().unwrap().iter().map(|(_, attempt, _)| attempt.request).collect();
    assert_eq!(requests, BTreeSet::from([1, 2, 3, 4]));
}

#[tokio::test(start_paused = true)]
async fn nothing_to_send_sends_nothing() {
    let destination = Scripted::new(|_, _| Answer::Ok);
    let (report, _) = run(&destination, vec![added(0..0)]).await;
    assert_eq!(report, DeliveryReport::default());
}

#[tokio::test(start_paused = true)]
async fn requests_run_at_once_up_to_the_limit_and_keep_to_the_rate() {
    let mut destination = Scripted::new(|_, _| Answer::Ok);
    destination.latency = Duration::from_secs(1);
    let start = Instant::now();
    run(&destination, vec![added(0..90)]).await;
    assert_eq!(destination.at_once.lock().unwrap().1, 3);
    assert_eq!(start.elapsed().as_secs(), 3);

    let mut destination = Scripted::new(|_, _| Answer::Ok);
    destination.limits.rate = Some(2.0);
    run(&destination, vec![added(0..60)]).await;
    let times = destination.times();
    for pair in times.windows(2) {
        assert!(pair[1] - pair[0] >= Duration::from_millis(499), "{:?}", pair[1] - pair[0]);
    }
}

#[tokio::test(start_paused = true)]
async fn memory_is_bounded_by_reading_only_what_can_be_sent() {
    let destination = Scripted::new(|_, _| Answer::Ok);
    let (read, done) = (Mutex::new(0_usize), Mutex::new(0_usize));
    let rows = stream::iter(0..100).map(|part| {
        *read.lock().unwrap() += 1;
        let ahead = *read.lock().unwrap() - *done.lock().unwrap();
        assert!(ahead <= 6, "{ahead} batches were read ahead");
        Ok::<_, DestinationError>(added(part * 10..part * 10 + 10))
    });
    let report = deliver(&destination, &context("r1"), rows, &Policy::default(), |progress| {
        *done.lock().unwrap() += usize::from(matches!(progress, Progress::Settled { .. }));
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(report.delivered, 1_000);
}

#[tokio::test(start_paused = true)]
async fn a_poison_row_is_found_and_its_neighbours_are_delivered_once() {
    let mut destination = Scripted::new(|batch, _| {
        if has(batch, "k37") {
            Answer::Split { code: "http_422".into(), reason: "bad email".into() }
        } else {
            Answer::Ok
        }
    });
    destination.limits.batch.rows = 100;
    let (report, told) = run(&destination, vec![added(0..100)]).await;
    assert_eq!((report.delivered, report.rejected, report.stopped), (99, 1, None));
    assert!(report.requests <= 15, "{} requests", report.requests);
    let poison = Outcome::Rejected { code: "http_422".into(), message: "bad email".into(), retryable: false };
    assert_eq!(told["k37"], poison);
    let mut delivered = BTreeMap::new();
    for (keys, ..) in destination.seen.lock().unwrap().iter().filter(|(keys, ..)| !keys.contains(&"k37".to_owned())) {
        keys.iter().for_each(|key| *delivered.entry(key.clone()).or_insert(0) += 1);
    }
    assert!(delivered.len() == 99 && delivered.values().all(|times| *times == 1));
}

#[tokio::test(start_paused = true)]
async fn a_destination_that_refuses_everything_is_given_up() {
    let destination = Scripted::new(|_, _| Answer::Split { code: "http_400".into(), reason: "no such field".into() });
    let (report, _) = run(&destination, vec![added(0..5_000)]).await;
    assert!((100..110).contains(&report.rejected), "{report:?}");
    assert!(report.stopped.unwrap().contains("no such field"));
    assert!(report.requests < 250, "{}", report.requests);
}

#[tokio::test(start_paused = true)]
async fn a_passing_fault_is_retried_with_growing_pauses() {
    let destination = Scripted::new(|_, attempt| match attempt.number {
        1..=4 => Answer::Retry { after: None, reason: "503".into() },
        _ => Answer::Ok,
    });
    let start = Instant::now();
    let (report, _) = run(&destination, vec![added(0..10)]).await;
    assert_eq!((report.delivered, report.requests, report.retries), (10, 5, 4));
    // Full jitter draws from zero to 1, 2, 4 and 8 seconds.
    assert!(start.elapsed() < Duration::from_secs(16));
    let numbers: Vec<_> =
        destination.seen.lock().unwrap().iter().map(|(_, attempt, _)| (attempt.request, attempt.number)).collect();
    assert_eq!(numbers, [(1, 1), (1, 2), (1, 3), (1, 4), (1, 5)]);
}

#[tokio::test(start_paused = true)]
async fn retry_after_holds_every_request_back() {
    let destination = Scripted::new(|_, attempt| match (attempt.request, attempt.number) {
        (1, 1) => Answer::Retry { after: Some(Duration::from_secs(40)), reason: "429".into() },
        _ => Answer::Ok,
    });
    let start = Instant::now();
    let (report, _) = run(&destination, vec![added(0..60)]).await;
    assert_eq!((report.delivered, report.retries), (60, 1));
    let early = destination.times().iter().filter(|at| **at - start < Duration::from_secs(40)).count();
    // Those in flight with the one that was told to wait, and no other.
    assert_eq!(early, 3);
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_is_asked_to_stop_hears_out_what_is_on_its_way() {
    let policy = Policy::default();
    let stop = policy.stop.clone();
    let destination = Scripted::new(move |_, attempt| {
        if attempt.request == 4 {
            stop.cancel();
        }
        Answer::Ok
    });
    let (report, told) = run_with(&destination, vec![added(0..200)], &policy).await;
    // Three at once: the fourth is answered in the second round, and nothing starts after it.
    assert!((40..=60).contains(&report.delivered) && report.delivered == told.len() as u64, "{report:?}");
    assert_eq!((report.unsent, report.rejected), (200 - report.delivered, 0));
    assert_eq!(report.stopped.as_deref(), Some("asked to stop"));
    let late = Scripted::new(|_, _| Answer::Ok);
    let (report, _) = run_with(&late, vec![added(0..20)], &policy).await;
    assert_eq!((report.delivered, report.requests, report.unsent), (0, 0, 20), "it was asked before it began");
}

#[tokio::test(start_paused = true)]
async fn a_destination_that_stays_down_stops_the_run_and_rejects_nothing() {
    let destination = Scripted::new(|_, _| Answer::Retry { after: None, reason: "connection refused".into() });
    let start = Instant::now();
    let patient = Policy { attempts: 20, ..Policy::default() };
    let (report, told) = run_with(&destination, vec![added(0..95)], &patient).await;
    assert_eq!((report.unsent, report.rejected, told.len()), (95, 0, 0));
    assert!(report.stopped.unwrap().contains("4 probes after pauses included: connection refused"));
    // Ten failures in a row, those in flight beside the tenth, and the probes.
    assert!((14..=16).contains(&report.requests), "{}", report.requests);
    // Pauses of 10, 20, 40 and 60 seconds.
    assert!(start.elapsed() >= Duration::from_secs(130), "{:?}", start.elapsed());

    let alone = Policy { breaker_after: 100, ..Policy::default() };
    let destination = Scripted::new(|_, _| Answer::Retry { after: None, reason: "connection refused".into() });
    let (report, _) = run_with(&destination, vec![added(0..5)], &alone).await;
    assert!(report.stopped.unwrap().contains("8 tries: connection refused"));
}

#[tokio::test(start_paused = true)]
async fn a_destination_that_comes_back_is_probed_once_and_then_gets_everything() {
    let start = Instant::now();
    let outage = Duration::from_secs(25);
    let destination = Scripted::new(move |_, _| {
        if start.elapsed() < outage { Answer::Retry { after: None, reason: "503".into() } } else { Answer::Ok }
    });
    let (report, _) = run(&destination, vec![added(0..400)]).await;
    assert_eq!((report.delivered, &report.stopped), (400, &None));
    assert!(report.retries <= 16, "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn refusals_for_a_time_slow_the_run_down_to_what_the_destination_stands() {
    // It takes five requests in any second and refuses the rest.
    let taken = Mutex::new(Vec::<Instant>::new());
    let mut destination = Scripted::new(move |_, _| {
        let mut taken = taken.lock().unwrap();
        taken.retain(|at| at.elapsed() < Duration::from_secs(1));
        if taken.len() == 5 {
            return Answer::Retry { after: Some(Duration::from_secs(1)), reason: "429".into() };
        }
        taken.push(Instant::now());
        Answer::Ok
    });
    destination.limits.concurrency = 8;
    let (report, _) = run(&destination, vec![added(0..5_000)]).await;
    assert_eq!((report.delivered, &report.stopped), (5_000, &None));
    // Without adapting, two of three requests would be refused.
    assert!(report.retries < 150, "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn a_run_spends_no_more_retries_than_its_requests_earn() {
    // Each request passes at its second try, so no request alone gives a reason to stop.
    let destination = Scripted::new(|_, attempt| match attempt.number {
        1 => Answer::Retry { after: None, reason: "503".into() },
        _ => Answer::Ok,
    });
    let policy = Policy { retry_reserve: 5, retry_share: 0.5, ..Policy::default() };
    let (report, _) = run_with(&destination, vec![added(0..1_000)], &policy).await;
    // Five of the reserve and one for two requests: n retries need n requests that earn n / 2.
    assert!((5..=12).contains(&report.retries), "{report:?}");
    assert!(report.stopped.unwrap().contains("tried again: 503"));
}

#[tokio::test(start_paused = true)]
async fn what_the_destination_tells_of_its_allowance_prevents_refusals() {
    let mut destination = Scripted::new(|_, _| Answer::Ok);
    destination.allowance = Some(100);
    let start = Instant::now();
    let (report, _) = run(&destination, vec![added(0..1_500)]).await;
    assert_eq!((report.delivered, report.retries), (1_500, 0));
    // 75 at full speed, 25 spread over what is left of the window, and the next window once it has begun.
    assert!((60..90).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn operations_on_one_key_reach_the_destination_in_order() {
    let mut destination = Scripted::new(|_, _| Answer::Ok);
    destination.limits.concurrency = 8;
    destination.latency = Duration::from_secs(1);
    let moves: Vec<_> = (0..40).map(|row| format!("k{row}")).collect();
    let mut rows: Vec<_> = moves.iter().map(|key| (key.as_str(), ChangeKind::Removed)).collect();
    rows.extend(moves.iter().map(|key| (key.as_str(), ChangeKind::Added)));
    let seen = Mutex::new(Vec::new());
    let batches = stream::iter([Ok::<_, DestinationError>(batch_of(&rows))]);
    let report = deliver(&destination, &context("r1"), batches, &Policy::default(), |progress| {
        let Progress::Settled { batch, .. } = progress else { return Ok(()) };
        seen.lock().unwrap().push((batch.operation(), Instant::now()));
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!((report.delivered, report.requests), (80, 8));
    // The four requests of a kind still run at once.
    let (removed, again): (Vec<_>, Vec<_>) =
        seen.into_inner().unwrap().into_iter().partition(|(operation, _)| *operation == Some(crate::Operation::Delete));
    assert!(removed.iter().zip(&removed[1..]).all(|(one, next)| one.1 == next.1));
    assert!(again.iter().all(|(_, at)| *at - removed[0].1 == Duration::from_secs(1)));
}

#[tokio::test(start_paused = true)]
async fn halves_of_a_refused_request_keep_the_order_of_a_key() {
    let mut destination = Scripted::new(|batch, _| match batch.len() {
        1 => Answer::Ok,
        _ => Answer::Split { code: "http_400".into(), reason: "one at a time".into() },
    });
    destination.latency = Duration::from_secs(1);
    let rows: Vec<_> = (0..4).map(|row| ("a".to_owned(), ChangeKind::Added, row.to_string())).collect();
    let mut context = context("r1");
    context.mode = crate::Mode::Append;
    let told = Mutex::new(Vec::new());
    let batches = stream::iter([Ok::<_, DestinationError>(crate::testing::batch_of_texts(&rows))]);
    deliver(&destination, &context, batches, &Policy::default(), |progress| {
        let Progress::Settled { batch, .. } = progress else { return Ok(()) };
        let text = arrow::array::AsArray::as_string::<i32>(batch.fields.column(0)).value(0).to_owned();
        told.lock().unwrap().push(text);
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(told.into_inner().unwrap(), ["0", "1", "2", "3"]);
    assert_eq!(destination.at_once.lock().unwrap().1, 1);
}

#[tokio::test(start_paused = true)]
async fn a_wait_beyond_the_budget_stops_at_once() {
    for after in [Duration::from_secs(3_600), Duration::from_secs(u64::MAX)] {
        let destination = Scripted::new(move |_, _| Answer::Retry { after: Some(after), reason: "daily quota".into() });
        let start = Instant::now();
        let (report, _) = run(&destination, vec![added(0..10)]).await;
        assert_eq!((report.unsent, report.requests), (10, 1));
        assert!(report.stopped.unwrap().contains("daily quota"));
        assert!(start.elapsed() < Duration::from_secs(1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_fatal_answer_stops_the_run_and_hears_out_what_is_in_flight() {
    let destination = Scripted::new(|batch, _| {
        if has(batch, "k0") {
            Answer::Fatal { code: "http_401".into(), message: "who are you".into() }
        } else {
            Answer::Ok
        }
    });
    let (report, told) = run(&destination, vec![added(0..100)]).await;
    assert_eq!((report.delivered, report.unsent, report.requests), (20, 80, 3));
    assert_eq!(report.stopped.as_deref(), Some("http_401: who are you"));
    assert!(!told.contains_key("k0") && told.contains_key("k10"));
}

#[tokio::test(start_paused = true)]
async fn a_request_without_answer_is_cut_off_and_tried_again() {
    let mut destination = Scripted::new(|_, _| Answer::Ok);
    destination.latency = Duration::from_secs(3_600);
    destination.limits.timeout = Some(Duration::from_secs(5));
    let policy = Policy { attempts: 2, ..Policy::default() };
    let start = Instant::now();
    let (report, _) = run_with(&destination, vec![added(0..1)], &policy).await;
    assert_eq!((report.unsent, report.requests), (1, 2));
    assert!(report.stopped.unwrap().contains("no answer within 5 s"));
    assert!(start.elapsed() < Duration::from_secs(12));
}

#[tokio::test(start_paused = true)]
async fn credentials_are_renewed_once() {
    let renewed = Scripted::new(|_, attempt| if attempt.number == 1 { Answer::Reauthenticate } else { Answer::Ok });
    assert_eq!(run(&renewed, vec![added(0..10)]).await.0.delivered, 10);
    let refused = Scripted::new(|_, _| Answer::Reauthenticate);
    let (report, _) = run(&refused, vec![added(0..10)]).await;
    assert_eq!((report.unsent, report.requests), (10, 2));
    assert!(report.stopped.unwrap().contains("credentials"));
}

#[tokio::test(start_paused = true)]
async fn outcomes_per_row_are_counted_and_missing_ones_are_retryable() {
    let destination = Scripted::new(|_, _| {
        Answer::Partial(vec![
            Outcome::Delivered,
            Outcome::Unknown,
            Outcome::Accepted { job: "j".into(), row: None },
            Outcome::Rejected { code: "http_400".into(), message: "no".into(), retryable: false },
        ])
    });
    let (report, told) = run(&destination, vec![added(0..5)]).await;
    assert_eq!((report.delivered, report.unknown, report.accepted, report.rejected), (1, 1, 1, 2));
    assert!(matches!(&told["k4"], Outcome::Rejected { code, retryable: true, .. } if code == "no_result"));
}

#[tokio::test(start_paused = true)]
async fn every_request_is_told_before_it_leaves_and_after_all_outcomes_before_it() {
    let mut destination = Scripted::new(|_, _| Answer::Ok);
    destination.limits.concurrency = 2;
    let (mut told, mut settled, mut written) = (0, Vec::new(), 0);
    let rows = stream::iter([Ok::<_, DestinationError>(added(0..50))]);
    let report = deliver(&destination, &context("r1"), rows, &Policy::default(), |progress| {
        match progress {
            Progress::Sending(requests) => {
                assert!(destination.seen.lock().unwrap().len() <= told, "one has left before it was told");
                told += requests.len();
                assert!(requests.iter().all(|(number, batch)| !settled.contains(number) && batch.len() == 10));
                assert!(told - settled.len() <= 2);
            }
            Progress::Settled { request, batch, .. } => {
                settled.push(request);
                written += batch.len();
            }
        }
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!((report.delivered, written, told, settled.len()), (50, 50, 5, 5));
}

#[tokio::test(start_paused = true)]
async fn requests_share_a_slow_disk_and_none_leaves_before_it_is_noted() {
    let mut destination = Scripted::new(|_, _| Answer::Ok);
    destination.limits.concurrency = 4;
    destination.latency = Duration::from_millis(1);
    let told = Cell::new(0);
    let noted = Rc::new(Cell::new(0));
    let began = Instant::now();
    let rows = stream::iter([Ok::<_, DestinationError>(added(0..1_000))]);
    let on_progress = |progress: Progress<'_>| {
        assert!(destination.seen.lock().unwrap().len() <= noted.get(), "one has left before it was noted");
        if let Progress::Sending(requests) = progress {
            told.set(told.get() + requests.len());
        }
        Ok(())
    };
    let on_disk = || {
        let (noted, told) = (noted.clone(), told.get());
        async move {
            tokio::time::sleep(Duration::from_millis(10)).await;
            noted.set(told);
            Ok(())
        }
    };
    let report =
        deliver_once_noted(&destination, &context("r1"), rows, &Policy::default(), on_progress, on_disk).await.unwrap();
    assert_eq!((report.delivered, told.get(), destination.seen.lock().unwrap().len()), (1_000, 100, 100));
    // One request a turn of 11 ms would take 1.1 s.
    assert!(began.elapsed() < Duration::from_millis(320), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_fails_ends_the_delivery() {
    let destination = Scripted::new(|_, _| Answer::Ok);
    let rows = stream::iter([Ok(added(0..50))]);
    let full = || async { Err(DestinationError::Batch { message: "disk full".into() }) };
    let failed = deliver_once_noted(&destination, &context("r1"), rows, &Policy::default(), |_| Ok(()), full).await;
    assert!(failed.unwrap_err().to_string().contains("disk full"));
    assert_eq!(destination.seen.lock().unwrap().len(), 0, "nothing has left");
}

#[tokio::test(start_paused = true)]
async fn repeats_travel_as_they_did_before() {
    let destination = Scripted::new(|_, _| Answer::Ok);
    let marks = |row: usize| match row {
        0..3 => Some("r0.4".to_owned()),
        3..9 => Some("r0.2".to_owned()),
        _ => None,
    };
    let rows = added(0..24).with_repeats((0..24).map(marks).collect()).unwrap();
    let mut lengths = Vec::new();
    let rows = stream::iter([Ok::<_, DestinationError>(rows)]);
    deliver(&destination, &context("r1"), rows, &Policy::default(), |progress| {
        if let Progress::Sending(requests) = progress {
            lengths.extend(requests.iter().map(|(_, batch)| (batch.len(), batch.repeat_of[0].clone())));
        }
        Ok(())
    })
    .await
    .unwrap();
    let expected = [(3, Some("r0.4".into())), (6, Some("r0.2".into())), (10, None), (5, None)];
    assert_eq!(lengths, expected);
}

#[tokio::test(start_paused = true)]
async fn errors_of_the_caller_end_the_delivery() {
    let destination = Scripted::new(|_, _| Answer::Ok);
    let broken = || DestinationError::Batch { message: "disk full".into() };
    let rows = stream::iter([Ok(added(0..50))]);
    let failed = deliver(&destination, &context("r1"), rows, &Policy::default(), |_| Err(broken())).await;
    assert!(failed.unwrap_err().to_string().contains("disk full"));
    let rows = stream::iter([Ok(added(0..5)), Err(broken())]);
    let failed = deliver(&destination, &context("r1"), rows, &Policy::default(), |_| Ok(())).await;
    assert!(failed.unwrap_err().to_string().contains("disk full"));
}

#[tokio::test]
async fn a_delivery_runs_beside_other_tasks_on_a_blocking_thread() {
    let destination: std::sync::Arc<dyn Destination> = std::sync::Arc::new(Scripted::new(|_, _| Answer::Ok));
    let runtime = tokio::runtime::Handle::current();
    let delivery = tokio::task::spawn_blocking(move || {
        runtime.block_on(async {
            let rows = stream::iter([Ok::<_, DestinationError>(added(0..20))]);
            let mut told = 0;
            let report = deliver(&*destination, &context("r1"), rows, &Policy::default(), |progress| {
                let Progress::Settled { batch, .. } = progress else { return Ok(()) };
                told += batch.len() as u64;
                Ok(())
            })
            .await;
            (report.map(|report| report.delivered), told)
        })
    });
    let (delivered, told) = delivery.await.unwrap();
    assert_eq!((delivered.unwrap(), told), (20, 20));
}
