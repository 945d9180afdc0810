SELECT household_id FROM letter
