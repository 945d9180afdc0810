SELECT customer_id FROM with_number
