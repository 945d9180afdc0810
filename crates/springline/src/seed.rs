//! Writes the made-up shop of `examples/retail`: customers, households, orders, page views and tickets.
//!
//! The same seed gives the same bytes on every machine: integers and a pinned generator only, no clock,
//! no locale. Everything is placed around one fixed instant, [`AS_OF`], so that the documented sizes of
//! the segments hold. It must not know the model language, the segments or any engine; it only writes files.
//! Nobody in the data is real: telephone numbers come from ranges that are kept free for fiction, email
//! addresses from domains that are reserved for examples.

use std::fs;
use std::io;
use std::path::Path;

use jiff::Timestamp;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use edges::{EDGES, Edge};
use files::{write_customers, write_households, write_orders, write_page_views, write_tickets};

mod edges;
mod files;

/// The instant that the data leads up to: 2024-06-30T00:00:00Z, in microseconds since 1970.
pub const AS_OF: i64 = 1_719_705_600_000_000;

const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;
const DAY: i64 = 86_400 * SECOND;

/// What to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seed {
    /// Another number gives other data of the same kind.
    pub seed: u64,
    /// How many customers. The last ones are the cases at the edges of time windows, which need [`EDGES`] places.
    pub customers: u32,
}

impl Default for Seed {
    /// The data that the README of the example speaks of.
    fn default() -> Self {
        Seed { seed: 20_240_630, customers: 4_000 }
    }
}

/// Writes `customers.csv`, `households.csv`, `orders.csv`, `page_views.jsonl` and `tickets.csv` into `dir`,
/// which is made where it is missing; files of these names are replaced. Returns each file's name and its
/// number of rows.
///
/// # Errors
/// When the folder or a file cannot be written.
pub fn write_retail(dir: &Path, seed: &Seed) -> io::Result<Vec<(String, u64)>> {
    let shop = Shop::make(seed)?;
    fs::create_dir_all(dir)?;
    let written = [
        write_customers(dir, &shop)?,
        write_households(dir, &shop)?,
        write_orders(dir, &shop)?,
        write_page_views(dir, &shop)?,
        write_tickets(dir, &shop)?,
    ];
    Ok(written.into_iter().map(|(name, rows)| (name.to_owned(), rows)).collect())
}

#[derive(Default)]
struct Shop {
    customers: Vec<Customer>,
    households: Vec<Household>,
    orders: Vec<Order>,
    views: Vec<View>,
    tickets: Vec<Ticket>,
}

struct Customer {
    first_name: String,
    last_name: String,
    email: Option<String>,
    phone: Option<String>,
    city: Option<&'static str>,
    country: &'static str,
    optin_at: Option<i64>,
    birth_day: Option<i64>,
    created_at: i64,
    household: Option<usize>,
}

struct Household {
    size: u32,
    children: u32,
    income: Option<&'static str>,
}

struct Order {
    customer: usize,
    cents: i64,
    channel: &'static str,
    category: &'static str,
    at: i64,
}

struct View {
    customer: usize,
    category: &'static str,
    event_type: &'static str,
    at: i64,
}

struct Ticket {
    customer: usize,
    topic: &'static str,
    satisfaction: Option<u32>,
    opened_at: i64,
    closed_at: Option<i64>,
}

