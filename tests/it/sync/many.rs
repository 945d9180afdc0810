//! Several syncs by one command.

use serde_json::Value;

use super::world::{World, sent};

/// Two syncs to the webhook, of which the first has keys that are not unique, and one to files.
fn world_of_three(world: &World) {
    world.edit(
        "\ndestinations:\n",
        "\n  - { name: northern, entity: customer, where: { segment: settled } }\ndestinations:\n",
    );
    let rest = "mode: mirror, map: { id: customer_id }";
    world.syncs(&[
        &format!("name: broken, segment: settled, destination: hook, key: city, {rest}, tags: [ads]"),
        &format!("name: whole, segment: northern, destination: hook, key: customer_id, {rest}, tags: [ads, crm]"),
        &format!("name: kept, entity: customer, destination: files, key: customer_id, {rest}"),
    ]);
}

/// The outcome of each sync of a report.
fn outcomes(report: &Value) -> Vec<(&str, &str)> {
    let syncs = report["syncs"].as_array().expect("syncs");
    syncs
        .iter()
        .map(|sync| (sync["sync"].as_str().expect("a name"), sync["outcome"].as_str().expect("an outcome")))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_failure_does_not_stop_the_others() {
    for mut world in World::all().await {
        world_of_three(&world);
        world.fill(&[("a", "Paris"), ("b", "Paris"), ("c", "nowhere")]);
        let report = world.call(&["sync", "apply", "--all"]).run().exits(1).json();
        assert_eq!(outcomes(&report), [("broken", "error"), ("whole", "done"), ("kept", "done")], "{}", world.target);
        let message = report["syncs"][0]["error"]["message"].as_str().expect("a message");
        assert!(message.contains("`Paris` stands in 2 rows"), "{message}");
        assert_eq!(sent(&world.receiver.take()).into_iter().collect::<Vec<_>>(), ["+a", "+b"]);
        assert_eq!(world.out().len(), 1, "the file is there");
        let again = world.call(&["sync", "apply", "whole", "kept"]).run().exits(0).json();
        assert_eq!(outcomes(&again), [("whole", "done"), ("kept", "done")]);
        assert_eq!(again["syncs"][1]["unchanged"], 3);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn syncs_are_chosen_by_what_they_have_in_common() {
    let mut world = World::local().await;
    world_of_three(&world);
    world.fill(&[("a", "Paris")]);
    for (words, expected) in [
        (vec!["tag:ads"], vec!["broken", "whole"]),
        (vec!["tag:crm"], vec!["whole"]),
        (vec!["destination:files"], vec!["kept"]),
        (vec!["segment:settled"], vec!["broken"]),
        (vec!["segment:settled+"], vec!["broken", "whole"]),
        (vec!["kept", "segment:northern"], vec!["whole", "kept"]),
    ] {
        let report = world.call(&[&["sync", "apply"], words.as_slice()].concat()).run().exits(0).json();
        let names: Vec<&str> = outcomes(&report).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, expected, "{words:?}");
    }
    for (word, message) in [
        ("tag:add", "there is no tag `add`"),
        ("colour:red", "nothing is chosen by `colour:`"),
        ("segment:settle", "there is no segment `settle`"),
    ] {
        let error = world.call(&["sync", "apply", word]).run().exits(1).json();
        assert_eq!(error["error"]["message"], message);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_been_modified_is_chosen() {
    for mut world in World::all().await {
        let sync = |name: &str, destination: &str, rest: &str| {
            let map = "mode: mirror, key: customer_id, map: { city: city }";
            format!("name: {name}, segment: settled, destination: {destination}, {map}{rest}")
        };
        let (first, second) = (sync("first", "hook", ""), sync("second", "files", ""));
        world.syncs(&[&first, &second]);
        world.fill(&[("a", "Paris"), ("b", "Paris")]);
        let modified = |world: &World| {
            let report = world.call(&["sync", "apply", "state:modified"]).run().exits(0).json();
            let names = outcomes(&report).into_iter().map(|(name, _)| name.to_owned());
            names.collect::<Vec<String>>()
        };
        assert_eq!(modified(&world), ["first", "second"], "{}: neither has delivered yet", world.target);
        assert_eq!(modified(&world), [""; 0]);
        world.set("a", "Lyon");
        assert_eq!(modified(&world), [""; 0], "other data is no modification");
        world.edit("version: 1\n", "version: 1\n# A line more, and the definitions stand elsewhere.\n");
        world.edit("name: settled, entity", "name: settled, label: Those with a home, entity");
        assert_eq!(modified(&world), [""; 0], "{}: neither are places and words for people", world.target);
        world.syncs(&[&sync("first", "hook", ", guards: { max_added: 10 }"), &second]);
        assert_eq!(modified(&world), ["first"], "{}: a setting", world.target);
        world.edit("out/{sync}", "out/new_{sync}");
        assert_eq!(modified(&world), ["second"], "an option of the destination");
        world.edit("ne: nowhere", "ne: somewhere");
        assert_eq!(modified(&world), ["first", "second"], "the segment");
        assert_eq!(modified(&world), [""; 0]);
    }
}
