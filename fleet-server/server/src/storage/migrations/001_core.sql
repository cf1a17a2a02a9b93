-- A device's number is what windows are keyed by; it stays below 2^24.
CREATE TABLE devices (
    number INTEGER PRIMARY KEY CHECK (number BETWEEN 1 AND 16777215),
    id TEXT NOT NULL UNIQUE,
    certificate BLOB NOT NULL,          -- SHA-256 of the certificate that may connect
    words TEXT NOT NULL,                -- fingerprint words of its key
    enrolled_ms INTEGER NOT NULL,
    revoked_ms INTEGER,
    online INTEGER NOT NULL DEFAULT 0,
    last_seen_ms INTEGER,
    state_boot INTEGER,
    state_received_ms INTEGER,
    state BLOB                          -- CBOR of the latest State
) STRICT;

-- What a device should run; what the broker retains is a copy of this.
CREATE TABLE desired (
    device INTEGER PRIMARY KEY REFERENCES devices (number),
    generation INTEGER NOT NULL,
    body BLOB NOT NULL
) STRICT;

CREATE TABLE tokens (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('enrol', 'api')),
    hash BLOB NOT NULL UNIQUE,
    label TEXT NOT NULL,
    device TEXT,                        -- the only device an enrolment token is for
    uses_left INTEGER,
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER,
    revoked_ms INTEGER,
    last_used_ms INTEGER
) STRICT;

CREATE TABLE login_links (
    hash BLOB PRIMARY KEY,
    who TEXT NOT NULL,
    expires_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE sessions (
    hash BLOB PRIMARY KEY,
    who TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- key = start second * 2^24 + device number.
CREATE TABLE windows (
    key INTEGER PRIMARY KEY,
    device INTEGER NOT NULL,
    boot INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    model TEXT NOT NULL,
    body BLOB NOT NULL
) STRICT;
CREATE INDEX windows_of_device ON windows (device);

-- The order of arrival, for readers that follow along.
CREATE TABLE arrivals (
    arrival INTEGER PRIMARY KEY AUTOINCREMENT,
    window INTEGER NOT NULL
) STRICT;

-- Told by devices (boot and sequence set) and by the server about them (both null).
CREATE TABLE events (
    arrival INTEGER PRIMARY KEY AUTOINCREMENT,
    device TEXT NOT NULL,
    boot INTEGER,
    sequence INTEGER,
    at_ms INTEGER NOT NULL,
    received_ms INTEGER NOT NULL,
    code TEXT NOT NULL,
    severity TEXT NOT NULL,
    message TEXT NOT NULL,
    body BLOB,
    UNIQUE (device, boot, sequence)
) STRICT;

CREATE TABLE samples (
    arrival INTEGER PRIMARY KEY AUTOINCREMENT,
    device TEXT NOT NULL,
    boot INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    received_ms INTEGER NOT NULL,
    model TEXT NOT NULL,
    inference TEXT NOT NULL,
    body BLOB NOT NULL,
    UNIQUE (device, boot, sequence)
) STRICT;
CREATE INDEX samples_of_model ON samples (model, at_ms);

CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms INTEGER NOT NULL,
    who TEXT NOT NULL,
    what TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail TEXT NOT NULL
) STRICT;
CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;
CREATE TRIGGER audit_is_not_deleted BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;