const CATEGORIES: &[&str] = &["shoes", "bags", "dresses", "coats", "sport", "children", "home", "beauty"];
const TOPICS: &[&str] = &["delivery", "return", "refund", "size", "payment", "other"];
const INCOMES: &[&str] = &["low", "middle", "upper middle", "high"];
const FIRST_NAMES: &[&str] = &[
    "Zoë",
    "François",
    "Anne-Marie",
    "Jürgen",
    "Søren",
    "Chloé",
    "Inès",
    "Łukasz",
    "Nguyễn",
    "Siân",
    "Maria",
    "John",
    "Amina",
    "Pedro",
    "Olga",
    "Yusuf",
    "Emma",
    "Louis",
    "Hélène",
    "Robert \"Bob\"",
    "D’Arcy",
    "Mei",
    "Lina",
    "Paul",
];
const LAST_NAMES: &[&str] = &[
    "O'Brien",
    "D'Angelo",
    "Müller",
    "Dupont",
    "Lefèvre",
    "García",
    "Núñez",
    "Smith, Jr.",
    "van der Berg",
    "Ångström",
    "Nowak",
    "Kowalski",
    "Rossi",
    "Silva",
    "Haddad",
    "Öztürk",
    "Martin",
    "Bernard",
    "Petit",
    "Le Goff",
    "St. John",
    "Weiß",
    "Tanaka",
    "Okafor",
    "N'Diaye",
    "Čapek",
];
/// Cities with their country and the share of the customers, in per cent.
const CITIES: &[(&str, &str, u32)] = &[
    ("Paris", "FR", 26),
    ("Lyon", "FR", 14),
    ("Saint-Étienne", "FR", 8),
    ("L'Haÿ-les-Roses", "FR", 5),
    ("Berlin", "DE", 14),
    ("München", "DE", 9),
    ("London", "GB", 13),
    ("Leeds", "GB", 11),
];

impl Shop {
    fn make(seed: &Seed) -> io::Result<Shop> {
        let mut rng = StdRng::seed_from_u64(seed.seed);
        let mut shop = Shop::default();
        let count = seed.customers as usize;
        let edges = EDGES.len().min(count);
        for number in 0..count - edges {
            shop.add_person(&mut rng, number);
        }
        for (place, edge) in EDGES.iter().take(edges).enumerate() {
            shop.add_edge(count - edges + place, edge)?;
        }
        shop.orders.sort_by_key(|o| (o.at, o.customer));
        shop.views.sort_by_key(|v| (v.at, v.customer));
        shop.tickets.sort_by_key(|t| (t.opened_at, t.customer));
        Ok(shop)
    }

    fn add_person(&mut self, rng: &mut StdRng, number: usize) {
        let household = self.household(rng);
        let customer = person(rng, number, household);
        // Four in ten lost interest at some time; the others are seen until two days after the instant of
        // the documents, because tables hold later rows too when an earlier instant is asked for.
        let end = if rng.random_bool(0.4) {
            customer.created_at + rng.random_range(DAY..=(AS_OF - customer.created_at).max(2 * DAY))
        } else {
            AS_OF + 2 * DAY
        };
        let life = (customer.created_at, end);
        self.customers.push(customer);
        self.add_orders(rng, number, life);
        self.add_views(rng, number, life);
        self.add_tickets(rng, number, life);
    }

    /// Seven in ten live with somebody we know of; half of them join the household made last.
    fn household(&mut self, rng: &mut StdRng) -> Option<usize> {
        if !rng.random_bool(0.7) {
            return None;
        }
        if self.households.is_empty() || rng.random_bool(0.5) {
            let size = 1 + power_law(rng, 6).min(6) - u32::from(rng.random_bool(0.5));
            let children = if size > 2 { rng.random_range(0..=size - 2) } else { 0 };
            let income = rng.random_bool(0.8).then(|| pick(rng, INCOMES));
            self.households.push(Household { size, children, income });
        }
        Some(self.households.len() - 1)
    }

