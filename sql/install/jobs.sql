-- Asynchronous columns: jobs that keep embeddings of a column's texts, computed by background workers.
--
-- The tables belong to the extension's owner; others see them through the views.  They are dumped with
-- the database, so that jobs and what they have still to do survive a restore.

CREATE SEQUENCE tfm_job_ids AS integer;
COMMENT ON SEQUENCE tfm_job_ids IS 'numbers of embedding jobs';

CREATE TABLE tfm_job (
	id integer PRIMARY KEY DEFAULT pg_catalog.nextval('tfm_job_ids'),
	job name NOT NULL UNIQUE,
	relation regclass NOT NULL,
	key name[] NOT NULL,
	source name NOT NULL,
	destination name NOT NULL,
	chunk_table regclass,
	model text NOT NULL,
	chunk integer,
	overlap integer NOT NULL,
	pooling text,
	"normalize" boolean,
	dimensions integer,
	prompt text,
	batch_size integer NOT NULL,
	max_attempts integer NOT NULL,
	paused boolean NOT NULL DEFAULT false,
	fill text CHECK (fill IN ('missing', 'all', 'stale')),
	filled text[],
	made_with text
);
COMMENT ON TABLE tfm_job IS 'embedding jobs; see the view tfm_stat_jobs';
COMMENT ON COLUMN tfm_job.key IS 'columns of a unique key of the relation';
COMMENT ON COLUMN tfm_job.destination IS 'column of the embeddings, in the relation or in the table of chunks';
COMMENT ON COLUMN tfm_job.fill IS 'which existing rows are being queued; NULL: all are';
COMMENT ON COLUMN tfm_job.filled IS 'key of the last existing row that was queued';
COMMENT ON COLUMN tfm_job.made_with IS 'what the model was for all embeddings that tfm_job_made does not tell of';

