//! A session from the command line's options: project, target, dialect, clock.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use springline_destination::Destination;
use springline_model::{Project, SegmentId, StatePlace, Sync, Target};
use springline_plan::Context;
use springline_run::Session;
use springline_sql::Dialect;
use springline_warehouse::EMBEDDED;
use tokio_util::sync::CancellationToken;

use crate::cli::Global;
use crate::connect::{self, Overrides};
use crate::dialects;
use crate::failure::Failure;
use crate::output;
use crate::project::{self, Loaded};

/// A loaded project and the choices of the command line.
#[derive(Clone)]
pub(crate) struct Workplace {
    pub(crate) loaded: Loaded,
    pub(crate) as_of: Timestamp,
    target: Option<String>,
    pub(crate) overrides: Overrides,
    /// Asks its syncs to send nothing more.
    pub(crate) stop: CancellationToken,
}

impl Workplace {
    pub(crate) fn new(global: &Global) -> Result<Self, Failure> {
        let loaded = project::load(global.project.as_deref())?;
        let as_of = instant("as-of", global.as_of.as_deref(), &loaded.project.timezone)?;
        let (target, overrides, stop) = (global.target.clone(), Overrides::new(), CancellationToken::new());
        Ok(Workplace { loaded, as_of, target, overrides, stop })
    }

    /// The same at this moment.
    pub(crate) fn now(&self) -> Result<Self, Failure> {
        let as_of = instant("as-of", None, &self.loaded.project.timezone)?;
        Ok(Workplace { as_of, ..self.clone() })
    }

    /// The same with another project.
    pub(crate) fn with(&self, loaded: Loaded) -> Self {
        Workplace { loaded, ..self.clone() }
    }

    /// The target that was asked for, or the project's default.
    pub(crate) fn target(&self) -> Result<&Target, Failure> {
        self.target_named(self.target.as_ref().unwrap_or(&self.loaded.project.default_target))
    }

    fn target_named(&self, name: &str) -> Result<&Target, Failure> {
        let targets = &self.loaded.project.targets;
        let known = targets.iter().map(|t| t.name.as_str());
        targets.iter().find(|t| t.name == name).ok_or_else(|| unknown("target", name, known))
    }

    /// The dialect of that name, or of the target.
    pub(crate) fn dialect(&self, name: Option<&str>) -> Result<Dialect, Failure> {
        let name = match name {
            Some(name) => name,
            None => &self.target()?.engine,
        };
        dialects::load(&self.loaded.dir, name)
    }

