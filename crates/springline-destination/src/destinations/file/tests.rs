use std::io::BufReader;

use arrow::array::{
    ArrayRef, AsArray, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Int64Array, ListArray, RecordBatch,
    StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{
    DataType, Decimal128Type, Field, Int32Type, Int64Type, Schema, TimeUnit, TimestampMicrosecondType,
};
use futures::stream;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use pretty_assertions::assert_eq;

use super::*;
use crate::testing::{added, config, context};
use crate::{ChangeKind, Policy, Progress, connect as connect_any, deliver};

fn destination(folder: &Path, options: &[(&str, &str)]) -> Arc<dyn Destination> {
    let mut config = config("file", options);
    config.project_dir = folder.to_owned();
    connect_any(config).unwrap()
}

fn files(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Four rows over every type: full, awkward, null, removed.
fn rows() -> Batch {
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("name", Arc::new(StringArray::from(vec![Some("Ann, \"A\"\r\nB"), Some(""), None, None]))),
        ("visits", Arc::new(Int64Array::from(vec![Some(9_007_199_254_740_993), Some(-1), None, None]))),
        (
            "value",
            Arc::new(
                Decimal128Array::from(vec![Some(123_456_789_012_345_678_901_234_567), Some(-5), None, None])
                    .with_precision_and_scale(38, 2)
                    .unwrap(),
            ),
        ),
        (
            "seen",
            Arc::new(TimestampMicrosecondArray::from(vec![
                Some(1_719_705_600_000_000),
                Some(1_719_705_600_123_000),
                None,
                None,
            ])),
        ),
        ("born", Arc::new(Date32Array::from(vec![Some(19_904), Some(-1), None, None]))),
        ("vip", Arc::new(BooleanArray::from(vec![Some(true), Some(false), None, None]))),
        (
            "tags",
            Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>([
                Some(vec![Some(1), Some(2)]),
                Some(vec![]),
                None,
                None,
            ])),
        ),
    ];
    let fields = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true))).unwrap();
    let kinds = vec![ChangeKind::Added, ChangeKind::Changed, ChangeKind::Changed, ChangeKind::Removed];
    let keys = ["a", "b,c", "d", "e"].map(str::to_owned).to_vec();
    Batch::new(keys, kinds, vec!["h".into(); 4], fields).unwrap()
}

async fn write(folder: &Path, options: &[(&str, &str)], batch: Batch) -> PathBuf {
    let destination = destination(folder, options);
    let mut context = context("run-7");
    context.fields = batch.fields.schema();
    destination.prepare(&context).await.unwrap();
    let mut jobs = Vec::new();
    let rows = stream::iter([Ok::<_, DestinationError>(batch)]);
    let report = deliver(&*destination, &context, rows, &Policy::default(), |progress| {
        let Progress::Settled { outcomes, .. } = progress else { return Ok(()) };
        jobs.extend_from_slice(outcomes);
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(report.accepted as usize, jobs.len());
    let settled = destination.finish(&context).await.unwrap();
    let [(job, end)] = &settled[..] else { panic!("{settled:?}") };
    assert_eq!(*end, Outcome::Delivered.into());
    assert!(jobs.iter().all(|outcome| *outcome == Outcome::Accepted { job: job.clone(), row: None }));
    assert_eq!(destination.poll(&context, job).await.unwrap(), JobState::Done(Outcome::Delivered.into()));
    folder.join(job)
}

#[tokio::test]
async fn csv_follows_rfc_4180_and_tells_null_from_empty() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), &[], rows()).await;
    assert_eq!(path, folder.path().join("out/vips_20240630T000000Z_run-7.csv"));
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(
        text,
        "_op,id,name,visits,value,seen,born,vip,tags\r\n\
         I,a,\"Ann, \"\"A\"\"\r\nB\",9007199254740993,1234567890123456789012345.67,2024-06-30T00:00:00Z,2024-06-30,true,\"[1,2]\"\r\n\
         U,\"b,c\",\"\",-1,-0.05,2024-06-30T00:00:00.123Z,1969-12-31,false,[]\r\n\
         U,d,,,,,,,\r\n\
         D,e,,,,,,,\r\n"
    );
    assert_eq!(files(&folder.path().join("out")), ["vips_20240630T000000Z_run-7.csv"]);
}

