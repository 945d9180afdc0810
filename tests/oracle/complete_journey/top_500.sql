SELECT household_id
FROM transactions
WHERE transaction_timestamp < TIMESTAMP '2018-01-01'
GROUP BY household_id
ORDER BY sum(CAST(sales_value AS DECIMAL(12, 2))) DESC, household_id
LIMIT 500
