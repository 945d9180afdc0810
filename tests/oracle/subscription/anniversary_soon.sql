-- From 30 June to 14 July. Nobody who has subscribed today has an anniversary.
SELECT reader_id FROM known GROUP BY reader_id
HAVING count(*) > count(ended_at) AND strftime(min(started_at), '%m-%d') BETWEEN '06-30' AND '07-14'
   AND min(started_at) < TIMESTAMP '2024-06-29 00:00:00'
