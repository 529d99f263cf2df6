-- Asynchronous columns.  Background workers are tested by TAP; here sessions do the work.
\getenv golden TFM_GOLDEN
\set model :golden /sentence/mean
SELECT tfm_load_model('embedder', :'model');
SET tfm.job_workers = 0;
CREATE VIEW state AS SELECT job, state, backlog, taken, retried, set_aside, done, failed, stale, sqlstate, error FROM tfm_stat_jobs ORDER BY job;

-- Existing rows are queued, and embedded
CREATE TABLE docs (id int PRIMARY KEY, body text, title text, embedding tfm_vector);
INSERT INTO docs SELECT i, 'text ' || i, 'title' FROM generate_series(1, 300) i;
INSERT INTO docs VALUES (301, 'has one', 't', '[1]'), (302, NULL, 't', NULL);
SELECT tfm_create_embedding_job('docs', 'body', 'embedding', 'embedder');
SELECT * FROM state;
CALL tfm_run_embedding_job('docs_embedding');
SELECT * FROM state;
SELECT count(*), count(embedding), count(*) FILTER (WHERE embedding = tfm_embed('embedder', body)) AS right FROM docs;

-- What changes is queued once, what does not is not
INSERT INTO docs SELECT i, 'more ' || i FROM generate_series(1001, 1010) i;
UPDATE docs SET title = 'other';
UPDATE docs SET body = body;
SELECT backlog FROM state;
UPDATE docs SET body = body || '!' WHERE id <= 2;
UPDATE docs SET body = body || '!' WHERE id <= 2;
UPDATE docs SET body = NULL WHERE id = 3;
UPDATE docs SET id = 2004 WHERE id = 4;
DELETE FROM docs WHERE id = 1001;
INSERT INTO docs VALUES (5, 'again') ON CONFLICT (id) DO UPDATE SET body = excluded.body;
BEGIN;
UPDATE docs SET body = 'rolled back' WHERE id = 100;
ROLLBACK;
SELECT key, version FROM tfm_job_queue ORDER BY key[1]::int;
CALL tfm_run_embedding_job('docs_embedding');
SELECT * FROM state;
SELECT id FROM docs WHERE embedding IS DISTINCT FROM tfm_embed('embedder', body);
SELECT id, embedding IS NULL AS null FROM docs WHERE id IN (3, 302) ORDER BY 1;
BEGIN;
CALL tfm_run_embedding_job('docs_embedding');
ROLLBACK;

-- A row that changes while a runner has taken it stays in the queue; what a dead one had taken is free
INSERT INTO docs VALUES (3001, 'taken'), (3002, 'taken');
UPDATE tfm_job_queue SET taken_by = 42;
SELECT state, taken FROM state;
UPDATE docs SET body = 'changed' WHERE id = 3001;
SELECT key, version, taken_by FROM tfm_job_queue ORDER BY key;
CALL tfm_run_embedding_job('docs_embedding');
SELECT state, backlog FROM state;
SELECT embedding = tfm_embed('embedder', 'changed') AS changed FROM docs WHERE id = 3001;

-- Without one of its triggers it does not go on as if it saw everything
DROP TRIGGER tfm_job_1_insert ON docs;
CALL tfm_run_embedding_job('docs_embedding');
SELECT state, sqlstate, error FROM state;
SELECT tfm_resume_embedding_job('docs_embedding');
SELECT state FROM state;
SELECT tgname, tgenabled FROM pg_trigger WHERE tgrelid = 'docs'::regclass ORDER BY 1;

-- A trigger of the table that changes the text, or other rows, while the embedding is written
CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.body = 'to change' THEN
		NEW.body := 'has changed';
		UPDATE public.docs SET body = 'by the way' WHERE id = 3001;
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER meddle BEFORE UPDATE OF embedding ON docs FOR EACH ROW EXECUTE FUNCTION meddle();
INSERT INTO docs VALUES (3003, 'to change');
CALL tfm_run_embedding_job('docs_embedding', batches => 1);
SELECT key FROM tfm_job_queue ORDER BY key;
UPDATE tfm_job_queue SET due = now();
CALL tfm_run_embedding_job('docs_embedding');
SELECT id, body, embedding = tfm_embed('embedder', body) AS right FROM docs WHERE id > 3000 ORDER BY id;
DROP TRIGGER meddle ON docs;
DROP FUNCTION meddle;

