-- The instant is the first of a month, so that the months are those of the calendar, July to December.
SELECT household_id
FROM (
    SELECT household_id, date_trunc('month', transaction_timestamp) AS month
    FROM transactions
    WHERE transaction_timestamp >= TIMESTAMP '2017-07-01' AND transaction_timestamp < TIMESTAMP '2018-01-01'
    GROUP BY ALL
    HAVING count(*) >= 100
)
GROUP BY household_id
HAVING count(*) = 6
