-- Of lines at one instant the smallest number of the store counts.
WITH ends AS (
    SELECT household_id, store_id,
           row_number() OVER (PARTITION BY household_id ORDER BY transaction_timestamp, store_id) AS from_first,
           row_number() OVER (PARTITION BY household_id ORDER BY transaction_timestamp DESC, store_id) AS from_last
    FROM transactions
    WHERE transaction_timestamp < TIMESTAMP '2018-01-01'
)
SELECT household_id FROM ends
GROUP BY household_id
HAVING count(DISTINCT store_id) = 2
   AND max(store_id) FILTER (WHERE from_first = 1) <> max(store_id) FILTER (WHERE from_last = 1)
