//! One round: a random project, its values by the reference, and the same by each engine.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write;

use jiff::Timestamp;
use springline_ir::Statement;
use springline_model::{
    Checked, DestinationKind, EngineKind, EntityId, FieldId, OptionKind, Project, Registry, SegmentId, Severity, check,
};
use springline_plan::{Context, Position};

use super::Random;
use super::engine::{Answer, Engine, write_files};
use super::project::{Definition, Draft};
use super::rows::{clock, tables};
use crate::reference::{Reference, Table};

/// So many projects share their rows.
const PROJECTS_PER_ROWS: u64 = 5;

/// A value that differs, or an engine that fails.
#[derive(Debug, Clone)]
pub struct Difference {
    /// On which engine.
    pub engine: String,
    /// The definitions that give it, as YAML.
    pub yaml: String,
    /// What differs.
    pub what: String,
}

/// What a number of rounds came to.
#[derive(Debug, Default)]
pub struct Report {
    /// Expressions that were compared on every engine.
    pub expressions: usize,
    /// Segments that were compared on every engine, each as a column of the wide relation and alone.
    pub segments: usize,
    /// Definitions that the checker refused.
    pub refused: usize,
    /// Definitions without a value for some row, such as those that overflow.
    pub undefined: usize,
    /// What differs.
    pub differences: Vec<Difference>,
}

/// The rows and the engines that hold them.
pub struct Round<'a> {
    engines: &'a [Engine],
    folder: &'a std::path::Path,
    rows: Option<(u64, HashMap<String, Table>)>,
}

fn registry() -> Registry {
    let options = vec![OptionKind::new("path", false)];
    Registry {
        engines: vec![EngineKind { name: "datafusion".to_owned(), options }],
        destinations: Vec::<DestinationKind>::new(),
        alerts: Vec::new(),
    }
}

fn read(draft: &Draft) -> (Checked, Vec<Option<String>>) {
    let (text, lines) = draft.yaml();
    (check(vec![("springline.yaml".to_owned(), text)], &registry()), lines)
}

/// The definitions in which the checker found an error.
fn refused(checked: &Checked, lines: &[Option<String>]) -> BTreeSet<String> {
    let errors = checked.diagnostics.iter().filter(|d| d.severity == Severity::Error);
    let place = |d: &springline_model::Diagnostic| {
        let line = checked.sources.position(d.primary.span).line;
        let found = lines.get(line - 1).cloned().flatten();
        found.unwrap_or_else(|| {
            panic!("{} at line {line}: {:?}\n{}", d.message, d.hint, checked.sources.text(d.primary.span.file))
        })
    };
    errors.map(place).collect()
}

fn segments_of(project: &Project, entity: EntityId) -> impl Iterator<Item = SegmentId> {
    (0..project.segments.len()).map(SegmentId).filter(move |id| project.segment(*id).entity == entity)
}

/// The definitions without a value for some row, and the values of the others: each entity's rows by key.
fn expected(reference: &Reference<'_>, project: &Project) -> (BTreeMap<String, String>, BTreeMap<String, Answer>) {
    let mut undefined = BTreeMap::new();
    let mut values = BTreeMap::new();
    for (i, entity) in project.entities.iter().enumerate() {
        let id = EntityId(i);
        let mut answer = Answer::new();
        for row in reference.rows(id).expect("rows") {
            let key = reference.key(id, row).expect("a key").text().expect("a key");
            let cells = answer.entry(key).or_default();
            for (f, field) in entity.fields.iter().enumerate() {
                match reference.field(id, FieldId(f), row) {
                    Ok(value) => drop(cells.insert(field.name.clone(), value.text())),
                    Err(why) => {
                        undefined.insert(field.name.trim_end_matches("_text").to_owned(), why.0);
                    }
                }
            }
            for segment in segments_of(project, id) {
                let name = &project.segment(segment).name;
                match reference.member(segment, row) {
                    Ok(member) => drop(cells.insert(name.clone(), Some(member.to_string()))),
                    Err(why) => drop(undefined.insert(name.clone(), why.0)),
                }
            }
        }
        values.insert(entity.name.clone(), answer);
    }
    (undefined, values)
}

impl<'a> Round<'a> {
    /// For these engines; the first reads the files of the folder.
    pub fn new(engines: &'a [Engine], folder: &'a std::path::Path) -> Self {
        Round { engines, folder, rows: None }
    }

    async fn rows(&mut self, seed: u64, as_of: Timestamp) -> HashMap<String, Table> {
        let wanted = seed / PROJECTS_PER_ROWS;
        match &self.rows {
            Some((known, rows)) if *known == wanted => rows.clone(),
            _ => {
                let rows = tables(&mut Random::new(wanted + 1_000_000_007), as_of);
                write_files(self.folder, &rows);
                for engine in self.engines {
                    engine.load(&rows).await;
                }
                self.rows = Some((wanted, rows.clone()));
                rows
            }
        }
    }

