SELECT customer_id FROM customers WHERE country = 'DE' ORDER BY created_at DESC NULLS LAST, customer_id LIMIT 50