#[tokio::test]
async fn csv_is_read_back_by_an_independent_reader() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), &[("null", "\\N")], rows()).await;
    let names = ["_op", "id", "name", "visits", "value"];
    let mut types = vec![DataType::Utf8, DataType::Utf8, DataType::Utf8, DataType::Int64, DataType::Decimal128(38, 2)];
    types.extend(vec![DataType::Utf8; 4]);
    let names = names.into_iter().chain(["seen", "born", "vip", "tags"]);
    let schema =
        Schema::new(names.zip(types).map(|(name, data_type)| Field::new(name, data_type, true)).collect::<Vec<_>>());
    let null = "^\\\\N$".parse().unwrap();
    let mut reader = arrow::csv::ReaderBuilder::new(Arc::new(schema))
        .with_header(true)
        .with_null_regex(null)
        .build(File::open(path).unwrap())
        .unwrap();
    let read = reader.next().unwrap().unwrap();
    let text = |column: usize| read.column(column).as_string::<i32>().iter().collect::<Vec<_>>();
    assert_eq!(text(0), [Some("I"), Some("U"), Some("U"), Some("D")]);
    assert_eq!(text(1), [Some("a"), Some("b,c"), Some("d"), Some("e")]);
    assert_eq!(text(2), [Some("Ann, \"A\"\r\nB"), Some(""), None, None]);
    let visits = read.column(3).as_primitive::<Int64Type>();
    assert_eq!(visits.iter().collect::<Vec<_>>(), [Some(9_007_199_254_740_993), Some(-1), None, None]);
    let values = read.column(4).as_primitive::<Decimal128Type>();
    assert_eq!(values.iter().collect::<Vec<_>>(), [Some(123_456_789_012_345_678_901_234_567), Some(-5), None, None]);
}

#[tokio::test]
async fn json_lines_have_explicit_nulls_and_exact_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), &[("path", "{sync}-{run}.jsonl")], rows()).await;
    let lines = fs::read_to_string(&path).unwrap();
    let lines: Vec<_> = lines.lines().collect();
    assert_eq!(
        lines[0],
        r#"{"_op":"I","id":"a","name":"Ann, \"A\"\r\nB","visits":9007199254740993,"value":1234567890123456789012345.67,"seen":"2024-06-30T00:00:00Z","born":"2024-06-30","vip":true,"tags":[1,2]}"#
    );
    assert_eq!(
        lines[3],
        r#"{"_op":"D","id":"e","name":null,"visits":null,"value":null,"seen":null,"born":null,"vip":null,"tags":null}"#
    );
    let schema = Schema::new(vec![
        Field::new("id", DataType::Utf8, true),
        Field::new("value", DataType::Decimal128(38, 2), true),
    ]);
    let mut reader =
        arrow::json::ReaderBuilder::new(Arc::new(schema)).build(BufReader::new(File::open(path).unwrap())).unwrap();
    let read = reader.next().unwrap().unwrap();
    assert_eq!(read.num_rows(), 4);
    let values = read.column(1).as_primitive::<Decimal128Type>();
    assert_eq!(values.iter().collect::<Vec<_>>(), [Some(123_456_789_012_345_678_901_234_567), Some(-5), None, None]);
}

#[tokio::test]
async fn parquet_keeps_types_and_values() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), &[("path", "drop/{run}.pq"), ("format", "parquet")], rows()).await;
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    let read = reader.build().unwrap().next().unwrap().unwrap();
    assert_eq!(read.column(0).as_string::<i32>().iter().flatten().collect::<String>(), "IUUD");
    assert_eq!(read.column(1).as_string::<i32>().iter().flatten().collect::<Vec<_>>(), ["a", "b,c", "d", "e"]);
    let before = rows().fields;
    for (name, column) in before.schema().fields().iter().zip(before.columns()) {
        let after = read.column_by_name(name.name()).unwrap();
        if name.name() == "seen" {
            assert_eq!(after.data_type(), &DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into())));
            let instants =
                |array: &ArrayRef| array.as_primitive::<TimestampMicrosecondType>().iter().collect::<Vec<_>>();
            assert_eq!(instants(after), instants(column));
        } else {
            assert_eq!(after, column, "{name}");
        }
    }
}

#[tokio::test]
async fn a_mapped_field_of_the_keys_name_is_the_key() {
    let folder = tempfile::tempdir().unwrap();
    let destination = destination(folder.path(), &[]);
    let mut context = context("r");
    context.key_field = "text".into();
    destination.send(&context, &added(0..1), &Attempt { number: 1, request: 1 }).await;
    let (job, _) = destination.finish(&context).await.unwrap().remove(0);
    assert_eq!(fs::read_to_string(folder.path().join(job)).unwrap(), "_op,text\r\nI,k0\r\n");
}

/// One added and one removed row whose only field is `id`, the key, with the removed row's key as given.
fn keyed(ids: ArrayRef, removed: &str) -> Batch {
    let fields = RecordBatch::try_from_iter_with_nullable([("id", ids, true)]).unwrap();
    let kinds = vec![ChangeKind::Added, ChangeKind::Removed];
    Batch::new(vec!["7".into(), removed.into()], kinds, vec!["h".into(); 2], fields).unwrap()
}

