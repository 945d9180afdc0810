SELECT household_id
FROM demographics
WHERE age IN ('19-24', '25-34')
  AND (household_size = '1' OR marital_status = 'Unmarried')
  AND home_ownership IS DISTINCT FROM 'Homeowner'
  AND household_id IN (SELECT household_id FROM transactions)
