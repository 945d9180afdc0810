SELECT customer_id FROM customers WHERE coalesce(phone, '') = ''
EXCEPT
SELECT customer_id FROM with_address
