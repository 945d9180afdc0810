-- Which of 10,000 buckets a key is in: the first eight hexadecimal digits of an MD5, as a number.
CREATE MACRO bucket(seed, key) AS CAST('0x' || substr(md5(seed || ':' || key), 1, 8) AS BIGINT) % 10000;

CREATE VIEW panel_members AS
SELECT DISTINCT household_id FROM transactions WHERE bucket('panel-2018', household_id) < 1000;

-- The fifths of the buyers of a year, five being the best. Recency is in whole days; equals go by their key.
CREATE VIEW fifths AS
SELECT household_id, ntile(5) OVER (ORDER BY recency DESC, household_id) AS r, ntile(5) OVER (ORDER BY lines, household_id) AS f
FROM (
    SELECT household_id, date_diff('day', CAST(max(transaction_timestamp) AS DATE), DATE '2018-01-01') AS recency, count(*) AS lines
    FROM transactions
    WHERE transaction_timestamp >= TIMESTAMP '2017-01-01' AND transaction_timestamp < TIMESTAMP '2018-01-01'
    GROUP BY household_id
);

-- Lapsing or declining, less the new and the coupon enthusiasts.
CREATE VIEW won_back AS
WITH bought AS (
    SELECT household_id, CAST(sales_value AS DECIMAL(12, 2)) AS value, transaction_timestamp AS bought_at
    FROM transactions
    WHERE transaction_timestamp < TIMESTAMP '2018-01-01'
), figures AS (
    SELECT household_id,
           sum(value) AS spend,
           min(bought_at) AS first_at,
           max(bought_at) AS last_at,
           coalesce(sum(CASE WHEN bought_at >= TIMESTAMP '2017-10-03' THEN value END), 0) AS late,
           coalesce(sum(CASE WHEN bought_at >= TIMESTAMP '2017-07-05' AND bought_at < TIMESTAMP '2017-10-03' THEN value END), 0) AS early
    FROM bought
    GROUP BY household_id
)
SELECT household_id
FROM figures
WHERE ((spend >= 1000 AND last_at < TIMESTAMP '2017-12-11') OR (early > 100 AND late * 2 < early))
  AND first_at < TIMESTAMP '2017-07-05'
  AND household_id NOT IN (
      SELECT household_id FROM coupon_redemptions
      WHERE redemption_date >= TIMESTAMP '2017-01-01' AND redemption_date < TIMESTAMP '2018-01-01'
      GROUP BY household_id HAVING count(*) >= 5
  );

CREATE VIEW letter AS SELECT * FROM won_back WHERE household_id NOT IN (SELECT household_id FROM panel_members);

CREATE VIEW newcomers AS
-- 180 days before the instant is 2017-07-05.
SELECT household_id
FROM transactions
WHERE transaction_timestamp < TIMESTAMP '2018-01-01'
GROUP BY household_id
HAVING min(transaction_timestamp) >= TIMESTAMP '2017-07-05';
