WITH bought AS (
    SELECT household_id, basket_id, transaction_timestamp AS bought_at,
           min(transaction_timestamp) OVER (PARTITION BY household_id) AS first_at
    FROM transactions
    WHERE transaction_timestamp < TIMESTAMP '2018-01-01'
)
SELECT household_id FROM bought
WHERE bought_at < first_at + INTERVAL 14 DAY
GROUP BY household_id
HAVING count(DISTINCT basket_id) >= 5
