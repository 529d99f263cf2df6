-- Workers, where there are none: the extension is not preloaded.
\getenv golden TFM_GOLDEN
\set mean :golden '/sentence/mean'
SELECT tfm_load_model('worker_m', :'mean');
SELECT count(*) FROM tfm_stat_workers;

SET tfm.executor = 'worker';
SELECT tfm_embed('worker_m', 'a text') IS NULL;
\echo :LAST_ERROR_SQLSTATE
SELECT cardinality(tfm_tokenize('worker_m', 'a text')) > 0 AS "needs no worker";
SET tfm.executor = 'auto';
SELECT tfm_embed('worker_m', 'a text') IS NOT NULL AS "the session computes";
SET tfm.executor = 'session';
SELECT tfm_embed('worker_m', 'a text') IS NOT NULL AS "the session computes";
SET tfm.executor = 'nobody';
SET tfm.worker_queue = 5;
RESET tfm.executor;
SELECT tfm_drop_model('worker_m');
