\echo Use "CREATE EXTENSION tfm" to load this file. \quit

-- The type tfm_vector: pgvector's layout, text form and operators.

CREATE TYPE tfm_vector;

CREATE FUNCTION tfm_vector_in(cstring, oid, integer) RETURNS tfm_vector
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION tfm_vector_out(tfm_vector) RETURNS cstring
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION tfm_vector_recv(internal, oid, integer) RETURNS tfm_vector
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION tfm_vector_send(tfm_vector) RETURNS bytea
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION tfm_vector_typmod_in(cstring[]) RETURNS integer
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE TYPE tfm_vector (
	INPUT = tfm_vector_in,
	OUTPUT = tfm_vector_out,
	RECEIVE = tfm_vector_recv,
	SEND = tfm_vector_send,
	TYPMOD_IN = tfm_vector_typmod_in,
	STORAGE = external
);

COMMENT ON TYPE tfm_vector IS 'vector of float4, such as an embedding; tfm_vector(n) has n dimensions';
COMMENT ON FUNCTION tfm_vector_in(cstring, oid, integer) IS 'I/O';
COMMENT ON FUNCTION tfm_vector_out(tfm_vector) IS 'I/O';
COMMENT ON FUNCTION tfm_vector_recv(internal, oid, integer) IS 'I/O';
COMMENT ON FUNCTION tfm_vector_send(tfm_vector) IS 'I/O';
COMMENT ON FUNCTION tfm_vector_typmod_in(cstring[]) IS 'I/O typmod';

-- Functions

CREATE FUNCTION tfm_vector_dims(tfm_vector) RETURNS integer
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION tfm_vector_dims(tfm_vector) IS 'number of dimensions';
CREATE FUNCTION tfm_vector_norm(tfm_vector) RETURNS double precision
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION tfm_vector_norm(tfm_vector) IS 'Euclidean norm';
CREATE FUNCTION tfm_vector_normalize(tfm_vector) RETURNS tfm_vector
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION tfm_vector_normalize(tfm_vector) IS 'the same direction with Euclidean norm 1; a zero vector stays zero';
CREATE FUNCTION tfm_vector_subvector(vector tfm_vector, start integer, count integer) RETURNS tfm_vector
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION tfm_vector_subvector(tfm_vector, integer, integer) IS 'count elements from start, the first being 1';

-- Distances

CREATE FUNCTION tfm_l2_distance(tfm_vector, tfm_vector) RETURNS double precision
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION tfm_l2_distance(tfm_vector, tfm_vector) IS 'implementation of <-> operator';
CREATE OPERATOR <-> (
	LEFTARG = tfm_vector, RIGHTARG = tfm_vector, FUNCTION = tfm_l2_distance, COMMUTATOR = <->
);
COMMENT ON OPERATOR <-> (tfm_vector, tfm_vector) IS 'Euclidean distance';

CREATE FUNCTION tfm_negative_inner_product(tfm_vector, tfm_vector) RETURNS double precision
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION tfm_negative_inner_product(tfm_vector, tfm_vector) IS 'implementation of <#> operator';
CREATE OPERATOR <#> (
	LEFTARG = tfm_vector, RIGHTARG = tfm_vector, FUNCTION = tfm_negative_inner_product, COMMUTATOR = <#>
);
COMMENT ON OPERATOR <#> (tfm_vector, tfm_vector) IS 'negative inner product';

CREATE FUNCTION tfm_cosine_distance(tfm_vector, tfm_vector) RETURNS double precision
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION tfm_cosine_distance(tfm_vector, tfm_vector) IS 'implementation of <=> operator';
CREATE OPERATOR <=> (
	LEFTARG = tfm_vector, RIGHTARG = tfm_vector, FUNCTION = tfm_cosine_distance, COMMUTATOR = <=>
);
COMMENT ON OPERATOR <=> (tfm_vector, tfm_vector) IS 'cosine distance';

CREATE FUNCTION tfm_l1_distance(tfm_vector, tfm_vector) RETURNS double precision
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION tfm_l1_distance(tfm_vector, tfm_vector) IS 'implementation of <+> operator';
CREATE OPERATOR <+> (
	LEFTARG = tfm_vector, RIGHTARG = tfm_vector, FUNCTION = tfm_l1_distance, COMMUTATOR = <+>
);
COMMENT ON OPERATOR <+> (tfm_vector, tfm_vector) IS 'taxicab distance';

-- Arithmetic

CREATE FUNCTION tfm_vector_add(tfm_vector, tfm_vector) RETURNS tfm_vector
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION tfm_vector_add(tfm_vector, tfm_vector) IS 'implementation of + operator';
CREATE OPERATOR + (
	LEFTARG = tfm_vector, RIGHTARG = tfm_vector, FUNCTION = tfm_vector_add, COMMUTATOR = +
);
COMMENT ON OPERATOR + (tfm_vector, tfm_vector) IS 'add element by element';

CREATE FUNCTION tfm_vector_sub(tfm_vector, tfm_vector) RETURNS tfm_vector
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION tfm_vector_sub(tfm_vector, tfm_vector) IS 'implementation of - operator';
CREATE OPERATOR - (
	LEFTARG = tfm_vector, RIGHTARG = tfm_vector, FUNCTION = tfm_vector_sub
);
COMMENT ON OPERATOR - (tfm_vector, tfm_vector) IS 'subtract element by element';

