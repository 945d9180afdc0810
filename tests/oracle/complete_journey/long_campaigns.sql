SELECT DISTINCT c.household_id
FROM campaigns c JOIN campaign_descriptions d ON d.campaign_id = c.campaign_id
WHERE date_diff('day', d.start_date, d.end_date) > 60 AND c.household_id IN (SELECT household_id FROM transactions)
