-- 180 days before the instant is 2017-07-05.
SELECT household_id
FROM transactions
WHERE transaction_timestamp < TIMESTAMP '2018-01-01'
GROUP BY household_id
HAVING min(transaction_timestamp) >= TIMESTAMP '2017-07-05'
