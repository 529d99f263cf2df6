-- Questions answered from passages that a query has found.

CREATE FUNCTION tfm_rag(model text, question text, passages text[], titles text[] DEFAULT NULL,
		scores double precision[] DEFAULT NULL, max_new_tokens integer DEFAULT NULL, num_beams integer DEFAULT NULL,
		options jsonb DEFAULT NULL)
	RETURNS text
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 10000 SUPPORT tfm_support;
COMMENT ON FUNCTION tfm_rag(text, text, text[], text[], double precision[], integer, integer, jsonb)
	IS 'the answer to a question from passages, each with its score (retrieval-augmented generation)';
