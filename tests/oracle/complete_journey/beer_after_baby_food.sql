-- 180 days before the instant is 2017-07-05; the beer comes later than the baby food, and at most two days.
WITH bought AS (
    SELECT t.household_id, t.transaction_timestamp AS bought_at, p.product_category AS category
    FROM transactions t JOIN products p ON p.product_id = t.product_id
    WHERE t.transaction_timestamp < TIMESTAMP '2018-01-01'
)
SELECT DISTINCT food.household_id
FROM bought food JOIN bought beer ON beer.household_id = food.household_id
WHERE food.category = 'BABY FOODS' AND beer.category = 'BEERS/ALES'
  AND food.bought_at >= TIMESTAMP '2017-07-05' AND beer.bought_at > food.bought_at AND beer.bought_at <= food.bought_at + INTERVAL 2 DAY
