SELECT customer_id FROM customers WHERE NOT staff
EXCEPT
SELECT customer_id FROM past
