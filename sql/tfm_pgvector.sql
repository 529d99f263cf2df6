-- tfm_vector beside pgvector's vector.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS tfm;
CREATE EXTENSION IF NOT EXISTS vector;
CREATE EXTENSION tfm_pgvector;
RESET client_min_messages;

-- Casts change the type and nothing else.
CREATE TEMP TABLE both_types (id int, t tfm_vector(3), v vector(3));
INSERT INTO both_types VALUES (1, '[1,2,3]', '[1,2,3]'), (2, '[4,5,6]', '[6,5,4]'), (3, NULL, NULL);
EXPLAIN (VERBOSE, COSTS off) SELECT t::vector, v::tfm_vector FROM both_types;
SELECT t::vector, v::tfm_vector, t::vector(3), v::tfm_vector(3) FROM both_types ORDER BY id;
SELECT t::vector(4) FROM both_types;
SELECT v::tfm_vector(4) FROM both_types;
INSERT INTO both_types (id, t, v) SELECT 4, '[7,8,9]'::vector, '[9,8,7]'::tfm_vector;
SELECT v.x::tfm_vector = t.x FROM (SELECT array_agg(i)::vector AS x FROM generate_series(1, 3000) i) v,
	(SELECT array_agg(i)::tfm_vector AS x FROM generate_series(1, 3000) i) t;

-- An operator between both types is pgvector's; between equal types or with a literal, their own.
SELECT (t <-> v)::real AS l2, (v <=> t)::real AS cosine, t <#> t AS ip, t <+> '[1,1,1]' AS l1, (v <-> '[1,1,1]')::real AS l2
  FROM both_types ORDER BY id;
SELECT pg_typeof(t + v), pg_typeof(v + t), pg_typeof(t + t), pg_typeof(v - '[1,1,1]'), pg_typeof(t - '[1,1,1]')
  FROM both_types WHERE id = 1;
SELECT t = v AS eq, v < t AS lt FROM both_types ORDER BY id;
SELECT avg(t) AS t, avg(v) AS v, sum(t) AS t, sum(v) AS v FROM both_types;
SELECT t FROM both_types UNION SELECT v FROM both_types ORDER BY 1;
SELECT vector_dims(t), tfm_vector_dims(v::tfm_vector), l2_distance(t, v) FROM both_types WHERE id = 1;

-- HNSW over an expression that gives a tfm_vector, as tfm_embed does
CREATE FUNCTION pretend_embed(model text, input text) RETURNS tfm_vector
	LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE COST 10000 SET search_path FROM CURRENT AS $$
BEGIN
	RETURN ARRAY[length(input), ascii(input) / 10.0, ascii(reverse(input)) / 10.0]::tfm_vector;
END $$;
CREATE TABLE vector_docs (id int PRIMARY KEY, body text, embedding tfm_vector(3)
	GENERATED ALWAYS AS (pretend_embed('m', body)) STORED);
INSERT INTO vector_docs SELECT i, to_hex(i * 7919) FROM generate_series(1, 2000) i;
CREATE INDEX ON vector_docs USING hnsw ((pretend_embed('m', body)::vector(3)) vector_l2_ops);
CREATE INDEX ON vector_docs USING hnsw ((embedding::vector(3)) vector_cosine_ops);
ANALYZE vector_docs;
EXPLAIN (COSTS off)
SELECT id FROM vector_docs ORDER BY pretend_embed('m', body)::vector(3) <-> pretend_embed('m', 'hello') LIMIT 3;
SELECT id, body FROM vector_docs ORDER BY pretend_embed('m', body)::vector(3) <-> pretend_embed('m', 'hello') LIMIT 1;
SELECT id, body FROM vector_docs ORDER BY pretend_embed('m', body) <-> pretend_embed('m', 'hello') LIMIT 1;
EXPLAIN (COSTS off)
SELECT id FROM vector_docs ORDER BY embedding::vector(3) <=> pretend_embed('m', 'hello') LIMIT 3;
EXPLAIN (COSTS off)
SELECT id FROM vector_docs ORDER BY embedding::vector(3) <=> '[5,10,11]' LIMIT 3;
DROP TABLE vector_docs;
DROP FUNCTION pretend_embed;
DROP EXTENSION tfm_pgvector;
