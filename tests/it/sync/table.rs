//! A segment as a table of a warehouse.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::world::{World, counts, rows, wait_until};

/// The warehouses that a table is kept in.
const ENGINES: [&str; 3] = ["duckdb", "postgres", "redshift"];

const PUBLISHED: &str = "name: published, type: warehouse_table, schema: published, batch_rows: 100";

/// The world with this destination and these syncs to it.
fn publish(world: &World, destination: &str, syncs: &[&str]) {
    world.edit("\ndestinations:\n", &format!("\ndestinations:\n  - {{ {destination} }}\n"));
    world.syncs(syncs);
}

fn sync(name: &str, mode: &str, map: &str) -> String {
    format!("name: {name}, segment: settled, destination: published, mode: {mode}, key: customer_id, map: {{ {map} }}")
}

/// The rows of a table of the schema, by key, without the instant of writing.
fn table(world: &World, name: &str) -> BTreeMap<String, Value> {
    let rows = world.query_in("published", &format!(r#"SELECT * FROM "published"."{name}""#));
    let count = rows.len();
    let by_key = |mut row: Value| {
        let fields = row.as_object_mut().expect("a row");
        let (key, at) = (fields.remove("_key").expect("a key"), fields.remove("_synced_at").expect("an instant"));
        assert!(at.as_str().is_some_and(|at| at > "2024"), "{at}");
        (key.as_str().expect("text").to_owned(), row)
    };
    let table: BTreeMap<_, _> = rows.into_iter().map(by_key).collect();
    assert_eq!(table.len(), count, "{}: a key stands twice", world.target);
    table
}

/// The keys and cities of a table.
fn held(world: &World, name: &str) -> Vec<String> {
    let sql = format!(r#"SELECT "_key" AS "key", "city" FROM "published"."{name}" ORDER BY 1, 2"#);
    let text = |row: &Value| format!("{} {}", row["key"].as_str().expect("a key"), row["city"].as_str().expect("text"));
    world.query_in("published", &sql).iter().map(text).collect()
}

fn cities(world: &World) -> BTreeMap<String, Value> {
    let settled = world.rows.iter().filter(|(_, city)| *city != "nowhere");
    settled.map(|(key, city)| (key.clone(), json!({ "city": city }))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_mirrors_the_segment() {
    for mut world in World::on(&ENGINES).await {
        publish(&world, PUBLISHED, &[&sync("settled", "mirror", "city: city")]);
        let plan = world.call(&["sync", "plan", "settled"]).run().exits(0).json();
        assert_eq!((counts(&plan), &plan["requests"]), ([250, 0, 0, 0], &3.into()), "{}", world.target);
        let first = world.apply("settled").exits(0).json();
        assert_eq!((&first["delivered"], &first["requests"]), (&250.into(), &3.into()), "{}", world.target);
        assert_eq!(table(&world, "settled"), cities(&world), "{}", world.target);

        world.rows.insert("c007".into(), "Lyon".into());
        world.rows.insert("c008".into(), "nowhere".into());
        world.rows.insert("d001".into(), "Nîmes '\\ \t".into());
        world.store();
        let second = world.apply("settled").exits(0).json();
        assert_eq!((counts(&second), &second["delivered"]), ([1, 1, 1, 248], &3.into()), "{}", world.target);
        assert_eq!(table(&world, "settled"), cities(&world), "{}", world.target);
        assert_eq!(world.apply("settled").exits(0).json()["requests"], 0);

        world.call(&["sync", "apply", "settled", "--full-resync"]).run().exits(0);
        assert_eq!(table(&world, "settled"), cities(&world), "{}: the same again changes nothing", world.target);
        if world.target != "local" {
            let left = r#"SELECT count(*) AS "n" FROM information_schema.tables WHERE table_name = 'settled__batch'"#;
            assert_eq!(world.query(left)[0]["n"], 0, "{}: a batch is left behind", world.target);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_have_the_types_of_their_fields() {
    let map = "city: city, letters: length(city), known: \"city = 'Paris'\", \
               price: 'cast(length(city) as decimal(12,2))', ratio: 'cast(length(city) as float) / 2', \
               since: \"date '2024-02-29'\", at: \"timestamp '2024-02-29T12:00:00.123456Z'\"";
    for mut world in World::on(&ENGINES).await {
        publish(&world, PUBLISHED, &[&sync("typed", "upsert", map)]);
        world.fill(&[("a", "Paris"), ("b", "Lyon")]);
        world.apply("typed").exits(0);
        let mut a = table(&world, "typed")["a"].clone();
        // The embedded engine keeps instants without their zone, which is UTC.
        a["at"] = a["at"].as_str().expect("an instant").trim_end_matches('Z').into();
        let expected = json!({
            "city": "Paris", "letters": 5, "known": true, "price": 5.0, "ratio": 2.5, "since": "2024-02-29",
            "at": "2024-02-29T12:00:00.123456",
        });
        assert_eq!(a, expected, "{}", world.target);
        let sums = r#"SELECT sum("letters") AS "letters", sum("price") AS "price", max("since") AS "since" FROM "published"."typed""#;
        let sums = world.query_in("published", sums);
        assert_eq!([&sums[0]["since"], &sums[0]["price"]], [&json!("2024-02-29"), &json!(9.0)], "{}", world.target);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_mode_keeps_its_rows() {
    for mut world in World::on(&ENGINES).await {
        let syncs = ["upsert", "insert", "append"].map(|mode| sync(mode, mode, "city: city"));
        publish(&world, PUBLISHED, &syncs.each_ref().map(String::as_str));
        world.fill(&[("a", "Paris"), ("b", "Paris"), ("c", "Paris")]);
        world.call(&["sync", "apply", "--all"]).run().exits(0);
        world.fill(&[("a", "Paris"), ("b", "Lyon"), ("d", "Nice")]);
        world.call(&["sync", "apply", "--all"]).run().exits(0);
        assert_eq!(held(&world, "upsert"), ["a Paris", "b Lyon", "c Paris", "d Nice"], "{}", world.target);
        assert_eq!(held(&world, "insert"), ["a Paris", "b Paris", "c Paris", "d Nice"], "{}", world.target);
        let all = ["a Paris", "b Lyon", "b Paris", "c Paris", "d Nice"];
        assert_eq!(held(&world, "append"), all, "{}", world.target);
        world.call(&["sync", "apply", "append", "--full-resync"]).run().exits(0);
        let all = ["a Paris", "a Paris", "b Lyon", "b Lyon", "b Paris", "c Paris", "d Nice", "d Nice"];
        assert_eq!(held(&world, "append"), all, "{}", world.target);
        if world.target != "postgres" {
            continue;
        }
        // A run that dies while the server takes a batch in, which the server does all the same.
        world.execute(
            r#"CREATE FUNCTION public.pause() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(1); RETURN NULL; END $$;
            CREATE TRIGGER pause AFTER INSERT ON "published"."append" EXECUTE FUNCTION public.pause();"#,
        );
        world.set("e", "Metz");
        let mut process = world.call(&["sync", "apply", "append"]).spawn();
        let taking = r#"SELECT count(*) AS "n" FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'INSERT INTO "published"."append"%'"#;
        wait_until(|| world.query(taking)[0]["n"] == 1);
        process.kill().expect("the process is killed");
        process.wait().expect("the process is gone");
        world.execute(r#"DROP TRIGGER pause ON "published"."append""#);
        let all: Vec<&str> = all.into_iter().chain(["e Metz"]).collect();
        assert_eq!(held(&world, "append"), all, "the server has taken it in");
        let again = world.call(&["sync", "apply", "append"]).run().exits(0).json();
        assert_eq!(
            (counts(&again), held(&world, "append")),
            ([1, 0, 0, 3], all.iter().map(|t| (*t).to_owned()).collect())
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_becomes_a_column_and_none_goes() {
    for mut world in World::on(&ENGINES).await {
        publish(&world, PUBLISHED, &[&sync("wide", "mirror", "city: city, letters: length(city)")]);
        world.fill(&[("a", "Paris"), ("b", "Lyon"), ("c", "Nice")]);
        world.apply("wide").exits(0);
        world.syncs(&[&sync("wide", "mirror", "city: city, capital: \"city = 'Paris'\"")]);
        world.fill(&[("a", "Paris"), ("b", "Nantes"), ("d", "Metz")]);
        world.apply("wide").exits(0);
        let rows = table(&world, "wide");
        let row = |city: &str, letters: Value| json!({ "city": city, "letters": letters, "capital": city == "Paris" });
        let expected = [("a", row("Paris", 5.into())), ("b", row("Nantes", 4.into())), ("d", row("Metz", Value::Null))];
        let expected: BTreeMap<_, _> = expected.into_iter().map(|(key, row)| (key.to_owned(), row)).collect();
        assert_eq!(rows, expected, "{}: what is not mapped any more is left as it was", world.target);

        world.syncs(&[&sync("wide", "mirror", "city: length(city)")]);
        let error = world.apply("wide").exits(1).json();
        let message = error["error"]["message"].as_str().expect("a message");
        assert!(
            message.contains("the column `city` of `published.wide` is string, and the field is integer now"),
            "{message}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_table_of_its_own_is_written() {
    for world in World::on(&ENGINES).await {
        let refused = |name: &str, part: &str| {
            let error = world.apply(name).exits(1).json();
            let message = error["error"]["message"].as_str().expect("a message");
            assert!(message.contains(part), "{}: {message}", world.target);
        };
        publish(&world, PUBLISHED, &[&sync("settled", "mirror", "city: city")]);
        world.apply("settled").exits(0);

        world.edit("schema: published", "schema: published, table: settled");
        world.syncs(&[&sync("other", "mirror", "city: city")]);
        refused("other", &format!("kept by project shop, target {}, sync settled", world.target));
        world.edit("table: settled", "table: customers");
        refused("other", "may be that of source `customers`");
        world.edit("schema: published, table: customers", "schema: springline");
        refused("other", "that of Springline's own tables");
        world.edit("schema: springline", "schema: published, table: springline_tables");
        refused("other", "is taken");
        world.edit("table: springline_tables", "table: other, target: nowhere");
        let told = world.apply("other");
        assert!(told.code != 0 && told.stdout.contains("no target `nowhere`"), "{}: {told:?}", world.target);
        if world.target != "local" {
            world.edit(", target: nowhere", "");
            world.execute(r#"CREATE TABLE "published"."other" ("_key" varchar(10), "city" varchar(10))"#);
            refused("other", "was not made by Springline");
        }
        assert_eq!(table(&world, "settled").len(), 250, "{}", world.target);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_another_target_and_a_value_that_it_cannot_hold() {
    let Some(server) = springline_tests::postgres() else { return };
    let mut world = World::local().await;
    publish(&world, &format!("{PUBLISHED}, target: postgres"), &[&sync("settled", "mirror", "city: city")]);
    server.add_target(world.folder.path());
    // Postgres holds no U+0000.
    world.set("c007", "Pa\0ris");
    let apply = || world.call(&["sync", "apply", "settled"]).envs(&server.env()).run();
    let report = apply().exits(4).json();
    assert_eq!([&report["delivered"], &report["rejected"]], [&json!(249), &json!(1)], "{report}");
    let database = server.connect().await;
    let held = rows(&*database, r#"SELECT count(*) AS "n" FROM "published"."settled""#).await;
    assert_eq!(held[0]["n"], 249);
    let status = world.call(&["sync", "rejected", "settled"]).envs(&server.env()).run().exits(0).json();
    assert_eq!([&status["rejected"][0]["key"], &status["rejected"][0]["code"]], [&json!("c007"), &json!("type")]);
    world.rows.insert("c007".to_owned(), "Paris".to_owned());
    world.store();
    world.call(&["sync", "apply", "settled"]).envs(&server.env()).run().exits(0);
    let held = rows(&*database, r#"SELECT count(*) AS "n" FROM "published"."settled""#).await;
    assert_eq!(held[0]["n"], 250);
}
