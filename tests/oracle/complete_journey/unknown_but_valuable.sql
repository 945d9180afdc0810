WITH spent AS (
    SELECT household_id,
           coalesce(sum(CASE WHEN transaction_timestamp < TIMESTAMP '2018-01-01' THEN CAST(sales_value AS DECIMAL(12, 2)) END), 0) AS spend
    FROM transactions
    GROUP BY household_id
), placed AS (
    SELECT household_id, ntile(10) OVER (ORDER BY spend DESC, household_id) AS decile FROM spent
)
SELECT household_id
FROM placed
WHERE decile <= 3 AND household_id NOT IN (SELECT household_id FROM demographics WHERE income IS NOT NULL)
