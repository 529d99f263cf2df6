-- The type tfm_vector: text and binary forms, operators, aggregates, casts.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS tfm;
RESET client_min_messages;

-- Text form
SELECT '[1,2,3]'::tfm_vector, ' [ 1 ,-2.5,	3e1 ] '::tfm_vector, '[1.23456789,-0,1e-40,1e-50]'::tfm_vector;
SELECT '[3.4028235e38,-3.4028235e38,1e10]'::tfm_vector;
SELECT ''::tfm_vector;
SELECT '1,2'::tfm_vector;
SELECT '[1,2'::tfm_vector;
SELECT '[1,2]]'::tfm_vector;
SELECT '[1 2]'::tfm_vector;
SELECT '[,1]'::tfm_vector;
SELECT '[1,]'::tfm_vector;
SELECT '[1,two]'::tfm_vector;
SELECT '[ ]'::tfm_vector;
SELECT '['::tfm_vector;
SELECT '[NaN]'::tfm_vector;
SELECT '[1,-Infinity]'::tfm_vector;
SELECT '[1,4e38]'::tfm_vector;
SELECT tfm_vector_dims(('[' || repeat('0,', 15999) || '0]')::tfm_vector);
SELECT ('[' || repeat('0,', 16000) || '0]')::tfm_vector;

-- Type modifier
SELECT '[1,2,3]'::tfm_vector(3), '[1,2,3]'::tfm_vector(3)::tfm_vector;
SELECT '[1,2,3]'::tfm_vector(2);
SELECT '[1,2,3]'::tfm_vector::tfm_vector(4);
SELECT '[1]'::tfm_vector(0);
SELECT '[1]'::tfm_vector(16001);
SELECT '[1]'::tfm_vector(1, 2);
SELECT '[1]'::tfm_vector('a');
SELECT '{"[1,2]","[3,4]"}'::tfm_vector(2)[];
SELECT '{"[1,2]","[3]"}'::tfm_vector(2)[];
CREATE TEMP TABLE three (v tfm_vector(3));
SELECT format_type(atttypid, atttypmod), attstorage FROM pg_attribute
 WHERE attrelid = 'three'::regclass AND attname = 'v';
INSERT INTO three VALUES ('[1,2,3]'), (NULL), (ARRAY[4,5,6]);
INSERT INTO three VALUES ('[1,2]');
INSERT INTO three SELECT ARRAY[1.5,2]::real[];
SELECT * FROM three;

-- Binary form
SELECT tfm_vector_send('[1,-2]');
CREATE TEMP TABLE vectors (id int, v tfm_vector);
INSERT INTO vectors VALUES (1, '[1,2,3]'), (2, NULL), (3, '[-0.1,1e-40,3.4028235e38]'), (4, '[7]');
INSERT INTO vectors SELECT 5, array_agg(sin(i)) FROM generate_series(1, 3000) i;
SELECT current_setting('data_directory') || '/tfm_vector.data' AS file \gset
COPY vectors TO :'file' (FORMAT binary);
CREATE TEMP TABLE copies (id int, v tfm_vector);
COPY copies FROM :'file' (FORMAT binary);
SELECT id, v.v IS NOT DISTINCT FROM c.v AS same, tfm_vector_dims(c.v) FROM vectors v JOIN copies c USING (id) ORDER BY id;
CREATE TEMP TABLE narrow (id int, v tfm_vector(3));
COPY narrow FROM :'file' (FORMAT binary);
-- What a broken client may send: no dimensions, unused bits, NaN, too few bytes.
CREATE TEMP TABLE sent (message bytea);
CREATE TEMP TABLE received (v tfm_vector);
CREATE FUNCTION pg_temp.receive(message bytea, file text) RETURNS tfm_vector LANGUAGE plpgsql AS $$
DECLARE
	result tfm_vector;
BEGIN
	TRUNCATE sent, received;
	INSERT INTO sent VALUES (message);
	EXECUTE format('COPY sent TO %L (FORMAT binary)', file);
	EXECUTE format('COPY received FROM %L (FORMAT binary)', file);
	SELECT v INTO result FROM received;
	RETURN result;
EXCEPTION WHEN OTHERS THEN
	RAISE NOTICE '%: %', SQLSTATE, SQLERRM;
	RETURN NULL;
