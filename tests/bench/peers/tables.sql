-- What pgbench and PHP write into. The first five have the columns and indexes of our own tables (see migrations/),
-- so that "the same rows" costs the database the same.
CREATE TABLE payments (
    id text PRIMARY KEY, merchant_id text NOT NULL, connection_id text NOT NULL, channel text NOT NULL,
    key1 text NOT NULL, key2 text NOT NULL, number bigint NOT NULL, account text NOT NULL,
    amount_minor bigint NOT NULL, currency text NOT NULL, exponent integer NOT NULL, currency_text text, service text,
    status text NOT NULL, reason text, answer text NOT NULL, booked_text text, booked_at timestamptz,
    booking_suspect boolean NOT NULL, extras jsonb NOT NULL, received_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL, fee_minor bigint
);
CREATE UNIQUE INDEX ON payments (connection_id, key1, key2);
CREATE UNIQUE INDEX ON payments (number);
CREATE INDEX ON payments (merchant_id, id);
CREATE INDEX ON payments (merchant_id, account, id);
CREATE INDEX ON payments (connection_id, booked_at) WHERE booked_at IS NOT NULL;
CREATE INDEX ON payments (merchant_id, id) WHERE status = 'in_doubt';
CREATE INDEX ON payments (merchant_id, status, id) WHERE status NOT IN ('succeeded', 'declined');

CREATE TABLE operations (
    id text PRIMARY KEY, merchant_id text NOT NULL, payment_id text NOT NULL, kind text NOT NULL, status text NOT NULL,
    reason text, rule_revision integer, decision jsonb, created_at timestamptz NOT NULL, connection_id text,
    number bigint, amount_minor bigint, network_id text, fault jsonb, tries integer, check_at timestamptz,
    updated_at timestamptz
);
CREATE INDEX ON operations (payment_id);
CREATE INDEX ON operations (check_at) WHERE check_at IS NOT NULL;

CREATE TABLE decisions (
    id text PRIMARY KEY, merchant_id text NOT NULL, connection_id text NOT NULL, payment_id text,
    revision integer NOT NULL, handler text NOT NULL, command text NOT NULL, account text NOT NULL,
    outcome text NOT NULL, reason text, steps bigint NOT NULL, duration_us bigint NOT NULL, record text NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE INDEX ON decisions (merchant_id, id);
CREATE INDEX ON decisions (payment_id) WHERE payment_id IS NOT NULL;

CREATE TABLE events (
    id text PRIMARY KEY, merchant_id text NOT NULL, event_type text NOT NULL, payment_id text, payload jsonb NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE INDEX ON events (merchant_id, id);
CREATE INDEX ON events (payment_id) WHERE payment_id IS NOT NULL;

CREATE TABLE exchanges (
    id bigserial PRIMARY KEY, request_id text NOT NULL, merchant_id text, connection_id text, payment_id text,
    direction text NOT NULL, peer text NOT NULL, method text NOT NULL, url text NOT NULL,
    request_headers jsonb NOT NULL, request_body text NOT NULL, status integer NOT NULL, response_body text NOT NULL,
    duration_us bigint NOT NULL, created_at timestamptz NOT NULL
);
CREATE INDEX ON exchanges (merchant_id, id);
CREATE INDEX ON exchanges (payment_id) WHERE payment_id IS NOT NULL;

CREATE SEQUENCE payment_number CACHE 100;

-- The single row: the least that could be called a stored payment.
CREATE TABLE single_row (
    id bigserial PRIMARY KEY, key1 text NOT NULL, account text NOT NULL, amount_minor bigint NOT NULL,
    currency text NOT NULL, created_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX ON single_row (key1);

-- The container's two tables.
CREATE TABLE php_http_log (
    id bigserial PRIMARY KEY, ip text NOT NULL, url text NOT NULL, method text NOT NULL, headers json NOT NULL,
    body text NOT NULL, created_at timestamp NOT NULL DEFAULT now()
);
CREATE TABLE php_transaction (
    id bigserial PRIMARY KEY, account text NOT NULL, code text NOT NULL UNIQUE, sum double precision NOT NULL,
    status integer NOT NULL, created_at timestamp NOT NULL DEFAULT now()
);
