-- All households take part, also one that had spent nothing before the instant; equals go by household.
WITH spent AS (
    SELECT household_id,
           coalesce(sum(CAST(sales_value AS DECIMAL(12, 2))) FILTER (WHERE transaction_timestamp < TIMESTAMP '2018-01-01'), 0) AS spend
    FROM transactions
    GROUP BY household_id
)
SELECT household_id
FROM (SELECT household_id, ntile(10) OVER (ORDER BY spend DESC, household_id) AS decile FROM spent)
WHERE decile = 1
