# Every version that was released can be upgraded to what a new database has, with what depends on
# it; the extension moves between schemas.
#
# SPDX-License-Identifier: PostgreSQL
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TfmTest;

my $node = PostgreSQL::Test::Cluster->new('upgrade');
$node->init;
$node->append_conf('postgresql.conf', 'fsync = off');
$node->start;

my $path = quote_path(golden('sentence/mean'));
my $has_vector = $node->safe_psql('postgres', q{SELECT count(*) FROM pg_available_extensions WHERE name = 'vector'});

# A row for each object of the extensions, and for each thing that hangs on one, with all that is
# known of it but its OID: what a row of a catalog has, OIDs as names where the catalog's types give
# no name by themselves.
my $objects = q{
	WITH member AS (
		SELECT d.classid, d.objid, e.extname
		FROM pg_depend d JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
		WHERE d.deptype = 'e' AND e.extname ~ '^tfm'),
	detail AS (
		SELECT 'pg_proc'::regclass AS classid, p.oid AS objid,
			concat_ws(' ', CASE WHEN p.prokind <> 'a' THEN pg_get_functiondef(p.oid) END,
				to_jsonb(p) - '{oid,pronamespace,proowner,prolang,prorettype,proargtypes,proallargtypes,provariadic,proargdefaults,prosqlbody}'::text[],
				pg_get_function_arguments(p.oid), pg_get_function_result(p.oid),
				(SELECT to_jsonb(a) - '{aggtranstype,aggmtranstype,aggsortop}'::text[] || jsonb_build_object('type', aggtranstype::regtype)
					FROM pg_aggregate a WHERE a.aggfnoid = p.oid)) AS attributes
		FROM pg_proc p
		UNION ALL
		SELECT 'pg_type'::regclass, t.oid, (to_jsonb(t) - '{oid,typnamespace,typowner,typrelid,typelem,typarray,typbasetype,typcollation}'::text[]
			|| jsonb_build_object('of', array[typrelid::regclass::text, typelem::regtype::text, typarray::regtype::text, typbasetype::regtype::text]))::text
		FROM pg_type t
		UNION ALL
		SELECT 'pg_operator'::regclass, o.oid, (to_jsonb(o) - '{oid,oprnamespace,oprowner,oprleft,oprright,oprresult,oprcom,oprnegate}'::text[]
			|| jsonb_build_object('of', array[oprresult::regtype::text, oprcom::regoperator::text, oprnegate::regoperator::text]))::text
		FROM pg_operator o
		UNION ALL
		SELECT 'pg_opclass'::regclass, c.oid, (to_jsonb(c) - '{oid,opcnamespace,opcowner,opcfamily,opcintype,opckeytype,opcmethod}'::text[]
			|| jsonb_build_object('of', array[opcintype::regtype::text, opckeytype::regtype::text]))::text
		FROM pg_opclass c
		UNION ALL
		SELECT 'pg_opfamily'::regclass, f.oid, (SELECT string_agg(pg_describe_object('pg_amop'::regclass, oid, 0), ';' ORDER BY amopstrategy)
				FROM pg_amop WHERE amopfamily = f.oid)
			|| (SELECT string_agg(pg_describe_object('pg_amproc'::regclass, oid, 0), ';' ORDER BY amprocnum) FROM pg_amproc WHERE amprocfamily = f.oid)
		FROM pg_opfamily f
		UNION ALL
		SELECT 'pg_cast'::regclass, c.oid, concat_ws(',', castfunc::regprocedure, castcontext, castmethod)
		FROM pg_cast c
		UNION ALL
		SELECT 'pg_event_trigger'::regclass, e.oid, concat_ws(',', evtevent, evtfoid::regprocedure, evtenabled, evttags)
		FROM pg_event_trigger e
		UNION ALL
		SELECT 'pg_foreign_data_wrapper'::regclass, w.oid,
			concat_ws(',', fdwhandler::regprocedure, fdwvalidator::regprocedure, fdwacl, fdwoptions)
		FROM pg_foreign_data_wrapper w
		UNION ALL
		SELECT 'pg_class'::regclass, c.oid, concat_ws(E'\n', relkind, relpersistence, relacl, reloptions, relrowsecurity,
			CASE WHEN relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) END,
			(SELECT string_agg(concat_ws(' ', attnum, attname, format_type(atttypid, atttypmod), attnotnull, attidentity, attgenerated,
					attstorage, attacl, pg_get_expr(d.adbin, d.adrelid)), ';' ORDER BY attnum)
				FROM pg_attribute a LEFT JOIN pg_attrdef d ON a.attrelid = d.adrelid AND a.attnum = d.adnum
				WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
			(SELECT string_agg(conname || ' ' || pg_get_constraintdef(oid), ';' ORDER BY conname) FROM pg_constraint WHERE conrelid = c.oid),
			(SELECT string_agg(pg_get_indexdef(indexrelid), ';' ORDER BY indexrelid::regclass::text) FROM pg_index WHERE indrelid = c.oid),
			(SELECT string_agg(pg_get_triggerdef(oid), ';' ORDER BY tgname) FROM pg_trigger WHERE tgrelid = c.oid AND NOT tgisinternal),
			(SELECT string_agg(pg_get_ruledef(oid), ';' ORDER BY rulename) FROM pg_rewrite WHERE ev_class = c.oid),
			(SELECT string_agg(polname || ' ' || pg_get_expr(polqual, polrelid), ';' ORDER BY polname) FROM pg_policy WHERE polrelid = c.oid),
			(SELECT to_jsonb(s) - 'seqrelid' - 'seqtypid' FROM pg_sequence s WHERE seqrelid = c.oid))
		FROM pg_class c)
	SELECT concat_ws(' ', extname, pg_describe_object(m.classid, m.objid, 0), regexp_replace(d.attributes, '\s+', ' ', 'g'))
	FROM member m LEFT JOIN detail d USING (classid, objid)
	UNION ALL
	SELECT concat_ws(' ', 'comment', pg_describe_object(c.classoid, c.objoid, c.objsubid), c.description)
	FROM member m JOIN pg_description c ON c.classoid = m.classid AND c.objoid = m.objid
	UNION ALL
	SELECT concat_ws(' ', 'initial privileges', pg_describe_object(i.classoid, i.objoid, i.objsubid), i.initprivs)
	FROM member m JOIN pg_init_privs i ON i.classoid = m.classid AND i.objoid = m.objid
	UNION ALL
	SELECT concat_ws(' ', 'extension', extname, extversion, extrelocatable, extnamespace::regnamespace, extcondition,
		(SELECT array_agg(c::regclass) FROM unnest(extconfig) c))
	FROM pg_extension WHERE extname ~ '^tfm'
	ORDER BY 1};

