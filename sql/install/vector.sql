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
