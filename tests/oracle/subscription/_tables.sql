-- The files of the newspaper. An empty value is null; instants are UTC; days begin at midnight UTC.
CREATE TABLE readers AS
SELECT * FROM read_csv(getvariable('data_dir') || '/readers.csv', header = true, all_varchar = true, delim = ',', quote = '"', escape = '"');

CREATE TABLE subscriptions AS
SELECT CAST(subscription_id AS BIGINT) AS subscription_id, reader_id, plan, CAST(monthly_amount AS DECIMAL(10, 2)) AS monthly_amount,
       CAST(started_at AS TIMESTAMP) AS started_at, CAST(ended_at AS TIMESTAMP) AS ended_at
FROM read_csv(getvariable('data_dir') || '/subscriptions.csv', header = true, all_varchar = true, delim = ',', quote = '"', escape = '"');

CREATE TABLE consents AS
SELECT reader_id, purpose, CAST(granted AS BOOLEAN) AS granted, CAST(decided_at AS TIMESTAMP) AS decided_at
FROM read_csv(getvariable('data_dir') || '/consents.csv', header = true, all_varchar = true, delim = ',', quote = '"', escape = '"');

-- As of 2024-06-30T00:00:00Z: what starts then or later has not started, what ends then or later still runs.
CREATE VIEW known AS
SELECT subscription_id, reader_id, plan, monthly_amount, started_at,
       CASE WHEN ended_at < TIMESTAMP '2024-06-30 00:00:00' THEN ended_at END AS ended_at
FROM subscriptions WHERE started_at < TIMESTAMP '2024-06-30 00:00:00';

CREATE VIEW running AS SELECT * FROM known WHERE ended_at IS NULL;

CREATE VIEW latest AS
SELECT reader_id, purpose, arg_max(granted, decided_at) AS granted
FROM consents WHERE decided_at < TIMESTAMP '2024-06-30 00:00:00' GROUP BY reader_id, purpose;

CREATE VIEW gone AS
SELECT reader_id, max(ended_at) AS left_at FROM known GROUP BY reader_id HAVING count(*) = count(ended_at);
