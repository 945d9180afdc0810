-- Of the lines of the first instant the smallest department counts, nulls last.
SELECT household_id
FROM (
    SELECT t.household_id, p.department,
           row_number() OVER (PARTITION BY t.household_id ORDER BY t.transaction_timestamp, p.department NULLS LAST) AS place
    FROM transactions t LEFT JOIN products p ON p.product_id = t.product_id
    WHERE t.transaction_timestamp < TIMESTAMP '2018-01-01'
)
WHERE place = 1 AND department = 'FUEL'
