-- Every household of the redemptions has bought something; one that has not would be no household.
SELECT r.household_id
FROM coupon_redemptions r LEFT JOIN campaign_descriptions d ON d.campaign_id = r.campaign_id
WHERE r.redemption_date < TIMESTAMP '2018-01-01' AND r.household_id IN (SELECT household_id FROM transactions)
GROUP BY r.household_id
HAVING count(*) >= 3 AND count(*) FILTER (WHERE d.campaign_type = 'Type A') = count(*)
