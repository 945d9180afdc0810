//! Syncs: when rows are sent again, and how often a run writes into the ledger.

use std::time::Duration;

use super::{load, option, problems};
use crate::{Checked, Unit, Within};

/// A sync to each of two destinations, of which `audience` forgets members after 60 days.
fn syncs(more: &[(&str, &str)]) -> Checked {
    let mut text = "destinations:
  - { name: files, type: file, path: out }
  - { name: ads, type: audience, path: out }
syncs:
"
    .to_owned();
    for (place, (destination, keys)) in more.iter().enumerate() {
        text.push_str(&format!(
            "  - {{ name: s{place}, entity: customer, destination: {destination}, key: customer_id, map: {{ city: city }}{keys} }}\n"
        ));
    }
    load(&[], &text)
}

#[test]
fn what_a_destination_forgets_is_sent_again_in_time() {
    let checked = syncs(&[
        ("files", ""),
        ("files", ", refresh_after: 2 weeks"),
        ("ads", ""),
        ("ads", ", mode: mirror, refresh_after: 59 days"),
        ("ads", ", mode: append"),
    ]);
    assert_eq!(problems(&checked), "");
    let project = checked.project.expect("a project");
    let lengths: Vec<_> = project.syncs.iter().map(|sync| sync.refresh_after).collect();
    let days = |amount| Some(Within { amount, unit: Unit::Day });
    assert_eq!(lengths, [None, Some(Within { amount: 2, unit: Unit::Week }), days(30), days(59), None]);
    let every: Vec<_> = project.syncs.iter().map(|sync| sync.checkpoint_every).collect();
    assert_eq!(every, [Duration::from_secs(30); 5]);
}

#[test]
fn lengths_of_time_that_cannot_be() {
    let checked = syncs(&[
        ("ads", ", refresh_after: 2 months"),
        ("files", ", mode: append, refresh_after: 3 days"),
        ("files", ", refresh_after: soon"),
        ("files", ", checkpoint_every: 0s"),
        ("files", ", checkpoint_every: 5 parsecs"),
        ("files", ", checkpoint_every: 1m 30s"),
    ]);
    expect_test::expect![[r#"
        E0105 «2 months» the destination forgets a member after 60 days, which is before it is sent again
            write fewer days, such as `30 days`
        E0211 «3 days» a sync of mode `append` sends no row twice
            leave `refresh_after` out, or choose another mode
        E0209 «soon» `soon` is not a window of time: it has no amount
            write an amount and a unit, such as `30 days` or `12 hours`
        E0105 «0s» `0s` is no length of time
            write an amount and a unit, such as `30s` or `5 minutes`
        E0105 «5 parsecs» `5 parsecs` is no length of time
            write an amount and a unit, such as `30s` or `5 minutes`
    "#]]
    .assert_eq(&problems(&checked));
}

#[test]
fn options_in_place_of_others_and_targets_by_name() {
    let mut registry = super::registry();
    let mut id = option("list_id", true);
    id.or = Some("list_name".to_owned());
    let mut target = option("target", false);
    target.names_target = true;
    registry.destinations[0].options = vec![id, option("list_name", false), target];
    let destinations = "destinations:
  - { name: a, type: file, list_id: x }
  - { name: b, type: file, list_name: x, target: local }
  - { name: c, type: file, list_name: x, target: \"{{ env('TARGET') }}\" }
  - { name: d, type: file }
  - { name: e, type: file, list_name: x, list_id: y }
  - { name: f, type: file, list_name: x, target: locol }
";
    let text = format!("{}      []\n{destinations}", super::HEAD);
    let checked = crate::check(vec![("springline.yaml".into(), text)], &registry);
    expect_test::expect![[r#"
        E0103 «d» destination `d` of type `file` has no `list_id`
            add `list_id: …` or `list_name: …`
        E0105 «list_name» destination `e` of type `file` has both `list_id` and `list_name`
            take one of them away
        E0201 «locol» no target `locol`
            did you mean `local`?
    "#]]
    .assert_eq(&problems(&checked));
}
