-- What models have computed, and what sessions compute now.

CREATE FUNCTION tfm_stat_models_rows(OUT database oid, OUT model text, OUT registered boolean, OUT kind text,
		OUT calls bigint, OUT rows bigint, OUT passes bigint, OUT tokens bigint, OUT reused_tokens bigint,
		OUT generated_tokens bigint, OUT errors bigint, OUT total_time double precision, OUT max_time double precision,
		OUT peak_memory bigint, OUT image_bytes bigint, OUT stats_since timestamptz, OUT last_used timestamptz)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED ROWS 20;
COMMENT ON FUNCTION tfm_stat_models_rows() IS 'counters of models; see the view tfm_stat_models';

CREATE VIEW tfm_stat_models AS
	SELECT d.datname AS database, r.model, r.registered, r.kind, r.calls, r.rows, r.passes, r.tokens, r.reused_tokens,
		r.generated_tokens, r.errors, r.total_time, r.max_time, r.peak_memory, r.image_bytes, r.stats_since, r.last_used
	FROM tfm_stat_models_rows() r LEFT JOIN pg_catalog.pg_database d ON d.oid = r.database;
GRANT SELECT ON tfm_stat_models TO PUBLIC;
COMMENT ON VIEW tfm_stat_models IS 'what models have computed, a row for each model and kind of call';
COMMENT ON COLUMN tfm_stat_models.model IS 'name of a registered model, or the id or path that was used';
COMMENT ON COLUMN tfm_stat_models.registered IS 'whether it is a registered model';
COMMENT ON COLUMN tfm_stat_models.kind IS 'what was done: embed, generate, ...; read (a checkpoint), compile and open (an image)';
COMMENT ON COLUMN tfm_stat_models.calls IS 'calls of the engine, each over one row or a batch of them';
COMMENT ON COLUMN tfm_stat_models.rows IS 'inputs of these calls';
COMMENT ON COLUMN tfm_stat_models.passes IS 'passes through the model';
COMMENT ON COLUMN tfm_stat_models.tokens IS 'tokens in these passes';
COMMENT ON COLUMN tfm_stat_models.reused_tokens IS 'tokens of prompts that the session had already';
COMMENT ON COLUMN tfm_stat_models.generated_tokens IS 'tokens that were generated';
COMMENT ON COLUMN tfm_stat_models.errors IS 'calls that ended in an error or were cancelled';
COMMENT ON COLUMN tfm_stat_models.total_time IS 'time that the calls took, in milliseconds';
COMMENT ON COLUMN tfm_stat_models.max_time IS 'time that the longest call took, in milliseconds';
COMMENT ON COLUMN tfm_stat_models.peak_memory IS 'memory of the call that took the most, in bytes';
COMMENT ON COLUMN tfm_stat_models.image_bytes IS 'size of the compiled image, which all sessions share';
COMMENT ON COLUMN tfm_stat_models.stats_since IS 'when counting began';

CREATE FUNCTION tfm_stat_reset(model text DEFAULT NULL) RETURNS void
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL RESTRICTED;
REVOKE EXECUTE ON FUNCTION tfm_stat_reset(text) FROM PUBLIC;
COMMENT ON FUNCTION tfm_stat_reset(text) IS 'forget the counters of a model of this database, or all counters';

CREATE FUNCTION tfm_stat_activity_rows(OUT pid integer, OUT database oid, OUT "user" oid, OUT model text, OUT phase text,
		OUT kind text, OUT rows bigint, OUT rows_done bigint, OUT tokens bigint, OUT generated_tokens bigint,
		OUT bytes_total bigint, OUT bytes_done bigint, OUT started timestamptz)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED ROWS 10;
COMMENT ON FUNCTION tfm_stat_activity_rows() IS 'what backends compute; see the view tfm_stat_activity';

CREATE VIEW tfm_stat_activity AS
	SELECT r.pid, a.leader_pid, d.datname AS database, pg_catalog.pg_get_userbyid(r."user") AS "user", r.model, r.phase, r.kind,
		r.rows, r.rows_done, r.tokens, r.generated_tokens, r.bytes_total, r.bytes_done, r.started
	FROM tfm_stat_activity_rows() r
		LEFT JOIN pg_catalog.pg_database d ON d.oid = r.database
		LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = r.pid;
GRANT SELECT ON tfm_stat_activity TO PUBLIC;
COMMENT ON VIEW tfm_stat_activity IS 'what sessions compute now, a row for each that does';
COMMENT ON COLUMN tfm_stat_activity.leader_pid IS 'of a parallel worker: the process that leads it';
COMMENT ON COLUMN tfm_stat_activity.phase IS 'reading checkpoint, compiling image, opening image, waiting for worker, computing';
COMMENT ON COLUMN tfm_stat_activity.rows IS 'inputs of the call that is under way';
COMMENT ON COLUMN tfm_stat_activity.rows_done IS 'inputs of earlier calls of the same statement';
COMMENT ON COLUMN tfm_stat_activity.tokens IS 'tokens that the call has put through the model so far';
COMMENT ON COLUMN tfm_stat_activity.generated_tokens IS 'tokens that the call has generated so far';
COMMENT ON COLUMN tfm_stat_activity.bytes_total IS 'of reading or compiling: bytes of the checkpoint';
COMMENT ON COLUMN tfm_stat_activity.bytes_done IS 'of these, how many are done';
COMMENT ON COLUMN tfm_stat_activity.started IS 'when the phase began';

CREATE FUNCTION tfm_info() RETURNS TABLE (name text, value text)
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED ROWS 25;
COMMENT ON FUNCTION tfm_info() IS 'version, build, processor, threads, settings and memory';