#[tokio::test]
async fn a_mapped_key_keeps_its_type_and_removed_rows_have_it_too() {
    let folder = tempfile::tempdir().unwrap();
    let ids = || Arc::new(Int64Array::from(vec![Some(7), None]));
    let path = write(folder.path(), &[("path", "{run}.parquet")], keyed(ids(), "8")).await;
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    let read = reader.build().unwrap().next().unwrap().unwrap();
    assert_eq!(read.num_columns(), 2);
    assert_eq!(read.column_by_name("id").unwrap().as_primitive::<Int64Type>().values(), &[7, 8]);
    let path = write(folder.path(), &[("path", "{run}.jsonl")], keyed(ids(), "8")).await;
    assert_eq!(fs::read_to_string(path).unwrap(), "{\"_op\":\"I\",\"id\":7}\n{\"_op\":\"D\",\"id\":8}\n");
}

#[tokio::test]
async fn a_mapped_key_is_text_where_a_removed_key_is_not_of_its_type() {
    let folder = tempfile::tempdir().unwrap();
    let ids: [ArrayRef; 2] =
        [Arc::new(Int64Array::from(vec![Some(7), None])), Arc::new(BinaryArray::from(vec![Some(&b"7"[..]), None]))];
    for (at, ids) in ids.into_iter().enumerate() {
        let path = write(folder.path(), &[("path", &format!("{at}-{{run}}.jsonl"))], keyed(ids, "old")).await;
        let text = fs::read_to_string(path).unwrap();
        assert_eq!(text, "{\"_op\":\"I\",\"id\":\"7\"}\n{\"_op\":\"D\",\"id\":\"old\"}\n");
    }
}

#[tokio::test]
async fn a_removed_key_that_no_longer_fits_the_file_is_told_without_being_shown() {
    let folder = tempfile::tempdir().unwrap();
    let destination = destination(folder.path(), &[]);
    let ids = || Arc::new(Int64Array::from(vec![Some(7), None]));
    let attempt = Attempt { number: 1, request: 1 };
    assert!(matches!(destination.send(&context("r"), &keyed(ids(), "8"), &attempt).await, Answer::Partial(_)));
    let answer = destination.send(&context("r"), &keyed(ids(), "old-key"), &attempt).await;
    let Answer::Fatal { message, .. } = answer else { panic!("{answer:?}") };
    assert!(message.contains("`id`") && message.contains("another name"), "{message}");
    assert!(!message.contains("old-key"), "{message}");
    assert_eq!(destination.finish(&context("r")).await.unwrap(), []);
}

#[tokio::test]
async fn a_run_without_changes_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let destination = destination(folder.path(), &[]);
    destination.prepare(&context("r")).await.unwrap();
    assert_eq!(destination.finish(&context("r")).await.unwrap(), []);
    assert_eq!(files(folder.path()), Vec::<String>::new());
}

#[tokio::test]
async fn a_run_that_dies_leaves_no_final_file_and_its_job_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let first = destination(folder.path(), &[]);
    first.prepare(&context("r1")).await.unwrap();
    let answer = first.send(&context("r1"), &added(0..3), &Attempt { number: 1, request: 1 }).await;
    let Answer::Partial(outcomes) = answer else { panic!("{answer:?}") };
    let Outcome::Accepted { job, .. } = &outcomes[0] else { panic!("{outcomes:?}") };
    drop(first);
    fs::write(out.join(".other.part"), "another sync").unwrap();
    assert_eq!(files(&out), [".other.part", ".vips.part"]);

    let second = destination(folder.path(), &[]);
    assert_eq!(second.poll(&context("r2"), job).await.unwrap(), JobState::Lost);
    second.prepare(&context("r2")).await.unwrap();
    assert_eq!(files(&out), [".other.part"]);
    second.send(&context("r2"), &added(0..3), &Attempt { number: 1, request: 1 }).await;
    second.finish(&context("r2")).await.unwrap();
    assert_eq!(files(&out), [".other.part", "vips_20240630T000000Z_r2.csv"]);
}

#[tokio::test]
async fn a_file_that_exists_is_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("vips_r.csv"), "yours").unwrap();
    let destination = destination(folder.path(), &[("path", "{sync}_{run}.csv")]);
    let answer = destination.send(&context("r"), &added(0..1), &Attempt { number: 1, request: 1 }).await;
    let Answer::Fatal { message, .. } = answer else { panic!("{answer:?}") };
    assert!(message.contains("`vips_r.csv` exists already") && message.contains("take it away"), "{message}");
    assert_eq!(fs::read_to_string(folder.path().join("vips_r.csv")).unwrap(), "yours");
}