-- Pause, resume, truncate
SELECT tfm_pause_embedding_job('docs_embedding');
UPDATE docs SET body = 'paused' WHERE id = 7;
CALL tfm_run_embedding_job('docs_embedding');
SELECT * FROM state;
SELECT tfm_resume_embedding_job('docs_embedding');
CALL tfm_run_embedding_job('docs_embedding', batches => 1);
SELECT * FROM state;
UPDATE docs SET body = 'truncated' WHERE id = 7;
SET work_mem = '64kB';
INSERT INTO docs SELECT i, 'many' FROM generate_series(10001, 35000) i;
UPDATE docs SET body = body || CASE WHEN id % 2 = 0 THEN '!' ELSE '' END WHERE id > 10000;
RESET work_mem;
SELECT count(*) FROM tfm_job_queue;
TRUNCATE docs;
SELECT * FROM state;

-- Rows that cannot be written are found by halving, tried again, and set aside
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
	$$ BEGIN IF NEW.body = 'poison' AND NEW.embedding IS NOT NULL THEN RAISE 'no % here', NEW.id; END IF; RETURN NEW; END $$;
CREATE TRIGGER refuse BEFORE UPDATE ON docs FOR EACH ROW EXECUTE FUNCTION refuse();
INSERT INTO docs SELECT i, CASE WHEN i IN (17, 250) THEN 'poison' ELSE 'text ' || i END FROM generate_series(1, 300) i;
SELECT tfm_alter_embedding_job('docs_embedding', max_attempts => 1, batch_size => 100);
CALL tfm_run_embedding_job('docs_embedding');
SELECT * FROM state;
SELECT job, relation, key, attempts, set_aside, sqlstate, error, failed_at IS NOT NULL AS failed_at, retry_at FROM tfm_job_errors ORDER BY key[1]::int;
SELECT count(*) FROM docs WHERE embedding IS NULL;
UPDATE docs SET body = 'harmless' WHERE id = 17;
SELECT * FROM state;
DROP TRIGGER refuse ON docs;
SELECT tfm_retry_embedding_job('docs_embedding');
CALL tfm_run_embedding_job('docs_embedding');
SELECT * FROM state;

-- A job as a whole that cannot work says so, and goes on when it can
SELECT tfm_drop_model('embedder');
INSERT INTO docs VALUES (400, 'a'), (401, 'b');
CALL tfm_run_embedding_job('docs_embedding');
SELECT * FROM state;
SELECT tfm_load_model('embedder', :'model');
CALL tfm_run_embedding_job('docs_embedding');
SELECT * FROM state;
ALTER TABLE docs RENAME body TO words;
UPDATE docs SET words = 'renamed' WHERE id = 400;
CALL tfm_run_embedding_job('docs_embedding');
SELECT * FROM state;
SELECT tfm_alter_embedding_job('docs_embedding', source => 'words', rename_to => 'words');
CALL tfm_run_embedding_job('words');
SELECT * FROM state;

-- Options; what depends on them is computed again
SELECT tfm_alter_embedding_job('words', dimensions => 4, "normalize" => true, pooling => 'cls');
SELECT state FROM state;
CALL tfm_run_embedding_job('words');
SELECT count(*) FROM docs WHERE embedding IS DISTINCT FROM tfm_embed('embedder', words, pooling => 'cls', "normalize" => true, dimensions => 4);
SELECT tfm_alter_embedding_job('words', dimensions => 0, pooling => '');
CALL tfm_run_embedding_job('words');
SELECT count(*) FROM docs WHERE embedding IS DISTINCT FROM tfm_embed('embedder', words, "normalize" => true);

-- Another content of the model is seen; only what is stale is computed again

