-- The segment without those before it in the set.
(
    SELECT customer_id FROM past_orders WHERE ordered_at >= TIMESTAMP '2024-04-01 00:00:00'
    UNION
    SELECT customer_id FROM past_views WHERE viewed_at >= TIMESTAMP '2024-05-31 00:00:00' GROUP BY customer_id HAVING count(*) >= 10
)
EXCEPT
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
EXCEPT
(
    SELECT customer_id
    FROM past_orders
    GROUP BY customer_id
    HAVING count(*) FILTER (WHERE ordered_at >= TIMESTAMP '2023-07-01 00:00:00') >= 2
       AND max(ordered_at) < TIMESTAMP '2024-01-02 01:00:00'
    EXCEPT
    SELECT customer_id FROM staff_members
)
EXCEPT
(
    SELECT customer_id
    FROM past_orders
    GROUP BY customer_id
    HAVING count(*) = 1 AND min(ordered_at) >= TIMESTAMP '2024-05-01 00:00:00'
    EXCEPT
    SELECT customer_id FROM staff_members
    EXCEPT
    SELECT customer_id FROM past_tickets WHERE satisfaction <= 2 AND opened_at >= TIMESTAMP '2024-04-01 00:00:00'
    EXCEPT
    SELECT customer_id FROM past_tickets GROUP BY customer_id HAVING sum(satisfaction) < 2.5 * count(satisfaction)
)
