SELECT t.household_id
FROM transactions t ANTI JOIN campaigns c ON c.household_id = t.household_id
WHERE t.transaction_timestamp < TIMESTAMP '2018-01-01'
GROUP BY t.household_id
HAVING sum(CAST(t.sales_value AS DECIMAL(12, 2))) >= 500
