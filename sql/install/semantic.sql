-- What a model says of a text, in SQL's own terms.

CREATE FUNCTION tfm_filter(model text, input text, condition text) RETURNS boolean
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10000 SUPPORT tfm_support;
COMMENT ON FUNCTION tfm_filter(text, text, text) IS 'whether a model finds that a text meets a condition in words';

CREATE FUNCTION tfm_filter(input text, condition text) RETURNS boolean
	AS 'MODULE_PATHNAME', 'tfm_filter_default' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 10000 SUPPORT tfm_support;
COMMENT ON FUNCTION tfm_filter(text, text)
	IS 'whether a text meets a condition in words, by the model of tfm.generate_model';

CREATE FUNCTION tfm_extract(model text, input text, json_schema jsonb, instruction text DEFAULT NULL,
		options jsonb DEFAULT NULL)
	RETURNS jsonb
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 100000 SUPPORT tfm_support;
COMMENT ON FUNCTION tfm_extract(text, text, jsonb, text, jsonb) IS 'data of a text as JSON of a schema';

CREATE FUNCTION tfm_extract(input text, json_schema jsonb) RETURNS jsonb
	AS 'MODULE_PATHNAME', 'tfm_extract_default' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100000 SUPPORT tfm_support;
COMMENT ON FUNCTION tfm_extract(text, jsonb)
	IS 'data of a text as JSON of a schema, by the model of tfm.generate_model';

CREATE FUNCTION tfm_rerank(model text, query text, document text) RETURNS double precision
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 1000 SUPPORT tfm_support;
COMMENT ON FUNCTION tfm_rerank(text, text, text) IS 'how well a document answers a query, by a cross-encoder';

CREATE FUNCTION tfm_rerank(query text, document text) RETURNS double precision
	AS 'MODULE_PATHNAME', 'tfm_rerank_default' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 1000 SUPPORT tfm_support;
COMMENT ON FUNCTION tfm_rerank(text, text)
	IS 'how well a document answers a query, by the cross-encoder of tfm.rerank_model';
