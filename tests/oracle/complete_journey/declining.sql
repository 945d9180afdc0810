-- The last 90 days begin on 2017-10-03, the 90 days before on 2017-07-05.
WITH late AS (
    SELECT household_id, sum(CAST(sales_value AS DECIMAL(12, 2))) AS spend
    FROM transactions
    WHERE transaction_timestamp >= TIMESTAMP '2017-10-03' AND transaction_timestamp < TIMESTAMP '2018-01-01'
    GROUP BY household_id
), early AS (
    SELECT household_id, sum(CAST(sales_value AS DECIMAL(12, 2))) AS spend
    FROM transactions
    WHERE transaction_timestamp >= TIMESTAMP '2017-07-05' AND transaction_timestamp < TIMESTAMP '2017-10-03'
    GROUP BY household_id
)
SELECT early.household_id
FROM early LEFT JOIN late USING (household_id)
WHERE early.spend > 100 AND coalesce(late.spend, 0) * 2 < early.spend