ALTER SERVER embedder OPTIONS (ADD dtype 'bf16');
SELECT stale FROM state;
UPDATE docs SET words = 'fresh' WHERE id <= 10;
CALL tfm_run_embedding_job('words');
SELECT stale, done AS before FROM state \gset
SELECT :'stale' AS stale;
SELECT tfm_reembed('words', only_stale => true);
CALL tfm_run_embedding_job('words');
SELECT stale, done - :before AS done FROM state;
SELECT tfm_reembed('words');
CALL tfm_run_embedding_job('words');
SELECT stale, done - :before AS done, (SELECT count(*) FROM docs) AS rows FROM state;
ALTER SERVER embedder OPTIONS (DROP dtype);
SELECT tfm_drop_embedding_job('words');
SELECT tgname FROM pg_trigger WHERE tgrelid = 'docs'::regclass;
SELECT (SELECT count(*) FROM tfm_job) AS jobs, (SELECT count(*) FROM tfm_job_queue) AS queued, (SELECT count(*) FROM tfm_job_made) AS made,
	(SELECT count(*) FROM tfm_job_progress) AS progress;
DROP TABLE docs;

-- A table of chunks, with a key of two columns and names that need quotes
CREATE TABLE "My docs" ("Id" int, "la'ng" varchar(10), "the body" varchar, UNIQUE ("Id", "la'ng"));
SELECT tfm_create_embedding_job('"My docs"', 'the body', 'my chunks', 'embedder', job => 'x', chunk => 16, overlap => 4);
ALTER TABLE "My docs" ALTER "Id" SET NOT NULL, ALTER "la'ng" SET NOT NULL;
SELECT tfm_create_embedding_job('"My docs"', 'the body', 'my chunks', 'embedder', job => 'x', chunk => 16, overlap => 4);
INSERT INTO "My docs" SELECT i, E'{"e\\n', repeat('The cat sat on the mat. ', i) FROM generate_series(0, 5) i;
INSERT INTO "My docs" VALUES (6, 'NULL', NULL), (7, '', 'A short one.');
CALL tfm_run_embedding_job('x');
SELECT * FROM state;
CREATE VIEW chunks AS SELECT count(*), bool_and(c = row(d."Id", d."la'ng", k.chunk, k.content, k.start, k."end", tfm_embed('embedder', k.content))) AS right
	FROM "My docs" d CROSS JOIN LATERAL tfm_chunk('embedder', d."the body", 16, 4) k
		FULL JOIN "my chunks" c ON c."Id" = d."Id" AND c."la'ng" = d."la'ng" AND c.chunk = k.chunk;
SELECT * FROM chunks;
UPDATE "My docs" SET "the body" = 'Short.' WHERE "Id" = 5;
DELETE FROM "My docs" WHERE "Id" = 4;
UPDATE "My docs" SET "Id" = 33 WHERE "Id" = 3;
CALL tfm_run_embedding_job('x');
SELECT * FROM state;
SELECT * FROM chunks;
SELECT tfm_alter_embedding_job('x', chunk => 12, overlap => 0);
CALL tfm_run_embedding_job('x');
SELECT count(*), max(chunk) FROM "my chunks";
TRUNCATE "My docs";
SELECT count(*) FROM "my chunks";
DROP VIEW chunks;
SELECT tfm_drop_embedding_job('x', drop_chunks => true);
SELECT to_regclass('"my chunks"');
DROP TABLE "My docs";

