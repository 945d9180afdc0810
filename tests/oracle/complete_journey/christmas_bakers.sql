SELECT DISTINCT household_id
FROM transactions
WHERE CAST(transaction_timestamp AS DATE) BETWEEN DATE '2017-11-20' AND DATE '2017-12-24'
  AND product_id IN (
      SELECT product_id FROM products WHERE product_category IN ('BAKING NEEDS', 'BAKING MIXES', 'FLOUR & MEALS')
  )
