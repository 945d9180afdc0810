-- A mean of 50 or more is a sum of 50 or more for each basket.
SELECT household_id
FROM transactions
WHERE transaction_timestamp < TIMESTAMP '2018-01-01'
GROUP BY household_id
HAVING count(DISTINCT basket_id) >= 5
   AND sum(CAST(sales_value AS DECIMAL(12, 2))) >= 50 * count(DISTINCT basket_id)
