\set n :n + 1
\set key (:run * 100 + :client_id) * 100000000 + :n
\set contract random(4000000000, 4999999999)
INSERT INTO single_row (key1, account, amount_minor, currency) VALUES (:key::text, :contract::text, 1045, 'RUB');
