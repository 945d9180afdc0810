-- A pause is between two purchases, for whoever bought within 30 days has not been away for 60 at the end.
WITH steps AS (
    SELECT household_id, transaction_timestamp AS bought_at,
           lead(transaction_timestamp) OVER (PARTITION BY household_id ORDER BY transaction_timestamp) AS next_at
    FROM (SELECT DISTINCT household_id, transaction_timestamp FROM transactions WHERE transaction_timestamp < TIMESTAMP '2018-01-01')
)
SELECT household_id FROM steps
GROUP BY household_id
HAVING max(bought_at) >= TIMESTAMP '2017-12-02' AND count(*) FILTER (WHERE next_at > bought_at + INTERVAL 60 DAY) > 0