-- Partitions: whichever table is named, also one that comes later
CREATE TABLE parts (id int PRIMARY KEY, body text, embedding tfm_vector) PARTITION BY RANGE (id);
CREATE TABLE parts1 PARTITION OF parts FOR VALUES FROM (0) TO (100) PARTITION BY RANGE (id);
CREATE TABLE parts11 PARTITION OF parts1 FOR VALUES FROM (0) TO (50);
SELECT tfm_create_embedding_job('parts', 'body', 'embedding', 'embedder');
CREATE TABLE parts12 PARTITION OF parts1 FOR VALUES FROM (50) TO (100);
CREATE TABLE parts2 (embedding tfm_vector, body text, dropped int, id int NOT NULL);
ALTER TABLE parts2 DROP dropped;
INSERT INTO parts2 (id, body) SELECT i, 'part ' || i FROM generate_series(100, 109) i;
ALTER TABLE parts ATTACH PARTITION parts2 FOR VALUES FROM (100) TO (200);
INSERT INTO parts SELECT i, 'part ' || i FROM generate_series(0, 99, 10) i;
INSERT INTO parts1 VALUES (1, 'by parts1');
INSERT INTO parts12 VALUES (51, 'direct');
CALL tfm_run_embedding_job('parts_embedding');
SELECT * FROM state;
UPDATE parts2 SET body = 'direct' WHERE id = 105;
UPDATE parts SET id = 150, body = 'moved' WHERE id = 10;
DELETE FROM parts11 WHERE id = 1;
SET session_replication_role = replica;
INSERT INTO parts VALUES (160, 'applied');
UPDATE parts2 SET body = 'applied' WHERE id = 106;
UPDATE parts2 SET body = body WHERE id = 107;
RESET session_replication_role;
SELECT key FROM tfm_job_queue ORDER BY key[1]::int;
CALL tfm_run_embedding_job('parts_embedding');
SELECT tableoid::regclass, count(*), bool_and(embedding = tfm_embed('embedder', body)) AS right FROM parts GROUP BY 1 ORDER BY 1;
ALTER TABLE parts DETACH PARTITION parts2;
INSERT INTO parts2 (id, body) VALUES (199, 'detached');
SELECT backlog FROM state;
ALTER TABLE parts DROP body;
SELECT * FROM state;
SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'tfm_job%';
DROP TABLE parts, parts2;

-- Types of keys, sources and destinations
CREATE TABLE typed (at timestamptz, "on" date, b bool, n numeric, bytes bytea, source varchar(20), destination real[], PRIMARY KEY (at, "on", b, n, bytes));
SET timezone = 'America/New_York';
SET datestyle = 'German';
INSERT INTO typed VALUES ('2020-02-29 12:00:00.123456+00', '2020-02-29', true, 1.50, '\x00ff', 'hello'), ('infinity', '-infinity', false, 'NaN', '', 'you');
SELECT tfm_create_embedding_job('typed', 'source', 'destination', 'embedder');
CALL tfm_run_embedding_job('typed_destination');
UPDATE typed SET source = source || '!';
SELECT key FROM tfm_job_queue ORDER BY key;
CALL tfm_run_embedding_job('typed_destination');
SELECT bool_and(destination = tfm_embed('embedder', source)::real[]) AS right FROM typed;
RESET timezone;
RESET datestyle;
DROP TABLE typed;

-- Who may do what
CREATE ROLE regress_jobs_owner;
CREATE ROLE regress_jobs_writer;
CREATE SCHEMA owned AUTHORIZATION regress_jobs_owner;
SET ROLE regress_jobs_owner;
CREATE TABLE owned.docs (id int PRIMARY KEY, body text, embedding tfm_vector, who text);
GRANT USAGE ON SCHEMA owned TO regress_jobs_writer;
GRANT SELECT, INSERT, UPDATE ON owned.docs TO regress_jobs_writer;
SELECT tfm_create_embedding_job('owned.docs', 'body', 'embedding', 'embedder');
RESET ROLE;
GRANT USAGE ON FOREIGN SERVER embedder TO regress_jobs_owner;
SET ROLE regress_jobs_writer;
SELECT tfm_create_embedding_job('owned.docs', 'body', 'embedding', 'embedder');
SET ROLE regress_jobs_owner;
SELECT tfm_create_embedding_job('owned.docs', 'body', 'embedding', 'embedder');
SELECT count(*) FROM tfm_job;
-- triggers of the table run as its owner, whoever runs the job, and cannot become anybody else
CREATE FUNCTION owned.tell() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	NEW.who := current_user || ' ' || current_setting('search_path');
	BEGIN
		RESET ROLE;
	EXCEPTION WHEN OTHERS THEN
		NEW.who := NEW.who || ' ' || SQLSTATE;
	END;
	RETURN NEW;
