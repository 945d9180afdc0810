SELECT household_id
FROM transactions
WHERE transaction_timestamp < TIMESTAMP '2018-01-01'
GROUP BY household_id
HAVING min(store_id) = max(store_id) AND count(DISTINCT basket_id) >= 20