sub objects_of
{
	my ($database) = @_;

	return $node->safe_psql($database, $objects);
}

# Two lists of objects are the same; says which differ.
sub same_objects
{
	my ($got, $expected, $name) = @_;
	my %got = map { $_ => 1 } split /\n/, $got;
	my %expected = map { $_ => 1 } split /\n/, $expected;

	ok($got eq $expected, $name)
	  or diag(map { substr($_, 0, 2000) . "\n" }
		(map { "only here: $_" } grep { !$expected{$_} } sort keys %got),
		(map { "missing: $_" } grep { !$got{$_} } sort keys %expected));
}

# What a user has that depends on the extension, and what it gives.
my $user_objects = qq{
	SELECT tfm_load_model('m', $path);
	GRANT USAGE ON FOREIGN SERVER m TO reader;
	CREATE TABLE docs (id int PRIMARY KEY, body text,
		embedding tfm_vector(16) GENERATED ALWAYS AS (tfm_embed('m', body)) STORED, own tfm_vector);
	CREATE TRIGGER embed BEFORE INSERT OR UPDATE ON docs
		FOR EACH ROW EXECUTE FUNCTION tfm_embed_trigger('body', 'own', 'm');
	INSERT INTO docs (id, body) VALUES (1, 'the cat sat'), (2, 'on the mat'), (3, 'hello');
	CREATE INDEX docs_tokens ON docs (tfm_count_tokens('m', body));
	CREATE INDEX docs_embedding ON docs (embedding);
	CREATE VIEW near AS SELECT id, tfm_similarity('m', body, 'hello') AS similarity FROM docs;
	CREATE MATERIALIZED VIEW average AS SELECT tfm_embed_agg('m', body) AS a, avg(embedding) AS b FROM docs;
	CREATE FUNCTION mine(input text) RETURNS tfm_vector LANGUAGE sql IMMUTABLE RETURN tfm_embed('m', input)};
my $values = q{
	SET enable_seqscan = off;
	SELECT * FROM docs ORDER BY id;
	SELECT id FROM docs WHERE tfm_count_tokens('m', body) = 3;
	SELECT id FROM docs WHERE embedding = mine('hello');
	SELECT id FROM near ORDER BY similarity DESC LIMIT 1;
	SELECT * FROM average;
	SELECT name, state FROM tfm_models};

$node->safe_psql('postgres', 'CREATE ROLE reader; CREATE EXTENSION tfm');
my $fresh = objects_of('postgres');
cmp_ok(scalar(split /\n/, $fresh), '>', 200, 'the extension has objects');

