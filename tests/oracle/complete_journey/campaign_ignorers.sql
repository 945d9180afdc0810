SELECT household_id
FROM campaigns
WHERE household_id IN (SELECT household_id FROM transactions)
  AND household_id NOT IN (SELECT household_id FROM coupon_redemptions WHERE redemption_date < TIMESTAMP '2018-01-01')
GROUP BY household_id
HAVING count(*) >= 5
