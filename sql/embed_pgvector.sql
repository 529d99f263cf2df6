-- Embeddings in columns of pgvector's type, and found by its indexes.
\getenv golden TFM_GOLDEN
\set model :golden /sentence/mean
SELECT tfm_load_model('embedder', :'model');
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS vector;
RESET client_min_messages;

-- Without tfm_pgvector the trigger goes by way of the text form, and keeps every bit.
CREATE TABLE embed_docs (id int, body text, embedding vector(16));
CREATE TRIGGER embed BEFORE INSERT OR UPDATE OF body ON embed_docs
	FOR EACH ROW EXECUTE FUNCTION tfm_embed_trigger('body', 'embedding', 'embedder');
INSERT INTO embed_docs SELECT i, 'text number ' || i FROM generate_series(1, 300) i;
SELECT bool_and(embedding::text = tfm_embed('embedder', body)::text) AS same FROM embed_docs;
ALTER TABLE embed_docs ALTER embedding TYPE vector(3) USING NULL;
INSERT INTO embed_docs (body) VALUES ('hello');
ALTER TABLE embed_docs ALTER embedding TYPE vector(16);

CREATE EXTENSION tfm_pgvector;
UPDATE embed_docs SET body = body || '.';
SELECT bool_and(embedding = tfm_embed('embedder', body)) AS same FROM embed_docs;

-- Index on the column, on the expression, and on a generated column
CREATE INDEX ON embed_docs USING hnsw (embedding vector_cosine_ops);
CREATE INDEX embed_expression ON embed_docs USING hnsw ((tfm_embed('embedder', body)::vector(16)) vector_cosine_ops);
ALTER TABLE embed_docs ADD generated tfm_vector(16) GENERATED ALWAYS AS (tfm_embed('embedder', body)) STORED;
CREATE INDEX embed_generated ON embed_docs USING hnsw ((generated::vector(16)) vector_cosine_ops);
ANALYZE embed_docs;
SET enable_seqscan = off;
CREATE FUNCTION pg_temp.index_of(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS off) ' || query LOOP
		IF line ~ 'Index Scan' THEN
			RETURN trim(line, ' ->');
		END IF;
	END LOOP;
END $$;
SELECT pg_temp.index_of($$SELECT id FROM embed_docs ORDER BY embedding <=> tfm_embed('embedder', 'text') LIMIT 3$$);
SELECT pg_temp.index_of($$SELECT id FROM embed_docs ORDER BY tfm_embed('embedder', body)::vector(16) <=> tfm_embed('embedder', 'text') LIMIT 3$$);
SELECT pg_temp.index_of($$SELECT id FROM embed_docs ORDER BY generated::vector(16) <=> tfm_embed('embedder', 'text') LIMIT 3$$);
SELECT generated <=> tfm_embed('embedder', 'text number 77.') < 1e-6 AS found
  FROM embed_docs ORDER BY tfm_embed('embedder', body)::vector(16) <=> tfm_embed('embedder', 'text number 77.') LIMIT 1;
SELECT generated <=> tfm_embed('embedder', 'text number 77.') < 1e-6 AS found
  FROM embed_docs ORDER BY generated::vector(16) <=> tfm_embed('embedder', 'text number 77.') LIMIT 1;
RESET enable_seqscan;
DROP TABLE embed_docs;
DROP EXTENSION tfm_pgvector;
SELECT tfm_drop_model('embedder');
