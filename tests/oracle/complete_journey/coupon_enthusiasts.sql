SELECT household_id
FROM coupon_redemptions
WHERE redemption_date >= TIMESTAMP '2017-01-01' AND redemption_date < TIMESTAMP '2018-01-01'
  AND household_id IN (SELECT household_id FROM transactions)
GROUP BY household_id
HAVING count(*) >= 5