CREATE FUNCTION tfm_vector_mul(tfm_vector, tfm_vector) RETURNS tfm_vector
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION tfm_vector_mul(tfm_vector, tfm_vector) IS 'implementation of * operator';
CREATE OPERATOR * (
	LEFTARG = tfm_vector, RIGHTARG = tfm_vector, FUNCTION = tfm_vector_mul, COMMUTATOR = *
);
COMMENT ON OPERATOR * (tfm_vector, tfm_vector) IS 'multiply element by element';

CREATE FUNCTION tfm_vector_concat(tfm_vector, tfm_vector) RETURNS tfm_vector
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION tfm_vector_concat(tfm_vector, tfm_vector) IS 'implementation of || operator';
CREATE OPERATOR || (
	LEFTARG = tfm_vector, RIGHTARG = tfm_vector, FUNCTION = tfm_vector_concat
);
COMMENT ON OPERATOR || (tfm_vector, tfm_vector) IS 'concatenate';

-- Order and equality

CREATE FUNCTION tfm_vector_lt(tfm_vector, tfm_vector) RETURNS boolean
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION tfm_vector_lt(tfm_vector, tfm_vector) IS 'implementation of < operator';
CREATE FUNCTION tfm_vector_le(tfm_vector, tfm_vector) RETURNS boolean
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION tfm_vector_le(tfm_vector, tfm_vector) IS 'implementation of <= operator';
CREATE FUNCTION tfm_vector_eq(tfm_vector, tfm_vector) RETURNS boolean
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION tfm_vector_eq(tfm_vector, tfm_vector) IS 'implementation of = operator';
CREATE FUNCTION tfm_vector_ne(tfm_vector, tfm_vector) RETURNS boolean
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION tfm_vector_ne(tfm_vector, tfm_vector) IS 'implementation of <> operator';
CREATE FUNCTION tfm_vector_ge(tfm_vector, tfm_vector) RETURNS boolean
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION tfm_vector_ge(tfm_vector, tfm_vector) IS 'implementation of >= operator';
CREATE FUNCTION tfm_vector_gt(tfm_vector, tfm_vector) RETURNS boolean
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION tfm_vector_gt(tfm_vector, tfm_vector) IS 'implementation of > operator';

CREATE OPERATOR < (
	LEFTARG = tfm_vector, RIGHTARG = tfm_vector, FUNCTION = tfm_vector_lt,
	COMMUTATOR = >, NEGATOR = >=, RESTRICT = scalarltsel, JOIN = scalarltjoinsel
);
COMMENT ON OPERATOR < (tfm_vector, tfm_vector) IS 'less than';

CREATE OPERATOR <= (
	LEFTARG = tfm_vector, RIGHTARG = tfm_vector, FUNCTION = tfm_vector_le,
	COMMUTATOR = >=, NEGATOR = >, RESTRICT = scalarlesel, JOIN = scalarlejoinsel
);
COMMENT ON OPERATOR <= (tfm_vector, tfm_vector) IS 'less than or equal';

CREATE OPERATOR = (
	LEFTARG = tfm_vector, RIGHTARG = tfm_vector, FUNCTION = tfm_vector_eq,
	COMMUTATOR = =, NEGATOR = <>, RESTRICT = eqsel, JOIN = eqjoinsel,
	HASHES, MERGES
);
COMMENT ON OPERATOR = (tfm_vector, tfm_vector) IS 'equal';

CREATE OPERATOR <> (
	LEFTARG = tfm_vector, RIGHTARG = tfm_vector, FUNCTION = tfm_vector_ne,
	COMMUTATOR = <>, NEGATOR = =, RESTRICT = neqsel, JOIN = neqjoinsel
);
COMMENT ON OPERATOR <> (tfm_vector, tfm_vector) IS 'not equal';

CREATE OPERATOR >= (
	LEFTARG = tfm_vector, RIGHTARG = tfm_vector, FUNCTION = tfm_vector_ge,
	COMMUTATOR = <=, NEGATOR = <, RESTRICT = scalargesel, JOIN = scalargejoinsel
);
COMMENT ON OPERATOR >= (tfm_vector, tfm_vector) IS 'greater than or equal';

CREATE OPERATOR > (
	LEFTARG = tfm_vector, RIGHTARG = tfm_vector, FUNCTION = tfm_vector_gt,
	COMMUTATOR = <, NEGATOR = <=, RESTRICT = scalargtsel, JOIN = scalargtjoinsel
);
COMMENT ON OPERATOR > (tfm_vector, tfm_vector) IS 'greater than';

CREATE FUNCTION tfm_vector_cmp(tfm_vector, tfm_vector) RETURNS integer
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION tfm_vector_cmp(tfm_vector, tfm_vector) IS 'less-equal-greater';
CREATE FUNCTION tfm_vector_hash(tfm_vector) RETURNS integer
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION tfm_vector_hash(tfm_vector) IS 'hash';
CREATE FUNCTION tfm_vector_hash_extended(tfm_vector, bigint) RETURNS bigint
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION tfm_vector_hash_extended(tfm_vector, bigint) IS 'hash';

CREATE OPERATOR CLASS tfm_vector_ops
	DEFAULT FOR TYPE tfm_vector USING btree AS
	OPERATOR 1 <,
	OPERATOR 2 <=,
	OPERATOR 3 =,
	OPERATOR 4 >=,
	OPERATOR 5 >,
	FUNCTION 1 tfm_vector_cmp(tfm_vector, tfm_vector);
