//! Writes the shop's rows as CSV and JSON lines. It makes no row itself.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use jiff::Timestamp;

use super::{DAY, Shop};

/// A file's name and its number of rows.
type Written = (&'static str, u64);

pub(super) fn write_customers(dir: &Path, shop: &Shop) -> io::Result<Written> {
    let header = [
        "customer_id",
        "first_name",
        "last_name",
        "email",
        "phone",
        "city",
        "country",
        "optin_email",
        "optin_at",
        "birth_date",
        "created_at",
        "household_id",
    ];
    let rows = shop.customers.iter().enumerate().map(|(number, c)| {
        Ok([
            customer_id(number),
            c.first_name.clone(),
            c.last_name.clone(),
            c.email.clone().unwrap_or_default(),
            c.phone.clone().unwrap_or_default(),
            c.city.unwrap_or_default().to_owned(),
            c.country.to_owned(),
            c.optin_at.is_some().to_string(),
            text_or_empty(c.optin_at)?,
            c.birth_day.map(day_text).transpose()?.unwrap_or_default(),
            text(c.created_at)?,
            c.household.map(household_id).unwrap_or_default(),
        ])
    });
    write_csv(dir, "customers.csv", header, rows)
}

pub(super) fn write_households(dir: &Path, shop: &Shop) -> io::Result<Written> {
    let rows = shop.households.iter().enumerate().map(|(number, h)| {
        Ok([household_id(number), h.size.to_string(), h.children.to_string(), h.income.unwrap_or_default().to_owned()])
    });
    write_csv(dir, "households.csv", ["household_id", "size", "children", "income_band"], rows)
}

pub(super) fn write_orders(dir: &Path, shop: &Shop) -> io::Result<Written> {
    let rows = shop.orders.iter().enumerate().map(|(number, o)| {
        Ok([
            (number + 1).to_string(),
            customer_id(o.customer),
            format!("{}.{:02}", o.cents / 100, o.cents % 100),
            o.channel.to_owned(),
            o.category.to_owned(),
            text(o.at)?,
        ])
    });
    write_csv(dir, "orders.csv", ["order_id", "customer_id", "amount", "channel", "category", "ordered_at"], rows)
}

pub(super) fn write_tickets(dir: &Path, shop: &Shop) -> io::Result<Written> {
    let header = ["ticket_id", "customer_id", "topic", "satisfaction", "opened_at", "closed_at"];
    let rows = shop.tickets.iter().enumerate().map(|(number, t)| {
        Ok([
            (number + 1).to_string(),
            customer_id(t.customer),
            t.topic.to_owned(),
            t.satisfaction.map(|s| s.to_string()).unwrap_or_default(),
            text(t.opened_at)?,
            text_or_empty(t.closed_at)?,
        ])
    });
    write_csv(dir, "tickets.csv", header, rows)
}

/// Every value here is made of plain letters, digits and marks that JSON takes as they are.
pub(super) fn write_page_views(dir: &Path, shop: &Shop) -> io::Result<Written> {
    let name = "page_views.jsonl";
    let mut out = BufWriter::new(File::create(dir.join(name))?);
    for (number, v) in shop.views.iter().enumerate() {
        writeln!(
            out,
            r#"{{"view_id":"v{:07}","customer_id":"{}","url":"https://shop.example/{}/{}","category":"{}","event_type":"{}","viewed_at":"{}"}}"#,
            number + 1,
            customer_id(v.customer),
            v.category,
            v.at.rem_euclid(997),
            v.category,
            v.event_type,
            text(v.at)?,
        )?;
    }
    out.flush()?;
    Ok((name, shop.views.len() as u64))
}

/// RFC 4180 but for the line ends, which are plain newlines; an empty value stands for null.
fn write_csv<const N: usize>(
    dir: &Path,
    name: &'static str,
    header: [&str; N],
    rows: impl Iterator<Item = io::Result<[String; N]>>,
) -> io::Result<Written> {
    let mut out = BufWriter::new(File::create(dir.join(name))?);
    writeln!(out, "{}", header.join(","))?;
    let mut count = 0;
    for row in rows {
        writeln!(out, "{}", row?.map(quoted).join(","))?;
        count += 1;
    }
    out.flush()?;
    Ok((name, count))
}

fn quoted(value: String) -> String {
    let plain = !value.contains(['"', ',', '\n', '\r']) && value.trim() == value;
    if plain { value } else { format!("\"{}\"", value.replace('"', "\"\"")) }
}

fn customer_id(number: usize) -> String {
    format!("c{:05}", number + 1)
}

fn household_id(number: usize) -> String {
    format!("h{:05}", number + 1)
}

fn text(at: i64) -> io::Result<String> {
    Timestamp::from_microsecond(at).map(|t| t.to_string()).map_err(io::Error::other)
}

fn text_or_empty(at: Option<i64>) -> io::Result<String> {
    at.map_or_else(|| Ok(String::new()), text)
}

fn day_text(day: i64) -> io::Result<String> {
    Timestamp::from_microsecond(day * DAY).map(|t| t.strftime("%Y-%m-%d").to_string()).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_with_commas_quotes_and_outer_spaces_are_quoted() {
        assert_eq!(quoted("O'Brien".to_owned()), "O'Brien");
        assert_eq!(quoted("Smith, Jr.".to_owned()), "\"Smith, Jr.\"");
        assert_eq!(quoted("Robert \"Bob\"".to_owned()), "\"Robert \"\"Bob\"\"\"");
        assert_eq!(quoted("a ".to_owned()), "\"a \"");
    }
}
