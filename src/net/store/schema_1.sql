-- Version 1 of the history. What a release has written is never changed here: a new version is a
-- new file with the steps to it.
CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;
-- `complete_from`: whatever was said since this id is there, or stands in `gap`.
CREATE TABLE room(
    id INTEGER PRIMARY KEY,
    folded TEXT UNIQUE NOT NULL,
    name TEXT NOT NULL,
    topic TEXT,
    topic_id INTEGER NOT NULL DEFAULT 0,
    complete_from INTEGER NOT NULL,
    sum INTEGER NOT NULL
);
-- `id`: milliseconds since 1970 << 20 | counter. `kind`: 1 said, 2 as something done, 3 posted.
CREATE TABLE message(
    room INTEGER NOT NULL,
    id INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    sum INTEGER NOT NULL,
    sender TEXT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY(room, id)
) WITHOUT ROWID;
-- So many messages between two ids could not be kept; NULL: nobody knows how many, or whether any.
CREATE TABLE gap(
    room INTEGER NOT NULL,
    after INTEGER NOT NULL,
    before INTEGER NOT NULL,
    count INTEGER,
    PRIMARY KEY(room, after)
) WITHOUT ROWID;
-- For people: select * from said where sender = 'ann' and at >= '2026-11-26'. Times are UTC.
CREATE VIEW said AS
SELECT strftime('%Y-%m-%d %H:%M:%S', (message.id >> 20) / 1000, 'unixepoch') AS at,
       room.name AS room,
       message.sender AS sender,
       message.text AS text,
       (message.id >> 20) || '-' || (message.id & 1048575) AS id
FROM message JOIN room ON room.id = message.room;
