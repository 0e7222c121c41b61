-- Payments of the merchant `bench` up to @COUNT@: the newest 10,000 within the last day, the others within a year.
-- Ids carry their moment, as those that the gateway makes do.
CREATE OR REPLACE FUNCTION pg_temp.crockford(value bigint, size integer) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT string_agg(substr('0123456789ABCDEFGHJKMNPQRSTVWXYZ', (value >> (5 * (size - 1 - place)) & 31)::integer + 1, 1), ''
                      ORDER BY place)
    FROM generate_series(0, size - 1) AS place
$$;

-- One moment for each 16 payments or so.
CREATE TEMPORARY TABLE moments AS
SELECT slot, at, pg_temp.crockford((extract(epoch FROM at) * 1000)::bigint, 10) AS prefix
FROM (
    SELECT slot, now() - interval '10 seconds' - CASE
        WHEN slot < 625 THEN slot * interval '2 minutes'
        ELSE interval '1 day' + (slot - 625) * (interval '364 days' / greatest(1, @COUNT@ / 16 - 625))
    END AS at
    FROM generate_series(0, @COUNT@ / 16) AS slot
) AS slots;
CREATE UNIQUE INDEX ON moments (slot);
ANALYZE moments;

SET synchronous_commit = off;
-- The moments fit into memory, so that the rows come in the order of their numbers, the oldest first, and need no sorting.
SET work_mem = '512MB';
INSERT INTO payments (id, merchant_id, connection_id, channel, key1, key2, number, account, amount_minor, currency, exponent,
    fee_minor, currency_text, service, status, reason, answer, booked_text, booked_at, booking_suspect, extras, received_at, created_at)
SELECT 'pay_' || moments.prefix || lpad(number::text, 16, '0'), merchants.id, connections.id, 'terminal',
    (700000000000000000 + number)::text, '', 1000000000 + number, '4' || lpad((number * 7919 % 1000000000)::text, 9, '0'),
    1045 + number % 100000, 'RUB', 2, NULL, 'RUB', NULL,
    CASE WHEN number % 20 = 0 THEN 'declined' ELSE 'succeeded' END, CASE WHEN number % 20 = 0 THEN 'account_not_found' END,
    '<?xml version="1.0" encoding="UTF-8"?><response><osmp_txn_id>' || (700000000000000000 + number) ||
        '</osmp_txn_id><prv_txn>' || (1000000000 + number) || '</prv_txn><sum>10.45</sum><ccy>RUB</ccy><result>0</result></response>',
    to_char(moments.at, 'YYYYMMDDHH24MISS'), moments.at, false, '{}', moments.at, moments.at
FROM generate_series(@COUNT@::bigint - 1, @FROM@, -1) AS number JOIN moments ON moments.slot = number / 16, merchants
JOIN connections ON connections.merchant_id = merchants.id AND connections.slug = 'terminal'
WHERE merchants.slug = 'bench';
