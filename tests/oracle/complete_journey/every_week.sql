-- Eight weeks before the instant is 2017-11-06; the weeks are counted from there.
SELECT household_id
FROM transactions
WHERE transaction_timestamp >= TIMESTAMP '2017-11-06' AND transaction_timestamp < TIMESTAMP '2018-01-01'
GROUP BY household_id
HAVING count(DISTINCT date_diff('day', DATE '2017-11-06', CAST(transaction_timestamp AS DATE)) // 7) = 8