COMMENT ON OPERATOR CLASS tfm_vector_ops USING btree IS 'order of elements, first to last';

CREATE OPERATOR CLASS tfm_vector_ops
	DEFAULT FOR TYPE tfm_vector USING hash AS
	OPERATOR 1 =,
	FUNCTION 1 tfm_vector_hash(tfm_vector),
	FUNCTION 2 tfm_vector_hash_extended(tfm_vector, bigint);
COMMENT ON OPERATOR CLASS tfm_vector_ops USING hash IS 'equality of all elements';

COMMENT ON OPERATOR FAMILY tfm_vector_ops USING btree IS 'order of tfm_vector';
COMMENT ON OPERATOR FAMILY tfm_vector_ops USING hash IS 'equality of tfm_vector';

-- Aggregates

CREATE FUNCTION tfm_vector_accum(double precision[], tfm_vector) RETURNS double precision[]
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION tfm_vector_accum(double precision[], tfm_vector) IS 'aggregate transition function';
CREATE FUNCTION tfm_vector_combine(double precision[], double precision[]) RETURNS double precision[]
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION tfm_vector_combine(double precision[], double precision[]) IS 'aggregate combine function';
CREATE FUNCTION tfm_vector_avg(double precision[]) RETURNS tfm_vector
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION tfm_vector_avg(double precision[]) IS 'aggregate final function';
CREATE FUNCTION tfm_vector_sum(double precision[]) RETURNS tfm_vector
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION tfm_vector_sum(double precision[]) IS 'aggregate final function';

