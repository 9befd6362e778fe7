-- Version 2 of the history: bans and mutes. What a release has written is never changed here.
-- `kind`: 1 ban, 2 mute. `until`: milliseconds since 1970; NULL: for good.
CREATE TABLE ban(
    kind INTEGER NOT NULL,
    number INTEGER NOT NULL,
    name TEXT,
    net TEXT,
    until INTEGER,
    by TEXT NOT NULL,
    why TEXT,
    sum INTEGER NOT NULL,
    PRIMARY KEY(kind, number)
) WITHOUT ROWID;
