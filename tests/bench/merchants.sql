-- @COUNT@ merchants like `bench`, each with its own connection and rule: `bench1`, `bench2`, …
CREATE TEMPORARY TABLE made AS
SELECT number, 'bench' || number AS slug, lpad(number::text, 26, '0') AS ulid
FROM generate_series(1, @COUNT@) AS number;

INSERT INTO merchants
SELECT (jsonb_populate_record(merchants, jsonb_build_object(
    'id', regexp_replace(merchants.id, '[^_]*$', made.ulid), 'slug', made.slug))).*
FROM merchants, made WHERE merchants.slug = 'bench';

INSERT INTO connections
SELECT (jsonb_populate_record(connections, jsonb_build_object(
    'id', regexp_replace(connections.id, '[^_]*$', made.ulid),
    'merchant_id', regexp_replace(merchants.id, '[^_]*$', made.ulid)))).*
FROM merchants JOIN connections ON connections.merchant_id = merchants.id, made WHERE merchants.slug = 'bench';

-- A number of its own in each script: no two are the same text.
INSERT INTO rule_revisions
SELECT (jsonb_populate_record(rule_revisions, jsonb_build_object(
    'merchant_id', regexp_replace(merchants.id, '[^_]*$', made.ulid),
    'source', rule_revisions.source || E'\n-- of merchant ' || made.number))).*
FROM merchants JOIN rule_revisions ON rule_revisions.merchant_id = merchants.id, made WHERE merchants.slug = 'bench';
