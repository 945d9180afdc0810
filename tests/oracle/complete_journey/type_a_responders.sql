SELECT c.household_id
FROM campaigns c JOIN campaign_descriptions d ON d.campaign_id = c.campaign_id
WHERE d.campaign_type = 'Type A' AND c.household_id IN (SELECT household_id FROM transactions)
GROUP BY c.household_id
HAVING count(*) >= 2
INTERSECT
SELECT r.household_id
FROM coupon_redemptions r JOIN campaign_descriptions d ON d.campaign_id = r.campaign_id
WHERE d.campaign_type = 'Type A' AND r.redemption_date < TIMESTAMP '2018-01-01'
