-- A record is stored once, whatever start its copies claim.
DELETE FROM windows WHERE rowid NOT IN (SELECT MIN(rowid) FROM windows GROUP BY device, boot, sequence);
DELETE FROM arrivals WHERE window NOT IN (SELECT key FROM windows);
CREATE UNIQUE INDEX windows_once ON windows (device, boot, sequence);

-- Retention goes by the server's clock: a board without a clock may date its windows to 1970.
ALTER TABLE arrivals ADD COLUMN received_ms INTEGER NOT NULL DEFAULT 0;
UPDATE arrivals SET received_ms = CAST(strftime('%s', 'now') AS INTEGER) * 1000;

-- Links and sessions end with the token that made them.
ALTER TABLE login_links ADD COLUMN token TEXT;
ALTER TABLE sessions ADD COLUMN token TEXT;
