SELECT household_id
FROM transactions
WHERE transaction_timestamp >= TIMESTAMP '2017-10-01' AND transaction_timestamp < TIMESTAMP '2018-01-01'
GROUP BY household_id
HAVING sum(CAST(sales_value AS DECIMAL(12, 2))) >= 1500
