SELECT customer_id FROM customers WHERE bucket('holdout-2024', customer_id) < 1000
