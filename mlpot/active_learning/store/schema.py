"""Tables of the store, version 4. Times are seconds since 1970; arrays are little-endian bytes, float64 or int64."""

APPLICATION_ID = 0x6D6C7041
SCHEMA_VERSION = 4

SCHEMA = """
CREATE TABLE structures (
    id TEXT PRIMARY KEY,              -- hash of the canonical structure
    formula TEXT NOT NULL,
    n_atoms INTEGER NOT NULL,
    numbers BLOB NOT NULL,
    positions BLOB NOT NULL,          -- (n_atoms, 3), A
    cell BLOB NOT NULL,               -- (3, 3), A
    pbc INTEGER NOT NULL,             -- bit 0: x, 1: y, 2: z
    magmoms BLOB,
    charges BLOB,
    origin TEXT NOT NULL,             -- JSON: how it was made
    created REAL NOT NULL
);
CREATE TABLE settings (
    id TEXT PRIMARY KEY,              -- hash of the content
    content TEXT NOT NULL,            -- JSON: code and parameters
    halted TEXT,                      -- why no more labels are computed with it
    halt_kind TEXT CHECK (halt_kind IN ('check', 'unusable', 'failures')),
    created REAL NOT NULL
);
CREATE TABLE sessions (               -- processes that hand out jobs
    id INTEGER PRIMARY KEY,
    host TEXT NOT NULL,
    boot TEXT NOT NULL,
    pid INTEGER NOT NULL,
    started INTEGER NOT NULL,
    heartbeat REAL NOT NULL,
    began REAL NOT NULL,
    ended REAL
);
CREATE TABLE jobs (
    id TEXT PRIMARY KEY,              -- hash of structure and settings
    structure_id TEXT NOT NULL REFERENCES structures (id),
    settings_id TEXT NOT NULL REFERENCES settings (id),
    state TEXT NOT NULL CHECK (state IN ('waiting', 'running', 'done', 'failed')),
    session_id INTEGER REFERENCES sessions (id),
    priority REAL NOT NULL,
    iteration INTEGER NOT NULL,
    runs INTEGER NOT NULL,            -- number of starts
    restarts INTEGER NOT NULL,        -- number of times that its worker died
    reason TEXT,                      -- why it failed
    created REAL NOT NULL,
    changed REAL NOT NULL,
    UNIQUE (structure_id, settings_id),
    CHECK ((state = 'running') = (session_id IS NOT NULL))
);
CREATE INDEX jobs_by_state ON jobs (settings_id, state, priority);
CREATE TABLE runs (                   -- starts of jobs
    job_id TEXT NOT NULL REFERENCES jobs (id),
    run INTEGER NOT NULL,
    session_id INTEGER NOT NULL REFERENCES sessions (id),
    began REAL NOT NULL,
    ended REAL,
    seconds REAL,                     -- of computing
    outcome TEXT,
    reason TEXT,
    PRIMARY KEY (job_id, run)
);
CREATE TABLE labels (
    job_id TEXT PRIMARY KEY REFERENCES jobs (id),
    sequence INTEGER NOT NULL UNIQUE, -- order in which they came in
    energy REAL NOT NULL,             -- eV
    energy_kind TEXT NOT NULL CHECK (energy_kind IN ('free_energy', 'energy')),
    forces BLOB NOT NULL,             -- (n_atoms, 3), eV/A
    stress BLOB,                      -- (3, 3), eV/A^3
    attempt INTEGER NOT NULL,         -- 0: parameters as given, n: n-th fallback settings
    seconds REAL NOT NULL,
    host TEXT NOT NULL,
    code_version TEXT NOT NULL,
    raw_file TEXT,                    -- name in the folder of raw outputs
    raw_sha256 TEXT,
    sha256 TEXT NOT NULL,             -- of the label, see `identity.label_hash`
    created REAL NOT NULL
);
CREATE TABLE checks (                 -- the reference structure computed again
    id INTEGER PRIMARY KEY,
    job_id TEXT NOT NULL REFERENCES labels (job_id),
    n_labels INTEGER NOT NULL,
    difference REAL NOT NULL,         -- eV per atom
    passed INTEGER NOT NULL,
    created REAL NOT NULL
);
CREATE TABLE models (
    id TEXT PRIMARY KEY,              -- SHA-256 of the file
    path TEXT NOT NULL,
    iteration INTEGER NOT NULL,
    metrics TEXT NOT NULL,            -- JSON
    created REAL NOT NULL
);
CREATE TABLE model_labels (           -- what each model was trained on
    model_id TEXT NOT NULL REFERENCES models (id),
    job_id TEXT NOT NULL REFERENCES labels (job_id),
    PRIMARY KEY (model_id, job_id)
);
CREATE TABLE selections (
    id INTEGER PRIMARY KEY,
    structure_id TEXT NOT NULL REFERENCES structures (id),
    model_id TEXT REFERENCES models (id),
    iteration INTEGER NOT NULL,
    chosen INTEGER NOT NULL,          -- 0: refused, kept as a warning
    reason TEXT NOT NULL,
    details TEXT NOT NULL,            -- JSON
    created REAL NOT NULL
);
CREATE TABLE steps (                  -- of the loop: one that is over is not repeated
    iteration INTEGER NOT NULL,
    name TEXT NOT NULL CHECK (name IN ('explore', 'select', 'label', 'learn')),
    number INTEGER NOT NULL,          -- of the trajectory for explore, else 0
    began REAL NOT NULL,              -- first start
    ended REAL,
    seconds REAL,                     -- of the start that finished it
    result TEXT,                      -- JSON
    PRIMARY KEY (iteration, name, number)
);
CREATE TABLE events (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    job_id TEXT REFERENCES jobs (id),
    message TEXT NOT NULL,
    created REAL NOT NULL
)
"""