END $$;
CREATE TRIGGER tell BEFORE UPDATE ON owned.docs FOR EACH ROW EXECUTE FUNCTION owned.tell();
SET ROLE regress_jobs_writer;
INSERT INTO owned.docs VALUES (1, 'one');
SELECT count(*) FROM tfm_stat_jobs;
SELECT tfm_pause_embedding_job('docs_embedding');
CALL tfm_run_embedding_job('docs_embedding');
RESET ROLE;
CALL tfm_run_embedding_job('docs_embedding');
SELECT id, who, embedding = tfm_embed('embedder', body) AS right FROM owned.docs;
SELECT current_user = session_user AS same, current_setting('search_path') AS search_path;
-- the owner loses the model
REVOKE USAGE ON FOREIGN SERVER embedder FROM regress_jobs_owner;
INSERT INTO owned.docs VALUES (2, 'two');
CALL tfm_run_embedding_job('docs_embedding');
SELECT * FROM state;
DROP SCHEMA owned CASCADE;
SELECT * FROM state;
DROP ROLE regress_jobs_owner, regress_jobs_writer;

-- What cannot be
CREATE TABLE wrong (id int, body text, number int, embedding tfm_vector, twice tfm_vector GENERATED ALWAYS AS (embedding) STORED);
SELECT tfm_create_embedding_job('wrong', 'body', 'embedding', 'embedder');
ALTER TABLE wrong ADD PRIMARY KEY (id);
SELECT tfm_create_embedding_job('wrong', 'no', 'embedding', 'embedder');
SELECT tfm_create_embedding_job('wrong', 'number', 'embedding', 'embedder');
SELECT tfm_create_embedding_job('wrong', 'body', 'no', 'embedder');
SELECT tfm_create_embedding_job('wrong', 'body', 'number', 'embedder');
SELECT tfm_create_embedding_job('wrong', 'body', 'twice', 'embedder');
SELECT tfm_create_embedding_job('wrong', 'body', 'embedding', 'no such model');
ALTER TABLE wrong ADD three tfm_vector(3);
SELECT tfm_create_embedding_job('wrong', 'body', 'three', 'embedder');
SELECT tfm_create_embedding_job('wrong', 'body', 'three', 'embedder', dimensions => 17);
SELECT tfm_create_embedding_job('wrong', 'body', 'three', 'embedder', dimensions => 3, job => 'three');
SELECT tfm_alter_embedding_job('three', dimensions => 4);
SELECT tfm_drop_embedding_job('three');
SELECT tfm_create_embedding_job('wrong', 'body', 'c', 'embedder', chunk => 1);
SELECT tfm_create_embedding_job('wrong', 'body', 'embedding', NULL);
SELECT tfm_create_embedding_job('wrong', 'body', 'embedding', 'embedder', batch_size => 0);
SELECT tfm_create_embedding_job('wrong', 'body', 'embedding', 'embedder', fill => 'some');
SELECT tfm_create_embedding_job('wrong', 'body', 'c', 'embedder', chunk => 8, overlap => 8);
SELECT tfm_create_embedding_job('wrong', 'body', 'wrong', 'embedder', chunk => 8);
SELECT tfm_create_embedding_job('tfm_models', 'path', 'name', 'embedder');
CREATE TEMP TABLE passing (id int PRIMARY KEY, body text, embedding tfm_vector);
SELECT tfm_create_embedding_job('passing', 'body', 'embedding', 'embedder');
SELECT tfm_create_embedding_job('wrong', 'body', 'embedding', 'embedder', job => 'one');
SELECT tfm_create_embedding_job('wrong', 'body', 'embedding', 'embedder', job => 'one');
SELECT tfm_alter_embedding_job('one', chunk => 8);
SELECT tfm_alter_embedding_job('one', model => 'no such model');
SELECT tfm_drop_embedding_job('two');
CALL tfm_run_embedding_job('two');
CALL tfm_run_embedding_job(NULL);
DROP TABLE wrong;
SELECT tfm_job_trigger();
DROP VIEW state;
DROP FUNCTION refuse;
SELECT tfm_drop_model('embedder');
