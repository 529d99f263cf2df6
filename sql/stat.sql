-- What models have computed, and what sessions compute.
\set VERBOSITY terse
\getenv golden TFM_GOLDEN
\set mean :golden '/sentence/mean'
\set llama :golden '/generation/llama'
SELECT tfm_load_model('stat_mean', :'mean');
SELECT DISTINCT kind FROM tfm_stat_models WHERE database = current_database() AND model = 'stat_mean' AND kind = 'read';
SELECT tfm_stat_reset();
SELECT tfm_embed('stat_mean', 'one', dimensions => 1) IS NOT NULL AS embedded;
SELECT array_length(tfm_embed('stat_mean', ARRAY['one', 'two', 'three']), 1);

-- a row for each kind of work; the image was compiled before the reset
SELECT model, registered, kind, rows, passes > 0 AS passes, tokens, generated_tokens, errors, image_bytes > 0 AS image
	FROM tfm_stat_models WHERE database = current_database() AND model = 'stat_mean' AND kind = 'embed';
SELECT calls > 0 AS calls, total_time > 0 AS total_time, max_time <= total_time AS max_time, peak_memory > 0 AS peak_memory,
		stats_since <= last_used AS since, last_used <= clock_timestamp() AS used
	FROM tfm_stat_models WHERE database = current_database() AND model = 'stat_mean' AND kind = 'embed';

-- a call that fails is counted, too
SELECT tfm_embed('stat_mean', 'one', dimensions => 1000);
SELECT rows, errors FROM tfm_stat_models WHERE database = current_database() AND model = 'stat_mean' AND kind = 'embed';

-- compiling again is work on the image
SELECT tfm_refresh_model('stat_mean');
SELECT kind, calls, rows, tokens, errors, image_bytes > 0 AS image
	FROM tfm_stat_models WHERE database = current_database() AND model = 'stat_mean' AND kind IN ('compile', 'read') ORDER BY kind;

-- tokens that are generated
SELECT tfm_load_model('stat_llama', :'llama');
SELECT count(tfm_generate('stat_llama', 'a cat', options => '{"max_new_tokens": 5, "min_new_tokens": 5}'));
SELECT count(tfm_generate('stat_llama', 'a cat', options => '{"max_new_tokens": 5, "min_new_tokens": 5, "num_beams": 2}'));
SELECT count(*) > 0 AS pieces FROM tfm_generate_stream('stat_llama', 'a cat', options => '{"max_new_tokens": 5, "min_new_tokens": 5}');
SELECT rows, generated_tokens, tokens > 10 AS tokens FROM tfm_stat_models WHERE database = current_database() AND model = 'stat_llama' AND kind = 'generate';
SELECT tfm_drop_model('stat_llama');

-- passes with tensors
SELECT tfm_forward('stat_mean', '{"input_ids": [[1, 2, 3]]}') IS NOT NULL AS passed;
SELECT calls, rows, passes, tokens FROM tfm_stat_models WHERE database = current_database() AND model = 'stat_mean' AND kind = 'forward';

-- a path is counted under its name
SELECT tfm_embed(:'mean', 'one', dimensions => 1) IS NOT NULL AS embedded;
SELECT registered, rows FROM tfm_stat_models WHERE database = current_database() AND model = :'mean' AND kind = 'embed';

-- who sees what
CREATE ROLE tfm_stat_user;
SET ROLE tfm_stat_user;
SELECT count(*) FROM tfm_stat_models WHERE model = 'stat_mean' OR model = :'mean';
SELECT tfm_stat_reset();
RESET ROLE;
GRANT USAGE ON FOREIGN SERVER stat_mean TO tfm_stat_user;
SET ROLE tfm_stat_user;
SELECT DISTINCT model FROM tfm_stat_models WHERE model = 'stat_mean' OR model = :'mean';
RESET ROLE;
REVOKE USAGE ON FOREIGN SERVER stat_mean FROM tfm_stat_user;
GRANT pg_read_all_stats TO tfm_stat_user;
SET ROLE tfm_stat_user;
SELECT DISTINCT registered FROM tfm_stat_models WHERE model = 'stat_mean' OR model = :'mean' ORDER BY 1;
RESET ROLE;

-- the counters of one model
SELECT tfm_stat_reset('stat_mean');
SELECT count(*) FROM tfm_stat_models WHERE database = current_database() AND model = 'stat_mean';
SELECT count(*) > 0 AS others FROM tfm_stat_models;
SELECT tfm_stat_reset();

-- this session computes nothing now
SELECT count(*) FROM tfm_stat_activity WHERE pid = pg_backend_pid();

SELECT tfm_drop_model('stat_mean');
DROP ROLE tfm_stat_user;

-- what this is and what it runs with
SELECT name FROM tfm_info();
SELECT (SELECT value FROM tfm_info() WHERE name = 'version')
	= (SELECT extversion FROM pg_extension WHERE extname = 'tfm') AS version;
SELECT split_part((SELECT value FROM tfm_info() WHERE name = 'PostgreSQL built for'), '.', 1)
	= (current_setting('server_version_num')::int / 10000)::text AS built_for;
