-- Questions to tables.
--
-- json keeps the order of a table's columns, which models see; jsonb does not.

CREATE FUNCTION tfm_answer_table(model text, query text, "table" json, options jsonb DEFAULT NULL,
		OUT answer text, OUT coordinates jsonb, OUT cells text[], OUT aggregator text)
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 10000 SUPPORT tfm_support;
COMMENT ON FUNCTION tfm_answer_table(text, text, json, jsonb)
	IS 'the answer of a table to a question, as Transformers'' pipeline has it';

CREATE FUNCTION tfm_answer_table_all(model text, queries text[], "table" json, options jsonb DEFAULT NULL)
	RETURNS TABLE (number integer, answer text, coordinates jsonb, cells text[], aggregator text)
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 100000 ROWS 10 SUPPORT tfm_support;
COMMENT ON FUNCTION tfm_answer_table_all(text, text[], json, jsonb)
	IS 'the answers of a table to questions, computed together, with the number of the question';

CREATE FUNCTION tfm_answer_table(model text, query text, "table" jsonb, options jsonb DEFAULT NULL,
		OUT answer text, OUT coordinates jsonb, OUT cells text[], OUT aggregator text)
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 10000 SUPPORT tfm_support;
COMMENT ON FUNCTION tfm_answer_table(text, text, jsonb, jsonb)
	IS 'the answer of a table to a question, as Transformers'' pipeline has it';

CREATE FUNCTION tfm_answer_table_all(model text, queries text[], "table" jsonb, options jsonb DEFAULT NULL)
	RETURNS TABLE (number integer, answer text, coordinates jsonb, cells text[], aggregator text)
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 100000 ROWS 10 SUPPORT tfm_support;
COMMENT ON FUNCTION tfm_answer_table_all(text, text[], jsonb, jsonb)
	IS 'the answers of a table to questions, computed together, with the number of the question';

CREATE FUNCTION tfm_answer_table(model text, query text, "table" text, options jsonb DEFAULT NULL,
		OUT answer text, OUT coordinates jsonb, OUT cells text[], OUT aggregator text)
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 10000 SUPPORT tfm_support;
COMMENT ON FUNCTION tfm_answer_table(text, text, text, jsonb)
	IS 'the same for a table that is JSON as text, as literals are';

CREATE FUNCTION tfm_answer_table_all(model text, queries text[], "table" text, options jsonb DEFAULT NULL)
	RETURNS TABLE (number integer, answer text, coordinates jsonb, cells text[], aggregator text)
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 100000 ROWS 10 SUPPORT tfm_support;
COMMENT ON FUNCTION tfm_answer_table_all(text, text[], text, jsonb)
	IS 'the same for a table that is JSON as text, as literals are';
