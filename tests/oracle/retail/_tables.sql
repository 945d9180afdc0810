-- The files of the generated shop. An empty value of a CSV file is null; instants are UTC.
CREATE TABLE customers AS
SELECT customer_id, first_name, last_name, email, phone, city, country,
       CAST(optin_email AS BOOLEAN) AS optin_email, CAST(optin_at AS TIMESTAMP) AS optin_at,
       CAST(birth_date AS DATE) AS birth_date, CAST(created_at AS TIMESTAMP) AS created_at, household_id
FROM read_csv(getvariable('data_dir') || '/customers.csv', header = true, all_varchar = true, delim = ',', quote = '"', escape = '"');

CREATE TABLE households AS
SELECT household_id, CAST(size AS BIGINT) AS size, CAST(children AS BIGINT) AS children, income_band
FROM read_csv(getvariable('data_dir') || '/households.csv', header = true, all_varchar = true, delim = ',', quote = '"', escape = '"');

CREATE TABLE orders AS
SELECT CAST(order_id AS BIGINT) AS order_id, customer_id, CAST(amount AS DECIMAL(12, 2)) AS amount, channel, category,
       CAST(ordered_at AS TIMESTAMP) AS ordered_at
FROM read_csv(getvariable('data_dir') || '/orders.csv', header = true, all_varchar = true, delim = ',', quote = '"', escape = '"');

CREATE TABLE tickets AS
SELECT CAST(ticket_id AS BIGINT) AS ticket_id, customer_id, topic, CAST(satisfaction AS BIGINT) AS satisfaction,
       CAST(opened_at AS TIMESTAMP) AS opened_at, CAST(closed_at AS TIMESTAMP) AS closed_at
FROM read_csv(getvariable('data_dir') || '/tickets.csv', header = true, all_varchar = true, delim = ',', quote = '"', escape = '"');

CREATE TABLE page_views AS
SELECT view_id, customer_id, url, category, event_type, CAST(viewed_at AS TIMESTAMP) AS viewed_at
FROM read_json(getvariable('data_dir') || '/page_views.jsonl', format = 'newline_delimited', columns = {
    view_id: 'VARCHAR', customer_id: 'VARCHAR', url: 'VARCHAR', category: 'VARCHAR', event_type: 'VARCHAR', viewed_at: 'VARCHAR'
});

-- What had happened before the instant 2024-06-30T00:00:00Z. Days are counted in Paris, where that instant is
-- two in the morning, in summer time: 7 days before is 2024-06-23T00:00:00Z, 30 are 2024-05-31, 60 are 2024-05-01,
-- 90 are 2024-04-01, all at 00:00Z; 180 are 2024-01-02T01:00:00Z, for two in the morning was 01:00Z in winter time;
-- 365 are 2023-07-01T00:00:00Z.
CREATE VIEW past_orders AS SELECT * FROM orders WHERE ordered_at < TIMESTAMP '2024-06-30 00:00:00';
CREATE VIEW past_views AS SELECT * FROM page_views WHERE viewed_at < TIMESTAMP '2024-06-30 00:00:00';
CREATE VIEW past_tickets AS SELECT * FROM tickets WHERE opened_at < TIMESTAMP '2024-06-30 00:00:00';

CREATE VIEW staff_members AS
SELECT customer_id FROM customers WHERE ends_with(lower(trim(email, ' ')), '@shop.example');

-- Which of 10,000 buckets a key is in: the first eight hexadecimal digits of an MD5, as a number.
CREATE MACRO bucket(seed, key) AS CAST('0x' || substr(md5(seed || ':' || key), 1, 8) AS BIGINT) % 10000;

-- Who may get the spring offer: may be emailed, and is not in the tenth that is kept out.
CREATE VIEW spring_members AS
SELECT customer_id
FROM customers
WHERE optin_email AND email IS NOT NULL AND customer_id NOT IN (SELECT customer_id FROM staff_members)
  AND bucket('holdout-2024', customer_id) >= 1000;

-- The day that an instant of the year before 2024-06-30 is in Paris: an hour ahead in winter, which began on
-- 2023-10-29 and ended on 2024-03-31 at 01:00Z, else two.
CREATE MACRO day_in_paris(instant) AS CAST(instant + CASE
    WHEN instant >= TIMESTAMP '2023-10-29 01:00:00' AND instant < TIMESTAMP '2024-03-31 01:00:00' THEN INTERVAL 1 HOUR
    ELSE INTERVAL 2 HOUR END AS DATE);

-- The buyers of a year: their figures, and their fifths, 5 being the best. Equals go by their key.
CREATE VIEW rfm_scores AS
WITH figures AS (
    SELECT customer_id, date_diff('day', day_in_paris(max(ordered_at)), DATE '2024-06-30') AS recency,
           count(*) AS frequency, sum(amount) AS amount
    FROM past_orders
    WHERE ordered_at >= TIMESTAMP '2023-07-01 00:00:00' AND customer_id IN (SELECT customer_id FROM customers)
    GROUP BY customer_id
)
SELECT customer_id,
       ntile(5) OVER (ORDER BY recency DESC, customer_id) AS r,
       ntile(5) OVER (ORDER BY frequency, customer_id) AS f,
       ntile(5) OVER (ORDER BY amount, customer_id) AS m
FROM figures;