CREATE AGGREGATE avg(tfm_vector) (
	SFUNC = tfm_vector_accum,
	STYPE = double precision[],
	INITCOND = '{0}',
	COMBINEFUNC = tfm_vector_combine,
	FINALFUNC = tfm_vector_avg,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE avg(tfm_vector) IS 'average of each element';

CREATE AGGREGATE sum(tfm_vector) (
	SFUNC = tfm_vector_accum,
	STYPE = double precision[],
	INITCOND = '{0}',
	COMBINEFUNC = tfm_vector_combine,
	FINALFUNC = tfm_vector_sum,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE sum(tfm_vector) IS 'sum of each element';

-- Casts

CREATE FUNCTION tfm_vector(tfm_vector, integer, boolean) RETURNS tfm_vector
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION tfm_vector(tfm_vector, integer, boolean) IS 'check the number of dimensions';
CREATE CAST (tfm_vector AS tfm_vector)
	WITH FUNCTION tfm_vector(tfm_vector, integer, boolean) AS IMPLICIT;
COMMENT ON CAST (tfm_vector AS tfm_vector) IS 'check the number of dimensions';

CREATE FUNCTION tfm_array_to_vector(integer[], integer, boolean) RETURNS tfm_vector
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION tfm_array_to_vector(integer[], integer, boolean) IS 'integer[] to tfm_vector';
CREATE FUNCTION tfm_array_to_vector(real[], integer, boolean) RETURNS tfm_vector
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION tfm_array_to_vector(real[], integer, boolean) IS 'real[] to tfm_vector';
CREATE FUNCTION tfm_array_to_vector(double precision[], integer, boolean) RETURNS tfm_vector
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION tfm_array_to_vector(double precision[], integer, boolean) IS 'double precision[] to tfm_vector';
CREATE FUNCTION tfm_array_to_vector(numeric[], integer, boolean) RETURNS tfm_vector
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION tfm_array_to_vector(numeric[], integer, boolean) IS 'numeric[] to tfm_vector';
CREATE FUNCTION tfm_jsonb_to_vector(jsonb, integer, boolean) RETURNS tfm_vector
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION tfm_jsonb_to_vector(jsonb, integer, boolean) IS 'jsonb array of numbers to tfm_vector';
CREATE FUNCTION tfm_vector_to_integer_array(tfm_vector) RETURNS integer[]
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION tfm_vector_to_integer_array(tfm_vector) IS 'tfm_vector to integer[]';
CREATE FUNCTION tfm_vector_to_real_array(tfm_vector) RETURNS real[]
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION tfm_vector_to_real_array(tfm_vector) IS 'tfm_vector to real[]';
CREATE FUNCTION tfm_vector_to_double_array(tfm_vector) RETURNS double precision[]
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION tfm_vector_to_double_array(tfm_vector) IS 'tfm_vector to double precision[]';
CREATE FUNCTION tfm_vector_to_numeric_array(tfm_vector) RETURNS numeric[]
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION tfm_vector_to_numeric_array(tfm_vector) IS 'tfm_vector to numeric[]';
CREATE FUNCTION tfm_vector_to_jsonb(tfm_vector) RETURNS jsonb
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION tfm_vector_to_jsonb(tfm_vector) IS 'tfm_vector to jsonb';
CREATE FUNCTION tfm_vector_to_json(tfm_vector) RETURNS json
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION tfm_vector_to_json(tfm_vector) IS 'tfm_vector to json';

CREATE CAST (integer[] AS tfm_vector)
	WITH FUNCTION tfm_array_to_vector(integer[], integer, boolean) AS ASSIGNMENT;
COMMENT ON CAST (integer[] AS tfm_vector) IS 'a one-dimensional array';
CREATE CAST (real[] AS tfm_vector)
	WITH FUNCTION tfm_array_to_vector(real[], integer, boolean) AS ASSIGNMENT;
COMMENT ON CAST (real[] AS tfm_vector) IS 'a one-dimensional array';
CREATE CAST (double precision[] AS tfm_vector)
	WITH FUNCTION tfm_array_to_vector(double precision[], integer, boolean) AS ASSIGNMENT;
COMMENT ON CAST (double precision[] AS tfm_vector) IS 'a one-dimensional array';
CREATE CAST (numeric[] AS tfm_vector)
	WITH FUNCTION tfm_array_to_vector(numeric[], integer, boolean) AS ASSIGNMENT;
COMMENT ON CAST (numeric[] AS tfm_vector) IS 'a one-dimensional array';
CREATE CAST (jsonb AS tfm_vector)
	WITH FUNCTION tfm_jsonb_to_vector(jsonb, integer, boolean) AS ASSIGNMENT;
COMMENT ON CAST (jsonb AS tfm_vector) IS 'an array of numbers';

CREATE CAST (tfm_vector AS integer[])
	WITH FUNCTION tfm_vector_to_integer_array(tfm_vector);
COMMENT ON CAST (tfm_vector AS integer[]) IS 'rounded to the nearest integers';
CREATE CAST (tfm_vector AS real[])
	WITH FUNCTION tfm_vector_to_real_array(tfm_vector) AS IMPLICIT;
COMMENT ON CAST (tfm_vector AS real[]) IS 'the elements';
CREATE CAST (tfm_vector AS double precision[])
	WITH FUNCTION tfm_vector_to_double_array(tfm_vector) AS ASSIGNMENT;
COMMENT ON CAST (tfm_vector AS double precision[]) IS 'the elements';
CREATE CAST (tfm_vector AS numeric[])
	WITH FUNCTION tfm_vector_to_numeric_array(tfm_vector) AS ASSIGNMENT;
COMMENT ON CAST (tfm_vector AS numeric[]) IS 'the elements, each with the digits that tell it from other floats';
CREATE CAST (tfm_vector AS jsonb)
	WITH FUNCTION tfm_vector_to_jsonb(tfm_vector) AS ASSIGNMENT;
COMMENT ON CAST (tfm_vector AS jsonb) IS 'an array of numbers';
CREATE CAST (tfm_vector AS json)
	WITH FUNCTION tfm_vector_to_json(tfm_vector) AS ASSIGNMENT;
COMMENT ON CAST (tfm_vector AS json) IS 'an array of numbers; to_json and to_jsonb use it';

-- Models are foreign servers of the wrapper tfm.

CREATE FUNCTION tfm_fdw_handler() RETURNS fdw_handler
	AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION tfm_fdw_handler() IS 'handler of the foreign-data wrapper tfm, whose servers are models';

CREATE FUNCTION tfm_fdw_validator(text[], oid) RETURNS void
	AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION tfm_fdw_validator(text[], oid) IS 'checks the options of a model';

CREATE FOREIGN DATA WRAPPER tfm HANDLER tfm_fdw_handler VALIDATOR tfm_fdw_validator;
COMMENT ON FOREIGN DATA WRAPPER tfm IS 'each server is a model';

CREATE FUNCTION tfm_pin() RETURNS event_trigger
	AS 'MODULE_PATHNAME' LANGUAGE C;
COMMENT ON FUNCTION tfm_pin() IS 'pins a model that CREATE SERVER has made to the content of its checkpoint';

CREATE EVENT TRIGGER tfm_pin ON ddl_command_end
	WHEN TAG IN ('CREATE SERVER', 'ALTER SERVER') EXECUTE FUNCTION tfm_pin();
COMMENT ON EVENT TRIGGER tfm_pin IS 'pins a model that CREATE SERVER has made to the content of its checkpoint';

CREATE FUNCTION tfm_load_model(name text, path text, dtype text DEFAULT 'auto', compute text DEFAULT 'auto', replace boolean DEFAULT false) RETURNS text
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT COST 1000000;
COMMENT ON FUNCTION tfm_load_model(text, text, text, text, boolean) IS 'compile a checkpoint and register it as a model; returns its name';

CREATE FUNCTION tfm_drop_model(name text, if_exists boolean DEFAULT false) RETURNS void
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION tfm_drop_model(text, boolean) IS 'drop a registered model';

CREATE FUNCTION tfm_refresh_model(name text) RETURNS boolean
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT COST 1000000;
COMMENT ON FUNCTION tfm_refresh_model(text) IS 'accept the checkpoint of a model as it is now, and compile it again; whether it had changed';

CREATE FUNCTION tfm_prune_images(unused_for interval DEFAULT '30 days') RETURNS bigint
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT;
REVOKE EXECUTE ON FUNCTION tfm_prune_images(interval) FROM PUBLIC;
COMMENT ON FUNCTION tfm_prune_images(interval) IS 'remove compiled images that no session has opened for so long and that no model of this database uses; bytes freed';

CREATE FUNCTION tfm_model_info(server oid,
		OUT family text, OUT model_type text, OUT architecture text, OUT task text,
		OUT parameters bigint, OUT dimensions integer, OUT max_tokens integer, OUT dtype text, OUT compute text,
		OUT image_bytes bigint, OUT memory_bytes bigint, OUT compile_seconds double precision, OUT state text, OUT error text)
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION tfm_model_info(oid) IS 'what is known of a model; see the view tfm_models';

CREATE VIEW tfm_models AS
	SELECT s.srvname AS name, i.family, i.model_type, i.architecture, i.task, i.parameters,
		i.dimensions, i.max_tokens, i.dtype, i.compute, o.path, o.content, i.image_bytes, i.memory_bytes, i.compile_seconds,
		i.state, i.error, pg_catalog.pg_get_userbyid(s.srvowner) AS owner,
		pg_catalog.obj_description(s.oid, 'pg_foreign_server') AS comment
	FROM pg_catalog.pg_foreign_server s
		JOIN pg_catalog.pg_foreign_data_wrapper w ON w.oid = s.srvfdw AND w.fdwname = 'tfm'
		CROSS JOIN LATERAL (
			SELECT max(option_value) FILTER (WHERE option_name = 'path') AS path,
				max(option_value) FILTER (WHERE option_name = 'content') AS content
			FROM pg_catalog.pg_options_to_table(s.srvoptions)) o
		CROSS JOIN LATERAL tfm_model_info(s.oid) i
	WHERE pg_catalog.has_server_privilege(s.oid, 'USAGE');
GRANT SELECT ON tfm_models TO PUBLIC;
COMMENT ON VIEW tfm_models IS 'the models that the current user may use';
COMMENT ON COLUMN tfm_models.parameters IS 'number of weights'' elements that the model uses';
COMMENT ON COLUMN tfm_models.dimensions IS 'of an embedding; NULL if the model makes none';
COMMENT ON COLUMN tfm_models.max_tokens IS 'longest input in tokens, special ones included';
COMMENT ON COLUMN tfm_models.memory_bytes IS 'memory that the computation of one longest input takes';
COMMENT ON COLUMN tfm_models.dtype IS 'type in which weights are kept; of most, if they differ';
COMMENT ON COLUMN tfm_models.compute IS 'arithmetic of matrix products: f32, bf16 or int8';
COMMENT ON COLUMN tfm_models.image_bytes IS 'size of the compiled image, which all sessions share';
COMMENT ON COLUMN tfm_models.compile_seconds IS 'time that compiling the image took';
COMMENT ON COLUMN tfm_models.content IS 'SHA-256 of the checkpoint that the name stands for';
COMMENT ON COLUMN tfm_models.state IS 'ready; not compiled (done at first use); changed or not pinned (see tfm_refresh_model); error';

-- Texts to tokens and back.  Positions count characters from 0, and end after the last, as those
-- of Hugging Face do: substr(input, start + 1, "end" - start) is what the token covers.
--
-- Costs.  A text of a page takes some ten microseconds to a millisecond, as a thousand operators do.

CREATE FUNCTION tfm_tokenize(model text, input text, pair text DEFAULT NULL,
		add_special_tokens boolean DEFAULT true, max_length integer DEFAULT NULL, stride integer DEFAULT NULL,
		truncation text DEFAULT NULL, truncation_side text DEFAULT NULL,
		padding text DEFAULT NULL, pad_to_multiple_of integer DEFAULT NULL, padding_side text DEFAULT NULL)
	RETURNS integer[]
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 100;
COMMENT ON FUNCTION tfm_tokenize(text, text, text, boolean, integer, integer, text, text, text, integer, text)
	IS 'token ids of a text, or of a pair of texts; options: add_special_tokens, max_length, stride, truncation, truncation_side, padding, pad_to_multiple_of, padding_side';

CREATE FUNCTION tfm_tokenize(input text) RETURNS integer[]
	AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100;
COMMENT ON FUNCTION tfm_tokenize(text) IS 'token ids of a text by the model tfm.embed_model';

CREATE FUNCTION tfm_tokenize(model text, inputs text[], pairs text[] DEFAULT NULL,
		add_special_tokens boolean DEFAULT true, max_length integer DEFAULT NULL, stride integer DEFAULT NULL,
		truncation text DEFAULT NULL, truncation_side text DEFAULT NULL,
		padding text DEFAULT NULL, pad_to_multiple_of integer DEFAULT NULL, padding_side text DEFAULT NULL)
	RETURNS TABLE (number integer, piece integer, ids integer[])
	AS 'MODULE_PATHNAME', 'tfm_tokenize_array' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1000 ROWS 100;
COMMENT ON FUNCTION tfm_tokenize(text, text[], text[], boolean, integer, integer, text, text, text, integer, text)
	IS 'token ids of several texts, computed together, and of the pieces that a stride asks for; options as for one text';

CREATE FUNCTION tfm_tokenize(inputs text[])
	RETURNS TABLE (number integer, piece integer, ids integer[])
	AS 'MODULE_PATHNAME', 'tfm_tokenize_array' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 1000 ROWS 100;
COMMENT ON FUNCTION tfm_tokenize(text[]) IS 'token ids of several texts by the model tfm.embed_model, computed together';

CREATE FUNCTION tfm_tokens(model text, input text, pair text DEFAULT NULL,
		add_special_tokens boolean DEFAULT true, max_length integer DEFAULT NULL, stride integer DEFAULT NULL,
		truncation text DEFAULT NULL, truncation_side text DEFAULT NULL,
		padding text DEFAULT NULL, pad_to_multiple_of integer DEFAULT NULL, padding_side text DEFAULT NULL)
	RETURNS TABLE (id integer, token text, start integer, "end" integer,
		word integer, type_id integer, sequence integer, special boolean, attention_mask integer, piece integer)
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 100 ROWS 50;
COMMENT ON FUNCTION tfm_tokens(text, text, text, boolean, integer, integer, text, text, text, integer, text)
	IS 'tokens of a text, or of a pair, with the characters that they cover, counted from 0; options as for tfm_tokenize';

CREATE FUNCTION tfm_tokens(model text, words text[], pair_words text[] DEFAULT NULL,
		add_special_tokens boolean DEFAULT true, max_length integer DEFAULT NULL, stride integer DEFAULT NULL,
		truncation text DEFAULT NULL, truncation_side text DEFAULT NULL,
		padding text DEFAULT NULL, pad_to_multiple_of integer DEFAULT NULL, padding_side text DEFAULT NULL)
	RETURNS TABLE (id integer, token text, start integer, "end" integer,
		word integer, type_id integer, sequence integer, special boolean, attention_mask integer, piece integer)
	AS 'MODULE_PATHNAME', 'tfm_tokens_words' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 100 ROWS 50;
COMMENT ON FUNCTION tfm_tokens(text, text[], text[], boolean, integer, integer, text, text, text, integer, text)
	IS 'tokens of a text that is split into words, with the number of the word and the characters of it that they cover, from 0; options as for tfm_tokenize';

CREATE FUNCTION tfm_tokens(input text)
	RETURNS TABLE (id integer, token text, start integer, "end" integer,
		word integer, type_id integer, sequence integer, special boolean, attention_mask integer, piece integer)
	AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100 ROWS 50;
COMMENT ON FUNCTION tfm_tokens(text) IS 'tokens of a text by the model tfm.embed_model';

CREATE FUNCTION tfm_count_tokens(model text, input text, pair text DEFAULT NULL,
		add_special_tokens boolean DEFAULT true)
	RETURNS integer
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 100;
COMMENT ON FUNCTION tfm_count_tokens(text, text, text, boolean)
	IS 'number of tokens of a text, or of a pair, special ones included';

CREATE FUNCTION tfm_count_tokens(input text) RETURNS integer
	AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100;
COMMENT ON FUNCTION tfm_count_tokens(text) IS 'number of tokens of a text by the model tfm.embed_model';

CREATE FUNCTION tfm_count_tokens(model text, inputs text[]) RETURNS integer[]
	AS 'MODULE_PATHNAME', 'tfm_count_tokens_array' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 1000;
COMMENT ON FUNCTION tfm_count_tokens(text, text[]) IS 'numbers of tokens of several texts, computed together';

CREATE FUNCTION tfm_count_tokens(inputs text[]) RETURNS integer[]
	AS 'MODULE_PATHNAME', 'tfm_count_tokens_array' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 1000;
COMMENT ON FUNCTION tfm_count_tokens(text[]) IS 'numbers of tokens of several texts by the model tfm.embed_model, computed together';

CREATE FUNCTION tfm_detokenize(model text, ids integer[], skip_special_tokens boolean DEFAULT true) RETURNS text
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100;
COMMENT ON FUNCTION tfm_detokenize(text, integer[], boolean) IS 'the text of token ids';

-- Texts cut into chunks.  Positions count characters from 0, as in tokenize.sql.

CREATE FUNCTION tfm_chunk(model text, input text, max_tokens integer, overlap integer DEFAULT 0)
	RETURNS TABLE (chunk integer, content text, start integer, "end" integer, tokens integer)
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 1000 ROWS 20;
COMMENT ON FUNCTION tfm_chunk(text, text, integer, integer)
	IS 'a text cut into chunks of at most max_tokens tokens, at its paragraphs, sentences and words';

CREATE FUNCTION tfm_chunk(input text, max_tokens integer, overlap integer DEFAULT 0)
	RETURNS TABLE (chunk integer, content text, start integer, "end" integer, tokens integer)
	AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 1000 ROWS 20;
COMMENT ON FUNCTION tfm_chunk(text, integer, integer)
	IS 'a text cut into chunks of tokens of the model tfm.embed_model';

-- Prompts made by templates.  A template can ask for the time (strftime_now), which is the start of
-- the statement: hence STABLE.

CREATE FUNCTION tfm_apply_chat_template(model text, messages jsonb, tools jsonb DEFAULT NULL,
		documents jsonb DEFAULT NULL, add_generation_prompt boolean DEFAULT false,
		continue_final_message boolean DEFAULT false, chat_template text DEFAULT NULL, kwargs jsonb DEFAULT NULL)
	RETURNS text
	AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE COST 500;
COMMENT ON FUNCTION tfm_apply_chat_template(text, jsonb, jsonb, jsonb, boolean, boolean, text, jsonb)
	IS 'the prompt that a model''s chat template makes of a conversation';

CREATE FUNCTION tfm_render(template text, context jsonb DEFAULT '{}') RETURNS text
	AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100;
COMMENT ON FUNCTION tfm_render(text, jsonb) IS 'a Jinja template, rendered with the members of an object as variables';

-- Embeddings of texts.
--
-- A function that is given the model is immutable; one without takes the model of the setting
-- tfm.embed_model, has no options, and is stable.  Options that are NULL are the model's own.
--
-- Costs.  A text takes a millisecond, as much as 10 000 to 100 000 operators; the cost of 1000 is less
-- on purpose.  It is enough for all that the planner can choose with it: filters that need no model
-- run first, an index that holds the embeddings wins, and a scan is parallel from some 800 rows on.
-- But a plan whose cost passes jit_above_cost (100 000) is compiled as well, which makes no model
-- faster and costs the session 30 MB that it keeps; with 1000 that begins at 40 000 texts.

CREATE FUNCTION tfm_embed(model text, input text, pooling text DEFAULT NULL,
		"normalize" boolean DEFAULT NULL, dimensions integer DEFAULT NULL, prompt text DEFAULT NULL)
	RETURNS tfm_vector
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1000;
COMMENT ON FUNCTION tfm_embed(text, text, text, boolean, integer, text)
	IS 'embedding of a text; options: pooling, "normalize" (in quotes), dimensions, prompt';

CREATE FUNCTION tfm_embed(model text, inputs text[], pooling text DEFAULT NULL,
		"normalize" boolean DEFAULT NULL, dimensions integer DEFAULT NULL, prompt text DEFAULT NULL)
	RETURNS tfm_vector[]
	AS 'MODULE_PATHNAME', 'tfm_embed_array' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 10000;
COMMENT ON FUNCTION tfm_embed(text, text[], text, boolean, integer, text)
	IS 'embeddings of texts, computed together; options as for one text';

CREATE FUNCTION tfm_embed(input text) RETURNS tfm_vector
	AS 'MODULE_PATHNAME', 'tfm_embed_default' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 1000;
COMMENT ON FUNCTION tfm_embed(text) IS 'embedding of a text by the model of tfm.embed_model';

CREATE FUNCTION tfm_embed(inputs text[]) RETURNS tfm_vector[]
	AS 'MODULE_PATHNAME', 'tfm_embed_array_default' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 10000;
COMMENT ON FUNCTION tfm_embed(text[]) IS 'embeddings of texts by the model of tfm.embed_model, computed together';

CREATE FUNCTION tfm_similarity(model text, a text, b text) RETURNS double precision
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 2000;
COMMENT ON FUNCTION tfm_similarity(text, text, text) IS 'cosine similarity of the embeddings of two texts';

CREATE FUNCTION tfm_similarity(a text, b text) RETURNS double precision
	AS 'MODULE_PATHNAME', 'tfm_similarity_default' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 2000;
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

-- The raw forward pass.

CREATE FUNCTION tfm_forward(model text, inputs jsonb) RETURNS jsonb
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10000;
COMMENT ON FUNCTION tfm_forward(text, jsonb) IS 'run a model on tensors, with the names of Transformers';

-- Texts that go on.
--
-- A function that is given the model is immutable: sampling draws from a generator that the argument
-- seed starts, so that a call always gives the same text.  One without takes the model of the setting
-- tfm.generate_model, has no options, and is stable.  Options that are NULL are the model's own;
-- options holds any others by the names of Transformers' GenerationConfig.

CREATE FUNCTION tfm_generate(model text, prompt text, max_new_tokens integer DEFAULT NULL, temperature double precision DEFAULT NULL,
		top_k integer DEFAULT NULL, top_p double precision DEFAULT NULL, num_beams integer DEFAULT NULL,
		seed bigint DEFAULT NULL, stop text[] DEFAULT NULL, json_schema jsonb DEFAULT NULL,
		grammar text DEFAULT NULL, regex text DEFAULT NULL, choices text[] DEFAULT NULL,
		assistant_model text DEFAULT NULL, options jsonb DEFAULT NULL)
	RETURNS text
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 10000;
COMMENT ON FUNCTION tfm_generate(text, text, integer, double precision, integer, double precision, integer, bigint, text[], jsonb, text, text, text[], text, jsonb)
	IS 'how a text goes on, as Transformers'' generate() has it';

CREATE FUNCTION tfm_generate(model text, prompts text[], max_new_tokens integer DEFAULT NULL, temperature double precision DEFAULT NULL,
		top_k integer DEFAULT NULL, top_p double precision DEFAULT NULL, num_beams integer DEFAULT NULL,
		seed bigint DEFAULT NULL, stop text[] DEFAULT NULL, json_schema jsonb DEFAULT NULL,
		grammar text DEFAULT NULL, regex text DEFAULT NULL, choices text[] DEFAULT NULL,
		assistant_model text DEFAULT NULL, options jsonb DEFAULT NULL)
	RETURNS text[]
	AS 'MODULE_PATHNAME', 'tfm_generate_array' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 100000;
COMMENT ON FUNCTION tfm_generate(text, text[], integer, double precision, integer, double precision, integer, bigint, text[], jsonb, text, text, text[], text, jsonb)
	IS 'how texts go on, computed together; options as for one text';

CREATE FUNCTION tfm_generate(prompt text) RETURNS text
	AS 'MODULE_PATHNAME', 'tfm_generate_default' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 10000;
COMMENT ON FUNCTION tfm_generate(text) IS 'how a text goes on, by the model of tfm.generate_model';

CREATE FUNCTION tfm_generate(prompts text[]) RETURNS text[]
	AS 'MODULE_PATHNAME', 'tfm_generate_array_default' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100000;
COMMENT ON FUNCTION tfm_generate(text[])
	IS 'how texts go on, by the model of tfm.generate_model, computed together';

CREATE FUNCTION tfm_generate_ids(model text, prompts jsonb, options jsonb DEFAULT NULL,
		assistant_model text DEFAULT NULL)
	RETURNS jsonb
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 10000;
COMMENT ON FUNCTION tfm_generate_ids(text, jsonb, jsonb, text)
	IS 'Transformers'' generate(): arrays of token ids in, its sequences out';

CREATE FUNCTION tfm_generate_stream(model text, prompt text, max_new_tokens integer DEFAULT NULL, temperature double precision DEFAULT NULL,
		top_k integer DEFAULT NULL, top_p double precision DEFAULT NULL, num_beams integer DEFAULT NULL,
		seed bigint DEFAULT NULL, stop text[] DEFAULT NULL, json_schema jsonb DEFAULT NULL,
		grammar text DEFAULT NULL, regex text DEFAULT NULL, choices text[] DEFAULT NULL,
		assistant_model text DEFAULT NULL, options jsonb DEFAULT NULL)
	RETURNS SETOF text
	AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE COST 10000 ROWS 100;
COMMENT ON FUNCTION tfm_generate_stream(text, text, integer, double precision, integer, double precision, integer, bigint, text[], jsonb, text, text, text[], text, jsonb)
	IS 'how a text goes on, a row for each piece as it comes; options as of tfm_generate';

CREATE FUNCTION tfm_chat(model text, messages jsonb, tools jsonb DEFAULT NULL, max_new_tokens integer DEFAULT NULL, temperature double precision DEFAULT NULL,
		top_k integer DEFAULT NULL, top_p double precision DEFAULT NULL, num_beams integer DEFAULT NULL,
		seed bigint DEFAULT NULL, stop text[] DEFAULT NULL, json_schema jsonb DEFAULT NULL,
		grammar text DEFAULT NULL, regex text DEFAULT NULL, choices text[] DEFAULT NULL,
		assistant_model text DEFAULT NULL, options jsonb DEFAULT NULL,
		documents jsonb DEFAULT NULL, chat_template text DEFAULT NULL, kwargs jsonb DEFAULT NULL)
	RETURNS jsonb
	AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE COST 10000;
COMMENT ON FUNCTION tfm_chat(text, jsonb, jsonb, integer, double precision, integer, double precision, integer, bigint, text[], jsonb, text, text, text[], text, jsonb, jsonb, text, jsonb)
	IS 'the message that the assistant says next in a conversation, with its tool calls';

CREATE FUNCTION tfm_generate_agg_accum(internal, text, text, text) RETURNS internal
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION tfm_generate_agg_accum(internal, text, text, text) IS 'aggregate transition function';
CREATE FUNCTION tfm_generate_agg_accum(internal, text, text, text, jsonb) RETURNS internal
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION tfm_generate_agg_accum(internal, text, text, text, jsonb) IS 'aggregate transition function';
CREATE FUNCTION tfm_summarize_agg_accum(internal, text, text) RETURNS internal
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION tfm_summarize_agg_accum(internal, text, text) IS 'aggregate transition function';
CREATE FUNCTION tfm_summarize_agg_accum(internal, text) RETURNS internal
	AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION tfm_summarize_agg_accum(internal, text) IS 'aggregate transition function';
CREATE FUNCTION tfm_generate_agg_final(internal) RETURNS text
	AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE COST 10000;
COMMENT ON FUNCTION tfm_generate_agg_final(internal) IS 'aggregate final function';

CREATE AGGREGATE tfm_generate_agg(model text, instruction text, input text) (
	SFUNC = tfm_generate_agg_accum,
	STYPE = internal,
	FINALFUNC = tfm_generate_agg_final,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE tfm_generate_agg(text, text, text)
	IS 'one answer to an instruction over all texts of a group, by parts where they are too long';

CREATE AGGREGATE tfm_generate_agg(model text, instruction text, input text, options jsonb) (
	SFUNC = tfm_generate_agg_accum,
	STYPE = internal,
	FINALFUNC = tfm_generate_agg_final,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE tfm_generate_agg(text, text, text, jsonb)
	IS 'one answer to an instruction over all texts of a group; options of the group''s first row';

CREATE AGGREGATE tfm_summarize_agg(model text, input text) (
	SFUNC = tfm_summarize_agg_accum,
	STYPE = internal,
	FINALFUNC = tfm_generate_agg_final,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE tfm_summarize_agg(text, text) IS 'a summary of all texts of a group';

CREATE AGGREGATE tfm_summarize_agg(input text) (
	SFUNC = tfm_summarize_agg_accum,
	STYPE = internal,
	FINALFUNC = tfm_generate_agg_final,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE tfm_summarize_agg(text)
	IS 'a summary of all texts of a group by the model of tfm.generate_model';

-- Labels of texts.

CREATE FUNCTION tfm_classify(model text, input text, labels text[], OUT label text, OUT score double precision)
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10000;
COMMENT ON FUNCTION tfm_classify(text, text, text[])
	IS 'the label that a model gives a text, and its probability among the labels';

CREATE FUNCTION tfm_classify_all(model text, input text, labels text[])
	RETURNS TABLE (label text, score double precision)
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10000 ROWS 10;
COMMENT ON FUNCTION tfm_classify_all(text, text, text[])
	IS 'all labels with their probabilities, the best first';
