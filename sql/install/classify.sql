-- Labels of texts.

CREATE FUNCTION tfm_classify(model text, input text, labels text[], OUT label text, OUT score double precision)
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10000 SUPPORT tfm_support;
COMMENT ON FUNCTION tfm_classify(text, text, text[])
	IS 'the label that a model gives a text, and its probability among the labels';

CREATE FUNCTION tfm_classify(input text, labels text[], OUT label text, OUT score double precision)
	AS 'MODULE_PATHNAME', 'tfm_classify_default' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 10000 SUPPORT tfm_support;
COMMENT ON FUNCTION tfm_classify(text, text[])
	IS 'the label that the model of tfm.generate_model gives a text, and its probability';

CREATE FUNCTION tfm_classify_all(model text, input text, labels text[])
	RETURNS TABLE (label text, score double precision)
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10000 ROWS 10 SUPPORT tfm_support;
COMMENT ON FUNCTION tfm_classify_all(text, text, text[])
	IS 'all labels with their probabilities, the best first';
