SELECT household_id FROM campaigns WHERE household_id IN (SELECT household_id FROM transactions)
EXCEPT
SELECT c.household_id
FROM campaigns c JOIN campaign_descriptions d ON d.campaign_id = c.campaign_id
WHERE d.campaign_type = 'Type A'
