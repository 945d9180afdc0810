SELECT household_id FROM letter WHERE bucket('letter-2018', household_id) < 5000