CREATE TABLE tfm_job_queue (
	job integer NOT NULL,
	key text[] NOT NULL,
	version bigint NOT NULL DEFAULT 1,
	queued timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	due timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	taken_by bigint,
	attempts integer NOT NULL DEFAULT 0,
	set_aside boolean NOT NULL DEFAULT false,
	sqlstate text,
	error text,
	failed_at timestamptz,
	PRIMARY KEY (job, key)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
CREATE INDEX tfm_job_queue_due ON tfm_job_queue (job, due) WHERE taken_by IS NULL AND NOT set_aside;
CREATE INDEX tfm_job_queue_taken ON tfm_job_queue (taken_by) WHERE taken_by IS NOT NULL;
COMMENT ON TABLE tfm_job_queue IS 'rows whose embeddings are to be computed';
COMMENT ON COLUMN tfm_job_queue.key IS 'values of the job''s key columns in their text form';
COMMENT ON COLUMN tfm_job_queue.version IS 'counts the changes of a row, some of which may come while it is computed';
COMMENT ON COLUMN tfm_job_queue.due IS 'not to be tried before';
COMMENT ON COLUMN tfm_job_queue.taken_by IS 'the worker that computes it, which holds an advisory lock of this number';

CREATE TABLE tfm_job_made (
	job integer NOT NULL,
	key text[] NOT NULL,
	made_with text NOT NULL,
	PRIMARY KEY (job, key)
);
COMMENT ON TABLE tfm_job_made IS 'rows whose embeddings are of another content of the model than tfm_job.made_with';

CREATE TABLE tfm_job_progress (
	job integer PRIMARY KEY,
	done bigint NOT NULL DEFAULT 0,
	failed bigint NOT NULL DEFAULT 0,
	rate double precision,
	last_done timestamptz,
	failures integer NOT NULL DEFAULT 0,
	sqlstate text,
	error text,
	failed_at timestamptz,
	retry_at timestamptz
);
COMMENT ON TABLE tfm_job_progress IS 'what jobs have done and what keeps them from working';

SELECT pg_catalog.pg_extension_config_dump('tfm_job_ids', '');
SELECT pg_catalog.pg_extension_config_dump('tfm_job', '');
SELECT pg_catalog.pg_extension_config_dump('tfm_job_queue', '');
SELECT pg_catalog.pg_extension_config_dump('tfm_job_made', '');
SELECT pg_catalog.pg_extension_config_dump('tfm_job_progress', '');

CREATE FUNCTION tfm_create_embedding_job(relation regclass, source name, destination name, model text,
		job name DEFAULT NULL, chunk integer DEFAULT NULL, overlap integer DEFAULT 0,
		pooling text DEFAULT NULL, "normalize" boolean DEFAULT NULL, dimensions integer DEFAULT NULL,
		prompt text DEFAULT NULL, batch_size integer DEFAULT 128, max_attempts integer DEFAULT 5,
		fill text DEFAULT 'missing')
	RETURNS name AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION tfm_create_embedding_job(regclass, name, name, text, name, integer, integer, text, boolean, integer, text, integer, integer, text)
	IS 'have background workers keep a column, or with chunk a table of chunks, of embeddings current; returns the job''s name';

CREATE FUNCTION tfm_alter_embedding_job(job name, model text DEFAULT NULL, source name DEFAULT NULL,
		destination name DEFAULT NULL, chunk integer DEFAULT NULL, overlap integer DEFAULT NULL,
		pooling text DEFAULT NULL, "normalize" boolean DEFAULT NULL, dimensions integer DEFAULT NULL,
		prompt text DEFAULT NULL, batch_size integer DEFAULT NULL, max_attempts integer DEFAULT NULL,
		rename_to name DEFAULT NULL)
	RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION tfm_alter_embedding_job(name, text, name, name, integer, integer, text, boolean, integer, text, integer, integer, name)
	IS 'change a job in place; NULL leaves as it is, empty pooling or 0 dimensions are the model''s own; what depends on it is computed again';

CREATE FUNCTION tfm_pause_embedding_job(job name) RETURNS void
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION tfm_pause_embedding_job(name) IS 'stop a job; changes are queued all the same';

CREATE FUNCTION tfm_resume_embedding_job(job name) RETURNS void
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION tfm_resume_embedding_job(name) IS 'let a job that was paused, or that waits after an error, go on';

CREATE FUNCTION tfm_drop_embedding_job(job name, drop_chunks boolean DEFAULT false) RETURNS void
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION tfm_drop_embedding_job(name, boolean) IS 'drop a job; its embeddings stay, but for a table of chunks if that is to be dropped';

CREATE FUNCTION tfm_reembed(job name, only_stale boolean DEFAULT false) RETURNS void
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION tfm_reembed(name, boolean) IS 'compute all embeddings of a job again, or those that were made with another content of the model';

CREATE FUNCTION tfm_retry_embedding_job(job name) RETURNS bigint
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION tfm_retry_embedding_job(name) IS 'try the rows that failed again, those set aside too; how many they are';

CREATE PROCEDURE tfm_run_embedding_job(job name, batches integer DEFAULT NULL)
	AS 'MODULE_PATHNAME' LANGUAGE C;
COMMENT ON PROCEDURE tfm_run_embedding_job(name, integer)
	IS 'do in this session, batch by batch, what is due of a job; each batch is committed';

CREATE FUNCTION tfm_start_job_worker() RETURNS boolean
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION tfm_start_job_worker() IS 'start or wake the worker of this database''s jobs; whether one runs';

CREATE FUNCTION tfm_job_trigger() RETURNS trigger
	AS 'MODULE_PATHNAME' LANGUAGE C;
COMMENT ON FUNCTION tfm_job_trigger() IS 'queues changed rows of an embedding job';

CREATE FUNCTION tfm_job_dropped() RETURNS event_trigger
	AS 'MODULE_PATHNAME' LANGUAGE C;
COMMENT ON FUNCTION tfm_job_dropped() IS 'drops jobs with their tables and columns';
CREATE EVENT TRIGGER tfm_job_dropped ON sql_drop EXECUTE FUNCTION tfm_job_dropped();
COMMENT ON EVENT TRIGGER tfm_job_dropped IS 'drops jobs with their tables and columns';

CREATE FUNCTION tfm_job_altered() RETURNS event_trigger
	AS 'MODULE_PATHNAME' LANGUAGE C;
COMMENT ON FUNCTION tfm_job_altered() IS 'gives new partitions the triggers of their jobs';
CREATE EVENT TRIGGER tfm_job_altered ON ddl_command_end
	WHEN TAG IN ('CREATE TABLE', 'ALTER TABLE') EXECUTE FUNCTION tfm_job_altered();
COMMENT ON EVENT TRIGGER tfm_job_altered IS 'gives new partitions the triggers of their jobs';

CREATE VIEW tfm_stat_jobs WITH (security_barrier) AS
	SELECT j.job, j.relation, j.source, j.destination, j.chunk_table, j.model,
		CASE WHEN j.paused THEN 'paused' WHEN p.error IS NOT NULL THEN 'error'
			WHEN j.fill IS NOT NULL THEN 'filling' WHEN q.taken > 0 THEN 'working'
			WHEN q.backlog > 0 THEN 'waiting' ELSE 'idle' END AS state,
		q.backlog, q.taken, q.retried, q.set_aside, q.oldest,
		coalesce(p.done, 0) AS done, coalesce(p.failed, 0) AS failed, p.rate, p.last_done,
		coalesce(j.made_with <> m.made_with, false) AS stale,
		p.sqlstate, p.error, p.failed_at, p.retry_at, pg_catalog.pg_get_userbyid(c.relowner) AS owner
	FROM tfm_job j
		LEFT JOIN pg_catalog.pg_class c ON c.oid = j.relation::pg_catalog.oid
		LEFT JOIN tfm_job_progress p ON p.job = j.id
		CROSS JOIN LATERAL (
			SELECT count(*) FILTER (WHERE NOT x.set_aside) AS backlog,
				pg_catalog.count(x.taken_by) AS taken,
				count(*) FILTER (WHERE x.attempts > 0 AND NOT x.set_aside) AS retried,
				count(*) FILTER (WHERE x.set_aside) AS set_aside,
				min(x.queued) FILTER (WHERE NOT x.set_aside) AS oldest
			FROM tfm_job_queue x WHERE x.job = j.id) q
		LEFT JOIN LATERAL (
			SELECT pg_catalog.concat_ws(' ', max(o.option_value) FILTER (WHERE o.option_name = 'content'),
				max(o.option_value) FILTER (WHERE o.option_name = 'dtype'),
				max(o.option_value) FILTER (WHERE o.option_name = 'compute')) AS made_with
			FROM pg_catalog.pg_foreign_server s
				JOIN pg_catalog.pg_foreign_data_wrapper w ON w.oid = s.srvfdw AND w.fdwname = 'tfm',
				pg_catalog.pg_options_to_table(s.srvoptions) o
			WHERE s.srvname = j.model
			HAVING count(*) > 0) m ON true
	WHERE pg_catalog.pg_has_role(c.relowner, 'USAGE') OR pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE');
GRANT SELECT ON tfm_stat_jobs TO PUBLIC;
COMMENT ON VIEW tfm_stat_jobs IS 'embedding jobs of tables that the current user owns, and how they get on';
COMMENT ON COLUMN tfm_stat_jobs.state IS 'paused, error, filling (queues existing rows), working, waiting (for a worker, or for the time of a retry) or idle';
COMMENT ON COLUMN tfm_stat_jobs.backlog IS 'rows that are queued, those being computed included';
COMMENT ON COLUMN tfm_stat_jobs.retried IS 'rows of the backlog that have failed before';
COMMENT ON COLUMN tfm_stat_jobs.set_aside IS 'rows that have failed so often that they are not tried again; see tfm_job_errors';
COMMENT ON COLUMN tfm_stat_jobs.oldest IS 'since when the oldest row of the backlog is queued';
COMMENT ON COLUMN tfm_stat_jobs.failed IS 'failed attempts at rows';
COMMENT ON COLUMN tfm_stat_jobs.rate IS 'rows a second, of the last batches';
COMMENT ON COLUMN tfm_stat_jobs.stale IS 'whether there are embeddings of another content of the model; see tfm_reembed';
COMMENT ON COLUMN tfm_stat_jobs.error IS 'what keeps the whole job from working, since failed_at; it is tried again at retry_at';

CREATE VIEW tfm_job_errors WITH (security_barrier) AS
	SELECT j.job, j.relation, q.key, q.attempts, q.set_aside, q.sqlstate, q.error, q.failed_at,
		CASE WHEN NOT q.set_aside THEN q.due END AS retry_at
	FROM tfm_job_queue q
		JOIN tfm_job j ON j.id = q.job
		JOIN pg_catalog.pg_class c ON c.oid = j.relation::pg_catalog.oid
	WHERE q.error IS NOT NULL
		AND (pg_catalog.pg_has_role(c.relowner, 'USAGE') OR pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE'));
GRANT SELECT ON tfm_job_errors TO PUBLIC;
COMMENT ON VIEW tfm_job_errors IS 'rows of embedding jobs that have failed, with their errors';
