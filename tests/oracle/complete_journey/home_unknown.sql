SELECT household_id
FROM demographics
WHERE home_ownership IS NULL AND household_id IN (SELECT household_id FROM transactions)
