SELECT t.household_id
FROM transactions t JOIN products p ON p.product_id = t.product_id
WHERE p.department = 'PRODUCE'
  AND t.transaction_timestamp >= TIMESTAMP '2017-07-05' AND t.transaction_timestamp < TIMESTAMP '2018-01-01'
GROUP BY t.household_id
HAVING sum(CAST(t.sales_value AS DECIMAL(12, 2))) >= 100
