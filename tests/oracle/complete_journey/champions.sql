SELECT household_id FROM fifths WHERE r = 5 AND f = 5
