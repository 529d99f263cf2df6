-- Embeddings of texts.
--
-- A function that is given the model is immutable; one without takes the model of the setting
-- tfm.embed_model, has no options, and is stable.  Options that are NULL are the model's own.
--
-- Costs are for where tfm_support is not asked: it knows the model's size and the texts' length.

CREATE FUNCTION tfm_embed(model text, input text, pooling text DEFAULT NULL,
		"normalize" boolean DEFAULT NULL, dimensions integer DEFAULT NULL, prompt text DEFAULT NULL)
	RETURNS tfm_vector
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1000 SUPPORT tfm_support;
COMMENT ON FUNCTION tfm_embed(text, text, text, boolean, integer, text)
	IS 'embedding of a text; options: pooling, "normalize" (in quotes), dimensions, prompt';

CREATE FUNCTION tfm_embed(model text, inputs text[], pooling text DEFAULT NULL,
		"normalize" boolean DEFAULT NULL, dimensions integer DEFAULT NULL, prompt text DEFAULT NULL)
	RETURNS tfm_vector[]
	AS 'MODULE_PATHNAME', 'tfm_embed_array' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 10000 SUPPORT tfm_support;
COMMENT ON FUNCTION tfm_embed(text, text[], text, boolean, integer, text)
	IS 'embeddings of texts, computed together; options as for one text';

CREATE FUNCTION tfm_embed(input text) RETURNS tfm_vector
	AS 'MODULE_PATHNAME', 'tfm_embed_default' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 1000 SUPPORT tfm_support;
COMMENT ON FUNCTION tfm_embed(text) IS 'embedding of a text by the model of tfm.embed_model';

CREATE FUNCTION tfm_embed(inputs text[]) RETURNS tfm_vector[]
	AS 'MODULE_PATHNAME', 'tfm_embed_array_default' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 10000 SUPPORT tfm_support;
COMMENT ON FUNCTION tfm_embed(text[]) IS 'embeddings of texts by the model of tfm.embed_model, computed together';

CREATE FUNCTION tfm_similarity(model text, a text, b text) RETURNS double precision
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 2000 SUPPORT tfm_support;
COMMENT ON FUNCTION tfm_similarity(text, text, text) IS 'cosine similarity of the embeddings of two texts';

CREATE FUNCTION tfm_similarity(a text, b text) RETURNS double precision
	AS 'MODULE_PATHNAME', 'tfm_similarity_default' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 2000 SUPPORT tfm_support;
COMMENT ON FUNCTION tfm_similarity(text, text)
	IS 'cosine similarity of the embeddings of two texts by the model of tfm.embed_model';

CREATE FUNCTION tfm_embed_agg_accum(internal, text, text) RETURNS internal
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1000;
COMMENT ON FUNCTION tfm_embed_agg_accum(internal, text, text) IS 'aggregate transition function';
CREATE FUNCTION tfm_embed_agg_accum(internal, text) RETURNS internal
	AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE COST 1000;
COMMENT ON FUNCTION tfm_embed_agg_accum(internal, text) IS 'aggregate transition function';
CREATE FUNCTION tfm_embed_agg_combine(internal, internal) RETURNS internal
	AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION tfm_embed_agg_combine(internal, internal) IS 'aggregate combine function';
CREATE FUNCTION tfm_embed_agg_serialize(internal) RETURNS bytea
	AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION tfm_embed_agg_serialize(internal) IS 'aggregate serialization function';
CREATE FUNCTION tfm_embed_agg_deserialize(bytea, internal) RETURNS internal
	AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION tfm_embed_agg_deserialize(bytea, internal) IS 'aggregate deserialization function';
CREATE FUNCTION tfm_embed_agg_average(internal) RETURNS tfm_vector
	AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION tfm_embed_agg_average(internal) IS 'aggregate final function';

CREATE AGGREGATE tfm_embed_agg(model text, input text) (
	SFUNC = tfm_embed_agg_accum,
	STYPE = internal,
	SSPACE = 4096,
	COMBINEFUNC = tfm_embed_agg_combine,
	SERIALFUNC = tfm_embed_agg_serialize,
	DESERIALFUNC = tfm_embed_agg_deserialize,
	FINALFUNC = tfm_embed_agg_average,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE tfm_embed_agg(text, text)
	IS 'average of the embeddings of texts, as avg(tfm_embed(model, input)), computed together';

CREATE AGGREGATE tfm_embed_agg(input text) (
	SFUNC = tfm_embed_agg_accum,
	STYPE = internal,
	SSPACE = 4096,
	COMBINEFUNC = tfm_embed_agg_combine,
	SERIALFUNC = tfm_embed_agg_serialize,
	DESERIALFUNC = tfm_embed_agg_deserialize,
	FINALFUNC = tfm_embed_agg_average,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE tfm_embed_agg(text)
	IS 'average of the embeddings of texts by the model of tfm.embed_model, computed together';

CREATE FUNCTION tfm_embed_trigger() RETURNS trigger
	AS 'MODULE_PATHNAME' LANGUAGE C;
COMMENT ON FUNCTION tfm_embed_trigger()
	IS 'BEFORE INSERT OR UPDATE trigger (text column, embedding column [, model]) that keeps the embedding current';
