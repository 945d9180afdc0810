-- 30 days before the instant is 2017-12-02.
SELECT household_id
FROM (
    SELECT DISTINCT household_id, basket_id
    FROM transactions
    WHERE transaction_timestamp >= TIMESTAMP '2017-12-02' AND transaction_timestamp < TIMESTAMP '2018-01-01'
)
GROUP BY household_id
HAVING count(*) BETWEEN 4 AND 8
