-- A history as version 1 of it was written, on 27 November 2026. Never changed.
PRAGMA auto_vacuum=INCREMENTAL;
PRAGMA journal_mode=WAL;
BEGIN;
CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE room(
    id INTEGER PRIMARY KEY,
    folded TEXT UNIQUE NOT NULL,
    name TEXT NOT NULL,
    topic TEXT,
    topic_id INTEGER NOT NULL DEFAULT 0,
    complete_from INTEGER NOT NULL,
    sum INTEGER NOT NULL
);
CREATE TABLE message(
    room INTEGER NOT NULL,
    id INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    sum INTEGER NOT NULL,
    sender TEXT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY(room, id)
) WITHOUT ROWID;
CREATE TABLE gap(
    room INTEGER NOT NULL,
    after INTEGER NOT NULL,
    before INTEGER NOT NULL,
    count INTEGER,
    PRIMARY KEY(room, after)
) WITHOUT ROWID;
CREATE VIEW said AS
SELECT strftime('%Y-%m-%d %H:%M:%S', (message.id >> 20) / 1000, 'unixepoch') AS at,
       room.name AS room,
       message.sender AS sender,
       message.text AS text,
       (message.id >> 20) || '-' || (message.id & 1048575) AS id
FROM message JOIN room ON room.id = message.room;
INSERT INTO room(id, folded, name, topic, topic_id, complete_from, sum)
VALUES(1, 'lobby', 'Lobby', 'tea', 4194304000002097152, 4194303999998951424, 2425660278);
INSERT INTO message(room, id, kind, sum, sender, text)
VALUES(1, 4194304000001048576, 1, 3813149433, 'ann', 'hello');
INSERT INTO message(room, id, kind, sum, sender, text)
VALUES(1, 4194304000002097152, 3, 632872731, 'cron', 'größe');
INSERT INTO message(room, id, kind, sum, sender, text)
VALUES(1, 4194304000003145728, 2, 1321935166, 'ann', 'waves');
INSERT INTO gap(room, after, before, count) VALUES(1, 4194304000001048576, 4194304000002097152, 7);
INSERT INTO meta(key, value) VALUES('clean_stop', '1');
INSERT INTO meta(key, value) VALUES('complete_from', '3999999999999-0 crc=cbe11539');
INSERT INTO meta(key, value) VALUES('journal', '000102030405060708090a0b0c0d0e0f');
INSERT INTO meta(key, value) VALUES('reserved_id', '4000000000003-0 crc=1f26d113');
INSERT INTO meta(key, value) VALUES('version', '0.1.0');
PRAGMA application_id=1667789924;
PRAGMA user_version=1;
COMMIT;
