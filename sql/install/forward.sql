-- The raw forward pass.

CREATE FUNCTION tfm_forward(model text, inputs jsonb) RETURNS jsonb
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10000 SUPPORT tfm_support;
COMMENT ON FUNCTION tfm_forward(text, jsonb) IS 'run a model on tensors, with the names of Transformers';