# From each version whose install script is kept.
my @old = map { m{/tfm--([^-]+)\.sql$} ? $1 : () } glob(($ENV{TFM_UPGRADE} // 'sql/upgrade') . '/tfm--*.sql');
cmp_ok(scalar @old, '>', 0, 'there are old versions');
for my $version (@old)
{
	my $database = "from_$version";

	$node->safe_psql('postgres', qq{CREATE DATABASE "$database"});
	$node->safe_psql($database, "CREATE EXTENSION tfm VERSION '$version'");
	$node->safe_psql($database, $user_objects);
	my $before = $node->safe_psql($database, $values);
	like($before, qr/\bm\|ready$/, "$version works with the library of today");
	# A session that has used the old version goes on with the new one.
	my $session = $node->background_psql($database, on_error_stop => 0);
	my $in_session = $session->query($values);
	$node->safe_psql($database, 'ALTER EXTENSION tfm UPDATE');
	same_objects(objects_of($database), $fresh, "upgraded from $version, as new");
	is($session->query($values), $in_session, 'open sessions go on');
	$session->quit;
	is($node->safe_psql($database, $values), $before, 'what depends on it gives the same');
	$node->safe_psql($database, q{
		INSERT INTO docs (id, body) VALUES (4, 'a dog'); UPDATE docs SET body = 'hello' WHERE id = 1;
		REFRESH MATERIALIZED VIEW average; REINDEX TABLE docs});
	is($node->safe_psql($database, q{SELECT id FROM docs WHERE embedding = own AND tfm_count_tokens('m', body) = 3 ORDER BY id}),
		"1\n3", 'and follows changes');
	# A dump has the version's own privileges and no more.
	my $dump = PostgreSQL::Test::Utils::tempdir() . "/$version.sql";
	$node->command_ok([ 'pg_dump', '-d', $node->connstr($database), '-f', $dump ], 'it can be dumped');
	unlike(slurp_file($dump), qr/(?:GRANT|REVOKE) .* ON (?:FUNCTION|TABLE) .*tfm_/, 'without what the extension grants itself');
	$node->safe_psql('postgres', qq{CREATE DATABASE "restored_$version"});
	$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr("restored_$version"), '-f', $dump ],
		'and restored');
	same_objects(objects_of("restored_$version"), $fresh, 'as new');
}

# Any schema, with nothing in the search path that could be taken for ours; and from one to another.
$node->safe_psql('postgres', 'CREATE DATABASE moved');
$node->safe_psql('moved', q{
	SET search_path = '';
	CREATE SCHEMA "One schema"; CREATE SCHEMA two;
	CREATE EXTENSION tfm SCHEMA "One schema"});
is($node->safe_psql('moved', q{
		SELECT count(*) FROM pg_depend d JOIN pg_proc p ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid
		WHERE d.deptype = 'e' AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'tfm')
			AND p.pronamespace <> '"One schema"'::regnamespace}),
	'0', 'another schema takes all functions');
$node->safe_psql('moved', q{SET search_path = public, "One schema"; } . $user_objects);
my $unmoved = $node->safe_psql('moved', qq{SET search_path = public, "One schema"; $values});
my $session = $node->background_psql('moved', on_error_stop => 0);
$session->query(q{SET search_path = public, "One schema", two});
my $in_session = $session->query($values);
$node->safe_psql('moved', 'ALTER EXTENSION tfm SET SCHEMA two');
is($node->safe_psql('moved', qq{SET search_path = public, two; $values}), $unmoved, 'it moves to another schema');
is($session->query($values), $in_session, 'while sessions use it');
$session->quit;
$node->safe_psql('moved', q{
	SET search_path = ''; INSERT INTO public.docs (id, body) VALUES (4, 'a dog');
	SELECT two.tfm_embed('m', 'x'), two.tfm_tokens('m', 'x'), two.tfm_embed_agg('m', 'x'), name, two.avg(embedding) FROM two.tfm_models, public.docs GROUP BY name;
	SELECT two.tfm_drop_model('m'), two.tfm_load_model('m', } . $path . ')');
pass('no function needs a search path');

if ($has_vector)
{
	$node->safe_psql('postgres', 'CREATE DATABASE vectors');
	$node->safe_psql('vectors', q{
		CREATE SCHEMA a; CREATE SCHEMA b; CREATE SCHEMA c; SET search_path = '';
		CREATE EXTENSION vector SCHEMA a;
		CREATE EXTENSION tfm SCHEMA b VERSION '} . $old[0] . q{';
		CREATE EXTENSION tfm_pgvector SCHEMA c;
		ALTER EXTENSION tfm UPDATE;
		ALTER EXTENSION tfm SET SCHEMA c;
		ALTER EXTENSION tfm_pgvector SET SCHEMA a});
	is($node->safe_psql('vectors', q{SELECT '[1,2]'::c.tfm_vector::a.vector}), '[1,2]', 'casts to pgvector move too');
	$node->safe_psql('vectors', 'DROP EXTENSION tfm CASCADE');
	is($node->safe_psql('vectors', q{SELECT string_agg(extname, ',' ORDER BY extname) FROM pg_extension}), 'plpgsql,vector',
		'and go with it');
}

$node->stop;
done_testing();
