-- Versions of models. A version that failed its probe may be pushed again; any other is there for good.
CREATE TABLE models (
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    stage TEXT NOT NULL CHECK (stage IN ('candidate', 'release', 'rejected')),
    created_ms INTEGER NOT NULL,
    origin TEXT NOT NULL,               -- who pushed it, or which job made it
    sha256 TEXT NOT NULL,
    length INTEGER NOT NULL,
    manifest TEXT NOT NULL,             -- JSON
    probe TEXT NOT NULL,                -- JSON of the report
    card TEXT NOT NULL,
    reference BLOB,                     -- CBOR of the training distribution
    PRIMARY KEY (name, version)
) STRICT;

-- The version that the fleet runs, per model name: what new versions are measured against.
CREATE TABLE champions (
    name TEXT PRIMARY KEY,
    version TEXT NOT NULL,
    since_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE rollouts (
    id TEXT PRIMARY KEY,
    model TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    ended_ms INTEGER,
    body TEXT NOT NULL                  -- JSON: plan, phase, everything the decider needs
) STRICT;

-- Since when each device of a rollout is in its present state.
CREATE TABLE rollout_devices (
    rollout TEXT NOT NULL REFERENCES rollouts (id),
    device TEXT NOT NULL,
    state TEXT NOT NULL,
    since_ms INTEGER NOT NULL,
    PRIMARY KEY (rollout, device)
) STRICT, WITHOUT ROWID;

CREATE TABLE alerts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL,                  -- what it is about; at most one alert per key is not closed
    kind TEXT NOT NULL,
    severity TEXT NOT NULL,
    model TEXT,
    feature TEXT,
    device TEXT,
    since_ms INTEGER NOT NULL,
    last_ms INTEGER NOT NULL,
    message TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'acknowledged', 'closed'))
) STRICT;
CREATE UNIQUE INDEX alerts_one_per_key ON alerts (key) WHERE state <> 'closed';

CREATE TABLE datasets (
    id TEXT PRIMARY KEY,                -- SHA-256 of the file
    name TEXT NOT NULL,
    rows INTEGER NOT NULL,
    columns TEXT NOT NULL,              -- JSON array of names
    created_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE jobs (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'done', 'failed')),
    request TEXT NOT NULL,              -- JSON
    progress REAL NOT NULL DEFAULT 0,
    step TEXT NOT NULL DEFAULT '',
    attempts INTEGER NOT NULL DEFAULT 0,
    result TEXT,                        -- JSON
    error TEXT,
    created_ms INTEGER NOT NULL,
    ended_ms INTEGER
) STRICT;
