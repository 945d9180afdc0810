//! `springline scheduler`: each sync at the times of its schedule, until it is told to end.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use jiff::Timestamp;
use serde_json::{Value, json};
use springline_model::{DestinationId, Sync};
use springline_run::{SyncReport, SyncRequest};
use tokio::sync::Mutex;

use crate::agenda::Agenda;
use crate::cli::{Format, Global};
use crate::commands::sync::{exit, of_many, show_end, worst};
use crate::failure::{Exit, Failure};
use crate::interrupt::{asked_to_end, until_interrupted};
use crate::metrics::{self, Metrics};
use crate::runs::Run;
use crate::selection;
use crate::sessions::Workplace;
use crate::traces;

/// The longest sleep: while a machine sleeps, time passes that timers do not see.
const LONGEST_SLEEP: Duration = Duration::from_secs(20);

/// What a scheduler is asked for.
pub(crate) struct Options {
    pub(crate) chosen: Vec<String>,
    pub(crate) once: bool,
    pub(crate) until: Option<String>,
    pub(crate) metrics_listen: Option<SocketAddr>,
}

pub(crate) async fn execute(global: &Global, options: &Options) -> Result<Exit, Failure> {
    if global.as_of.is_some() {
        let message = "the scheduler runs each sync as of the moment at which it is due";
        return Err(Failure::new(message).hint("leave out `--as-of`"));
    }
    let workplace = Workplace::new(global)?;
    let until = workplace.instant("until", options.until.as_deref())?;
    let syncs = scheduled(&workplace, &options.chosen).await?;
    let metrics = Arc::new(Metrics::new());
    if let Some(address) = options.metrics_listen {
        let url = format!("http://{}/metrics", metrics::serve(&metrics, address).await?);
        match global.format {
            Format::Json => anstream::println!("{}", json!({ "metrics": url })),
            Format::Text => anstream::println!("metrics at {url}"),
        }
    }
    let mut agenda = Agenda::new(&workplace.project().timezone);
    let session = workplace.session().await?;
    for sync in &syncs {
        let last = springline_run::last_start(&session, sync).await?;
        // A first run sends everything: it waits for its time, unless this is all there is to do.
        let last = if options.once { last } else { Some(last.unwrap_or_else(Timestamp::now)) };
        sync.schedule.iter().for_each(|schedule| agenda.add(schedule, last));
        metrics.recorded(&workplace, &session, sync).await;
    }
    drop(session);
    let turns = syncs.iter().map(|sync| (sync.destination, Mutex::default())).collect();
    let scheduler = Scheduler { workplace, syncs: &syncs, turns, metrics: &metrics, format: global.format };
    if options.once { scheduler.once(agenda).await } else { scheduler.serve(agenda, until).await }
}

/// The syncs that are to be run: those that are chosen, or all that have a schedule.
async fn scheduled(workplace: &Workplace, chosen: &[String]) -> Result<Vec<Sync>, Failure> {
    const HINT: &str = "give it one, such as `schedule: 30 6 * * *`";
    let syncs = match chosen {
        [] => workplace.project().syncs.iter().filter(|sync| sync.schedule.is_some()).collect(),
        words => selection::chosen(workplace.project(), words, &super::sync::modified(workplace, words).await?)?,
    };
    match syncs.iter().find(|sync| sync.schedule.is_none()) {
        Some(sync) => Err(Failure::new(format!("sync `{}` has no schedule", sync.name)).hint(HINT)),
        None if syncs.is_empty() => Err(Failure::new("no sync of the project has a schedule").hint(HINT)),
        None => Ok(syncs.into_iter().cloned().collect()),
    }
}

struct Scheduler<'a> {
    workplace: Workplace,
    syncs: &'a [Sync],
    /// Syncs of one destination run one after another.
    turns: BTreeMap<DestinationId, Mutex<()>>,
    metrics: &'a Metrics,
    format: Format,
}

