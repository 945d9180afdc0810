SELECT customer_id FROM customers
EXCEPT
SELECT customer_id FROM with_number
EXCEPT
SELECT customer_id FROM with_address
