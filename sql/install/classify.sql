-- Labels of texts: of those that are given, or a classifier's own.
--
-- Forms without labels have no further arguments, so that a list of labels that is not declared as one
-- is never taken for something else.

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

CREATE FUNCTION tfm_classify_all(model text, inputs text[], labels text[])
	RETURNS TABLE (number integer, label text, score double precision)
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100000 ROWS 100 SUPPORT tfm_support;
COMMENT ON FUNCTION tfm_classify_all(text, text[], text[])
	IS 'all labels of several texts, computed together, with the number of the text';

CREATE FUNCTION tfm_classify(model text, input text, labels text[], multi_label boolean,
		hypothesis_template text DEFAULT 'This example is {}.', OUT label text, OUT score double precision)
	AS 'MODULE_PATHNAME', 'tfm_classify_labels' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10000 SUPPORT tfm_support;
COMMENT ON FUNCTION tfm_classify(text, text, text[], boolean, text)
	IS 'the label that a text entails, by a model for natural language inference';

CREATE FUNCTION tfm_classify_all(model text, input text, labels text[], multi_label boolean,
		hypothesis_template text DEFAULT 'This example is {}.')
	RETURNS TABLE (label text, score double precision)
	AS 'MODULE_PATHNAME', 'tfm_classify_all_labels' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10000 ROWS 10 SUPPORT tfm_support;
COMMENT ON FUNCTION tfm_classify_all(text, text, text[], boolean, text)
	IS 'all labels with how far a text entails them, the best first';

CREATE FUNCTION tfm_classify_all(model text, inputs text[], labels text[], multi_label boolean,
		hypothesis_template text DEFAULT 'This example is {}.')
	RETURNS TABLE (number integer, label text, score double precision)
	AS 'MODULE_PATHNAME', 'tfm_classify_all_labels' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100000 ROWS 100 SUPPORT tfm_support;
COMMENT ON FUNCTION tfm_classify_all(text, text[], text[], boolean, text)
	IS 'all labels of several texts, computed together, with the number of the text';

CREATE FUNCTION tfm_classify(model text, input text, OUT label text, OUT score double precision)
	AS 'MODULE_PATHNAME', 'tfm_classify_text' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 1000 SUPPORT tfm_support;
COMMENT ON FUNCTION tfm_classify(text, text) IS 'the label that a classifier gives a text, and its score';

CREATE FUNCTION tfm_classify(input text, OUT label text, OUT score double precision)
	AS 'MODULE_PATHNAME', 'tfm_classify_text_default' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 1000 SUPPORT tfm_support;
COMMENT ON FUNCTION tfm_classify(text) IS 'the label that the classifier of tfm.classify_model gives a text, and its score';

CREATE FUNCTION tfm_classify_all(model text, input text)
	RETURNS TABLE (label text, score double precision)
	AS 'MODULE_PATHNAME', 'tfm_classify_all_text' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 1000 ROWS 5 SUPPORT tfm_support;
COMMENT ON FUNCTION tfm_classify_all(text, text) IS 'all labels of a classifier with their scores, the best first';

CREATE FUNCTION tfm_classify_all(model text, inputs text[])
	RETURNS TABLE (number integer, label text, score double precision)
	AS 'MODULE_PATHNAME', 'tfm_classify_all_text' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10000 ROWS 50 SUPPORT tfm_support;
COMMENT ON FUNCTION tfm_classify_all(text, text[])
	IS 'all labels of several texts, computed together, with the number of the text';

CREATE FUNCTION tfm_classify_pair(model text, input text, pair text, OUT label text, OUT score double precision)
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 1000 SUPPORT tfm_support;
COMMENT ON FUNCTION tfm_classify_pair(text, text, text) IS 'the label that a classifier gives a pair of texts, and its score';

CREATE FUNCTION tfm_choose(model text, prompt text, choices text[], OUT choice text, OUT score double precision)
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 1000 SUPPORT tfm_support;
COMMENT ON FUNCTION tfm_choose(text, text, text[]) IS 'the text that goes on best with a prompt, by a model for multiple choice';

CREATE FUNCTION tfm_next_sentence(model text, a text, b text) RETURNS double precision
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 1000 SUPPORT tfm_support;
COMMENT ON FUNCTION tfm_next_sentence(text, text, text) IS 'the probability that a text follows another';
