SELECT customer_id FROM fifths WHERE r = 3 AND f < 4
