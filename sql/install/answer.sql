-- Answers that stand in a text.  Positions count characters from 0, and end after the last.

CREATE FUNCTION tfm_answer(model text, question text, context text, max_answer_len integer DEFAULT NULL,
		doc_stride integer DEFAULT NULL, max_seq_len integer DEFAULT NULL,
		handle_impossible_answer boolean DEFAULT NULL, align_to_words boolean DEFAULT NULL,
		OUT score double precision, OUT start integer, OUT "end" integer, OUT answer text)
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1000 SUPPORT tfm_support;
COMMENT ON FUNCTION tfm_answer(text, text, text, integer, integer, integer, boolean, boolean)
	IS 'the best answer to a question in a context, with the characters that it covers, counted from 0; options: max_answer_len, doc_stride, max_seq_len, handle_impossible_answer, align_to_words';

CREATE FUNCTION tfm_answer_all(model text, question text, context text, top_k integer DEFAULT 5,
		max_answer_len integer DEFAULT NULL, doc_stride integer DEFAULT NULL, max_seq_len integer DEFAULT NULL,
		handle_impossible_answer boolean DEFAULT NULL, align_to_words boolean DEFAULT NULL)
	RETURNS TABLE (score double precision, start integer, "end" integer, answer text)
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1000 ROWS 5 SUPPORT tfm_support;
COMMENT ON FUNCTION tfm_answer_all(text, text, text, integer, integer, integer, integer, boolean, boolean)
	IS 'the best answers to a question in a context, as many as top_k says; options as for tfm_answer';

CREATE FUNCTION tfm_answer_all(model text, question text, contexts text[], top_k integer DEFAULT 1,
		max_answer_len integer DEFAULT NULL, doc_stride integer DEFAULT NULL, max_seq_len integer DEFAULT NULL,
		handle_impossible_answer boolean DEFAULT NULL, align_to_words boolean DEFAULT NULL)
	RETURNS TABLE (number integer, score double precision, start integer, "end" integer, answer text)
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 10000 ROWS 10 SUPPORT tfm_support;
COMMENT ON FUNCTION tfm_answer_all(text, text, text[], integer, integer, integer, integer, boolean, boolean)
	IS 'the best answers to a question in each of several contexts, computed together, with the number of the context; options as for tfm_answer';