    fn add_orders(&mut self, rng: &mut StdRng, customer: usize, life: (i64, i64)) {
        if rng.random_bool(0.22) {
            return;
        }
        // How willingly somebody buys on the web, in per cent: a third never does.
        let web = pick(rng, &[0_u32, 0, 0, 25, 50, 70, 80, 90, 95]);
        let favourite = pick(rng, CATEGORIES);
        for _ in 0..power_law(rng, 40) {
            let at = rng.random_range(life.0..life.1);
            let channel = if rng.random_range(0..100) < web { pick(rng, &["web", "web", "app"]) } else { "shop" };
            let category = if rng.random_bool(0.5) { favourite } else { pick(rng, CATEGORIES) };
            let cents = i64::from(power_law(rng, 80)) * 1_200 + rng.random_range(99..2_500);
            self.orders.push(Order { customer, cents, channel, category, at });
            if channel != "shop" {
                for (event_type, before) in [("view", 12 * MINUTE), ("add_to_cart", 5 * MINUTE), ("checkout", MINUTE)] {
                    self.views.push(View { customer, category, event_type, at: at - before });
                }
            }
        }
    }

    fn add_views(&mut self, rng: &mut StdRng, customer: usize, life: (i64, i64)) {
        if rng.random_bool(0.15) {
            return;
        }
        let visits = power_law(rng, 25);
        for _ in 0..visits {
            let category = pick(rng, CATEGORIES);
            let mut at = rng.random_range(life.0..life.1);
            for _ in 0..rng.random_range(1..=5) {
                self.views.push(View { customer, category, event_type: "view", at });
                at += rng.random_range(5 * SECOND..4 * MINUTE);
            }
            if rng.random_bool(0.2) {
                self.views.push(View { customer, category, event_type: "add_to_cart", at });
            }
        }
    }

    fn add_tickets(&mut self, rng: &mut StdRng, customer: usize, life: (i64, i64)) {
        if !rng.random_bool(0.25) {
            return;
        }
        for _ in 0..power_law(rng, 6) {
            let opened_at = rng.random_range(life.0..life.1);
            let closed = opened_at + rng.random_range(MINUTE * 30..12 * DAY);
            let closed_at = (closed < AS_OF).then_some(closed);
            let asked = closed_at.is_some() && rng.random_bool(0.6);
            let satisfaction = asked.then(|| pick(rng, &[1, 2, 2, 3, 3, 4, 4, 4, 5, 5]));
            self.tickets.push(Ticket { customer, topic: pick(rng, TOPICS), satisfaction, opened_at, closed_at });
        }
    }

    fn add_edge(&mut self, customer: usize, edge: &Edge) -> io::Result<()> {
        self.customers.push(Customer {
            first_name: "Edge".to_owned(),
            last_name: edge.name.to_owned(),
            email: Some(format!("edge.{}@example.net", customer + 1)),
            phone: None,
            city: Some("Paris"),
            country: "FR",
            optin_at: None,
            birth_day: Some(0),
            created_at: instant("2022-07-01T00:00:00Z")?,
            household: None,
        });
        for &(at, cents, channel, category) in edge.orders {
            self.orders.push(Order { customer, cents, channel, category, at: instant(at)? });
        }
        for &(at, event_type, category) in edge.views {
            self.views.push(View { customer, category, event_type, at: instant(at)? });
        }
        for &(at, satisfaction) in edge.tickets {
            let opened_at = instant(at)?;
            let topic = "other";
            self.tickets.push(Ticket { customer, topic, satisfaction: Some(satisfaction), opened_at, closed_at: None });
        }
        Ok(())
    }
}

fn person(rng: &mut StdRng, number: usize, household: Option<usize>) -> Customer {
    let first_name = pick(rng, FIRST_NAMES).to_owned();
    let last_name = pick(rng, LAST_NAMES).to_owned();
    let (city, country) = home(rng);
    let created_at = AS_OF - rng.random_range(DAY..730 * DAY);
    let optin_at = rng.random_bool(0.55).then(|| created_at + rng.random_range(0..DAY));
    let birth_day = rng.random_bool(0.9).then(|| rng.random_range(-14_600..13_800));
    Customer {
        email: email(rng, number),
        phone: phone(rng, country),
        city: rng.random_bool(0.97).then_some(city),
        first_name,
        last_name,
        country,
        optin_at,
        birth_day,
        created_at,
        household,
    }
}