END $$;
SELECT pg_temp.receive('\x000200003f80000040000000', :'file');
SELECT pg_temp.receive('\x00000000', :'file');
SELECT pg_temp.receive('\xffff0000', :'file');
SELECT pg_temp.receive('\x7fff0000', :'file');
SELECT pg_temp.receive('\x000100013f800000', :'file');
SELECT pg_temp.receive('\x000100007fc00000', :'file');
SELECT pg_temp.receive('\x000100007f800000', :'file');
SELECT pg_temp.receive('\x000200003f800000', :'file');
SELECT pg_temp.receive('\x000100003f80000040000000', :'file');
\set remove 'cat > /dev/null; rm ' :file
COPY (SELECT) TO PROGRAM :'remove';

-- Distances
SELECT '[0,0]'::tfm_vector <-> '[3,4]' AS l2, '[1,2]'::tfm_vector <#> '[3,4]' AS ip,
	   '[1,1]'::tfm_vector <=> '[-2,-2]' AS cosine, '[1,2]'::tfm_vector <+> '[3,-4]' AS l1;
SELECT v <-> v AS l2, round((v <#> v)::numeric, 3) AS ip, v <=> v AS cosine, v <+> v AS l1
  FROM vectors WHERE id = 5;
-- Every number of dimensions that the unrolled loops may leave over
SELECT d, v <-> w AS l2, v <#> w AS ip, v <=> w AS cosine, v <+> w AS l1
  FROM generate_series(1, 17) d,
	   LATERAL (SELECT array_agg(i)::tfm_vector AS v, array_agg(-2 * i)::tfm_vector AS w FROM generate_series(1, d) i) s
 WHERE (v <-> w)::numeric(9,4) IS DISTINCT FROM (SELECT sqrt(sum(9 * i * i))::numeric(9,4) FROM generate_series(1, d) i)
	OR (v <#> w) IS DISTINCT FROM (SELECT sum(2 * i * i) FROM generate_series(1, d) i)
	OR (v <=> w)::numeric(9,4) <> 2
	OR (v <+> w) IS DISTINCT FROM (SELECT sum(3 * i) FROM generate_series(1, d) i);
SELECT '[0,0]'::tfm_vector <=> '[1,2]' AS zero, '[3e38]'::tfm_vector <-> '[-3e38]' AS large,
	   '[3e38,1]'::tfm_vector <=> '[3e38,1]' AS cosine, '[1e-45]'::tfm_vector <=> '[-1e-45]' AS small;
SELECT '[1,2]'::tfm_vector <-> '[1]';
SELECT '[1,2]'::tfm_vector <#> '[1]';
SELECT '[1,2]'::tfm_vector <=> '[1]';
SELECT '[1,2]'::tfm_vector <+> '[1]';
SELECT '[1,2]'::tfm_vector <-> NULL;

-- Arithmetic and functions
SELECT '[1,2]'::tfm_vector + '[3,-4]' AS plus, '[1,2]'::tfm_vector - '[3,-4]' AS minus,
	   '[1,2]'::tfm_vector * '[3,-4]' AS times, '[1,2]'::tfm_vector || '[3]' AS both;
SELECT '[1,2]'::tfm_vector + '[1]';
SELECT '[1,2]'::tfm_vector - '[1]';
SELECT '[1,2]'::tfm_vector * '[1]';
SELECT '[3e38]'::tfm_vector + '[3e38]';
SELECT '[3e38]'::tfm_vector - '[-3e38]';
SELECT '[3e38]'::tfm_vector * '[3e38]';
SELECT '[1e-38]'::tfm_vector * '[1e-38]';
SELECT ('[' || repeat('0,', 9999) || '0]')::tfm_vector || ('[' || repeat('0,', 9999) || '0]')::tfm_vector;
SELECT tfm_vector_dims('[1,2,3]'), tfm_vector_norm('[3,4]'), tfm_vector_normalize('[3,-4]'),
	   tfm_vector_normalize('[0,0]'), tfm_vector_norm('[3e38,3e38]'), tfm_vector_normalize('[3e38,0]');
SELECT tfm_vector_subvector('[1,2,3,4]', 2, 2), tfm_vector_subvector('[1,2,3,4]', -1, 4),
	   tfm_vector_subvector('[1,2,3,4]', 3, 2147483647);
SELECT tfm_vector_subvector('[1,2,3,4]', 5, 1);
SELECT tfm_vector_subvector('[1,2,3,4]', 2147483647, 2147483647);
SELECT tfm_vector_subvector('[1,2,3,4]', 1, 0);
SELECT tfm_vector_subvector('[1,2,3,4]', -2147483648, -2147483648);

-- Order, equality, hash
SELECT '[1,2]'::tfm_vector < '[1,3]' AS lt, '[1,2]'::tfm_vector <= '[1,2]' AS le, '[0]'::tfm_vector = '[-0]' AS eq,
	   '[1,2]'::tfm_vector <> '[1]' AS ne, '[2]'::tfm_vector >= '[1,9]' AS ge, '[1,0]'::tfm_vector > '[1]' AS gt;
SELECT '[1,2]'::tfm_vector > '[1,3]' AS gt, '[1,2]'::tfm_vector >= '[1,3]' AS ge, '[1,2]'::tfm_vector = '[1,3]' AS eq,
	   '[0]'::tfm_vector <> '[-0]' AS ne, '[2]'::tfm_vector <= '[1,9]' AS le, '[1,0]'::tfm_vector < '[1]' AS lt;
SELECT tfm_vector_cmp('[1]', '[2]'), tfm_vector_cmp('[2]', '[2]'), tfm_vector_cmp('[2,0]', '[2]');
SELECT tfm_vector_hash('[0,1]') = tfm_vector_hash('[-0,1]') AS zero,
	   tfm_vector_hash('[0,1]') = tfm_vector_hash('[1,0]') AS turned,
	   tfm_vector_hash('[0,1]') = tfm_vector_hash_extended('[0,1]', 0)::bit(32)::integer AS seedless,
	   tfm_vector_hash_extended('[0,1]', 1) = tfm_vector_hash_extended('[0,1]', 2) AS seeds;
CREATE TEMP TABLE pairs AS
	SELECT i, ARRAY[i % 10, i % 3]::tfm_vector AS v FROM generate_series(1, 300) i;
CREATE INDEX pairs_btree ON pairs (v);
CREATE INDEX pairs_hash ON pairs USING hash (v);
ANALYZE pairs;
SET enable_seqscan = off;
SET enable_bitmapscan = off;
EXPLAIN (COSTS off) SELECT count(*) FROM pairs WHERE v > '[8,1]';
SELECT count(*) FROM pairs WHERE v > '[8,1]';
SELECT count(*) FROM pairs WHERE v = '[8,1]';
SELECT v FROM pairs GROUP BY v ORDER BY v DESC LIMIT 3;
DROP INDEX pairs_btree;
EXPLAIN (COSTS off) SELECT count(*) FROM pairs WHERE v = '[8,1]';
SELECT count(*) FROM pairs WHERE v = '[8,1]';
RESET enable_seqscan;
RESET enable_bitmapscan;
SET enable_sort = off;
SELECT count(*) FROM (SELECT DISTINCT v FROM pairs) s;
SET enable_mergejoin = off;
SET enable_nestloop = off;
EXPLAIN (COSTS off) SELECT count(*) FROM pairs a JOIN pairs b USING (v);
SELECT count(*) FROM pairs a JOIN pairs b USING (v);
RESET enable_mergejoin;
SET enable_hashjoin = off;
RESET enable_sort;
EXPLAIN (COSTS off) SELECT count(*) FROM pairs a JOIN pairs b USING (v);
SELECT count(*) FROM pairs a JOIN pairs b USING (v);
RESET enable_nestloop;
RESET enable_hashjoin;

-- Aggregates
SELECT avg(v), sum(v), count(v) FROM (VALUES ('[1,2]'::tfm_vector), (NULL), ('[3,5]')) t (v);
SELECT avg(v), sum(v) FROM (VALUES (NULL::tfm_vector)) t (v);
SELECT avg(v), sum(v) FROM pairs WHERE false;
SELECT i % 3 AS remainder, avg(v), sum(v) FROM pairs GROUP BY 1 ORDER BY 1;
SELECT DISTINCT sum(v) OVER (PARTITION BY i % 3) FROM pairs ORDER BY 1;
SELECT sum(v) OVER (ORDER BY i ROWS 1 PRECEDING) FROM pairs ORDER BY i LIMIT 3;
SELECT avg(v) FROM (VALUES ('[3e38]'::tfm_vector), ('[3e38]')) t (v);
SELECT sum(v) FROM (VALUES ('[3e38]'::tfm_vector), ('[3e38]')) t (v);
SELECT avg(v) FROM (VALUES ('[1,2]'::tfm_vector), ('[3]')) t (v);
SELECT tfm_vector_accum('{0}', '[1,2]'), tfm_vector_accum('{1,2,3}', '[1,2]'),
	   tfm_vector_combine('{0}', '{1,2,3}'), tfm_vector_combine('{1,2,3}', '{0}'),
	   tfm_vector_combine('{1,2,3}', '{2,3,4}');
SELECT tfm_vector_combine('{1,2,3}', '{1,2}');
SELECT tfm_vector_accum('{}', '[1]');
SELECT tfm_vector_accum('{1}', '[1]');
SELECT tfm_vector_accum('{1,NULL}', '[1]');
SELECT tfm_vector_avg('{{1,2},{3,4}}');
SELECT tfm_vector_avg('{0,1}');
SELECT tfm_vector_avg('{NaN,1}');
SELECT tfm_vector_sum('{1,NaN}');
CREATE TABLE vector_parallel AS
	SELECT ARRAY[i % 10, i % 7]::tfm_vector AS v FROM generate_series(1, 70000) i;
ALTER TABLE vector_parallel SET (parallel_workers = 2);
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
EXPLAIN (COSTS off) SELECT avg(v), sum(v), max(v <-> '[0,0]') FROM vector_parallel;
SELECT avg(v), sum(v), max(v <-> '[0,0]') FROM vector_parallel;
SELECT avg(v) FROM vector_parallel WHERE v = '[11,0]';
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
RESET max_parallel_workers_per_gather;
DROP TABLE vector_parallel;

-- Casts from arrays and jsonb
SELECT ARRAY[1,2]::tfm_vector, ARRAY[1.5,2]::real[]::tfm_vector, ARRAY[1.5,2]::float8[]::tfm_vector,
	   ARRAY[1.5,2]::numeric[]::tfm_vector, '[1.5, 2]'::jsonb::tfm_vector, '[3:4]={1,2}'::int[]::tfm_vector(2);
SELECT ARRAY[1e-300]::float8[]::tfm_vector, ARRAY[1e-300]::numeric[]::tfm_vector;
SELECT ARRAY[1,2]::tfm_vector(3);
SELECT '[1,2]'::jsonb::tfm_vector(3);
SELECT ARRAY[1,NULL]::tfm_vector;
SELECT '{}'::real[]::tfm_vector;
SELECT ARRAY[[1,2],[3,4]]::tfm_vector;
SELECT ARRAY['NaN']::real[]::tfm_vector;
SELECT ARRAY['-Infinity']::float8[]::tfm_vector;
SELECT ARRAY[1e300]::float8[]::tfm_vector;
SELECT ARRAY[4e38]::numeric[]::tfm_vector;
SELECT ARRAY['NaN']::numeric[]::tfm_vector;
SELECT array_fill(0, ARRAY[16001])::tfm_vector;
SELECT '{"a": 1}'::jsonb::tfm_vector;
SELECT '1'::jsonb::tfm_vector;
SELECT '[]'::jsonb::tfm_vector;
SELECT '[1, "2"]'::jsonb::tfm_vector;
SELECT '[1, [2]]'::jsonb::tfm_vector;
SELECT '[1, 1e39]'::jsonb::tfm_vector;

-- Casts to arrays and json
SELECT v::int[], v::real[], v::float8[], v::numeric[], v::jsonb, v::json
  FROM (VALUES ('[1,2.5,-1e10]'::tfm_vector)) t (v) WHERE v <> '[1,2.5,-1e10]';
SELECT v::int[], v::real[], v::float8[], v::numeric[], v::jsonb, v::json
  FROM (VALUES ('[1,2.5,-3.5]'::tfm_vector)) t (v);
SELECT '[0.1234567,16777216]'::tfm_vector::numeric[], '[0.1234567,1e-40]'::tfm_vector::jsonb;
SELECT '[3e9]'::tfm_vector::int[];
SELECT to_jsonb(t), row_to_json(t) FROM (VALUES (1, '[1,2.5]'::tfm_vector)) t (id, v);
SELECT bool_and(v = v::real[]::tfm_vector) AS real, bool_and(v = v::float8[]::tfm_vector) AS double,
	   bool_and(v = v::numeric[]::tfm_vector) AS numeric, bool_and(v = v::jsonb::tfm_vector) AS jsonb,
	   bool_and(v = v::text::tfm_vector) AS text
  FROM vectors;
-- to real[] without being asked, as a function's argument
CREATE FUNCTION pg_temp.first(real[]) RETURNS real LANGUAGE sql AS 'SELECT $1[1]';
SELECT pg_temp.first('[1,2]'::tfm_vector);
