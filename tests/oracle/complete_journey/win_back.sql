-- Lapsing or declining, less the new and the coupon enthusiasts.
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
  )
