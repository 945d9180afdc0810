-- Who is new is never to be won back.
SELECT household_id FROM newcomers
