SELECT household_id
FROM demographics
WHERE income NOT IN ('Under 15K', '15-24K', '25-34K', '35-49K', '50-74K')
  AND kids_count IN ('1', '2', '3+')
  AND household_id IN (SELECT household_id FROM transactions)
