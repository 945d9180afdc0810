//! People who share what should be theirs alone, against the truth; and ids over many runs, against ids without a memory.

use std::collections::BTreeMap;

use springline_tests::people::{
    churned, next_day, plain_components, project, score_of, smallest_names, strangers, violations, write,
};
use springline_tests::resolve::{resolve, session};
use springline_tests::{Server, servers};

/// The engines that take less than seconds for a run.
fn quick() -> Vec<Option<Server>> {
    let quick = |server: &Server| ["duckdb", "postgres"].contains(&server.engine);
    let (quick, others): (Vec<_>, Vec<_>) = servers().into_iter().partition(quick);
    others.into_iter().for_each(Server::end);
    quick.into_iter().map(Some).chain([None]).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_keep_people_apart_who_share_mailboxes_and_devices() {
    let records = strangers(600, 1);
    let plain = plain_components(&records);
    assert!(score_of(&records, &plain).f1 < 0.1 && violations(&records, &plain) > 0);
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), &project(true), &records);
    let mut first: Option<BTreeMap<_, _>> = None;
    for server in quick() {
        let session = session(folder.path(), server.as_ref()).await;
        let (_, ids) = resolve(&session).await;
        assert_eq!(violations(&records, &ids), 0, "{}", session.target);
        let score = score_of(&records, &ids);
        assert!(score.f1 >= 0.87, "{}: {score:?}", session.target);
        assert_eq!(first.get_or_insert_with(|| ids.clone()), &ids, "{}", session.target);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_change_less_often_than_those_of_the_smallest_record() {
    let mut records = strangers(120, 2);
    let folder = tempfile::tempdir().expect("a folder");
    let (mut ours, mut others) = (0, 0);
    let mut before = BTreeMap::new();
    for day in 1..=6 {
        write(folder.path(), &project(true), &records);
        let session = session(folder.path(), None).await;
        let (_, ids) = resolve(&session).await;
        ours += churned(&before, &ids);
        others += churned(&smallest_names(&before), &smallest_names(&ids));
        before = ids;
        next_day(&mut records, day, 2);
    }
    assert!(others > 0 && ours <= others, "{ours} and {others}");
}
