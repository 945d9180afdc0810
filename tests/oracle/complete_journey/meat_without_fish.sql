SELECT t.household_id
FROM transactions t JOIN products p ON p.product_id = t.product_id
WHERE p.department IN ('MEAT', 'MEAT-PCKGD')
  AND t.transaction_timestamp >= TIMESTAMP '2017-10-03' AND t.transaction_timestamp < TIMESTAMP '2018-01-01'
EXCEPT
SELECT t.household_id
FROM transactions t JOIN products p ON p.product_id = t.product_id
WHERE starts_with(p.department, 'SEAFOOD') AND t.transaction_timestamp < TIMESTAMP '2018-01-01'
