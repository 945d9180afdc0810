-- The first of the set: all of the segment.
(
    SELECT customer_id
    FROM past_orders
    GROUP BY customer_id
    HAVING sum(amount) >= 500
       AND count(*) FILTER (WHERE ordered_at >= TIMESTAMP '2023-07-01 00:00:00') >= 3
       AND max(ordered_at) < TIMESTAMP '2024-05-01 00:00:00'
    EXCEPT
    SELECT customer_id FROM staff_members
)