fn home(rng: &mut StdRng) -> (&'static str, &'static str) {
    let mut place = rng.random_range(0..100);
    for &(city, country, share) in CITIES {
        if place < share {
            return (city, country);
        }
        place -= share;
    }
    ("Paris", "FR")
}

/// One in ten gave none, one in a hundred is staff, and people write capitals as they like.
fn email(rng: &mut StdRng, number: usize) -> Option<String> {
    let number = number + 1;
    match rng.random_range(0..100) {
        0..10 => None,
        10 => Some(format!("staff.{number}@shop.example")),
        11..20 => Some(format!("Customer.{number}@Example.COM")),
        20..23 => Some(format!("customer+{number}@example.org ")),
        _ => Some(format!("customer.{number}@example.com")),
    }
}

/// Numbers of the ranges for fiction, in the ways people write them.
fn phone(rng: &mut StdRng, country: &str) -> Option<String> {
    if rng.random_bool(0.2) {
        return None;
    }
    let (a, b) = (rng.random_range(0..100), rng.random_range(0..100));
    let form = rng.random_range(0..4);
    Some(match (country, form) {
        ("FR", 0) => format!("+33 6 39 98 {a:02} {b:02}"),
        ("FR", 1) => format!("06.39.98.{a:02}.{b:02}"),
        ("FR", 2) => format!("0033 639 98{a:02}{b:02}"),
        ("FR", _) => format!("06 39 98 {a:02} {b:02}"),
        ("GB", 0) => format!("+44 7700 900{b:03}"),
        ("GB", 1) => format!("07700 900{b:03}"),
        ("GB", _) => format!("(0)7700-900{b:03}"),
        (_, 0) => format!("+49 152 28817{a:03}"),
        (_, _) => format!("0152/28817{a:03}"),
    })
}

/// At least 1, at most `most`; twice as large is half as likely.
fn power_law(rng: &mut StdRng, most: u32) -> u32 {
    let share = rng.random_range(1..=1_000_000_u32);
    (1_000_000 / share).min(most)
}

fn pick<T: Copy>(rng: &mut StdRng, choices: &[T]) -> T {
    choices[rng.random_range(0..choices.len() as u64) as usize]
}

fn instant(written: &str) -> io::Result<i64> {
    written.parse::<Timestamp>().map(Timestamp::as_microsecond).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::edges::AT_END;
    use super::*;

    fn written(seed: Seed) -> (Vec<(String, u64)>, Vec<Vec<u8>>) {
        let dir = tempfile::tempdir().unwrap();
        let files = write_retail(dir.path(), &seed).unwrap();
        let bytes = files.iter().map(|(name, _)| fs::read(dir.path().join(name)).unwrap()).collect();
        (files, bytes)
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes_and_another_does_not() {
        let seed = Seed { seed: 1, customers: 300 };
        let (files, bytes) = written(seed);
        assert_eq!(written(seed), (files, bytes.clone()));
        assert_ne!(written(Seed { seed: 2, ..seed }).1, bytes);
    }

    #[test]
    fn every_file_has_the_rows_it_reports() {
        let (files, bytes) = written(Seed { seed: 3, customers: 200 });
        assert_eq!(files[0], ("customers.csv".to_owned(), 200));
        for ((name, rows), bytes) in files.iter().zip(&bytes) {
            let header = u64::from(name.ends_with(".csv"));
            let lines = bytes.iter().filter(|b| **b == b'\n').count() as u64;
            assert_eq!(lines, rows + header, "{name}");
        }
    }

    #[test]
    fn fewer_customers_than_edges_is_no_error() {
        for customers in [0, 1, 5] {
            assert_eq!(written(Seed { seed: 1, customers }).0[0].1, u64::from(customers));
        }
    }

    #[test]
    fn the_instant_of_the_documents_is_what_it_says() {
        assert_eq!(instant(AT_END).unwrap(), AS_OF);
    }
}
