SELECT customer_id FROM fifths WHERE r >= 4 AND f IN (2, 3)