#[tokio::test]
async fn a_file_that_appears_during_the_run_is_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("r.csv");
    let destination = destination(folder.path(), &[("path", "{run}.csv")]);
    destination.send(&context("r"), &added(0..1), &Attempt { number: 1, request: 1 }).await;
    fs::write(&file, "yours").unwrap();
    let error = destination.finish(&context("r")).await.unwrap_err().to_string();
    assert!(error.contains("cannot publish") && error.contains("meanwhile"), "{error}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "yours");
}

#[test]
fn a_name_is_given_with_links_and_without_and_never_taken() {
    let no_links = |_: &Path, _: &Path| Err(io::Error::from(io::ErrorKind::Unsupported));
    // A name that appears after any look at it: only the link itself can see it.
    let late = |part: &Path, last: &Path| {
        fs::write(last, "theirs")?;
        fs::hard_link(part, last)
    };
    let given = |before: Option<&str>, link: &dyn Fn(&Path, &Path) -> io::Result<()>| {
        let folder = tempfile::tempdir().unwrap();
        let (part, last) = (folder.path().join(".part"), folder.path().join("last"));
        fs::write(&part, "ours").unwrap();
        before.iter().for_each(|text| fs::write(&last, text).unwrap());
        let result = give_name(&part, &last, link).map_err(|error| error.kind());
        (result, fs::read_to_string(last).unwrap(), part.exists())
    };
    let refused = || (Err(io::ErrorKind::AlreadyExists), "theirs".to_owned(), true);
    let taken = || (Ok(()), "ours".to_owned(), false);
    assert_eq!(given(None, &|part, last| fs::hard_link(part, last)), taken());
    assert_eq!(given(None, &no_links), taken());
    assert_eq!(given(Some("theirs"), &no_links), refused());
    assert_eq!(given(None, &late), refused());
}

#[tokio::test]
async fn a_part_that_is_still_a_published_file_is_not_written_to() {
    let folder = tempfile::tempdir().unwrap();
    let published = folder.path().join("r1.csv");
    fs::write(&published, "whole").unwrap();
    fs::hard_link(&published, folder.path().join(".vips.part")).unwrap();
    let destination = destination(folder.path(), &[("path", "{run}.csv")]);
    destination.send(&context("r2"), &added(0..1), &Attempt { number: 1, request: 1 }).await;
    destination.finish(&context("r2")).await.unwrap();
    assert_eq!(fs::read_to_string(&published).unwrap(), "whole");
    assert_eq!(files(folder.path()), ["r1.csv", "r2.csv"]);
}

#[test]
fn a_file_that_another_run_made_meanwhile_is_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let (part, last) = (folder.path().join(".part"), folder.path().join("x.csv"));
    fs::write(&part, "mine").unwrap();
    fs::write(&last, "theirs").unwrap();
    let error = publish(&File::open(&part).unwrap(), &part, &last).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(fs::read_to_string(&last).unwrap(), "theirs");
}

#[tokio::test]
async fn names_cannot_lead_out_of_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let destination = destination(folder.path(), &[]);
    for (sync, run) in [("../../etc/x", "r"), ("vips", "../r"), ("a/b", "r"), ("..", "r"), ("", "r"), ("vips", "a\\b")]
    {
        let mut context = context(run);
        context.sync = sync.into();
        assert!(destination.prepare(&context).await.is_err(), "{sync} {run}");
        let answer = destination.send(&context, &added(0..1), &Attempt { number: 1, request: 1 }).await;
        assert!(matches!(answer, Answer::Fatal { .. }), "{sync} {run}");
    }
}

#[tokio::test]
async fn mistakes_are_told() {
    let refusal = |options: &[(&str, &str)]| connect_any(config("file", options)).err().unwrap().to_string();
    assert!(refusal(&[("path", "out/x.txt")]).contains(".csv, .jsonl or .parquet"));
    assert!(refusal(&[("format", "xls")]).contains("`parquet`"));
    assert!(refusal(&[("path", "out/{day}.csv")]).contains("{sync}, {run} and {time}"));
    assert!(refusal(&[("path", "out/{run}/x.csv")]).contains("folder"));
    assert!(refusal(&[("path", "out/{sync}.csv")]).contains("needs {run}"));
    assert!(refusal(&[("null", "a,b")]).contains("comma"));

    let folder = tempfile::tempdir().unwrap();
    let destination = destination(folder.path(), &[]);
    let mut taken = context("r");
    taken.key_field = "_op".into();
    assert!(destination.prepare(&taken).await.unwrap_err().to_string().contains("`_op` is taken"));
    let mut timeless = context("r");
    timeless.as_of = "yesterday".into();
    assert!(destination.prepare(&timeless).await.unwrap_err().to_string().contains("ISO 8601"));
    destination.check().await.unwrap();
    assert_eq!(files(folder.path()), Vec::<String>::new());
}