    /// What plans are made from, for a dialect.
    pub(crate) fn context(&self, dialect: &Dialect) -> Result<Context<'_>, Failure> {
        Ok(Context {
            project: &self.loaded.project,
            sources: &self.loaded.sources,
            as_of: self.as_of,
            state_schema: &self.target()?.state_schema,
            capabilities: dialect.capabilities(),
        })
    }

    /// A session on the target.
    pub(crate) async fn session(&self) -> Result<Session, Failure> {
        let target = self.target()?;
        let local_state = match target.state {
            StatePlace::Warehouse => None,
            StatePlace::Local => Some(Box::new(self.local_state(target).await?)),
        };
        Ok(Session {
            local_state,
            project: self.loaded.project.clone(),
            sources: self.loaded.sources.clone(),
            warehouse: connect::warehouse(&self.loaded, target, &self.overrides).await?,
            target: target.name.clone(),
            dialect: Arc::new(self.dialect(None)?),
            state_schema: target.state_schema.clone(),
            price_per_tib: target.price_per_tib,
            as_of: self.as_of,
            project_dir: self.loaded.dir.clone(),
            stop: self.stop.clone(),
            observer: output::observer(),
        })
    }

    /// The embedded engine on a folder of the project, for the state of a target that may only be read.
    async fn local_state(&self, target: &Target) -> Result<Session, Failure> {
        // Each target has a set of tables of its own.
        let state_schema = format!("{}_{}", target.state_schema, target.name);
        let warehouse = connect::state_folder(&self.loaded, &target.name, &state_schema).await?;
        Ok(Session {
            project: self.loaded.project.clone(),
            sources: self.loaded.sources.clone(),
            warehouse,
            target: target.name.clone(),
            dialect: Arc::new(self.dialect(Some(EMBEDDED))?),
            state_schema,
            price_per_tib: None,
            as_of: self.as_of,
            project_dir: self.loaded.dir.clone(),
            local_state: None,
            stop: self.stop.clone(),
            observer: output::observer(),
        })
    }

    /// The destination of a sync, ready to be called.
    pub(crate) async fn destination(&self, sync: &Sync) -> Result<Arc<dyn Destination>, Failure> {
        let declared = self.project().destination(sync.destination);
        let config = connect::destination_config(&self.loaded, declared, &self.overrides)?;
        let Some(options) = springline_destination::warehouse_table(&config)? else {
            return Ok(springline_destination::connect(config)?);
        };
        let run_target = self.target()?;
        let target = match &options.target {
            Some(name) => self.target_named(name)?,
            None => run_target,
        };
        let schema = options.schema.clone();
        let session = Session {
            project: self.loaded.project.clone(),
            sources: self.loaded.sources.clone(),
            warehouse: connect::warehouse_with(&self.loaded, target, &schema, &self.overrides).await?,
            target: target.name.clone(),
            dialect: Arc::new(self.dialect(Some(&target.engine))?),
            state_schema: schema,
            price_per_tib: None,
            as_of: self.as_of,
            project_dir: self.loaded.dir.clone(),
            local_state: None,
            stop: self.stop.clone(),
            // What goes on is told by the delivery.
            observer: Arc::new(|_| {}),
        };
        Ok(springline_run::warehouse_table(&declared.name, session, &run_target.name, options))
    }

    /// The segment of that name.
    pub(crate) fn segment(&self, name: &str) -> Result<SegmentId, Failure> {
        let segments = &self.loaded.project.segments;
        let place = segments.iter().position(|s| s.name == name);
        place.map(SegmentId).ok_or_else(|| unknown("segment", name, segments.iter().map(|s| s.name.as_str())))
    }

    /// The sync of that name.
    pub(crate) fn sync(&self, name: &str) -> Result<&Sync, Failure> {
        let syncs = &self.loaded.project.syncs;
        syncs
            .iter()
            .find(|s| s.name == name)
            .ok_or_else(|| unknown("sync", name, syncs.iter().map(|s| s.name.as_str())))
    }

    /// The instant of an option, where it is given.
    pub(crate) fn instant(&self, option: &str, text: Option<&str>) -> Result<Option<Timestamp>, Failure> {
        text.map(|text| instant(option, Some(text), &self.loaded.project.timezone)).transpose()
    }

    pub(crate) fn project(&self) -> &Project {
        &self.loaded.project
    }
}

/// A name that nothing has, with the nearest that something has.
pub(crate) fn unknown<'a>(kind: &str, name: &str, known: impl Iterator<Item = &'a str>) -> Failure {
    let known: Vec<&str> = known.collect();
    let failure = Failure::new(format!("there is no {kind} `{name}`"));
    let nearest = known.iter().map(|k| (strsim::jaro_winkler(name, k), k)).max_by(|a, b| a.0.total_cmp(&b.0));
    match nearest {
        Some((likeness, nearest)) if likeness > 0.8 => failure.hint(format!("did you mean `{nearest}`?")),
        Some(_) => failure.hint(format!("there are: {}", known.join(", "))),
        None => failure.hint(format!("the project declares no {kind}")),
    }
}

/// The instant that was asked for, in whole microseconds, which is what engines keep.
fn instant(option: &str, text: Option<&str>, zone: &TimeZone) -> Result<Timestamp, Failure> {
    let instant = match text {
        None => Timestamp::now(),
        Some(text) => parse_instant(text, zone).ok_or_else(|| {
            Failure::new(format!("`--{option} {text}` is neither an instant nor a day"))
                .hint("write 2024-06-30T00:00:00Z, or 2024-06-30 for the first instant of that day")
        })?,
    };
    Timestamp::from_microsecond(instant.as_microsecond()).map_err(|e| Failure::new(e.to_string()))
}

fn parse_instant(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Some(instant);
    }
    let day = text.parse::<Date>().ok().filter(|_| !text.contains([':', 'T']))?;
    day.to_zoned(zone.clone()).ok().map(|zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_its_first_instant_in_the_project() {
        let paris = TimeZone::get("Europe/Paris").unwrap();
        let read = |text| instant("--as-of", Some(text), &paris).ok().map(|t| t.to_string());
        assert_eq!(read("2024-06-30").as_deref(), Some("2024-06-29T22:00:00Z"));
        assert_eq!(read("2024-06-30T00:00:00Z").as_deref(), Some("2024-06-30T00:00:00Z"));
        assert_eq!(read("tomorrow"), None);
    }
}
