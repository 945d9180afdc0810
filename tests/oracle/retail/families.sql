SELECT c.customer_id
FROM customers c JOIN households h ON h.household_id = c.household_id
WHERE h.size >= 3 AND h.children >= 1
  AND c.customer_id IN (SELECT customer_id FROM past_orders WHERE category = 'children')