impl Scheduler<'_> {
    /// Runs what is due now.
    async fn once(&self, mut agenda: Agenda<'_>) -> Result<Exit, Failure> {
        let due = agenda.start(Timestamp::now());
        let mut running: FuturesUnordered<_> = due.into_iter().map(|place| self.run(place)).collect();
        let mut exits = Vec::new();
        while let Some((place, result)) = running.next().await {
            exits.push(result.as_ref().map_or(Exit::Failed, exit));
            agenda.end(place);
            self.show(&agenda, place, &result);
        }
        if exits.is_empty() && self.format == Format::Text {
            anstream::println!("nothing is due");
        }
        Ok(worst(&exits))
    }

    /// Runs what is due until it is asked to end, or until an instant.
    async fn serve(&self, mut agenda: Agenda<'_>, until: Option<Timestamp>) -> Result<Exit, Failure> {
        self.show_agenda(&agenda);
        let mut running = FuturesUnordered::new();
        let mut end = std::pin::pin!(asked_to_end());
        loop {
            let now = Timestamp::now();
            if until.is_some_and(|until| until <= now) {
                break;
            }
            running.extend(agenda.start(now).into_iter().map(|place| self.run(place)));
            let wake = agenda.first().into_iter().chain(until).min().unwrap_or(Timestamp::MAX);
            let sleep = Duration::try_from(wake.duration_since(now)).unwrap_or_default().min(LONGEST_SLEEP);
            tokio::select! {
                Some((place, result)) = running.next(), if !running.is_empty() => {
                    agenda.end(place);
                    self.show(&agenda, place, &result);
                }
                () = tokio::time::sleep(sleep) => {}
                () = &mut end => {
                    self.workplace.stop.cancel();
                    anstream::eprintln!("ending: {} running; Ctrl-C again ends at once", running.len());
                    break;
                }
            }
        }
        // What runs is heard out, unless it takes too long for whoever waits.
        let rest = async {
            while let Some((place, result)) = running.next().await {
                self.show(&agenda, place, &result);
            }
        };
        until_interrupted(rest).await;
        Ok(Exit::Done)
    }

    async fn run(&self, place: usize) -> (usize, Result<SyncReport, Failure>) {
        let sync = &self.syncs[place];
        let work = async {
            let _turn = match self.turns.get(&sync.destination) {
                Some(turn) => Some(turn.lock().await),
                None => None,
            };
            let workplace = self.workplace.now()?;
            let request = SyncRequest::default();
            Run { workplace: &workplace, sync, request: &request, metrics: Some(self.metrics) }.alone().await
        };
        let result = work.await;
        traces::send().await;
        (place, result)
    }

    fn show_agenda(&self, agenda: &Agenda<'_>) {
        let all: Vec<Value> =
            self.syncs.iter().enumerate().map(|(place, sync)| self.line(agenda, place, sync)).collect();
        match self.format {
            Format::Json => anstream::println!("{}", json!({ "scheduled": all })),
            Format::Text => {
                for (place, sync) in self.syncs.iter().enumerate() {
                    anstream::println!("{}: next at {}", sync.name, next(agenda, place));
                }
            }
        }
    }

    fn line(&self, agenda: &Agenda<'_>, place: usize, sync: &Sync) -> Value {
        let schedule = sync.schedule.as_ref().map(|schedule| &schedule.text);
        json!({ "sync": sync.name, "schedule": schedule, "next": next(agenda, place) })
    }

    /// A run on the screen: one line of JSON, or what `sync apply` shows.
    fn show(&self, agenda: &Agenda<'_>, place: usize, result: &Result<SyncReport, Failure>) {
        let sync = &self.syncs[place];
        match self.format {
            Format::Json => {
                let mut object = of_many(sync, result);
                object["next"] = json!(next(agenda, place));
                anstream::println!("{object}");
            }
            Format::Text => {
                anstream::println!("{}", Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ"));
                show_end(sync, result);
                anstream::println!("  next at {}", next(agenda, place));
            }
        }
    }
}

fn next(agenda: &Agenda<'_>, place: usize) -> String {
    agenda.next(place).map(|next| next.to_string()).unwrap_or_default()
}
