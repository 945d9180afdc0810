SELECT household_id
FROM transactions
WHERE transaction_timestamp >= TIMESTAMP '2017-06-01' AND transaction_timestamp < TIMESTAMP '2017-09-01'
EXCEPT
SELECT household_id
FROM transactions
WHERE transaction_timestamp >= TIMESTAMP '2017-09-01' AND transaction_timestamp < TIMESTAMP '2018-01-01'
