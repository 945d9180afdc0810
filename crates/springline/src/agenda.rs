//! Which of several schedules is due, and which comes next. It reads no clock and runs nothing.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use springline_model::Schedule;

/// The schedules of a process and where they stand.
pub(crate) struct Agenda<'a> {
    zone: TimeZone,
    entries: Vec<Entry<'a>>,
}

struct Entry<'a> {
    schedule: &'a Schedule,
    /// When it ran last, or since when it is waited for; due at once where there is none.
    last: Option<Timestamp>,
    running: bool,
}

impl<'a> Agenda<'a> {
    pub(crate) fn new(zone: &TimeZone) -> Self {
        Agenda { zone: zone.clone(), entries: Vec::new() }
    }

    /// Adds a schedule, whose place is the number of those before it.
    pub(crate) fn add(&mut self, schedule: &'a Schedule, last: Option<Timestamp>) {
        self.entries.push(Entry { schedule, last, running: false });
    }

    /// The places of those that are due; they run from now on. However many of its times have passed since it ran last,
    /// it is due once.
    pub(crate) fn start(&mut self, now: Timestamp) -> Vec<usize> {
        let zone = &self.zone;
        let mut due = Vec::new();
        for (place, entry) in self.entries.iter_mut().enumerate() {
            if !entry.running && entry.next(zone).is_some_and(|next| next <= now) {
                (entry.last, entry.running) = (Some(now), true);
                due.push(place);
            }
        }
        due
    }

    /// What ran has ended.
    pub(crate) fn end(&mut self, place: usize) {
        if let Some(entry) = self.entries.get_mut(place) {
            entry.running = false;
        }
    }

    /// When it is due next; `None` where it never is.
    pub(crate) fn next(&self, place: usize) -> Option<Timestamp> {
        self.entries.get(place)?.next(&self.zone)
    }

    /// When the first of those that do not run is due.
    pub(crate) fn first(&self) -> Option<Timestamp> {
        self.entries.iter().filter(|entry| !entry.running).filter_map(|entry| entry.next(&self.zone)).min()
    }
}

impl Entry<'_> {
    fn next(&self, zone: &TimeZone) -> Option<Timestamp> {
        match self.last {
            Some(last) => self.schedule.after(last, zone),
            None => Some(Timestamp::MIN),
        }
    }
}

#[cfg(test)]
mod tests {
    use springline_model::{DestinationKind, EngineKind, Mode, OptionKind, Registry};

    use super::*;

    /// The schedules of a project.
    fn schedules(texts: &[&str]) -> Vec<Schedule> {
        let sync = |(i, text): (usize, &&str)| {
            format!(
                "  - {{ name: s{i}, entity: e, destination: d, key: id, map: {{ id: id }}, schedule: \"{text}\" }}\n"
            )
        };
        let project = format!(
            "name: p\nversion: 1\ntargets: {{ t: {{ engine: x }} }}\nsources: [{{ name: s, table: s, columns: {{ id: string }} }}]\n\
             entities: [{{ name: e, source: s, primary_key: id }}]\ndestinations: [{{ name: d, type: y }}]\nsyncs:\n{}",
            texts.iter().enumerate().map(sync).collect::<String>()
        );
        let registry = Registry {
            engines: vec![EngineKind { name: "x".into(), options: Vec::<OptionKind>::new() }],
            destinations: vec![DestinationKind {
                name: "y".into(),
                options: Vec::new(),
                modes: Mode::ALL.to_vec(),
                fields: None,
                required: Vec::new(),
                identifiers: Vec::new(),
                removals: Vec::new(),
                nulls: Vec::new(),
                members_expire_days: None,
            }],
            alerts: Vec::new(),
        };
        let checked = springline_model::check(vec![("springline.yaml".into(), project)], &registry);
        let project = checked.project.unwrap_or_else(|| panic!("{:?}", checked.diagnostics));
        project.syncs.into_iter().filter_map(|sync| sync.schedule).collect()
    }

    fn at(text: &str) -> Timestamp {
        format!("2026-06-01T{text}Z").parse().unwrap()
    }

    #[test]
    fn times_that_were_slept_through_are_due_once() {
        let schedules = schedules(&["*/15 * * * *", "0 12 * * *"]);
        let mut agenda = Agenda::new(&TimeZone::UTC);
        schedules.iter().for_each(|schedule| agenda.add(schedule, Some(at("09:50:00"))));
        assert_eq!((agenda.first(), agenda.start(at("09:59:59"))), (Some(at("10:00:00")), vec![]));
        assert_eq!(agenda.start(at("11:31:00")), [0], "six times have passed");
        agenda.end(0);
        assert_eq!(agenda.start(at("11:31:00")), Vec::<usize>::new());
        assert_eq!((agenda.next(0), agenda.next(1)), (Some(at("11:45:00")), Some(at("12:00:00"))));
        assert_eq!(agenda.start(at("12:00:00")), [0, 1]);
    }

    #[test]
    fn what_runs_is_not_started_again_before_it_ends() {
        let schedules = schedules(&["* * * * *"]);
        let mut agenda = Agenda::new(&TimeZone::UTC);
        agenda.add(&schedules[0], None);
        assert_eq!(agenda.start(at("10:00:30")), [0], "it has never run");
        assert_eq!((agenda.start(at("10:05:00")), agenda.first()), (vec![], None));
        agenda.end(0);
        assert_eq!(agenda.start(at("10:05:10")), [0], "the times that passed meanwhile are one");
        agenda.end(0);
        assert_eq!((agenda.start(at("10:05:20")), agenda.first()), (vec![], Some(at("10:06:00"))));
    }
}
