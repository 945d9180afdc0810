-- The files of the boutique. An empty value is null; instants are UTC; days begin at midnight UTC.
CREATE TABLE customers AS
SELECT customer_id, mail, phone, country, CAST(staff AS BOOLEAN) AS staff
FROM read_csv(getvariable('data_dir') || '/customers.csv', header = true, all_varchar = true, delim = ',', quote = '"', escape = '"');

CREATE TABLE tickets AS
SELECT CAST(ticket_id AS BIGINT) AS ticket_id, customer_id, CAST(total AS DECIMAL(12, 2)) AS total, shelf,
       CAST(paid_at AS TIMESTAMP) AS paid_at
FROM read_csv(getvariable('data_dir') || '/tickets.csv', header = true, all_varchar = true, delim = ',', quote = '"', escape = '"');

-- What had happened before the instant 2024-06-30T00:00:00Z: 30 days before is 2024-05-31, 90 are 2024-04-01, 365 are
-- 2023-07-01, 730 are 2022-07-01.
CREATE VIEW past AS SELECT * FROM tickets WHERE paid_at < TIMESTAMP '2024-06-30 00:00:00';

-- The buyers of two years and their fifths, five being the best. Recency is in whole days; ties are broken by the key.
CREATE VIEW figures AS
SELECT customer_id, date_diff('day', CAST(max(paid_at) AS DATE), DATE '2024-06-30') AS recency, count(*) AS times, sum(total) AS spent
FROM past WHERE paid_at >= TIMESTAMP '2022-07-01 00:00:00' AND customer_id IN (SELECT customer_id FROM customers) GROUP BY customer_id;

CREATE VIEW fifths AS
SELECT customer_id, ntile(5) OVER (ORDER BY recency DESC, customer_id) AS r, ntile(5) OVER (ORDER BY times, customer_id) AS f
FROM figures;

-- One `@` between two texts without white space, once the blanks at both ends are gone.
CREATE VIEW with_address AS
SELECT customer_id FROM customers WHERE regexp_matches(trim(mail, ' '), '^[^@\s]+@[^@\s]+$');

CREATE VIEW shelves AS
SELECT customer_id, shelf, row_number() OVER (PARTITION BY customer_id ORDER BY count(*) DESC, shelf) AS place
FROM past WHERE shelf IS NOT NULL GROUP BY customer_id, shelf;

-- A number that can be one has from 7 to 15 digits with the country's code, which is 49 where none is written.
CREATE VIEW with_number AS
SELECT customer_id
FROM (SELECT customer_id, phone, regexp_replace(phone, '[^0-9]', '', 'g') AS digits FROM customers)
WHERE regexp_matches(phone, '^[-+0-9 ().]+$')
  AND length(CASE WHEN phone LIKE '+%' THEN digits ELSE '49' || ltrim(digits, '0') END) BETWEEN 7 AND 15;
