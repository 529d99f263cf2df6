-- Transformers' pipelines.

CREATE FUNCTION tfm_pipeline(task text, model text, inputs jsonb, options jsonb DEFAULT NULL) RETURNS jsonb
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 10000 SUPPORT tfm_support;
COMMENT ON FUNCTION tfm_pipeline(text, text, jsonb, jsonb)
	IS 'what Transformers'' pipeline of a task gives for inputs, with its names';
