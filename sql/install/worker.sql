-- Workers, which compute for all sessions.

CREATE FUNCTION tfm_stat_workers_rows(OUT worker integer, OUT pid integer, OUT engine_pid integer, OUT state text,
		OUT started timestamptz, OUT restarts bigint, OUT lost_calls bigint, OUT waiting bigint, OUT running bigint,
		OUT calls bigint, OUT passes bigint, OUT models bigint, OUT memory_bytes bigint)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED ROWS 1;
COMMENT ON FUNCTION tfm_stat_workers_rows() IS 'how workers stand; see the view tfm_stat_workers';

CREATE VIEW tfm_stat_workers AS
	SELECT w.worker, w.pid, w.engine_pid, w.state, w.started, w.restarts, w.lost_calls, w.waiting, w.running,
		w.calls, w.passes, w.models, w.memory_bytes
	FROM tfm_stat_workers_rows() w;
GRANT SELECT ON tfm_stat_workers TO PUBLIC;
COMMENT ON VIEW tfm_stat_workers IS 'the workers, which compute for all sessions; none unless the extension is preloaded';
COMMENT ON COLUMN tfm_stat_workers.worker IS 'its number, from 1 to the setting tfm.workers';
COMMENT ON COLUMN tfm_stat_workers.pid IS 'of the background worker that watches over the engine process';
COMMENT ON COLUMN tfm_stat_workers.engine_pid IS 'of the engine process, which computes';
COMMENT ON COLUMN tfm_stat_workers.state IS 'ready; starting; draining (finishes, then starts again with changed settings); waiting to restart; stopped';
COMMENT ON COLUMN tfm_stat_workers.started IS 'when the engine process was started';
COMMENT ON COLUMN tfm_stat_workers.restarts IS 'engine processes that ended by themselves, since the server started';
COMMENT ON COLUMN tfm_stat_workers.lost_calls IS 'calls that ended with them';
COMMENT ON COLUMN tfm_stat_workers.waiting IS 'calls that wait in their sessions since the worker has as much as tfm.worker_queue allows';
COMMENT ON COLUMN tfm_stat_workers.running IS 'calls that the engine process has';
COMMENT ON COLUMN tfm_stat_workers.calls IS 'calls that the engine process has computed';
COMMENT ON COLUMN tfm_stat_workers.passes IS 'passes through models for them: one may serve many calls';
COMMENT ON COLUMN tfm_stat_workers.models IS 'models that the engine process has open';
COMMENT ON COLUMN tfm_stat_workers.memory_bytes IS 'memory of the engine process beside the weights, which it shares with all sessions';
