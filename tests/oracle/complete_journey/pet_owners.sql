WITH food AS (
    SELECT t.household_id, p.product_category AS category
    FROM transactions t JOIN products p ON p.product_id = t.product_id
    WHERE t.transaction_timestamp < TIMESTAMP '2018-01-01'
)
SELECT household_id FROM food WHERE category = 'CAT FOOD' GROUP BY household_id HAVING count(*) >= 2
UNION
SELECT household_id FROM food WHERE starts_with(category, 'DOG FOOD') GROUP BY household_id HAVING count(*) >= 2
