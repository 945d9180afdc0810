SELECT household_id
FROM transactions
WHERE transaction_timestamp < TIMESTAMP '2018-01-01'
GROUP BY household_id
HAVING quantile_cont(quantity, 0.9) >= 4
