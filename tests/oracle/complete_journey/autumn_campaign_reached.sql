SELECT c.household_id
FROM campaigns c JOIN campaign_descriptions d ON d.campaign_id = c.campaign_id
WHERE d.start_date >= TIMESTAMP '2017-09-01'
INTERSECT
SELECT household_id
FROM transactions
WHERE transaction_timestamp >= TIMESTAMP '2017-12-02' AND transaction_timestamp < TIMESTAMP '2018-01-01'
