-- Texts cut into chunks.  Positions count characters from 0, as in tokenize.sql.

CREATE FUNCTION tfm_chunk(model text, input text, max_tokens integer, overlap integer DEFAULT 0)
	RETURNS TABLE (chunk integer, content text, start integer, "end" integer, tokens integer)
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 1000 ROWS 20 SUPPORT tfm_support;
COMMENT ON FUNCTION tfm_chunk(text, text, integer, integer)
	IS 'a text cut into chunks of at most max_tokens tokens, at its paragraphs, sentences and words';

CREATE FUNCTION tfm_chunk(input text, max_tokens integer, overlap integer DEFAULT 0)
	RETURNS TABLE (chunk integer, content text, start integer, "end" integer, tokens integer)
	AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 1000 ROWS 20 SUPPORT tfm_support;
COMMENT ON FUNCTION tfm_chunk(text, integer, integer)
	IS 'a text cut into chunks of tokens of the model tfm.embed_model';
