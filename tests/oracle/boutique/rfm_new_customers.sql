SELECT customer_id FROM fifths WHERE r >= 4 AND f = 1
