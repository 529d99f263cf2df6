-- Transformers' pipelines.

CREATE FUNCTION tfm_pipeline(task text, model text, inputs jsonb, options jsonb DEFAULT NULL) RETURNS jsonb
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 10000 SUPPORT tfm_support;
COMMENT ON FUNCTION tfm_pipeline(text, text, jsonb, jsonb)
	IS 'what Transformers'' pipeline of a task gives for inputs, with its names';

-- jsonb sorts the keys of an object, which models for tables would see; literals are text first.
CREATE FUNCTION tfm_pipeline(task text, model text, inputs text, options jsonb DEFAULT NULL) RETURNS jsonb
	AS 'MODULE_PATHNAME', 'tfm_pipeline_text' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 10000 SUPPORT tfm_support;
COMMENT ON FUNCTION tfm_pipeline(text, text, text, jsonb)
	IS 'the same for inputs that are JSON as text, in which keys keep their order';
