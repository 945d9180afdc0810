-- Without a division: five times the one is at least twice the other. Products that the table of products
-- does not know count for the whole, not for the part; who spent nothing has no share.
SELECT t.household_id
FROM transactions t LEFT JOIN products p ON p.product_id = t.product_id
WHERE t.transaction_timestamp < TIMESTAMP '2018-01-01'
GROUP BY t.household_id
HAVING sum(CAST(t.sales_value AS DECIMAL(12, 2))) > 0
   AND 5 * coalesce(sum(CASE WHEN p.brand = 'Private' THEN CAST(t.sales_value AS DECIMAL(12, 2)) END), 0)
       >= 2 * sum(CAST(t.sales_value AS DECIMAL(12, 2)))
