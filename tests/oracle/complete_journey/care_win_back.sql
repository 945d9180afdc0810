SELECT household_id FROM won_back
