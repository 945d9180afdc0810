SELECT t.household_id
FROM transactions t JOIN products p ON p.product_id = t.product_id
WHERE p.product_category IN ('BABY FOODS', 'DIAPERS & DISPOSABLES', 'INFANT FORMULA')
  AND t.transaction_timestamp >= TIMESTAMP '2017-01-01' AND t.transaction_timestamp < TIMESTAMP '2018-01-01'
GROUP BY t.household_id
HAVING count(*) >= 3
