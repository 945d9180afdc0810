-- as_of 2018-01-01T00:00:00Z, UTC; 365 days before is 2017-01-01.
SELECT household_id
FROM transactions
WHERE transaction_timestamp >= TIMESTAMP '2017-01-01' AND transaction_timestamp < TIMESTAMP '2018-01-01'
GROUP BY household_id
HAVING count(DISTINCT basket_id) >= 100
EXCEPT
SELECT household_id FROM won_back
EXCEPT
SELECT household_id FROM newcomers