    /// Compares the project of a seed.
    pub async fn run(&mut self, seed: u64, report: &mut Report) {
        let as_of = clock(&mut Random::new(seed / PROJECTS_PER_ROWS));
        let rows = self.rows(seed, as_of).await;
        let mut draft = Draft::new(&mut Random::new(seed));
        if let Ok(only) = std::env::var("SPRINGLINE_ONLY") {
            let needed = draft.needs(&only);
            draft = draft.only(|d| needed.contains(&d.name));
        }
        let (checked, values) = loop {
            let (checked, lines) = read(&draft);
            let Some(project) = &checked.project else {
                let bad = refused(&checked, &lines);
                report.refused += bad.len();
                draft = draft.only(|d| !bad.contains(&d.name));
                continue;
            };
            let (undefined, values) = expected(&Reference::new(project, &rows, as_of), project);
            if undefined.is_empty() {
                break (checked, values);
            }
            report.undefined += undefined.len();
            draft = draft.only(|d| !undefined.contains_key(&d.name));
        };
        let Some(project) = &checked.project else { return };
        report.expressions += draft.definitions.iter().filter(|d| !d.is_segment).count();
        report.segments += draft.definitions.iter().filter(|d| d.is_segment).count();
        for engine in self.engines {
            let context = context(&checked, project, engine, as_of);
            self.compare_rows(engine, &context, &draft, &values, report).await;
            self.compare_alone(engine, &context, &draft, &values, report).await;
        }
    }

    /// The wide relation of each entity.
    async fn compare_rows(
        &self,
        engine: &Engine,
        context: &Context<'_>,
        draft: &Draft,
        values: &BTreeMap<String, Answer>,
        report: &mut Report,
    ) {
        for (i, entity) in context.project.entities.iter().enumerate() {
            match wide(engine, *context, EntityId(i)).await {
                Ok(answer) => {
                    for (name, what) in differing(&values[&entity.name], &answer) {
                        report.differences.push(self.difference(engine, draft, &name, what));
                    }
                }
                Err(why) => {
                    let mut found = false;
                    for definition in draft.definitions.iter().filter(|d| d.entity == entity.name) {
                        if let Some(why) = self.fails_alone(engine, context, draft, definition).await {
                            report.differences.push(self.difference(engine, draft, &definition.name, why));
                            found = true;
                            break;
                        }
                    }
                    if !found {
                        report.differences.push(self.difference(engine, draft, "", format!("fails together: {why}")));
                    }
                }
            }
        }
    }

    /// The error of the project that has only a definition and what it needs.
    async fn fails_alone(
        &self,
        engine: &Engine,
        context: &Context<'_>,
        draft: &Draft,
        definition: &Definition,
    ) -> Option<String> {
        let needed = draft.needs(&definition.name);
        let (checked, _) = read(&draft.only(|d| needed.contains(&d.name)));
        let project = checked.project.as_ref()?;
        let place = project.entities.iter().position(|e| e.name == definition.entity)?;
        let context = self::context(&checked, project, engine, context.as_of);
        wide(engine, context, EntityId(place)).await.err()
    }

    /// Each segment compiled alone has the members that it has in the wide relation.
    async fn compare_alone(
        &self,
        engine: &Engine,
        context: &Context<'_>,
        draft: &Draft,
        values: &BTreeMap<String, Answer>,
        report: &mut Report,
    ) {
        for (i, segment) in context.project.segments.iter().enumerate() {
            let rows = &values[&context.project.entity(segment.entity).name];
            let is_member = |cells: &BTreeMap<String, Option<String>>| cells[&segment.name].as_deref() == Some("true");
            let wanted: BTreeSet<&String> = rows.iter().filter(|(_, cells)| is_member(cells)).map(|(k, _)| k).collect();
            let query = springline_plan::members_query(*context, SegmentId(i)).expect("a plan");
            let what = match engine.ask(query).await {
                Ok(answer) => {
                    let found: BTreeSet<&String> = answer.keys().collect();
                    if found == wanted {
                        continue;
                    }
                    format!("alone it has {found:?}, expected {wanted:?}")
                }
                Err(why) => format!("alone it fails: {why}"),
            };
            report.differences.push(self.difference(engine, draft, &segment.name, what));
        }
    }

    fn difference(&self, engine: &Engine, draft: &Draft, name: &str, what: String) -> Difference {
        let needed = draft.needs(name);
        let yaml = draft.definitions.iter().filter(|d| needed.contains(&d.name)).map(|d| d.yaml.as_str()).collect();
        Difference { engine: engine.name.to_owned(), yaml, what }
    }
}

fn context<'a>(checked: &'a Checked, project: &'a Project, engine: &Engine, as_of: Timestamp) -> Context<'a> {
    Context {
        project,
        sources: &checked.sources,
        as_of,
        state_schema: "springline",
        capabilities: engine.capabilities(),
    }
}

/// The rows that a run of the entity would keep.
async fn wide(engine: &Engine, context: Context<'_>, entity: EntityId) -> Result<Answer, String> {
    let plan = springline_plan::run(context, entity, Position::First).map_err(|e| e.to_string())?;
    match plan.rows.into_iter().next().map(|step| step.statement) {
        Some(Statement::ReplaceTable { query, .. }) => engine.ask(query).await,
        other => Err(format!("a run makes its table by {other:?}")),
    }
}

/// The first row in which each value differs. Of two spellings of one value the text is compared.
fn differing(wanted: &Answer, found: &Answer) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for key in wanted.keys().chain(found.keys()) {
        match (wanted.get(key), found.get(key)) {
            (Some(wanted), Some(found)) => {
                for (name, value) in wanted {
                    let shown = format!("{name}_text");
                    let place = if wanted.contains_key(&shown) { &shown } else { name };
                    let got = found.get(place).cloned().flatten();
                    if got != *value {
                        let name = name.trim_end_matches("_text").to_owned();
                        let mut what = String::new();
                        write!(what, "{key}: expected {value:?}, found {got:?}").expect("text");
                        all.entry(name).or_insert(what);
                    }
                }
            }
            (Some(_), None) => drop(all.insert(String::new(), format!("{key} is missing"))),
            _ => drop(all.insert(String::new(), format!("{key} should not be there"))),
        }
    }
    all
}
