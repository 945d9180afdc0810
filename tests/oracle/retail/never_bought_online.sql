SELECT customer_id
FROM customers
WHERE optin_email AND email IS NOT NULL AND customer_id NOT IN (SELECT customer_id FROM staff_members)
  AND NOT EXISTS (
      SELECT 1 FROM past_orders o WHERE o.customer_id = customers.customer_id AND o.channel <> 'shop'
  )
