SELECT household_id FROM fifths WHERE r <= 2 AND f >= 3
