SELECT customer_id FROM customers WHERE phone <> ''
